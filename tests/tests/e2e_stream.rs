//! Streams of the local API: values from program to node to node to program, and every way in
//! which a program can misuse them.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::path::Path;

use gearmesh_client::{Arrived, Client, ClientError, Delivery, Following, PublishError};
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, INTEREST_FILTERS_MAX, SAMPLE_BYTES_MAX};
use gearmesh_protocol::local::{ErrorBody, Presence};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::stream::{AnswerFrame, FOLLOW_PATH, PUBLISH_PATH};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::api::{Answer, Api};
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::stream::{RawStream, upgrade};
use gearmesh_tests::wait::{DEADLINE, until};

/// Values that wait for one subscriber at most.
const SUBSCRIBER_VALUES: i64 = 65_536;

/// A running gateway and a running machine `press-1`, linked. Nothing is published but what a test
/// publishes.
fn running() -> (Plant, Daemon, Daemon) {
    let plant = Plant::founded();
    let quiet = ["--listen", "127.0.0.1:0", "--no-mdns", "--no-host"];
    let gateway = plant.up_with("gateway-1", &quiet);
    plant.join("press-1");
    let press = plant.up_with("press-1", &quiet);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    (plant, gateway, press)
}

/// A running gateway alone.
fn alone() -> (Plant, Daemon) {
    let plant = Plant::founded();
    let gateway =
        plant.up_with("gateway-1", &["--listen", "127.0.0.1:0", "--no-mdns", "--no-host"]);
    (plant, gateway)
}

/// Publishes until the other node is known to follow, so that nothing after this is missed.
fn wait_followed(publisher: &Path, topic: &str) {
    let mut api = Api::of(publisher);
    until(&format!("{topic} is followed"), || (api.publish(topic, -1).links == 1).then_some(()));
}

fn number(value: i64) -> Sample {
    Sample::good(Value::Integer(value), UnixMillis(0))
}

/// Within the deadline of any test.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

async fn follow(home: &Path, filter: &str) -> Following {
    let filter = filter.parse().expect("a filter");
    soon("a stream", Client::at(home).follow(&filter)).await.expect("a stream")
}

/// The next delivery that is not one of those by which a test found out that it is followed.
async fn next(following: &mut Following) -> Delivery {
    loop {
        match soon("a value", following.next()).await.expect("a value") {
            Delivery::Value(value) if value.sample.value == Value::Integer(-1) => {}
            other => return other,
        }
    }
}

async fn next_value(following: &mut Following) -> Arrived {
    match next(following).await {
        Delivery::Value(value) => value,
        lost @ Delivery::Lost { .. } => panic!("{lost:?}"),
    }
}

/// Status and code of a refusal, which has a sentence and a mend.
fn refused(answer: &Answer) -> (u16, u16) {
    let body: ErrorBody = serde_json::from_str(&answer.body).expect("a refusal");
    assert!(!body.error.is_empty() && !body.mend.is_empty(), "{body:?}");
    (answer.status, body.code.code())
}

#[tokio::test]
async fn values_go_from_program_to_program_in_order_and_below_the_bounds_none_is_lost() {
    // As many as wait for one subscriber, so that none is lost however slowly this is read.
    const VALUES: i64 = 16_000;
    let (plant, gateway, press) = running();
    let mut following = follow(gateway.home(), "press-1/#").await;
    wait_followed(press.home(), "count/0");

    let client = Client::at(press.home());
    let publishing = client.paced_publisher().await.expect("a stream");
    let topics = ["count/0", "count/1", "/press-1/count/2"];
    let topics = topics.map(|topic| publishing.topic(topic).expect("a topic"));
    let sender = tokio::spawn(async move {
        for (value, topic) in (0..VALUES).zip(topics.iter().cycle()) {
            topic.publish_paced(&number(value)).await.expect("room");
        }
        publishing.flush().await.expect("written");
    });
    for value in 0..VALUES {
        let arrived = next_value(&mut following).await;
        assert_eq!(arrived.sample.value, Value::Integer(value));
        let topic = format!("press-1/count/{}", value % 3);
        assert_eq!(arrived.source.topic.as_str(), topic);
        assert_eq!(arrived.source.author_name.as_str(), "press-1");
        assert!(arrived.age < DEADLINE, "{arrived:?}");
    }
    soon("the sender ends", sender).await.expect("it published");
    let key = plant.status("press-1").key;
    let publishing = client.publisher().await.expect("a stream");
    publishing.topic("end").expect("a topic").publish(&number(0)).expect("room");
    assert_eq!(next_value(&mut following).await.source.author, key);
    for node in ["press-1", "gateway-1"] {
        let counters = plant.status(node).counters;
        let lost = counters.dropped_link + counters.dropped_subscriber + counters.lost_remote;
        assert_eq!(lost + counters.dropped_grant + counters.malformed_frames, 0, "{counters:?}");
    }
}

