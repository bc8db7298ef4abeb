//! Answers of the protocol: what can be given, as JSON or as bytes behind it.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::tensors::{BinarySize, Output, OutputParameters, Parameters, TensorHead};
use crate::inspecting::{Inspected, MapForm, Wanted};
use crate::models::Loaded;
use crate::refusal::Refusal;

/// Something that can be given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    name: &'static str,
    datatype: &'static str,
    shape: &'static [i64],
}

/// The largest value of the anomaly map.
pub(super) const SCORE: Kind = Kind { name: "score", datatype: "FP32", shape: &[-1] };
/// Whether the score reaches the threshold.
pub(super) const ANOMALOUS: Kind = Kind { name: "anomalous", datatype: "BOOL", shape: &[-1] };
/// How probable such a score is for a good part.
pub(super) const P_VALUE: Kind = Kind { name: "p_value", datatype: "FP64", shape: &[-1] };
/// What `efficientad predict --json` prints.
pub(super) const VERDICT: Kind = Kind { name: "verdict", datatype: "BYTES", shape: &[-1] };
/// The anomaly map.
pub(super) const MAP: Kind = Kind { name: "map", datatype: "FP32", shape: &[-1, -1, -1] };

const ALL: [&Kind; 5] = [&SCORE, &ANOMALOUS, &P_VALUE, &VERDICT, &MAP];

impl Kind {
    pub(super) fn metadata(&self) -> Value {
        json!({ "name": self.name, "datatype": self.datatype, "shape": self.shape })
    }

    /// Whether a model gives it.
    fn check(&self, model: &Loaded) -> Result<(), Refusal> {
        let detector = &model.detector;
        let reason = if *self == ANOMALOUS && detector.threshold().is_none() {
            "has no threshold"
        } else if *self == P_VALUE && detector.calibration().is_none() {
            "keeps no scores of good photos"
        } else {
            return Ok(());
        };
        Err(Refusal::bad_request(format!(
            "output {:?}: the model {reason}: calibrate it by `efficientad calibrate`, or leave this \
             output out",
            self.name
        )))
    }
}

/// What a request asks for.
pub(super) struct Asked(Vec<(&'static Kind, bool)>);

impl Asked {
    /// The outputs that are asked for; if none are, what the model gives but verdicts and maps.
    pub(super) fn of(
        outputs: &[Output],
        parameters: &Parameters,
        model: &Loaded,
    ) -> Result<Self, Refusal> {
        let default = parameters.binary_data_output;
        if outputs.is_empty() {
            let given = [&SCORE, &ANOMALOUS, &P_VALUE].into_iter();
            let given = given.filter(|kind| kind.check(model).is_ok());
            return Ok(Self(given.map(|kind| (kind, default)).collect()));
        }
        let mut asked: Vec<(&'static Kind, bool)> = Vec::new();
        for Output { name, parameters: OutputParameters { binary_data, classification } } in outputs
        {
            let kind = ALL.into_iter().find(|kind| kind.name == name).ok_or_else(|| {
                let names = ALL.map(|kind| kind.name).join(", ");
                Refusal::bad_request(format!(
                    "output {name:?}: there is no such output; there are: {names}"
                ))
            })?;
            if classification.is_some() {
                return Err(Refusal::bad_request(format!(
                    "output {name:?}: nothing is classified here: leave the parameter classification out"
                )));
            }
            if asked.iter().any(|(other, _)| *other == kind) {
                return Err(Refusal::bad_request(format!(
                    "output {name:?}: it is asked for twice"
                )));
            }
            kind.check(model)?;
            asked.push((kind, binary_data.unwrap_or(default)));
        }
        Ok(Self(asked))
    }

    /// What is asked for beside verdicts.
    pub(super) fn wanted(&self) -> Wanted {
        let has_map = self.0.iter().any(|(kind, _)| **kind == MAP);
        Wanted { overlay: false, map: has_map.then_some(MapForm::Values) }
    }

    /// The tensors, and the bytes behind the JSON.
    pub(super) fn tensors(
        &self,
        photos: &[Inspected],
    ) -> Result<(Vec<TensorHead>, Vec<u8>), Refusal> {
        let mut binary = Vec::new();
        let mut heads = Vec::new();
        for &(kind, is_binary) in &self.0 {
            let start = binary.len();
            let data = if is_binary {
                append(kind, photos, &mut binary)?;
                None
            } else {
                Some(listed(kind, photos)?)
            };
            let size = BinarySize { binary_data_size: binary.len() - start };
            let mut shape = vec![photos.len()];
            if *kind == MAP {
                shape.extend(map_size(photos)?);
            }
            let Kind { name, datatype, .. } = *kind;
            heads.push(TensorHead {
                name,
                datatype,
                shape,
                parameters: is_binary.then_some(size),
                data,
            });
        }
        Ok((heads, binary))
    }
}

/// Height and width of all maps.
fn map_size(photos: &[Inspected]) -> Result<[usize; 2], Refusal> {
    let mut sizes = photos.iter().filter_map(|photo| photo.map.as_ref());
    let mut sizes = sizes.by_ref().map(|map| [map.height as usize, map.width as usize]);
    let first = sizes.next().unwrap_or([0, 0]);
    if sizes.all(|size| size == first) {
        return Ok(first);
    }
    Err(Refusal::bad_request(
        "output \"map\": the photos have different sizes, and a tensor has one: send photos of one size, \
         or one at a time",
    ))
}

/// Values as bytes, little-endian.
fn append(kind: &Kind, photos: &[Inspected], bytes: &mut Vec<u8>) -> Result<(), Refusal> {
    for photo in photos {
        let verdict = &photo.record.verdict;
        match kind.name {
            "score" => bytes.extend(verdict.score.to_le_bytes()),
            "anomalous" => bytes.push(u8::from(verdict.anomalous == Some(true))),
            "p_value" => bytes.extend(verdict.p_value.unwrap_or(f64::NAN).to_le_bytes()),
            "map" => bytes.extend(photo.map.iter().flat_map(|map| map.bytes.iter().copied())),
            _ => {
                let text = text(photo)?;
                bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
    Ok(())
}

/// Values as JSON.
fn listed(kind: &Kind, photos: &[Inspected]) -> Result<Box<RawValue>, Refusal> {
    let verdicts = photos.iter().map(|photo| &photo.record.verdict);
    let listed = match kind.name {
        "score" => to_raw_value(&verdicts.map(|verdict| verdict.score).collect::<Vec<_>>()),
        "anomalous" => to_raw_value(&verdicts.map(|verdict| verdict.anomalous).collect::<Vec<_>>()),
        "p_value" => to_raw_value(&verdicts.map(|verdict| verdict.p_value).collect::<Vec<_>>()),
        "map" => {
            let bytes = photos.iter().filter_map(|photo| photo.map.as_ref()).flat_map(|map| {
                map.bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes))
            });
            to_raw_value(&bytes.collect::<Vec<_>>())
        }
        _ => to_raw_value(&photos.iter().map(text).collect::<Result<Vec<_>, _>>()?),
    };
    listed.map_err(|error| Refusal::internal(error.to_string()))
}

fn text(photo: &Inspected) -> Result<String, Refusal> {
    serde_json::to_string(&photo.record).map_err(|error| Refusal::internal(error.to_string()))
}
