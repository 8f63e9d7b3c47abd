//! Several companies that receive one stream, and pass it on to each other.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, Incarnation, Nonce, RecordId};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::partner::{CoReceivers, Direction, ShareHead, Terms};
use gearmesh_protocol::partner_agreement::stream_id;
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{Carried, GossipMessage};
use gearmesh_protocol::refusal::Refusal;

use super::super::*;
use super::stage::{NOTHING, Stage, line, local, terms, value};

fn passed_on() -> Terms {
    Terms { fan_out: true, ..terms(vec![line(Direction::Export, "output")]) }
}

fn name(who: usize) -> String {
    format!("output-{who}")
}

/// Company 0 offers its stream to company `who`, as the first or as a further one.
fn offered(stage: &mut Stage, who: usize, first: Option<usize>) -> (ShareId, PublicKey) {
    let onto = first.map_or(Onto::New, |first| Onto::Joins(name(first).parse().expect("a name")));
    let selections = [("output", "hall/+/count")];
    let local_of = local(&name(who), &format!("company-{who}"), &selections);
    stage.propose_onto(0, passed_on(), local_of, onto)
}

fn agreed(stage: &mut Stage, who: usize, proposed: (ShareId, PublicKey)) -> SheetId {
    let words = stage.accept(who, proposed, local("stock", "rossi", &[]));
    let (same, sheet) = stage.confirm(0, &name(who));
    assert_eq!(words, same);
    sheet
}

/// Companies 1 and beyond receive one stream of company 0. Their agreements.
pub(crate) fn fanned_out(companies: u8) -> (Stage, Vec<SheetId>) {
    let mut stage = Stage::new(companies);
    let sheets = (1..usize::from(companies)).map(|who| {
        let proposed = offered(&mut stage, who, (who > 1).then_some(1));
        agreed(&mut stage, who, proposed)
    });
    let sheets = sheets.collect();
    stage.pass(Duration::from_secs(5));
    (stage, sheets)
}

#[track_caller]
fn refused(answer: &Answer, refusal: Refusal) {
    assert!(matches!(answer, Answer::Refused(it) if it.code == refusal), "{answer:?}");
}

fn key_of(stage: &Stage, who: usize) -> PublicKey {
    PublicKey::of(&stage.companies[who].gateway)
}

#[test]
fn ten_in_a_line_get_it_from_each_other_in_order() {
    let (mut stage, sheets) = fanned_out(11);
    stage.cut();
    stage.is_connected = true;
    stage.reach = Some((0..10).map(|at| (at, at + 1)).collect());
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.sessions.len(), 1, "only the first reaches whoever sends");
    stage.brought.clear();
    let numbers: Vec<i64> = (0..20).collect();
    for number in &numbers {
        stage.export(0, sheets[0], vec![value("output", *number)]);
    }
    for (at, sheet) in sheets.iter().enumerate() {
        assert_eq!(stage.received(at + 1, *sheet), numbers, "company {}", at + 1);
    }
    let from_each_other = stage.brought.iter().filter(|(from, _)| *from != 0).count();
    assert_eq!((from_each_other, stage.brought.len()), (9 * 20, 10 * 20));
    assert_eq!(stage.companies[0].logs.len(), 1, "it is one log");
}

#[test]
fn nobody_without_the_word_in_its_sheet_hears_of_another() {
    let mut stage = Stage::new(3);
    let plain = || terms(vec![line(Direction::Export, "output")]);
    for who in [1, 2] {
        let selections = [("output", "hall/+/count")];
        let local_of = local(&name(who), "company", &selections);
        let proposed = stage.propose(0, plain(), local_of);
        agreed(&mut stage, who, proposed);
    }
    stage.pass(Duration::from_secs(10));
    let now = stage.now();
    for company in &stage.companies {
        assert!(company.core.doors(now).co_receivers.is_empty());
    }
    let of_others = |frame: &SessionFrame| {
        matches!(
            frame,
            SessionFrame::CoReceivers(_) | SessionFrame::Reachable(_) | SessionFrame::Starts { .. }
        )
    };
    assert!(!stage.sent.iter().any(of_others));
    let onto = Onto::Joins(name(1).parse().expect("a name"));
    let signer = stage.companies[0].signer("Rossi");
    let (to, open_until) = ("Beta".parse().expect("a title"), stage.now().wall.plus_ms(1000));
    let local_of = local("third", "beta", &[]);
    let draft = Wish::Draft { signer, to, terms: plain(), open_until, local: local_of, onto };
    refused(&stage.wish(0, draft), Refusal::TermsUnusable);
}

