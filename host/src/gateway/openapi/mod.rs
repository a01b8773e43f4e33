//! The description of everything, in OpenAPI 3.1, made of the table of routes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

mod schemas;

use schemas::schemas;

use super::functions::LONGEST_TICKET;
use super::routes::{self, Access, Answer, Body, Content, Counts, Field, Route};
use crate::functions::{Default, Kind, Parameter};

/// The most octets of an address that an account gets. All of them are ASCII.
const LONGEST_ADDRESS: usize = 254;
/// The most octets of an address that is only looked up.
const LONGEST_LOOKED_UP: usize = 320;

/// The description, as JSON text.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document(&routes::all()).to_string());
    &TEXT
}

fn document(routes: &[Route]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(route));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Paths are relative to where a tenant's paths begin.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "admin": { "type": "http", "scheme": "bearer", "description": "The admin token." },
                "session": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a session.",
                },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "__Host-portcullis" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "responses": responses(route),
        "security": match route.access {
            Access::Public => json!([]),
            Access::Session => json!([{ "session": [] }, { "cookie": [] }]),
            Access::Admin => json!([{ "admin": [] }]),
            Access::PublicOrAdmin => json!([{}, { "admin": [] }]),
        },
    });
    let parameters: Vec<Value> = path_parameters(route.path)
        .map(|name| {
            let schema = json!({ "type": "string", "minLength": 1 });
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .chain(route.query.iter().map(|(name, about, range)| {
            let schema = match range {
                Some((least, most)) => {
                    json!({ "type": "integer", "minimum": least, "maximum": most })
                }
                None => json!({ "type": "string" }),
            };
            json!({ "name": name, "in": "query", "description": about, "schema": schema })
        }))
        .collect();
    let Some(fields) = operation.as_object_mut() else { return operation };
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
    let (media, schema) = match route.body {
        Body::None => return operation,
        Body::Json(own, beside) => {
            let longest = match route.path {
                // Whoever asks after something that is no address hears that nobody has it.
                path if path.starts_with("/v1/utils/") => None,
                path if path.contains("/register_user") => Some(LONGEST_ADDRESS),
                _ => Some(LONGEST_LOOKED_UP),
            };
            ("application/json", object(own.iter().chain(beside), longest))
        }
        Body::Form(form) => ("application/x-www-form-urlencoded", fields_of(form)),
    };
    let body = json!({ "required": true, "content": { media: { "schema": schema } } });
    fields.insert("requestBody".to_owned(), body);
    operation
}

/// The names in braces.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
}

fn operation_id(route: &Route) -> String {
    let path = route.path.strip_prefix("/v1").unwrap_or(route.path);
    let words = path.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty());
    let method = route.method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

fn tag(route: &Route) -> &str {
    match route.path.strip_prefix("/v1/") {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None if matches!(route.path, "/healthz" | "/readyz" | "/openapi.json" | "/metrics") => {
            "health"
        }
        None => "pages",
    }
}

/// `longest`: the most octets of `email`, if it must be an address at all.
fn object<'p>(parameters: impl Iterator<Item = &'p Parameter>, longest: Option<usize>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in parameters {
        let mut schema = match parameter.kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Integer => json!({ "type": "integer", "format": "int64" }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Json => json!({}),
        };
        if let Some(fields) = schema.as_object_mut() {
            match parameter.default {
                None => required.push(parameter.name),
                Some(Default::None) => {
                    if let Some(kind) = fields.remove("type") {
                        fields.insert("type".to_owned(), json!([kind, "null"]));
                    }
                    fields.insert("default".to_owned(), Value::Null);
                }
                Some(default) => {
                    fields.insert("default".to_owned(), json!(default));
                }
            }
            if parameter.secret {
                fields.insert("format".to_owned(), "password".into());
                fields.insert("writeOnly".to_owned(), true.into());
            }
            match parameter.name {
                "email" | "new_email" => {
                    let new = parameter.name == "new_email";
                    let most = if new { Some(LONGEST_ADDRESS) } else { longest };
                    if let Some(most) = most {
                        fields.insert("format".to_owned(), "email".into());
                        fields.insert("maxLength".to_owned(), most.into());
                    }
                }
                "cust_length" => {
                    fields.insert("minimum".to_owned(), 4.into());
                    fields.insert("maximum".to_owned(), 32.into());
                }
                "ticket" | "device" => {
                    fields.insert("minLength".to_owned(), 1.into());
                    fields.insert("maxLength".to_owned(), LONGEST_TICKET.into());
                }
                _ => {}
            }
        }
        properties.insert(parameter.name.to_owned(), schema);
    }
    let optional = |name| properties.contains_key(name) && !required.contains(&name);
    let either = (optional("password") && optional("code"))
        .then(|| password_or_code(&properties, &required));
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if let (Some(fields), Some(either)) = (object.as_object_mut(), either) {
        fields.insert("oneOf".to_owned(), either);
    }
    object
}

