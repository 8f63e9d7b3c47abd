//! An outline against the whole log, for logs of any shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey, RecordId};
use gearmesh_protocol::log::{Header, LogId, LogKind, Tip};

use super::super::checking::Odd;
use super::super::trail::Trail;
use super::{LEAPS_MAX, Outline, RECENT_MAX};

/// A log of which nothing is missing, in the order in which members show it.
#[derive(Default)]
struct Log(Vec<(GroupId, Header)>);

impl Log {
    /// A log that forks and is settled as the seed has it, with at most four branches at a time.
    fn random(seed: u64, length: usize) -> Self {
        let mut drawn = seed;
        let mut draw = |below: usize| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(drawn >> 33).expect("a number") % below
        };
        let mut log = Self::default();
        for _ in 0..length {
            let ends = log.ends();
            let any: Vec<Tip> = log.0.iter().map(|(id, header)| Tip::of(*id, header)).collect();
            let after = match draw(12) {
                _ if ends.is_empty() => Vec::new(),
                0 if ends.len() < 4 => vec![any[draw(any.len())]],
                1 if ends.len() > 1 => ends,
                _ => vec![ends[draw(ends.len())]],
            };
            log.add(&after, u32::try_from(draw(4)).expect("a number"));
        }
        log.0.sort_by_key(|(id, header)| (header.number, *id));
        log
    }

    fn add(&mut self, after: &[Tip], entries: u32) -> Tip {
        let count = u8::try_from(self.0.len() % 251).expect("a number");
        let header = Header {
            log: LogId {
                author: PublicKey::of(&SigningKey::from_bytes(&[5; 32])),
                kind: LogKind::Data,
            },
            incarnation: Incarnation([count; 16]),
            number: after.iter().map(|tip| tip.number + 1).max().unwrap_or(0),
            parents: Bounded::first_of(after.iter().map(|tip| tip.group)),
            entries_before: after.first().map_or(0, |tip| tip.entries),
            acting_under: RecordId([0; 32]),
            entries,
            root: [0; 32],
        };
        let id = header.id();
        self.0.push((id, header));
        Tip::of(id, &self.0[self.0.len() - 1].1)
    }

    fn ends(&self) -> Vec<Tip> {
        let parents: BTreeSet<GroupId> =
            self.0.iter().flat_map(|(_, header)| header.parents.to_vec()).collect();
        let ends = self.0.iter().filter(|(id, _)| !parents.contains(id));
        ends.map(|(id, header)| Tip::of(*id, header)).collect()
    }

    /// A group with all before it.
    fn within(&self, leaf: &GroupId) -> BTreeSet<GroupId> {
        let (mut found, mut open) = (BTreeSet::new(), vec![*leaf]);
        while let Some(id) = open.pop() {
            if found.insert(id) {
                let header = &self.0.iter().find(|(it, _)| *it == id).expect("a group").1;
                open.extend(header.parents.iter().copied());
            }
        }
        found
    }

    fn drawn(&self, wanted: impl IntoIterator<Item = GroupId>) -> Outline {
        let outline = Outline::begin(wanted.into_iter().collect(), self.ends());
        let mut trail = Trail::drawing(outline, false);
        for (id, header) in &self.0 {
            assert_eq!(trail.pass(*id, header).expect("it goes on").leap, None);
        }
        trail.outline().expect("an outline").clone()
    }
}

#[test]
fn what_lies_before_what_is_told_as_by_the_whole_log() {
    for seed in 0..200 {
        let log = Log::random(seed, 40);
        let wanted: Vec<GroupId> = log.0.iter().step_by(7).map(|(id, _)| *id).collect();
        let outline = Arc::new(log.drawn(wanted.iter().copied()));
        let mut reader = Trail::default();
        reader.learn(Arc::clone(&outline), true);
        let mut places = BTreeMap::new();
        for (id, header) in &log.0 {
            let step = reader.pass(*id, header).expect("it goes on");
            assert_eq!(step.leap, None, "seed {seed}");
            places.insert(*id, step.place.expect("a place"));
        }
        let longest = outline.chain().ends()[0].group;
        let main = log.within(&longest);
        for (id, place) in &places {
            for leaf in &wanted {
                let is_within = log.within(leaf).contains(id);
                assert_eq!(outline.is_within(*place, &[*leaf]), is_within, "seed {seed}");
            }
            assert_eq!(outline.is_beside(*place), !main.contains(id), "seed {seed}");
        }
    }
}

