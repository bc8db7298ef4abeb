//! What the file of a station looks like, as JSON Schema.

use std::collections::BTreeMap;
use std::path::PathBuf;

use efficientad_cameras::CameraConfig;
use efficientad_outputs::OutputConfig;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::config::LineConfig;

/// An inspection station: which cameras look at what, by which models, and who is told. Relative
/// paths start at the file's folder; names have 1 to 64 of the characters a-z, A-Z, 0-9, - and _.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "The file of an inspection station", deny_unknown_fields)]
#[allow(dead_code)]
struct Station {
    /// What outputs call it.
    name: String,
    /// The folder of the lines' logs, and of what outputs have delivered of them. Default `state`.
    state: Option<PathBuf>,
    /// Cameras by their names.
    #[serde(default)]
    cameras: BTreeMap<String, CameraConfig>,
    /// Lines by their names: a camera, and the model that judges its photos.
    lines: BTreeMap<String, LineConfig>,
    /// Outputs by their names: who is told what lines find.
    #[serde(default)]
    outputs: BTreeMap<String, Output>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// Names of lines. Default: all.
    lines: Option<Vec<String>>,
    #[serde(flatten)]
    config: OutputConfig,
}

/// The schema of a station's file (`docs/schemas/station.schema.json`).
pub fn schema() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Station>();
    schema.insert("$id".to_owned(), "urn:efficientad:station".into());
    schema
}
