//! Durable publishes: the group commit, what may be answered when, and who is asked for what.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::data::{DataFrame, LogEnds};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::limits::GROUP_ENTRIES_MAX;
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use gearmesh_protocol::plant::ControlFrame;
use gearmesh_protocol::refusal::Refusal;

use super::super::chain::{Extent, Gap};
use super::stage::{Node, answer, answers, busy_plant};
use crate::core::plant::commands::{CommandInput, Recalled};
use crate::core::plant::data::{
    Acknowledgement, DataEffect, DataInput, ENTRIES_WAITING_MAX, Keep, Kept, REPLICATED_WITHIN,
    is_replica, replicas_of,
};
use crate::core::plant::world::records::{admit, machine};
use crate::core::plant::world::{Plant as History, few, key};
use crate::core::plant::{Answer, Effect, Input, LinkId, Ticket};

/// A node that has waited long enough to know where its own log ends.
pub(super) fn ready(role: &'static str) -> Node {
    let mut node = Node::member(role, &busy_plant());
    node.wait(Duration::from_secs(4));
    node
}

pub(super) fn publish(node: &mut Node, entry: &[u8], ack: AckLevel) -> (Ticket, Vec<Effect>) {
    let ticket = node.ticket();
    let entries = vec![entry.to_vec()];
    (ticket, node.feed(Input::Data(DataInput::Publish { ticket, entries, ack })))
}

/// The writes to the store among effects.
fn stores(effects: &[Effect]) -> Vec<(u64, Vec<Arc<VerifiedGroup>>)> {
    let store = |effect: &Effect| match effect {
        Effect::Data(DataEffect::Store { write, groups, .. }) => Some((*write, groups.clone())),
        _ => None,
    };
    effects.iter().filter_map(store).collect()
}

