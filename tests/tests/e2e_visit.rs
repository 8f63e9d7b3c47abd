//! Admins whose machine is no node: what they sign and see through a member, and who is not let in.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Nonce, PlantId, PublicKey};
use gearmesh_protocol::local::{PlantStatus, Presence};
use gearmesh_protocol::plant::{AdmissionMessage, Intent, plant_tag};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::visit::{VisitProof, Visitor};
use gearmesh_tests::admin::{Admin, secret_key};
use gearmesh_tests::cli::{Said, gearmesh};
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::stranger::{Channel, Connection, Stranger, hello};
use gearmesh_tests::wait::until;

/// Visits of one admin's key that a member takes at once.
const OF_ONE_MAX: usize = 4;

/// A founded plant whose gateway runs, and where, as one types it.
fn running() -> (Plant, Daemon, String) {
    let plant = Plant::founded();
    let port = free_port();
    let gateway = plant.up_at("gateway-1", port);
    (plant, gateway, format!("127.0.0.1:{port}"))
}

/// What is typed on a laptop that has a keyring and no home.
fn typed(plant: &Plant, keyring: &Path, words: &[&str]) -> Said {
    let (home, keyring) = (plant.home("laptop"), keyring.display().to_string());
    let home = home.display().to_string();
    let said = gearmesh(&[&["--home", &home, "--keyring", &keyring], words].concat());
    assert!(!plant.home("laptop").exists(), "a visit makes no home");
    said
}

fn plant_of(plant: &Plant) -> PlantStatus {
    plant.status("gateway-1").plant.expect("a plant")
}

/// An admin's new keyring on the laptop, and its key.
fn keyring_of(plant: &Plant, who: &str) -> (PathBuf, PublicKey) {
    let keyring = plant.home(&format!("{who}.keyring"));
    let _ = typed(plant, &keyring, &["admin", "request"]).ok();
    let key = PublicKey::of(&secret_key(&keyring.join("admin.key")));
    (keyring, key)
}

#[test]
fn a_laptop_with_a_keyring_alone_does_an_admins_work_until_its_admin_is_removed() {
    let (plant, _gateway, at) = running();
    let (maria, key) = keyring_of(&plant, "maria");
    let id = plant_of(&plant).id.to_string();
    let by_maria = |words: &[&str]| typed(&plant, &maria, &[&["--node", &at], words].concat());
    // A new keyring knows no plant, and one that no record names opens nothing.
    let _ = by_maria(&["members"]).refused_with(432);
    let _ = by_maria(&["--plant", &id, "members"]).refused_with(197);
    let by_root =
        |words: &[&str]| typed(&plant, &plant.keyring(), &[&["--node", &at], words].concat());
    let said = by_root(&["admin", "add", "maria", &key.to_string()]).ok();
    assert!(said.contains("maria may sign for Test plant"), "{said}");

    let said = by_maria(&["--plant", &id, "add", "press-1", "--no-wait"]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let _ = plant.gearmesh("press-1", &["join", code]).ok();
    let _press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    let _ = by_maria(&["set", "press-1", "--name", "press-7"]).ok();
    let said = by_maria(&["members"]).ok();
    assert!(said.contains("press-7") && said.contains("gateway-1"), "{said}");
    let _ = by_maria(&["add", "spare-1", "--no-wait"]).ok();
    assert!(by_maria(&["invitations"]).ok().contains("spare-1"));
    let _ = by_maria(&["void", "spare-1"]).ok();
    let said = by_maria(&["revoke", "press-7", "--reason", "lost", "--yes"]).ok();
    assert!(said.contains("press-7 is revoked (lost)"), "{said}");
    assert_eq!(plant.presence("gateway-1", "press-7"), Some(Presence::Revoked));

    // What has nothing to do with that is done elsewhere.
    for words in [&["up"][..], &["leave"], &["pub", "t", "1"], &["sub", "#"], &["wipe"]] {
        let _ = by_maria(words).refused_with(431);
    }
    // It is seen who came, and from where; many visits are one line.
    let line = |at: &str| {
        let said = plant.gearmesh(at, &["log"]).ok();
        said.lines().filter(|line| line.contains("comes to gateway-1 from 127.0.0.1")).count()
    };
    until("the visits are in the audit trail", || (line("gateway-1") == 2).then_some(()));
    let counters = plant.status("gateway-1").counters;
    assert!(counters.visits >= 6 && counters.refused_visits >= 1, "{counters:?}");

    let _ = by_root(&["admin", "remove", "maria", "--reason", "lost", "--yes"]).ok();
    let _ = by_maria(&["members"]).refused_with(196);
    let _ = by_maria(&["add", "spare-2", "--no-wait"]).refused_with(196);
}

#[test]
fn a_visitor_is_told_what_is_wrong_with_where_it_goes() {
    let (plant, gateway, at) = running();
    let other = Plant::founded();
    let (_other_gateway, elsewhere) = {
        let port = free_port();
        (other.up_at("gateway-1", port), format!("127.0.0.1:{port}"))
    };
    let go = |to: &str| typed(&plant, &plant.keyring(), &["--node", to, "members"]);
    let err = go(&elsewhere).refused_with(120);
    assert!(err.contains(&elsewhere) && err.contains(&plant_of(&plant).words), "{err}");
    assert_eq!(other.status("gateway-1").counters.visits, 0);
    drop(gateway);
    let said = go(&at);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.refused_saying("[code 220]").contains(&at));
    let nothing = plant.home("nothing");
    let _ = typed(&plant, &nothing, &["--node", &at, "members"]).refused();
}

