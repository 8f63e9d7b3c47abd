//! Joining with a code: whatever is wrong with it is named, and whatever breaks on the way, it
//! admits one machine once.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::net::SocketAddr;

use gearmesh_protocol::ids::{Nonce, PlantId, PublicKey};
use gearmesh_protocol::invite::{Code, Proof};
use gearmesh_protocol::local::{Joined, OpenInvitation, Presence, Status};
use gearmesh_protocol::plant::{AdmissionMessage, Intent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_tests::admin::Admin;
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::stranger::{Channel, Connection, GREETING, Stranger, hello};
use gearmesh_tests::wait::until;

fn join(plant: &Plant, name: &str, code: &str) -> Said {
    plant.gearmesh(name, &["join", code])
}

/// A founded plant with its gateway running.
fn running() -> (Plant, Daemon) {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    (plant, gateway)
}

/// A code that no plant has made.
fn made_up() -> String {
    let nobody: SocketAddr = "127.0.0.1:9".parse().expect("an address");
    Code::new(&PlantId([1; 32]), [2; 16], &[nobody]).to_text()
}

/// Where a node listens.
fn address_of(plant: &Plant, name: &str) -> SocketAddr {
    let listen = plant.status(name).listen;
    let endpoint: gearmesh_node::listen::Endpoint = listen[0].parse().expect("an address");
    endpoint.socket().expect("a socket address")
}

/// The one admission of a name: no more records than one, and one member.
fn assert_admitted_once(plant: &Plant, name: &str) {
    assert_eq!(plant.admissions_of(name), 1, "one admission record");
    let members = plant.members("gateway-1");
    assert_eq!(members.iter().filter(|member| member.name == name).count(), 1, "one member");
}

#[test]
fn a_code_that_is_cut_off_says_so_and_leaves_nothing_behind() {
    let plant = Plant::empty();
    let code = made_up();
    let said = join(&plant, "press-1", &code[..code.len() / 2]);
    assert!(said.refused_saying("cut off").contains("compare the code"));
    let said = join(&plant, "press-1", &code[..code.len() - 1]);
    assert!(said.refused_saying("checksum").contains("the end is missing"));
    assert!(!plant.home("press-1").exists(), "nothing is made for a wrong code");
}

#[test]
fn any_mistyped_character_is_noticed_by_the_checksum_before_anybody_is_dialled() {
    let plant = Plant::empty();
    let code = made_up();
    for at in [4, code.len() / 2, code.len() - 2] {
        let other = if code.as_bytes()[at] == b'7' { "8" } else { "7" };
        let mistyped = format!("{}{other}{}", &code[..at], &code[at + 1..]);
        let _ = join(&plant, "press-1", &mistyped).refused_saying("checksum");
    }
    let _ = join(&plant, "press-1", &code.replacen("gm1:", "gm1:u", 1)).refused_saying("mistyped");
    assert!(!plant.home("press-1").exists(), "nothing is made for a wrong code");
}

#[test]
fn a_text_that_is_no_code_is_told_how_codes_begin() {
    let plant = Plant::empty();
    for text in ["gm9:0123456789", "press-1", "", "https://example.org/gm1:"] {
        let _ = join(&plant, "press-1", text).refused_saying("starts with gm1:");
    }
}

#[test]
fn an_expired_code_is_refused_by_the_clock_of_the_redeemer() {
    let (plant, gateway) = running();
    let mut api = Api::of(gateway.home());
    let root = Admin::of(&plant.keyring()).public();
    let code = plant.code("press-1", &["--expires", "1s"]);
    let over = api.trust_log(&root).now.plus_ms(1000);
    until("the redeemer's clock is past the end", || {
        (api.trust_log(&root).now > over).then_some(())
    });
    let err = join(&plant, "press-1", &code).refused_with(122);
    assert!(err.contains("redeemer's clock") && err.contains("gearmesh add NAME"), "{err}");
    assert_eq!(plant.admissions_of("press-1"), 0);

    let _ = join(&plant, "press-1", &plant.code("press-1", &[])).ok();
    assert_admitted_once(&plant, "press-1");
}

#[test]
fn a_code_that_another_machine_used_is_refused_with_that_reason() {
    let (plant, _gateway) = running();
    let code = plant.code("press-1", &[]);
    let _ = join(&plant, "press-1", &code).ok();
    let err = join(&plant, "thief", &code).refused_with(123);
    assert!(err.contains("another machine"), "{err}");
    assert_admitted_once(&plant, "press-1");
}

#[test]
fn a_code_of_another_plant_is_refused_and_nothing_is_joined() {
    let (ours, theirs) = (Plant::founded(), Plant::founded());
    let _their_gateway = theirs.up("gateway-1");
    let their_address = address_of(&theirs, "gateway-1");
    let our_plant = Admin::of(&ours.keyring()).plant();

    // Our code at the address of their node, which knows nothing of it and says so to anybody.
    let code = Code::new(&our_plant, [7; 16], &[their_address]);
    let err = join(&ours, "press-1", &code.to_text()).refused_with(121);
    let named = format!("the machine at {their_address} does not know this invitation");
    assert!(err.contains(&named) && err.contains("ask for a new code"), "{err}");

    // Their node knows an invitation of this id: then the joiner sees whose it is.
    let mut api = Api::of(&theirs.home("gateway-1"));
    Admin::of(&theirs.keyring()).invite(&mut api, &code, "press-1", |_| {});
    let err = join(&ours, "press-1", &code.to_text()).refused_with(120);
    assert!(err.contains("another plant"), "{err}");
    assert_eq!(theirs.admissions_of("press-1"), 0, "the proof was never shown");
}

#[test]
fn a_code_made_for_one_key_is_worthless_to_another() {
    let (plant, gateway) = running();
    let machine = plant.up("press-1");
    let mut api = Api::of(gateway.home());
    let key = plant.status("press-1").key;
    let admin = Admin::of(&plant.keyring());
    let code = Code::new(&admin.plant(), [9; 16], &[address_of(&plant, "gateway-1")]);
    admin.invite(&mut api, &code, "press-1", |invitation| invitation.bound_to = Some(key));

    let err = join(&plant, "thief", &code.to_text()).refused_with(124);
    assert!(err.contains("another machine's key"), "{err}");
    drop(machine);
    let said = join(&plant, "press-1", &code.to_text()).ok();
    assert!(said.starts_with("Joined"), "{said}");
    assert_admitted_once(&plant, "press-1");
}

#[test]
fn a_code_that_was_withdrawn_is_refused_with_that_reason() {
    use gearmesh_protocol::bounded::Bounded;
    use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};

    let (plant, gateway) = running();
    let text = plant.code("press-1", &[]);
    let code: Code = text.parse().expect("a code");
    let target = Target::Invitation(code.id());
    let revocation = Revocation { target, reason: Reason::Lost, cut: Bounded::new() };
    let mut api = Api::of(gateway.home());
    Admin::of(&plant.keyring()).sign(&mut api, TrustRecord::Revocation(revocation));
    let err = join(&plant, "press-1", &text).refused_with(125);
    assert!(err.contains("withdrawn"), "{err}");
}

