//! The graph that all members compute, and whom a follower wants.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::topic::TopicFilter;
use proptest::prelude::*;

use super::super::data::{REPLICAS, replicas_of};
use super::{DEGREE_MAX, FULL_MESH_MAX, Wanted, neighbours};
use crate::core::plant::world::{self, key, records};

type Graph = BTreeMap<PublicKey, BTreeSet<PublicKey>>;

fn members(count: usize) -> Vec<PublicKey> {
    (0..count).map(|number| key(&format!("member-{number}"))).collect()
}

fn graph(plant: &PlantId, members: &[PublicKey]) -> Graph {
    members.iter().map(|me| (*me, neighbours(plant, me, members.iter()))).collect()
}

/// Steps from one member to the farthest; none if somebody is not reached.
fn reach(graph: &Graph, from: &PublicKey) -> Option<usize> {
    let mut steps = BTreeMap::from([(*from, 0)]);
    let mut open = VecDeque::from([*from]);
    while let Some(member) = open.pop_front() {
        let next = steps[&member] + 1;
        for other in &graph[&member] {
            if !steps.contains_key(other) {
                steps.insert(*other, next);
                open.push_back(*other);
            }
        }
    }
    (steps.len() == graph.len()).then(|| steps.values().copied().max().unwrap_or_default())
}

fn changed(before: &Graph, after: &Graph) -> usize {
    let touched = before.iter().filter(|(member, old)| after.get(*member) != Some(*old));
    touched.count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_graph_is_symmetric_connected_and_of_bounded_degree(
        count in 2_usize..120, plant in any::<[u8; 32]>(), skip in 0_usize..1_000,
    ) {
        let all = members(count + skip % 7);
        let members = &all[skip % 7..];
        let graph = graph(&PlantId(plant), members);
        for (one, its) in &graph {
            prop_assert!(its.len() <= DEGREE_MAX && !its.contains(one));
            prop_assert!(its.iter().all(|other| graph[other].contains(one)));
        }
        prop_assert!(reach(&graph, &members[0]).is_some());
    }

    #[test]
    fn who_joins_or_leaves_changes_the_neighbours_of_those_beside_it_alone(
        count in 20_usize..120, plant in any::<[u8; 32]>(),
    ) {
        let all = members(count);
        let (after, before) = (graph(&PlantId(plant), &all), graph(&PlantId(plant), &all[1..]));
        prop_assert!(changed(&before, &after) <= DEGREE_MAX);
    }
}

/// A random graph in which each has eight neighbours has a logarithm of steps across.
#[test]
fn from_anybody_to_anybody_it_is_a_few_steps() {
    for (count, most) in [(65, 4), (300, 5), (1_000, 6)] {
        let members = members(count);
        let graph = graph(&PlantId([7; 32]), &members);
        let reaches = members.iter().step_by(count / 50 + 1).map(|from| reach(&graph, from));
        let across = reaches.max().flatten().expect("all are reached");
        assert!(across <= most, "{count} members: {across} steps");
    }
}

#[test]
fn a_quarter_of_the_members_away_for_long_does_not_part_the_others() {
    let members = members(200);
    let plant = PlantId([7; 32]);
    let living: Vec<PublicKey> =
        members.iter().enumerate().filter(|(at, _)| at % 4 != 0).map(|(_, key)| *key).collect();
    assert!(reach(&graph(&plant, &living), &living[0]).is_some());
}

fn plant_of(count: usize) -> world::Plant {
    let mut plant = world::Plant::at_work();
    for number in 0..count {
        let name = format!("machine-{number}");
        plant.write("admin", records::admit(&name, records::machine(&name)));
    }
    plant
}

fn filters(texts: &[&str]) -> Vec<TopicFilter> {
    texts.iter().map(|text| text.parse().expect("a filter")).collect()
}

#[test]
fn in_a_small_plant_everybody_is_wanted() {
    let roster = plant_of(FULL_MESH_MAX).roster();
    let wanted = Wanted::of(&roster, &key("machine-0"), &[]);
    assert!(wanted.is_full_mesh() && wanted.wants(&key("machine-63")));
}

#[test]
fn in_a_large_plant_neighbours_are_wanted_and_those_who_are_followed() {
    let roster = plant_of(FULL_MESH_MAX + 36).roster();
    let me = key("machine-0");
    let mut wanted = Wanted::of(&roster, &me, &[]);
    let neighbours: Vec<PublicKey> = wanted.iter().copied().collect();
    assert!((4..=DEGREE_MAX).contains(&neighbours.len()));
    wanted.follow(&roster, &me, &filters(&["machine-7/force", "machine-9/#", "no-such/#"]));
    for number in [7, 9] {
        assert!(wanted.wants(&key(&format!("machine-{number}"))));
    }
    assert!(wanted.iter().count() <= neighbours.len() + 2);
    wanted.follow(&roster, &me, &filters(&["+/temperature"]));
    assert_eq!(wanted.iter().count(), FULL_MESH_MAX + 35, "everybody but itself");
    wanted.follow(&roster, &me, &[]);
    assert!(wanted.iter().eq(&neighbours));
}

#[test]
fn members_away_for_long_are_bridged_and_stay_wanted() {
    let roster = plant_of(FULL_MESH_MAX + 36).roster();
    let me = key("machine-0");
    let mut wanted = Wanted::of(&roster, &me, &[]);
    let standing: BTreeSet<PublicKey> = wanted.iter().copied().collect();
    let away = *standing.iter().next().expect("a neighbour");
    wanted.bridge(&roster, &me, |member| *member == away);
    assert!(standing.iter().all(|member| wanted.wants(member)));
    assert!(wanted.iter().count() > standing.len(), "the next on that side is wanted too");
    wanted.bridge(&roster, &me, |_| false);
    assert!(wanted.iter().eq(&standing));
}

#[test]
fn who_is_to_have_copies_is_wanted_once_there_is_a_log() {
    let roster = plant_of(FULL_MESH_MAX + 36).roster();
    let me = key("machine-0");
    let mut wanted = Wanted::of(&roster, &me, &[]);
    let standing = wanted.iter().count();
    wanted.have_copied(&roster, &me);
    let replicas: BTreeSet<PublicKey> = replicas_of(&roster, &me).collect();
    assert_eq!(replicas.len(), REPLICAS);
    assert!(replicas.iter().all(|member| wanted.wants(member)));
    let all: Vec<&PublicKey> = wanted.iter().collect();
    assert!(all.len() <= standing + REPLICAS);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each is named once");
    wanted.follow(&roster, &me, &filters(&["+/temperature"]));
    assert_eq!(wanted.iter().count(), FULL_MESH_MAX + 35);
}