#[test]
fn who_joins_later_gets_nothing_of_before_also_after_every_start() {
    let (mut stage, sheets) = fanned_out(3);
    (0..3).for_each(|number| stage.export(0, sheets[0], vec![value("output", number)]));
    assert_eq!(stage.received(1, sheets[0]), [0, 1, 2]);
    assert_eq!(stage.received(2, sheets[1]), [0, 1, 2]);
    let second = sheets[1];
    let name_of = |who| name(who).parse().expect("a name");
    assert!(matches!(stage.wish(0, Wish::End { name: name_of(2) }), Answer::Done));
    stage.export(0, sheets[0], vec![value("output", 3)]);
    assert_eq!(stage.received(2, second), NOTHING, "it ended");
    stage.restart(0);
    stage.restart(2);
    // It comes back, under an agreement of its own.
    let proposed = offered(&mut stage, 2, Some(1));
    let again = agreed(&mut stage, 2, proposed);
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.received(2, again), NOTHING, "what came before is not for it");
    for restarted in [None, Some(2), Some(0)] {
        restarted.into_iter().for_each(|who| stage.restart(who));
        stage.pass(Duration::from_secs(5));
        stage.export(0, again, vec![value("output", 4)]);
        assert_eq!(stage.received(2, again), [4], "after {restarted:?}");
    }
    stage.pass(Duration::from_secs(40));
    assert_eq!(stage.received(1, sheets[0]), [3, 4, 4, 4]);
    let status = stage.status(2).agreements;
    let status = status.iter().find(|it| it.sheet == again).expect("an agreement");
    assert_eq!((status.received, status.lost), (3, 0));
    let counts: Vec<_> = status.receipts.iter().map(|it| (it.delivered, it.lost)).collect();
    assert_eq!(counts, [(3, 0), (3, 0)], "both sides count from where it began");
}

#[test]
fn an_end_makes_a_new_key_that_the_one_who_left_never_has() {
    let (mut stage, sheets) = fanned_out(4);
    stage.export(0, sheets[0], vec![value("output", 1)]);
    let leaver = key_of(&stage, 2);
    let name_of = "stock".parse().expect("a name");
    assert!(matches!(stage.wish(2, Wish::End { name: name_of }), Answer::Done));
    let before = stage.published.len();
    stage.export(0, sheets[0], vec![value("output", 2)]);
    stage.pass(Duration::from_secs(5));
    let (mut theirs, mut later) = (BTreeSet::new(), BTreeSet::new());
    for (at, (_, bytes)) in stage.published.iter().enumerate() {
        match codec::decode(bytes, FRAME_BYTES_MAX).expect("a message") {
            GossipMessage::Envelope(envelope) => {
                let envelope = envelope.peek().expect("an envelope");
                theirs.extend((envelope.to == leaver).then_some(envelope.epoch));
            }
            GossipMessage::Sealed(sealed) if at >= before => drop(later.insert(sealed.epoch)),
            GossipMessage::Sealed(_) => {}
        }
    }
    assert!(!theirs.is_empty() && !later.is_empty() && theirs.is_disjoint(&later));
    assert_eq!(stage.received(1, sheets[0]), [1, 2]);
    assert_eq!(stage.received(3, sheets[2]), [1, 2]);
    assert!(stage.shares(1, 3), "those who stay know each other");
    assert!(!stage.shares(1, 2) && !stage.shares(2, 3), "and not who left");
}

