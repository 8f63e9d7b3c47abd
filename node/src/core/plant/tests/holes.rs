//! What a member counts for whose copy lacks something: for what it has, and for nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::durable::{acknowledged, publish, ready, says, stored, the_store, told, write_one};
use super::stage::{Node, answers};
use crate::core::plant::chain::{Chain, Found, Gap, Placing};
use crate::core::plant::data::{DataEffect, DataInput, Kept};
use crate::core::plant::world::key;
use crate::core::plant::{Effect, Input, LinkId};

/// A member with its disk.
struct Member {
    node: Node,
    link: LinkId,
    chain: Chain,
    here: Vec<Found>,
}

impl Member {
    /// One with a link to the author and one to somebody who lies.
    fn new() -> (Self, LinkId) {
        let mut node = ready("right");
        let link = node.link("left");
        let liar = node.link("registrar");
        (Self { node, link, chain: Chain::default(), here: Vec::new() }, liar)
    }

    /// Somebody says where the author's log ends, and gives groups behind so many missing entries.
    /// What the member says of its copy then.
    fn is_given(
        &mut self,
        link: LinkId,
        end: Tip,
        groups: &[Arc<VerifiedGroup>],
        gap: u64,
    ) -> Vec<DataFrame> {
        says(&mut self.node, link, "left", &[end]);
        self.takes(link, groups, gap)
    }

    /// It was asked for, and comes.
    fn takes(&mut self, link: LinkId, groups: &[Arc<VerifiedGroup>], gap: u64) -> Vec<DataFrame> {
        let (author, groups) = (key("left"), groups.to_vec());
        let page = DataInput::Groups { link, author, groups, gap, is_last: true };
        let effects = self.node.feed(Input::Data(page));
        let (write, kept) = self.store(&effects);
        let effects = self.node.feed(Input::Data(DataInput::Stored { write, kept }));
        told(&effects, self.link)
    }

    fn store(&mut self, effects: &[Effect]) -> (u64, Vec<Kept>) {
        let apart = effects.iter().find_map(|effect| match effect {
            Effect::Data(DataEffect::Store { is_apart, .. }) => Some(*is_apart),
            _ => None,
        });
        let (write, groups) = the_store(effects);
        let kept = groups.iter().map(|group| self.keep(group, apart == Some(true))).collect();
        (write, kept)
    }

    fn keep(&mut self, group: &VerifiedGroup, is_apart: bool) -> Kept {
        let find = |_, id: &_| self.here.iter().find(|found| found.tip.group == *id).copied();
        let placing = match self.chain.place(group.header(), &group.id(), find) {
            Placing::MissingParent if is_apart => self.chain.place_apart(group.header(), find),
            other => other,
        };
        let Placing::Put(put) = placing else { panic!("{placing:?}") };
        self.chain.placed(group.tip(), &put);
        self.here.push(Found { branch: put.branch, tip: group.tip() });
        Kept { is_new: true, fills: false, extent: self.chain.extent() }
    }
}

/// The author hears what a member says of its copy.
fn hears(author: &mut Node, link: LinkId, frames: &[DataFrame]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for frame in frames {
        match frame.clone() {
            DataFrame::Ends(ends) => {
                let ends = ends.into_vec();
                effects.extend(author.feed(Input::Data(DataInput::Ends { link, ends })));
            }
            DataFrame::Parts(parts) => {
                let parts = parts.into_vec();
                effects.extend(author.feed(Input::Data(DataInput::Parts { link, parts })));
            }
            other => assert!(matches!(other, DataFrame::Pull { .. }), "{other:?}"),
        }
    }
    effects
}

#[test]
fn a_member_is_not_counted_for_what_lies_in_a_hole_of_its_copy() {
    let mut author = ready("left");
    let link = author.link("right");
    let (mut member, liar) = Member::new();
    let first = write_one(&mut author, 0);
    hears(&mut author, link, &member.is_given(member.link, first.tip(), &[first], 0));
    let mut written = Vec::new();
    for number in 1..=2_u8 {
        let (ticket, effects) = publish(&mut author, &[number], AckLevel::Replicated(1));
        let (write, groups) = the_store(&effects);
        stored(&mut author, write, &groups);
        written.push((ticket, Arc::clone(&groups[0])));
    }
    let [(before, hidden), (after, shown)] = [written[0].clone(), written[1].clone()];
    let invented = Tip { number: 99, ..shown.tip() };
    let said = member.is_given(liar, invented, &[shown], 1);
    let told = acknowledged(&hears(&mut author, link, &said));
    assert_eq!(told.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [after]);

    // It is counted as soon as it has it.
    let gaps = member.chain.branches().values().flat_map(|branch| branch.gaps.clone());
    let gaps = BTreeMap::from([(key("left"), gaps.collect())]);
    member.node.feed(Input::Data(DataInput::Surveyed { gaps }));
    let said = member.takes(member.link, &[hidden], 0);
    let told = acknowledged(&hears(&mut author, link, &said));
    assert_eq!(told.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [before]);
}