pub(super) fn the_store(effects: &[Effect]) -> (u64, Vec<Arc<VerifiedGroup>>) {
    let mut all = stores(effects);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The store takes a write: the groups go on where the log ended.
pub(super) fn stored(node: &mut Node, write: u64, groups: &[Arc<VerifiedGroup>]) -> Vec<Effect> {
    let kept = groups.iter().map(|group| Kept {
        is_new: true,
        fills: false,
        extent: vec![group.tip()].into(),
    });
    node.feed(Input::Data(DataInput::Stored { write, kept: kept.collect() }))
}

pub(super) fn told(effects: &[Effect], link: LinkId) -> Vec<DataFrame> {
    let frame = |effect: &Effect| match effect {
        Effect::Data(DataEffect::Send { link: to, frame }) if *to == link => Some(frame.clone()),
        _ => None,
    };
    effects.iter().filter_map(frame).collect()
}

fn ends(role: &str, tips: &[Tip]) -> LogEnds {
    LogEnds { author: key(role), ends: few(tips.to_vec()) }
}

pub(super) fn says(node: &mut Node, link: LinkId, role: &str, tips: &[Tip]) -> Vec<Effect> {
    let ends = vec![ends(role, tips)];
    node.feed(Input::Data(DataInput::Ends { link, ends }))
}

pub(super) fn acknowledged(effects: &[Effect]) -> Vec<(Ticket, Acknowledgement)> {
    let durable = |(ticket, answer)| match answer {
        Answer::Durable(told) => (ticket, told),
        other => panic!("an acknowledgement was expected, not {other:?}"),
    };
    answers(effects).into_iter().map(durable).collect()
}

/// It has read all of its own log, and found nothing in it that it has to know.
pub(super) fn reads_nothing_more(node: &mut Node) {
    node.wait(Duration::from_secs(1));
    let recalled = Recalled { records: Vec::new(), is_last: true };
    node.feed(Input::Command(CommandInput::Recalled(recalled)));
}

#[test]
fn what_is_asked_for_while_a_group_is_written_goes_into_the_next_one() {
    let mut node = ready("left");
    let (first, effects) = publish(&mut node, b"0", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    assert!(answers(&effects).is_empty(), "nothing is told before it is on disk");
    let mut later = Vec::new();
    for entry in 1..=3_u8 {
        let (ticket, effects) = publish(&mut node, &[entry], AckLevel::Local);
        assert!(effects.is_empty(), "one group at a time: {effects:?}");
        later.push(ticket);
    }
    let effects = stored(&mut node, write, &groups);
    assert_eq!(
        acknowledged(&effects).iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(),
        [first]
    );
    let (write, next) = the_store(&effects);
    assert_eq!(next[0].entries(), [vec![1], vec![2], vec![3]]);
    assert_eq!(next[0].header().parents.first(), Some(&groups[0].id()));
    let told = acknowledged(&stored(&mut node, write, &next));
    assert_eq!(told.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), later);
    assert_eq!(told.iter().map(|(_, told)| told.entry).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_write_that_fails_is_told_and_the_next_one_goes_on_from_what_is_there() {
    let mut node = ready("left");
    let (_, effects) = publish(&mut node, b"lost", AckLevel::Local);
    let (write, lost) = the_store(&effects);
    let cause = "no space".to_owned();
    let effects = node.feed(Input::Data(DataInput::StoreFailed { write, cause }));
    assert_eq!(answer(&effects), Answer::Refused(Refusal::NotStored));
    assert_eq!(node.plant.view().store_trouble.as_deref(), Some("no space"));
    let (_, effects) = publish(&mut node, b"kept", AckLevel::Local);
    let (write, kept) = the_store(&effects);
    assert_eq!(kept[0].header().number, lost[0].header().number);
    stored(&mut node, write, &kept);
    assert_eq!(node.plant.view().store_trouble, None);
}

#[test]
fn a_group_that_the_store_does_not_place_is_not_acknowledged() {
    let mut node = ready("left");
    let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
    let (write, _) = the_store(&effects);
    let kept = vec![Kept { is_new: false, fills: false, extent: Extent::default() }];
    let effects = node.feed(Input::Data(DataInput::Stored { write, kept }));
    assert_eq!(answer(&effects), Answer::Refused(Refusal::NotStored));
    assert!(node.plant.view().store_trouble.is_some(), "a person should know");
}

#[test]
fn an_observer_keeps_no_copies_whatever_it_says() {
    let mut plant = busy_plant();
    let roles = few(vec![Role::Observer]);
    plant.write("admin", admit("panel", Terms { roles, ..machine("panel") }));
    let mut node = Node::member("left", &plant);
    node.wait(Duration::from_secs(4));
    let (link, _) = node.link_with("panel", |_| ());
    let (_, effects) = publish(&mut node, b"0", AckLevel::Replicated(1));
    let (write, groups) = the_store(&effects);
    stored(&mut node, write, &groups);
    assert!(answers(&says(&mut node, link, "left", &[groups[0].tip()])).is_empty());
}

#[test]
fn after_a_start_members_may_confirm_what_was_written_before() {
    let mut node = ready("left");
    let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
    let tip = the_store(&effects).1[0].tip();
    node.restart_holding(&[(key("left"), vec![tip])]);
    reads_nothing_more(&mut node);
    let (link, _) = node.link_with("right", |_| ());
    says(&mut node, link, "left", &[tip]);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(tip.number + 1));
}

#[test]
fn replicated_means_that_so_many_members_said_so() {
    let mut node = ready("left");
    let (link, effects) = node.link_with("right", |_| ());
    assert!(matches!(&told(&effects, link)[..], [DataFrame::Ends(_)]));
    let (ticket, effects) = publish(&mut node, b"0", AckLevel::Replicated(1));
    let (write, groups) = the_store(&effects);
    let effects = stored(&mut node, write, &groups);
    assert!(answers(&effects).is_empty());
    let tip = groups[0].tip();
    assert_eq!(told(&effects, link), [DataFrame::Ends(few(vec![ends("left", &[tip])]))]);
    assert!(answers(&says(&mut node, link, "left", &[])).is_empty(), "it has nothing");
    let other = Tip { number: tip.number + 1, ..publish_elsewhere() };
    assert!(answers(&says(&mut node, link, "left", &[other])).is_empty(), "not a group of ours");
    let told = acknowledged(&says(&mut node, link, "left", &[tip]));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0, told[0].1.replicas, told[0].1.is_reached), (ticket, 1, true));
}

/// The end of a log that nobody here knows.
fn publish_elsewhere() -> Tip {
    let mut other = ready("right");
    let (_, effects) = publish(&mut other, b"elsewhere", AckLevel::Local);
    the_store(&effects).1[0].tip()
}

#[test]
fn a_publisher_that_waits_for_members_hears_how_far_it_came() {
    let mut node = ready("left");
    let (ticket, effects) = publish(&mut node, b"0", AckLevel::Replicated(2));
    let (write, groups) = the_store(&effects);
    assert!(answers(&stored(&mut node, write, &groups)).is_empty());
    let told = acknowledged(&node.wait(REPLICATED_WITHIN + Duration::from_secs(1)));
    assert_eq!((told[0].0, told[0].1.replicas, told[0].1.is_reached), (ticket, 0, false));
    let (_, effects) = publish(&mut node, b"1", AckLevel::Replicated(3));
    assert_eq!(answer(&effects), Answer::Refused(Refusal::ReplicasTooFew));
}

