//! The reference model: what a line lets cross, computed from all that ever happened, step by step
//! over whole lists. It shares no code with the bridge, and takes no care to be fast.

use gearmesh_protocol::partner::{Aggregate, SheetTopic};
use gearmesh_protocol::sample::{Quality, Sample, Value};
use gearmesh_protocol::topic::{Topic, TopicFilter};

/// A value of the plant, at a time in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub(super) at: u64,
    pub(super) topic: Topic,
    pub(super) sample: Sample,
}

/// What has crossed at the end, with the time from which on it may.
pub(super) fn crosses(
    line: &SheetTopic,
    filter: &TopicFilter,
    happened: &[Happened],
    end: u64,
) -> Vec<(u64, Sample)> {
    let selected: Vec<(u64, Sample)> = happened
        .iter()
        .filter(|it| {
            !["partner", "admin"].contains(&it.topic.as_str().split('/').next().expect("one"))
        })
        .filter(|it| filter.matches(&it.topic))
        .filter_map(|it| Some((it.at, projected(line, &it.sample)?)))
        .collect();
    let passed = match (line.every_ms, line.aggregate) {
        (Some(every), Some(how)) => summed(&selected, u64::from(every.max(1)), how, end),
        (Some(every), None) => thinned(&selected, u64::from(every.max(1))),
        (None, _) => selected,
    };
    let rounded = passed.into_iter().map(|(at, mut sample)| {
        if let Some(places) = line.round {
            sample.value = rounded(&sample.value, places);
        }
        (at + line.delay_ms, sample)
    });
    rounded.filter(|(at, _)| *at <= end).collect()
}

fn projected(line: &SheetTopic, sample: &Sample) -> Option<Sample> {
    if line.fields.is_empty() {
        return Some(sample.clone());
    }
    let Value::Text(text) = &sample.value else { return None };
    let all: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut kept = serde_json::json!({});
    for field in &line.fields {
        if let Some(value) = all.as_object()?.get(field.as_str()) {
            kept[field.as_str()] = value.clone();
        }
    }
    let is_empty = kept.as_object()?.is_empty();
    (!is_empty).then(|| Sample { value: Value::Text(kept.to_string()), ..sample.clone() })
}

fn thinned(values: &[(u64, Sample)], every: u64) -> Vec<(u64, Sample)> {
    let mut kept: Vec<(u64, Sample)> = Vec::new();
    for value in values {
        if kept.last().is_none_or(|last| value.0 - last.0 >= every) {
            kept.push(value.clone());
        }
    }
    kept
}

fn summed(values: &[(u64, Sample)], every: u64, how: Aggregate, end: u64) -> Vec<(u64, Sample)> {
    let mut sums = Vec::new();
    for window in 0..end / every {
        let inside: Vec<&Sample> = values
            .iter()
            .filter(|(at, _)| at / every == window)
            .map(|(_, sample)| sample)
            .filter(|it| matches!(how, Aggregate::Last | Aggregate::Count) || number(it).is_some())
            .collect();
        let Some(last) = inside.last() else { continue };
        let numbers: Vec<f64> = inside.iter().filter_map(|it| number(it)).collect();
        let first_with = |wanted: f64| {
            let found = inside.iter().find(|it| number(it) == Some(wanted)).expect("one of them");
            ((*found).clone().value, found.unit.clone())
        };
        let (value, unit) = match how {
            Aggregate::Mean => {
                let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
                (Value::Float(mean), last.unit.clone())
            }
            Aggregate::Min => first_with(numbers.iter().copied().fold(f64::INFINITY, f64::min)),
            Aggregate::Max => first_with(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            Aggregate::Last => (last.value.clone(), last.unit.clone()),
            Aggregate::Count => (Value::Integer(inside.len() as i64), None),
        };
        let quality = inside.iter().map(|it| it.quality).max().unwrap_or(Quality::Good);
        let replay = inside.iter().any(|it| it.replay);
        let sample = Sample { value, quality, source_time: last.source_time, unit, replay };
        sums.push(((window + 1) * every, sample));
    }
    sums
}

fn number(sample: &Sample) -> Option<f64> {
    match &sample.value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// By way of text, as a person would do it: the values of the model have few digits.
fn rounded(value: &Value, places: i8) -> Value {
    match value {
        Value::Integer(number) => Value::Integer(round_whole(*number, places)),
        Value::Float(number) => Value::Float(round_float(*number, places)),
        Value::Text(text) => match serde_json::from_str(text) {
            Ok(json @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => {
                Value::Text(deep(&json, places).to_string())
            }
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn deep(json: &serde_json::Value, places: i8) -> serde_json::Value {
    match json {
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => round_whole(whole, places).into(),
            None => round_float(number.as_f64().expect("a number"), places).into(),
        },
        serde_json::Value::Array(all) => all.iter().map(|it| deep(it, places)).collect(),
        serde_json::Value::Object(all) => {
            let fields = all.iter().map(|(name, it)| (name.clone(), deep(it, places)));
            serde_json::Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn round_whole(number: i64, places: i8) -> i64 {
    if places >= 0 {
        return number;
    }
    let unit = 10_i64.pow(u32::from(places.unsigned_abs()));
    let (low, rest) = (number.abs() / unit * unit, number.abs() % unit);
    number.signum() * if 2 * rest >= unit { low + unit } else { low }
}

fn round_float(number: f64, places: i8) -> f64 {
    let unit = 10_f64.powi(i32::from(places));
    (number * unit).abs().mul_add(1.0, 0.5).floor().copysign(number) / unit
}