/// Signing in takes one of the two, and with it what belongs to it. Each is the whole object: who makes
/// a client of this description looks at nothing beside them.
fn password_or_code(properties: &Map<String, Value>, required: &[&str]) -> Value {
    let secret = json!({ "type": "string", "format": "password", "writeOnly": true });
    let none = json!({ "type": "null" });
    let whole = |name: &str, others: &[(&str, Value)]| {
        let mut properties = properties.clone();
        properties.insert(name.to_owned(), secret.clone());
        for (other, schema) in others {
            properties.insert((*other).to_owned(), schema.clone());
        }
        let required: Vec<&str> = required.iter().copied().chain([name]).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    };
    json!([
        whole("password", &[("code", none.clone()), ("ticket", none.clone())]),
        whole(
            "code",
            &[("password", none), ("mfa", json!({ "type": "boolean", "enum": [false] }))]
        ),
    ])
}

fn fields_of(form: &[Field]) -> Value {
    let property = |field: &Field| (field.name.to_owned(), json!({ "type": "string" }));
    let properties: Map<String, Value> = form.iter().map(property).collect();
    let required: Vec<&str> =
        form.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// What a route may answer: its own answers, and those that follow from what it is.
fn responses(route: &Route) -> Value {
    let mut answers = route.answers.clone();
    answers.extend(common(route));
    let mut by_status: BTreeMap<u16, (&str, BTreeMap<&str, Vec<Value>>)> = BTreeMap::new();
    for Answer { status, about, content } in &answers {
        let (_, media) = by_status.entry(status.as_u16()).or_insert((about, BTreeMap::new()));
        let (kind, schema) = match content {
            Content::Empty => continue,
            Content::Html => ("text/html", json!({ "type": "string" })),
            Content::Text(kind) => (*kind, json!({ "type": "string" })),
            Content::Json(name) => {
                ("application/json", json!({ "$ref": format!("#/components/schemas/{name}") }))
            }
        };
        let schemas = media.entry(kind).or_default();
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    let response = |(status, (about, media)): (u16, (&str, BTreeMap<&str, Vec<Value>>))| {
        let content: Map<String, Value> = media
            .into_iter()
            .map(|(kind, mut schemas)| {
                let only = if schemas.len() == 1 { schemas.pop() } else { None };
                let schema = only.unwrap_or_else(|| json!({ "anyOf": schemas }));
                (kind.to_owned(), json!({ "schema": schema }))
            })
            .collect();
        let mut response = json!({ "description": about });
        if let Some(fields) = response.as_object_mut() {
            if !content.is_empty() {
                fields.insert("content".to_owned(), content.into());
            }
            if matches!(status, 429 | 503) {
                let seconds = json!({ "type": "integer", "minimum": 1 });
                let header = json!({ "Retry-After": { "schema": seconds } });
                fields.insert("headers".to_owned(), header);
            }
        }
        (status.to_string(), response)
    };
    by_status.into_iter().map(response).collect::<Map<String, Value>>().into()
}

/// What every route of its kind may answer.
fn common(route: &Route) -> Vec<Answer> {
    let error = |status, about| Answer::json(status, about, "Error");
    let mut answers = vec![error(StatusCode::BAD_REQUEST, "The request is wrong.")];
    if matches!(route.path, "/healthz" | "/readyz" | "/openapi.json") {
        return answers;
    }
    answers.push(error(StatusCode::NOT_FOUND, "There is no such tenant."));
    if !matches!(route.body, Body::None) {
        answers.extend([
            error(StatusCode::REQUEST_TIMEOUT, "The body took too long."),
            error(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
            error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another type."),
        ]);
    }
    if route.access != Access::Public {
        answers.push(error(StatusCode::UNAUTHORIZED, "A token is missing or wrong."));
    }
    if matches!(route.access, Access::Session) || matches!(route.body, Body::Form(_)) {
        answers.push(error(StatusCode::FORBIDDEN, "Another site has made the request."));
    }
    if route.path == "/v1/session" {
        answers.push(error(StatusCode::FORBIDDEN, "Another site has made the request."));
    }
    if route.counts != Counts::Nothing {
        answers.push(error(StatusCode::TOO_MANY_REQUESTS, "This peer asks too often."));
    }
    answers.extend([
        error(StatusCode::INTERNAL_SERVER_ERROR, "The call failed."),
        error(
            StatusCode::SERVICE_UNAVAILABLE,
            "The store does not answer, or too many calls wait.",
        ),
    ]);
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let routes = routes::all();
        let document: Value = serde_json::from_str(text()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, routes.len());
        for route in &routes {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][route.path][method];
            assert_eq!(operation["summary"], route.summary, "{}", route.path);
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let text = text();
        let schemas = schemas();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "{name}");
        }
    }
}
