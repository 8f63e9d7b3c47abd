//! Machines that let themselves be found, and are let in without a code that is typed at them.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::thread;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::claim::{CarriedCode, Claiming, Commitment};
use gearmesh_protocol::found::{Claims, Found, Looker};
use gearmesh_protocol::ids::Nonce;
use gearmesh_protocol::local::{OpenInvitation, Presence};
use gearmesh_protocol::plant::{AdmissionMessage, Intent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::stranger::{Stranger, hello};
use gearmesh_tests::wait::until;

/// A founded plant with its gateway running.
fn running() -> (Plant, Daemon) {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    (plant, gateway)
}

/// Starts a node on loopback with these words more. Where it is, as one types it.
fn start(plant: &Plant, name: &str, more: &[&str]) -> (Daemon, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let words = [&["--listen", &address, "--no-mdns"], more].concat();
    (plant.up_with(name, &words), address)
}

fn look(plant: &Plant, address: &str) -> Found {
    let at = format!("--found={address}");
    let said = plant.gearmesh("gateway-1", &["add", &at, "--json"]).ok();
    serde_json::from_str(&said).expect("what was found")
}

/// The words of the one machine at an address.
fn words(plant: &Plant, address: &str) -> String {
    let found = look(plant, address);
    let [machine] = &found.machines[..] else { panic!("{found:?}") };
    machine.words.clone()
}

fn claims(plant: &Plant, name: &str) -> Claims {
    let said = plant.gearmesh(name, &["claims", "--json"]).ok();
    serde_json::from_str(&said).expect("claims")
}

fn invitations(plant: &Plant) -> Vec<OpenInvitation> {
    let said = plant.gearmesh("gateway-1", &["invitations", "--json"]).ok();
    serde_json::from_str(&said).expect("invitations")
}

/// Lets a machine in whose words were read at it.
fn let_in(plant: &Plant, name: &str, words: &str) -> gearmesh_tests::cli::Said {
    plant.gearmesh("gateway-1", &["add", name, "--found", "--words", words])
}

fn waiting(claims: Claims, count: usize) -> Option<Vec<Looker>> {
    let waiting: Vec<Looker> = claims.lookers.into_iter().filter(|looker| looker.waits).collect();
    (waiting.len() == count).then_some(waiting)
}

#[test]
fn a_machine_is_let_in_by_the_words_on_its_screen_and_says_whose_it_is() {
    let (plant, _gateway) = running();
    let (press, address) = start(&plant, "press-1", &["--claimable"]);
    let found = look(&plant, &address);
    let [machine] = &found.machines[..] else { panic!("{found:?}") };
    assert_eq!(machine.address, address);
    assert_eq!(machine.key, plant.status("press-1").key);
    let shown = claims(&plant, "press-1");
    let [looker] = &shown.lookers[..] else { panic!("{shown:?}") };
    assert_eq!((&looker.words, looker.waits), (&machine.words, false));
    assert_eq!(looker.key, plant.status("gateway-1").key);
    until("the words stand on its screen", || {
        plant.log("press-1").contains(&machine.words).then_some(())
    });

    // Of words that no machine shows, nothing follows.
    let err = let_in(&plant, "press-1", "acorn acorn acorn acorn acorn").refused();
    assert!(err.contains("[code 427]") || err.contains("[code 421]"), "{err}");
    assert!(invitations(&plant).is_empty());
    let machine_words = words(&plant, &address);
    let said = let_in(&plant, "press-1", &machine_words.to_uppercase()).ok();
    assert!(said.contains("press-1 joined"), "{said}");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);

    let by = until("it is noted", || claims(&plant, "press-1").claimed);
    assert_eq!((by.plant.as_str(), by.confirmed), ("Test plant", false));
    assert_eq!((by.words, by.key), (machine_words, plant.status("gateway-1").key));
    let loud = || plant.log("press-1").contains("CLAIMED").then(|| plant.log("press-1"));
    let log = until("it is said aloud", loud);
    assert!(log.contains("plant Test plant") && log.contains("gearmesh leave"), "{log}");
    // A start says it again.
    drop(press);
    let (_press, address) = start(&plant, "press-1", &["--claimable"]);
    let _ = until("it is said again", loud);
    assert_eq!(claims(&plant, "press-1").closes_in_s, None);

    // A member is refused by its name.
    let at = format!("--found={address}");
    let err = plant.gearmesh("gateway-1", &["add", "press-2", &at]).refused_with(420);
    assert!(err.contains("press-1 is a member of this plant already"), "{err}");
}