#[test]
fn a_member_is_not_counted_for_what_lies_before_its_copy() {
    let mut author = ready("left");
    let link = author.link("right");
    let (mut member, liar) = Member::new();
    let (_, effects) = publish(&mut author, b"0", AckLevel::Replicated(1));
    let (write, groups) = the_store(&effects);
    stored(&mut author, write, &groups);
    let shown = write_one(&mut author, 1);
    let said = member.is_given(liar, shown.tip(), &[shown], 1);
    assert!(answers(&hears(&mut author, link, &said)).is_empty(), "{said:?}");
}

#[test]
fn a_hole_that_nobody_can_fill_does_not_hold_up_the_next_one() {
    let mut author = ready("left");
    let written: Vec<_> = (0..6).map(|number| write_one(&mut author, number)).collect();
    let tip = |number: usize| written[number].tip();
    let hole = |until: usize| Gap { after: Some(tip(until - 1)), until: tip(until) };
    let holes = BTreeMap::from([(key("left"), vec![hole(1), hole(3)])]);
    let mut node = ready("right");
    node.restart_holding(&[(key("left"), vec![tip(5)])]);
    let links = ["left", "registrar"].map(|peer| node.link_with(peer, |_| ()).0);
    for link in links {
        says(&mut node, link, "left", &[tip(5)]);
    }
    // Both give what is here already: they lack the first hole's group too.
    let mut asked = Vec::new();
    for _ in 0..4 {
        let surveyed = DataInput::Surveyed { gaps: holes.clone() };
        let effects = node.feed(Input::Data(surveyed));
        let Some((link, after)) = pulled(&effects) else { continue };
        asked.push((link, after));
        let groups = vec![Arc::clone(&written[5])];
        let page = DataInput::Groups { link, author: key("left"), groups, gap: 1, is_last: true };
        let (write, _) = the_store(&node.feed(Input::Data(page)));
        let kept = vec![Kept { is_new: false, fills: false, extent: vec![tip(5)].into() }];
        node.feed(Input::Data(DataInput::Stored { write, kept }));
    }
    let (one, two) = (tip(0), tip(2));
    assert_eq!(asked, [(links[0], one), (links[1], one), (links[0], two), (links[1], two)]);
}

#[test]
fn a_member_that_names_an_end_it_does_not_have_holds_up_no_hole() {
    let mut author = ready("left");
    let written: Vec<_> = (0..4).map(|number| write_one(&mut author, number)).collect();
    let tip = |number: usize| written[number].tip();
    let hole = Gap { after: Some(tip(0)), until: tip(1) };
    let mut node = ready("right");
    node.restart_holding(&[(key("left"), vec![tip(3)])]);
    let (link, _) = node.link_with("left", |_| ());
    let (liar, _) = node.link_with("registrar", |_| ());
    says(&mut node, link, "left", &[tip(3)]);
    let (asked, _) = pulled(&says(&mut node, liar, "left", &[Tip { number: 99, ..tip(2) }]))
        .expect("it may have more");
    assert_eq!(asked, liar);
    let (author, groups) = (key("left"), Vec::new());
    let nothing = DataInput::Groups { link: liar, author, groups, gap: 0, is_last: true };
    node.feed(Input::Data(nothing));
    let gaps = BTreeMap::from([(author, vec![hole])]);
    let effects = node.feed(Input::Data(DataInput::Surveyed { gaps }));
    assert_eq!(pulled(&effects).map(|(_, after)| after), Some(tip(0)));
}

/// Whom the node asks for what follows which group.
fn pulled(effects: &[Effect]) -> Option<(LinkId, Tip)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Data(DataEffect::Send { link, frame: DataFrame::Pull { after, .. } }) => {
            Some((*link, *after.first()?))
        }
        _ => None,
    })
}
