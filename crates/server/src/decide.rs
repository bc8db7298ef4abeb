//! Thresholds: what one does and promises, and setting it.

use std::path::PathBuf;

use axum::http::StatusCode;
use efficientad::{CONFIDENCE, Calibration, FalseRejectRate, Model, Threshold};
use efficientad_metrics::rate_interval;
use efficientad_record::ChangeKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::desk::{Because, Shop, blocking, lock};
use crate::jobs::scored;
use crate::parts::{Part, Shelf};
use crate::refusal::Refusal;

/// Bars of the histograms.
const BARS: usize = 48;
/// Rates whose thresholds are offered.
const RATES: [f64; 4] = [0.001, 0.01, 0.02, 0.05];

/// A threshold, and what it promises in words.
pub(crate) fn promise(threshold: &Threshold) -> Value {
    let mut document = json!(threshold);
    document["text"] = threshold.to_string().into();
    document
}

/// A photo that was marked, and its score if it is known.
struct Marked {
    path: PathBuf,
    mark: Shelf,
    score: Option<f32>,
}

/// What a model's threshold does, or another one.
pub(crate) async fn show(call: Call) -> Answer {
    call.shared.models.refresh().await;
    let model = call.model().await?;
    let calibration = model.detector.calibration();
    let proposed = match (call.field("threshold"), call.field("false_reject")) {
        (Some(value), _) => Some(Threshold::given(number("threshold", &value)?, calibration)),
        (None, Some(rate)) => Some(for_rate(calibration, &rate)?),
        (None, None) => model.detector.guarantee().cloned(),
    };
    let shop = call.desk().ok().map(crate::desk::Desk::shop);
    let of_part = shop.as_ref().and_then(|shop| Some((shop, shop.parts.part(&model.name).ok()?)));
    let photos = of_part.map(|(shop, part)| marked(shop, &part, &model.sha256)).unwrap_or_default();
    let mut document = json!({
        "model": model.name,
        "version": model.version(),
        "current": model.detector.guarantee().map(promise),
        "proposed": proposed.as_ref().map(promise),
        "unscored": photos.iter().filter(|photo| photo.score.is_none()).count(),
        "good": reaching(&photos, Shelf::Good, proposed.as_ref()),
        "defects": reaching(&photos, Shelf::Defect, proposed.as_ref()),
    });
    if call.field("all").is_some() {
        let cut = model.detector.threshold();
        document["histogram"] = histogram(calibration, &photos, cut);
        document["rates"] = rates(calibration);
        document["photos"] = shop.map(|shop| listed(&shop, &photos)).into();
    }
    answer::json(&document)
}

fn number(field: &str, text: &str) -> Result<f32, Refusal> {
    let number = text.parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| Refusal::bad_request(format!("{field}={text:?}: write a number")))
}

fn for_rate(calibration: Option<&Calibration>, rate: &str) -> Result<Threshold, Refusal> {
    let rate: FalseRejectRate = rate
        .parse()
        .map_err(|reason| Refusal::bad_request(format!("false_reject={rate:?}: {reason}")))?;
    let calibration = calibration.ok_or_else(uncalibrated)?;
    calibration.threshold(rate).map_err(|error| unusable(&error.to_string()))
}

fn uncalibrated() -> Refusal {
    unusable("the model was never calibrated: calibrate it with photos of good parts first")
}

fn unusable(reason: &str) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "threshold", reason)
}

/// The photos of a part that were marked, with their scores by a model.
fn marked(shop: &Shop, part: &Part, sha256: &str) -> Vec<Marked> {
    let of = |mark: Shelf| {
        part.photos(mark).into_iter().map(move |path| {
            let score = scored(shop, sha256, &path);
            Marked { path, mark, score }
        })
    };
    of(Shelf::Good).chain(of(Shelf::Defect)).collect()
}

/// How many of the photos of a mark reach a threshold; with the interval of their share.
fn reaching(photos: &[Marked], mark: Shelf, threshold: Option<&Threshold>) -> Value {
    let scores: Vec<f32> =
        photos.iter().filter(|photo| photo.mark == mark).filter_map(|photo| photo.score).collect();
    let Some(threshold) = threshold else { return json!({ "images": scores.len() }) };
    let reach = scores.iter().filter(|&&score| score >= threshold.value).count();
    let (low, high) = rate_interval(reach as u64, scores.len() as u64, CONFIDENCE);
    json!({ "images": scores.len(), "reach": reach, "interval": [low, high] })
}

