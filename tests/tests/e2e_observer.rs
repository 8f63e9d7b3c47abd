//! Observers: they keep no copies, and read what they may see from members that do, with proofs, in
//! order, with every mark that a machine sees, and on by name after they were killed.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::File;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use ed25519_dalek::SigningKey;
use gearmesh_node::evidence::Verifier;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::data::{DataFrame, LogEnds};
use gearmesh_protocol::durable::HistoryEvent;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::export::ExportLine;
use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::local::{LogEnds as LogCuts, Presence};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::plant::ControlFrame;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::shown::{ShownEntry, ShownGroup, ShownPage};
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::admin::{Admin, remember, secret_key};
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::stranger::{Channel, Stranger};
use gearmesh_tests::values::{consumed, entries, history, numbers, publish};
use gearmesh_tests::wait::until;

/// A plant whose gateway keeps its port, with a press and a robot that run.
struct Scene {
    plant: Plant,
    port: u16,
    gateway: Daemon,
    press: Daemon,
}

impl Scene {
    fn new() -> Self {
        let (plant, port, gateway, press) = Plant::of_two();
        Self { plant, port, gateway, press }
    }

    /// Starts an observer that may see what these filters match.
    fn observer(&self, name: &str, filters: &[&str]) -> Daemon {
        join_observer(&self.plant, self.port, name, filters);
        let node = self.plant.up(name);
        self.plant.wait_for(name, "gateway-1", Presence::Online);
        node
    }

    fn publish(&self, at: &str, topic: &str, number: i64) {
        let number = number.to_string();
        let words = ["pub", topic, &number, "--durable", "--ack", "replicated=1"];
        drop(self.plant.gearmesh(at, &words).ok());
    }
}

fn join_observer(plant: &Plant, port: u16, name: &str, filters: &[&str]) {
    let admin = Admin::of(&plant.keyring());
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let mut seed = [0; 16];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    let code = Code::new(&admin.plant(), seed, &[address]);
    let mut api = Api::of(&plant.home("gateway-1"));
    let group = admin.invite(&mut api, &code, name, |invitation| {
        invitation.terms.roles = Bounded::first_of([Role::Observer]);
        invitation.terms.scope = None;
        let filters = filters.iter().map(|filter| filter.parse().expect("a filter"));
        invitation.terms.subscribe = Bounded::first_of(filters);
    });
    remember(&plant.keyring(), &group);
    drop(plant.gearmesh(name, &["join", &code.to_text()]).ok());
}

