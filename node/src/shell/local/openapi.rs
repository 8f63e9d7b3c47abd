//! The OpenAPI document: made from the table of routes, so that what it lists is what answers, and from
//! schemas, against which the tests hold real answers.

use std::sync::LazyLock;

use axum::Json;
use serde_json::{Map, Value, json};

use super::routes::{Answer, BYTES, Route, all};

/// What the types of [`gearmesh_protocol::local`] and its neighbours look like as JSON.
const SCHEMAS: &str = include_str!("schemas.json");

/// Of OpenAPI itself.
const OPENAPI: &str = "3.1.0";

static DOCUMENT: LazyLock<Value> = LazyLock::new(made);

/// `GET /v1/openapi.json`.
pub(super) async fn document() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

fn made() -> Value {
    let mut paths = Map::new();
    for (method, route) in all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert((*method).to_owned(), operation(route));
        }
    }
    // The text is ours, and a test reads it.
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": OPENAPI,
        "info": {
            "title": "gearmesh",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What programs on a machine may ask of its node. See docs/local-api.md.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }],
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route.parameters.iter().map(|name| parameter(name)).collect();
    let mut operation = json!({
        "summary": route.words,
        "x-scope": route.scope.name(),
        "parameters": parameters,
        "responses": { "default": refusal() },
    });
    let (status, answer) = answer(route.answer);
    operation["responses"][status] = answer;
    if let Some(body) = route.body {
        operation["requestBody"] = request_body(body);
    }
    operation
}

fn parameter(name: &str) -> Value {
    let required = !name.ends_with('?');
    let name = name.trim_end_matches('?');
    let schema = match name {
        "since" | "until" => schema("Time"),
        "key" => schema("Key"),
        "count" => json!({ "type": "integer", "minimum": 0 }),
        "paced" => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "query", "required": required, "schema": schema })
}

fn request_body(body: &str) -> Value {
    let content = match body {
        BYTES => json!({ "application/octet-stream": {} }),
        name => json!({ "application/json": { "schema": schema(name) } }),
    };
    json!({ "required": true, "content": content })
}

/// The status of a success, and what comes with it.
fn answer(answer: Answer) -> (&'static str, Value) {
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let content = match answer {
        Answer::One(name) => json_of(schema(name)),
        Answer::List(name) => json_of(json!({ "type": "array", "items": schema(name) })),
        Answer::Json => json_of(json!({})),
        Answer::Text(kind) => json!({ kind: {} }),
        Answer::Events(name) => json!({
            "text/event-stream": { "schema": { "type": "string" }, "x-event": schema(name) },
        }),
        Answer::Stream => return ("101", json!({ "description": "Frames, in both directions." })),
    };
    ("200", json!({ "description": "Done.", "content": content }))
}

fn refusal() -> Value {
    let content = json!({ "application/json": { "schema": schema("Error") } });
    json!({ "description": "Refused, with a reason code.", "content": content })
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every schema that something refers to.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str().filter(|_| name == "$ref") {
                        Some(reference) => drop(found.insert(reference.to_owned())),
                        None => references(field, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_every_schema_is_there_and_used() {
        let document = made();
        for (method, route) in all() {
            let operation = &document["paths"][route.path][*method];
            assert_eq!(operation["summary"], route.words, "{method} {}", route.path);
        }
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        assert!(schemas.len() > 30, "the schemas were not read");
        let named: BTreeSet<String> =
            schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
        assert_eq!(found, named);
    }

    #[test]
    fn what_changes_the_plant_or_speaks_for_the_machine_needs_more_than_to_read() {
        for (method, route) in all() {
            let reads = route.scope.name() == "read";
            let confirms = route.path == "/v1/consume/confirm";
            assert_eq!(
                reads,
                (*method == "get" && !route.path.ends_with("stream/publish")) || confirms,
                "{}",
                route.path
            );
        }
    }
}
