//! Throwing a member out: who knows, what it is told, and what never comes to light.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::path::Path;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::trust::Reason;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::wait::until;

/// A plant whose gateway and these machines run and are linked with each other.
fn running(machines: &[&str]) -> (Plant, Vec<Daemon>) {
    let plant = Plant::founded();
    let mut nodes = vec![plant.up("gateway-1")];
    for machine in machines {
        plant.join(machine);
        nodes.push(plant.up(machine));
    }
    let all = [&["gateway-1"], machines].concat();
    for (at, of) in all.iter().flat_map(|at| all.iter().map(move |of| (at, of))) {
        if at != of {
            plant.wait_for(at, of, Presence::Online);
        }
    }
    (plant, nodes)
}

fn revoke(plant: &Plant, name: &str) -> Said {
    plant.gearmesh("gateway-1", &["revoke", name, "--reason", "lost", "--yes"])
}

/// The rest of the line that begins with this word.
fn line_of<'a>(said: &'a str, word: &str) -> &'a str {
    let found = said.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("{word:?} begins no line of: {said}")).trim()
}

#[test]
fn a_revocation_is_confirmed_by_every_member_that_can_be_reached() {
    let (plant, _nodes) = running(&["press-1", "robot-1", "packer-1"]);
    let said = revoke(&plant, "press-1");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("press-1 is revoked (lost). It never comes back."), "{said:?}");
    assert_eq!(line_of(&said.out, "confirmed"), "gateway-1, packer-1, robot-1");
    assert!(!said.out.contains("unreachable") && !said.out.contains("no answer"), "{said:?}");
    // Done is done: nobody has to be waited for.
    for node in ["gateway-1", "robot-1", "packer-1"] {
        let members = plant.members(node);
        let press = members.iter().find(|member| member.name == "press-1").expect("still listed");
        assert_eq!(press.presence, Presence::Revoked, "at {node}");
        assert_eq!(press.revoked, Some(Reason::Lost), "at {node}");
    }
    let said = plant.gearmesh("robot-1", &["members"]).ok();
    assert!(line_of(&said, "press-1").starts_with("revoked (lost)"), "{said}");
}

#[test]
fn members_that_cannot_be_reached_are_named_and_learn_of_it_when_they_come_back() {
    let (plant, mut nodes) = running(&["press-1", "robot-1"]);
    nodes.pop().expect("robot-1").kill();
    plant.wait_for("gateway-1", "robot-1", Presence::Unreachable);
    let said = revoke(&plant, "press-1");
    assert_eq!(said.code, Some(0), "nobody who can be reached has to be waited for: {said:?}");
    assert_eq!(line_of(&said.out, "confirmed"), "gateway-1");
    assert_eq!(line_of(&said.out, "unreachable"), "robot-1");

    let _robot = plant.up("robot-1");
    plant.wait_for("robot-1", "press-1", Presence::Revoked);
}

#[test]
fn a_revoked_member_is_told_so_when_it_reconnects_and_never_comes_back() {
    let (plant, mut nodes) = running(&["press-1"]);
    let linked = nodes.pop().expect("press-1");
    let said = revoke(&plant, "press-1");
    assert_eq!(said.code, Some(0), "{said:?}");
    plant.wait_for("press-1", "gateway-1", Presence::Unreachable);
    assert_eq!(linked.stop(), Some(0));

    let _press = plant.up("press-1");
    let refused = until("press-1 knows why", || plant.status("press-1").refused);
    assert_eq!(refused.code, 110);
    let said = plant.gearmesh("press-1", &["status"]).ok();
    assert!(line_of(&said, "REFUSED").contains("revoked [code 110]"), "{said}");
    until("up says it too", || plant.log("press-1").contains("OUT     ").then_some(()));
    let log = plant.log("press-1");
    assert!(line_of(&log, "OUT").contains("revoked [code 110]"), "{log}");
    assert!(said.contains("start with a fresh home"), "what mends it: {said}");
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Revoked));
    assert_eq!(plant.status("gateway-1").plant.expect("a plant").online, 0);

    let code = plant.code("press-2", &[]);
    let _ = plant.gearmesh("press-1", &["join", &code]).refused_with(110);
}

