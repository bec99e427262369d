//! The OpenAPI document, made of the table of routes and of the bodies' own types, so that it cannot drift from either.

use super::TABLE;
use super::call::IDEMPOTENCY_KEY;
use super::route::{Access, Answers, Repeat, Route, Shape};
use crate::refusal::Code;
use crate::wire::problem::{PROBLEM_JSON, Problem};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

/// The whole document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas: Map<String, Value> = Map::new();
    schemas.insert(Problem::name().into_owned(), value(Problem::schema()));
    let mut parts = Vec::new();
    Problem::schemas(&mut parts);
    for route in TABLE.iter() {
        for shape in shapes(route) {
            parts.push(((shape.name)(), (shape.own)()));
            (shape.parts)(&mut parts);
        }
        let methods = paths.entry(format!("/api{}", route.path)).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    schemas.extend(parts.into_iter().map(|(name, schema)| (name, value(schema))));
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rushdesk",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Errors are problem details (RFC 9457) with a stable `code`: {}.",
                codes.join(", ")
            ),
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn value(schema: impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn shapes(route: &Route) -> impl Iterator<Item = Shape> {
    let out = match route.answers {
        Answers::One(shape) | Answers::Page(shape) => Some(shape),
        Answers::Nothing | Answers::Other(_) => None,
    };
    route.takes.into_iter().chain(out)
}

fn reference(shape: Shape) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", (shape.name)()) })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [area(route)],
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route),
        "security": if route.access == Access::Open { json!([]) } else { json!([{ "bearer": [] }]) },
    });
    let body = match route.takes {
        Some(shape) => Some(json!({ "application/json": { "schema": reference(shape) } })),
        None => {
            let file = json!({ "type": "string", "format": "binary" });
            let form = json!({ "type": "object", "required": ["file"], "properties": { "file": &file } });
            let both = json!({ "*/*": { "schema": file }, "multipart/form-data": { "schema": form } });
            route.streams.then_some(both)
        }
    };
    if let (Some(body), Some(fields)) = (body, operation.as_object_mut()) {
        fields.insert("requestBody".to_owned(), json!({ "content": body }));
    }
    operation
}

/// `get_v1_conversations_id_entries`
fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), words.join("_"))
}

fn area(route: &Route) -> &'static str {
    let below = route.path.strip_prefix("/v1/").unwrap_or("documents");
    below.split('/').next().unwrap_or(below)
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    if route.names_one() {
        parameters.push(json!({
            "name": "id", "in": "path", "required": true, "schema": { "type": "string" }
        }));
    }
    parameters.extend(route.query_json());
    if route.repeat != Repeat::Ignored {
        parameters.push(json!({
            "name": IDEMPOTENCY_KEY, "in": "header", "required": false, "schema": { "type": "string" },
            "description": "A repeat under the same key is answered as the first request was.",
        }));
    }
    parameters
}

fn responses(route: &Route) -> Value {
    let answer = match route.answers {
        Answers::Nothing => json!({ "description": "done" }),
        Answers::Other(what) => json!({ "description": what }),
        Answers::One(shape) => json!({
            "description": "done",
            "content": { "application/json": { "schema": reference(shape) } },
        }),
        Answers::Page(shape) => json!({
            "description": "one page; `next` is the `cursor` of the next one, `null` at the end",
            "content": { "application/json": { "schema": {
                "type": "object",
                "required": ["items", "next"],
                "properties": {
                    "items": { "type": "array", "items": reference(shape) },
                    "next": { "type": ["string", "null"] },
                },
            } } },
        }),
    };
    let status = match route.answers {
        Answers::Nothing => 204,
        _ => route.status,
    };
    json!({
        status.to_string(): answer,
        "default": {
            "description": "refused",
            "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 30, "only {} references", found.len());
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_route_is_described_and_has_a_name_of_its_own() {
        let document = document();
        let mut names = BTreeSet::new();
        let mut described = 0;
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                described += 1;
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{operation}");
                assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            }
        }
        assert_eq!(described, TABLE.len());
    }
}