#[test]
fn a_machine_without_a_screen_is_let_in_by_the_words_on_its_label() {
    let (plant, _gateway) = running();
    let (_press, address) = start(&plant, "press-1", &["--claimable=10m"]);
    let label = plant.status("press-1").key_words;
    let at = format!("--found={address}");
    let words = ["add", "press-1", &at, "--words", &label, "--scope", "hall/press-1"];
    let said = plant.gearmesh("gateway-1", &words).ok();
    assert!(said.contains(&format!("press-1 joined ({label})")), "{said}");
    let members = plant.members("gateway-1");
    let press = members.iter().find(|member| member.name == "press-1").expect("a member");
    assert_eq!(press.scope.as_deref(), Some("hall/press-1"));
}

#[test]
fn of_two_admins_the_person_at_the_machine_chooses() {
    let ((rossi, _rossi), (acme, _acme)) = (running(), running());
    let (_press, address) = start(&rossi, "press-1", &["--claimable", "--confirm"]);
    let (ours, theirs) = (words(&rossi, &address), words(&acme, &address));
    assert_ne!(ours, theirs);
    thread::scope(|scope| {
        let first = scope.spawn(|| let_in(&acme, "press-1", &theirs));
        until("one waits", || waiting(claims(&rossi, "press-1"), 1));
        let second = scope.spawn(|| let_in(&rossi, "press-1", &ours));
        until("both wait", || waiting(claims(&rossi, "press-1"), 2));
        let wrong = ["claims", "--take", "acorn acorn acorn acorn acorn"];
        let _ = rossi.gearmesh("press-1", &wrong).refused_with(426);
        let _ = rossi.gearmesh("press-1", &["claims", "--take", &ours]).ok();
        let said = second.join().expect("typed").ok();
        assert!(said.contains("press-1 joined"), "{said}");
        let refused = first.join().expect("typed").refused();
        let is_told = ["[code 133]", "[code 134]"].iter().any(|code| refused.contains(code));
        assert!(is_told, "{refused}");
    });
    rossi.wait_for("gateway-1", "press-1", Presence::Online);
    let by = until("it is noted", || claims(&rossi, "press-1").claimed);
    assert!(by.confirmed && by.words == ours, "{by:?}");
    // What the other one had signed is worth nothing, and taken back.
    assert!(invitations(&acme).is_empty());
}

#[test]
fn the_first_claim_wins_and_whoever_looked_before_hears_so() {
    let ((rossi, _rossi), (acme, _acme)) = (running(), running());
    let (_press, address) = start(&rossi, "press-1", &["--claimable"]);
    let (ours, theirs) = (words(&rossi, &address), words(&acme, &address));
    let _ = let_in(&acme, "press-1", &theirs).ok();
    let err = let_in(&rossi, "press-1", &ours).refused_with(133);
    assert!(err.contains("gearmesh leave"), "{err}");
    assert!(invitations(&rossi).is_empty(), "the invitation is taken back");
    // It is given back: its own word ends the membership, and with a new key it is free again.
    let _ = rossi.gearmesh("press-1", &["leave", "--yes"]).ok();
    let missed = look(&rossi, &address).missed;
    assert!(missed.iter().any(|missed| missed.cause.contains("does not let itself be found")));
}

#[test]
fn a_person_at_the_machine_says_no() {
    let (plant, _gateway) = running();
    let (_press, address) = start(&plant, "press-1", &["--claimable", "--confirm"]);
    let shown = words(&plant, &address);
    thread::scope(|scope| {
        let claim = scope.spawn(|| let_in(&plant, "press-1", &shown));
        until("it waits", || waiting(claims(&plant, "press-1"), 1));
        let _ = plant.gearmesh("press-1", &["claims", "--decline", &shown]).ok();
        let _ = claim.join().expect("typed").refused_with(135);
    });
    assert!(invitations(&plant).is_empty());
    assert!(plant.members("gateway-1").iter().all(|member| member.name != "press-1"));
}