#[test]
fn what_nobody_asked_for_is_not_stored_and_what_lacks_is_asked_for_once() {
    let mut node = ready("left");
    let mut author = ready("right");
    let (_, effects) = publish(&mut author, b"0", AckLevel::Local);
    let (_, groups) = the_store(&effects);
    let (link, _) = node.link_with("right", |_| ());
    let (second, _) = node.link_with("registrar", |_| ());
    let page = |link| DataInput::Groups {
        link,
        author: key("right"),
        groups: groups.clone(),
        gap: 0,
        is_last: true,
    };
    assert!(stores(&node.feed(Input::Data(page(link)))).is_empty());
    let tip = groups[0].tip();
    let effects = says(&mut node, link, "right", &[tip]);
    let pull = DataFrame::Pull { author: key("right"), after: few(vec![]) };
    assert_eq!(told(&effects, link), [pull]);
    assert!(told(&says(&mut node, second, "right", &[tip]), second).is_empty(), "once is enough");
    assert!(stores(&node.feed(Input::Data(page(second)))).is_empty(), "it was not asked");
    let (write, came) = the_store(&node.feed(Input::Data(page(link))));
    let effects = stored(&mut node, write, &came);
    let confirmed = DataFrame::Ends(few(vec![ends("right", &[tip])]));
    assert_eq!(told(&effects, link), [confirmed], "its author hears that it is on disk");
}

#[test]
fn a_page_that_never_comes_is_asked_for_again() {
    let mut node = ready("left");
    let (link, _) = node.link_with("right", |_| ());
    let tip = publish_elsewhere();
    let is_pull = |frame: &DataFrame| matches!(frame, DataFrame::Pull { .. });
    let effects = says(&mut node, link, "right", &[tip]);
    assert_eq!(told(&effects, link).iter().filter(|frame| is_pull(frame)).count(), 1);
    let mut asked = 0;
    for beat in 1..=24 {
        let frame = ControlFrame::Beat { number: beat, seen: 0 };
        let effects = node.hear(link, frame);
        let later = node.wait(Duration::from_millis(500));
        let all = [told(&effects, link), told(&later, link)].concat();
        asked += all.iter().filter(|frame| is_pull(frame)).count();
    }
    assert_eq!(asked, 1, "once in 12 s");
}

#[test]
fn the_store_is_asked_about_one_log_of_a_member_at_a_time() {
    let mut node = ready("left");
    let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    stored(&mut node, write, &groups);
    let (link, _) = node.link_with("right", |_| ());
    let finds = |effects: &[Effect]| {
        let is_find = |effect: &&Effect| matches!(effect, Effect::Data(DataEffect::Find { .. }));
        effects.iter().filter(is_find).count()
    };
    // As long as ours, and another: only the store knows whether it is here.
    let other = publish_elsewhere();
    assert_eq!(finds(&says(&mut node, link, "left", &[other])), 1);
    for _ in 0..10 {
        assert_eq!(finds(&says(&mut node, link, "left", &[other])), 0);
    }
    let found = DataInput::Found { link, author: key("left"), is_missing: false };
    assert_eq!(finds(&node.feed(Input::Data(found))), 1, "more was said meanwhile");
    let found = DataInput::Found { link, author: key("left"), is_missing: false };
    assert_eq!(finds(&node.feed(Input::Data(found))), 0);
}

