//! What somebody who does not keep to it achieves: nothing, and an alarm where a person can act.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, Nonce, RecordId, ShareId};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::partner::{Direction, Party, Receipt, Terms};
use gearmesh_protocol::partner_agreement::{
    Acceptance, Agreement, Signatures, gossip_topic, sign_sheet,
};
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{Carried, GossipMessage, SessionFrame};
use gearmesh_protocol::signed::Signed;

use super::super::*;
use super::stage::{NOTHING, Stage, line, local, terms, value};

fn proposed(stage: &mut Stage) -> (ShareId, PublicKey) {
    let offered = terms(vec![line(Direction::Export, "output")]);
    stage.propose(0, offered, local("orders", "acme", &[]))
}

#[track_caller]
fn refused(answer: &Answer, refusal: Refusal) {
    assert!(matches!(answer, Answer::Refused(it) if it.code == refusal), "{answer:?}");
}

#[test]
fn a_link_that_another_used_first_is_of_no_use_and_raises_an_alarm() {
    let mut stage = Stage::new(3);
    let link = proposed(&mut stage);
    let thief = stage.accept(2, link, local("loot", "rossi", &[]));
    refused(&stage.look(1, link.1), Refusal::LinkUsed);
    let alarms = stage.status(0).alarms;
    assert!(alarms[0].contains("second gateway"), "{alarms:?}");
    let now = stage.now();
    assert!((0..3).all(|who| stage.companies[who].core.live(now).count() == 0));
    assert!(!thief.is_empty(), "the thief has words, which nobody will confirm");
}

#[test]
fn of_two_that_look_one_takes() {
    let mut stage = Stage::new(3);
    let (share, link) = proposed(&mut stage);
    assert!(matches!(stage.look(1, link), Answer::Proposal(..)));
    assert!(matches!(stage.look(2, link), Answer::Proposal(..)));
    assert!(matches!(stage.take(1, share, local("b", "rossi", &[])), Answer::Sheet(_)));
    refused(&stage.take(2, share, local("c", "rossi", &[])), Refusal::LinkUsed);
}

#[test]
fn an_expired_link_is_of_no_use() {
    let mut stage = Stage::new(2);
    let (share, link) = proposed(&mut stage);
    assert!(matches!(stage.look(1, link), Answer::Proposal(..)));
    stage.pass(Duration::from_secs(3600));
    refused(&stage.take(1, share, local("b", "rossi", &[])), Refusal::LinkExpired);
    refused(&stage.look(1, link), Refusal::LinkExpired);
}

#[test]
fn a_side_that_signed_something_else_gets_nothing() {
    let mut stage = Stage::new(2);
    let (share, link) = proposed(&mut stage);
    assert!(matches!(stage.look(1, link), Answer::Proposal(..)));
    let taken = stage.take(1, share, local("b", "rossi", &[]));
    let Answer::Sheet(sheet) = taken else { panic!("{taken:?}") };
    let mut other: gearmesh_protocol::partner::Sheet = codec::decode(&sheet, 65536).expect("it");
    other.terms.retention_ms = None;
    other.terms.purpose = "anything".parse().expect("a title");
    let (plant, sheet) = (other.from.plant, codec::encode(&other));
    let [admin, gateway] = [&stage.companies[1].admin, &stage.companies[1].gateway]
        .map(|key| sign_sheet(key, &plant, &sheet));
    let frame = SessionFrame::Accepted(Acceptance { sheet, to: Signatures { admin, gateway } });
    let session = *stage.sessions.keys().next().expect("a session");
    stage.give(0, Input::Frame { session, frame: Box::new(frame) });
    assert_eq!(stage.sent.last(), Some(&SessionFrame::Refused(Refusal::AcceptanceWrong)));
    assert!(stage.status(0).shares[0].sheet.is_some(), "it is still taken, and not accepted");
    let name = "orders".parse().expect("a name");
    let confirmed = stage.wish(0, Wish::Confirm { name, admin });
    refused(&confirmed, Refusal::NotAccepted);
}

#[test]
fn nobody_accepts_in_the_name_of_another_gateway() {
    let mut stage = Stage::new(3);
    let (_, link) = proposed(&mut stage);
    assert!(matches!(stage.look(2, link), Answer::Proposal(..)));
    let victim = &stage.companies[1];
    let to = Party {
        plant: victim.plant,
        name: "Acme".parse().expect("a title"),
        admin: PublicKey::of(&victim.admin),
        gateway: PublicKey::of(&victim.gateway),
    };
    let session = *stage.sessions.keys().next().expect("a session");
    let frame = Box::new(SessionFrame::Take { to, nonce: Nonce([1; 16]) });
    stage.give(0, Input::Frame { session, frame });
    assert_eq!(stage.sent.last(), Some(&SessionFrame::Refused(Refusal::AcceptanceWrong)));
}

