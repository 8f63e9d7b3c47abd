//! A node that offers work items, in its plant: over its links, and as commands.

use std::time::Duration;

use gearmesh_protocol::command::{Call, CommandFrame, Moment};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::entry::WorkTerms;
use gearmesh_protocol::ids::{Incarnation, WorkId};
use gearmesh_protocol::signed::Verified;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::work::{Attempt, WorkFrame};

use super::durable::{publish, ready, says, stored, the_store, told};
use super::stage::Node;
use crate::core::plant::commands::{CommandEffect, CommandInput};
use crate::core::plant::data::DataEffect;
use crate::core::plant::items::{Offering, WorkInput};
use crate::core::plant::world::{few, key};
use crate::core::plant::{Effect, Input, LinkId, TICK};

const ID: WorkId = WorkId([1; 16]);
const FIRST: Attempt = Attempt { id: ID, number: 1 };

fn pack() -> Name {
    "pack".parse().expect("a name")
}

/// The effects of an input, and of all writes that follow from it.
fn settled(node: &mut Node, effects: Vec<Effect>) -> Vec<Effect> {
    let (mut open, mut all) = (effects, Vec::new());
    while let Some(effect) = (!open.is_empty()).then(|| open.remove(0)) {
        if let Effect::Data(DataEffect::Store { write, groups, .. }) = &effect {
            open.extend(stored(node, *write, groups));
        }
        all.push(effect);
    }
    all
}

fn hears(node: &mut Node, link: LinkId, frame: CommandFrame) -> Vec<Effect> {
    let effects = node.feed(Input::Command(CommandInput::Frame { link, frame }));
    settled(node, effects)
}

/// The worker is linked and says what time it is there.
fn linked(node: &mut Node) -> (LinkId, Vec<Effect>) {
    let link = node.link("right");
    let clock = CommandFrame::Clock(Moment { incarnation: Incarnation([3; 16]), tick_ms: 70_000 });
    (link, hears(node, link, clock))
}

fn calls(node: &Node, effects: &[Effect]) -> Vec<Call> {
    let call = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Send { frame: CommandFrame::Call(signed), .. }) => {
            let verified = signed.verify(&node.roster().plant(), &key("left"));
            Some(verified.map(Verified::into_value).expect("the offerer's signature"))
        }
        _ => None,
    };
    effects.iter().filter_map(call).collect()
}

fn offers(effects: &[Effect]) -> Vec<WorkFrame> {
    let frame = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Send { frame: CommandFrame::Work(frame), .. }) => {
            Some(frame.clone())
        }
        _ => None,
    };
    effects.iter().filter_map(frame).collect()
}

#[test]
fn whoever_takes_it_is_called_and_asked_once_when_it_is_back_after_it_was_given_up() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node);
    hears(&mut node, link, CommandFrame::Work(WorkFrame::Takes(few(vec![pack()]))));
    let ticket = node.ticket();
    let terms = WorkTerms { silence_ms: 2_000, ..WorkTerms::default() };
    let offering = Offering { id: ID, verb: pack(), arguments: b"17".to_vec(), terms };
    let effects = node.feed(Input::Work(WorkInput::Offer { ticket, offering }));
    let effects = settled(&mut node, effects);
    let offered = WorkFrame::Offered { verb: pack(), attempts: few(vec![FIRST]) };
    assert_eq!(offers(&effects), [offered]);
    let effects = hears(&mut node, link, CommandFrame::Work(WorkFrame::Take(FIRST)));
    let sent = calls(&node, &effects);
    let call = sent.first().expect("a call");
    assert_eq!((call.id, call.ttl_ms), (FIRST.command(), 2_000));
    assert!(call.token.is_some());

    node.feed(Input::LinkDown { link });
    for _ in 0..40 {
        let effects = node.jump(TICK);
        settled(&mut node, effects);
    }
    let (link, effects) = linked(&mut node);
    let asked = calls(&node, &effects);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].id, asked[0].ttl_ms), (FIRST.command(), 0), "it is begun no more");
    node.jump(Duration::from_secs(10));
    let clock = CommandFrame::Clock(Moment { incarnation: Incarnation([3; 16]), tick_ms: 80_000 });
    let effects = hears(&mut node, link, clock);
    assert!(calls(&node, &effects).is_empty());
}

#[test]
fn members_hear_of_notes_together_and_of_what_a_program_published_at_once() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node);
    let mut offered = 1;
    let mut grows = |node: &mut Node| {
        offered += 1;
        let ticket = node.ticket();
        let terms =
            WorkTerms { silence_ms: 10_000, tries: 3, again_if_failed: false, instead_of: None };
        let (id, arguments) = (WorkId([offered; 16]), Vec::new());
        let offering = Offering { id, verb: pack(), arguments, terms };
        let effects = node.feed(Input::Work(WorkInput::Offer { ticket, offering }));
        let (write, groups) = the_store(&effects);
        (groups[0].tip(), told(&stored(node, write, &groups), link))
    };
    let (tip, heard) = grows(&mut node);
    assert_eq!(heard.len(), 1, "the first is told at once");
    says(&mut node, link, "left", &[tip]);
    let (tip, heard) = grows(&mut node);
    assert!(heard.is_empty(), "{heard:?}");
    assert_eq!(told(&node.wait(TICK), link).len(), 1, "a tick later they hear of all that came");
    let (_, heard) = grows(&mut node);
    assert!(heard.is_empty(), "{heard:?}");
    says(&mut node, link, "left", &[tip]);
    let (_, effects) = publish(&mut node, b"17", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    assert_eq!(told(&stored(&mut node, write, &groups), link).len(), 1);
}
