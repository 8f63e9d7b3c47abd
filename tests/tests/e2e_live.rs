//! Live values: who may say what, who hears it, in which order, and what is said of losses.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gearmesh_protocol::local::{Delivered, Presence, SubscribeEvent};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::api::{Api, Follower};
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::wait::until;

/// Bytes that wait for one subscriber at most.
const SUBSCRIBER_BYTES: usize = 16 * 1024 * 1024;

/// A running gateway and a running machine `press-1` in hall/line-1, linked. Nothing is published
/// but what a test publishes.
fn running() -> (Plant, Daemon, Daemon) {
    let plant = Plant::founded();
    let quiet = ["--listen", "127.0.0.1:0", "--no-mdns", "--no-host"];
    let gateway = plant.up_with("gateway-1", &quiet);
    let code = plant.code("press-1", &["--scope", "hall/line-1/press-1"]);
    let _ = plant.gearmesh("press-1", &["join", &code]).ok();
    let press = plant.up_with("press-1", &quiet);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    (plant, gateway, press)
}

/// Publishes until the other node is known to follow, so that nothing after this is missed.
fn wait_followed(publisher: &mut Api, topic: &str) {
    until(&format!("{topic} is followed"), || {
        (publisher.publish(topic, -1).links == 1).then_some(())
    });
}

/// The next value that is not one of those by which a test found out that it is followed.
fn next_number(follower: &mut Follower) -> Option<i64> {
    loop {
        match follower.next_number() {
            Some(-1) => {}
            other => return other,
        }
    }
}

#[test]
fn a_machine_publishes_under_its_own_scope_relative_or_absolute_and_nowhere_else() {
    let (plant, _gateway, _press) = running();
    for (typed, topic) in [
        ("temperature", "hall/line-1/press-1/temperature"),
        ("oil/pressure", "hall/line-1/press-1/oil/pressure"),
        ("/hall/line-1/press-1/x", "hall/line-1/press-1/x"),
    ] {
        let said = plant.gearmesh("press-1", &["pub", typed, "21.5", "--unit", "Cel"]).ok();
        assert!(said.starts_with(&format!("{topic} ")), "{typed}: {said}");
    }
    for elsewhere in [
        "/hall/line-1/press-10/x",
        "/hall/line-1",
        "/gateway-1/x",
        "/partner/acme/order",
        "/admin/x",
    ] {
        let err = plant.gearmesh("press-1", &["pub", elsewhere, "1"]).refused_with(130);
        let topic = elsewhere.trim_start_matches('/');
        let told = format!("{topic} lies outside the scope hall/line-1/press-1 [code 130]");
        assert!(err.contains(&told) && err.contains("own scope"), "{elsewhere}: {err}");
    }
    for wrong in ["/hall/line-1/press-1/+", "a/#", "/"] {
        let _ = plant.gearmesh("press-1", &["pub", wrong, "1"]).refused_with(265);
    }
    let large = plant.gearmesh("press-1", &["pub", "x", "9223372036854775808"]);
    assert!(large.err.contains("too large for a whole number"), "{large:?}");
    assert!(large.ok().contains("(number)"));
    for (value, kind) in [("9223372036854775807", "integer"), ("9223372036854775808", "float")] {
        let said = plant.gearmesh("press-1", &["pub", "x", value, "--json"]).ok();
        assert!(said.contains(&format!("\"type\":\"{kind}\"")), "{value}: {said}");
    }
    assert_eq!(plant.status("press-1").counters.published, 6);
    assert_eq!(plant.status("gateway-1").counters.dropped_grant, 0, "stopped at the publisher");
}

#[test]
fn a_node_without_a_plant_publishes_nothing_and_says_why() {
    let plant = Plant::empty();
    let _node = plant.up("press-1");
    for topic in ["x", "/press-1/x"] {
        let _ = plant.gearmesh("press-1", &["pub", topic, "1"]).refused_with(112);
    }
    let said = plant.gearmesh("press-1", &["members"]);
    assert_eq!((said.code, said.err.lines().count()), (Some(0), 1), "{said:?}");
    assert!(said.err.starts_with("no plant yet: ") && said.err.contains("join CODE"), "{said:?}");
    let said = plant.gearmesh("press-1", &["members", "--json"]);
    assert_eq!((said.out.trim_end(), said.err.as_str()), ("[]", ""));
}

