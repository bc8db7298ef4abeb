//! What each route takes and gives.

use serde_json::{Value, json};

use super::schemas::named;
use crate::answer::JSON;

/// Statuses of requests about a model that is to be in memory.
const OF_MODEL: [u16; 3] = [404, 409, 500];
/// Statuses of requests that have photos judged, beside those.
const OF_PHOTOS: [u16; 3] = [415, 422, 429];

/// What a route takes and gives.
pub(crate) struct Operation {
    pub summary: &'static str,
    pub takes: Option<Takes>,
    /// The answer if all is well.
    pub gives: Value,
    /// Other statuses than those that go without saying.
    pub refuses: Vec<u16>,
}

/// What a request brings.
pub(crate) struct Takes {
    /// The types of its body; null if it has none.
    pub content: Value,
    pub query: Vec<Field>,
    pub headers: Vec<Field>,
    pub is_needed: bool,
}

/// A field of a query or head.
pub(crate) struct Field {
    pub name: &'static str,
    pub schema: Value,
    pub description: &'static str,
}

fn reads(summary: &'static str, gives: Value, refuses: &[u16]) -> Operation {
    Operation { summary, takes: None, gives, refuses: refuses.to_vec() }
}

fn gives(description: &str, schema: &str) -> Value {
    json!({ "description": description, "content": { JSON: { "schema": named(schema) } } })
}

fn nothing(description: &str) -> Value {
    json!({ "description": description })
}

fn optional_json(schema: &Value) -> Takes {
    Takes {
        content: json!({ JSON: { "schema": schema } }),
        query: Vec::new(),
        headers: Vec::new(),
        is_needed: false,
    }
}

pub(crate) fn page() -> Operation {
    let html = json!({ "description": "A page for people.", "content": { "text/html": {} } });
    reads("A page for people.", html, &[])
}

pub(crate) fn itself() -> Operation {
    let document = json!({ "description": "OpenAPI 3.1.", "content": { JSON: { "schema": { "type": "object" } } } });
    reads("This document.", document, &[])
}

pub(crate) fn metrics() -> Operation {
    let text = json!({ "description": "OpenMetrics text.", "content": { "application/openmetrics-text": {} } });
    reads("What is measured, for Prometheus.", text, &[])
}

pub(crate) fn models() -> Operation {
    reads("All models.", gives("All models, by name.", "Models"), &[])
}

pub(crate) fn model() -> Operation {
    let summary = "One model; `info` is what `efficientad info --json` prints, if it is in memory.";
    reads(summary, gives("The model.", "Model"), &[404])
}

pub(crate) fn inspect() -> Operation {
    let bytes = json!({ "schema": { "type": "string", "format": "binary" } });
    let boolean = json!({ "type": "boolean", "default": false });
    let query = vec![
        Field {
            name: "name",
            schema: json!({ "type": "string", "default": "photo" }),
            description: "What the photo is called in its verdict, if it is the body.",
        },
        Field {
            name: "overlay",
            schema: boolean.clone(),
            description: "Whether the verdict has the overlay.",
        },
        Field { name: "map", schema: boolean, description: "Whether the verdict has the map." },
    ];
    let form = json!({ "schema": {
        "type": "object",
        "additionalProperties": { "type": "string", "format": "binary" },
        "description": "Each part is a photo, whatever it is called.",
    } });
    let takes = Takes {
        content: json!({
            "image/jpeg": bytes, "image/png": bytes, "image/bmp": bytes, "image/tiff": bytes,
            "image/webp": bytes, "application/octet-stream": bytes, "multipart/form-data": form,
        }),
        query,
        headers: Vec::new(),
        is_needed: true,
    };
    let gives = json!({
        "description": "The verdict, or those of a form; or, if Accept asks for it, the overlay (image/png) \
            or the map (image/tiff, 32-bit floating point) of one photo.",
        "headers": {
            "X-Model-Version": { "schema": { "type": "string" }, "description": "The model's version." },
            "X-Verdict": {
                "schema": { "type": "string" },
                "description": "With a picture: the verdict without regions, as JSON.",
            },
        },
        "content": {
            JSON: { "schema": { "oneOf": [named("Verdict"), named("Verdicts")] } },
            "image/png": bytes,
            "image/tiff": bytes,
        },
    });
    let refuses = [&OF_MODEL[..], &OF_PHOTOS, &[406]].concat();
    let summary = "Judges the photo that is the body, or all photos of a form.";
    Operation { summary, takes: Some(takes), gives, refuses }
}

pub(crate) fn v2_server() -> Operation {
    reads("What the server is.", gives("Metadata.", "V2Server"), &[])
}

pub(crate) fn v2_live() -> Operation {
    reads("Whether the server answers.", nothing("It does."), &[])
}

pub(crate) fn v2_ready() -> Operation {
    reads("Whether more requests are welcome.", nothing("They are."), &[503])
}

pub(crate) fn v2_model() -> Operation {
    reads("What a model takes and gives.", gives("Metadata.", "V2Model"), &OF_MODEL)
}

pub(crate) fn v2_model_ready() -> Operation {
    reads("Whether requests for a model are answered.", nothing("They are."), &[404, 503])
}

pub(crate) fn v2_infer() -> Operation {
    let takes = Takes {
        content: json!({
            JSON: { "schema": named("V2Request") },
            "application/octet-stream": { "schema": { "type": "string", "format": "binary" } },
        }),
        query: Vec::new(),
        headers: vec![Field {
            name: "Inference-Header-Content-Length",
            schema: json!({ "type": "integer", "minimum": 0 }),
            description: "Bytes of the JSON that the body begins with, if tensors stand behind it.",
        }],
        is_needed: true,
    };
    let gives = json!({
        "description": "The outputs; with Inference-Header-Content-Length if some stand behind the JSON.",
        "headers": { "Inference-Header-Content-Length": { "schema": { "type": "integer" } } },
        "content": {
            JSON: { "schema": named("V2Response") },
            "application/octet-stream": { "schema": { "type": "string", "format": "binary" } },
        },
    });
    let refuses = [&OF_MODEL[..], &OF_PHOTOS].concat();
    Operation { summary: "Judges photos.", takes: Some(takes), gives, refuses }
}

pub(crate) fn v2_index() -> Operation {
    let index = json!({ "type": "object", "properties": { "ready": { "type": "boolean", "default": false } } });
    Operation {
        summary: "All models, or those in memory.",
        takes: Some(optional_json(&index)),
        gives: gives("Models.", "V2Index"),
        refuses: Vec::new(),
    }
}

pub(crate) fn v2_load() -> Operation {
    let load = json!({ "type": "object" });
    Operation {
        summary: "Reads a model's file, anew if it is in memory.",
        takes: Some(optional_json(&load)),
        gives: gives("It is in memory.", "V2Done"),
        refuses: OF_MODEL.to_vec(),
    }
}

pub(crate) fn v2_unload() -> Operation {
    Operation {
        summary: "Has a model leave memory until it is loaded again.",
        takes: Some(optional_json(&json!({ "type": "object" }))),
        gives: gives("It leaves memory.", "V2Done"),
        refuses: vec![404],
    }
}
