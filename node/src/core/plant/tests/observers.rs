//! Members without copies: what they are told and shown, and whom they ask and believe.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::data::{DataFrame, LogEnds};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::{Group, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::shown::{ReadRequest, ShownGroup, VerifiedShown};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;

use super::durable::{publish, stored, the_store};
use super::stage::{Node, answer, answers, busy_plant};
use crate::core::plant::data::{
    DataEffect, DataInput, ENDS_WITHIN, More, Outline, Part, Question, READS_OPEN_MAX,
    SHOWN_WITHIN, Shown, Trail, WrongPage, show,
};
use crate::core::plant::world::records::{admit, machine};
use crate::core::plant::world::{self, draft, few, key, signing};
use crate::core::plant::{Answer, Effect, Input, LinkId, Ticket};

/// A plant with an observer that may see the parts of `left`.
fn with_panel() -> world::Plant {
    let mut plant = busy_plant();
    let subscribe = few(vec![filter("left/part/#")]);
    let (roles, scope) = (few(vec![Role::Observer]), None);
    plant.write("admin", admit("panel", Terms { roles, scope, subscribe, ..machine("panel") }));
    plant
}

fn filter(text: &str) -> TopicFilter {
    text.parse().expect("a filter")
}

fn entry(topic: &str, number: i64) -> Vec<u8> {
    let topic = topic.parse().expect("a topic");
    let sample = Sample::good(Value::Integer(number), UnixMillis(7));
    codec::encode(&DataEntry::Sample { topic, sample })
}

/// A group of `author` that goes on after these tips.
fn group(author: &str, after: &[Tip], entries: Vec<Vec<u8>>) -> VerifiedGroup {
    let draft = draft(author, LogKind::Data, after, entries);
    Group::write(&signing(author), &with_panel().id, draft).expect("a group")
}

/// So many groups of `left`, one after the other, each with a part and a secret.
fn chain(count: i64) -> Vec<VerifiedGroup> {
    let mut groups: Vec<VerifiedGroup> = Vec::new();
    for number in 0..count {
        let after: Vec<Tip> = groups.last().map(VerifiedGroup::tip).into_iter().collect();
        let entries = vec![entry("left/part/count", number), entry("left/secret", number)];
        groups.push(group("left", &after, entries));
    }
    groups
}

/// What a member shows of groups to somebody who wants what `wanted` matches.
fn shown(groups: &[VerifiedGroup], wanted: &str) -> Vec<VerifiedShown> {
    let wanted = filter(wanted);
    let is_wanted = |entry: &[u8]| match codec::decode(entry, entry.len()) {
        Ok(DataEntry::Sample { topic, .. }) => wanted.matches(&topic),
        _ => false,
    };
    let part = |group: &VerifiedGroup| ShownGroup::of(group.group(), is_wanted);
    let plant = with_panel().id;
    groups.iter().map(|group| part(group).verify(&plant).expect("a group")).collect()
}

fn page(groups: Vec<VerifiedShown>) -> Shown {
    Shown { author: key("left"), groups }
}

/// What a reader gets of a page, and whether that is all.
fn part(groups: Vec<VerifiedShown>, is_last: bool) -> Answer {
    let rest = if is_last { More::Nothing } else { More::Surely };
    Answer::Read(Box::new(Part { groups, rest, is_beside: false }))
}

/// A member shows a page.
fn shows(node: &mut Node, link: LinkId, number: u64, groups: Vec<VerifiedShown>) -> Vec<Effect> {
    data(node, DataInput::Shown { link, number, page: Some(page(groups)) })
}

fn data(node: &mut Node, input: DataInput) -> Vec<Effect> {
    node.feed(Input::Data(input))
}

/// The member at the other end says where its copy of the log of `left` ends.
fn says(node: &mut Node, link: LinkId, ends: &[Tip]) -> Vec<Effect> {
    let ends = vec![LogEnds { author: key("left"), ends: few(ends.to_vec()) }];
    data(node, DataInput::Ends { link, ends })
}

fn asks(node: &mut Node, after: &[Tip]) -> (Ticket, Vec<Effect>) {
    asks_for(node, after, false)
}

/// A reader asks that was told, or not, that more follows.
fn asks_for(node: &mut Node, after: &[Tip], is_promised: bool) -> (Ticket, Vec<Effect>) {
    let ticket = node.ticket();
    let filters = vec![filter("left/part/#")];
    let trail = Trail::after(after.to_vec());
    let question = Question { author: key("left"), trail, filters, is_promised };
    (ticket, data(node, DataInput::Ask { ticket, question }))
}