#[test]
fn a_member_that_was_away_when_it_was_revoked_is_told_by_those_it_dials() {
    let (plant, _, _gateway, press) = Plant::of_two();
    press.kill();
    plant.wait_for("gateway-1", "press-1", Presence::Unreachable);
    let said = revoke(&plant, "press-1");
    assert_eq!(said.code, Some(0), "the one that is revoked is nobody to wait for: {said:?}");

    let _press = plant.up("press-1");
    let refused = until("press-1 knows why", || plant.status("press-1").refused);
    assert_eq!(refused.code, 110);
    assert!(refused.mend.contains("fresh home"), "{refused:?}");
    until("the gateway counts it", || {
        (plant.status("gateway-1").counters.refused_admissions > 0).then_some(())
    });
}

#[test]
fn the_name_of_a_revoked_member_is_free_for_another_machine() {
    let (plant, _nodes) = running(&["press-1"]);
    let err = plant.gearmesh("gateway-1", &["add", "press-1", "--no-wait"]);
    let _ = err.refused_saying("press-1 is the name of another machine");
    assert_eq!(revoke(&plant, "press-1").code, Some(0));

    let code = plant.code("press-1", &[]);
    let said = plant.gearmesh("spare", &["join", &code]).ok();
    assert!(said.contains("As      press-1"), "{said}");
    let _spare = plant.up("spare");
    until("the new press-1 is online", || {
        let members = plant.members("gateway-1");
        let named = members.iter().filter(|member| member.name == "press-1");
        let mut presences: Vec<Presence> = named.map(|member| member.presence).collect();
        presences.sort_by_key(ToString::to_string);
        (presences == [Presence::Online, Presence::Revoked]).then_some(())
    });
    assert!(plant.status("gateway-1").alarms.is_empty());

    // The name means the member that is there now.
    assert_eq!(revoke(&plant, "press-1").code, Some(0));
    let err = revoke(&plant, "press-1").refused_saying("press-1 is revoked already");
    assert!(err.contains("nothing is to be done"), "{err}");
}

fn revoke_for(plant: &Plant, name: &str, more: &[&str]) -> Said {
    plant.gearmesh("gateway-1", &[&["revoke", name, "--yes", "--reason"], more].concat())
}

#[test]
fn a_compromised_key_that_signed_for_the_plant_needs_a_cut_and_others_need_none() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for machine in ["press-1", "robot-1", "packer-1"] {
        plant.join(machine);
    }
    let err = revoke_for(&plant, "press-1", &["lost", "--cut", "all"]);
    let _ = err.refused_saying("--cut does not go with lost");
    // It was there for as long as joining takes; how that ended is not the point.
    assert_ne!(plant.presence("gateway-1", "press-1"), Some(Presence::Revoked));
    // What it may have written since, nobody here can know.
    let err = revoke_for(&plant, "press-1", &["compromised"]);
    let err =
        err.refused_saying("nobody within reach can say whether press-1 wrote durable values");
    assert!(err.contains("revoke press-1 --reason compromised --cut all"), "{err}");
    let said = revoke_for(&plant, "press-1", &["compromised", "--cut", "all"]);
    assert!(said.out.contains("press-1 is revoked (compromised)"), "{said:?}");
    assert!(!said.out.contains("fell with it"), "{said:?}");

    let said = revoke_for(&plant, "gateway-1", &["compromised"]);
    for machine in ["press-1", "robot-1", "packer-1"] {
        assert!(said.out.contains(&format!("admits {machine}")), "{said:?}");
    }
    let err = said.refused_saying("how much of that still counts?");
    assert!(err.contains("revoke gateway-1 --reason compromised --cut all"), "{err}");
    let err = revoke_for(&plant, "gateway-1", &["compromised", "--cut", "0123456789abcdef"]);
    let _ = err.refused_saying("no group of this key begins with 0123456789abcdef");
    assert_eq!(plant.presence("gateway-1", "gateway-1"), Some(Presence::Here));

    let said = revoke_for(&plant, "gateway-1", &["compromised", "--cut", "all"]);
    assert!(said.out.contains("gateway-1 is revoked (compromised)"), "{said:?}");
    for machine in ["robot-1", "packer-1"] {
        assert!(said.out.contains(&format!("{machine} fell with it")), "{said:?}");
    }
}