#[tokio::test]
async fn one_that_does_not_read_hears_exactly_what_it_lost_of_which_topic_and_no_other_does() {
    const BYTES: usize = 16 * 1024;
    let (plant, gateway, press) = running();
    let mut asleep = follow(gateway.home(), "press-1/#").await;
    let mut awake = follow(gateway.home(), "press-1/#").await;
    wait_followed(press.home(), "a");
    let publishing = Client::at(press.home()).paced_publisher().await.expect("a stream");
    let topics = ["a", "b"].map(|topic| publishing.topic(topic).expect("a topic"));
    // More than a queue and the socket's buffers hold, two of `a` for each of `b`.
    let total = 16 * 1024 * 1024 / BYTES + 300;
    let padding = "x".repeat(BYTES);
    for value in 0..total {
        let topic = &topics[usize::from(value % 3 == 2)];
        let sample = Sample::good(Value::Text(format!("{value} {padding}")), UnixMillis(0));
        topic.publish_paced(&sample).await.expect("room");
        // The one that reads keeps pace and misses nothing.
        assert_eq!(first_number(&next_value(&mut awake).await), value);
    }
    let dropped = plant.status("gateway-1").counters.dropped_subscriber;
    assert!(dropped > 0, "nothing was dropped");

    let (mut told, mut got) = ([0, 0], [0, 0]);
    let at = |topic: &str| usize::from(topic == "press-1/b");
    let mut last = None;
    while last != Some(total - 1) {
        match next(&mut asleep).await {
            Delivery::Value(value) => {
                let number = first_number(&value);
                assert!(last.is_none_or(|last| last < number), "what is left is in order");
                last = Some(number);
                got[at(value.source.topic.as_str())] += 1;
            }
            Delivery::Lost { source, count } => {
                told[at(source.expect("a known source").topic.as_str())] += count;
            }
        }
    }
    assert_eq!(told.iter().sum::<u64>(), dropped, "each loss is told");
    let sent_b = u64::try_from(total / 3).expect("few");
    let sent_a = u64::try_from(total).expect("few") - sent_b;
    assert_eq!([told[0] + got[0], told[1] + got[1]], [sent_a, sent_b], "by topic");
}

fn first_number(value: &Arrived) -> usize {
    let Value::Text(text) = &value.sample.value else { panic!("{value:?}") };
    text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")
}

#[tokio::test]
async fn numbers_beyond_the_bound_are_conflated_and_the_count_is_exact() {
    const TOTAL: i64 = SUBSCRIBER_VALUES + SUBSCRIBER_VALUES / 2;
    let (plant, gateway) = alone();
    let mut asleep = follow(gateway.home(), "gateway-1/#").await;
    let publishing = Client::at(gateway.home()).publisher().await.expect("a stream");
    let topic = publishing.topic("count").expect("a topic");
    for value in 0..TOTAL {
        topic.publish_paced(&number(value)).await.expect("room");
    }
    soon("all is written", publishing.flush()).await.expect("written");
    let all = u64::try_from(TOTAL).expect("a number");
    until("all are published", || {
        (plant.status("gateway-1").counters.published == all).then_some(())
    });
    let (mut got, mut lost) = (0, 0);
    loop {
        match next(&mut asleep).await {
            Delivery::Lost { count, .. } => lost += count,
            Delivery::Value(value) => {
                got += 1;
                if value.sample.value == Value::Integer(TOTAL - 1) {
                    break;
                }
            }
        }
    }
    assert!(lost > 0 && got > 0, "{lost} lost, {got} arrived");
    assert_eq!(got + lost, all);
    assert_eq!(lost, plant.status("gateway-1").counters.dropped_subscriber);
}