#[test]
fn a_redeemer_that_does_not_run_is_named_with_what_both_sides_can_type() {
    let (plant, gateway) = running();
    let code = plant.code("press-1", &[]);
    let address = address_of(&plant, "gateway-1");
    assert_eq!(gateway.stop(), Some(0));
    let err = join(&plant, "press-1", &code).refused_with(255);
    assert!(err.contains(&format!("({address}: nothing listens there)")), "which and why: {err}");
    assert!(err.contains("gearmesh up") && err.contains("gearmesh add NAME"), "{err}");
}

#[test]
fn a_member_that_is_not_the_redeemer_says_so() {
    let (plant, gateway) = running();
    plant.join("robot-1");
    let _robot = plant.up("robot-1");
    plant.wait_for("gateway-1", "robot-1", Presence::Online);
    let admin = Admin::of(&plant.keyring());
    let code = Code::new(&admin.plant(), [5; 16], &[address_of(&plant, "robot-1")]);
    let group = admin.invite(&mut Api::of(gateway.home()), &code, "press-1", |_| {});
    let root = admin.public();
    until("robot-1 has the invitation", || {
        let log = Api::of(&plant.home("robot-1")).trust_log(&root);
        log.records.iter().any(|record| record.group == group.id()).then_some(())
    });
    let err = join(&plant, "press-1", &code.to_text()).refused_with(127);
    assert!(err.contains("check the address"), "{err}");
}

