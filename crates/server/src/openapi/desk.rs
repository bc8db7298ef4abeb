//! What the routes of the page take and give.

use serde_json::{Value, json};

use super::operations::{Field, Operation, Takes};
use crate::answer::JSON;

/// Statuses of requests about the folder of data.
const OF_DATA: [u16; 1] = [404];

fn object(description: &str) -> Value {
    json!({ "description": description, "content": { JSON: { "schema": { "type": "object" } } } })
}

fn reads(summary: &'static str, gives: &str) -> Operation {
    Operation { summary, takes: None, gives: object(gives), refuses: OF_DATA.to_vec() }
}

/// A request whose body is JSON with these fields.
fn takes_json(summary: &'static str, fields: Value, gives: &str) -> Operation {
    let schema = json!({ "type": "object", "properties": fields });
    let takes = Takes {
        content: json!({ JSON: { "schema": schema } }),
        query: Vec::new(),
        headers: Vec::new(),
        is_needed: true,
    };
    Operation { summary, takes: Some(takes), gives: object(gives), refuses: vec![404, 409, 422] }
}

/// A request whose body is a photo.
fn takes_photo(summary: &'static str) -> Operation {
    let name = Field {
        name: "name",
        schema: json!({ "type": "string" }),
        description: "The name of the photo's file; its ending tells that it is a photo.",
    };
    let takes = Takes {
        content: json!({ "application/octet-stream": {
            "schema": { "type": "string", "format": "binary" },
        } }),
        query: vec![name],
        headers: Vec::new(),
        is_needed: true,
    };
    let gives =
        object("The name that the photo has now, its size, and whether it was there already.");
    Operation { summary, takes: Some(takes), gives, refuses: vec![404, 415, 422, 507] }
}

pub(crate) fn file() -> Operation {
    let gives = json!({ "description": "A script, style, picture or the texts of a language." });
    Operation { summary: "A file of the page.", takes: None, gives, refuses: vec![404] }
}

pub(crate) fn session() -> Operation {
    let gives =
        object("Name and role of the token, the version, and whether there is a folder of data.");
    Operation { summary: "Who the client is.", takes: None, gives, refuses: Vec::new() }
}

pub(crate) fn events() -> Operation {
    let gives = json!({
        "description": "Server-sent events without end: `verdict`, `job`, and `missed` if the client was slow.",
        "content": { "text/event-stream": {} },
    });
    Operation { summary: "All that happens from now on.", takes: None, gives, refuses: Vec::new() }
}

pub(crate) fn line() -> Operation {
    let gives = object(
        "By model how many photos were judged and rejected, drift; cameras; the last verdicts.",
    );
    Operation {
        summary: "What was judged since the start.",
        takes: None,
        gives,
        refuses: Vec::new(),
    }
}

pub(crate) fn decision() -> Operation {
    let gives = "What the threshold promises and does to the marked photos; of another one with \
                 ?threshold= or ?false_reject=, with histogram and photos by ?all=true.";
    let reads = reads("What a model's threshold does, or another one.", gives);
    Operation { refuses: vec![400, 404, 409, 422, 500], ..reads }
}

pub(crate) fn threshold() -> Operation {
    let fields = json!({
        "value": { "type": "number" },
        "false_reject": { "type": "number", "description": "Instead of a value: the share of good parts." },
        "who": { "type": "string", "description": "Who wants it, where there are no tokens." },
        "why": { "type": "string" },
    });
    takes_json(
        "Sets a model's threshold, in its file.",
        fields,
        "The threshold, and what it promises.",
    )
}