#[test]
fn a_filter_that_can_bring_nothing_is_refused_and_one_that_may_says_that_it_waits() {
    use gearmesh_protocol::bounded::Bounded;
    use gearmesh_protocol::invite::Code;
    use gearmesh_tests::admin::{Admin, remember};

    let blank = Plant::empty();
    let _node = blank.up("press-1");
    let err = blank.gearmesh("press-1", &["sub", "#"]).refused_with(112);
    assert!(err.contains("has not joined a plant") && err.contains("join CODE"), "{err}");

    let (plant, gateway, _press) = running();
    for wrong in ["a/#/b", "", "a+"] {
        let _ = plant.gearmesh("press-1", &["sub", wrong]).refused_with(266);
    }
    for never in ["Hall/#", "/Hall/#", "$SYS/#", "admin/x"] {
        let _ = plant.gearmesh("press-1", &["sub", never]).refused_with(267);
    }
    // A leading / is as good as none.
    let filter = "/hall/line-1/press-1/quiet";
    let mut waiting = plant.command_at("gateway-1", &["sub", filter, "--count", "1"]);
    waiting.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiting = waiting.spawn().expect("gearmesh starts");
    let mut notes = BufReader::new(waiting.stderr.take().expect("its notes"));
    let mut note = String::new();
    notes.read_line(&mut note).expect("a line");
    assert!(note.contains("nothing was published on hall/line-1/press-1/quiet yet"), "{note}");
    let _ = plant.gearmesh("press-1", &["pub", "quiet", "1"]).ok();
    let said = Said::from(waiting.wait_with_output().expect("it ends"));
    assert!(said.ok().contains("hall/line-1/press-1/quiet  1"));

    let admin = Admin::of(&plant.keyring());
    let address = gearmesh_node::listen::plain(&plant.status("gateway-1").listen[0]);
    let code = Code::new(&admin.plant(), [9; 16], &[address.parse().expect("an address")]);
    let mut api = Api::of(gateway.home());
    let group = admin.invite(&mut api, &code, "panel-1", |invitation| {
        invitation.terms.subscribe = Bounded::first_of(["hall/#".parse().expect("a filter")]);
    });
    remember(&plant.keyring(), &group);
    let _ = plant.gearmesh("panel-1", &["join", &code.to_text()]).ok();
    let _panel = plant.up("panel-1");
    let _ = plant.gearmesh("panel-1", &["sub", "gateway-1/host/#"]).refused_with(131);
    let revoke = ["revoke", "panel-1", "--reason", "lost", "--yes"];
    assert_eq!(plant.gearmesh("gateway-1", &revoke).code, Some(0));
    until("panel-1 knows", || plant.status("panel-1").refused);
    let _ = plant.gearmesh("panel-1", &["sub", "hall/#"]).refused_with(110);
}

#[test]
fn pub_says_what_it_took_a_value_for() {
    let (plant, _gateway, _press) = running();
    let publish =
        |typed, unit: &[&str]| plant.gearmesh("press-1", &[&["pub", "x", typed], unit].concat());
    let unit = ["--unit", "Cel"];
    for (typed, unit, taken) in [
        ("41.5", &unit[..], "41.5 Cel (number)"),
        ("41", &unit, "41 Cel (whole number)"),
        ("true", &[], "true (true or false)"),
        ("41,5", &[], "41,5 (text)"),
    ] {
        let said = publish(typed, unit);
        let has_comma = typed.contains(',');
        assert_eq!(said.err.contains("decimal point: 41.5"), has_comma, "{said:?}");
        let out = said.ok();
        assert!(out.starts_with(&format!("hall/line-1/press-1/x  {taken} ")), "{out}");
    }
    for (typed, mend) in [("41,5", "a decimal point: 41.5"), ("open", "leave --unit away")] {
        let said = publish(typed, &unit);
        assert_eq!(said.code, Some(2), "what is no number has no unit: {said:?}");
        assert!(said.err.contains(mend), "{said:?}");
    }
}

