//! The published schema of a record.

use std::fs;
use std::path::PathBuf;

use efficientad_outputs::{OutputConfig, Record};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

fn schema<T: JsonSchema>(id: &str) -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("urn:efficientad:{id}").into());
    schema.into()
}

/// With `EFFICIENTAD_WRITE_SCHEMAS=1` it is written instead.
#[test]
fn the_schema_of_a_record_is_up_to_date() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/record.schema.json");
    let expected = schema::<Record>("record");
    if std::env::var_os("EFFICIENTAD_WRITE_SCHEMAS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
    }
    let published: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(published, expected, "EFFICIENTAD_WRITE_SCHEMAS=1 writes it anew");
    let mut required: Vec<_> = published["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field.as_str().unwrap())
        .collect();
    let mut fields = Record::FIELDS.to_vec();
    required.sort_unstable();
    fields.sort_unstable();
    assert_eq!(required, fields, "every field is always there");
}

#[test]
fn every_field_of_the_configuration_is_described() {
    let schema = schema::<OutputConfig>("output");
    let kinds = schema["oneOf"].as_array().unwrap();
    assert!(kinds.len() >= 6);
    fn undescribed(value: &Value, found: &mut Vec<String>) {
        if let Some(fields) = value["properties"].as_object() {
            let is_bare = |(name, field): (&String, &Value)| {
                let is_kind = field.get("const").is_some();
                (!is_kind && field.get("description").is_none()).then(|| name.clone())
            };
            found.extend(fields.iter().filter_map(is_bare));
        }
        let children = value.as_object().into_iter().flat_map(|object| object.values());
        children
            .chain(value.as_array().into_iter().flatten())
            .for_each(|child| undescribed(child, found));
    }
    let mut found = Vec::new();
    undescribed(&schema, &mut found);
    assert!(found.is_empty(), "{found:?}");
}