#[test]
fn what_the_disk_lost_is_asked_of_one_member_after_the_other() {
    let mut author = ready("right");
    let groups: Vec<_> = (0..3).map(|number| write_one(&mut author, number)).collect();
    let [before, lost, tip] = [0, 1, 2].map(|at| groups[at].tip());
    let mut node = Node::member("left", &busy_plant());
    node.restart_holding(&[(key("right"), vec![tip])]);
    let (one, _) = node.link_with("right", |_| ());
    let (other, _) = node.link_with("registrar", |_| ());
    for link in [one, other] {
        says(&mut node, link, "right", &[tip]);
    }
    let gap = Gap { after: Some(before), until: lost };
    let surveyed = |node: &mut Node, gaps: &[Gap]| {
        let gaps = gaps.first().map(|gap| (key("right"), vec![*gap])).into_iter().collect();
        node.feed(Input::Data(DataInput::Surveyed { gaps }))
    };
    let pull = DataFrame::Pull { author: key("right"), after: few(vec![before]) };
    assert_eq!(told(&surveyed(&mut node, &[gap]), one), std::slice::from_ref(&pull));
    assert!(told(&surveyed(&mut node, &[gap]), other).is_empty(), "one at a time");
    let nothing = |link| DataInput::Groups {
        link,
        author: key("right"),
        groups: vec![],
        gap: 0,
        is_last: true,
    };
    node.feed(Input::Data(nothing(one)));
    node.wait(Duration::from_secs(6));
    let effects = surveyed(&mut node, &[gap]);
    assert!(told(&effects, one).is_empty() && told(&effects, other) == [pull], "the next one");
    assert_eq!(node.plant.view().missing_data.get(&key("right")), Some(&1));

    let page = DataInput::Groups {
        link: other,
        author: key("right"),
        groups: vec![Arc::clone(&groups[1])],
        gap: 0,
        is_last: true,
    };
    let (write, came) = the_store(&node.feed(Input::Data(page)));
    let kept = came
        .iter()
        .map(|_| Kept { is_new: true, fills: false, extent: vec![tip].into() })
        .collect();
    let effects = node.feed(Input::Data(DataInput::Stored { write, kept }));
    let asks = |effect: &Effect| matches!(effect, Effect::Data(DataEffect::Survey));
    assert!(effects.iter().any(asks), "is anything still missing?");
    surveyed(&mut node, &[]);
    assert!(node.plant.view().missing_data.is_empty());
}

/// Publishes an entry and stores it.
pub(super) fn write_one(node: &mut Node, number: u8) -> Arc<VerifiedGroup> {
    let (_, effects) = publish(node, &[number], AckLevel::Local);
    let (write, groups) = the_store(&effects);
    stored(node, write, &groups);
    Arc::clone(&groups[0])
}

#[test]
fn a_node_asks_where_its_own_log_ends_before_it_writes() {
    let mut node = Node::member("left", &busy_plant());
    let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
    assert!(stores(&effects).is_empty(), "it may have forgotten something");
    let (link, _) = node.link_with("right", |_| ());
    let effects = says(&mut node, link, "left", &[]);
    assert_eq!(the_store(&effects).1[0].header().number, 0);
}

/// From which number on the groups of `left` are to stay.
pub(super) fn before_of_own(effects: &[Effect]) -> Option<u64> {
    let retain = |effect: &Effect| match effect {
        Effect::Data(DataEffect::Retain { author, before, .. }) if *author == key("left") => {
            Some(*before)
        }
        _ => None,
    };
    effects.iter().find_map(retain)
}

#[test]
fn what_is_on_no_other_disk_is_not_let_go_and_at_the_bound_nothing_more_is_taken() {
    let mut node = ready("left");
    let (link, _) = node.link_with("right", |_| ());
    let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    stored(&mut node, write, &groups);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(0));
    says(&mut node, link, "left", &[groups[0].tip()]);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(1));
    let retained = |bytes| DataInput::Retained { author: key("left"), bytes, held: None };
    let most = Keep::default().own_max(1);
    node.feed(Input::Data(retained(most)));
    let (_, effects) = publish(&mut node, b"1", AckLevel::Local);
    assert_eq!(answer(&effects), Answer::Refused(Refusal::NotReplicated));
    node.feed(Input::Data(retained(most - 1)));
    let (_, effects) = publish(&mut node, b"1", AckLevel::Local);
    assert_eq!(stores(&effects).len(), 1, "it goes on when there is room again");
}

#[test]
fn publishers_beyond_the_bound_hear_that_the_node_is_busy() {
    let mut node = Node::member("left", &busy_plant());
    for asked in 0..=ENTRIES_WAITING_MAX {
        let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
        let refused = answers(&effects).len();
        assert_eq!(refused, usize::from(asked == ENTRIES_WAITING_MAX), "{asked}");
    }
    let written = stores(&node.wait(Duration::from_secs(4)));
    assert_eq!(written[0].1[0].entries().len(), GROUP_ENTRIES_MAX);
}