#[test]
fn a_subscriber_gets_exactly_what_its_filter_matches() {
    let (_plant, gateway, press) = running();
    let mut publisher = Api::of(press.home());
    let topics = ["a", "a/b", "a/b/c", "d/b", "d/b/c"];
    let cases: [(&str, &[usize]); 6] = [
        ("#", &[0, 1, 2, 3, 4]),
        ("hall/+/press-1/+/b", &[1, 3]),
        ("hall/line-1/press-1/a/#", &[0, 1, 2]),
        ("+/+/+/+/+/c", &[2, 4]),
        ("hall/line-1/press-1/d/b", &[3]),
        ("hall/line-1/press-1/#", &[0, 1, 2, 3, 4]),
    ];
    let mut followers: Vec<Follower> =
        cases.iter().map(|(filter, _)| Follower::of(gateway.home(), filter)).collect();
    // All are known once the last is; it matches every topic below.
    wait_followed(&mut publisher, "end");
    for (number, topic) in (0..).zip(topics) {
        publisher.publish(topic, number);
    }
    let last = i64::try_from(topics.len()).expect("few");
    for topic in topics {
        publisher.publish(topic, last);
    }
    for ((filter, expected), follower) in cases.iter().zip(&mut followers) {
        let got: Vec<i64> = std::iter::from_fn(|| next_number(follower))
            .take_while(|number| *number != last)
            .collect();
        let expected: Vec<i64> =
            expected.iter().map(|at| i64::try_from(*at).expect("few")).collect();
        assert_eq!(got, expected, "{filter}");
    }
}

#[test]
fn values_of_one_publisher_arrive_in_order_and_without_gaps() {
    const VALUES: i64 = 200;
    let (plant, gateway, press) = running();
    let mut follower = Follower::of(gateway.home(), "hall/line-1/press-1/#");
    let mut publisher = Api::of(press.home());
    wait_followed(&mut publisher, "count");
    for number in 0..VALUES {
        // Over one connection and over new ones, to one topic and to many.
        let topic = format!("count/{}", number % 7);
        match number % 2 {
            0 => publisher.publish(&topic, number),
            _ => Api::of(press.home()).publish(&topic, number),
        };
    }
    let got: Vec<i64> = (0..VALUES).filter_map(|_| next_number(&mut follower)).collect();
    assert!(got.iter().copied().eq(0..VALUES), "{got:?}");

    let (sent, arrived) = (plant.status("press-1").counters, plant.status("gateway-1").counters);
    assert!(sent.published >= 200 && arrived.received >= 200, "{sent:?} {arrived:?}");
    for counters in [sent, arrived] {
        let lost = counters.dropped_link + counters.dropped_subscriber + counters.dropped_grant;
        assert_eq!(lost + counters.lost_remote + counters.malformed_frames, 0, "{counters:?}");
    }
    let said = plant.gearmesh("gateway-1", &["status"]).ok();
    assert!(said.contains(&format!("{} received", arrived.received)), "{said}");
    assert!(!said.contains("dropped") && !said.contains("lost"), "only losses are listed: {said}");
}

#[test]
fn an_observer_sees_all_and_publishes_nothing() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    let code = plant.code("panel-1", &["--role", "observer"]);
    let _ = plant.gearmesh("panel-1", &["join", &code]).ok();
    let scoped = plant.code("panel-2", &["--role", "observer", "--scope", "office/panel-2"]);
    let _ = plant.gearmesh("panel-2", &["join", &scoped]).ok();
    let _panels = ["panel-1", "panel-2"].map(|name| plant.up(name));
    let mut all = Follower::of(&plant.home("gateway-1"), "#");
    for panel in ["panel-1", "panel-2"] {
        // A round of the gateway's own values: the panels have had time for theirs.
        let words = ["sub", "gateway-1/host/#", "--count", "3", "--json"];
        let said = plant.gearmesh(panel, &words).ok();
        assert_eq!(said.lines().count(), 3, "{said}");
        for topic in ["x", "/x", "/gateway-1/x", "/office/panel-2/x"] {
            let err = plant.gearmesh(panel, &["pub", topic, "1"]).refused_with(130);
            assert!(err.contains("an observer publishes nothing"), "{topic}: {err}");
            assert!(!err.contains("own scope"), "it has none: {err}");
        }
        assert_eq!(plant.status(panel).counters.published, 0, "{panel}");
    }
    for _ in 0..10 {
        let SubscribeEvent::Sample(value) = all.next_event() else { continue };
        assert_eq!(value.author, "gateway-1", "{}", value.topic);
    }
    assert_eq!(plant.status("gateway-1").counters.received, 0);
}

