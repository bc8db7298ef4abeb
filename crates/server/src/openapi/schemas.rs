//! The documents that are taken and given, as JSON Schema.

use serde_json::{Value, json};

/// Refers to a schema.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object that has these fields and no others; those with `?` behind their name may be missing.
fn object(description: &str, fields: &[(&str, Value)]) -> Value {
    let name = |field: &str| field.trim_end_matches('?').to_owned();
    let properties: serde_json::Map<String, Value> =
        fields.iter().map(|(field, schema)| (name(field), schema.clone())).collect();
    let required: Vec<&str> =
        fields.iter().map(|(field, _)| *field).filter(|field| !field.ends_with('?')).collect();
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// All schemas, by name.
pub(super) fn all() -> Value {
    let mut all = json!({});
    for (name, schema) in errors().into_iter().chain(verdicts()).chain(models()).chain(v2()) {
        all[name] = schema;
    }
    all
}

fn errors() -> Vec<(&'static str, Value)> {
    let text = json!({ "type": "string" });
    let code = json!({ "type": "string", "description": "The reason as a word for programs." });
    let message =
        json!({ "type": "string", "description": "The reason for people, and what helps." });
    let error = object("Why there is no answer.", &[("code", code), ("message", message)]);
    vec![
        ("Error", object("A refusal.", &[("error", error)])),
        ("V2Error", object("A refusal of the Open Inference Protocol.", &[("error", text)])),
    ]
}

fn verdicts() -> Vec<(&'static str, Value)> {
    let pixel = json!({ "type": "integer", "minimum": 0, "description": "From 0 at the photo's upper left." });
    let side = json!({ "type": "integer", "minimum": 1, "description": "Pixels." });
    let number = json!({ "type": "number" });
    let text = json!({ "type": "string" });
    let bounds = object(
        "The smallest upright rectangle that holds the region.",
        &[
            ("x", pixel.clone()),
            ("y", pixel.clone()),
            ("width", side.clone()),
            ("height", side.clone()),
        ],
    );
    let peak = object(
        "The highest value of the map, and its pixel.",
        &[("value", number.clone()), ("x", pixel.clone()), ("y", pixel)],
    );
    let centroid =
        object("The mean position of the pixels.", &[("x", number.clone()), ("y", number)]);
    let region = object(
        "Pixels whose map value reaches the threshold and that touch by side or corner.",
        &[("box", bounds), ("area", side), ("peak", peak), ("centroid", centroid)],
    );
    let engine = object(
        "The arithmetic that computed something.",
        &[
            ("name", text.clone()),
            ("device", text.clone()),
            ("precision", json!({ "enum": ["f32", "tf32", "f16", "bf16", "int8"] })),
        ],
    );
    let base64 =
        |what: &str| json!({ "type": "string", "contentEncoding": "base64", "description": what });
    let verdict = object(
        "What `efficientad predict --json` prints of a photo, and what was asked for beside it.",
        &[
            (
                "path",
                json!({ "type": "string", "description": "What the client calls the photo." }),
            ),
            (
                "score",
                json!({ "type": "number", "description": "The largest value of the anomaly map." }),
            ),
            (
                "anomalous",
                json!({
                    "type": ["boolean", "null"],
                    "description": "Whether the score reaches the threshold; null without one.",
                }),
            ),
            (
                "p_value",
                json!({
                    "type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1,
                    "description": "How probable so high a score is for a good part; null if the model keeps \
                        no scores of good photos.",
                }),
            ),
            ("region_count", json!({ "type": ["integer", "null"], "minimum": 0 })),
            (
                "regions",
                json!({
                    "type": ["array", "null"], "maxItems": 100, "items": named("Region"),
                    "description": "The defect regions with the highest peaks, by falling peak.",
                }),
            ),
            ("engine", named("Engine")),
            ("overlay?", base64("The photo with the map drawn over it: a PNG file.")),
            ("map?", base64("The anomaly map: a TIFF file of 32-bit floating point.")),
        ],
    );
    let each = json!({ "oneOf": [named("Verdict"), named("Error")] });
    vec![
        ("Region", region),
        ("Engine", engine),
        ("Verdict", verdict),
        ("Verdicts", object("What came of each photo, in order.", &[("verdicts", list(&each))])),
    ]
}

fn models() -> Vec<(&'static str, Value)> {
    let text = json!({ "type": "string" });
    let maybe_text = json!({ "type": ["string", "null"] });
    let engine = json!({ "oneOf": [named("Engine"), { "type": "null" }] });
    let info = json!({ "type": ["object", "null"], "description": "What the model's file says about it." });
    let model = object(
        "A model.",
        &[
            ("name", text),
            (
                "state",
                json!({
                    "enum": ["loaded", "on_demand", "unloaded", "failed"],
                    "description": "In memory; read when it is asked for; to be loaded; its file can't be used.",
                }),
            ),
            ("version", maybe_text.clone()),
            ("sha256", maybe_text.clone()),
            ("threshold", json!({ "type": ["number", "null"] })),
            ("engine", engine),
            ("remark", maybe_text.clone()),
            (
                "failure",
                json!({
                    "type": ["string", "null"],
                    "description": "Why the file, as it is now, can't be used; what was read before is kept.",
                }),
            ),
            ("info?", info),
        ],
    );
    vec![("Model", model), ("Models", object("All models.", &[("models", list(&named("Model")))]))]
}

fn v2() -> Vec<(&'static str, Value)> {
    let text = json!({ "type": "string" });
    let texts = list(&text);
    let sides = list(&json!({ "type": "integer" }));
    let any_object = json!({ "type": "object" });
    let data = json!({ "type": "array", "description": "Values, in lists of lists or in one." });
    let metadata = object(
        "A tensor.",
        &[("name", text.clone()), ("datatype", text.clone()), ("shape", sides.clone())],
    );
    let tensor = object(
        "A tensor with its values, or with binary_data_size if they stand behind the JSON.",
        &[
            ("name", text.clone()),
            ("datatype", text.clone()),
            ("shape", sides),
            ("parameters?", any_object.clone()),
            ("data?", data),
        ],
    );
    let asked = object(
        "An output to give.",
        &[("name", text.clone()), ("parameters?", any_object.clone())],
    );
    let entry = object(
        "A model.",
        &[
            ("name", text.clone()),
            ("version", text.clone()),
            ("state", json!({ "enum": ["READY", "UNAVAILABLE"] })),
            ("reason", text.clone()),
        ],
    );
    vec![
        ("V2Tensor", tensor),
        ("V2Metadata", metadata),
        (
            "V2Server",
            object(
                "What the server is.",
                &[("name", text.clone()), ("version", text.clone()), ("extensions", texts.clone())],
            ),
        ),
        (
            "V2Model",
            object(
                "What a model takes and gives.",
                &[
                    ("name", text.clone()),
                    ("versions", texts),
                    ("platform", text.clone()),
                    ("inputs", list(&named("V2Metadata"))),
                    ("outputs", list(&named("V2Metadata"))),
                    ("parameters", any_object.clone()),
                ],
            ),
        ),
        (
            "V2Request",
            object(
                "Photos, and which outputs to give: score, anomalous and p_value if none is named.",
                &[
                    ("id?", text.clone()),
                    ("parameters?", any_object),
                    ("inputs", list(&named("V2Tensor"))),
                    ("outputs?", list(&asked)),
                ],
            ),
        ),
        (
            "V2Response",
            object(
                "Outputs.",
                &[
                    ("id?", text.clone()),
                    ("model_name", text.clone()),
                    ("model_version", text),
                    ("outputs", list(&named("V2Tensor"))),
                ],
            ),
        ),
        ("V2Index", list(&entry)),
        (
            "V2Done",
            json!({ "type": "object", "description": "It is done.", "additionalProperties": false }),
        ),
    ]
}
