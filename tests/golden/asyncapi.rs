//! The golden frames are what the AsyncAPI document says they are.

use crate::{golden, golden_names, type_of};
use rushdesk::wire::asyncapi;
use serde_json::Value;
use std::collections::BTreeSet;

/// Enough of JSON Schema for the document: says what is wrong with `value`, and gathers the names of known fields.
struct Judge<'d> {
    document: &'d Value,
}

impl<'d> Judge<'d> {
    fn faults(&self, schema: &'d Value, value: &Value) -> Vec<String> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let place = reference.trim_start_matches('#');
            return self.faults(self.document.pointer(place).expect("a schema"), value);
        }
        let mut faults = Vec::new();
        for part in list(schema, "allOf") {
            faults.extend(self.faults(part, value));
        }
        let choices = list(schema, "oneOf");
        if !choices.is_empty() && !choices.iter().any(|choice| self.faults(choice, value).is_empty()) {
            faults.push(format!("{value} is none of {} choices", choices.len()));
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        if !types.is_empty() && !types.iter().any(|name| is(name, value)) {
            faults.push(format!("{value} is no {types:?}"));
        }
        let names = list(schema, "enum");
        if !names.is_empty() && !names.contains(value) {
            faults.push(format!("{value} is not one of {names:?}"));
        }
        let missing = list(schema, "required")
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| value.get(name).is_none());
        faults.extend(missing.map(|name| format!("`{name}` is missing")));
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            faults.extend(value.get(name).into_iter().flat_map(|value| self.faults(inner, value)));
        }
        for item in value.as_array().into_iter().flatten() {
            faults.extend(schema.get("items").into_iter().flat_map(|inner| self.faults(inner, item)));
        }
        faults
    }

    fn known_fields(&self, schema: &'d Value) -> BTreeSet<&'d str> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let place = reference.trim_start_matches('#');
            return self.known_fields(self.document.pointer(place).expect("a schema"));
        }
        let parts = list(schema, "allOf").iter().chain(list(schema, "oneOf"));
        let mut known: BTreeSet<&str> = parts.flat_map(|part| self.known_fields(part)).collect();
        let own = schema.get("properties").and_then(Value::as_object);
        known.extend(own.into_iter().flat_map(|own| own.keys().map(String::as_str)));
        known
    }
}

fn list<'v>(schema: &'v Value, name: &str) -> &'v [Value] {
    schema.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the judge does not know the type {other}"),
    }
}

#[test]
fn each_golden_frame_is_as_the_document_says() {
    let document = asyncapi::document();
    let judge = Judge { document: &document };
    for (folder, side) in [("client", "client"), ("server", "server"), ("entry", "server")] {
        for name in golden_names(folder) {
            let frame: Value = serde_json::from_str(&golden(folder, &name)).expect("json");
            let kind = if folder == "entry" { "entry" } else { type_of(&name) };
            let payload =
                document.pointer(&format!("/components/messages/{side}.{kind}/payload")).expect("a payload");
            assert_eq!(judge.faults(payload, &frame), Vec::<String>::new(), "{folder}/{name}");
            let known = judge.known_fields(payload);
            for field in frame.as_object().expect("an object").keys() {
                assert!(known.contains(field.as_str()), "{folder}/{name}: `{field}` is not in the document");
            }
        }
    }
}

#[test]
fn the_judge_finds_what_is_wrong() {
    let document = asyncapi::document();
    let judge = Judge { document: &document };
    let payload = document.pointer("/components/messages/server.ack/payload").expect("a payload");
    for wrong in [
        serde_json::json!({"type": "ack"}),
        serde_json::json!({"type": "nack", "re": "x", "at": "2025-11-19T16:00:00.007Z"}),
        serde_json::json!({"type": "ack", "re": 5, "at": "2025-11-19T16:00:00.007Z"}),
        serde_json::json!({"type": "ack", "re": "x", "at": "2025-11-19T16:00:00.007Z", "seq": "5"}),
    ] {
        assert!(!judge.faults(payload, &wrong).is_empty(), "{wrong}");
    }
}
