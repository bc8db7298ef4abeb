//! What the file of a station says.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use efficientad_cameras::CameraConfig;
use efficientad_files::read_limited;
use efficientad_outputs::{FailSafe, OutputConfig};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StationError;

/// Largest file of a station, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// An inspection station: which cameras look at what, by which models, and who is told.
#[derive(Clone, Debug, PartialEq)]
pub struct StationConfig {
    /// What outputs call it.
    pub name: String,
    /// The folder of the lines' logs, and of what outputs have delivered of them.
    pub state: PathBuf,
    /// Cameras by their names.
    pub cameras: BTreeMap<String, CameraConfig>,
    /// Lines by their names: a camera, and the model that judges its photos.
    pub lines: BTreeMap<String, LineConfig>,
    /// Outputs by their names: who is told what lines find.
    pub outputs: BTreeMap<String, StationOutput>,
}

/// A camera, and the model that judges its photos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LineConfig {
    /// Name of the camera.
    pub camera: String,
    /// The model's file. When it changes, the line goes on with the new one.
    pub model: PathBuf,
    /// Score from which on a photo is anomalous. Default: the model's own threshold.
    pub threshold: Option<f32>,
    /// Longest time from the photo to its verdict at an output, in milliseconds; later ones are
    /// marked as late. Default: none is late.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub budget_ms: Option<u32>,
    /// What holds of parts that have no verdict, because the camera is out of reach or the photo
    /// can't be judged. Default `reject`.
    #[serde(default)]
    pub fail_safe: FailSafe,
    /// Folder for pictures of rejects. Default: none are kept.
    pub rejects: Option<PathBuf>,
    /// Largest share of defective parts that is no drift, from 0 to below 1. Default 0.1.
    #[serde(default = "default_defect_rate")]
    pub defect_rate: f64,
}

fn default_defect_rate() -> f64 {
    0.1
}

/// An output, and the lines that it tells of.
#[derive(Clone, Debug, PartialEq)]
pub struct StationOutput {
    /// Which output.
    pub config: OutputConfig,
    /// Names of lines; `None` for all.
    pub lines: Option<Vec<String>>,
}

/// The file as it is written; cameras and outputs are read one by one, so that errors name them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    state: Option<PathBuf>,
    #[serde(default)]
    cameras: BTreeMap<String, toml::Table>,
    #[serde(default)]
    lines: BTreeMap<String, toml::Table>,
    #[serde(default)]
    outputs: BTreeMap<String, toml::Table>,
}

impl StationConfig {
    /// Reads the file of a station; paths in it that are relative start at its folder.
    ///
    /// # Errors
    /// It can't be read, is no TOML, or has a field that is unknown or can't be what it is.
    pub fn open(path: &Path) -> Result<Self, StationError> {
        let failed = |source| StationError::File { path: path.to_owned(), source };
        let bytes = read_limited(path, MAX_BYTES).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| failed(io::Error::other(error)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
            .map_err(|reason| StationError::Config { path: path.to_owned(), reason })
    }

    /// Reads a station's description; relative paths start at `folder`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let File { name, state, cameras, lines, outputs } =
            toml::from_str(text).map_err(|error| error.to_string())?;
        Ok(Self {
            name,
            state: folder.join(state.unwrap_or_else(|| "state".into())),
            cameras: each("cameras", cameras, |table| {
                let mut camera: CameraConfig = read(table)?;
                camera.resolve(folder);
                Ok(camera)
            })?,
            lines: each("lines", lines, |table| {
                let mut line: LineConfig = read(table)?;
                line.model = folder.join(line.model);
                line.rejects = line.rejects.map(|rejects| folder.join(rejects));
                Ok(line)
            })?,
            outputs: each("outputs", outputs, |mut table| {
                let lines = table.remove("lines").map(toml::Value::try_into).transpose();
                let lines = lines.map_err(|error| format!("lines: {}", error.message()))?;
                let mut config: OutputConfig = read(table)?;
                config.resolve(folder);
                Ok(StationOutput { config, lines })
            })?,
        })
    }

    /// The log of a line.
    pub fn log(&self, line: &str) -> PathBuf {
        self.state.join(format!("{line}.jsonl"))
    }

    /// The lines that an output tells of.
    pub fn lines_of<'a>(&'a self, output: &'a StationOutput) -> Vec<&'a str> {
        match &output.lines {
            Some(lines) => lines.iter().map(String::as_str).collect(),
            None => self.lines.keys().map(String::as_str).collect(),
        }
    }
}

impl LineConfig {
    /// [`LineConfig::budget_ms`] as a time.
    pub fn budget(&self) -> Option<Duration> {
        self.budget_ms.map(|budget| Duration::from_millis(budget.into()))
    }
}

/// Reads each table of a kind; an error names it.
fn each<T>(
    kind: &str,
    tables: BTreeMap<String, toml::Table>,
    read: impl Fn(toml::Table) -> Result<T, String>,
) -> Result<BTreeMap<String, T>, String> {
    let named = |(name, table): (String, toml::Table)| match read(table) {
        Ok(value) => Ok((name, value)),
        Err(reason) => Err(place(kind, &name, reason)),
    };
    tables.into_iter().map(named).collect()
}

fn read<T: DeserializeOwned>(table: toml::Table) -> Result<T, String> {
    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// Where in the file something is wrong.
pub(crate) fn place(kind: &str, name: &str, reason: impl Display) -> String {
    format!("[{kind}.{name}] {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: &str = r#"
name = "cell 4"
[cameras.top]
kind = "http"
url = "http://127.0.0.1:8000/photo"
[lines.lids]
camera = "top"
model = "models/lid.model"
budget_ms = 200
[outputs.table]
kind = "csv"
path = "lids.csv"
lines = ["lids"]
"#;

    #[test]
    fn a_station_is_read_with_paths_from_its_folder() {
        let station = StationConfig::parse(STATION, Path::new("/srv")).unwrap();
        assert_eq!(station.log("lids"), Path::new("/srv/state/lids.jsonl"));
        let lids = &station.lines["lids"];
        assert_eq!(lids.model, Path::new("/srv/models/lid.model"));
        assert_eq!(lids.budget(), Some(Duration::from_millis(200)));
        assert_eq!((lids.fail_safe, lids.defect_rate), (FailSafe::Reject, 0.1));
        let table = &station.outputs["table"];
        assert_eq!(station.lines_of(table), ["lids"]);
        assert!(
            matches!(&table.config, OutputConfig::Csv(csv) if csv.path == Path::new("/srv/lids.csv"))
        );
        let all = StationConfig::parse(&STATION.replace("lines = [\"lids\"]", ""), Path::new(""))
            .unwrap();
        assert_eq!(all.lines_of(&all.outputs["table"]), ["lids"]);
    }

    #[test]
    fn what_is_unknown_is_named_with_its_place() {
        for (from, to, expected) in [
            ("name = \"cell 4\"", "nam = \"cell 4\"", "nam"),
            ("budget_ms = 200", "budget = 200", "[lines.lids] unknown field `budget`"),
            ("url =", "uri =", "[cameras.top] unknown field `uri`"),
            ("path =", "file =", "[outputs.table] unknown field `file`"),
            ("\"csv\"", "\"cvs\"", "[outputs.table] unknown variant `cvs`"),
            ("[\"lids\"]", "\"lids\"", "[outputs.table] lines: "),
            ("budget_ms = 200", "budget_ms = -1", "[lines.lids] "),
            ("camera = \"top\"", "", "[lines.lids] missing field `camera`"),
        ] {
            let text = STATION.replacen(from, to, 1);
            let error = StationConfig::parse(&text, Path::new("")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