#[test]
fn a_subscriber_that_does_not_read_loses_the_oldest_and_is_told_how_many() {
    const BYTES: usize = 16 * 1024;
    let (plant, gateway, press) = running();
    let mut asleep = Follower::of(gateway.home(), "hall/line-1/press-1/asleep");
    let mut awake = Follower::of(gateway.home(), "hall/line-1/press-1/#");
    let mut publisher = Api::of(press.home());
    wait_followed(&mut publisher, "asleep");
    // More than a queue and the socket's buffers hold: the rest must be pushed out.
    let fit = i64::try_from(SUBSCRIBER_BYTES / BYTES).expect("a number");
    let total = fit + 300;
    let padding = "x".repeat(BYTES);
    for number in 0..total {
        let sample = Sample::good(Value::Text(format!("{number} {padding}")), UnixMillis(0));
        publisher.publish_sample("asleep", sample);
        // The one that reads keeps pace and misses nothing.
        assert_eq!(number_of(&mut awake), Ok(number));
    }
    let dropped = plant.status("gateway-1").counters.dropped_subscriber;
    assert!(dropped > 0, "nothing was dropped");

    let mut told = 0;
    let mut got = Vec::new();
    while got.last() != Some(&(total - 1)) {
        match number_of(&mut asleep) {
            Ok(number) => got.push(number),
            Err(lost) => told += lost,
        }
    }
    assert_eq!(told, dropped, "each loss is told");
    assert_eq!(u64::try_from(got.len()).ok(), u64::try_from(total).ok().map(|all| all - told));
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "what is left is in order");
    let newest = got.iter().rev().zip((0..total).rev()).take_while(|(a, b)| **a == *b).count();
    assert!(newest + 32 >= usize::try_from(fit).expect("a number"), "the newest stay: {newest}");
    let said = plant.gearmesh("gateway-1", &["status"]).ok();
    let line = format!("{dropped} dropped because a subscriber did not read");
    assert!(said.contains(&line), "{said}");
}

/// The number at the beginning of the next text, or how many values were lost before it.
fn number_of(follower: &mut Follower) -> Result<i64, u64> {
    loop {
        match follower.next_event() {
            SubscribeEvent::Lost { count, topic } => {
                assert!(topic.is_some_and(|topic| topic.ends_with("/asleep")), "it is known");
                return Err(count);
            }
            SubscribeEvent::Sample(Delivered { sample, .. }) => {
                let Value::Text(text) = sample.value else { continue };
                let number = text.split(' ').next().and_then(|word| word.parse().ok());
                return Ok(number.expect("a number"));
            }
        }
    }
}

#[test]
fn sub_prints_one_value_a_line_with_stable_names_and_stops_after_its_count() {
    let (plant, gateway, press) = running();
    let filter = "hall/line-1/press-1/+";
    let json = plant.begin("gateway-1", &["sub", filter, "--count", "3", "--json"]);
    let mut publisher = Api::of(press.home());
    wait_followed(&mut publisher, "probe");
    let words = ["pub", "temperature", "21.5", "--unit", "Cel"];
    let _ = plant.gearmesh("press-1", &words).ok();
    for text in ["true", "-7", "on air"] {
        let _ = plant.gearmesh("press-1", &["pub", "state", text]).ok();
    }
    assert_eq!(json.wait(), Some(0));
    let said = plant.said("gateway-1");
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    let key = plant.status("press-1").key.to_string();
    for line in &lines {
        let object = line.as_object().expect("an object");
        let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
        names.sort_unstable();
        let stable =
            ["age_ms", "author", "author_key", "quality", "source_time", "topic", "unit", "value"];
        assert_eq!(names, stable);
        assert_eq!(line["author"], "press-1");
        assert_eq!(line["author_key"], *key);
        assert_eq!(line["quality"], "good");
        assert!(line["source_time"].is_u64() && line["age_ms"].is_u64(), "{line}");
    }
    let measured = lines.iter().find(|line| line["topic"] == "hall/line-1/press-1/temperature");
    let measured = measured.expect("the temperature");
    assert_eq!(measured["value"]["float"], 21.5);
    assert_eq!(measured["unit"], "Cel");

    // Whoever begins to follow a topic is told its last value, and there is another one by now.
    let topic = "hall/line-1/press-1/temperature";
    let text = plant.begin("gateway-1", &["sub", topic, "--count", "1"]);
    until("it follows", || {
        (!plant.said("gateway-1").is_empty()).then_some(()).or_else(|| {
            let _ = plant.gearmesh("press-1", &words).ok();
            None
        })
    });
    assert_eq!(text.wait(), Some(0));
    let said = plant.said("gateway-1");
    assert!(said.contains("hall/line-1/press-1/temperature  21.5 Cel"), "{said}");
    drop((gateway, press));
}