#[test]
fn yesterdays_messages_and_forged_ones_change_nothing() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    stage.export(0, sheet, vec![value("output", 2)]);
    assert_eq!(stage.received(1, sheet), [1, 2]);
    stage.companies[1].verdicts.clear();
    let (topic, sealed) = stage.published.last().cloned().expect("a message");
    let message = MessageTag(99);
    let give = |bytes: Vec<u8>| Input::Gossip { message, topic, bytes };
    stage.give(1, give(sealed.clone()));
    let mut flipped = sealed.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    stage.give(1, give(flipped));
    stage.give(1, give(b"nonsense".to_vec()));
    let Ok(GossipMessage::Sealed(real)) = codec::decode(&sealed, 65536) else { panic!("sealed") };
    let carried = Carried::Group(vec![1, 2, 3]);
    let share = stage.status(1).agreements[0].sheet;
    let forged = EpochKey::new([9; 32])
        .seal(&ShareId([0; 16]), real.epoch, [1; 24], &carried)
        .expect("sealed");
    stage.give(1, give(codec::encode(&GossipMessage::Sealed(forged.clone()))));
    let unknown = gearmesh_protocol::partner_session::Sealed { epoch: real.epoch ^ 1, ..forged };
    stage.give(1, give(codec::encode(&GossipMessage::Sealed(unknown))));
    let wanted =
        [Verdict::Ignore, Verdict::Reject, Verdict::Reject, Verdict::Reject, Verdict::Ignore];
    assert_eq!(stage.companies[1].verdicts, wanted, "{share:?}");
    assert_eq!(stage.received(1, sheet), NOTHING);
}

#[test]
fn a_topic_that_is_not_agreed_on_is_not_heard() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    let own = gossip_topic(&ShareId([1; 16]), &PublicKey::of(&stage.companies[1].gateway));
    stage.companies[0].verdicts.clear();
    let bytes = stage.published[0].1.clone();
    stage.give(0, Input::Gossip { message: MessageTag(1), topic: own, bytes });
    assert_eq!(stage.companies[0].verdicts, [Verdict::Ignore]);
}

/// A group of company 0's log that its core did not write.
fn group(stage: &Stage, sheet: SheetId, after: Vec<Tip>, number: i64) -> Vec<u8> {
    let company = &stage.companies[0];
    let own = company.logs.keys().next().expect("a log");
    let LogKind::Share(share) = own.kind else { panic!("{own:?}") };
    let draft = Draft {
        log: LogId { author: own.author, kind: LogKind::Share(share) },
        incarnation: Incarnation([77; 16]),
        after,
        acting_under: RecordId(sheet.0),
        salt: Salt([5; 16]),
        entries: vec![codec::encode(&value("output", number))],
    };
    let group = Group::write(&company.gateway, &company.plant, draft).expect("a group");
    codec::encode(group.group())
}

#[test]
fn a_second_history_is_not_taken_and_a_third_party_cannot_send_groups() {
    let mut stage = Stage::new(3);
    let sheet = stage.agreed();
    (1..3).for_each(|number| stage.export(0, sheet, vec![value("output", number)]));
    assert_eq!(stage.received(1, sheet), [1, 2]);
    let log = stage.companies[0].logs.values().next().expect("a log");
    let (first, second) = (log[0].tip(), log[1].tip());
    let wrong = Tip { number: second.number, ..first };
    let forked = group(&stage, sheet, vec![wrong], 9);
    let session = *stage.sessions.keys().next().expect("a session");
    let groups = vec![forked].try_into().expect("one");
    stage
        .give(1, Input::Frame { session, frame: Box::new(SessionFrame::Groups { sheet, groups }) });
    assert_eq!(stage.received(1, sheet), NOTHING);
    assert_eq!(stage.status(1).alarms.len(), 1);

    let next = group(&stage, sheet, vec![second], 3);
    let frame =
        Box::new(SessionFrame::Groups { sheet, groups: vec![next].try_into().expect("one") });
    let peer = PublicKey::of(&SigningKey::from_bytes(&[99; 32]));
    let up = Input::SessionUp {
        session: SessionId(777),
        peer,
        grounds: Grounds::Agreement,
        is_dialer: false,
    };
    stage.give(1, up);
    stage.give(1, Input::Frame { session: SessionId(777), frame });
    assert_eq!(
        stage.received(1, sheet),
        NOTHING,
        "only the exporter's own session brings its groups"
    );
}

