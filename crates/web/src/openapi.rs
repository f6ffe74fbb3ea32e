//! The document of the API, as OpenAPI 3.1.
//!
//! Invariants: it holds every operation and nothing else; the events stand in it as webhooks.
//! Left to others: the shapes ([`shape`]), the operations ([`operations`]).

pub(crate) mod operations;
pub(crate) mod shape;

use std::sync::LazyLock;

use axum::extract;
use axum::response::Response;
use domain::endpoint::Dialect;
use domain::event::Kind;
use domain::key::Scope;
use engine::catalogue::{EventType, event_types};
use serde_json::{Map, Value, json};

use crate::answer;
use crate::openapi::operations::Operation;
use crate::openapi::shape::{PREFIX, SHAPES};
use crate::state::State;

/// `GET /api/v1/openapi.json`.
pub(crate) async fn read(extract::State(state): extract::State<State>) -> Response {
    let mut document = DOCUMENT.clone();
    if let Value::Object(members) = &mut document {
        members.insert("servers".to_owned(), json!([{"url": state.settings().public_url}]));
    }
    answer::ok(&document)
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Writes the document, but for where this service is found.
fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations::all() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(operation.method.to_owned(), describe(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Signature requests, and webhooks delivered with proof.",
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": webhooks(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `cs_…`."}},
            "responses": {"Problem": {
                "description": "A problem, by RFC 9457.",
                "content": {"application/problem+json": {"schema": {"$ref": format!("{PREFIX}Problem")}}},
            }},
            "schemas": Value::Object(SHAPES.clone()),
        },
    })
}

const ABOUT: &str = "Lists answer `{\"data\": […], \"next_cursor\": …}`. Times are RFC 3339 in UTC with milliseconds. \
    Every POST honours `idempotency-key` for 24 hours: a repetition gets the first answer, marked \
    `idempotency-replayed: true`. Unknown members and parameters are refused.";

fn describe(operation: &Operation) -> Value {
    let noun = operation.path.split('/').nth(3).unwrap_or("");
    let scopes: Vec<&str> = operation.scopes.iter().copied().map(Scope::as_str).collect();
    let mut value = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [noun],
        "security": [{"key": scopes}],
        "parameters": parameters(operation),
    });
    let Value::Object(members) = &mut value else { return value };
    if let Some(body) = operation.body {
        let required = !matches!(body, "Nothing" | "Because");
        members.insert(
            "requestBody".to_owned(),
            json!({"required": required, "content": content(body)}),
        );
    }
    let mut answer = json!({"description": operation.summary});
    if let (Value::Object(answer), Some(shape)) = (&mut answer, operation.answer) {
        let mut content = content(shape);
        if let Value::Object(content) = &mut content {
            content.remove("multipart/form-data");
        }
        answer.insert("content".to_owned(), content);
    }
    let mut responses = Map::new();
    responses.insert(operation.status.to_owned(), answer.clone());
    if operation.answer == Some("Noted") {
        responses.insert("200".to_owned(), answer);
    }
    responses.insert("default".to_owned(), json!({"$ref": "#/components/responses/Problem"}));
    members.insert("responses".to_owned(), Value::Object(responses));
    value
}

fn content(shape: &str) -> Value {
    if shape == "Pdf" {
        let form = json!({"type": "object", "required": ["file"], "properties": {"file": {"type": "string"}}});
        return json!({"application/pdf": {}, "multipart/form-data": {"schema": form}});
    }
    json!({"application/json": {"schema": {"$ref": format!("{PREFIX}{shape}")}}})
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
    });
    let in_query = operation.query.iter().map(|name| {
        json!({"name": name, "in": "query", "description": about(name), "schema": shape_of(name)})
    });
    let in_head = (operation.method == "post").then(|| {
        json!({
            "name": "idempotency-key", "in": "header", "schema": {"type": "string", "maxLength": 255},
            "description": "Makes a repetition harmless: it gets the first answer.",
        })
    });
    in_path.chain(in_query).chain(in_head).collect()
}

fn about(parameter: &str) -> &'static str {
    match parameter {
        "limit" => "Rows of a page.",
        "cursor" => "The `next_cursor` of the page before.",
        "status" => "Only requests with this status.",
        "archived" => "Only archived requests, or only others.",
        "type" => "Only these types, separated by commas.",
        "request_id" => "Only those of this request.",
        "order" => {
            "`asc` to follow the log: events come in the order in which they came into it, and who keeps \
                    `next_cursor` and asks again sees each once. It is null only on an empty page: keep the one before."
        }
        "dialect" => "In whose words.",
        "as" => "`curl` for a line to paste into a shell.",
        "endpoint_id" => "Only deliveries to this endpoint.",
        "event_id" => "Only deliveries of this event.",
        "state" => "Only deliveries in this state.",
        "name" => {
            "What the file is called, at most 200 characters; that of a form has a name already."
        }
        "to" => "Only messages to this address or number.",
        _ => "",
    }
}

fn shape_of(parameter: &str) -> Value {
    let words = |words: &[&str]| json!({"type": "string", "enum": words});
    match parameter {
        "limit" => json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
        "status" => words(&["draft", "sent", "completed", "declined", "expired", "cancelled"]),
        "archived" => json!({"type": "boolean"}),
        "order" => words(&["asc", "desc"]),
        "dialect" => words(&Dialect::ALL.map(Dialect::as_str)),
        "as" => words(&["json", "curl"]),
        "state" => words(&["pending", "delivered", "exhausted", "cancelled"]),
        _ => json!({"type": "string"}),
    }
}

/// Describes what endpoints of the standard dialect are told.
fn webhooks() -> Map<String, Value> {
    let headers: Vec<Value> = [
        ("webhook-id", "The event's id: the key to notice a repetition."),
        ("webhook-timestamp", "When the attempt began, in seconds since 1970."),
        ("webhook-signature", "Signatures by Standard Webhooks, separated by spaces."),
    ]
    .map(|(name, about)| {
        json!({"name": name, "in": "header", "required": true, "description": about, "schema": {"type": "string"}})
    })
    .into();
    let types = event_types();
    let hook = |(kind, one): (&Kind, &EventType)| {
        let name = if *kind == Kind::Custom {
            json!({"type": "string"})
        } else {
            json!({"const": one.name})
        };
        let body = json!({
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": name,
                "timestamp": {"type": "string", "format": "date-time"},
                "data": one.schema,
            },
        });
        let hook = json!({"post": {
            "summary": one.description,
            "parameters": headers,
            "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
            "responses": {"2XX": {"description": "The event was taken."}},
        }});
        (one.name.to_owned(), hook)
    };
    Kind::ALL.iter().zip(&types).map(hook).collect()
}
