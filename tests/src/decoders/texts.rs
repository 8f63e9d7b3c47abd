//! What people and configurations write: names, topics, filters, identifiers, values.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{CommandId, GroupId, Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::limits::{
    ADDRESS_BYTES_MAX, NAME_BYTES_MAX, SCOPE_LEVELS_MAX, TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX,
};
use gearmesh_protocol::plant::Address;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Scope, Title, Topic, TopicFilter, Unit};
use serde::{Serialize, de::DeserializeOwned};

/// A text is kept as it was written, within its bounds, and is accepted in a message exactly if it
/// is accepted from a person. A first line is also matched, as a filter, with the second as a topic.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check::<Name>(text, NAME_BYTES_MAX, 1);
    check::<Title>(text, NAME_BYTES_MAX, usize::MAX);
    check::<Unit>(text, NAME_BYTES_MAX, usize::MAX);
    check::<Scope>(text, TOPIC_BYTES_MAX / 2, SCOPE_LEVELS_MAX);
    check::<Topic>(text, TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX);
    check::<TopicFilter>(text, TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX);
    check_address(text);
    check_id::<PlantId>(text);
    check_id::<GroupId>(text);
    check_id::<RecordId>(text);
    check_id::<Incarnation>(text);
    check_id::<CommandId>(text);
    check_id::<PublicKey>(text);
    check_value(text);
    if let Some((filter, topic)) = text.split_once('\n') {
        check_match(filter, topic);
    }
}

fn check<T>(text: &str, bytes_max: usize, levels_max: usize)
where
    T: FromStr<Err: Debug> + Display + Serialize + DeserializeOwned,
{
    let typed = text.parse::<T>();
    let sent = codec::decode::<T>(&codec::encode(&text), usize::MAX);
    assert_eq!(typed.is_ok(), sent.is_ok(), "{text:?}");
    for read in typed.iter().chain(&sent) {
        assert_eq!(read.to_string(), text);
        assert!((1..=bytes_max).contains(&text.len()), "{} bytes", text.len());
        assert!(text.split('/').count() <= levels_max, "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

fn check_address(text: &str) {
    if let Ok(address) = Address::try_from(text.to_owned()) {
        assert_eq!(address.as_str(), text);
        assert!((1..=ADDRESS_BYTES_MAX).contains(&text.len()), "{} bytes", text.len());
    }
}

fn check_id<T: FromStr + Display>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}

/// What people type as a value can always be published.
fn check_value(text: &str) {
    let value = Value::from_text(text);
    if !matches!(value, Value::Text(_)) {
        assert_eq!(Sample::good(value, UnixMillis(0)).check(), Ok(()), "{text:?}");
    }
}

/// Filter and topic match as MQTT 5.0 section 4.7 says; and a topic is a filter for itself alone.
fn check_match(filter: &str, topic: &str) {
    let (Ok(filter), Ok(topic)) = (filter.parse::<TopicFilter>(), topic.parse::<Topic>()) else {
        return;
    };
    let wanted: Vec<&str> = filter.as_str().split('/').collect();
    let there: Vec<&str> = topic.as_str().split('/').collect();
    let is_hidden = there[0].starts_with('$') && matches!(wanted[0], "+" | "#");
    let matches = !is_hidden && match_levels(&wanted, &there);
    assert_eq!(filter.matches(&topic), matches, "{filter} on {topic}");
    let exact: TopicFilter = topic.as_str().parse().expect("a topic is a filter");
    assert!(exact.matches(&topic), "{topic}");
    assert_eq!(filter.overlaps(&exact), matches, "{filter} and {topic}");
    assert_eq!(exact.overlaps(&filter), matches, "{topic} and {filter}");
    assert!(filter.overlaps(&filter), "{filter}");
}

fn match_levels(wanted: &[&str], there: &[&str]) -> bool {
    match (wanted, there) {
        (["#"], _) | ([], []) => true,
        ([level, wanted @ ..], [found, there @ ..]) if *level == "+" || level == found => {
            match_levels(wanted, there)
        }
        _ => false,
    }
}