fn sent(effects: &[Effect]) -> Vec<(LinkId, DataFrame)> {
    let frame = |effect: &Effect| match effect {
        Effect::Data(DataEffect::Send { link, frame }) => Some((*link, frame.clone())),
        _ => None,
    };
    effects.iter().filter_map(frame).collect()
}

/// Who was asked, and by which number.
fn asked(effects: &[Effect]) -> Vec<(LinkId, u64)> {
    let read = |(link, frame)| match frame {
        DataFrame::Read(request) => Some((link, request.number)),
        _ => None,
    };
    sent(effects).into_iter().filter_map(read).collect()
}

fn wrong(effects: &[Effect]) -> Vec<WrongPage> {
    let why = |effect: &Effect| match effect {
        Effect::Data(DataEffect::Wrong { why, .. }) => Some(*why),
        _ => None,
    };
    effects.iter().filter_map(why).collect()
}

/// A panel with links to `left` and `right`, both of which have a log of so many groups.
fn panel(groups: &[VerifiedGroup]) -> (Node, [LinkId; 2]) {
    let mut node = Node::member("panel", &with_panel());
    let links = ["left", "right"].map(|peer| node.link(peer));
    let end = groups.last().map(VerifiedGroup::tip).into_iter().collect::<Vec<Tip>>();
    links.iter().for_each(|link| drop(says(&mut node, *link, &end)));
    (node, links)
}

#[test]
fn an_observer_hears_where_logs_end_and_is_judged_by_the_roster_of_who_shows() {
    let mut node = Node::member("left", &with_panel());
    node.wait(Duration::from_secs(4));
    let (link, effects) = node.link_with("panel", |_| ());
    let ends = |frame: &DataFrame| matches!(frame, DataFrame::Ends(_));
    assert_eq!(sent(&effects).iter().filter(|(to, it)| *to == link && ends(it)).count(), 1);
    let (_, effects) = publish(&mut node, &entry("left/part/count", 1), AckLevel::Local);
    let (write, groups) = the_store(&effects);
    stored(&mut node, write, &groups);
    let told = sent(&node.wait(Duration::from_millis(250)));
    let logs = vec![LogEnds { author: key("left"), ends: few(vec![groups[0].tip()]) }];
    assert_eq!(told, [(link, DataFrame::Ends(few(logs)))], "without a word of confirmation");
    assert!(sent(&node.wait(Duration::from_secs(3))).is_empty(), "each once");

    let mut reads = |link, author: PublicKey, wanted: &[&str]| {
        let filters = few(wanted.iter().map(|wanted| filter(wanted)).collect());
        let request = ReadRequest { number: 5, author, after: few(vec![]), filters };
        data(&mut node, DataInput::Read { link, request })
    };
    let refusal = |effects: Vec<Effect>| match &sent(&effects)[..] {
        [(_, DataFrame::NotShown { number: 5, refusal })] => *refusal,
        other => panic!("a refusal was expected, not {other:?}"),
    };
    match &reads(link, key("left"), &["#"])[..] {
        [Effect::Data(DataEffect::Show { link: to, sees, .. })] => {
            assert_eq!((*to, sees.key()), (link, key("panel")));
        }
        other => panic!("a page was expected, not {other:?}"),
    }
    assert!(matches!(&reads(link, key("left"), &[])[..], [Effect::Data(DataEffect::Show { .. })]));
    for wanted in [&["left/secret"][..], &["left/part/#", "right/#"]] {
        assert_eq!(refusal(reads(link, key("left"), wanted)), Refusal::SubscribeNotGranted);
    }
    assert_eq!(refusal(reads(link, key("right"), &["#"])), Refusal::NoCopy);
    assert_eq!(refusal(reads(LinkId(99), key("left"), &["#"])), Refusal::NotAMember);
}

#[test]
fn what_an_observer_may_not_see_is_in_no_byte_of_what_it_is_shown() {
    let plant = Node::member("left", &with_panel());
    let sees = plant.roster().member(&key("panel")).expect("the panel").clone();
    let groups = chain(2);
    for (wanted, seen) in [("#", 1), ("left/secret", 0), ("left/part/count", 1)] {
        for group in &groups {
            let part = show(group.group(), &[filter(wanted)], &sees);
            let bytes = codec::encode(&part);
            assert!(!bytes.windows(6).any(|text| text == b"secret"), "{wanted}: {bytes:02x?}");
            let part = part.verify(&with_panel().id).expect("proven");
            assert_eq!(part.entries().len(), seen, "{wanted}");
        }
    }
    assert!(show(groups[0].group(), &[], &sees).verify(&with_panel().id).is_ok(), "headers alone");
}