/// A company hears a frame over the session that the two have.
fn say(stage: &mut Stage, who: usize, frame: SessionFrame) {
    let session = *stage.sessions.keys().next().expect("a session");
    stage.give(who, Input::Frame { session, frame: Box::new(frame) });
}

#[test]
fn a_gap_up_to_where_no_log_comes_loses_nothing_and_raises_an_alarm() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    assert_eq!(stage.received(1, sheet), [1]);
    let tip = stage.companies[0].logs.values().next().expect("a log")[0].tip();
    let far = [Tip { number: u64::MAX, ..tip }, Tip { entries: u64::MAX, ..tip }];
    for after in far.into_iter().chain([Tip { number: u64::MAX, entries: u64::MAX, ..tip }]) {
        say(&mut stage, 1, SessionFrame::Gap { sheet, after });
    }
    stage.export(0, sheet, vec![value("output", 2)]);
    assert_eq!(stage.received(1, sheet), [2]);
    let alarms = stage.status(1).alarms;
    assert!(matches!(&alarms[..], [text] if text.contains("not of its log")), "{alarms:?}");
    stage.restart(1);
    stage.pass(Duration::from_secs(2));
    stage.export(0, sheet, vec![value("output", 3)]);
    assert_eq!(stage.received(1, sheet), [3], "it is not there again after a start");
}

#[test]
fn a_count_that_no_number_holds_is_a_flaw_of_the_papers() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    assert_eq!(stage.received(1, sheet), [1]);
    let groups = stage.companies[0].logs.values().next().expect("a log").clone();
    let (tip, log) = (groups[0].tip(), groups[0].header().log.author);
    let at = stage.now().wall;
    // Their sum is the number of entries but for what it does not hold.
    let (delivered, lost) = (u64::MAX, tip.entries + 1);
    let receipt = Receipt { sheet, log, start: 0, head: tip.group, delivered, lost, at };
    let plant = stage.companies[0].plant;
    let signed = Signed::sign(&stage.companies[1].gateway, &plant, &receipt);
    say(&mut stage, 0, SessionFrame::Receipt(signed));
    let name = "orders".parse().expect("a name");
    let papers = stage.companies[0].core.papers(&name).expect("papers");
    let mut own = papers.logs.into_iter().find(|paper| paper.is_ours).expect("an own log");
    groups.iter().for_each(|group| own.take(&codec::encode(group.group())));
    own.finish();
    assert!(own.flaws.iter().any(|flaw| flaw.contains(&delivered.to_string())), "{:?}", own.flaws);
}

#[test]
fn nobody_else_ends_an_agreement() {
    let mut stage = Stage::new(3);
    let sheet = stage.agreed();
    let end = End { sheet, at: stage.now().wall };
    let thief = &stage.companies[2];
    let signed = Signed::sign(&thief.gateway, &stage.companies[0].plant, &end);
    let session = *stage.sessions.keys().next().expect("a session");
    stage.give(1, Input::Frame { session, frame: Box::new(SessionFrame::End(signed)) });
    let now = stage.now();
    assert_eq!(stage.companies[1].core.live(now).count(), 1);
}

#[test]
fn what_a_partner_is_sent_names_nothing_of_the_plant() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    stage.pass(Duration::from_secs(60));
    let sent = stage.sent.iter().map(codec::encode);
    let published = stage.published.iter().map(|(_, bytes)| bytes.clone());
    for bytes in sent.chain(published) {
        for secret in [&b"hall"[..], b"orders", b"stock"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret));
        }
    }
}

#[test]
fn a_gateway_killed_in_the_middle_of_a_key_change_loses_nothing_that_it_wrote() {
    let mut after = 0;
    loop {
        let mut stage = Stage::new(2);
        let sheet = stage.agreed();
        stage.export(0, sheet, vec![value("output", 1)]);
        // Keys are in memory alone, so the first value of a life comes under a new one.
        stage.restart(0);
        let were_more = stage.killed_in_export(0, (sheet, vec![value("output", 2)]), after);
        let (_, log) = stage.companies[0].logs.first_key_value().expect("a log");
        let wanted = if log.len() == 2 { vec![1, 2, 3] } else { vec![1, 3] };
        stage.pass(Duration::from_secs(2));
        stage.export(0, sheet, vec![value("output", 3)]);
        stage.pass(Duration::from_secs(40));
        assert_eq!(stage.received(1, sheet), wanted, "killed after {after} effects");
        if !were_more {
            break;
        }
        after += 1;
    }
    assert!(after >= 3, "there is a group, its envelope and its message");
}

const TEN_YEARS: i64 = 10 * 365 * 24 * 3_600_000;

