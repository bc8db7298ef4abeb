//! The JSON Schemas in `docs/schemas`, and what they are to describe.

use std::fs;
use std::path::Path;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use crate::fixture::evaluation;

/// Expects that a document is as `docs/schemas/NAME.schema.json` says.
#[track_caller]
pub fn assert_follows(name: &str, document: &Value) {
    let errors = errors(name, document);
    assert!(errors.is_empty(), "{errors:#?} in {document:#}");
}

/// What is not as the schema says.
fn errors(name: &str, document: &Value) -> Vec<String> {
    let validator = validator(name);
    let errors = validator.iter_errors(document);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// What checks documents against `docs/schemas/NAME.schema.json`.
pub fn validator(name: &str) -> Validator {
    let registry = all().into_iter().try_fold(Registry::new(), |registry, schema| {
        let id = schema["$id"].as_str().unwrap().to_owned();
        registry.add(id, schema)
    });
    let registry = registry.unwrap().prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&read(name)).unwrap()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

fn read(name: &str) -> Value {
    let path = folder().join(format!("{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn all() -> Vec<Value> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.map(|name| read(name.strip_suffix(".schema.json").unwrap())).collect()
}

#[test]
fn an_evaluation_follows_its_schema_and_nothing_like_it_does() {
    let results = evaluation();
    assert_follows("eval", results);
    let changed = |pointer: &str, value: Value| {
        let mut changed = results.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    let mut extended = results.clone();
    extended["new"] = json!(1);
    let mut lacking = results.clone();
    lacking["promise"].as_object_mut().unwrap().remove("bound");
    for wrong in [extended, lacking, changed("/images/0/score", json!("high"))] {
        assert_eq!(errors("eval", &wrong).len(), 1, "{wrong}");
    }
}
