//! What the page works at: photos of parts, jobs, the changes that people make.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use efficientad::{CpuEngine, InspectionEngine, InstructionSet};
use efficientad_images::DecodeOptions;
use efficientad_jobs::{JobError, Reading, checkpoint_of};
use efficientad_record::{Change, ChangeKind, Policy, Record};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use crate::access::Caller;
use crate::call::Call;
use crate::feed::Feed;
use crate::jobs::Jobs;
use crate::parts::{Parts, Shelf};
use crate::refusal::{Refusal, with_options};
use crate::reports::Reports;
use crate::server::ServeError;

/// Photos that are decoded at once for people: each may take a lot of memory.
const DECODED_AT_ONCE: usize = 2;
/// Most characters of a name, and of a reason.
const LONGEST_WHO: usize = 200;
const LONGEST_WHY: usize = 1000;

/// Scores of photos by a model: of the SHA-256 of its file, and of the photos' names.
type Scores = HashMap<(String, String), f32>;

/// What the page works at.
pub(crate) struct Desk {
    shop: Arc<Shop>,
    pub jobs: Jobs,
    pub reports: Reports,
    decoding: Semaphore,
}

/// What jobs work with.
pub(crate) struct Shop {
    pub parts: Parts,
    /// The folder of models.
    pub models: PathBuf,
    pub reading: Reading,
    /// What the server's verdicts are computed with.
    pub engine: Arc<dyn InspectionEngine>,
    pub record: Record,
    pub feed: Feed,
    pub scores: Mutex<Scores>,
    /// Held while a model's file is changed.
    pub changing: Mutex<()>,
}

/// Who changes something, and why.
#[derive(Clone, Debug)]
pub(crate) struct Because {
    pub who: String,
    pub why: String,
}

impl Desk {
    /// A desk with the folder `data`.
    pub(crate) fn open(
        data: PathBuf,
        models: PathBuf,
        (reading, keep): (Reading, Policy),
        engine: Arc<dyn InspectionEngine>,
        feed: Feed,
    ) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Data { path: data.clone(), source };
        let parts = Parts::open(&data).map_err(failed)?;
        let record = Record::open(parts.data().join("record.sqlite"), keep)?;
        let reports = Reports::open(parts.data()).map_err(failed)?;
        let (scores, changing) = (Mutex::default(), Mutex::default());
        let shop = Shop { parts, models, reading, engine, record, feed, scores, changing };
        let shop = Arc::new(shop);
        let jobs = Jobs::start(&shop).map_err(ServeError::Threads)?;
        Ok(Self { shop, jobs, reports, decoding: Semaphore::new(DECODED_AT_ONCE) })
    }

    pub(crate) fn shop(&self) -> Arc<Shop> {
        Arc::clone(&self.shop)
    }

    /// Waits until a photo may be decoded.
    pub(crate) async fn decoding(&self) -> Option<SemaphorePermit<'_>> {
        self.decoding.acquire().await.ok()
    }
}

impl Shop {
    /// The file of a part's model.
    pub(crate) fn model_file(&self, name: &str) -> PathBuf {
        self.models.join(format!("{name}.model"))
    }

    /// How photos are read that belong to no model.
    pub(crate) fn decode(&self) -> DecodeOptions {
        self.reading.options()
    }

    /// A CPU for a job, and what its verdicts are computed with: the server's arithmetic.
    pub(crate) fn engines(&self) -> Result<(Arc<CpuEngine>, Arc<dyn InspectionEngine>), String> {
        let threads = job_threads(self.engine.threads().count());
        let cpu = CpuEngine::new(threads, InstructionSet::best()).map_err(|it| it.to_string())?;
        let cpu = Arc::new(cpu);
        let same = cpu.id() == self.engine.id();
        let inspecting = if same { Arc::clone(&cpu) as _ } else { Arc::clone(&self.engine) };
        Ok((cpu, inspecting))
    }

    /// What is to be said of a part in short.
    pub(crate) fn summary(&self, name: &str) -> Value {
        let Ok(part) = self.parts.part(name) else { return json!({ "name": name }) };
        let model = self.model_file(name);
        let count = |shelf| part.photos(shelf).len();
        json!({
            "name": name,
            "photos": {},
            "counts": {
                "train": count(Shelf::Train), "good": count(Shelf::Good), "defect": count(Shelf::Defect),
            },
            "model": model.is_file(),
            "stopped": checkpoint_of(&model).is_file() && part.file("training.json").is_file(),
        })
    }

    /// Records a change of a model or threshold.
    pub(crate) fn record(
        &self,
        because: &Because,
        model: &str,
        what: ChangeKind,
        (before, after): (Option<String>, Option<String>),
    ) -> Result<(), String> {
        let Because { who, why } = because.clone();
        let change = Change {
            time: Timestamp::now(),
            who,
            model: model.to_owned(),
            what,
            why,
            before,
            after,
        };
        let added = self.record.add_change(change);
        added
            .map(drop)
            .map_err(|error| format!("the change is made, but not in the record: {error}"))
    }
}

/// A job's threads have a lower priority where the system has one for each thread; elsewhere it
/// leaves half of the processor to inspections.
fn job_threads(all: usize) -> usize {
    if cfg!(target_os = "linux") { all } else { all.div_ceil(2) }
}

impl Because {
    /// Who asks: the name of the token, or what the client says where there are none.
    pub(crate) fn of(
        caller: &Caller,
        who: Option<&str>,
        why: Option<&str>,
    ) -> Result<Self, Refusal> {
        Ok(Self { who: Self::who(caller, who)?, why: said(why, "why", LONGEST_WHY)? })
    }

    /// Who asks, likewise.
    pub(crate) fn who(caller: &Caller, who: Option<&str>) -> Result<String, Refusal> {
        said(caller.name.as_deref().or(who), "who", LONGEST_WHO)
    }
}

fn said(text: Option<&str>, field: &str, longest: usize) -> Result<String, Refusal> {
    let text = text.unwrap_or_default().trim();
    let is_right = !text.is_empty() && text.chars().count() <= longest && !text.contains('\0');
    is_right.then(|| text.to_owned()).ok_or_else(|| {
        let message = format!(
            "{field:?}: who changes a model or threshold, and why, is put into the record, and who marks a \
             photo: write 1 to {longest} characters"
        );
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "who_and_why", message)
    })
}

impl Call {
    /// The desk, where the server has one.
    pub(crate) fn desk(&self) -> Result<&Desk, Refusal> {
        self.shared.desk.as_ref().ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "no_data",
                "the server was started without a folder of data: start it with --data DIR",
            )
        })
    }

    /// A field of the query.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.query().into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub(crate) async fn read_json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        let body = self.read_body().await?;
        serde_json::from_slice(&body).map_err(|error| {
            Refusal::bad_request(format!(
                "the body of the request is not the JSON that it takes: {error}"
            ))
        })
    }
}

/// What waits for disks or computes, in a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))
}

/// Why a job, or a part of one, could not be done.
pub(crate) fn refused_job(error: &JobError) -> Refusal {
    let message = with_options(&error.to_string());
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "job", message)
}

/// What a lock protects is whole at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
