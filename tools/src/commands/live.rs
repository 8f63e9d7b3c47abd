//! `gearmesh pub` and `gearmesh sub`.

use gearmesh_protocol::local::{Delivered, PublishRequest, Published, SubscribeEvent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Quality, Sample, Value};

use crate::cli::{Context, PubArgs, SubArgs};
use crate::client::{Client, query};
use crate::exit::{DONE, Failure};
use crate::output;
use crate::signing::now;

pub(crate) async fn publish(context: &Context, args: PubArgs) -> Result<u8, Failure> {
    let sample = Sample {
        value: Value::from_text(&args.value),
        quality: Quality::Good,
        source_time: now(),
        unit: args.unit,
    };
    let request = PublishRequest { topic: args.topic, sample };
    let published: Published = Client::of(&context.home)?.post("/v1/publish", &request).await?;
    if context.json {
        output::json(&published)?;
        return Ok(DONE);
    }
    let to = match published.links {
        0 => "nobody follows it at the moment".to_owned(),
        1 => "sent to 1 member that follows it".to_owned(),
        links => format!("sent to {links} members that follow it"),
    };
    output::line(format!("{}   {to}", published.topic));
    Ok(DONE)
}

pub(crate) async fn subscribe(context: &Context, args: SubArgs) -> Result<u8, Failure> {
    let client = Client::of(&context.home)?;
    let path = format!("/v1/subscribe?filter={}", query(args.filter.as_str()));
    let mut events = client.events(&path).await?;
    let mut left = args.count;
    while left != Some(0) {
        let Some(event) = events.next::<SubscribeEvent>().await? else {
            return Err(Refusal::NodeStopped.into());
        };
        if matches!(event, SubscribeEvent::Sample(_)) {
            left = left.map(|left| left - 1);
        }
        match (context.json, event) {
            (true, SubscribeEvent::Sample(sample)) => output::json(&sample)?,
            (true, lost @ SubscribeEvent::Lost(_)) => output::json(&lost)?,
            (false, SubscribeEvent::Sample(sample)) => output::line(text(&sample)),
            (false, SubscribeEvent::Lost(count)) => {
                output::note(format!(
                    "{count} values were lost: a link or this terminal was too slow for them"
                ));
            }
        }
    }
    Ok(DONE)
}

/// One value as a line. Anything but good quality is said, so that nobody takes it for good; text
/// of the publisher stays within its line.
fn text(delivered: &Delivered) -> String {
    let Sample { value, quality, source_time, unit } = &delivered.sample;
    // UCUM's `1` is the unit of plain numbers; people leave it out.
    let unit = unit.as_ref().filter(|unit| unit.as_str() != "1");
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let quality = match quality {
        Quality::Good => String::new(),
        other => format!("  ({other})"),
    };
    let (topic, value) = (output::printable(&delivered.topic), output::printable(value));
    format!("{source_time}  {topic}  {value}{unit}{quality}")
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::time::UnixMillis;

    use super::*;

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
