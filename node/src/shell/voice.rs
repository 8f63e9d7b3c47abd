//! How a node in the foreground speaks: lines for people, or lines of JSON for programs.
//!
//! What people read is two columns, a word and what it is about. A program reads objects whose names
//! are documented in docs/operations.md and do not change their meaning.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::clock::wall_now;
use crate::config::LogForm;
use crate::core::plant::news::Line;

/// Says to whoever watches the node what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    form: LogForm,
}

impl Voice {
    /// One that speaks like this.
    pub(super) const fn new(form: LogForm) -> Self {
        Self { form }
    }

    /// Says one thing.
    pub(super) fn say(self, word: &'static str, text: impl Into<String>) {
        self.tell(&Line::new(word, text));
    }

    /// Says one line.
    pub(super) fn tell(self, line: &Line) {
        let text = match self.form {
            LogForm::Text => line.to_string(),
            LogForm::Json => {
                let level = if line.needs_a_person() { Level::WARN } else { Level::INFO };
                let mut object = begun(level);
                object.insert("event".to_owned(), json!(line.word.to_ascii_lowercase()));
                object.insert("message".to_owned(), json!(line.text));
                Value::Object(object).to_string()
            }
        };
        // Nobody is left who could be told that nobody listens.
        drop(writeln!(std::io::stderr().lock(), "{}", text.trim_end()));
    }
}

/// What every object begins with.
fn begun(level: Level) -> Map<String, Value> {
    let now = wall_now();
    let mut object = Map::new();
    object.insert("at".to_owned(), json!(now.to_string()));
    object.insert("at_ms".to_owned(), json!(now.0));
    object.insert("level".to_owned(), json!(level.as_str().to_ascii_lowercase()));
    object
}

/// Writes events of tracing as lines of JSON.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut object = begun(*event.metadata().level());
        let mut fields = Fields::default();
        event.record(&mut fields);
        object.insert("source".to_owned(), json!(event.metadata().target()));
        object.insert("message".to_owned(), json!(fields.message));
        if !fields.rest.is_empty() {
            object.insert("fields".to_owned(), Value::Object(fields.rest));
        }
        writeln!(writer, "{}", Value::Object(object))
    }
}

/// What an event says, field by field.
#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.rest.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = write!(text, "{value:?}");
        match field.name() {
            "message" => self.message = text,
            _ => self.put(field, json!(text)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }
}