/// Somebody who dials a member.
struct Caller<'a> {
    connection: Connection<'a>,
    me: PublicKey,
    plant: PlantId,
}

impl<'a> Caller<'a> {
    fn of(stranger: &'a Stranger, at: &str, plant: PlantId) -> Self {
        let (ip, port) = at.split_once(':').expect("an address");
        let connection = stranger.dial(&format!("/ip4/{ip}/tcp/{port}"));
        Self { connection, me: stranger.public(), plant }
    }

    /// Asks for a visit; where that goes on, and the member's nonce.
    fn knock(&self) -> (Channel<'a>, Option<Nonce>) {
        let mut channel = self.connection.open();
        let host = self.connection.listener();
        let tag = plant_tag(&self.plant, &self.me, &host);
        channel.send(&hello(Intent::Visit { tag, nonce: OURS }));
        let nonce = match channel.receive() {
            Some(AdmissionMessage::Reception { tag, nonce }) => {
                assert_eq!(tag, plant_tag(&self.plant, &host, &self.me));
                Some(nonce)
            }
            Some(AdmissionMessage::Refused(Refusal::NotAdmitted)) => None,
            other => panic!("{other:?}"),
        };
        (channel, nonce)
    }

    fn proof(&self, host_nonce: Nonce) -> VisitProof {
        let (visitor, host) = (self.me, self.connection.listener());
        VisitProof { visitor, host, visitor_nonce: OURS, host_nonce }
    }

