//! Strangers and members that break the rules: what they get, what it costs them, and that the
//! others are served meanwhile.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use gearmesh_protocol::live::{self, Alias};
use gearmesh_protocol::local::{Counters, Presence, Status};
use gearmesh_protocol::log::Group;
use gearmesh_protocol::plant::{
    AdmissionMessage, ControlFrame, Hello, Intent, LedgerPage, VERSION,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};
use gearmesh_tests::admin::{Admin, secret_key, write};
use gearmesh_tests::api::{Api, Follower};
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::stranger::{Channel, Connection, GREETING, Stranger, frame, hello};
use gearmesh_tests::stream::RawStream;
use gearmesh_tests::wait::{throughout, until};

/// A plant with a running gateway and a machine that stays linked to it, to be served throughout.
struct Scene {
    plant: Plant,
    nodes: Vec<Daemon>,
    gateway: Status,
}

impl Scene {
    fn new() -> Self {
        let plant = Plant::founded();
        let mut nodes = vec![plant.up("gateway-1")];
        plant.join("robot-1");
        nodes.push(plant.up("robot-1"));
        plant.wait_for("gateway-1", "robot-1", Presence::Online);
        let gateway = plant.status("gateway-1");
        Self { plant, nodes, gateway }
    }

    fn address(&self) -> &str {
        &self.gateway.listen[0]
    }

    fn counters(&self) -> Counters {
        self.plant.status("gateway-1").counters
    }

    /// Waits until a counter has reached a number.
    fn wait_counted(&self, what: &str, count: impl Fn(&Counters) -> u64, at_least: u64) {
        until(&format!("{at_least} {what} counted"), || {
            (count(&self.counters()) >= at_least).then_some(())
        });
    }