/// What company 1 can make of what it was given: messages under the true key of the epoch.
fn forged(stage: &Stage, carried: &Carried) -> (Nonce, Vec<u8>) {
    let (forger, sender) = (&stage.companies[1], &stage.companies[0]);
    let mut keys = Vec::new();
    for (topic, bytes) in &stage.published {
        if let Ok(GossipMessage::Envelope(envelope)) = codec::decode(bytes, FRAME_BYTES_MAX) {
            let verified = envelope.verify(&sender.plant, &PublicKey::of(&sender.gateway));
            let verified = verified.expect("of company 0");
            if let Ok(key) = EpochKey::unwrap(&forger.gateway, &verified) {
                keys.push((*topic, verified.value().share, verified.value().epoch, key));
            }
        }
    }
    let (topic, share, epoch, key) = keys.pop().expect("an envelope");
    let sealed = key.seal(&share, epoch, [7; 24], carried).expect("sealed");
    (topic, codec::encode(&GossipMessage::Sealed(sealed)))
}

fn given(stage: &mut Stage, who: usize, (topic, bytes): (Nonce, Vec<u8>)) -> Verdict {
    stage.companies[who].verdicts.clear();
    stage.give(who, Input::Gossip { message: MessageTag(7), topic, bytes });
    stage.companies[who].verdicts[0]
}

#[test]
fn what_a_receiver_forges_to_others_is_rejected_and_its_maker_named() {
    let (mut stage, sheets) = fanned_out(4);
    stage.export(0, sheets[0], vec![value("output", 1)]);
    let (log, groups) = stage.companies[0].logs.first_key_value().expect("a log");
    let LogKind::Share(share) = log.kind else { panic!("{log:?}") };
    let tip = groups.last().expect("a group").tip();
    let (plant, author) = (stage.companies[0].plant, log.author);
    let forger = stage.companies[1].gateway.clone();
    let group = |author: PublicKey| {
        let draft = Draft {
            log: LogId { author, kind: LogKind::Share(share) },
            incarnation: Incarnation([7; 16]),
            after: vec![tip],
            acting_under: RecordId(stream_id(&share).0),
            salt: Salt([5; 16]),
            entries: vec![codec::encode(&value("output", 666))],
        };
        Group::write(&forger, &plant, draft).map(|it| Carried::Group(codec::encode(it.group())))
    };
    let head = ShareHead { share, head: GroupId([9; 32]), entries: 1_000 };
    let list = CoReceivers { share, number: u64::MAX, receivers: Bounded::new() };
    let mut lies = vec![
        group(PublicKey::of(&forger)).expect("a group of its own log"),
        Carried::Head(Signed::sign(&forger, &plant, &head)),
        Carried::CoReceivers(Signed::sign(&forger, &plant, &list)),
        Carried::Group(vec![1, 2, 3]),
    ];
    lies.extend(group(author).ok());
    for lie in &lies {
        let message = forged(&stage, lie);
        assert_eq!(given(&mut stage, 2, message), Verdict::Reject, "{lie:?}");
    }
    stage.export(0, sheets[0], vec![value("output", 2)]);
    assert_eq!(stage.received(2, sheets[1]), [1, 2], "nothing of it came in");
    stage.give(2, Input::Offended { peer: PublicKey::of(&forger), how: Offence::Forges });
    let alarms = stage.status(2).alarms;
    assert!(alarms[0].contains("another receiver of stock"), "{alarms:?}");
}

#[test]
fn envelopes_that_come_again_crowd_nothing_out() {
    let (mut stage, sheets) = fanned_out(3);
    let envelopes = |stage: &Stage| -> Vec<(Nonce, Vec<u8>)> {
        let is_one = |(_, bytes): &&(Nonce, Vec<u8>)| {
            matches!(codec::decode(bytes, FRAME_BYTES_MAX), Ok(GossipMessage::Envelope(_)))
        };
        stage.published.iter().filter(is_one).cloned().collect()
    };
    for number in 0..4 {
        stage.restart(0);
        stage.pass(Duration::from_secs(3));
        stage.export(0, sheets[0], vec![value("output", number)]);
    }
    assert_eq!(stage.received(2, sheets[1]), [0, 1, 2, 3]);
    for old in envelopes(&stage) {
        assert_ne!(given(&mut stage, 2, old), Verdict::Reject);
    }
    stage.companies[2].verdicts.clear();
    stage.export(0, sheets[0], vec![value("output", 4)]);
    assert_eq!(stage.companies[2].verdicts, [Verdict::Accept], "the present key is still there");
    assert_eq!(stage.received(2, sheets[1]), [4]);
}

