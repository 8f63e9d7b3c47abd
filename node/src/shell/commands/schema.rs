//! What a verb takes: a JSON Schema, made ready once.

use boon::{Compiler, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value;

/// Where a schema seems to lie, so that what it says of itself can be found.
const PLACE: &str = "gearmesh://arguments/schema";

/// A schema that arguments can be checked against.
pub(in crate::shell) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

/// A schema names no other documents, so there is nothing to load.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("it names another document, {url}").into())
    }
}

impl Schema {
    /// Makes a schema ready, or says in a sentence why it is none.
    pub(in crate::shell) fn ready(text: &[u8]) -> Result<Self, String> {
        let schema: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Nowhere));
        compiler.add_resource(PLACE, schema).map_err(|error| error.to_string())?;
        let mut schemas = Schemas::new();
        let index = compiler.compile(PLACE, &mut schemas).map_err(|error| format!("{error:#}"))?;
        Ok(Self { schemas, index })
    }

    /// Says what is wrong with arguments, if something is: where, and what.
    pub(in crate::shell) fn check(&self, arguments: &Value) -> Result<(), String> {
        self.schemas.validate(arguments, self.index).map_err(|error| {
            // The first leaf says what is wrong; what is above it, by which way that was found.
            let mut leaf = &error;
            while let Some(cause) = leaf.causes.first() {
                leaf = cause;
            }
            match leaf.instance_location.to_string().as_str() {
                "" => leaf.kind.to_string(),
                place => format!("{place}: {}", leaf.kind),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready(schema: &Value) -> Result<Schema, String> {
        Schema::ready(schema.to_string().as_bytes())
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let schema = ready(&json!({
            "type": "object",
            "properties": { "part": { "type": "integer" } },
            "required": ["part"],
        }))
        .expect("a schema");
        assert_eq!(schema.check(&json!({"part": 17})), Ok(()));
        let wrong = schema.check(&json!({"part": "x"})).expect_err("no number");
        assert!(wrong.starts_with("/part: ") && wrong.contains("integer"), "{wrong}");
        let missing = schema.check(&json!({})).expect_err("nothing there");
        assert!(missing.contains("part"), "{missing}");
    }

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_is_loaded() {
        for wrong in ["{", "17", r#"{"type": "nonsense"}"#] {
            assert!(Schema::ready(wrong.as_bytes()).is_err(), "{wrong}");
        }
        for elsewhere in ["file:///etc/passwd", "http://192.0.2.1/x", "other.json"] {
            let error = ready(&json!({ "$ref": elsewhere })).err().expect("another document");
            assert!(error.contains("another document"), "{error}");
        }
        assert!(ready(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}})).is_ok());
    }
}