    /// The node has not panicked, and its members are served as before.
    fn assert_unharmed(&self) {
        self.plant.wait_for("gateway-1", "robot-1", Presence::Online);
        self.plant.wait_for("robot-1", "gateway-1", Presence::Online);
        let mut robot = Api::of(self.nodes[1].home());
        let mut values = Follower::of(self.nodes[0].home(), "robot-1/alive");
        until("robot-1 is followed", || {
            (robot.publish("/robot-1/alive", 1).links == 1).then_some(())
        });
        assert_eq!(values.next_number(), Some(1));
        for name in ["gateway-1", "robot-1"] {
            let log = self.plant.log(name);
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// What a stranger hears after it said something, to the end.
fn answers(stranger: &Stranger, scene: &Scene, bytes: &[u8]) -> Vec<AdmissionMessage> {
    let connection = stranger.dial(scene.address());
    let mut channel = connection.open();
    channel.send_raw(bytes);
    channel.receive_all()
}

fn refused(refusal: Refusal) -> Vec<AdmissionMessage> {
    vec![AdmissionMessage::Refused(refusal)]
}

#[test]
fn a_stranger_that_breaks_the_protocol_learns_one_generic_code_and_nothing_more() {
    let scene = Scene::new();
    let stranger = Stranger::unknown();
    let before = scene.counters().refused_admissions;
    let too_long = u32::try_from(HELLO_BYTES_MAX + 1).expect("a length").to_be_bytes();
    let whole = frame(&AdmissionMessage::Prove([0; 16]));
    let trailing = [&[0, 0, 0, 2][..], &whole[4..], &[0]].concat();
    for (what, bytes) in [
        ("garbage", &b"GET / HTTP/1.1\r\nhost: gateway-1\r\n\r\n"[..]),
        ("an endless frame", &[0xff; 64]),
        ("a frame over the bound", &too_long),
        ("an empty frame", &[0; 4]),
        ("no message", &[0, 0, 0, 3, 0x7f, 1, 2]),
        ("trailing bytes", &trailing),
        ("a message out of turn", &whole),
    ] {
        assert_eq!(answers(&stranger, &scene, bytes), refused(Refusal::Protocol), "{what}");
    }
    let future = Hello { version: VERSION + 1, intent: join_intent([1; 32]) };
    let future = frame(&AdmissionMessage::Hello(future));
    assert_eq!(answers(&stranger, &scene, &future), refused(Refusal::Version));
    scene.wait_counted("refusals", |counters| counters.refused_admissions, before + 8);
    scene.assert_unharmed();
}

fn join_intent(seed: [u8; 32]) -> Intent {
    let invitation = PublicKey::of(&SigningKey::from_bytes(&seed));
    Intent::Join { invitation, nonce: Nonce([1; 16]), greeting: GREETING }
}

#[test]
fn a_stranger_that_guesses_learns_one_generic_code_and_nothing_more() {
    let scene = Scene::new();
    let stranger = Stranger::unknown();
    let wrong_tag = hello(Intent::Link { tag: [7; 16], greeting: GREETING });
    let said = answers(&stranger, &scene, &frame(&wrong_tag));
    assert_eq!(said, refused(Refusal::NotAdmitted), "a tag of no plant");
    let said = answers(&stranger, &scene, &frame(&hello(join_intent([3; 32]))));
    assert_eq!(said, refused(Refusal::NotAdmitted), "an invitation of nobody");
    scene.assert_unharmed();
}

#[test]
fn whoever_knows_the_plant_but_is_no_member_is_asked_for_proof_and_turned_away() {
    let scene = Scene::new();
    let stranger = Stranger::unknown();
    let admin = Admin::of(&scene.plant.keyring());
    let genesis = std::fs::read(scene.plant.keyring().join("genesis")).expect("a genesis");
    let genesis = codec::decode(&genesis, FRAME_BYTES_MAX).expect("an act");
    let real = LedgerPage { acts: Bounded::first_of([genesis]), ..LedgerPage::default() };
    let endless = LedgerPage { more: true, ..LedgerPage::default() };
    for (what, pages, refusal) in [
        ("nothing", frame(&credential(LedgerPage::default())), Refusal::NotAdmitted),
        ("the plant's own genesis", frame(&credential(real)), Refusal::NotAdmitted),
        ("garbage", vec![0, 0, 0, 3, 2, 0xff, 0xff], Refusal::Protocol),
        ("pages without end", frame(&credential(endless)).repeat(65), Refusal::Protocol),
        ("another message", frame(&AdmissionMessage::Welcome(GREETING)), Refusal::Protocol),
    ] {
        let connection = stranger.dial(scene.address());
        let mut channel = connection.open();
        channel.send(&connection.link_hello(&admin.plant()));
        assert!(matches!(channel.receive(), Some(AdmissionMessage::Prove(_))), "{what}");
        channel.send_raw(&pages);
        let said: Vec<AdmissionMessage> = channel.receive_all();
        assert_eq!(said, refused(refusal), "{what}");
        connection.wait_closed();
    }
    scene.assert_unharmed();
}

fn credential(page: LedgerPage) -> AdmissionMessage {
    AdmissionMessage::Credential(page)
}

#[test]
fn strangers_that_stall_or_stop_halfway_are_dropped_within_seconds() {
    let scene = Scene::new();
    let stranger = Stranger::unknown();
    let before = scene.counters().refused_admissions;
    let hello = frame(&hello(join_intent([3; 32])));
    // Silent from the first byte, before and after encryption, and in the middle of a message.
    let mut raw = TcpStream::connect(socket_of(&scene)).expect("a connection");
    raw.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    let silent = stranger.dial(scene.address());
    let halfway = stranger.dial(scene.address());
    let mut channel = halfway.open();
    channel.send_raw(&hello[..hello.len() / 2]);
    let cut = stranger.dial(scene.address());
    let mut ended = cut.open();
    ended.send_raw(&hello[..hello.len() / 2]);
    ended.finish();

    for connection in [&cut, &silent, &halfway] {
        connection.wait_closed();
    }
    assert_eq!(ended.receive_all::<AdmissionMessage>(), [], "half a message is no question");
    assert_eq!(channel.receive_all::<AdmissionMessage>(), []);
    let mut rest = Vec::new();
    // A reset is an end as well.
    let end = raw.read_to_end(&mut rest).map_err(|error| error.kind());
    assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "it was never hung up on");
    // The silent ones never came as far as asking to be admitted.
    scene.wait_counted("refusals", |counters| counters.refused_admissions, before + 2);
    scene.assert_unharmed();
}

fn socket_of(scene: &Scene) -> std::net::SocketAddr {
    let endpoint: gearmesh_node::listen::Endpoint = scene.address().parse().expect("an address");
    endpoint.socket().expect("a socket address")
}

#[test]
fn bytes_that_are_no_handshake_at_all_end_the_connection() {
    let scene = Scene::new();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 512], &[0xff; 4096]] {
        let mut raw = TcpStream::connect(socket_of(&scene)).expect("a connection");
        raw.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        drop(raw.write_all(bytes));
        let mut rest = Vec::new();
        let end = raw.read_to_end(&mut rest).map_err(|error| error.kind());
        assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "it was never hung up on");
        assert!(rest.len() < 256, "it heard {} bytes", rest.len());
    }
    scene.assert_unharmed();
}