/// What entries of the record are asked for by.
fn of_entries() -> Vec<Field> {
    let text = || json!({ "type": "string" });
    let number = || json!({ "type": "number" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let field = |name, schema, description| Field { name, schema, description };
    vec![
        field("model", text(), "The model's name."),
        field("client", text(), "The name of the token that asked."),
        field("from", time(), "Judged then or later."),
        field("to", time(), "Judged before."),
        field("anomalous", json!({ "type": "boolean" }), "Whether it was anomalous."),
        field("min_score", number(), "A score of this or more."),
        field("max_score", number(), "A score of this or less."),
        field("text", text(), "A part of the photo's name."),
        field("mark", json!({ "enum": ["good", "defect"] }), "What people say of it."),
        field("marked", json!({ "type": "boolean" }), "Whether people said something of it."),
    ]
}

fn asks(reads: Operation, more: Vec<Field>) -> Operation {
    let query = of_entries().into_iter().chain(more).collect();
    let takes = Takes { content: Value::Null, query, headers: Vec::new(), is_needed: false };
    Operation { takes: Some(takes), refuses: vec![400, 404, 507], ..reads }
}

pub(crate) fn record() -> Operation {
    let number = || json!({ "type": "integer" });
    let more = vec![
        Field { name: "before", schema: number(), description: "Entries with lower numbers." },
        Field {
            name: "limit",
            schema: number(),
            description: "How many; 100 without, 1,000 at most.",
        },
    ];
    asks(reads("Verdicts of the record.", "The last ones first."), more)
}

pub(crate) fn export() -> Operation {
    let format = Field {
        name: "format",
        schema: json!({ "enum": ["csv", "jsonl"] }),
        description: "A table, or a line of JSON an entry.",
    };
    let gives = json!({
        "description": "The first ones first.", "content": { "text/csv": {}, "application/jsonl": {} },
    });
    Operation { gives, ..asks(reads("The record of verdicts as a file.", ""), vec![format]) }
}

pub(crate) fn recorded_photo() -> Operation {
    let gives = json!({
        "description": "The file, or with ?side= a JPEG with sides of this at most.",
        "content": { "application/octet-stream": {}, "image/jpeg": {} },
    });
    let reads = reads("The photo of an entry, if it was kept.", "");
    Operation { gives, refuses: vec![400, 404, 413, 415, 422, 507], ..reads }
}

pub(crate) fn mark_entry() -> Operation {
    let fields = json!({
        "mark": { "enum": ["good", "defect"] },
        "who": { "type": "string", "description": "Who says so, where there are no tokens." },
    });
    takes_json("Marks an entry.", fields, "The entry.")
}

pub(crate) fn changes() -> Operation {
    reads("Changes of models and thresholds.", "The last 200; with ?before=ID those before.")
}

pub(crate) fn parts() -> Operation {
    reads("All parts.", "Their names, numbers of photos, and whether there is a model.")
}

pub(crate) fn part() -> Operation {
    let reads = reads("One part.", "Its photos.");
    Operation { refuses: vec![400, 404], ..reads }
}

pub(crate) fn photo() -> Operation {
    takes_photo("Takes a photo of a good part, to train on.")
}

pub(crate) fn remove() -> Operation {
    let reads = reads("Removes a photo that was to be trained on.", "Nothing.");
    Operation { refuses: vec![400, 404, 507], ..reads }
}

pub(crate) fn mark() -> Operation {
    takes_photo("Takes a photo that somebody marked as good or as defect.")
}

pub(crate) fn give_up() -> Operation {
    let reads = reads("Gives up a training that was stopped.", "Nothing.");
    Operation { refuses: vec![400, 404, 409, 422], ..reads }
}

pub(crate) fn folders() -> Operation {
    reads("Folders of the folder of data.", "Their paths; of another folder with ?path=.")
}

pub(crate) fn taking() -> Operation {
    let gives = "Layout, what is taken from which folder, what is left out, and the photos.";
    let reads =
        reads("What would be taken of a ?folder=, or of what was sent for a ?part=.", gives);
    Operation { refuses: vec![400, 404, 422], ..reads }
}

pub(crate) fn picture() -> Operation {
    let gives = json!({ "description": "A JPEG.", "content": { "image/jpeg": {} } });
    let reads =
        reads("The photo ?path= below the folder of data, with sides of ?side= at most.", "");
    Operation { gives, refuses: vec![400, 404, 413, 415, 422], ..reads }
}

pub(crate) fn jobs() -> Operation {
    reads("All jobs.", "The last ones first, and how each stands.")
}

pub(crate) fn start() -> Operation {
    let kinds = ["train", "continue", "resume", "calibrate", "evaluate", "score", "look"];
    let fields = json!({
        "kind": { "enum": kinds },
        "part": { "type": "string" },
        "folder": { "type": "string", "description": "Below the folder of data, instead of what was sent or marked." },
        "who": { "type": "string", "description": "Who wants a change, where there are no tokens." },
        "why": { "type": "string", "description": "Why a model is to change." },
    });
    takes_json("Has a job done when its turn comes.", fields, "The job.")
}

pub(crate) fn job() -> Operation {
    reads("One job.", "How it stands, with the losses of a training.")
}

pub(crate) fn stop() -> Operation {
    reads("Stops a job; a training can be gone on with.", "The job.")
}

pub(crate) fn reports() -> Operation {
    reads("All reports.", "Their names, the last ones first.")
}

pub(crate) fn open() -> Operation {
    reads("Gives a report an address that a browser can open for ten minutes.", "The address.")
}

pub(crate) fn report() -> Operation {
    let gives = json!({ "description": "A report.", "content": { "text/html": {} } });
    Operation { summary: "A report at its address.", takes: None, gives, refuses: vec![404] }
}