#[test]
fn who_does_not_want_to_be_found_is_not_found_and_time_ends() {
    let (plant, _gateway) = running();
    let (_shy, address) = start(&plant, "shy-1", &[]);
    let missed = look(&plant, &address).missed;
    assert!(missed[0].cause.contains("without --claimable"), "{missed:?}");
    let nobody = format!("127.0.0.1:{}", free_port());
    let missed = look(&plant, &nobody).missed;
    assert!(missed[0].cause.contains("nobody answers"), "{missed:?}");
    let at = format!("--found={nobody}");
    let err = plant.gearmesh("gateway-1", &["add", "press-1", &at]).refused_with(420);
    assert!(err.contains("nobody answers"), "{err}");
    // Multicast is off here, and says so.
    let _ = plant.gearmesh("gateway-1", &["add", "--found"]).refused_with(427);
    // Without a terminal nobody can be asked.
    let (_press, address) = start(&plant, "press-1", &["--claimable=3s"]);
    let at = format!("--found={address}");
    if !look(&plant, &address).machines.is_empty() {
        let err = plant.gearmesh("gateway-1", &["add", "press-1", &at]).refused();
        assert!(err.contains("[code 422]") || err.contains("[code 420]"), "{err}");
    }
    until("the time is over", || plant.log("press-1").contains("the time is over").then_some(()));
    assert!(look(&plant, &address).machines.is_empty());
    let said = plant.gearmesh("press-1", &["claims"]).ok();
    assert!(said.contains("does not let itself be found"), "{said}");
}

#[test]
fn strangers_that_break_the_rules_get_nothing_and_a_flood_is_counted() {
    let plant = Plant::empty();
    let (_press, address) = start(&plant, "press-1", &["--claimable"]);
    let (ip, port) = address.split_once(':').expect("an address");
    let address = format!("/ip4/{ip}/tcp/{port}");
    let said = |stranger: &Stranger, messages: &[AdmissionMessage]| {
        let connection = stranger.dial(&address);
        let mut channel = connection.open();
        messages.iter().for_each(|message| channel.send(message));
        channel.receive_all::<AdmissionMessage>()
    };
    let commitment = |stranger: &Stranger, nonce| Commitment::of(&stranger.public(), &nonce);
    let stranger = Stranger::unknown();
    // Who has not looked claims nothing, and a code that is none is none.
    let code = CarriedCode::try_from("gm1:none".to_owned()).expect("it fits");
    let claim = [hello(Intent::Claim { code })];
    let refused = |refusal| vec![AdmissionMessage::Refused(refusal)];
    assert_eq!(said(&stranger, &claim), refused(Refusal::Protocol));
    let plain = gearmesh_protocol::invite::Code::new(
        &gearmesh_protocol::ids::PlantId([7; 32]),
        [1; 16],
        &[],
    );
    let code = CarriedCode::try_from(plain.to_text()).expect("it fits");
    assert_eq!(said(&stranger, &[hello(Intent::Claim { code })]), refused(Refusal::NotAdmitted));
    // Who reveals another nonce than it is bound to does not choose its words.
    let bound = commitment(&stranger, Nonce([1; 16]));
    let look = hello(Intent::Look { commitment: bound });
    let heard = said(&stranger, &[look, AdmissionMessage::Reveal(Nonce([2; 16]))]);
    let [AdmissionMessage::Here { .. }, AdmissionMessage::Refused(Refusal::Protocol)] = heard[..]
    else {
        panic!("{heard:?}")
    };
    assert!(claims(&plant, "press-1").lookers.is_empty());
    // Of one address, only some are remembered.
    for number in 0..6_u8 {
        let stranger = Stranger::with(SigningKey::from_bytes(&[number + 100; 32]));
        let bound = commitment(&stranger, Nonce([1; 16]));
        let look = hello(Intent::Look { commitment: bound });
        let heard = said(&stranger, &[look, AdmissionMessage::Reveal(Nonce([1; 16]))]);
        match number < 4 {
            true => assert_eq!(heard.last(), Some(&AdmissionMessage::Claiming(Claiming::Met))),
            false => assert_eq!(heard, refused(Refusal::Busy)),
        }
    }
    let shown = claims(&plant, "press-1");
    assert_eq!((shown.lookers.len(), shown.turned_away), (4, 2));
}
