//! The life of members: their terms change, their time ends, others take their place.

use gearmesh_protocol::grant::Role;
use gearmesh_protocol::local::{MemberStatus, Presence};
use gearmesh_tests::admin::{Admin, remember};
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::values::{consumed, publish, sorted, withheld};
use gearmesh_tests::wait::until;

fn set(plant: &Plant, name: &str, more: &[&str]) -> Said {
    plant.gearmesh("gateway-1", &[&["set", name], more].concat())
}

/// A node's own membership, as it knows it.
fn own(plant: &Plant, node: &str) -> Option<MemberStatus> {
    plant.status(node).plant?.me
}

fn wait_for_own(plant: &Plant, node: &str, is_so: impl Fn(&MemberStatus) -> bool) {
    until(&format!("{node} heard of its terms"), || own(plant, node).filter(&is_so));
}

#[test]
fn a_running_machine_gets_another_name_and_scope_and_what_it_wrote_stays() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    publish(&plant, "press-1", 1, "replicated=1");
    let said = set(&plant, "press-1", &["--name", "press-7"]).ok();
    assert!(said.starts_with("press-1 is now press-7  (machine), scope press-1\n"), "{said}");
    assert!(said.contains("confirmed    gateway-1, press-7"), "{said}");
    // Confirmed is known: nobody has to be waited for.
    assert_eq!(own(&plant, "press-1").expect("a member").name, "press-7");
    publish(&plant, "press-1", 2, "replicated=1");
    let said = set(&plant, "press-7", &["--scope", "hall/press-7"]).ok();
    assert!(said.contains("scope hall/press-7"), "{said}");
    publish(&plant, "press-1", 3, "replicated=1");
    for node in ["gateway-1", "press-1"] {
        assert_eq!(sorted(&plant, node, "press-1/part/#"), [1, 2], "at {node}");
        assert_eq!(sorted(&plant, node, "hall/press-7/part/#"), [3], "at {node}");
        assert_eq!(withheld(&plant, node, "#"), 0, "at {node}");
    }
    let _ = plant.gearmesh("gateway-1", &["sub", "hall/press-7/host/#", "--count", "1"]).ok();
    assert!(plant.status("gateway-1").alarms.is_empty());
}

#[test]
fn a_machine_becomes_an_observer_and_a_machine_again() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let _ = set(&plant, "press-1", &["--role", "observer"]).ok();
    let _ = plant.gearmesh("press-1", &["pub", "part/count", "1"]).refused_with(130);
    let _ = set(&plant, "press-1", &["--role", "machine", "--role", "gateway"]).ok();
    let roles = own(&plant, "press-1").expect("a member").roles;
    assert_eq!(roles, [Role::Machine, Role::Gateway]);
    publish(&plant, "press-1", 2, "replicated=1");
    assert_eq!(sorted(&plant, "gateway-1", "press-1/part/#"), [2]);
}

#[test]
fn a_panel_sees_what_it_is_given_and_no_more() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let _ = set(&plant, "press-1", &["--see", "press-1/#", "--see", "hall/#"]).ok();
    let _ = plant.gearmesh("press-1", &["sub", "gateway-1/#"]).refused_with(131);
    let _ = set(&plant, "press-1", &["--see", "#"]).ok();
    let _ = plant.gearmesh("press-1", &["sub", "gateway-1/host/#", "--count", "1"]).ok();
}

#[test]
fn names_and_scopes_of_others_and_terms_that_stand_are_refused() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let _code = plant.code("robot-1", &["--scope", "hall/robot-1"]);
    let _ = set(&plant, "press-1", &["--name", "gateway-1"]).refused_with(232);
    let _ = set(&plant, "press-1", &["--name", "robot-1"]).refused_with(233);
    let _ = set(&plant, "press-1", &["--scope", "hall"]).refused_with(234);
    let _ = set(&plant, "press-1", &["--scope", "gateway-1/x"]).refused_with(234);
    let _ = set(&plant, "press-9", &["--name", "press-2"]).refused_with(236);
    let err = set(&plant, "press-1", &["--role", "machine"]).refused_with(320);
    assert!(err.contains("press-1 is like that already: (machine), scope press-1"), "{err}");
    assert_eq!(set(&plant, "press-1", &["--until", "2020-01-01"]).code, Some(2));
    assert_eq!(own(&plant, "press-1").expect("a member").name, "press-1");
}

