//! `gearmesh verbs`: what machines can be asked for.

use gearmesh_node::commands::api::VerbStatus;
use serde_json::Value;

use crate::cli::{Context, VerbsArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure};
use crate::output;

pub(crate) async fn run(context: &Context, args: VerbsArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let path = match &args.machine {
        Some(machine) => format!("/v1/verbs?machine={}", query(machine)),
        None => "/v1/verbs".to_owned(),
    };
    let verbs: Vec<VerbStatus> = client.get(&path).await?;
    if context.json {
        output::json_document(&verbs)?;
        return Ok(DONE);
    }
    if verbs.is_empty() {
        let who = args.machine.unwrap_or_else(|| "no machine that is linked".to_owned());
        output::note(format!("{who} serves nothing at the moment, as far as this node knows"));
        return Ok(DONE);
    }
    let row = |verb: &VerbStatus| {
        let kind = match (verb.query, verb.jobs) {
            (true, _) => "query",
            (false, true) => "command, jobs",
            (false, false) => "command",
        };
        let takes = verb.schema.as_ref().map_or_else(|| "any JSON".to_owned(), takes);
        vec![verb.machine.to_string(), verb.verb.to_string(), kind.to_owned(), takes]
    };
    let rows: Vec<Vec<String>> = verbs.iter().map(row).collect();
    output::table(&["MACHINE", "VERB", "KIND", "ARGUMENTS"], &rows);
    Ok(DONE)
}

/// What a schema takes, as far as a line can say it; --json has the whole.
fn takes(schema: &Value) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return match schema.get("type").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            None => "see --json".to_owned(),
        };
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| {
        required.is_some_and(|names| names.iter().any(|wanted| wanted.as_str() == Some(name)))
    };
    let property = |(name, schema): (&String, &Value)| {
        let mark = if is_required(name) { "" } else { "?" };
        let kind = schema.get("type").and_then(Value::as_str);
        kind.map_or_else(|| format!("{name}{mark}"), |kind| format!("{name}{mark}: {kind}"))
    };
    let all: Vec<String> = properties.iter().map(property).collect();
    format!("{{{}}}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_said_in_a_line() {
        let object = json!({
            "type": "object",
            "properties": { "part": { "type": "integer" }, "note": {} },
            "required": ["part"],
        });
        assert_eq!(takes(&object), "{note?, part: integer}");
        assert_eq!(takes(&json!({ "type": "string" })), "string");
        assert_eq!(takes(&json!({ "oneOf": [] })), "see --json");
    }
}
