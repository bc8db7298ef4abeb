//! Judging the photos that were marked, so that it is seen what a threshold does.

use std::path::{Path, PathBuf};

use efficientad::{Detector, Model};
use efficientad_evaluation::{JudgeOptions, Photo, inspect_photos};
use serde_json::json;

use super::board::Ending;
use super::telling::Telling;
use super::train::fingerprint;
use super::{Outcome, Work, refused, told};
use crate::desk::{Shop, lock};
use crate::parts::Shelf;

/// Scores that are remembered; beyond, all are forgotten and judged anew.
const MOST_SCORES: usize = 200_000;

pub(super) fn run(work: &Work<'_>, name: &str) -> Outcome {
    let shop = work.shop;
    let part = shop.parts.part(name).map_err(refused)?;
    let path = shop.model_file(name);
    let model = Model::open(&path).map_err(told)?;
    let sha256 = fingerprint(&path).unwrap_or_default();
    let marked = [Shelf::Good, Shelf::Defect].map(|shelf| part.photos(shelf)).concat();
    let is_new = |photo: &&PathBuf| scored(shop, &sha256, photo).is_none();
    let photos: Vec<Photo> = marked
        .iter()
        .filter(is_new)
        .map(|path| Photo { path: path.clone(), relative: path.clone() })
        .collect();
    let (_, engine) = shop.engines()?;
    let options = JudgeOptions {
        decode: shop.reading.options_for(model.info()),
        workers: engine.threads().count(),
    };
    let detector = Detector::new(&model, engine).map_err(told)?;
    let mut telling = Telling::new(work);
    let mut failed = 0;
    let judged = inspect_photos(&detector, &photos, &options, |index, judged| {
        match judged {
            Ok(judged) => {
                let mut scores = lock(&shop.scores);
                if scores.len() >= MOST_SCORES {
                    scores.clear();
                }
                scores.insert(key_of(&sha256, &photos[index].path), judged.inspection.score);
            }
            Err(error) => {
                failed += 1;
                work.change(|standing| standing.remark(format!("skipped: {}", told(error))));
            }
        }
        telling.progress("judging", index + 1, photos.len());
        match telling.flow() {
            std::ops::ControlFlow::Continue(()) => Ok(()),
            std::ops::ControlFlow::Break(()) => Err(()),
        }
    });
    Ok(match judged {
        Ok(()) => Ending::Done(json!({ "judged": photos.len() - failed, "failed": failed })),
        Err(()) => Ending::Stopped,
    })
}

/// The score of a photo by the model of this SHA-256, if it is known.
pub(crate) fn scored(shop: &Shop, sha256: &str, photo: &Path) -> Option<f32> {
    lock(&shop.scores).get(&key_of(sha256, photo)).copied()
}

/// What a score is remembered by. A photo's name tells its content.
fn key_of(sha256: &str, photo: &Path) -> (String, String) {
    let name = photo.file_name().unwrap_or_default().to_string_lossy();
    let content =
        crate::parts::content_of(photo).map_or_else(|| name.clone().into_owned(), str::to_owned);
    (sha256.to_owned(), content)
}
