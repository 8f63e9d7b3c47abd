//! Structured values: JSON objects in text, of which named fields may cross.

use gearmesh_protocol::sample::Value;
use gearmesh_protocol::topic::Name;
use serde_json::{Map, Number, Value as Json};

use super::round;

/// The named fields of a structured value, and nothing else of it. None if it has no such form, or
/// none of them.
pub(super) fn project(value: &Value, fields: &[Name]) -> Option<Value> {
    let Value::Text(text) = value else { return None };
    let Ok(Json::Object(mut object)) = serde_json::from_str(text) else { return None };
    let kept: Map<String, Json> =
        fields.iter().filter_map(|field| object.remove_entry(field.as_str())).collect();
    (!kept.is_empty()).then(|| Value::Text(Json::Object(kept).to_string()))
}

/// A value with its numbers rounded. Text that holds an object or a list is looked into.
pub(super) fn rounded(value: Value, places: i8) -> Value {
    match value {
        Value::Integer(number) => Value::Integer(round::integer(number, places)),
        Value::Float(number) => Value::Float(round::float(number, places)),
        Value::Text(text) => match serde_json::from_str(&text) {
            Ok(json @ (Json::Object(_) | Json::Array(_))) => {
                Value::Text(inside(json, places).to_string())
            }
            _ => Value::Text(text),
        },
        other @ (Value::Bool(_) | Value::Bytes(_)) => other,
    }
}

/// How deep it goes is bounded by the reader of JSON, which refuses more than 128 levels.
fn inside(json: Json, places: i8) -> Json {
    match json {
        Json::Number(number) => Json::Number(number_rounded(&number, places)),
        Json::Array(items) => items.into_iter().map(|item| inside(item, places)).collect(),
        Json::Object(fields) => {
            fields.into_iter().map(|(name, field)| (name, inside(field, places))).collect()
        }
        other => other,
    }
}

fn number_rounded(number: &Number, places: i8) -> Number {
    if let Some(whole) = number.as_i64() {
        return round::integer(whole, places).into();
    }
    let float = number.as_f64().map(|value| round::float(value, places));
    float.and_then(Number::from_f64).unwrap_or_else(|| number.clone())
}

/// A value as its schema sees it.
pub(super) fn as_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) => {
            let json = serde_json::from_str(text);
            json.ok().filter(Json::is_object).unwrap_or_else(|| Json::String(text.clone()))
        }
        Value::Bytes(bytes) => Json::from(bytes.clone()),
    }
}