#[test]
fn joining_again_with_the_same_code_says_already_joined() {
    let (plant, _gateway) = running();
    let code = plant.code("press-1", &[]);
    let said = join(&plant, "press-1", &code).ok();
    assert!(said.starts_with("Joined") && said.contains("admitted by gateway-1"), "{said}");
    let said = join(&plant, "press-1", &code).ok();
    assert!(said.starts_with("Already joined"), "without a running node: {said}");
    let _press = plant.up("press-1");
    let said = join(&plant, "press-1", &code).ok();
    assert!(said.starts_with("Already joined"), "through the running node: {said}");
    assert_admitted_once(&plant, "press-1");
}

#[test]
fn a_member_joins_neither_a_second_plant_nor_again_with_another_code() {
    let (plant, _gateway) = running();
    plant.join("press-1");
    let err = join(&plant, "press-1", &plant.code("press-2", &[])).refused_with(129);
    assert!(err.contains("gearmesh revoke"), "{err}");

    // A code of another plant, whoever answers at its address.
    let other = Code::new(&PlantId([3; 32]), [4; 16], &[address_of(&plant, "gateway-1")]);
    let err = join(&plant, "press-1", &other.to_text()).refused_saying("belongs to the plant");
    assert!(err.contains("--home DIR"), "{err}");
    assert_eq!(plant.admissions_of("press-2"), 0);
}

#[test]
fn a_code_can_be_redeemed_through_the_running_node_and_read_from_standard_input() {
    let (plant, _gateway) = running();
    let _press = plant.up("press-1");
    assert!(plant.status("press-1").plant.is_none());
    let code = format!("  {}\n", plant.code("press-1", &[]));
    let said = plant.gearmesh_reading("press-1", &["join", "-"], &code).ok();
    assert!(said.starts_with("Joined") && said.contains("members"), "{said}");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    assert_admitted_once(&plant, "press-1");
}