    /// Comes in with the key of an admin, or hears why not.
    fn come_in(&self, admin: &SigningKey) -> Result<Channel<'a>, Refusal> {
        let (mut channel, nonce) = self.knock();
        let proof = self.proof(nonce.expect("it knows the plant"));
        channel.send(&visitor(admin, &self.plant, &proof));
        loop {
            match channel.receive() {
                Some(AdmissionMessage::Credential(_)) => {}
                Some(AdmissionMessage::Welcome(_)) => return Ok(channel),
                Some(AdmissionMessage::Refused(refusal)) => return Err(refusal),
                other => panic!("{other:?}"),
            }
        }
    }

    /// What a request is answered with on a stream of its own, as far as it comes.
    fn ask(&self, request: &str) -> String {
        let mut channel = self.connection.open();
        channel.send_raw(request.as_bytes());
        let (mut said, mut byte) = (Vec::new(), [0]);
        while channel.read(&mut byte).is_some() {
            said.push(byte[0]);
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

const OURS: Nonce = Nonce([7; 16]);

fn visitor(admin: &SigningKey, plant: &PlantId, proof: &VisitProof) -> AdmissionMessage {
    let proof = Signed::sign(admin, plant, proof);
    AdmissionMessage::Visitor(Visitor { admin: PublicKey::of(admin), proof })
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n")
}

#[test]
fn strangers_and_whoever_stands_between_hear_nothing_and_a_flood_is_bounded() {
    let (plant, _gateway, at) = running();
    let (id, root) =
        (Admin::of(&plant.keyring()).plant(), secret_key(&plant.keyring().join("root.key")));
    let (one, two) = (Stranger::unknown(), Stranger::with(SigningKey::from_bytes(&[0x77; 32])));
    // Who does not know the plant hears what every stranger does.
    let lost = Caller::of(&one, &at, PlantId([1; 32]));
    assert!(lost.knock().1.is_none());

    // A proof is good for nothing on another connection, for other ends or with an older nonce.
    let (caller, between) = (Caller::of(&one, &at, id), Caller::of(&two, &at, id));
    let (mut honest, host_nonce) = caller.knock();
    let proof = caller.proof(host_nonce.expect("a nonce"));
    let stolen = visitor(&root, &id, &proof);
    let (mut channel, _) = between.knock();
    channel.send(&stolen);
    let refused = |refusal| vec![AdmissionMessage::Refused(refusal)];
    assert_eq!(channel.receive_all::<AdmissionMessage>(), refused(Refusal::NotAdmitted));
    honest.send(&stolen);
    assert!(matches!(honest.receive(), Some(AdmissionMessage::Credential(_))));
    let again = Caller::of(&one, &at, id);
    let (mut channel, _) = again.knock();
    channel.send(&stolen);
    assert_eq!(channel.receive_all::<AdmissionMessage>(), refused(Refusal::NotAdmitted));
    drop((caller, between, again));

    // A key that signs nothing here is told so; the node's own is no admin's.
    for key in
        [SigningKey::from_bytes(&[9; 32]), secret_key(&plant.home("gateway-1").join("node.key"))]
    {
        let caller = Caller::of(&one, &at, id);
        assert_eq!(caller.come_in(&key).err(), Some(Refusal::NotAnAdminThere));
    }
    // Without having come in there is nothing behind further streams.
    let outside = Caller::of(&one, &at, id);
    let (_channel, _) = outside.knock();
    assert_eq!(outside.ask(&get("/v1/status")), "");

    // Inside, only an admin's work is done.
    let inside = until("the places of before are free", || {
        let caller = Caller::of(&one, &at, id);
        caller.come_in(&root).ok().map(|channel| (caller, channel))
    });
    assert!(inside.0.ask(&get("/v1/status")).starts_with("HTTP/1.1 200"));
    let beyond = ["/v1/board?filter=%23", "/v1/subscribe?filter=%23", "/metrics", "/v1/partner"];
    let beyond = beyond.map(get).into_iter().chain([
        get("/v1/nothing"),
        get("/v1/board?filter=%23").replace("GET", "HEAD"),
        get("/v1/leave").replace("GET", "POST"),
    ]);
    for request in beyond {
        let said = inside.0.ask(&request);
        assert!(said.starts_with("HTTP/1.1 403"), "{request}: {said}");
        assert!(request.starts_with("HEAD") || said.contains("430"), "{request}: {said}");
    }

    // One key has so many places, and what is beyond is refused and counted.
    let flood: Vec<Caller<'_>> = (0..OF_ONE_MAX + 2).map(|_| Caller::of(&two, &at, id)).collect();
    let heard: Vec<_> = flood.iter().map(|caller| caller.come_in(&root)).collect();
    let full = heard.iter().filter(|said| matches!(said, Err(Refusal::VisitsFull))).count();
    assert!(full >= 3, "one place of the key was taken before: {full}");
    assert!(plant.status("gateway-1").counters.refused_visits >= 3);
    drop((heard, flood, inside));
    until("places are free again", || {
        Caller::of(&two, &at, id).come_in(&root).is_ok().then_some(())
    });
}
