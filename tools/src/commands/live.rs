//! `gearmesh pub` and `gearmesh sub`.

use std::time::Duration;

use gearmesh_protocol::durable::{DurablePublished, DurableRequest};
use gearmesh_protocol::local::{Delivered, PublishRequest, Published, SubscribeEvent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Quality, Sample, Value};
use gearmesh_protocol::topic::TopicFilter;
use serde::Serialize;

use crate::cli::{Context, PubArgs, SubArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure, INCOMPLETE};
use crate::output;
use crate::signing::now;

/// How long nothing may come before the command says that it waits.
const SILENT_MAX: Duration = Duration::from_secs(5);

pub(crate) async fn publish(context: &Context, args: PubArgs) -> Result<u8, Failure> {
    let value = Value::from_text(&args.value);
    if let (Some(unit), Value::Text(_) | Value::Bool(_)) = (&args.unit, &value) {
        let said = format!("{} is no number, so it has no unit {unit}", output::printable(&value));
        let refused = Failure::from(Refusal::WrongWords).saying(said);
        let point = with_point(&value).map(|number| format!("write a decimal point: {number}"));
        return Err(refused.mended_by(point.unwrap_or_else(|| "leave --unit away".to_owned())));
    }
    let sample = Sample { unit: args.unit, ..Sample::good(value, now()) };
    let client = Client::of(&context.home)?;
    if args.durable {
        let ack = args.ack.unwrap_or_default();
        let request = DurableRequest { topic: args.topic, sample, ack, lease: args.lease };
        let published: DurablePublished = client.post("/v1/durable", &request).await?;
        let code = if published.reached { DONE } else { INCOMPLETE };
        let (topic, to) = (published.topic.clone(), safe(&published));
        tell(context, &args.value, &request.sample, published, &topic, &to)?;
        return Ok(code);
    }
    let request = PublishRequest { topic: args.topic, sample, lease: args.lease };
    let published: Published = client.post("/v1/publish", &request).await?;
    let to = match published.links {
        0 => "nobody follows it at the moment".to_owned(),
        1 => "sent to 1 member that follows it".to_owned(),
        links => format!("sent to {links} members that follow it"),
    };
    let topic = published.topic.clone();
    tell(context, &args.value, &request.sample, published, &topic, &to)?;
    Ok(DONE)
}

/// Says what was published, and what became of it.
fn tell(
    context: &Context,
    typed: &str,
    sample: &Sample,
    published: impl Serialize,
    topic: &str,
    to: &str,
) -> Result<(), Failure> {
    if context.json {
        return output::json(&Handed { published, taken_for: word(&sample.value) });
    }
    if is_beyond(typed, &sample.value) {
        output::note("too large for a whole number: published as a number, rounded");
    }
    if let Some(number) = with_point(&sample.value) {
        output::note(format!("published as text; for a number write a decimal point: {number}"));
    }
    let (value, kind) = (shown(sample), kind(&sample.value));
    output::line(format!("{topic}  {value} ({kind})   {to}"));
    Ok(())
}

/// Where a durable value is safe.
fn safe(published: &DurablePublished) -> String {
    let others = match published.replicas {
        0 => String::new(),
        1 => " and on 1 other member's".to_owned(),
        members => format!(" and on {members} other members'"),
    };
    let more = match published.reached {
        true => "",
        false => "; the others get it when they can be reached",
    };
    format!("safe on this machine's disk{others}{more}")
}

/// What was published, for programs.
#[derive(Serialize)]
struct Handed<T> {
    #[serde(flatten)]
    published: T,
    /// As the value's only field is called in the JSON of a sample.
    #[serde(rename = "type")]
    taken_for: &'static str,
}

const fn word(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Integer(_) => "integer",
        Value::Float(_) => "float",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
    }
}

/// Whether a whole number was typed that is none any more, because it has too many digits.
fn is_beyond(typed: &str, value: &Value) -> bool {
    let digits = typed.strip_prefix(['-', '+']).unwrap_or(typed);
    matches!(value, Value::Float(_)) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a typed value was taken for.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "true or false",
        Value::Integer(_) => "whole number",
        Value::Float(_) => "number",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
    }
}

/// The number that somebody meant who wrote a decimal comma.
fn with_point(value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let (before, after) = text.split_once(',')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = digits(before.strip_prefix(['-', '+']).unwrap_or(before)) && digits(after);
    is_number.then(|| format!("{before}.{after}"))
}

/// The filter that somebody typed. As in a topic, a leading `/` says that it is absolute; filters
/// always are.
pub(super) fn filter_of(text: &str) -> Result<TopicFilter, Failure> {
    let filter = text.strip_prefix('/').unwrap_or(text);
    filter.parse().map_err(|error| Failure::from(Refusal::FilterMalformed).saying(error))
}