#[test]
fn a_partners_clock_that_is_wrong_by_years_stops_nothing_without_an_end() {
    for ahead in [TEN_YEARS, -TEN_YEARS] {
        let mut stage = Stage::new(2);
        stage.ahead.insert(1, ahead);
        let sheet = stage.agreed();
        stage.export(0, sheet, vec![value("output", 1)]);
        stage.pass(Duration::from_secs(60));
        stage.export(0, sheet, vec![value("output", 2)]);
        assert_eq!(stage.received(1, sheet), [1, 2], "{ahead}");
        stage.pass(Duration::from_secs(60));
        for who in 0..2 {
            let receipts = &stage.status(who).agreements[0].receipts;
            let counted: Vec<_> = receipts.iter().map(|it| (it.delivered, it.lost)).collect();
            assert_eq!(counted, [(2, 0), (2, 0)], "{ahead}, {who}");
        }
    }
}

#[test]
fn an_end_is_judged_by_each_sides_own_clock() {
    let until = |stage: &Stage| Terms { until: Some(stage.now().wall.plus_ms(60_000)), ..output() };
    let mut stage = Stage::new(2);
    stage.ahead.insert(1, TEN_YEARS);
    let sheet = stage.agreed_on(until(&stage));
    stage.export(0, sheet, vec![value("output", 1)]);
    assert_eq!(stage.received(1, sheet), NOTHING, "over, by the clock of whoever is ahead");
    assert_eq!(stage.companies[0].core.live(stage.now_of(0)).count(), 1);

    let mut stage = Stage::new(2);
    stage.ahead.insert(1, -TEN_YEARS);
    let sheet = stage.agreed_on(until(&stage));
    stage.export(0, sheet, vec![value("output", 1)]);
    assert_eq!(stage.received(1, sheet), [1]);
    stage.pass(Duration::from_secs(61));
    let logs = |stage: &Stage| stage.companies[0].logs.values().map(Vec::len).sum::<usize>();
    let before = logs(&stage);
    stage.export(0, sheet, vec![value("output", 2)]);
    assert_eq!(logs(&stage), before, "whoever sends stops by its own clock");
    assert_eq!(stage.received(1, sheet), NOTHING);
}

fn output() -> Terms {
    terms(vec![line(Direction::Export, "output")])
}

#[test]
fn a_sheet_that_one_side_alone_signed_lets_nothing_flow() {
    let mut stage = Stage::new(2);
    let (share, link) = proposed(&mut stage);
    assert!(matches!(stage.look(1, link), Answer::Proposal(..)));
    let taken = stage.take(1, share, local("b", "rossi", &[]));
    let Answer::Sheet(sheet) = taken else { panic!("{taken:?}") };
    let plant = stage.companies[0].plant;
    let [admin, gateway] = [&stage.companies[1].admin, &stage.companies[1].gateway]
        .map(|key| sign_sheet(key, &plant, &sheet));
    let session = *stage.sessions.keys().next().expect("a session");
    let accepted = |to| Acceptance { sheet: sheet.clone(), to };
    let give = |stage: &mut Stage, who, frame| {
        stage.give(who, Input::Frame { session, frame: Box::new(frame) });
    };
    // One of the accepting side's two is missing.
    for to in [Signatures { admin, gateway: admin }, Signatures { admin: gateway, gateway }] {
        give(&mut stage, 0, SessionFrame::Accepted(accepted(to)));
        assert_eq!(stage.sent.last(), Some(&SessionFrame::Refused(Refusal::AcceptanceWrong)));
    }
    // The offering side has not signed at all, and the accepting one says that it has.
    let done = stage.wish(1, Wish::Accept { share, admin });
    assert!(matches!(done, Answer::Done), "{done:?}");
    let to = Signatures { admin, gateway };
    let agreement = Agreement { accepted: accepted(to), from: to };
    give(&mut stage, 1, SessionFrame::Confirmed(agreement.clone()));
    give(&mut stage, 0, SessionFrame::Confirmed(agreement));
    let now = stage.now();
    assert!((0..2).all(|who| stage.companies[who].core.live(now).count() == 0));
}

#[test]
fn what_no_honest_gateway_does_is_told_to_whoever_has_an_agreement_with_it() {
    let mut stage = Stage::new(3);
    stage.agreed();
    let [partner, stranger] = [1, 2].map(|who| PublicKey::of(&stage.companies[who].gateway));
    stage.give(0, Input::Offended { peer: stranger, how: Offence::Floods });
    assert!(stage.status(0).alarms.is_empty(), "of a stranger nobody here knows anything");
    for how in [Offence::Floods, Offence::Floods, Offence::Forges] {
        stage.give(0, Input::Offended { peer: partner, how });
    }
    let alarms = stage.status(0).alarms;
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    assert!(alarms.iter().all(|text| text.contains("orders sends")), "{alarms:?}");
}
