//! The published schema of a station's file, and the file that its documentation shows.

use std::fs;
use std::path::{Path, PathBuf};

use efficientad_station::{StationConfig, schema};
use serde_json::Value;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// With `EFFICIENTAD_WRITE_SCHEMAS=1` it is written instead.
#[test]
fn the_schema_is_up_to_date() {
    let path = docs().join("schemas/station.schema.json");
    let expected: Value = schema().into();
    if std::env::var_os("EFFICIENTAD_WRITE_SCHEMAS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
    }
    let published: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(published, expected, "EFFICIENTAD_WRITE_SCHEMAS=1 writes it anew");
}

#[test]
fn the_file_of_the_documentation_is_one() {
    let text = fs::read_to_string(docs().join("station.md")).unwrap();
    let (_, file) = text.split_once("```toml\n").unwrap();
    let (file, _) = file.split_once("```").unwrap();
    let station = StationConfig::parse(file, Path::new("/srv")).unwrap();
    assert_eq!(station.name, "cell 4");
    assert_eq!((station.cameras.len(), station.lines.len(), station.outputs.len()), (1, 1, 2));
    for camera in station.cameras.values() {
        camera.check().unwrap();
    }
    for output in station.outputs.values() {
        output.config.check().unwrap();
    }
}