#[test]
fn a_crowd_that_holds_its_connections_open_does_not_keep_members_out() {
    let mut scene = Scene::new();
    let crowd: Vec<TcpStream> =
        (0..200).filter_map(|_| TcpStream::connect(socket_of(&scene)).ok()).collect();
    scene.wait_counted("connections turned away", |c| c.refused_connections, 1);
    scene.assert_unharmed();
    // A member that comes in the middle of it gets in, once the first of the crowd are dropped.
    scene.nodes.pop().expect("robot-1").kill();
    scene.plant.wait_for("gateway-1", "robot-1", Presence::Unreachable);
    scene.nodes.push(scene.plant.up("robot-1"));
    scene.assert_unharmed();
    drop(crowd);
}

/// A member that breaks the rules: it was admitted as `press-1`, and no node runs in its home.
struct Member {
    stranger: Stranger,
}

impl Member {
    fn of(scene: &Scene) -> Self {
        scene.plant.join("press-1");
        Self { stranger: Stranger::from_home(&scene.plant.home("press-1")) }
    }

    /// A link with its lanes for control, for values and for data.
    fn link(&self, scene: &Scene) -> (Connection<'_>, Channel<'_>, Channel<'_>, Channel<'_>) {
        let plant = scene.gateway.plant.as_ref().expect("a plant").id;
        let connection = self.stranger.dial(scene.address());
        connection.admit(&plant);
        let (control, live, data) = connection.lanes();
        scene.plant.wait_for("gateway-1", "press-1", Presence::Online);
        (connection, control, live, data)
    }
}

/// A frame of the live lane with its length.
fn framed(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes);
    let length = u32::try_from(bytes.len()).expect("a length");
    [&length.to_be_bytes()[..], &bytes].concat()
}

const ALIAS: Alias = Alias::in_turn(0);

/// The frame that gives the alias to a topic.
fn topic(topic: &str) -> Vec<u8> {
    let topic = topic.parse().expect("a topic");
    framed(|out| live::put_topic(out, ALIAS, &topic))
}

/// The frame of a value of that topic.
fn value() -> Vec<u8> {
    let sample = Sample::good(Value::Integer(7), UnixMillis(0));
    let body = live::encode_body(&sample).expect("a body");
    framed(|out| live::put_value(out, ALIAS, &body))
}

#[test]
fn a_member_that_publishes_under_anothers_scope_is_dropped_counted_and_named() {
    let scene = Scene::new();
    let member = Member::of(&scene);
    let (connection, mut control, mut live, _data) = member.link(&scene);
    let mut seen = Follower::of(scene.nodes[0].home(), "+/fake");
    for other in ["robot-1/fake", "gateway-1/fake", "partner/fake", "press-10/fake", "admin/fake"] {
        live.send_raw(&[topic(other), value()].concat());
    }
    control.send(&ControlFrame::Beat { number: 1, seen: 0 });
    live.send_raw(&[topic("press-1/fake"), value()].concat());
    let gearmesh_protocol::local::SubscribeEvent::Sample(first) = seen.next_event() else {
        panic!("nothing was lost");
    };
    assert_eq!((first.topic.as_str(), first.author.as_str()), ("press-1/fake", "press-1"));
    assert_eq!(scene.counters().dropped_grant, 5);
    assert!(connection.is_open(), "a wrong topic is no broken protocol");
    let log = scene.plant.log("gateway-1");
    let line = log.lines().find(|line| line.contains("robot-1/fake")).expect("it is in the log");
    assert!(line.contains("press-1") && line.contains("130"), "who and why: {line}");
    let said = scene.plant.gearmesh("gateway-1", &["status"]).ok();
    assert!(said.contains("5 dropped because their author may not publish there"), "{said}");
    scene.assert_unharmed();
}