#[test]
fn a_code_that_was_broken_into_lines_or_words_is_read() {
    let (plant, _gateway) = running();
    let code = plant.code("press-1", &[]);
    let (head, tail) = code.split_at(code.len() / 2);
    let (middle, tail) = tail.split_at(7);
    let said = plant.gearmesh("press-1", &["join", head, &format!(" {middle}\n"), tail]).ok();
    assert!(said.starts_with("Joined"), "{said}");
    let lines = format!("{head}\r\n  {middle}\n{tail}\n");
    let said = plant.gearmesh_reading("press-1", &["join", "-"], &lines).ok();
    assert!(said.starts_with("Already joined"), "{said}");
    let _press = plant.up("press-1");
    let document = serde_json::json!({ "code": lines }).to_string();
    let answer = Api::of(&plant.home("press-1")).post_json("/v1/join", &document);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_name_or_scope_that_is_promised_is_not_promised_again() {
    let (plant, _gateway) = running();
    let first = plant.code("press-1", &["--scope", "hall/line-1"]);
    let add =
        |words: &[&str]| plant.gearmesh("gateway-1", &[&["add", "--no-wait"], words].concat());
    let err = add(&["press-1"]).refused_with(233);
    assert!(err.contains("--replace press-1"), "{err}");
    let _ = add(&["press-2", "--scope", "hall/line-1/press-2"]).refused_with(234);
    let _ = add(&["hall"]).refused_with(234);
    let err = add(&["robot-1", "robot-1"]).refused_with(232);
    assert!(err.contains("robot-1 is named twice") && err.contains("once"), "{err}");
    let open = Api::of(&plant.home("gateway-1")).get("/v1/invitations");
    let open: Vec<OpenInvitation> = open.read();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].name, "press-1");
    assert_eq!(open[0].scope.as_deref(), Some("hall/line-1"));
    assert_eq!(open[0].redeemer.as_deref(), Some("gateway-1"));
    assert_eq!(open[0].uses_left, 1);

    let said = add(&["press-1", "--replace", "--json"]);
    assert!(said.err.contains("loopback"), "whom the code is for: {said:?}");
    let issued: serde_json::Value = serde_json::from_str(&said.ok()).expect("one object");
    assert_eq!(issued["name"], "press-1");
    let _ = join(&plant, "press-1", &first).refused_with(125);
    let second = issued["code"].as_str().expect("a code");
    let said = plant.gearmesh("press-1", &["join", second, "--json"]).ok();
    let joined: Joined = serde_json::from_str(&said).expect("a document");
    assert_eq!(joined.scope.as_deref(), Some("press-1"));
    let open = Api::of(&plant.home("gateway-1")).get("/v1/invitations");
    assert!(open.read::<Vec<OpenInvitation>>().is_empty());
}

#[test]
fn a_plant_with_a_blank_name_is_not_founded_and_a_founding_can_be_read_by_programs() {
    let plant = Plant::empty();
    let _ = plant.gearmesh("gateway-1", &["init", "  "]).refused_with(241);
    assert!(!plant.home("gateway-1").exists() && !plant.keyring().exists());
    let words = ["init", "Rossi", "--node-name", "gateway-1", "--json"];
    let said = plant.gearmesh("gateway-1", &words).ok();
    let founded: serde_json::Value = serde_json::from_str(&said).expect("a document");
    assert_eq!((&founded["plant_name"], &founded["name"]), (&"Rossi".into(), &"gateway-1".into()));
}

#[test]
fn a_code_with_two_addresses_of_one_redeemer_admits_once() {
    let plant = Plant::founded();
    let two = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0", "--no-mdns"];
    let _gateway = plant.up_with("gateway-1", &two);
    until("both addresses are there", || {
        let listen = plant.status("gateway-1").listen;
        (listen.iter().filter(|address| address.contains("/tcp/")).count() == 2).then_some(())
    });
    for name in ["press-1", "press-2", "press-3"] {
        let text = plant.code(name, &[]);
        let code: Code = text.parse().expect("a code");
        assert_eq!(code.addresses().len(), 2, "{:?}", code.addresses());
        let said = join(&plant, name, &text).ok();
        assert!(said.starts_with("Joined"), "{said}");
        assert_admitted_once(&plant, name);
    }
}

/// Goes through the exchange of a joiner and shows a proof. The answer is what comes next.
fn prove<'a>(
    joiner: &Stranger,
    connection: &Connection<'a>,
    code: &Code,
    redeemer: &Status,
    change: impl FnOnce(&mut Proof),
) -> Channel<'a> {
    let mut channel = connection.open();
    let nonce = Nonce([6; 16]);
    channel.send(&hello(Intent::Join { invitation: code.id(), nonce, greeting: GREETING }));
    let offer = channel.receive();
    let Some(AdmissionMessage::Offer(redeemer_nonce)) = offer else { panic!("{offer:?}") };
    while let Some(AdmissionMessage::Credential(page)) = channel.receive() {
        if !page.more {
            break;
        }
    }
    let mut proof = Proof {
        invitation: code.id(),
        joiner: joiner.public(),
        redeemer: redeemer.key,
        joiner_nonce: nonce,
        redeemer_nonce,
    };
    change(&mut proof);
    let plant = redeemer.plant.as_ref().expect("a plant").id;
    channel.send(&AdmissionMessage::Redeem(Signed::sign(&code.key(), &plant, &proof)));
    channel
}

