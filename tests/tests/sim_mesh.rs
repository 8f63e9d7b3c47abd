//! A plant too large for a full mesh, in virtual time: all see all, and all hear of a join and of a
//! revocation within seconds.

use std::time::Duration;

use gearmesh_node::core::plant::overlay::DEGREE_MAX;
use gearmesh_tests::world::mass::Mass;

/// Members of the plant; `measure -- mesh 5000` runs more.
const COUNT: usize = 150;

#[test]
fn all_see_all_and_hear_of_a_join_and_a_revocation() {
    let mut mass = Mass::new(1, COUNT);
    let started = mass.until(Duration::from_secs(30), |mass| mass.all_see(COUNT));
    assert!(started, "not all see all: {:?}", mass.sees());
    assert!(mass.links() <= COUNT * DEGREE_MAX, "{} links", mass.links());

    mass.sent = Default::default();
    let began = mass.now();
    let key = mass.join();
    let end = began + Duration::from_secs(10);
    assert!(mass.until(end, |mass| mass.all_know(&key, true, None)), "a join is not known to all");
    let knew = mass.now() - began;
    let groups = mass.sent.by_name.get("ledger").map_or(0, |(frames, _)| *frames);
    assert!(groups <= 3 * COUNT as u64, "{groups} pages for one record in {COUNT} nodes");
    let end = began + Duration::from_secs(30);
    let seen = mass.until(end, |mass| mass.all_see(COUNT + 1));
    assert!(seen, "the new member is not seen by all: {:?}", mass.sees());

    let began = mass.now();
    let key = mass.revoke(COUNT / 2, 7);
    let end = began + Duration::from_secs(10);
    let known = mass.until(end, |mass| mass.all_know(&key, false, Some(COUNT / 2)));
    assert!(known, "a revocation is not known to all");
    let revoked = mass.now() - began;
    assert!(mass.linked(COUNT / 2).is_empty(), "nobody keeps a link to who is thrown out");
    assert!(knew.max(revoked) < Duration::from_secs(3), "{knew:?}, {revoked:?}");
}
