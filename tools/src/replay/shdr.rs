//! MTConnect's adapter format, SHDR: `time|key|value[|key|value]…`, conditions as
//! `time|key|level|code|severity|qualifier|text`, assets as `time|@ASSET@|…`.

use gearmesh_protocol::sample::{Quality, Value};
use gearmesh_protocol::time::UnixMillis;

use super::recording::{Moment, Recorded};

/// What an adapter says where it does not know (MTConnect Part 1).
const UNAVAILABLE: &str = "UNAVAILABLE";

/// The levels of a condition (MTConnect Part 2).
const LEVELS: [&str; 4] = ["NORMAL", "WARNING", "FAULT", UNAVAILABLE];

/// Whether a line looks like one of SHDR: a time and a field.
pub(super) fn is_shdr(line: &str) -> bool {
    line.split_once('|').is_some_and(|(time, _)| time.contains('T') && time.ends_with('Z'))
}

/// One line; none if there are no values in it, as in an asset's.
pub(super) fn moment(line: &str) -> Option<Moment> {
    let (time, rest) = line.trim_end_matches(['\r', '\n']).split_once('|')?;
    let fields: Vec<&str> = rest.split('|').collect();
    if fields.first()?.starts_with('@') {
        return None;
    }
    let values = match fields.as_slice() {
        [key, level, code, _, _, text] if LEVELS.contains(level) => {
            vec![condition(key, level, code, text)]
        }
        fields => fields.chunks_exact(2).map(|pair| value(pair[0], pair[1])).collect(),
    };
    Some(Moment { at: time_of(time), values })
}

fn value(key: &str, text: &str) -> Recorded {
    let recorded = Recorded::good(key, Value::from_text(text));
    match text {
        UNAVAILABLE => Recorded { quality: Quality::Bad, ..recorded },
        _ => recorded,
    }
}

/// A condition as a text: its level, and what the controller says of it.
fn condition(key: &str, level: &str, code: &str, text: &str) -> Recorded {
    let words: Vec<&str> =
        [level, code, text].into_iter().filter(|word| !word.is_empty()).collect();
    let recorded = Recorded::good(key, Value::Text(words.join(" ")));
    match level {
        UNAVAILABLE => Recorded { quality: Quality::Bad, ..recorded },
        _ => recorded,
    }
}

/// A time in UTC. Adapters write seven digits behind its point; milliseconds are enough.
fn time_of(text: &str) -> Option<UnixMillis> {
    let Some((whole, fraction)) = text.strip_suffix('Z')?.split_once('.') else {
        return text.parse().ok();
    };
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: UnixMillis = format!("{whole}Z").parse().ok()?;
    Some(whole.plus_ms(digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_conditions_and_assets_are_told_apart() {
        let read = moment("2022-08-08T13:51:34.7167146Z|avail|AVAILABLE|S1load|17.5|mode|\r\n");
        let read = read.expect("values");
        assert_eq!(read.at, Some(UnixMillis(1_659_966_694_716)));
        let named: Vec<(&str, &Value)> =
            read.values.iter().map(|value| (value.name.as_str(), &value.value)).collect();
        let (available, nothing) =
            (Value::Text("AVAILABLE".to_owned()), Value::Text(String::new()));
        assert_eq!(
            named,
            [("avail", &available), ("S1load", &Value::Float(17.5)), ("mode", &nothing)]
        );

        let read = moment("2022-08-08T13:51:35Z|coolant_cond|FAULT|2017|||Coolant low")
            .expect("a condition");
        assert_eq!(read.values[0].value, Value::Text("FAULT 2017 Coolant low".to_owned()));
        let read =
            moment("2022-08-08T13:51:35Z|coolant_cond|UNAVAILABLE||||").expect("a condition");
        assert_eq!(read.values[0].quality, Quality::Bad);
        assert_eq!(read.values.len(), 1);

        let read = moment("2022-08-08T13:51:35Z|S1load|UNAVAILABLE").expect("a value");
        assert_eq!(read.values[0].quality, Quality::Bad);
        assert_eq!(moment("2022-08-08T13:51:35Z|@ASSET@|T1|CuttingTool|<x/>"), None);
        assert!(is_shdr("2022-08-08T13:51:35Z|a|1") && !is_shdr("time,value") && !is_shdr("a|b"));
    }
}