#[test]
fn a_membership_ends_by_itself_is_told_so_and_can_be_given_more_time() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let said = set(&plant, "press-1", &["--until", "2s"]).ok();
    assert!(said.contains(", until 20"), "{said}");
    plant.wait_for("gateway-1", "press-1", Presence::Unreachable);
    let refused = until("press-1 is told", || plant.status("press-1").refused);
    assert_eq!(refused.code, 111);
    let _ = plant.gearmesh("press-1", &["pub", "part/count", "1"]).refused_with(111);
    let why = plant.gearmesh("gateway-1", &["why", "press-1"]).ok();
    assert!(
        why.contains("its membership ended on") && why.contains("set press-1 --until"),
        "{why}"
    );
    let _ = set(&plant, "press-1", &["--until", "never"]).ok();
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    wait_for_own(&plant, "press-1", |me| me.until.is_none());
    publish(&plant, "press-1", 2, "replicated=1");
}

#[test]
fn terms_that_two_admins_gave_at_once_are_made_one_again() {
    use gearmesh_protocol::bounded::Bounded;
    use gearmesh_protocol::membership::StandingTerms;
    use gearmesh_protocol::trust::{Amendment, TrustRecord};

    let (plant, _, gateway, _press) = Plant::of_two();
    let (admin, mut api) = (Admin::of(&plant.keyring()), Api::of(gateway.home()));
    let node = plant.status("press-1").key;
    let asked = format!("/v1/trust/terms?key={node}");
    let standing: Vec<StandingTerms> = api.get(&asked).read();
    let replaces = standing.first().expect("terms").record;
    for roles in [Bounded::first_of([Role::Gateway]), Bounded::first_of([Role::Observer])] {
        let terms = standing.first().expect("terms").terms.clone();
        let terms = gearmesh_protocol::grant::Terms { roles, ..terms };
        let data_leaves = Bounded::new();
        let amendment = Amendment { node, replaces, terms, data_leaves };
        let group = admin.sign(&mut api, TrustRecord::Amendment(amendment));
        remember(&plant.keyring(), &group);
    }
    let why = plant.gearmesh("gateway-1", &["why", "press-1"]).ok();
    assert!(why.contains("different terms at the same time"), "{why}");
    assert!(why.contains("gearmesh set press-1 --role"), "{why}");
    let _ = set(&plant, "press-1", &["--role", "machine"]).ok();
    assert_eq!(own(&plant, "press-1").expect("a member").roles, [Role::Machine]);
    assert!(plant.status("gateway-1").alarms.is_empty());
}

fn replace(plant: &Plant, name: &str) -> Said {
    plant.gearmesh("gateway-1", &["replace", name, "--yes", "--no-wait"])
}

#[test]
fn a_new_machine_takes_the_place_of_another_with_its_name_scope_roles_and_subscriptions() {
    let (plant, _, gateway, press) = Plant::of_two();
    let _ = set(&plant, "press-1", &["--scope", "hall/press-1", "--role", "gateway"]).ok();
    for number in 0..3 {
        publish(&plant, "gateway-1", number, "replicated=1");
    }
    assert_eq!(consumed(&plant, "press-1", 3), [0, 1, 2]);
    publish(&plant, "press-1", 10, "replicated=1");
    press.kill();
    plant.wait_for("gateway-1", "press-1", Presence::Unreachable);
    let said = replace(&plant, "press-1").ok();
    assert!(said.starts_with("press-1 is revoked (replaced). It never comes back.\n"), "{said}");
    let root = Admin::of(&plant.keyring()).public();
    let records = Api::of(gateway.home()).trust_log(&root).records;
    let [.., revokes, invites] = &records[..] else { panic!("{records:?}") };
    assert_eq!(revokes.text, "revokes press-1 (replaced)");
    assert!(invites.text.starts_with("invites press-1 until "), "{invites:?}");
    assert_eq!(revokes.group, invites.group, "nobody has the one without the other");

    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    publish(&plant, "gateway-1", 3, "local");
    let joined = plant.gearmesh("spare", &["join", code]).ok();
    assert!(joined.contains("As      press-1  (gateway)"), "{joined}");
    assert!(joined.contains("Scope   hall/press-1"), "{joined}");
    let _spare = plant.up("spare");
    plant.wait_for("spare", "gateway-1", Presence::Online);
    // It goes on where the old one was: what that had read does not come again.
    let mut read = consumed(&plant, "spare", 2);
    read.sort_unstable();
    assert_eq!(read, [3, 10]);
    publish(&plant, "spare", 11, "replicated=1");
    assert_eq!(sorted(&plant, "gateway-1", "hall/press-1/part/#"), [10, 11]);
    assert!(plant.status("gateway-1").alarms.is_empty());

    let _press = plant.up("press-1");
    let refused = until("the old one is told", || plant.status("press-1").refused);
    assert_eq!(refused.code, 110);
}