#[test]
fn a_reader_waits_for_members_to_say_what_they_have() {
    let mut node = Node::member("panel", &with_panel());
    let ticket = node.ticket();
    let effects = data(&mut node, DataInput::AskLogs { ticket });
    assert_eq!(answer(&effects), Answer::Refused(Refusal::NoCopiesReached), "nobody is there");
    assert_eq!(answer(&asks(&mut node, &[]).1), Answer::Refused(Refusal::NoCopiesReached));
    let (left, right) = (node.link("left"), node.link("right"));
    let ticket = node.ticket();
    assert!(answers(&data(&mut node, DataInput::AskLogs { ticket })).is_empty());
    let end = chain(1)[0].tip();
    let effects = says(&mut node, left, &[end]);
    assert!(answers(&effects).is_empty(), "the other may have more");
    let heard = effects.iter().any(
        |effect| matches!(effect, Effect::Data(DataEffect::Heard { ends, .. }) if *ends == [end]),
    );
    assert!(heard, "{effects:?}");
    assert_eq!(answers(&says(&mut node, right, &[])), [(ticket, Answer::Ready)]);

    let silent = node.link_with("registrar", |_| ()).0;
    let ticket = node.ticket();
    assert!(answers(&data(&mut node, DataInput::AskLogs { ticket })).is_empty());
    let effects = node.wait(ENDS_WITHIN + Duration::from_millis(250));
    assert_eq!(answers(&effects), [(ticket, Answer::Ready)], "{silent:?} is not waited for");
}

