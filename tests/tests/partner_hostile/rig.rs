//! A real company, and partners of it in a test's hands.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, PublicKey, RecordId};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::partner::ShareEntry;
use gearmesh_protocol::partner_local::{PartnersStatus, ShareState};
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{Carried, GossipMessage, KnockAnswer, SessionFrame};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::partner::{Hearing, Line, Partner};
use gearmesh_tests::rpc::Rpc;
use gearmesh_tests::wait::until;

pub(super) const GATEWAY: &str = "gateway-1";

/// A real company, whose gateway all tests of this suite attack.
pub(super) struct Rossi {
    pub(super) plant: Plant,
    pub(super) address: String,
    _node: Daemon,
}

/// How many partners there are already; each test has partners of its own.
static USED: Mutex<(u8, Weak<Rossi>)> = Mutex::new((0, Weak::new()));

impl Rossi {
    /// The company, and a number that no other partner has. It ends with the last test that has it.
    pub(super) fn of_all() -> (Arc<Self>, u8) {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        used.0 += 1;
        let rossi = used.1.upgrade().unwrap_or_else(|| {
            let rossi = Arc::new(Self::new());
            used.1 = Arc::downgrade(&rossi);
            rossi
        });
        (rossi, used.0)
    }

    fn new() -> Self {
        let (plant, port) = (Plant::founded(), free_port());
        let partners = format!("127.0.0.1:{port}");
        let words = ["--listen", "127.0.0.1:0", "--partners", &partners, "--no-mdns", "--no-host"];
        let node = plant.up_with(GATEWAY, &words);
        Self { plant, address: format!("/ip4/127.0.0.1/tcp/{port}"), _node: node }
    }

    /// Types a command at its gateway.
    pub(super) fn says(&self, words: &[&str]) -> String {
        self.plant.gearmesh(GATEWAY, words).ok()
    }

    /// How its agreements stand.
    pub(super) fn status(&self) -> PartnersStatus {
        serde_json::from_str(&self.says(&["agreements", "--json"])).expect("a status")
    }

    /// Publishes in its plant.
    pub(super) fn publish(&self, topic: &str, value: &str) {
        drop(self.says(&["pub", topic, value]));
    }

    /// Waits for an alarm about a partner.
    pub(super) fn alarmed(&self, name: &str, how: &str) {
        until(&format!("an alarm about {name}: {how}"), || {
            let mut alarms = self.status().alarms.into_iter();
            alarms.find(|text| text.contains(&format!(" {name} {how}")))
        });
    }

    /// What came from a partner, and is safe in the plant.
    pub(super) fn came(&self, from: &Scene) -> usize {
        let filter = format!("partner/{}/#", from.called);
        let said = self.plant.gearmesh(GATEWAY, &["history", &filter, "--json"]).out;
        said.lines().filter(|line| line.contains("\"entry\"")).count()
    }
}

/// A partner that sees `NAME/#` as `out` and may send `in`, under a name of its own.
pub(super) struct Scene {
    pub(super) rossi: Arc<Rossi>,
    pub(super) name: String,
    /// What the company calls the partner.
    pub(super) called: String,
    pub(super) partner: Partner,
}

pub(super) fn scene() -> Scene {
    let (rossi, number) = Rossi::of_all();
    let name = format!("stream-for-{number:03}");
    let called = format!("customer-{number:03}");
    let topics = format!("{GATEWAY}/{name}/#");
    let words = ["share", &name, "--to", &called, "--yes", "--topics", &topics, "--as", "out"];
    let said = rossi.says(&[&words[..], &["--accept-from", "in"]].concat());
    let link = said.split_whitespace().find(|word| word.starts_with("gs1:")).expect("a link");
    let partner = Partner::accepting(link, &rossi.address, number);
    until("it is accepted", || {
        let shares = rossi.status().shares;
        let share = shares.into_iter().find(|share| share.name.as_str() == name)?;
        (share.state == ShareState::Accepted).then_some(())
    });
    let words: Vec<&str> = partner.words().split(' ').collect();
    drop(rossi.says(&[&["share", "confirm", &name], &words[..]].concat()));
    Scene { rossi, name, called, partner }
}

impl Scene {
    /// Publishes a value that the partner is to see.
    pub(super) fn publish(&self, value: &str) {
        self.rossi.publish(&format!("{}/count", self.name), value);
    }

    /// Comes in, follows the stream, and waits until something is heard on it.
    pub(super) fn follow(&self) -> (Line<'_>, Hearing<'_>, (u64, EpochKey)) {
        let mut line = self.partner.come_in();
        let key = self.partner.epoch(&mut line);
        line.gossip(&Rpc::default().subscribe(&self.partner.their_topic()));
        let mut hearing = line.hear();
        until("the stream flows", || {
            self.publish("1");
            let topic = self.partner.their_topic();
            hearing.heard_within_a_second(&topic)
        });
        (line, hearing, key)
    }

    /// Others still get what they agreed on.
    pub(super) fn others_are_served(&self) {
        let other = scene();
        let (_line, _hearing, _key) = other.follow();
    }

    /// A group of the partner's own log.
    pub(super) fn group(&self, after: Option<Tip>, number: i64) -> (Vec<u8>, Tip) {
        let sample = Sample::good(Value::Integer(number), UnixMillis(1_795_356_180_000));
        let entry = ShareEntry { alias: "in".parse().expect("a topic"), sample };
        let author = PublicKey::of(self.partner.key());
        let draft = Draft {
            log: LogId { author, kind: LogKind::Share(self.partner.share()) },
            incarnation: Incarnation([7; 16]),
            after: after.into_iter().collect(),
            acting_under: RecordId(self.partner.id.0),
            salt: Salt([5; 16]),
            entries: vec![codec::encode(&entry)],
        };
        let plant = self.partner.sheet.to.plant;
        let group = Group::write(self.partner.key(), &plant, draft).expect("a group");
        (codec::encode(group.group()), group.tip())
    }

    /// Seals something as the partner, under a key of its own.
    pub(super) fn sealed(&self, nonce: u8, carried: &Carried) -> Vec<u8> {
        let sealed = KEY.seal(&self.partner.share(), EPOCH, [nonce; 24], carried).expect("sealed");
        codec::encode(&GossipMessage::Sealed(sealed))
    }

    /// The key of the partner's own stream, for the other side.
    pub(super) fn envelope(&self) -> SessionFrame {
        let ends = (self.partner.key(), &self.partner.sheet.to.plant);
        let to = self.partner.sheet.from.gateway;
        let envelope = KEY.envelop(ends, (self.partner.share(), EPOCH), to, [9; 32]);
        SessionFrame::Envelope(envelope.expect("sealed"))
    }

    /// Waits until it is turned away at the door.
    pub(super) fn is_kept_out(&self) {
        let refused = Some(KnockAnswer::Refused(Refusal::KeptOut));
        until("it is kept out", || (self.partner.knock() == refused).then_some(()));
    }
}

/// The epoch of partners' own streams.
pub(super) const EPOCH: u64 = 4;
/// Its key.
pub(super) const KEY: EpochKey = EpochKey::new([4; 32]);