#[test]
fn nobody_is_replaced_without_a_yes_by_a_name_that_nobody_has_or_by_itself() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let root = Admin::of(&plant.keyring()).public();
    let before = plant.records("gateway-1", &root);
    let err = plant.gearmesh("gateway-1", &["replace", "press-1"]).refused_with(251);
    assert!(err.contains("thrown out for good"), "{err}");
    let _ = replace(&plant, "press-9").refused_with(236);
    let _ = replace(&plant, "gateway-1").refused_with(321);
    let at_press = plant.gearmesh("press-1", &["replace", "gateway-1", "--yes"]);
    let _ = at_press.refused_with(230);
    assert_eq!(plant.records("gateway-1", &root), before, "nothing was signed");
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Online));
}

fn leave(plant: &Plant, words: &[&str]) -> Said {
    plant.gearmesh("press-1", &[&["leave"], words].concat())
}

#[test]
fn a_machine_leaves_by_its_own_word_and_what_it_wrote_stays() {
    let (plant, _, _gateway, press) = Plant::of_two();
    plant.join("robot-1");
    let _robot = plant.up("robot-1");
    for at in ["press-1", "gateway-1"] {
        plant.wait_for("robot-1", at, Presence::Online);
    }
    publish(&plant, "press-1", 1, "replicated=2");
    let err = leave(&plant, &[]).refused_with(251);
    assert!(err.contains("press-1") && err.contains("leaves the plant for good"), "{err}");
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Online));
    let said = leave(&plant, &["--yes"]).ok();
    assert!(said.starts_with("press-1 has left the plant."), "{said}");
    assert!(said.contains("gateway-1, robot-1 know it"), "{said}");
    for at in ["gateway-1", "robot-1"] {
        plant.wait_for(at, "press-1", Presence::Revoked);
        assert_eq!(sorted(&plant, at, "press-1/part/#"), [1], "at {at}");
        assert!(plant.status(at).alarms.is_empty(), "at {at}");
    }
    let _ = plant.gearmesh("press-1", &["pub", "part/count", "2"]).refused_with(110);
    let _ = leave(&plant, &["--yes"]).refused_with(110);
    assert_eq!(press.stop(), Some(0));

    // Its name is free, and it stays out after a restart of everybody.
    let _press = plant.up("press-1");
    let refused = until("it knows", || plant.status("press-1").refused);
    assert_eq!(refused.code, 110);
    let code = plant.code("press-1", &[]);
    let _ = plant.gearmesh("spare", &["join", &code]).ok();
}

#[test]
fn nobody_leaves_unheard_or_with_values_that_nobody_else_has() {
    let (plant, _, gateway, _press) = Plant::of_two();
    let _ = set(&plant, "gateway-1", &["--role", "observer"]).ok();
    publish(&plant, "press-1", 1, "local");
    let _ = leave(&plant, &["--yes"]).refused_with(339);
    gateway.kill();
    plant.wait_for("press-1", "gateway-1", Presence::Unreachable);
    let _ = leave(&plant, &["--yes", "--lose-values"]).refused_with(338);
    assert_eq!(own(&plant, "press-1").expect("a member still").name, "press-1");
    let _gateway = plant.up("gateway-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let _ = leave(&plant, &["--yes", "--lose-values"]).ok();
    plant.wait_for("gateway-1", "press-1", Presence::Revoked);

    let stranger = Plant::empty();
    let _node = stranger.up("press-1");
    let _ = leave(&stranger, &["--yes"]).refused_with(112);
}