#[test]
fn in_a_large_plant_a_log_has_few_replicas_and_they_stay_when_others_come() {
    let mut plant = History::at_work();
    let names: Vec<String> = (0..80).map(|number| format!("press-{number}")).collect();
    for name in &names[..70] {
        plant.write("admin", admit(name, machine(name)));
    }
    let before = plant.roster();
    let author = key(&names[0]);
    let kept: Vec<_> = replicas_of(&before, &author).collect();
    assert_eq!(kept.len(), crate::core::plant::data::REPLICAS);
    assert!(!kept.contains(&author) && is_replica(&before, &kept[0], &author));
    for name in &names[70..] {
        plant.write("admin", admit(name, machine(name)));
    }
    let after = plant.roster();
    let come: Vec<_> = names[70..].iter().map(|name| key(name)).collect();
    let is_kept_or_new = |replica| kept.contains(&replica) || come.contains(&replica);
    assert!(replicas_of(&after, &author).all(is_kept_or_new), "nobody else's turn comes");
    let copies = |name: &String| {
        names.iter().filter(|author| is_replica(&after, &key(name), &key(author))).count()
    };
    assert!(names.iter().map(copies).all(|copies| copies < 32), "the work is spread");
}

#[test]
fn a_member_that_took_more_than_it_was_told_of_hears_of_the_next() {
    let mut node = ready("left");
    let (link, _) = node.link_with("right", |_| ());
    let tips: Vec<Tip> = (0..2).map(|number| write_one(&mut node, number).tip()).collect();
    // It was told of the first; when it asked, both were there.
    says(&mut node, link, "left", &[tips[1]]);
    let (_, effects) = publish(&mut node, b"2", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    let effects = stored(&mut node, write, &groups);
    let news = DataFrame::Ends(few(vec![ends("left", &[groups[0].tip()])]));
    assert_eq!(told(&effects, link), [news]);
}

#[test]
fn what_comes_together_is_written_together() {
    let mut node = ready("left");
    let publish =
        |ticket| DataInput::Publish { ticket, entries: vec![vec![1]], ack: AckLevel::Local };
    let inputs: Vec<Input> = (0..16).map(|_| Input::Data(publish(node.ticket()))).collect();
    let now = node.now();
    let (_, groups) = the_store(&node.plant.handle_all(now, inputs));
    assert_eq!(groups[0].entries().len(), 16);
}

#[test]
fn the_next_page_is_asked_for_while_the_last_one_is_written() {
    let mut author = ready("right");
    let groups: Vec<_> = (0..4).map(|number| write_one(&mut author, number)).collect();
    let mut node = ready("left");
    let (link, _) = node.link_with("right", |_| ());
    says(&mut node, link, "right", &[groups[3].tip()]);
    let page = |at: usize| DataInput::Groups {
        link,
        author: key("right"),
        groups: vec![Arc::clone(&groups[at])],
        gap: 0,
        is_last: at == 3,
    };
    let after =
        |at: usize| DataFrame::Pull { author: key("right"), after: few(vec![groups[at].tip()]) };
    let effects = node.feed(Input::Data(page(0)));
    let (first, _) = the_store(&effects);
    assert_eq!(told(&effects, link), [after(0)]);
    let effects = node.feed(Input::Data(page(1)));
    assert!(told(&effects, link).is_empty(), "two pages wait for the disk");
    let effects = stored(&mut node, first, &groups[..1]);
    assert!(told(&effects, link).contains(&after(1)), "one of them is there");
}

#[test]
fn who_asks_where_a_log_ends_hears_what_linked_members_say_and_whether_that_is_all() {
    let elsewhere = |node: &mut Node, author: &str| {
        let (ticket, author) = (node.ticket(), key(author));
        let asked = DataInput::AskElsewhere { ticket, author };
        match answer(&node.feed(Input::Data(asked))) {
            Answer::Elsewhere(told) => (told.copies, told.is_sure),
            other => panic!("{other:?}"),
        }
    };
    let mut node = ready("left");
    assert_eq!(elsewhere(&mut node, "right"), (vec![], false), "nobody is there");
    assert_eq!(elsewhere(&mut node, "left"), (vec![], true), "its own it knows");
    let (link, _) = node.link_with("registrar", |_| ());
    assert!(!elsewhere(&mut node, "right").1, "it has not said anything yet");
    says(&mut node, link, "left", &[]);
    assert_eq!(elsewhere(&mut node, "right"), (vec![], true));
    let end = publish_elsewhere();
    says(&mut node, link, "right", &[end]);
    let (author, _) = node.link_with("right", |_| ());
    let further = Tip { number: end.number + 1, ..end };
    says(&mut node, author, "right", &[further]);
    let told = vec![(key("right"), vec![further]), (key("registrar"), vec![end])];
    assert_eq!(elsewhere(&mut node, "right"), (told, true), "who has most comes first");
}
