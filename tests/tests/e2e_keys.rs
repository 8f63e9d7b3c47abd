//! A keyring used in two places: its copy asks before it signs on.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};
use gearmesh_tests::admin::Admin;
use gearmesh_tests::api::Api;
use gearmesh_tests::daemon::Plant;

fn revocation(key: PublicKey) -> TrustRecord {
    let target = Target::Key(key);
    TrustRecord::Revocation(Revocation { target, reason: Reason::Lost, cut: Bounded::new() })
}

#[test]
fn a_keyring_asks_before_it_signs_beside_or_on_top_of_what_it_did_not_write() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let admin = Admin::of(&plant.keyring());
    let mut api = Api::of(gateway.home());
    for machine in ["press-1", "robot-1", "packer-1"] {
        plant.join(machine);
    }
    let key_of = |name: &str| {
        let members = plant.members("gateway-1");
        members.iter().find(|member| member.name == name).expect("a member").key
    };

    // In one chain: somebody with a copy of the key signs after the keyring.
    let own = api.trust_log(&admin.public()).leaves[0];
    admin.sign(&mut api, revocation(key_of("press-1")));
    let refuse = |what: &str| {
        let before = plant.records("gateway-1", &admin.public());
        let said = plant.gearmesh("gateway-1", &["add", "spare-1", "--no-wait"]);
        let err = said.refused_saying("nothing was signed");
        assert!(err.contains("records that this keyring did not write"), "{what}: {err}");
        assert!(err.contains("revokes press-1"), "{what}: the record is shown: {err}");
        assert!(err.contains("type this on a terminal and answer yes"), "{what}: {err}");
        assert_eq!(plant.records("gateway-1", &admin.public()), before, "{what}");
        err
    };
    let err = refuse("one chain");
    assert!(err.contains("what you sign now follows them"), "{err}");

    // Beside it: the keyring's own branch is there, and the thief's is longer.
    admin.sign(&mut api, revocation(key_of("robot-1")));
    admin.sign_after(&mut api, own, revocation(key_of("packer-1")));
    assert_eq!(api.trust_log(&admin.public()).leaves.len(), 2, "a fork");
    let err = refuse("a fork without an own end");
    assert!(err.contains("last record, and the fork stays"), "{err}");
}

#[test]
fn a_fork_is_shown_even_if_one_of_its_ends_is_the_keyrings_own() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let admin = Admin::of(&plant.keyring());
    let mut api = Api::of(gateway.home());
    let founding = api.trust_log(&admin.public()).leaves[0];
    plant.join("press-1");
    // The keyring's own last record is an end of the log, and so is this one.
    let press = plant.members("gateway-1");
    let press = press.iter().find(|member| member.name == "press-1").expect("press-1").key;
    admin.sign_after(&mut api, founding, revocation(press));
    assert_eq!(api.trust_log(&admin.public()).leaves.len(), 2, "a fork");
    let said = plant.gearmesh("gateway-1", &["add", "spare-1", "--no-wait"]);
    let err = said.refused_saying("nothing was signed");
    assert!(err.contains("revokes press-1"), "{err}");
    assert!(err.contains("last record, and the fork stays"), "{err}");
}
