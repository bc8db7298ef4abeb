//! What a file may say of an output.

use std::path::Path;

use efficientad_outputs::OutputConfig;
use serde::{Deserialize, Serialize};

/// As a station has it: an output, and which lines it is of.
#[derive(Debug, Deserialize, Serialize)]
struct Wrapped {
    #[serde(default)]
    lines: Option<Vec<String>>,
    #[serde(flatten)]
    output: OutputConfig,
}

#[test]
fn unknown_fields_are_refused_beside_the_stations_own() {
    let text = "kind = \"csv\"\npath = \"a.csv\"\n";
    let alone: OutputConfig = toml::from_str(text).unwrap();
    let wrapped: Wrapped = toml::from_str(&format!("lines = [\"lids\"]\n{text}")).unwrap();
    assert_eq!(wrapped.output, alone);
    assert_eq!(wrapped.lines.unwrap(), ["lids"]);
    for wrong in ["pth = \"b\"", "events = \"some\"", "threads = 2"] {
        let text = format!("{text}{wrong}\n");
        assert!(toml::from_str::<OutputConfig>(&text).is_err(), "{wrong}");
        assert!(toml::from_str::<Wrapped>(&text).is_err(), "{wrong}");
    }
    assert!(toml::from_str::<OutputConfig>("kind = \"fax\"\n").is_err());
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let mut config: OutputConfig = toml::from_str("kind = \"csv\"\npath = \"a.csv\"\n").unwrap();
    config.resolve(Path::new("/srv/cell"));
    let OutputConfig::Csv(csv) = &config else { panic!("{config:?}") };
    assert_eq!(csv.path, Path::new("/srv/cell/a.csv"));
    config.resolve(Path::new("/elsewhere"));
    let OutputConfig::Csv(csv) = &config else { panic!("{config:?}") };
    assert_eq!(csv.path, Path::new("/srv/cell/a.csv"));
}

#[test]
fn what_can_not_work_is_refused_with_the_field() {
    for (text, reason) in [
        ("kind = \"tcp\"", "either `address` or `listen` is to be given"),
        ("kind = \"tcp\"\naddress = \"plc:4000\"\nlisten = \"4000\"", "either `address`"),
        ("kind = \"tcp\"\naddress = \"plc\"", "address: `plc` does not end in a port"),
        ("kind = \"tcp\"\nlisten = \"plc:4000\"", "listen: `plc:4000` is neither a port of this"),
        ("kind = \"tcp\"\nlisten = \"1\"\nack_timeout_ms = 0", "ack_timeout_ms: is 0; it may be 1"),
        (
            "kind = \"tcp\"\nlisten = \"1\"\nmessage = { text = \"{x}\" }",
            "message.text: `{x}` is no",
        ),
    ] {
        let config: OutputConfig = toml::from_str(text).unwrap();
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