#[test]
fn a_reply_that_was_lost_after_the_redemption_is_made_good_by_joining_again() {
    let (plant, _gateway) = running();
    let text = plant.code("press-1", &[]);
    drop(plant.up("press-1"));
    let joiner = Stranger::from_home(&plant.home("press-1"));
    let redeemer = plant.status("gateway-1");
    let connection = joiner.dial(&redeemer.listen[0]);
    let code = text.parse().expect("a code");
    drop(prove(&joiner, &connection, &code, &redeemer, |_| {}));
    drop(connection);
    until("the admission is written", || (plant.admissions_of("press-1") == 1).then_some(()));

    let said = join(&plant, "press-1", &text).ok();
    assert!(said.starts_with("Joined"), "{said}");
    assert_admitted_once(&plant, "press-1");
}

#[test]
fn a_proof_for_another_key_or_exchange_gets_the_answer_of_a_stranger() {
    let (plant, _gateway) = running();
    let code: Code = plant.code("press-1", &[]).parse().expect("a code");
    let joiner = Stranger::unknown();
    let redeemer = plant.status("gateway-1");
    let wrong: [fn(&mut Proof); 3] = [
        |proof| proof.joiner = proof.redeemer,
        |proof| proof.redeemer = proof.joiner,
        |proof| proof.redeemer_nonce = proof.joiner_nonce,
    ];
    for change in wrong {
        let connection = joiner.dial(&redeemer.listen[0]);
        let mut channel = prove(&joiner, &connection, &code, &redeemer, change);
        let answer: Vec<AdmissionMessage> = channel.receive_all();
        assert_eq!(answer, [AdmissionMessage::Refused(Refusal::NotAdmitted)]);
    }
    assert_eq!(plant.admissions_of("press-1"), 0);
    assert_eq!(plant.status("gateway-1").counters.refused_admissions, 3);
}

#[test]
fn a_joiner_that_is_killed_once_it_is_admitted_joins_again_and_is_admitted_once() {
    let (plant, gateway) = running();
    for name in ["press-1", "press-2", "press-3"] {
        let code = plant.code(name, &[]);
        let joining = plant.begin(name, &["join", &code]);
        let key: PublicKey = plant.status("gateway-1").key;
        let admits = format!("admits {name}");
        let mut api = Api::of(gateway.home());
        until("the redeemer has the admission", || {
            api.trust_log(&key).records.iter().any(|record| record.text == admits).then_some(())
        });
        joining.kill();
        let said = join(&plant, name, &code).ok();
        assert!(said.contains(name), "{said}");
        assert_admitted_once(&plant, name);
        let _node = plant.up(name);
        plant.wait_for("gateway-1", name, Presence::Online);
    }
}

#[test]
fn a_redeemer_that_is_killed_around_the_admission_writes_it_once() {
    let plant = Plant::founded();
    let port = free_port();
    let mut gateway = plant.up_at("gateway-1", port);
    let journal = plant.home("gateway-1").join("journal");
    let size = || std::fs::metadata(&journal).map_or(0, |found| found.len());
    // How many times the file must have grown before the kill; the last waits for the members.
    for (round, name) in ["press-1", "press-2", "press-3", "press-4"].into_iter().enumerate() {
        let code = plant.code(name, &[]);
        let before = size();
        let joining = plant.begin(name, &["join", &code]);
        until("the redeemer writes", || match round {
            0 => Some(()),
            1 | 2 => (size() > before).then_some(()),
            _ => plant.members("gateway-1").iter().any(|m| m.name == name).then_some(()),
        });
        gateway.kill();
        drop(joining);
        gateway = plant.up_at("gateway-1", port);
        let said = join(&plant, name, &code).ok();
        assert!(said.contains(name), "{said}");
        assert_admitted_once(&plant, name);
    }
    drop(gateway);
}