#[test]
fn a_program_that_breaks_the_form_of_the_frames_is_disconnected_and_told_why() {
    let (plant, gateway) = alone();
    let home = gateway.home();
    let mut stalled = RawStream::publishing(home);
    stalled.send_topic(0, "x");
    stalled.send(&[0, 0, 0, 12, 1, 0]);

    let too_long = u32::try_from(FRAME_BYTES_MAX + 1).expect("a length").to_be_bytes();
    let cases: [(&str, Vec<u8>, u16); 8] = [
        ("garbage", vec![0xff; 4096], 276),
        ("an oversize frame", too_long.to_vec(), 276),
        ("an empty frame", vec![0; 4], 275),
        ("a kind that is none", vec![0, 0, 0, 3, 99, 0, 0], 275),
        ("a frame of the node", vec![0, 0, 0, 3, 7, 0, 0], 275),
        ("a topic that is no text", vec![0, 0, 0, 4, 0, 0, 0, 0xff], 275),
        ("more aliases than there are", vec![0, 0, 0, 4, 0, 0x00, 0x10, b'a'], 278),
        ("a value without a topic", vec![0, 0, 0, 5, 1, 9, 0, 0, 0], 278),
    ];
    for (what, bytes, code) in &cases {
        let mut stream = RawStream::publishing(home);
        stream.send(bytes);
        assert_eq!(stream.end(), *code, "{what}");
    }
    let mut value = RawStream::publishing(home);
    value.send_topic(3, "x");
    value.send(&[0, 0, 0, 5, 1, 3, 0, 0, 0]);
    assert_eq!(value.end(), 275, "half a value in a whole frame");
    let mut follower = RawStream::following(home, "#");
    follower.send(&[0]);
    assert_eq!(follower.end(), 275, "a follower has nothing to say");

    assert_eq!(stalled.end(), 277, "half a frame, and then nothing");
    let log = plant.log("gateway-1");
    for code in [275, 276, 277, 278] {
        assert!(log.contains(&format!("code={code}")), "{code} is not in the log: {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(Api::of(home).publish("x", 1).links, 0, "the node goes on");
}

#[test]
fn what_may_not_be_published_is_refused_once_by_topic_and_the_stream_goes_on() {
    let (plant, gateway) = alone();
    let home = gateway.home();
    let mut stream = RawStream::publishing(home);
    let long = format!("/gateway-1/{}", "x".repeat(300));
    let cases = [
        ("/press-1/x", 130),
        ("/partner/acme/x", 0),
        ("a/+", 265),
        ("#", 265),
        ("", 265),
        ("/", 265),
        (&long, 265),
    ];
    for (alias, (topic, code)) in (0..).zip(cases) {
        stream.send_topic(alias, topic);
        for value in 0..100 {
            stream.send_value(alias, Value::Integer(value));
        }
        if code != 0 {
            let AnswerFrame::Refused { alias: told, refusal } = stream.next_answer() else {
                panic!("{topic}: no refusal")
            };
            assert_eq!((told.index(), refusal.code()), (usize::from(alias), code), "{topic}");
        }
    }
    // A value that nobody may publish is refused, and the next one taken again.
    stream.send_topic(20, "x");
    let cases = [
        (Value::Bytes(vec![0; SAMPLE_BYTES_MAX + 1]), 268),
        (Value::Integer(1), 0),
        (Value::Float(f64::NAN), 269),
    ];
    for (value, code) in cases {
        stream.send_value(20, value);
        match (stream.next_answer(), code) {
            (AnswerFrame::Taken { .. }, 0) => {}
            (AnswerFrame::Refused { refusal, .. }, code) => assert_eq!(refusal.code(), code),
            (other, _) => panic!("{other:?} and not {code}"),
        }
    }
    assert_eq!(plant.status("gateway-1").counters.published, 100 + 1, "partner/# and x");
    let log = plant.log("gateway-1");
    assert!(!log.contains("it is disconnected"), "{log}");
}

#[test]
fn one_that_never_reads_its_answers_is_served_all_the_same() {
    let (_plant, gateway) = alone();
    let mut stream = RawStream::publishing(gateway.home());
    let mut seen = RawStream::following(gateway.home(), "gateway-1/x");
    // Far more answers than a socket holds.
    for _ in 0..20 {
        for alias in 0..4096 {
            stream.send_topic(alias, "a/#");
        }
    }
    stream.send_topic(7, "x");
    for value in 0..1000 {
        stream.send_value(7, Value::Integer(value));
    }
    // It leaves, and nobody is there any more to take the answers.
    drop(stream);
    assert_eq!(seen.next_frame().map(|frame| frame[0]), Some(4), "a source");
    for value in 0..1000_i64 {
        let frame = seen.next_frame().expect("a value");
        assert!(frame[0] == 5 && frame.ends_with(&value.to_le_bytes()), "{value}: {frame:?}");
    }
}

#[test]
fn a_request_for_a_stream_that_cannot_be_is_refused() {
    let blank = Plant::empty();
    let node = blank.up("press-1");
    let follow_all = format!("{FOLLOW_PATH}?filter=%23");
    for path in [PUBLISH_PATH, &follow_all] {
        let answer = RawStream::try_open(node.home(), path).err().expect("no stream");
        assert_eq!(refused(&answer), (403, 112), "{path}");
    }
    let (_plant, gateway) = alone();
    let home = gateway.home();
    for headers in [
        "",
        "connection: Upgrade\r\n",
        "connection: Upgrade\r\nupgrade: websocket\r\n",
        "upgrade: gearmesh-stream\r\n",
    ] {
        for path in [PUBLISH_PATH, &follow_all] {
            let answer = Api::of(home).get_with(path, headers);
            assert_eq!(refused(&answer), (426, 273), "{headers:?} {path}");
        }
    }
    for (query, code) in
        [("", 260), ("?filter=", 266), ("?filter=a%2F%23%2Fb", 266), ("?filter=Hall/x", 267)]
    {
        let path = format!("{FOLLOW_PATH}{query}");
        let answer = RawStream::try_open(home, &path).err().expect("no stream");
        assert_eq!(refused(&answer), (400, code), "{path}");
    }
    let path = format!("{PUBLISH_PATH}?paced=perhaps");
    let answer = RawStream::try_open(home, &path).err().expect("no stream");
    assert_eq!(refused(&answer), (400, 260));
    assert_eq!(refused(&Api::of(home).request("POST", PUBLISH_PATH, "", &[])), (405, 262));
}

#[test]
fn streams_that_publish_are_bounded_and_one_that_ends_makes_room() {
    let (_plant, gateway) = alone();
    let home = gateway.home();
    let mut held: Vec<RawStream> = (0..128).map(|_| RawStream::publishing(home)).collect();
    let answer = RawStream::try_open(home, PUBLISH_PATH).err().expect("no stream");
    assert_eq!(refused(&answer), (503, 274));
    held.pop();
    until("there is room again", || RawStream::try_open(home, PUBLISH_PATH).ok());
}

#[test]
fn of_a_hundred_thousand_subscriptions_those_beyond_the_bound_are_refused() {
    let (plant, gateway) = alone();
    let home = gateway.home();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    if files.is_some_and(|files| files < 2 * INTEREST_FILTERS_MAX) {
        return gearmesh_tests::skip::skip(
            "of_a_hundred_thousand_subscriptions_those_beyond_the_bound_are_refused",
            "this machine lets a program open too few files (ulimit -n)",
        );
    }
    let held: Vec<RawStream> =
        (0..INTEREST_FILTERS_MAX).map(|_| RawStream::following(home, "gateway-1/x")).collect();
    let path = format!("{FOLLOW_PATH}?filter=gateway-1/x");
    let mut asking = Api::of(home);
    for _ in 0..(100_000 - INTEREST_FILTERS_MAX).div_ceil(128) {
        for answer in asking.get_many(128, &path, &upgrade()) {
            assert_eq!(refused(&answer), (503, 270));
        }
    }
    // Each of those that have a place is served.
    let _ = Api::of(home).publish("x", 7);
    for mut stream in held {
        assert_eq!(stream.next_frame().map(|frame| frame[0]), Some(4));
        assert_eq!(stream.next_frame().map(|frame| frame[0]), Some(5));
    }
    until("there is room again", || RawStream::try_open(home, &path).ok());
    assert!(!plant.log("gateway-1").contains("panicked"), "{}", plant.log("gateway-1"));
}

#[tokio::test]
async fn subscribers_that_are_dropped_while_they_are_served_leave_nothing_behind() {
    let (plant, gateway) = alone();
    let home = gateway.home();
    let publishing = Client::at(home).publisher().await.expect("a stream");
    let topic = publishing.topic("x").expect("a topic");
    let mut stays = follow(home, "gateway-1/x").await;
    // More than there are places, one after the other.
    let rounds = i64::try_from(INTEREST_FILTERS_MAX).expect("few") + 200;
    for round in 0..rounds {
        let mut leaves = follow(home, "gateway-1/#").await;
        for value in 0..5 {
            topic.publish(&number(5 * round + value)).expect("room");
        }
        let seen = next_value(&mut leaves).await;
        assert_eq!(seen.sample.value, Value::Integer(5 * round));
        drop(leaves);
        for value in 0..5 {
            let seen = next_value(&mut stays).await;
            assert_eq!(seen.sample.value, Value::Integer(5 * round + value));
        }
    }
    let counters = plant.status("gateway-1").counters;
    assert_eq!(counters.dropped_subscriber, 0, "{counters:?}");
}

#[tokio::test]
async fn the_client_says_what_the_node_refuses() {
    let (plant, gateway, press) = running();
    let client = Client::at(press.home());
    let filter = "Hall/#".parse().expect("a filter");
    let refused = client.follow(&filter).await.expect_err("a filter that matches nothing");
    let reason = refused.reason();
    assert_eq!(reason.code, Refusal::FilterMatchesNothing);
    assert!(reason.error.contains("Hall/#") && !reason.mend.is_empty(), "{reason:?}");

    let publishing = client.publisher().await.expect("a stream");
    let elsewhere = publishing.topic("/gateway-1/x").expect("a topic");
    elsewhere.publish(&number(1)).expect("room");
    let told = soon("an answer", publishing.refused()).await.expect("a refusal");
    assert_eq!(told.topic, "/gateway-1/x");
    assert_eq!(told.refusal, Some(Refusal::TopicNotGranted));
    assert_eq!(elsewhere.refusal(), Some(Refusal::TopicNotGranted));
    assert!(matches!(publishing.topic("a/+"), Err(PublishError::Topic(_))));
    let not_finite = Sample::good(Value::Float(f64::NAN), UnixMillis(0));
    assert!(matches!(elsewhere.publish(&not_finite), Err(PublishError::Sample(_))));

    // Thrown out: the same stream hears why its values go nowhere.
    let own = publishing.topic("x").expect("a topic");
    let revoke = ["revoke", "press-1", "--reason", "lost", "--yes"];
    assert_eq!(plant.gearmesh("gateway-1", &revoke).code, Some(0));
    until("press-1 knows", || plant.status("press-1").refused);
    own.publish(&number(1)).expect("room");
    let told = soon("an answer", publishing.refused()).await.expect("a refusal");
    assert_eq!((told.topic.as_str(), told.refusal), ("x", Some(Refusal::Revoked)));
    drop(gateway);
}

#[tokio::test]
async fn a_node_that_stops_or_is_killed_ends_its_streams_with_a_reason() {
    for is_killed in [false, true] {
        let (plant, gateway) = alone();
        let client = Client::at(gateway.home());
        let publishing = client.publisher().await.expect("a stream");
        let topic = publishing.topic("x").expect("a topic");
        let mut following = follow(gateway.home(), "gateway-1/#").await;
        let mut raw = RawStream::following(gateway.home(), "gateway-1/#");
        if is_killed {
            gateway.kill();
            assert_eq!(raw.next_frame(), None);
        } else {
            assert_eq!(gateway.stop(), Some(0));
            assert_eq!(raw.end(), 223, "the last word");
        }
        let ended = soon("the end", following.next()).await.expect_err("the end");
        assert!(matches!(ended, ClientError::Stopped), "{ended:?}");
        assert_eq!(ended.reason().code, Refusal::NodeStopped);
        let again = soon("the end", following.next()).await.expect_err("the end");
        assert!(matches!(again, ClientError::Stopped), "{again:?}");
        let ended = soon("the end", publishing.refused()).await.expect_err("the end");
        assert!(matches!(ended, ClientError::Stopped), "{ended:?}");
        let ended = topic.publish(&number(1)).expect_err("the end");
        assert!(matches!(ended, PublishError::Ended(ClientError::Stopped)), "{ended:?}");
        assert!(publishing.flush().await.is_err());
        let none = client.publisher().await.expect_err("no node");
        assert_eq!(none.reason().code, Refusal::NoNode, "{none:?}");
        drop(plant);
    }
}

#[tokio::test]
async fn a_publisher_whose_node_does_not_read_is_turned_away_at_its_bound() {
    let (_plant, gateway) = alone();
    let publishing = Client::at(gateway.home()).publisher().await.expect("a stream");
    let topic = publishing.topic("x").expect("a topic");
    // Nothing yields here, so the task that writes cannot run.
    let sample = Sample::good(Value::Bytes(vec![0; 1024]), UnixMillis(0));
    let mut taken = 0;
    let full = loop {
        match topic.publish(&sample) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, PublishError::Full), "{full:?}");
    assert!(taken >= gearmesh_client::PENDING_BYTES_MAX / 1100, "{taken}");
    soon("room", topic.publish_paced(&sample)).await.expect("room");
    soon("all is written", publishing.flush()).await.expect("written");
}

#[tokio::test]
async fn the_example_in_python_follows_with_nothing_but_its_standard_library() {
    let test = "the_example_in_python_follows_with_nothing_but_its_standard_library";
    let page = include_str!("../../docs/local-api.md");
    let example = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("an example in docs/local-api.md");
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return gearmesh_tests::skip::skip(test, "there is no python3 on this machine");
    }
    let (_plant, gateway) = alone();
    let mut python = follow_in_python(example, gateway.home());
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(
        python.stdout.take().expect("its standard output"),
    ));
    let mut api = Api::of(gateway.home());
    let follows = "its first line comes once it follows";
    assert_eq!(lines.next().expect(follows).expect("text"), "following gateway-1/#");
    for (value, shown) in [
        (Value::Integer(-42), "-42"),
        (Value::Float(21.5), "21.5"),
        (Value::Bool(true), "True"),
        (Value::Text("läuft".to_owned()), "läuft"),
    ] {
        let unit = Some("Cel".parse().expect("a unit"));
        let sample = Sample { unit, ..Sample::good(value, UnixMillis(7)) };
        let _ = api.publish_sample("x", sample);
        let line = lines.next().expect("a line").expect("text");
        assert_eq!(line, format!("gateway-1/x of gateway-1: {shown} Cel"));
    }
    python.kill().expect("a kill");
    python.wait().expect("it ended");
}

fn follow_in_python(example: &str, home: &Path) -> std::process::Child {
    std::process::Command::new("python3")
        .args(["-u", "-c", example])
        .arg(home)
        .arg("gateway-1/#")
        .env("PYTHONIOENCODING", "utf-8")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 starts")
}