#[test]
fn a_reader_goes_on_from_any_place_and_nothing_comes_twice() {
    for seed in 0..200 {
        let log = Log::random(seed, 40);
        let leaf = log.0[usize::try_from(seed).expect("a number") % log.0.len()].0;
        let passed = log.within(&leaf);
        let outline = Arc::new(log.drawn([leaf]));
        let tip = log.0.iter().find(|(id, _)| *id == leaf).expect("a group");
        let mut reader = Trail::after(vec![Tip::of(leaf, &tip.1)]);
        reader.learn(outline, true);
        for (id, header) in log.0.iter().filter(|(id, _)| !passed.contains(id)) {
            assert_eq!(reader.pass(*id, header).expect("it goes on").leap, None, "seed {seed}");
            for (old, header) in log.0.iter().filter(|(old, _)| passed.contains(old)) {
                let again = reader.clone().pass(*old, header);
                assert!(
                    matches!(again, Err(Odd::Repeated | Odd::Beside)),
                    "seed {seed}: {again:?}"
                );
            }
        }
    }
}

#[test]
fn an_outline_does_not_grow_with_the_log() {
    let mut log = Log::default();
    let mut end = log.add(&[], 1);
    let fork = end;
    for _ in 0..3000 {
        end = log.add(&[end], 1);
    }
    let side = log.add(&[fork], 1);
    log.add(&[end, side], 0);
    log.0.sort_by_key(|(id, header)| (header.number, *id));
    let outline = log.drawn([]);
    assert!(outline.recent.len() <= RECENT_MAX);
    assert!(outline.noted.len() <= 4, "{} groups are noted", outline.noted.len());
}

#[test]
fn what_is_missing_before_a_branch_and_its_trunk_is_counted_once() {
    let mut log = Log::default();
    let mut trunk = vec![log.add(&[], 2)];
    for _ in 0..9 {
        trunk.push(log.add(&[trunk[trunk.len() - 1]], 2));
    }
    let twig = log.add(&[trunk[3]], 5);
    log.0.sort_by_key(|(id, header)| (header.number, *id));
    // The trunk up to 7 was let go; the last segment of a branch never is.
    let is_kept = |header: &Header, id: &GroupId| *id == twig.group || header.number > 7;
    log.0.retain(|(id, header)| is_kept(header, id));
    let ends = [trunk[9], twig];
    let mut drawing = Trail::drawing(Outline::begin(BTreeSet::new(), ends.to_vec()), false);
    let gaps = |trail: &mut Trail| {
        let leap =
            |(id, header): &(GroupId, Header)| trail.pass(*id, header).expect("it fits").leap;
        log.0.iter().map(leap).collect::<Vec<_>>()
    };
    assert_eq!(gaps(&mut drawing), [Some(8), Some(8), None]);
    let mut reader = Trail::default();
    reader.learn(Arc::new(drawing.outline().expect("an outline").clone()), true);
    assert_eq!(gaps(&mut reader), [Some(8), Some(8), None]);
}

#[test]
fn a_log_with_holes_beyond_a_bound_is_not_drawn() {
    let mut log = Log::default();
    let mut end = log.add(&[], 1);
    for _ in 0..2 * LEAPS_MAX + 4 {
        end = log.add(&[end], 1);
    }
    let mut trail = Trail::drawing(Outline::default(), false);
    let passed = log.0.iter().step_by(2).map(|(id, header)| trail.pass(*id, header));
    let refused: Vec<Odd> = passed.filter_map(Result::err).collect();
    assert_eq!(refused, [Odd::TooForked, Odd::TooForked]);
}