#[test]
fn a_cut_keeps_the_named_record_and_all_before_it() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for machine in ["press-1", "robot-1", "packer-1"] {
        plant.join(machine);
    }
    let said = revoke_for(&plant, "gateway-1", &["compromised"]);
    let line = said.out.lines().find(|line| line.contains("admits robot-1")).expect("listed");
    let group = line.split_whitespace().next().expect("a group");
    let said = revoke_for(&plant, "gateway-1", &["compromised", "--cut", group]);
    assert!(said.out.contains("packer-1 fell with it"), "{said:?}");
    assert!(!said.out.contains("robot-1 fell") && !said.out.contains("press-1 fell"), "{said:?}");
}

#[test]
fn nobody_is_revoked_without_a_yes_or_by_a_name_that_nobody_has() {
    let (plant, _nodes) = running(&["press-1"]);
    let key = gearmesh_tests::admin::Admin::of(&plant.keyring()).public();
    let before = plant.records("gateway-1", &key);
    let unasked = plant.gearmesh("gateway-1", &["revoke", "press-1", "--reason", "lost"]);
    assert_eq!(unasked.code, Some(1));
    let err = unasked.refused_saying("not confirmed");
    assert!(err.contains("nothing was done") && err.contains("--yes"), "{err}");
    assert!(err.contains("is thrown out for good, reason: lost"), "what it would have done: {err}");

    let err = revoke(&plant, "press-9").refused_saying("no member is called press-9");
    assert!(err.contains("gearmesh members"), "{err}");
    assert_eq!(plant.records("gateway-1", &key), before, "nothing was signed");
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Online));
}

#[test]
fn a_keyring_that_is_missing_or_of_another_plant_is_named() {
    let (plant, _nodes) = running(&["press-1"]);
    let other = Plant::founded();
    let keyring = plant.keyring();
    let aside = keyring.with_extension("aside");
    std::fs::rename(&keyring, &aside).expect("a rename");
    for words in [&["add", "robot-1"][..], &["revoke", "press-1", "--reason", "lost", "--yes"]] {
        let said = plant.gearmesh("gateway-1", words);
        let err = said.refused_saying("there is no keyring at");
        assert!(err.contains("--keyring DIR"), "{err}");
    }
    std::fs::rename(other.keyring(), &keyring).expect("a rename");
    for words in [&["add", "robot-1"][..], &["revoke", "press-1", "--reason", "lost", "--yes"]] {
        let said = plant.gearmesh("gateway-1", words);
        let err = said.refused_saying("is of another plant");
        assert!(err.contains("--keyring DIR"), "{err}");
    }
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Online));
}

#[test]
fn a_keyring_with_a_damaged_or_open_key_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let (plant, _nodes) = running(&[]);
    let key = plant.keyring().join("root.key");
    let text = std::fs::read(&key).expect("a key");
    std::fs::write(&key, &text[..20]).expect("a write");
    let err = plant.gearmesh("gateway-1", &["add", "press-1"]).refused();
    assert!(err.contains("root.key is no") && err.contains("key"), "{err}");
    std::fs::write(&key, &text).expect("a write");
    let open = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&key, open).expect("a chmod");
    let err = plant.gearmesh("gateway-1", &["add", "press-1"]).refused();
    assert!(err.contains("root.key can be read by others"), "{err}");
}

