//! How long a gateway shares without anybody who would know of a revocation.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::local::Presence;
use gearmesh_protocol::time::UnixMillis;

use super::super::*;
use crate::core::plant::LinkId;
use crate::core::plant::view::LinkView;
use crate::core::plant::world::records::{admin, admit, machine, registrar};
use crate::core::plant::world::{Plant, key};

const START: UnixMillis = UnixMillis(1_795_356_180_000);

fn later(days: u64) -> UnixMillis {
    START.plus_ms(days * 24 * 3600 * 1000)
}

/// A gateway that is linked to a member, whose ledger equals its own or does not.
fn linked(plant: &Plant, me: &str, link: Option<(&str, bool)>) -> View {
    let mut view = View::without_plant(key(me));
    view.roster = Some(Arc::new(plant.roster()));
    view.links = link
        .into_iter()
        .map(|(peer, is_in_step)| {
            let link = LinkView {
                peer: key(peer),
                address: "/ip4/192.0.2.1/tcp/7400".to_owned().try_into().expect("an address"),
                interest: Arc::default(),
                presence: (Presence::Online, Duration::ZERO),
                is_in_step,
                leaves: BTreeMap::new(),
                acts: None,
            };
            (LinkId(1), link)
        })
        .collect();
    view
}

#[test]
fn a_week_without_a_registrar_or_admin_is_the_end_of_sharing_until_one_is_linked() {
    let mut plant = Plant::with_one_root();
    plant.write("root", admin("admin"));
    plant.write("admin", admit("gateway", machine("gateway")));
    plant.write("admin", admit("press", machine("press")));
    let alone = linked(&plant, "gateway", None);
    let mut word = Word::heard(START);
    word.listen(later(30), speaks(&alone));
    assert!(!word.is_old(later(30)), "nobody could say anything");

    plant.write("admin", admit("office", machine("office")));
    plant.write("admin", registrar("office"));
    for silent in [None, Some(("press", true)), Some(("office", false))] {
        let view = linked(&plant, "gateway", silent);
        let mut word = Word::heard(START);
        word.listen(later(6), speaks(&view));
        assert!(!word.is_old(later(6)), "{silent:?}");
        word.listen(later(7), speaks(&view));
        assert!(word.is_old(later(7)), "{silent:?}");
        let office = linked(&plant, "gateway", Some(("office", true)));
        word.listen(later(8), speaks(&office));
        assert!(!word.is_old(later(14)), "{silent:?}");
    }
    let mut word = Word::heard(START);
    word.listen(later(30), speaks(&linked(&plant, "office", None)));
    assert!(!word.is_old(later(30)), "it would know itself");

    // A clock that is set back by a year does not make a week of it.
    let silent = linked(&plant, "gateway", None);
    let mut word = Word::heard(later(365));
    word.listen(START, speaks(&silent));
    word.listen(later(7), speaks(&silent));
    assert!(word.is_old(later(7)));
}