#[test]
fn a_member_that_sends_malformed_frames_loses_its_link_and_is_named() {
    let scene = Scene::new();
    let member = Member::of(&scene);
    let over = u32::try_from(FRAME_BYTES_MAX + 1).expect("a length").to_be_bytes().to_vec();
    let trailing = {
        let mut bytes = value();
        bytes.push(0);
        bytes[3] += 1;
        [topic("press-1/x"), bytes].concat()
    };
    // The last one is a value of no topic: after it, no alias has been given.
    let broken = [over, vec![0; 4], vec![0, 0, 0, 2, 0x7f, 0x7f], trailing, value()];
    for (count, bytes) in (1..).zip(broken.iter().chain(&broken[..3])) {
        let (connection, mut control, mut live, _data) = member.link(&scene);
        match count <= broken.len() {
            true => live.send_raw(bytes),
            false => control.send_raw(bytes),
        }
        connection.wait_closed();
        let count = u64::try_from(count).expect("few");
        scene.wait_counted("malformed frames", |counters| counters.malformed_frames, count);
    }
    // A frame that ends too early is no more than a link that ended.
    let (connection, _control, mut live, _data) = member.link(&scene);
    live.send_raw(&topic("press-1/x")[..9]);
    drop((live, connection));
    scene.plant.wait_for("gateway-1", "press-1", Presence::Unreachable);
    assert_eq!(scene.counters().malformed_frames, 8);
    let log = scene.plant.log("gateway-1");
    assert!(log.contains("a member broke the protocol"), "{log}");
    scene.assert_unharmed();
}

#[test]
fn a_member_that_never_reads_and_stalls_within_a_frame_holds_up_nobody() {
    let scene = Scene::new();
    let member = Member::of(&scene);
    let mut seen = Follower::of(scene.nodes[1].home(), "gateway-1/number");
    let (connection, mut control, mut live, _data) = member.link(&scene);
    live.send_raw(&topic("press-1/x")[..9]);
    let filters = Bounded::first_of(["gateway-1/#".parse().expect("a filter")]);
    control.send(&ControlFrame::Interest { filters });
    let mut gateway = Api::of(scene.nodes[0].home());
    until("both follow", || (gateway.publish("/gateway-1/number", 0).links == 2).then_some(()));
    let mut load = RawStream::publishing(scene.nodes[0].home());
    load.send_topic(0, "/gateway-1/picture");
    let mut beats = 0..;
    until("what it does not read is given up and counted", || {
        for _ in 0..16 {
            load.send_value(0, Value::Bytes(vec![7; 32 * 1024]));
        }
        control.send(&ControlFrame::Beat { number: beats.next().expect("a number"), seen: 0 });
        (scene.counters().dropped_link > 0).then_some(())
    });
    assert!(connection.is_open(), "who is slow stays a member");
    assert_eq!(gateway.publish("/gateway-1/number", 1).links, 2);
    let numbers = std::iter::from_fn(|| seen.next_number());
    assert!(numbers.take_while(|number| *number != 1).all(|number| number == 0));
    scene.assert_unharmed();
}

#[test]
fn records_that_their_author_did_not_sign_or_may_not_sign_change_nothing() {
    let scene = Scene::new();
    let member = Member::of(&scene);
    let admin = Admin::of(&scene.plant.keyring());
    let mut api = Api::of(scene.nodes[0].home());
    let target = Target::Key(scene.plant.status("robot-1").key);
    let revocation = Revocation { target, reason: Reason::Lost, cut: Bounded::new() };
    let key = secret_key(&scene.plant.home("press-1").join("node.key"));
    let under = gearmesh_protocol::ids::RecordId(admin.plant().0);
    let record = TrustRecord::Revocation(revocation);
    let own = write(&key, &admin.plant(), &mut api, under, record);
    let real = codec::encode(own.group());
    let forged: Vec<Group> = (0..real.len())
        .filter_map(|at| {
            let mut bytes = real.clone();
            bytes[at] ^= 1;
            codec::decode(&bytes, FRAME_BYTES_MAX).ok()
        })
        .filter(|group: &Group| group.clone().verify(&admin.plant()).is_err())
        .take(64)
        .collect();
    assert!(forged.len() >= 32, "{} forgeries", forged.len());
    let expected = u64::try_from(forged.len()).expect("few");

    let (connection, mut control, _live, _data) = member.link(&scene);
    let page = |groups: Vec<Group>| {
        let groups = Bounded::first_of(groups);
        ControlFrame::Ledger(LedgerPage { acts: Bounded::new(), groups, more: false })
    };
    control.send(&page(forged));
    scene.wait_counted("forgeries", |counters| counters.malformed_frames, expected);
    // Signed by a member that may not revoke anybody: stored at most, and never obeyed.
    control.send(&page(vec![own.group().clone()]));
    control.send(&ControlFrame::Beat { number: 1, seen: 0 });
    throughout("robot-1 stays a member", Duration::from_millis(700), || {
        scene.plant.presence("gateway-1", "robot-1") == Some(Presence::Online)
    });
    let err = api.post_bytes("/v1/trust/groups", &real);
    assert_eq!(err.status, 403, "{}", err.body);
    assert!(err.body.contains("140"), "a member may not revoke: {}", err.body);
    drop(connection);
    scene.assert_unharmed();
}
