//! A forked log of this node's own: where it goes on, who is told, and that only a person ends it.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::{GroupId, Incarnation};
use gearmesh_protocol::log::{Draft, Group, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;

use super::durable::{
    before_of_own, publish, reads_nothing_more, ready, says, stored, the_store, write_one,
};
use super::stage::{Node, answer, busy_plant};
use crate::core::plant::data::{DataInput, Kept};
use crate::core::plant::lives::Sighting;
use crate::core::plant::world::{draft, key, signing};
use crate::core::plant::{Answer, Effect, Input, LinkId, Ticket, report};

/// The end of a branch.
fn end(group: u8, number: u64) -> Tip {
    Tip { group: GroupId([group; 32]), number, entries: number + 1 }
}

/// A node whose own log has these ends, and which knows so.
fn forked(ends: &[Tip]) -> Node {
    let mut node = Node::member("left", &busy_plant());
    node.restart_holding(&[(key("left"), ends.to_vec())]);
    node.wait(Duration::from_secs(4));
    node
}

fn settle(node: &mut Node, ends: &[Tip]) -> (Ticket, Vec<Effect>) {
    let ticket = node.ticket();
    let ends = ends.iter().map(|end| end.group).collect();
    (ticket, node.feed(Input::Data(DataInput::Settle { ticket, ends })))
}

fn alarms(node: &Node) -> Vec<String> {
    report::alarms(&node.plant.view())
}

#[test]
fn a_person_joins_all_branches_in_one_group() {
    let (long, short) = (end(2, 7), end(1, 4));
    let mut node = forked(&[long, short]);
    assert!(alarms(&node).iter().any(|alarm| alarm.contains("two branches")));
    let (ticket, effects) = settle(&mut node, &[long, short]);
    let (write, groups) = the_store(&effects);
    let header = groups[0].header();
    assert_eq!(header.parents[..], [long.group, short.group]);
    assert_eq!((header.number, header.entries_before, header.entries), (8, 8, 0));
    let effects = stored(&mut node, write, &groups);
    let Answer::Durable(told) = answer(&effects) else { panic!("{effects:?}") };
    assert_eq!((told.group, told.number), (groups[0].id(), 8), "{ticket:?}");
    assert_eq!(alarms(&node), Vec::<String>::new());
    let next = write_one(&mut node, 1);
    assert_eq!(next.header().parents[..], [groups[0].id()], "what follows has one parent");
}

#[test]
fn nothing_is_joined_that_no_person_saw() {
    let (long, short, third) = (end(2, 7), end(1, 4), end(3, 5));
    let mut node = forked(&[long, third, short]);
    let (_, effects) = settle(&mut node, &[long, short]);
    assert_eq!(answer(&effects), Answer::Refused(Refusal::BranchesChanged));
    let (_, effects) = settle(&mut node, &[long, short, third, end(9, 9)]);
    assert_eq!(the_store(&effects).1[0].header().parents.len(), 3);

    let mut node = forked(&[long]);
    let (_, effects) = settle(&mut node, &[long]);
    assert_eq!(answer(&effects), Answer::Refused(Refusal::NotForked));
}

#[test]
fn what_this_node_wrote_since_the_person_looked_is_joined_too() {
    let (long, short) = (end(2, 7), end(1, 4));
    let mut node = forked(&[long, short]);
    let (_, effects) = publish(&mut node, b"0", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    let (ticket, effects) = settle(&mut node, &[long, short]);
    assert!(effects.is_empty(), "one group at a time: {effects:?}");
    let (_, effects_of_another) = settle(&mut node, &[long, short]);
    assert_eq!(answer(&effects_of_another), Answer::Refused(Refusal::Busy));
    let ends = vec![groups[0].tip(), short];
    let kept = vec![Kept { is_new: true, fills: false, extent: ends.into() }];
    let effects = node.feed(Input::Data(DataInput::Stored { write, kept }));
    let (write, joined) = the_store(&effects);
    assert_eq!(joined[0].header().parents[..], [groups[0].id(), short.group]);
    let cause = "no space".to_owned();
    let effects = node.feed(Input::Data(DataInput::StoreFailed { write, cause }));
    let refused = Effect::Answer { ticket, answer: Answer::Refused(Refusal::NotStored) };
    assert!(format!("{effects:?}").contains(&format!("{refused:?}")), "{effects:?}");
    let (_, effects) = settle(&mut node, &[long, short]);
    assert_eq!(the_store(&effects).1[0].header().parents.len(), 2, "it may be asked for again");
}

#[test]
fn a_writer_goes_on_where_it_wrote_however_long_the_branch_beside_it_is() {
    let mut node = ready("left");
    let own = write_one(&mut node, 0);
    let (link, _) = node.link_with("right", |_| ());
    let theirs = [foreign(9, &[]), foreign(9, &[end(8, 40)])];
    let ends = vec![theirs[1].tip(), own.tip()];
    show(&mut node, link, &theirs, true, &ends);
    assert_eq!(node.plant.view().forked_data, [key("left")]);
    let (_, effects) = publish(&mut node, b"1", AckLevel::Local);
    assert_eq!(the_store(&effects).1[0].header().parents[..], [own.id()]);
}

#[test]
fn after_a_restart_a_writer_goes_on_behind_what_it_wrote_however_long_another_branch_is() {
    let mut node = ready("left");
    let own = write_one(&mut node, 0);
    let mut theirs = vec![foreign(9, &[])];
    for _ in 0..3 {
        let after = theirs.last().map(|last| last.tip());
        theirs.push(foreign(9, &after.into_iter().collect::<Vec<_>>()));
    }
    node.restart_with(&[&theirs[3], &own]);
    reads_nothing_more(&mut node);
    node.wait(Duration::from_secs(4));
    let (link, _) = node.link_with("right", |_| ());
    says(&mut node, link, "left", &[own.tip()]);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(1), "it is confirmed");
    let (_, effects) = publish(&mut node, b"1", AckLevel::Local);
    assert_eq!(the_store(&effects).1[0].header().parents[..], [own.id()]);
}

#[test]
fn what_came_back_from_members_is_gone_on_from_only_if_this_node_wrote_it() {
    let mut node = ready("left");
    let own = write_one(&mut node, 0);
    node.restart();
    let (link, _) = node.link_with("right", |_| ());
    let theirs = [foreign(9, &[]), foreign(9, &[end(8, 40)])];
    let ends = [theirs[1].tip(), own.tip()];
    let came = [Arc::clone(&theirs[0]), Arc::clone(&theirs[1]), Arc::clone(&own)];
    show(&mut node, link, &came, true, &ends);
    says(&mut node, link, "left", &ends);
    node.wait(Duration::from_secs(4));
    let (_, effects) = publish(&mut node, b"1", AckLevel::Local);
    assert_eq!(the_store(&effects).1[0].header().parents[..], [own.id()]);

    // Of branches that the journal knows nothing of it is the longest.
    node.restart_with(&[&theirs[0], &theirs[1]]);
    node.wait(Duration::from_secs(4));
    let (_, effects) = publish(&mut node, b"2", AckLevel::Local);
    assert_eq!(the_store(&effects).1[0].header().parents[..], [theirs[1].id()]);
}

#[test]
fn what_the_disk_lost_of_the_own_log_is_no_strangers_when_it_comes_again() {
    let mut node = ready("left");
    let own: Vec<_> = (0..2).map(|number| write_one(&mut node, number)).collect();
    let (link, _) = node.link_with("right", |_| ());
    let ends = [own[1].tip()];
    says(&mut node, link, "left", &[Tip { number: 1_000, ..end(0xff, 0) }]);
    let page = |link| {
        let groups = vec![Arc::clone(&own[0])];
        DataInput::Groups { link, author: key("left"), groups, gap: 0, is_last: true }
    };
    let (write, _) = the_store(&node.feed(Input::Data(page(link))));
    let kept = vec![Kept { is_new: true, fills: true, extent: ends.to_vec().into() }];
    node.feed(Input::Data(DataInput::Stored { write, kept }));
    assert!(sightings(&node).is_empty(), "{:?}", sightings(&node));
}

/// A group of this node's key in another life of it.
fn foreign(life: u8, after: &[Tip]) -> Arc<VerifiedGroup> {
    let draft = Draft {
        incarnation: Incarnation([life; 16]),
        ..draft("left", LogKind::Data, after, vec![b"not ours".to_vec()])
    };
    Arc::new(Group::write(&signing("left"), &busy_plant().id, draft).expect("a group"))
}

/// A member shows groups of the node's own log, which ends there then; whether they are new.
fn show(
    node: &mut Node,
    link: LinkId,
    groups: &[Arc<VerifiedGroup>],
    is_new: bool,
    ends: &[Tip],
) -> Vec<Effect> {
    let tip = Tip { number: 1_000, ..end(0xff, 0) };
    says(node, link, "left", &[tip]);
    let (author, groups) = (key("left"), groups.to_vec());
    let page = DataInput::Groups { link, author, groups, gap: 0, is_last: true };
    let (write, came) = the_store(&node.feed(Input::Data(page)));
    let kept =
        came.iter().map(|_| Kept { is_new, fills: false, extent: ends.to_vec().into() }).collect();
    node.feed(Input::Data(DataInput::Stored { write, kept }))
}

fn sightings(node: &Node) -> Vec<(Incarnation, Sighting)> {
    let view = node.plant.view();
    view.strange_lives.iter().map(|(life, seen)| (*life, seen.sighting)).collect()
}

#[test]
fn values_that_a_node_did_not_write_raise_the_alarm_until_a_person_settles() {
    let mut node = ready("left");
    let own = write_one(&mut node, 0);
    let (link, _) = node.link_with("right", |_| ());
    let theirs = foreign(9, &[]);
    let ends = [own.tip(), theirs.tip()];
    show(&mut node, link, &[Arc::clone(&theirs)], true, &ends);
    assert_eq!(sightings(&node), [(Incarnation([9; 16]), Sighting::Clone)]);
    assert_eq!(alarms(&node).len(), 2, "the fork, and who signed: {:?}", alarms(&node));

    let (_, effects) = settle(&mut node, &ends);
    let (write, joined) = the_store(&effects);
    stored(&mut node, write, &joined);
    assert_eq!(alarms(&node), Vec::<String>::new());
    // More of what the person took for its own is no news; another life is.
    node.wait(Duration::from_secs(6));
    show(&mut node, link, &[foreign(9, &[theirs.tip()])], true, &[joined[0].tip()]);
    assert_eq!(sightings(&node), []);
    node.wait(Duration::from_secs(6));
    show(&mut node, link, &[foreign(7, &[])], true, &[joined[0].tip()]);
    assert_eq!(sightings(&node), [(Incarnation([7; 16]), Sighting::Clone)]);
}

#[test]
fn what_a_page_repeats_of_this_very_life_is_no_clones() {
    let mut node = ready("left");
    let own = write_one(&mut node, 0);
    let (link, _) = node.link_with("right", |_| ());
    show(&mut node, link, &[Arc::clone(&own)], false, &[own.tip()]);
    assert_eq!(sightings(&node), []);
}