pub(crate) async fn subscribe(context: &Context, args: SubArgs) -> Result<u8, Failure> {
    let filter = filter_of(&args.filter)?;
    let client = Client::of(&context.home)?;
    if let Some(name) = args.durable {
        return super::consume::run(context, &client, &name, &filter, args.count).await;
    }
    let path = format!("/v1/subscribe?filter={}", query(filter.as_str()));
    let mut events = client.events(&path).await?;
    let mut left = args.count;
    let mut is_waiting = true;
    while left != Some(0) {
        let next = events.next::<SubscribeEvent>();
        let event = match is_waiting {
            true => first(next, &filter).await?,
            false => next.await?,
        };
        is_waiting = false;
        let Some(event) = event else { return Err(Refusal::NodeStopped.into()) };
        if matches!(event, SubscribeEvent::Sample(_)) {
            left = left.map(|left| left - 1);
        }
        match (context.json, event) {
            (true, SubscribeEvent::Sample(sample)) => output::json(&sample)?,
            (true, lost @ SubscribeEvent::Lost { .. }) => output::json(&lost)?,
            (false, SubscribeEvent::Sample(sample)) => output::line(text(&sample)),
            (false, SubscribeEvent::Lost { count, topic }) => {
                output::note(lost(count, topic.as_deref()));
            }
        }
    }
    Ok(DONE)
}

/// Waits for the first event, and says after a while that nothing came yet.
pub(super) async fn first<T>(
    next: impl Future<Output = Result<T, Failure>>,
    filter: &TopicFilter,
) -> Result<T, Failure> {
    let mut next = std::pin::pin!(next);
    if let Ok(event) = tokio::time::timeout(SILENT_MAX, &mut next).await {
        return event;
    }
    output::note(format!("nothing was published on {filter} yet; waiting (Ctrl-C ends it)"));
    next.await
}

/// What is said of values that did not come.
fn lost(count: u64, topic: Option<&str>) -> String {
    let of = topic.map_or_else(String::new, |topic| format!(" of {}", output::printable(topic)));
    format!("{count} values{of} were lost: a link or this terminal was too slow for them")
}

/// One value as a line. Anything but good quality is said, so that nobody takes it for good; text
/// of the publisher stays within its line.
fn text(delivered: &Delivered) -> String {
    let (topic, value) = (output::printable(&delivered.topic), shown(&delivered.sample));
    let (source_time, quality) = (delivered.sample.source_time, quality(&delivered.sample));
    format!("{source_time}  {topic}  {value}{quality}")
}

/// Anything but a good value of now.
pub(super) fn quality(sample: &Sample) -> String {
    match (sample.quality, sample.replay) {
        (Quality::Good, false) => String::new(),
        (Quality::Good, true) => "  (replay)".to_owned(),
        (other, false) => format!("  ({other})"),
        (other, true) => format!("  ({other}, replay)"),
    }
}

/// A value with its unit. UCUM's `1` is the unit of plain numbers; people leave it out.
pub(super) fn shown(sample: &Sample) -> String {
    let unit = sample.unit.as_ref().filter(|unit| unit.as_str() != "1");
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    format!("{}{unit}", output::printable(&sample.value))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::time::UnixMillis;

    use super::*;

    #[test]
    fn a_decimal_comma_is_noticed() {
        let meant = |text: &str| with_point(&Value::from_text(text));
        assert_eq!(meant("41,5").as_deref(), Some("41.5"));
        assert_eq!(meant("-0,25").as_deref(), Some("-0.25"));
        for text in ["41.5", "on, off", "1,", ",5", "1,2,3", "a,1"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_value_was_taken_for_is_told_by_its_name_in_json() {
        for (text, name, beyond) in [
            ("true", "bool", false),
            ("9223372036854775807", "integer", false),
            ("9223372036854775808", "float", true),
            ("-99999999999999999999", "float", true),
            ("1e300", "float", false),
            ("41,5", "text", false),
        ] {
            let value = Value::from_text(text);
            assert_eq!((word(&value), is_beyond(text, &value)), (name, beyond), "{text}");
            let json = serde_json::to_string(&value).expect("JSON");
            assert!(json.starts_with(&format!("{{\"{name}\"")), "{json}");
        }
    }

    #[test]
    fn a_value_stays_within_its_line() {
        let value = Value::Text("ok\n\x1b]0;owned\x07".to_owned());
        let delivered = Delivered {
            topic: "hall/press-1/state".to_owned(),
            author: "press-1".to_owned(),
            author_key: PublicKey::of(&SigningKey::from_bytes(&[5; 32])),
            sample: Sample::good(value, UnixMillis(0)),
            age_ms: 0,
        };
        let line = text(&delivered);
        assert!(line.ends_with("  hall/press-1/state  ok\\n\\u{1b}]0;owned\\u{7}"), "{line}");
    }
}
