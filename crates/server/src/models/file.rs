//! Models as files of a folder.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use efficientad::{Arithmetic, Detector, Model};
use efficientad_datasets::Fingerprint;
use sha2::{Digest, Sha256};

use super::{Loaded, Preparing};
use crate::refusal::Refusal;
use crate::stamp::Stamp;

/// How the name of a model's file ends.
const EXTENSION: &str = "model";
/// Most bytes of a model's file: what the format allows.
const MOST_BYTES: u64 = 1 << 30;

/// The names of all models, sorted.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = files(folder).map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

/// The file of a model. The name is compared, and never made into a path.
pub(super) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    files(folder).find(|(found, _)| found == name).map(|(_, path)| path)
}

fn files(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let path = entry.path();
        let name = path.file_stem()?.to_str()?.to_owned();
        let is_model = path.extension()? == EXTENSION && !name.starts_with('.');
        (is_model && path.is_file()).then_some((name, path))
    })
}

/// Reads a model; what tells its file is known even if that fails.
pub(super) fn load(
    path: &Path,
    name: String,
    preparing: &Preparing,
) -> (Option<Stamp>, Result<Loaded, Refusal>) {
    match read(path, &name) {
        Ok((stamp, bytes)) => (Some(stamp), prepare(stamp, &bytes, name, preparing)),
        Err(refusal) => (Stamp::of(path).ok(), Err(refusal)),
    }
}

/// The bytes of a model's file.
fn read(path: &Path, name: &str) -> Result<(Stamp, Vec<u8>), Refusal> {
    let unreadable = |error: io::Error| {
        unusable(format!("{name}: its file cannot be read ({error}); check its permissions"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let stamp = Stamp::from(&file.metadata().map_err(unreadable)?);
    let mut bytes = Vec::with_capacity(stamp.length.min(MOST_BYTES) as usize);
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unusable(format!("{name}: its file is larger than 1 GiB: it is no model")));
    }
    Ok((stamp, bytes))
}

fn prepare(
    stamp: Stamp,
    bytes: &[u8],
    name: String,
    preparing: &Preparing,
) -> Result<Loaded, Refusal> {
    let fingerprint = Fingerprint(Sha256::digest(bytes).into());
    let detector = Model::from_bytes(bytes, &format!("{name}.{EXTENSION}"))
        .and_then(|model| Detector::new(&model, preparing.engine.clone()))
        .map_err(|error| unusable(error.to_string()))?;
    let remark = remark(&detector).map_err(|refusal| unusable(format!("{name}: {refusal}")))?;
    let decode = preparing.reading.options_for(detector.info());
    let said = (remark, preparing.defect_rate);
    Ok(Loaded::new(name, fingerprint, stamp, detector, decode, said))
}

/// What is to be said of scores that are not the model's calibration scores' kind; an error if
/// verdicts would mean nothing.
fn remark(detector: &Detector) -> Result<Option<String>, String> {
    let engine = detector.engine();
    match detector.arithmetic() {
        Arithmetic::LowerPrecision { calibrated } => Err(format!(
            "the model was calibrated by {calibrated}; {engine} is less precise, so that its threshold \
             promises nothing here: calibrate the model on this engine (`efficientad calibrate` with \
             the server's options)"
        )),
        Arithmetic::Other { calibrated } => Ok(Some(format!(
            "the model was calibrated by {calibrated}, and {engine} computes now: scores differ by \
             rounding, so that a part right at the threshold may be judged otherwise; `efficientad \
             calibrate` with the server's options makes the promise one for this engine"
        ))),
        _ if detector.threshold().is_none() => {
            Ok(Some("the model has no threshold: there are scores, but no verdicts".to_owned()))
        }
        _ => Ok(None),
    }
}

fn unusable(message: String) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "model_unusable", message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use efficientad::engine::{
        EngineError, Networks, PreparedNetworks, PreparedTeacher, Threads, Weights,
    };
    use efficientad::{CpuEngine, EngineId, InspectionEngine, InstructionSet, PdnSize, Precision};

    use super::*;
    use crate::testing::model;

    /// A CPU that says of itself that it is less precise.
    struct Coarse(Arc<CpuEngine>);

    impl InspectionEngine for Coarse {
        fn id(&self) -> EngineId {
            EngineId { precision: Precision::Bf16, ..self.0.id() }
        }
        fn threads(&self) -> &Threads {
            self.0.threads()
        }
        fn prepare(&self, networks: &Networks) -> Result<Box<dyn PreparedNetworks>, EngineError> {
            self.0.prepare(networks)
        }
        fn prepare_teacher(
            &self,
            size: PdnSize,
            weights: &Weights,
        ) -> Result<Box<dyn PreparedTeacher>, EngineError> {
            self.0.prepare_teacher(size, weights)
        }
    }

    #[test]
    fn a_model_of_higher_precision_is_refused_as_by_predict() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.model");
        let cpu = Arc::new(CpuEngine::new(1, InstructionSet::best()).unwrap());
        model(Arc::clone(&cpu)).save(&path).unwrap();
        let load = |engine: Arc<dyn InspectionEngine>| {
            let reading = efficientad_jobs::Reading::default();
            load(&path, "part".to_owned(), &Preparing { engine, reading, defect_rate: 0.1 }).1
        };
        assert_eq!(load(cpu.clone()).unwrap().remark, None);
        let refusal = load(Arc::new(Coarse(cpu))).err().unwrap();
        assert_eq!((refusal.status.as_u16(), refusal.code), (409, "model_unusable"));
        for text in
            ["part: the model was calibrated by cpu", "is less precise", "`efficientad calibrate`"]
        {
            assert!(refusal.message.contains(text), "{}", refusal.message);
        }
    }

    #[test]
    fn models_are_files_of_that_ending_by_their_stems() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in
            ["b.model", "a.b.model", "größe.model", ".hidden.model", "b.model.checkpoint", "b"]
        {
            fs::write(folder.join(name), "").unwrap();
        }
        fs::create_dir(folder.join("folder.model")).unwrap();
        assert_eq!(names(folder), ["a.b", "b", "größe"]);
        assert_eq!(find(folder, "b"), Some(folder.join("b.model")));
        let elsewhere =
            ["", ".", "..", "../b", "/b", "b.model", ".hidden", "folder", "b/../b", "b\0", "./b"];
        for name in elsewhere {
            assert_eq!(find(folder, name), None, "{name:?}");
        }
    }
}
