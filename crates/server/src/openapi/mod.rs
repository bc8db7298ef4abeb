//! The document that describes the server to programs (OpenAPI 3.1), made from the table of routes.

pub(crate) mod desk;
mod operations;
mod schemas;

pub(crate) use operations::*;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::access::Needs;
use crate::answer::{self, Answer, JSON};
use crate::call::Call;
use crate::routes::{ROUTES, Route};

/// The document.
pub(crate) async fn answer(_: Call) -> Answer {
    answer::json(&document())
}

/// Describes all routes.
pub(crate) fn document() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        let operations = paths.entry(route.path).or_default();
        operations.insert(route.method.name().to_owned(), operation(route));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "efficientad serve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Finds defects in photos of parts. A path that begins with /v2 is of the Open \
                Inference Protocol.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Asked for if the server runs with --token.",
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let Operation { summary, takes, gives, mut refuses } = (route.describe)();
    let is_v2 = route.path.starts_with("/v2");
    let mut parameters: Vec<Value> = names(route.path).map(path_parameter).collect();
    let mut operation = json!({ "summary": summary });
    if let Some(Takes { content, query, headers, is_needed }) = takes {
        parameters.extend(query.iter().map(|field| parameter("query", field)));
        parameters.extend(headers.iter().map(|field| parameter("header", field)));
        if !content.is_null() {
            operation["requestBody"] = json!({ "required": is_needed, "content": content });
            refuses.extend([400, 408, 413, 503]);
        }
    }
    // Names of hosts and origins are always looked at.
    refuses.push(403);
    if route.needs != Needs::Nothing {
        operation["security"] = json!([{ "token": [] }, {}]);
        operation["description"] = json!(format!("Role: {}.", route.needs.roles()));
        refuses.push(401);
    }
    let mut responses = json!({ "200": gives });
    refuses.sort_unstable();
    for status in refuses {
        responses[status.to_string()] = refusal(status, is_v2);
    }
    operation["responses"] = responses;
    operation["parameters"] = json!(parameters);
    operation["operationId"] = json!(operation_id(route));
    operation
}

/// Unlike that of any other route.
fn operation_id(route: &Route) -> String {
    let path = route.path.replace(|c: char| !c.is_ascii_alphanumeric(), " ");
    let words: Vec<&str> = path.split_whitespace().collect();
    format!("{}_{}", route.method.name(), words.join("_"))
}

/// What stands in braces in a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let description = match name {
        "model" => "The name of a model: its file's, without the ending.",
        "part" => "The name of a part, which is that of its model.",
        "mark" => "good or defect.",
        "photo" | "file" | "report" | "job" | "entry" => "The name or number, as it is listed.",
        "secret" => "What stands in the address of an opened report.",
        _ => "The first 16 digits of the SHA-256 of the model's file.",
    };
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "schema": { "type": "string" },
        "description": description,
    })
}

fn parameter(place: &str, Field { name, schema, description }: &Field) -> Value {
    json!({ "name": name, "in": place, "schema": schema, "description": description })
}

fn refusal(status: u16, is_v2: bool) -> Value {
    let description = match status {
        400 => "The request is not as it should be.",
        401 => "A token is needed, or it is not known.",
        403 => "The role may not do this, or the request comes from a page of another site.",
        404 => "There is no such model, or no such version.",
        406 => "The answer can't have this type.",
        408 => "The body took too long.",
        409 => "The model can't be used as it is.",
        507 => "There is no room on the disk, or it can't be written to.",
        413 => "The body, the photo or the result is too large.",
        415 => "The photo has a format that is not read.",
        422 => "The photo is damaged, or has a shape that the model does not take.",
        429 => "The client has as many requests in progress as it may.",
        503 => "The queue or the memory is full: try again after Retry-After seconds.",
        _ => "The server failed.",
    };
    let schema = if is_v2 { "V2Error" } else { "Error" };
    json!({ "description": description, "content": { JSON: { "schema": schemas::named(schema) } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_used_is_described() {
        let document = document();
        let text = document.to_string();
        let used = text.split("#/components/schemas/").skip(1);
        let mut count = 0;
        for name in used.filter_map(|rest| rest.split('"').next()) {
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
            count += 1;
        }
        assert!(count > ROUTES.len());
    }

    #[test]
    fn every_route_is_described_once() {
        let document = document();
        let mut ids = std::collections::BTreeSet::new();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.name()];
            assert!(operation["responses"]["200"]["description"].is_string(), "{}", route.path);
            assert!(ids.insert(operation["operationId"].to_string()), "{}", route.path);
        }
        let public = &document["paths"]["/v2/health/live"]["get"];
        assert!(public.get("security").is_none() && public["responses"].get("401").is_none());
    }
}