#[test]
fn of_two_members_with_one_name_the_one_that_is_meant_is_said_by_its_key() {
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::trust::{Admission, TrustRecord};
    use gearmesh_tests::admin::{Admin, remember};
    use gearmesh_tests::api::Api;

    let (plant, nodes) = running(&["press-1"]);
    let admin = Admin::of(&plant.keyring());
    let mut api = Api::of(nodes[0].home());
    // The command line gives no name twice and the redeemer takes none; another admin's tool may.
    let node = PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[9; 32]));
    let terms = Terms {
        name: "press-1".parse().expect("a name"),
        roles: Bounded::first_of([Role::Machine]),
        scope: Some("twin".parse().expect("a scope")),
        subscribe: Bounded::new(),
        until: None,
    };
    let admission = TrustRecord::Admission(Admission { node, invitation: None, terms });
    remember(&plant.keyring(), &admin.sign(&mut api, admission));
    let members = plant.members("gateway-1");
    let twins: Vec<_> = members.iter().filter(|member| member.name == "press-1").collect();
    assert_eq!(twins.len(), 2, "{members:?}");
    let err = revoke(&plant, "press-1").refused_with(237);
    for twin in &twins {
        assert!(err.contains(&twin.key_words) && err.contains("--key"), "{err}");
    }
    let by = |key: &str| {
        let words = ["revoke", "press-1", "--key", key, "--reason", "lost", "--yes"];
        plant.gearmesh("gateway-1", &words)
    };
    let err = by("0000000000000000").refused_with(236);
    assert!(err.contains("0000000000000000"), "{err}");
    assert_eq!(by(&twins[0].key.to_string()[..10]).code, Some(0));
    let left = plant.members("gateway-1");
    let left = left.iter().filter(|member| member.name == "press-1");
    let left: Vec<_> = left.filter(|member| member.presence != Presence::Revoked).collect();
    assert!(matches!(left[..], [twin] if twin.key == twins[1].key), "{left:?}");
    assert_eq!(by(&twins[1].key_words).code, Some(0));
}

#[test]
fn revoking_the_last_registrar_or_oneself_says_what_that_means() {
    let (plant, _nodes) = running(&["press-1"]);
    let unasked = plant.gearmesh("gateway-1", &["revoke", "gateway-1", "--reason", "retired"]);
    let err = unasked.refused_with(251);
    assert!(err.contains("this very node") && err.contains("only registrar"), "{err}");
    let unasked = plant.gearmesh("gateway-1", &["revoke", "press-1", "--reason", "retired"]);
    let err = unasked.refused_with(251);
    assert!(!err.contains("WARNING"), "{err}");
}

fn secret(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a key").trim().to_owned()
}

#[test]
fn no_secret_appears_in_any_log_answer_or_list_of_processes() {
    let mut plant = Plant::empty();
    plant.log_as("trace");
    let mut said = Vec::new();
    let mut type_in = |plant: &Plant, name: &str, words: &[&str]| {
        let Said { out, err, .. } = plant.gearmesh(name, words);
        said.push(format!("{out}{err}"));
        out
    };
    type_in(&plant, "gateway-1", &["init", "Test plant", "--node-name", "gateway-1"]);
    let gateway = plant.up("gateway-1");
    let press = plant.up("press-1");
    let out = type_in(&plant, "gateway-1", &["add", "press-1", "--no-wait"]);
    let code = out.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let joined = plant.gearmesh_reading("press-1", &["join", "-"], code).ok();
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    for words in [&["status"][..], &["status", "--json"], &["members"], &["members", "--json"]] {
        type_in(&plant, "gateway-1", words);
        type_in(&plant, "press-1", words);
    }
    type_in(&plant, "press-1", &["join", &code[..20]]);
    type_in(&plant, "gateway-1", &["pub", "temperature", "21.5"]);
    type_in(&plant, "gateway-1", &["revoke", "press-1", "--reason", "lost", "--yes"]);
    let processes = [&gateway, &press].map(|node| {
        let line = std::fs::read(format!("/proc/{}/cmdline", node.id())).unwrap_or_default();
        String::from_utf8_lossy(&line).into_owned()
    });
    drop((gateway, press));

    said.push(joined);
    said.extend(processes);
    let logs = ["gateway-1", "press-1"].map(|name| plant.log(name));
    assert!(logs.iter().all(|log| log.contains("TRACE") || log.contains("DEBUG")), "they log all");
    let everything = [said.concat(), logs.concat()].concat().to_lowercase();
    let homes = ["gateway-1", "press-1"].map(|name| plant.home(name).join("node.key"));
    for key in homes.iter().chain([&plant.keyring().join("root.key")]) {
        assert!(!everything.contains(&secret(key)), "{} was shown", key.display());
    }
    // The code is shown once: to the admin who asked for it.
    assert_eq!(everything.matches(code).count(), 1, "the code was shown again");
}