#[test]
fn an_observer_reads_what_it_may_see_while_the_author_is_away() {
    let scene = Scene::new();
    let _panel = scene.observer("panel", &["press-1/part/#"]);
    for number in 0..10 {
        scene.publish("press-1", "part/count", number);
        scene.publish("press-1", "recipe/secret", 1_000 + number);
    }
    scene.publish("gateway-1", "part/count", 7);
    let Scene { plant, press, .. } = scene;
    press.kill();
    plant.wait_for("panel", "press-1", Presence::Unreachable);
    let found = until("the panel heard what the gateway has", || {
        let found = entries(&plant, "panel", "#");
        (found.len() >= 10).then_some(found)
    });
    assert_eq!(numbers(&found), (0..10).collect::<Vec<_>>(), "all it may see, in order, once");
    assert!(found.iter().all(|entry| entry.author == "press-1" && !entry.fork));
    let at_gateway = entries(&plant, "gateway-1", "press-1/part/#");
    assert_eq!(found, at_gateway, "a member that keeps copies sees the same");
    drop(plant.gearmesh("panel", &["history", "press-1/recipe/#"]).refused_with(131));
    assert!(entries(&plant, "panel", "press-1/+/secret").is_empty(), "a filter widens nothing");
    let none = plant.gearmesh("panel", &["history", "--until", "1h", "--json"]).ok();
    assert_eq!(none.lines().count(), 1, "a time narrows it: {none}");

    let said = plant.gearmesh("panel", &["export", "--jsonl"]).ok();
    let mut verifier = Verifier::default();
    for line in said.lines() {
        verifier.take(serde_json::from_str::<ExportLine>(line).expect("a line")).expect("right");
    }
    let evidence = verifier.finish().expect("an observer's export proves itself");
    assert_eq!(evidence.authors.values().map(|counted| counted.values).sum::<u64>(), 10);
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn an_observer_without_a_member_that_keeps_copies_says_so() {
    let scene = Scene::new();
    let _panel = scene.observer("panel", &[]);
    publish(&scene.plant, "press-1", 1, "replicated=1");
    until("the panel reads", || {
        (numbers(&entries(&scene.plant, "panel", "press-1/#")) == [1]).then_some(())
    });
    let Scene { plant, gateway, press, .. } = scene;
    gateway.kill();
    press.kill();
    for name in ["gateway-1", "press-1"] {
        plant.wait_for("panel", name, Presence::Unreachable);
    }
    for words in [&["history"][..], &["export", "--jsonl"], &["sub", "#", "--durable", "mes"]] {
        let err = plant.gearmesh("panel", words).refused_with(285);
        assert!(err.contains("gearmesh members"), "{err}");
    }
}

#[test]
fn an_observer_reads_on_by_name_after_a_kill_and_from_whoever_is_there() {
    let scene = Scene::new();
    let panel = scene.observer("panel", &["press-1/part/#"]);
    for number in 0..10 {
        scene.publish("press-1", "part/count", number);
        scene.publish("press-1", "recipe/secret", 1_000 + number);
    }
    let plant = &scene.plant;
    assert_eq!(consumed(plant, "panel", 4), [0, 1, 2, 3]);
    let progress = plant.home("panel").join("cursors").join("mes");
    // The group of the fourth value, or the one behind it, which holds nothing for the panel.
    let all = entries(plant, "gateway-1", "press-1/#");
    let places: Vec<_> =
        all.iter().filter(|it| matches!(it.entry, 6 | 7)).map(|it| it.group).collect();
    until("what was confirmed is on disk", || {
        let bytes = std::fs::read(&progress).ok()?;
        bytes.windows(32).any(|part| places.iter().any(|group| part == group.0)).then_some(())
    });
    panel.kill();
    let panel = plant.up("panel");
    plant.wait_for("panel", "gateway-1", Presence::Online);
    assert_eq!(consumed(plant, "panel", 3), [4, 5, 6], "on where it was");

    // The robot gets a copy; then the author and the member that served are gone.
    plant.join("robot-1");
    let _robot = plant.up("robot-1");
    until("the robot has a copy", || {
        (entries(plant, "robot-1", "press-1/part/#").len() == 10).then_some(())
    });
    plant.wait_for("panel", "robot-1", Presence::Online);
    let Scene { plant, gateway, press, port } = scene;
    press.kill();
    gateway.kill();
    assert_eq!(consumed(&plant, "panel", 3), [7, 8, 9], "from another member");

    // What is there was read: it waits, and hears of more.
    let _gateway = plant.up_at("gateway-1", port);
    let _press = plant.up("press-1");
    let words = ["sub", "#", "--durable", "mes", "--count", "2", "--json"];
    let waiting = plant.begin("panel", &words);
    for number in [10, 11] {
        publish(&plant, "press-1", number, "local");
    }
    assert_eq!(waiting.wait(), Some(0));
    let said = plant.said("panel");
    let events = said.lines().map(|line| serde_json::from_str(line).expect("an event"));
    let found = events.map(|event| match event {
        HistoryEvent::Entry(entry) => entry,
        other => panic!("a value was expected, not {other:?}"),
    });
    assert_eq!(numbers(&found.collect::<Vec<_>>()), [10, 11]);
    drop(panel);
}

#[test]
fn an_observer_sees_what_was_written_beyond_a_cut_as_a_machine_does() {
    let scene = Scene::new();
    let _panel = scene.observer("panel", &["press-1/part/#"]);
    scene.publish("press-1", "part/count", 0);
    let Scene { plant, gateway, press, port } = scene;
    plant.join("robot-1");
    let robot = plant.up("robot-1");
    plant.wait_for("robot-1", "press-1", Presence::Online);
    until("the robot has a copy", || {
        (entries(&plant, "robot-1", "press-1/part/#").len() == 1).then_some(())
    });
    // The gateway, where it will be revoked, does not see what it writes now.
    assert_eq!(gateway.stop(), Some(0));
    publish(&plant, "press-1", 1, "replicated=1");
    press.kill();
    robot.kill();
    let _gateway = plant.up_at("gateway-1", port);
    drop(plant.gearmesh("gateway-1", &["revoke", "press-1", "--reason", "retired", "--yes"]).ok());
    let _robot = plant.up("robot-1");
    let marks = |at: &str| {
        let found = entries(&plant, at, "press-1/part/#");
        found.iter().map(|entry| (entry.entry, entry.after_cut)).collect::<Vec<_>>()
    };
    for at in ["gateway-1", "panel"] {
        until("the value beyond the cut is marked", || {
            (marks(at) == [(0, false), (1, true)]).then_some(())
        });
    }
    let said = plant.gearmesh("panel", &["export", "--jsonl"]).ok();
    let mut verifier = Verifier::default();
    for line in said.lines() {
        verifier.take(serde_json::from_str::<ExportLine>(line).expect("a line")).expect("right");
    }
    let evidence = verifier.finish().expect("a panel's export proves itself");
    assert_eq!(evidence.authors.values().map(|counted| counted.after_cut).sum::<u64>(), 1);
}

#[test]
fn an_observer_sees_gaps_as_a_machine_does() {
    const KEEP: [&str; 2] = ["--keep", "1d"];
    let scene = Scene::new();
    let _panel = scene.observer("panel", &["press-1/part/#"]);
    for number in 0..3 {
        scene.publish("press-1", "part/count", number);
    }
    let Scene { plant, gateway, press, port } = scene;
    press.kill();
    assert_eq!(gateway.stop(), Some(0));
    let data = plant.home("gateway-1").join("data");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    for folder in std::fs::read_dir(data).expect("a folder") {
        for file in std::fs::read_dir(folder.expect("a log").path()).expect("a log") {
            let file = File::options().write(true).open(file.expect("a segment").path());
            file.expect("a segment").set_modified(long_ago).expect("a time");
        }
    }
    let listen = format!("127.0.0.1:{port}");
    let arguments = [&["--listen", &listen, "--no-mdns"][..], &KEEP].concat();
    let _gateway = plant.up_with("gateway-1", &arguments);
    let press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    publish(&plant, "press-1", 3, "replicated=1");
    let told = ["revoke", "press-1", "--reason", "retired", "--yes"];
    until("what is old went", || {
        let events = history(&plant, "gateway-1", &["press-1/part/#"]);
        matches!(events.first(), Some(HistoryEvent::Gap { count: 3, .. })).then_some(())
    });
    press.kill();
    drop(plant.gearmesh("gateway-1", &told).ok());
    until("the panel heard of it", || {
        let events = history(&plant, "panel", &["press-1/part/#"]);
        (events == history(&plant, "gateway-1", &["press-1/part/#"])).then_some(())
    });
    let events = history(&plant, "panel", &["press-1/part/#"]);
    assert!(matches!(events.first(), Some(HistoryEvent::Gap { count: 3, .. })), "{events:?}");
}

/// A press that signs what it likes, and answers the panel itself.
struct Liar {
    stranger: Stranger,
    key: SigningKey,
    plant: PlantId,
    acting_under: RecordId,
}

impl Liar {
    /// A group of its own log after these tips.
    fn group(&self, after: &[Tip], topics: &[&str]) -> VerifiedGroup {
        let entry = |topic: &&str| {
            let topic = topic.parse().expect("a topic");
            let sample = Sample::good(Value::Integer(7), UnixMillis(7));
            codec::encode(&DataEntry::Sample { topic, sample })
        };
        let draft = Draft {
            log: LogId { author: PublicKey::of(&self.key), kind: LogKind::Data },
            incarnation: Incarnation([1; 16]),
            after: after.to_vec(),
            acting_under: self.acting_under,
            salt: Salt([3; 16]),
            entries: topics.iter().map(entry).collect(),
        };
        Group::write(&self.key, &self.plant, draft).expect("a group")
    }

    /// What `history press-1/part/count` says at the panel when the press says that its log ends at
    /// `end`, and answers the first question with `answer`.
    fn answers(
        &self,
        plant: &Plant,
        end: Tip,
        answer: impl FnOnce(&mut Channel<'_>, u64, PublicKey),
    ) -> Said {
        let address = plant.status("panel").listen[0].clone();
        let connection = self.stranger.dial(&address);
        connection.admit(&self.plant);
        let (mut control, _live, mut data) = connection.lanes();
        plant.wait_for("panel", "press-1", Presence::Online);
        let author = PublicKey::of(&self.key);
        let ends = LogEnds { author, ends: Bounded::first_of([end]) };
        data.send(&DataFrame::Ends(Bounded::first_of([ends])));
        control.send(&ControlFrame::Beat { number: 1, seen: 0 });
        let mut command = plant.command_at("panel", &["history", "press-1/part/count"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let asking = command.spawn().expect("gearmesh starts");
        let number = loop {
            match data.receive::<DataFrame>().expect("a question") {
                DataFrame::Read(request) => break request.number,
                other => assert!(matches!(other, DataFrame::Ends(_)), "{other:?}"),
            }
        };
        answer(&mut data, number, author);
        let said = Said::from(asking.wait_with_output().expect("it ends"));
        drop(connection);
        plant.wait_for("panel", "press-1", Presence::Unreachable);
        said
    }
}

/// A shown group from parts that do not belong together.
fn forged(header: &impl serde::Serialize, entries: Vec<ShownEntry>) -> ShownGroup {
    let entries: Bounded<ShownEntry, 256> = Bounded::first_of(entries);
    let bytes = [codec::encode(header), codec::encode(&entries)].concat();
    codec::decode(&bytes, FRAME_BYTES_MAX).expect("the form of a shown group")
}

fn all_of(group: &VerifiedGroup) -> ShownGroup {
    ShownGroup::of(group.group(), |_| true)
}

#[test]
fn a_member_that_lies_to_an_observer_is_counted_and_nothing_of_it_is_delivered() {
    let Scene { plant, gateway, press, port } = Scene::new();
    join_observer(&plant, port, "panel", &[]);
    let _panel = plant.up("panel");
    plant.wait_for("panel", "press-1", Presence::Online);
    let told = plant.status("press-1").plant.expect("a plant");
    press.kill();
    gateway.kill();
    for name in ["gateway-1", "press-1"] {
        plant.wait_for("panel", name, Presence::Unreachable);
    }
    let home = plant.home("press-1");
    let liar = Liar {
        stranger: Stranger::from_home(&home),
        key: secret_key(&home.join("node.key")),
        plant: told.id,
        acting_under: told.acting_under.expect("a record"),
    };
    let first = liar.group(&[], &["press-1/part/count"]);
    let second = liar.group(&[first.tip()], &["press-1/part/count"]);
    let secret = liar.group(&[], &["press-1/part/count", "press-1/recipe"]);
    let proof = |group: &VerifiedGroup| group.prove(0).expect("an entry");
    let entry =
        |group: &VerifiedGroup, proof| ShownEntry { bytes: group.entries()[0].clone(), proof };
    let unproven = gearmesh_protocol::merkle::Proof { path: Bounded::new(), ..proof(&secret) };
    let thief = SigningKey::from_bytes(&[0x77; 32]);
    let header = Signed::sign(&thief, &liar.plant, first.header());
    let lies = [
        (
            "no proof",
            secret.tip(),
            vec![forged(secret.group().signed_header(), vec![entry(&secret, unproven)])],
        ),
        (
            "the proof of another group",
            secret.tip(),
            vec![forged(secret.group().signed_header(), vec![entry(&secret, proof(&first))])],
        ),
        ("an entry that nobody asked for", secret.tip(), vec![all_of(&secret)]),
        (
            "another's signature",
            first.tip(),
            vec![forged(&header, vec![entry(&first, proof(&first))])],
        ),
        ("nothing of what it said to have", first.tip(), vec![]),
    ];
    let count = |plant: &Plant| plant.status("panel").counters.malformed_frames;
    for (what, end, groups) in lies {
        let before = count(&plant);
        let said = liar.answers(&plant, end, |data, number, author| {
            let groups = Bounded::first_of(groups);
            let page = ShownPage { number, author, groups };
            data.send(&DataFrame::Shown(page));
        });
        assert!(said.out.is_empty(), "{what}: {}", said.out);
        let err = said.refused_with(286);
        assert!(err.contains("GEARMESH_LOG"), "{what}: {err}");
        assert_eq!(count(&plant), before + 1, "{what} is counted");
    }
    let before = count(&plant);
    let said = liar.answers(&plant, first.tip(), |data, _, _| {
        let length = u32::try_from(FRAME_BYTES_MAX + 1).expect("a length").to_be_bytes();
        data.send_raw(&length);
    });
    assert!(said.out.is_empty() && said.code == Some(1), "too large a page: {said:?}");
    assert_eq!(count(&plant), before + 1, "too large a page ends the link");

    let said = liar.answers(&plant, second.tip(), |data, number, author| {
        let groups = Bounded::first_of([all_of(&second)]);
        data.send(&DataFrame::Shown(ShownPage { number, author, groups }));
    });
    assert!(said.err.contains("1 entry of press-1 is missing here"), "{}", said.err);
    assert_eq!(said.ok().lines().count(), 1, "what is left out is told, as its header counts it");

    let said = liar.answers(&plant, second.tip(), |data, number, author| {
        let groups = Bounded::first_of([all_of(&first)]);
        data.send(&DataFrame::Shown(ShownPage { number, author, groups }));
    });
    assert_eq!(said.out.lines().count(), 1, "what came before is told: {}", said.out);
    drop(said.refused_with(286));

    let said = liar.answers(&plant, first.tip(), |data, number, author| {
        let groups = Bounded::first_of([all_of(&first)]);
        let page = ShownPage { number, author, groups };
        data.send(&DataFrame::Shown(page));
    });
    let found = said.ok();
    assert_eq!(found.lines().count(), 1, "what is right is delivered: {found}");
}

#[test]
fn at_an_observer_it_is_asked_how_much_counts_of_what_a_stolen_key_wrote() {
    let scene = Scene::new();
    for number in 0..3 {
        scene.publish("press-1", "part/count", number);
    }
    let panel = scene.observer("panel", &[]);
    let plant = &scene.plant;
    let key = plant.status("press-1").key;
    let ends_at =
        |home| -> LogCuts { Api::of(home).get(&format!("/v1/trust/ends?key={key}")).read() };
    let there = ends_at(scene.gateway.home());
    until("the panel heard where the log ends", || {
        (ends_at(panel.home()).cut == there.cut).then_some(())
    });
    assert_eq!((there.cut.len(), there.is_sure), (1, true), "{there:?}");

    let compromised = ["revoke", "press-1", "--reason", "compromised", "--yes"];
    let said = plant.gearmesh("panel", &compromised);
    assert_eq!(said.out.matches("1 entry  press-1/part/count").count(), 3, "{said:?}");
    let err = said.refused_with(252);
    assert!(err.contains("press-1 wrote durable values"), "{err}");
    let group = entries(plant, "panel", "press-1/#")[1].group.to_string();
    let words = [&compromised[..], &["--cut", &group[..12]]].concat();
    assert!(plant.gearmesh("panel", &words).out.contains("press-1 is revoked (compromised)"));
    until("the cut counts", || {
        (numbers(&entries(plant, "gateway-1", "press-1/#")) == [0, 1]).then_some(())
    });
}

#[test]
fn an_observer_that_reaches_nobody_says_that_it_knows_nothing_of_a_stolen_key() {
    let Scene { plant, gateway, press, port } = Scene::new();
    join_observer(&plant, port, "panel", &[]);
    let panel = plant.up("panel");
    plant.wait_for("panel", "gateway-1", Presence::Online);
    let key = plant.status("press-1").key;
    gateway.kill();
    press.kill();
    for name in ["gateway-1", "press-1"] {
        plant.wait_for("panel", name, Presence::Unreachable);
    }
    let ends: LogCuts = Api::of(panel.home()).get(&format!("/v1/trust/ends?key={key}")).read();
    assert!(!ends.is_sure);
    let compromised = ["revoke", "press-1", "--reason", "compromised", "--yes"];
    drop(plant.gearmesh("panel", &compromised).refused_with(285));
    let words = [&compromised[..], &["--cut", "all"]].concat();
    assert!(plant.gearmesh("panel", &words).out.contains("press-1 is revoked (compromised)"));
}