#[test]
fn a_page_is_asked_of_who_has_most_and_of_another_when_that_goes() {
    let groups = chain(3);
    let (mut node, [left, right]) = panel(&groups[..2]);
    says(&mut node, right, &[groups[2].tip()]);
    let (ticket, effects) = asks(&mut node, &[]);
    let [(to, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(to, right, "it has more");
    let stranger = data(&mut node, DataInput::Shown { link: left, number, page: None });
    assert!(stranger.is_empty(), "it was not asked: {stranger:?}");
    let all = shown(&groups, "left/part/#");
    let effects = shows(&mut node, right, number, all.clone());
    assert_eq!(answers(&effects), [(ticket, part(all, true))]);
    let (_, effects) = asks(&mut node, &[groups[2].tip()]);
    assert_eq!(answer(&effects), part(vec![], true), "nobody has more");

    let (_, effects) = asks(&mut node, &[groups[0].tip()]);
    assert_eq!(asked(&effects)[0].0, right);
    let effects = node.run(Input::LinkDown { link: right });
    let [(to, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(to, left);
    let refusal = Refusal::MissingParent;
    let effects = data(&mut node, DataInput::NotShown { link: left, number, refusal });
    assert_eq!(answer(&effects), Answer::Refused(Refusal::CopiesUnusable), "not an empty log");
}

#[test]
fn a_log_does_not_end_where_the_member_goes_that_has_the_rest() {
    let groups = chain(3);
    let (mut node, [_, right]) = panel(&groups[..1]);
    says(&mut node, right, &[groups[2].tip()]);
    let place = [groups[0].tip()];
    let (_, effects) = asks_for(&mut node, &place, true);
    assert_eq!(asked(&effects)[0].0, right);
    let effects = node.run(Input::LinkDown { link: right });
    assert_eq!(answer(&effects), Answer::Refused(Refusal::CopiesUnusable), "it was under way");
    let (_, effects) = asks_for(&mut node, &place, true);
    assert_eq!(answer(&effects), Answer::Refused(Refusal::CopiesUnusable), "it was promised");
    let (_, effects) = asks(&mut node, &place);
    assert_eq!(answer(&effects), part(vec![], true));
}

#[test]
fn a_member_that_does_not_answer_is_passed_over_and_asked_last() {
    let groups = chain(1);
    let (mut node, [left, right]) = panel(&groups);
    let (_, effects) = asks(&mut node, &[]);
    let [(first, _)] = asked(&effects)[..] else { panic!("{effects:?}") };
    let other = if first == left { right } else { left };
    // The links are kept alive by what comes over them.
    let mut effects = Vec::new();
    let end = [groups[0].tip()];
    let mut waited = Duration::ZERO;
    while waited <= SHOWN_WITHIN {
        for link in [left, right] {
            let beat = gearmesh_protocol::plant::ControlFrame::Beat { number: 1, seen: 0 };
            drop(node.hear(link, beat));
            drop(says(&mut node, link, &end));
        }
        effects.extend(node.wait(Duration::from_millis(250)));
        waited += Duration::from_millis(250);
    }
    assert_eq!(asked(&effects).iter().map(|(link, _)| *link).collect::<Vec<_>>(), [other]);
    let (_, effects) = asks(&mut node, &[]);
    assert_eq!(asked(&effects)[0].0, other, "it may not answer this time either");
}

#[test]
fn what_a_member_shows_and_cannot_be_is_refused_counted_and_asked_of_another() {
    let groups = chain(3);
    let wanted = "left/part/#";
    let foreign = group("right", &[], vec![entry("left/part/count", 0)]);
    let skips = Tip { number: 1, ..groups[0].tip() };
    let skips = group("left", &[skips], vec![entry("left/part/count", 9)]);
    let miscounts = Tip { entries: 99, ..groups[0].tip() };
    let miscounts = group("left", &[miscounts], vec![entry("left/part/count", 9)]);
    let shown_all = || shown(&groups, wanted);
    let with = |at: usize, group: &VerifiedGroup| {
        let mut all = shown_all();
        all[at] = shown(std::slice::from_ref(group), wanted).remove(0);
        Some(page(all))
    };
    let first = groups[0].id();
    let cases = [
        (None, WrongPage::Unproven),
        (with(1, &foreign), WrongPage::Foreign(foreign.id())),
        (Some(Shown { author: key("right"), ..page(shown_all()) }), WrongPage::Foreign(first)),
        (with(1, &miscounts), WrongPage::Unchained(miscounts.id())),
        (with(1, &skips), WrongPage::Unchained(skips.id())),
        (Some(page(shown(&groups, "#"))), WrongPage::Unwanted(first)),
        (Some(page(vec![])), WrongPage::Withheld),
    ];
    for (lie, why) in cases {
        let (mut node, _) = panel(&groups);
        let (ticket, effects) = asks(&mut node, &[]);
        let [(liar, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
        let effects = data(&mut node, DataInput::Shown { link: liar, number, page: lie });
        assert_eq!(wrong(&effects), [why]);
        assert!(answers(&effects).is_empty(), "{why}: nothing of it is delivered");
        let [(honest, number)] = asked(&effects)[..] else { panic!("{why}: {effects:?}") };
        assert_ne!(honest, liar, "{why}");
        let effects = shows(&mut node, honest, number, shown_all());
        assert_eq!(answers(&effects), [(ticket, part(shown_all(), true))], "{why}");
    }
}

#[test]
fn what_is_missing_is_counted_from_headers_and_asked_of_others_first() {
    let groups = chain(4);
    let all = shown(&groups, "left/part/#");
    let (mut node, [left, right]) = panel(&groups);
    let (ticket, effects) = asks(&mut node, &[groups[0].tip()]);
    let [(first, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    let effects = shows(&mut node, first, number, all[3..].to_vec());
    assert!(answers(&effects).is_empty(), "another may have it");
    let [(second, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(
        [first, second].iter().min().zip([first, second].iter().max()),
        Some((&left, &right))
    );
    let effects = shows(&mut node, second, number, all[2..].to_vec());
    assert_eq!(answers(&effects), [(ticket, part(all[2..].to_vec(), true))], "the smaller gap");

    let (ticket, effects) = asks(&mut node, &[]);
    let [(first, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    let effects = shows(&mut node, first, number, all[2..].to_vec());
    let [(second, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    let refusal = Refusal::NoCopy;
    let effects = data(&mut node, DataInput::NotShown { link: second, number, refusal });
    assert_eq!(answers(&effects), [(ticket, part(all[2..].to_vec(), true))], "all there is");

    let (ticket, effects) = asks(&mut node, &[]);
    let [(first, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    let holes = vec![all[0].clone(), all[2].clone(), all[3].clone()];
    let effects = shows(&mut node, first, number, holes);
    assert_eq!(answers(&effects), [(ticket, part(all[..1].to_vec(), false))], "up to the gap");
}

#[test]
fn a_side_branch_takes_the_outline_and_by_that_is_neither_refused_nor_given_twice() {
    let groups = chain(6);
    let side = group("left", &[groups[1].tip()], vec![entry("left/part/count", 9)]);
    let all = shown(&groups, "left/part/#");
    let beside = shown(std::slice::from_ref(&side), "left/part/#");
    let leaves = [groups[5].tip()];
    let (mut node, links) = panel(&groups);
    // They say nothing of the fork yet, or it was settled: what is signed decides.
    let mut ask = |trail: Trail, shown: &[VerifiedShown]| {
        links.iter().for_each(|link| drop(says(&mut node, *link, &[groups[5].tip(), side.tip()])));
        let ticket = node.ticket();
        let filters = vec![filter("left/part/#")];
        let question = Question { author: key("left"), trail, filters, is_promised: false };
        let effects = data(&mut node, DataInput::Ask { ticket, question });
        let [(link, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
        shows(&mut node, link, number, shown.to_vec())
    };
    let beside_it =
        Answer::Read(Box::new(Part { groups: vec![], rest: More::Perhaps, is_beside: true }));
    let row = Trail::after(leaves.to_vec());
    assert_eq!(answer(&ask(row.clone(), &beside)), beside_it);
    assert_eq!(answer(&ask(row.clone(), &all[..2])), beside_it, "what was passed looks the same");

    let mut drawing = Trail::drawing(
        Outline::begin(leaves.iter().map(|leaf| leaf.group).collect(), vec![]),
        false,
    );
    for shown in all[..3].iter().chain(&beside).chain(&all[3..]) {
        assert_eq!(drawing.pass(shown.id(), shown.header()).expect("drawn").leap, None);
    }
    let mut drawn = row;
    drawn.learn(Arc::new(drawing.outline().expect("an outline").clone()), true);
    assert_eq!(answer(&ask(drawn.clone(), &beside)), part(beside.clone(), true));
    assert_eq!(wrong(&ask(drawn.clone(), &all[..2])), [WrongPage::Repeated(groups[0].id())]);
    assert_eq!(wrong(&ask(drawn, &all[3..])), [WrongPage::Repeated(groups[3].id())]);
}

#[test]
fn a_member_without_a_place_is_asked_again_until_it_has_one_or_time_is_over() {
    let groups = chain(1);
    let (mut node, links) = panel(&groups);
    let busy = |node: &mut Node, (link, number): (LinkId, u64)| {
        data(node, DataInput::NotShown { link, number, refusal: Refusal::Busy })
    };
    let (ticket, effects) = asks(&mut node, &[]);
    let first = asked(&effects)[0];
    let effects = busy(&mut node, first);
    let second = asked(&effects)[0];
    assert_ne!(first.0, second.0, "another first");
    assert!(answers(&busy(&mut node, second)).is_empty(), "it waits");
    let effects = node.wait(Duration::from_millis(250));
    let [(link, number)] = asked(&effects)[..] else { panic!("{effects:?}") };
    let all = shown(&groups, "left/part/#");
    let effects = shows(&mut node, link, number, all.clone());
    assert_eq!(answers(&effects), [(ticket, part(all, true))]);

    let (ticket, mut effects) = asks(&mut node, &[]);
    let mut waited = Duration::ZERO;
    while answers(&effects).is_empty() && waited < 2 * SHOWN_WITHIN {
        let mut open = asked(&effects);
        while let Some(question) = open.pop() {
            let more = busy(&mut node, question);
            open.extend(asked(&more));
            effects.extend(more);
        }
        if answers(&effects).is_empty() {
            for link in links {
                let beat = gearmesh_protocol::plant::ControlFrame::Beat { number: 1, seen: 0 };
                drop(node.hear(link, beat));
            }
            effects = node.wait(Duration::from_millis(250));
            waited += Duration::from_millis(250);
        }
    }
    assert_eq!(answers(&effects), [(ticket, Answer::Refused(Refusal::Busy))]);
    assert!(waited >= SHOWN_WITHIN, "after {waited:?}");
}

#[test]
fn so_many_questions_are_open_and_no_more() {
    let (mut node, _) = panel(&chain(1));
    for _ in 0..READS_OPEN_MAX {
        assert!(answers(&asks(&mut node, &[]).1).is_empty());
    }
    assert_eq!(answer(&asks(&mut node, &[]).1), Answer::Refused(Refusal::Busy));
}

#[test]
fn an_observer_shows_nothing() {
    let mut node = Node::member("panel", &with_panel());
    let link = node.link("left");
    says(&mut node, link, &[chain(1)[0].tip()]);
    let request =
        ReadRequest { number: 1, author: key("left"), after: few(vec![]), filters: few(vec![]) };
    let effects = data(&mut node, DataInput::Read { link, request });
    let refusal = Refusal::NoCopy;
    assert_eq!(sent(&effects), [(link, DataFrame::NotShown { number: 1, refusal })]);
}
