//! Random terms and random data: the bridge says what the model says.

use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::partner::{Aggregate, Direction, SheetTopic};
use gearmesh_protocol::partner_local::Selection;
use gearmesh_protocol::sample::{Quality, Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::Preview;
use super::model::{Happened, crosses};

const TOPICS: [&str; 6] = [
    "hall/press-1/count",
    "hall/press-2/count",
    "hall/press-1/temp",
    "partner/acme/count",
    "admin/x",
    "lab/count",
];

const FILTERS: [&str; 6] =
    ["hall/+/count", "hall/#", "#", "+/count", "hall/press-1/temp", "lab/count"];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-2_000_i64..2_000).prop_map(Value::Integer),
        4 => (-200_i32..200).prop_map(|eighths| Value::Float(f64::from(eighths) / 8.0)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => select(vec!["ready", "{}", "[1.25]"]).prop_map(Value::from),
        3 => (-500_i64..500, -40_i32..40).prop_map(|(good, eighths)| {
            let speed = f64::from(eighths) / 8.0;
            Value::Text(format!(r#"{{"good":{good},"secret":"recipe","speed":{speed:?}}}"#))
        }),
    ]
}

fn happened() -> impl Strategy<Value = Vec<Happened>> {
    let quality = select(vec![Quality::Good, Quality::Uncertain, Quality::Bad]);
    let marks = (any::<bool>(), any::<bool>());
    let one = (0_u64..400, select(TOPICS.to_vec()), value(), quality, marks);
    vec(one, 0..120).prop_map(|all| {
        let mut at = 0;
        let happened = all.into_iter().map(|(later, topic, value, quality, (has_unit, replay))| {
            at += later;
            let unit = has_unit.then(|| "Cel".parse().expect("a unit"));
            let source_time = UnixMillis(at);
            let sample = Sample { value, quality, source_time, unit, replay };
            Happened { at, topic: topic.parse().expect("a topic"), sample }
        });
        happened.collect()
    })
}

fn line() -> impl Strategy<Value = (SheetTopic, TopicFilter)> {
    use Aggregate::{Count, Last, Max, Mean, Min};
    let aggregate = option::of(select(vec![Mean, Min, Max, Last, Count]));
    let fields = select(vec![vec![], vec!["good"], vec!["good", "speed"], vec!["missing"]]);
    let every = option::weighted(0.7, 1_u32..3_000);
    let times = (every, prop_oneof![Just(0), 1_u64..5_000]);
    (fields, option::of(-3_i8..3), times, aggregate, select(FILTERS.to_vec())).prop_map(
        |(fields, round, (every_ms, delay_ms), aggregate, filter)| {
            let fields = fields.into_iter().map(|field| field.parse().expect("a name"));
            let terms = SheetTopic {
                direction: Direction::Export,
                alias: "output".parse().expect("a topic"),
                fields: Bounded::first_of(fields),
                round,
                every_ms,
                aggregate: aggregate.filter(|_| every_ms.is_some()),
                delay_ms,
                schema: None,
            };
            (terms, filter.parse().expect("a filter"))
        },
    )
}

/// What the bridge lets cross if it is asked at every so many milliseconds.
fn bridged(
    terms: &SheetTopic,
    filter: &TopicFilter,
    happened: &[Happened],
    (end, ask_every): (u64, u64),
) -> Vec<(u64, Sample)> {
    let selection = Selection { alias: terms.alias.clone(), filter: filter.clone() };
    let mut bridge = Preview::of(std::slice::from_ref(terms), &[selection]);
    let mut crossed = Vec::new();
    let mut next = happened.iter().peekable();
    let asks = (0..end).step_by(ask_every as usize).chain([end]);
    for ask in asks {
        while let Some(it) = next.next_if(|it| it.at <= ask) {
            bridge.offer(Duration::from_millis(it.at), 0, &it.topic, &it.sample);
        }
        let due = bridge.due(Duration::from_millis(ask));
        for exported in due {
            assert_eq!(exported.alias(), &terms.alias);
            crossed.push((ask, exported.sample().clone()));
        }
    }
    crossed
}

fn numbers(sample: &Sample) -> Option<f64> {
    match &sample.value {
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn is_same(one: &Sample, other: &Sample) -> bool {
    match (numbers(one), numbers(other)) {
        (Some(a), Some(b)) => {
            let rest = |it: &Sample| (it.quality, it.source_time, it.unit.clone());
            (a - b).abs() < 1e-9 && rest(one) == rest(other)
        }
        _ => one == other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_the_terms_say_crosses(
        (terms, filter) in line(),
        happened in happened(),
        rest in 0_u64..9_000,
        ask_every in 1_u64..700,
    ) {
        let end = happened.last().map_or(0, |it| it.at) + rest;
        let wanted = crosses(&terms, &filter, &happened, end);
        let crossed = bridged(&terms, &filter, &happened, (end, ask_every));
        prop_assert_eq!(wanted.len(), crossed.len(), "{:?} {:?}", wanted, crossed);
        for ((from, wanted), (at, crossed)) in wanted.iter().zip(&crossed) {
            prop_assert!(is_same(wanted, crossed), "{:?} {:?}", wanted, crossed);
            prop_assert!(from <= at && *at < from + ask_every, "due at {}, crossed at {}", from, at);
        }
        let said = format!("{crossed:?}");
        prop_assert!(terms.fields.is_empty() || !said.contains("recipe"), "{}", said);
    }
}