#[test]
fn what_others_bring_out_of_order_is_taken_in_order() {
    let (mut stage, sheets) = fanned_out(3);
    stage.cut();
    (stage.is_connected, stage.reach) = (true, Some(BTreeSet::new()));
    let before = stage.published.len();
    (0..3).for_each(|number| stage.export(0, sheets[0], vec![value("output", number)]));
    let messages = stage.published[before..].to_vec();
    for message in messages.into_iter().rev() {
        assert_eq!(given(&mut stage, 2, message), Verdict::Accept, "others may lack it");
    }
    assert_eq!(stage.received(2, sheets[1]), [0, 1, 2]);
}

#[test]
fn several_offers_of_one_stream_stand_beside_each_other_through_every_start() {
    let mut stage = Stage::new(4);
    let first = offered(&mut stage, 1, None);
    let second = offered(&mut stage, 2, Some(1));
    let third = offered(&mut stage, 3, Some(2));
    assert_eq!((first.0, second.0), (third.0, third.0), "one stream");
    stage.restart(0);
    stage.accept(3, third, local("stock", "rossi", &[]));
    stage.accept(2, second, local("stock", "rossi", &[]));
    stage.restart(0);
    let (_, of_third) = stage.confirm(0, &name(3));
    stage.restart(0);
    let (_, of_second) = stage.confirm(0, &name(2));
    let name_of = name(1).parse().expect("a name");
    assert!(matches!(stage.wish(0, Wish::End { name: name_of }), Answer::Done));
    stage.restart(0);
    refused(&stage.look(1, first.1), Refusal::LinkUnknown);
    stage.pass(Duration::from_secs(5));
    stage.export(0, of_third, vec![value("output", 1)]);
    assert_eq!(stage.received(3, of_third), [1]);
    assert_eq!(stage.received(2, of_second), [1]);
}

#[test]
fn all_receive_on_the_same_terms_and_nobody_twice() {
    let (mut stage, _) = fanned_out(3);
    let draft = |stage: &Stage, terms: Terms, onto: Onto| Wish::Draft {
        signer: stage.companies[0].signer("Rossi"),
        to: "Beta".parse().expect("a title"),
        terms,
        open_until: stage.now().wall.plus_ms(1000),
        local: local(if onto == Onto::Amends { "output-1" } else { "more" }, "beta", &[]),
        onto,
    };
    let joins = || Onto::Joins(name(1).parse().expect("a name"));
    let other = Terms { purpose: "anything".parse().expect("a title"), ..passed_on() };
    let wish = draft(&stage, other, joins());
    refused(&stage.wish(0, wish), Refusal::TermsUnusable);
    for terms_of in [passed_on(), Terms { fan_out: false, ..passed_on() }] {
        let wish = draft(&stage, terms_of, Onto::Amends);
        refused(&stage.wish(0, wish), Refusal::TermsUnusable);
    }
    let (share, link) = offered(&mut stage, 9, Some(1));
    assert!(matches!(stage.look(2, link), Answer::Proposal(..)));
    refused(&stage.take(2, share, local("twice", "rossi", &[])), Refusal::AcceptanceWrong);
}

#[test]
fn a_list_is_taken_from_the_sender_alone_and_followed_to_its_next() {
    let (stage, _) = fanned_out(8);
    let now = stage.now();
    for who in 1..8 {
        let core = &stage.companies[who].core;
        let known: BTreeSet<PublicKey> = core.fellows(now).collect();
        let others = (1..8).filter(|it| *it != who).map(|it| key_of(&stage, it)).collect();
        assert_eq!(known, others);
        assert_eq!(core.fellows_to_dial(now).len(), 4, "it dials some, the others dial it");
    }
    assert_eq!(stage.companies[0].core.fellows(now).count(), 0, "whoever sends is none of them");
}