/// How often each score occurs.
fn histogram(calibration: Option<&Calibration>, photos: &[Marked], cut: Option<f32>) -> Value {
    let of = |mark: Shelf| -> Vec<f32> {
        photos.iter().filter(|photo| photo.mark == mark).filter_map(|photo| photo.score).collect()
    };
    let calibration = calibration.map_or_else(Vec::new, |it| it.scores().to_vec());
    let (good, defects) = (of(Shelf::Good), of(Shelf::Defect));
    let all = || calibration.iter().chain(&good).chain(&defects).chain(&cut).copied();
    let (low, high) =
        (all().fold(f32::INFINITY, f32::min), all().fold(f32::NEG_INFINITY, f32::max));
    if low > high {
        return Value::Null;
    }
    // Room beyond the scores, for thresholds.
    let room = 0.05 * (high - low).max(0.02);
    let (low, high) = (low - room, high + room);
    let bars = |scores: &[f32]| {
        let mut bars = vec![0_u32; BARS];
        for score in scores {
            let place = (score - low) / (high - low) * BARS as f32;
            bars[(place as usize).min(BARS - 1)] += 1;
        }
        bars
    };
    json!({
        "low": low, "high": high,
        "calibration": bars(&calibration), "good": bars(&good), "defects": bars(&defects),
    })
}

/// The thresholds of some rates.
fn rates(calibration: Option<&Calibration>) -> Value {
    let threshold = |rate| calibration?.threshold(FalseRejectRate::new(rate)?).ok();
    let rates = RATES
        .into_iter()
        .filter_map(|rate| Some(json!({ "rate": rate, "threshold": promise(&threshold(rate)?) })));
    rates.collect::<Vec<_>>().into()
}

fn listed(shop: &Shop, photos: &[Marked]) -> Vec<Value> {
    let listed = |photo: &Marked| {
        let name = photo.path.file_name().unwrap_or_default().to_string_lossy();
        let path = shop.parts.relative(&photo.path);
        json!({ "name": name, "path": path, "mark": photo.mark, "score": photo.score })
    };
    photos.iter().map(listed).collect()
}

/// The threshold that is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    value: Option<f32>,
    false_reject: Option<f64>,
    who: Option<String>,
    why: Option<String>,
}

/// Sets a model's threshold, in its file.
pub(crate) async fn set(mut call: Call) -> Answer {
    let wanted: Wanted = call.read_json().await?;
    let because = Because::of(&call.caller, wanted.who.as_deref(), wanted.why.as_deref())?;
    let desk = call.desk()?;
    // A model that there is: so its name leads nowhere else.
    let name = call.shared.models.describe(call.parameter("model"))?.name;
    if desk.jobs.board.changes(&name) {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "model_in_work",
            format!("{name}: a job works at this model: wait for its end, or stop it"),
        ));
    }
    let (shop, model) = (desk.shop(), name.clone());
    let (who, threshold) =
        (because.who.clone(), blocking(move || change(&shop, &model, &wanted, &because)).await?);
    tracing::info!(model = name, who, threshold = threshold.value, "threshold set");
    call.shared.models.load(&name).await?;
    answer::json(&json!({ "model": name, "threshold": promise(&threshold) }))
}

fn change(
    shop: &Shop,
    name: &str,
    wanted: &Wanted,
    because: &Because,
) -> Result<Threshold, Refusal> {
    let _changing = lock(&shop.changing);
    let path = shop.model_file(name);
    let mut model = Model::open(&path).map_err(|error| unusable(&error.to_string()))?;
    let before = model.info().threshold.as_ref().map(|threshold| threshold.value.to_string());
    match (wanted.value, wanted.false_reject) {
        (Some(value), None) if value.is_finite() => model.set_threshold(value),
        (None, Some(rate)) => {
            let rate = FalseRejectRate::try_from(rate).map_err(unusable)?;
            model.set_false_reject(rate).map_err(|error| unusable(&error.to_string()))?;
        }
        _ => return Err(unusable("give either a value, a finite number, or a false_reject")),
    }
    model.save(&path).map_err(|error| unusable(&error.to_string()))?;
    let threshold = model.info().threshold.clone().ok_or_else(uncalibrated)?;
    let change = (before, Some(threshold.value.to_string()));
    shop.record(because, name, ChangeKind::Threshold, change).map_err(Refusal::internal)?;
    Ok(threshold)
}

/// Changes of thresholds and models, the last ones first.
pub(crate) async fn changes(call: Call) -> Answer {
    /// Changes that one answer lists.
    const MOST: usize = 200;
    let shop = call.desk()?.shop();
    let before = call.field("before").and_then(|before| before.parse().ok());
    let changes = blocking(move || {
        shop.record.changes(before, MOST).map_err(|error| Refusal::internal(error.to_string()))
    });
    answer::json(&json!({ "changes": changes.await? }))
}

/// Who the client is, and what it may do.
pub(crate) async fn session(call: Call) -> Answer {
    answer::json(&json!({
        "name": call.caller.name,
        "role": call.caller.role.map_or("engineer", crate::access::Role::name),
        "data": call.desk().is_ok(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}
