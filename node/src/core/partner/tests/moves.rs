//! What a share can rely on when a gateway of one side is another from now on, or none.

use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::partner::Direction;
use gearmesh_protocol::partner_gateway::{Former, GatewayNotice, Notices, SharePapers, Successor};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;

use super::super::*;
use super::stage::{NOTHING, Stage, line, local, terms, value};

fn papers(stage: &mut Stage, who: usize, name: &str) -> SharePapers {
    match stage.wish(who, Wish::Papers { name: name.parse().expect("a name") }) {
        Answer::Papers(papers) => *papers,
        other => panic!("{other:?}"),
    }
}

fn signed(
    stage: &Stage,
    by: usize,
    papers: &SharePapers,
    (former, to): (Former, Option<usize>),
) -> Signed<GatewayNotice> {
    let sheet = papers.sheets.last().expect("a sheet").clone().verify().expect("signed");
    let sheet = sheet.sheet().clone();
    let company = &stage.companies[by];
    let address = "203.0.113.6:7440".parse().expect("an address");
    let successor = to.map(|to| Successor {
        gateway: PublicKey::of(&stage.companies[to].gateway),
        addresses: vec![address].try_into().expect("one"),
    });
    let number = u32::try_from(papers.ours.len()).expect("few") + 1;
    let of = if papers.is_ours { sheet.from.plant } else { sheet.to.plant };
    let at = stage.now().wall;
    let notice = GatewayNotice { share: sheet.share, of, number, former, successor, at };
    Signed::sign(&company.admin, &sheet.from.plant, &notice)
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done)
}

fn refusal(answer: Answer) -> Refusal {
    match answer {
        Answer::Refused(body) => body.code,
        other => panic!("{other:?}"),
    }
}

/// Moves a share from one gateway of a plant to another.
fn hand_over(stage: &mut Stage, (from, to): (usize, usize), name: &str) {
    let before = papers(stage, from, name);
    let notice = signed(stage, from, &before, (Former::HandsOver(before.sent), Some(to)));
    assert!(is_done(&stage.wish(from, Wish::Move { signed: notice })));
    let papers = Box::new(papers(stage, from, name));
    assert!(is_done(&stage.wish(to, Wish::TakeOver { papers })));
}

/// Lets a gateway go on with a share of one that is gone, from papers made before.
fn succeed(stage: &mut Stage, to: usize, mut papers: SharePapers) -> Notices {
    let notice = signed(stage, to, &papers, (Former::Gone(papers.sent), Some(to)));
    let all = papers.ours.iter().cloned().chain([notice]).collect::<Vec<_>>();
    papers.ours = Bounded::try_from(all).expect("few");
    let notices = papers.ours.clone();
    assert!(is_done(&stage.wish(to, Wish::TakeOver { papers: Box::new(papers) })));
    notices
}

fn export(stage: &mut Stage, who: usize, sheet: SheetId, numbers: std::ops::Range<i64>) {
    numbers.for_each(|number| stage.export(who, sheet, vec![value("output", number)]));
}

/// What of a share is counted by both of its ends, as each has it: delivered, lost.
fn counts(stage: &mut Stage, ends: [usize; 2]) -> Vec<(u64, u64)> {
    stage.pass(outgoing::HEAD_EVERY + Duration::from_secs(2));
    let mut all = Vec::new();
    for who in ends {
        let agreements = stage.status(who).agreements;
        let agreement = agreements.iter().find(|it| it.moved.is_none()).expect("one that stands");
        all.extend(agreement.receipts.iter().map(|it| (it.delivered, it.lost)));
    }
    all
}

#[test]
fn a_share_goes_on_at_another_gateway_without_loss_and_once() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    export(&mut stage, 0, sheet, 0..3);
    assert_eq!(stage.received(1, sheet), [0, 1, 2]);
    stage.has_gossip = false;
    export(&mut stage, 0, sheet, 3..6);
    hand_over(&mut stage, (0, other), "orders");
    stage.export(0, sheet, vec![value("output", 99)]);
    export(&mut stage, other, sheet, 6..9);
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.received(1, sheet), [3, 4, 5, 6, 7, 8]);
    stage.has_gossip = true;
    export(&mut stage, other, sheet, 9..10);
    assert_eq!(stage.received(1, sheet), [9]);
    assert_eq!(counts(&mut stage, [1, other]), [(10, 0); 4]);
    (0..3).for_each(|who| stage.restart(who));
    stage.pass(Duration::from_secs(5));
    export(&mut stage, other, sheet, 10..11);
    assert_eq!(stage.received(1, sheet), [10]);
    let here = &stage.status(1).agreements[0];
    assert_eq!(here.with.gateway, PublicKey::of(&stage.companies[other].gateway));
    assert!(here.partner_moved.as_ref().is_some_and(|it| it.hands_over && it.number == 1));
}

#[test]
fn whoever_was_away_fetches_the_rest_at_the_old_gateway_and_goes_on_at_the_new() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    export(&mut stage, 0, sheet, 0..1);
    assert_eq!(stage.received(1, sheet), [0]);
    stage.cut();
    export(&mut stage, 0, sheet, 1..200);
    hand_over(&mut stage, (0, other), "orders");
    export(&mut stage, other, sheet, 200..300);
    (0..3).for_each(|who| stage.restart(who));
    let mut received = Vec::new();
    while received.len() < 299 {
        stage.pass(Duration::from_secs(1));
        received.extend(stage.received(1, sheet));
        if received.len() == 128 {
            stage.restart(1);
        }
        assert!(stage.at < Duration::from_secs(600), "{} came", received.len());
    }
    assert_eq!(received, (1..300).collect::<Vec<_>>());
    assert_eq!(counts(&mut stage, [1, other]), [(300, 0); 4]);
    // Back again: the numbers of both logs go on.
    hand_over(&mut stage, (other, 0), "orders");
    export(&mut stage, 0, sheet, 300..302);
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.received(1, sheet), [300, 301]);
    (0..3).for_each(|who| stage.restart(who));
    stage.pass(Duration::from_secs(5));
    export(&mut stage, 0, sheet, 302..303);
    assert_eq!(stage.received(1, sheet), [302]);
}

#[test]
fn a_gateway_that_is_gone_is_succeeded_with_a_gap_that_both_sides_count() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    let kept = papers(&mut stage, 0, "orders");
    export(&mut stage, 0, sheet, 0..5);
    assert_eq!(stage.received(1, sheet), [0, 1, 2, 3, 4]);
    stage.has_gossip = false;
    export(&mut stage, 0, sheet, 5..8);
    // The partner hears of three values, and gets none of them.
    let session = *stage.sessions.keys().next().expect("a session");
    let tip =
        stage.companies[0].logs.values().next().and_then(|log| log.last()).expect("a log").tip();
    let head = gearmesh_protocol::partner::ShareHead {
        share: stage.status(1).agreements[0].share,
        head: tip.group,
        entries: tip.entries,
    };
    let head = Signed::sign(&stage.companies[0].gateway, &stage.companies[0].plant, &head);
    stage.lose(0);
    stage.sessions.insert(session, (1, 0));
    let peer = PublicKey::of(&stage.companies[0].gateway);
    let grounds = Grounds::Agreement;
    let up = Input::SessionUp { session, peer, grounds, is_dialer: true };
    let now = stage.now();
    drop(stage.companies[1].core.handle(now, up));
    let frame = Box::new(SessionFrame::Head { sheet, head });
    drop(stage.companies[1].core.handle(now, Input::Frame { session, frame }));
    stage.has_gossip = true;

    let notices = succeed(&mut stage, other, kept);
    export(&mut stage, other, sheet, 50..51);
    assert!(stage.status(other).agreements[0].awaits_partner);
    assert!(is_done(&stage.wish(1, Wish::Notices { notices: notices.clone() })));
    stage.pass(Duration::from_secs(5));
    assert!(!stage.status(other).agreements[0].awaits_partner);
    export(&mut stage, other, sheet, 51..53);
    assert_eq!(stage.received(1, sheet), [51, 52]);
    assert_eq!(counts(&mut stage, [1, other]), [(7, 3); 4]);
    let alarms = stage.status(1).alarms.join("\n");
    assert!(alarms.contains("3 values of stock are gone with"), "{alarms}");
    (1..3).for_each(|who| stage.restart(who));
    stage.pass(Duration::from_secs(5));
    export(&mut stage, other, sheet, 53..54);
    assert_eq!(stage.received(1, sheet), [53]);
    assert_eq!(stage.status(1).agreements[0].lost, 3);

    // It comes back, and is refused: it neither comes in nor is dialled.
    stage.dead.clear();
    let doors = stage.companies[1].core.doors(stage.now());
    assert!(!doors.peers.contains(&peer) && !doors.hosts.contains(&peer));
    let topics = (doors.heard.len(), doors.heard.contains(&stage.published[0].0));
    assert_eq!(topics, (1, false));
    assert!(is_done(&stage.wish(1, Wish::Notices { notices })), "the same again");
}

#[test]
fn papers_that_know_more_than_the_partner_open_with_a_gap() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    stage.cut();
    export(&mut stage, 0, sheet, 0..4);
    let kept = papers(&mut stage, 0, "orders");
    stage.lose(0);
    stage.is_connected = true;
    let notices = succeed(&mut stage, other, kept);
    stage.restart(other);
    assert!(is_done(&stage.wish(1, Wish::Notices { notices })));
    stage.pass(Duration::from_secs(5));
    export(&mut stage, other, sheet, 4..6);
    assert_eq!(stage.received(1, sheet), [4, 5]);
    assert_eq!(counts(&mut stage, [1, other]), [(2, 4); 4]);
}

#[test]
fn a_gateway_that_is_ended_and_not_followed_by_another_is_refused() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    export(&mut stage, 0, sheet, 0..1);
    assert_eq!(stage.received(1, sheet), [0]);
    let mut kept = papers(&mut stage, 0, "orders");
    let gone = signed(&stage, 0, &kept, (Former::Gone(kept.sent), None));
    kept.ours = vec![gone].try_into().expect("one");
    assert!(is_done(&stage.wish(1, Wish::Notices { notices: kept.ours.clone() })));
    export(&mut stage, 0, sheet, 1..2);
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.received(1, sheet), NOTHING);
    assert!(stage.sessions.is_empty());
    let agreement = stage.status(1).agreements[0].clone();
    assert!(agreement.partner_moved.is_some_and(|it| it.gateway.is_none() && !it.hands_over));
    stage.restart(1);
    assert!(stage.companies[1].core.doors(stage.now()).peers.is_empty());
    // Later another one has its place.
    let notices = succeed(&mut stage, other, kept);
    assert!(is_done(&stage.wish(1, Wish::Notices { notices })));
    stage.pass(Duration::from_secs(5));
    export(&mut stage, other, sheet, 5..6);
    assert_eq!(stage.received(1, sheet), [5]);
}

#[test]
fn whoever_answers_where_the_gateway_was_says_that_it_has_its_place() {
    let mut stage = Stage::new(3);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    export(&mut stage, 0, sheet, 0..1);
    assert_eq!(stage.received(1, sheet), [0]);
    let kept = papers(&mut stage, 0, "orders");
    stage.lose(0);
    // Somebody else answers there first, and is of no use; nor is it let stay.
    stage.answers = Some(other);
    stage.pass(Duration::from_secs(20));
    assert!(stage.sessions.is_empty(), "it does not know the partner yet");
    drop(succeed(&mut stage, other, kept));
    stage.pass(Duration::from_secs(70));
    export(&mut stage, other, sheet, 1..3);
    assert_eq!(stage.received(1, sheet), [1, 2]);
    assert_eq!(counts(&mut stage, [1, other]), [(3, 0); 4]);
}

#[test]
fn a_stranger_that_answers_where_the_gateway_was_is_let_go_of() {
    let mut stage = Stage::new(3);
    let sheet = stage.agreed();
    let (session, stranger) = (SessionId(500), PublicKey::of(&stage.companies[2].gateway));
    let up =
        Input::SessionUp { session, peer: stranger, grounds: Grounds::Notice, is_dialer: true };
    let now = stage.now();
    drop(stage.companies[1].core.handle(now, up));
    stage.at += Duration::from_secs(11);
    let now = stage.now();
    let effects = stage.companies[1].core.handle(now, Input::Tick);
    let is_closed = |effect: &Effect| matches!(effect, Effect::Close(it) if *it == session);
    assert!(effects.iter().any(is_closed), "{sheet:?}");
}

#[test]
fn a_receiver_moves_too_and_its_old_gateway_reads_no_more() {
    let mut stage = Stage::new(2);
    let both = vec![line(Direction::Export, "output"), line(Direction::Import, "orders")];
    let proposed = stage.propose(0, terms(both), local("a", "acme", &[("output", "x/#")]));
    stage.accept(1, proposed, local("b", "rossi", &[("orders", "erp/orders")]));
    let (_, sheet) = stage.confirm(0, "a");
    let other = stage.second_gateway(1);
    stage.export(0, sheet, vec![value("output", 1)]);
    stage.export(1, sheet, vec![value("orders", 2)]);
    assert_eq!((stage.received(1, sheet), stage.received(0, sheet)), (vec![1], vec![2]));
    hand_over(&mut stage, (1, other), "b");
    stage.pass(Duration::from_secs(5));
    stage.export(0, sheet, vec![value("output", 3)]);
    stage.export(other, sheet, vec![value("orders", 4)]);
    assert_eq!((stage.received(other, sheet), stage.received(0, sheet)), (vec![3], vec![4]));
    assert_eq!(stage.received(1, sheet), NOTHING);
    let old = PublicKey::of(&stage.companies[1].gateway);
    assert!(!stage.companies[0].core.doors(stage.now()).peers.contains(&old));
}

#[test]
fn a_notice_is_believed_under_its_admins_key_in_its_order_alone() {
    let mut stage = Stage::new(3);
    let sheet = stage.agreed();
    let other = stage.second_gateway(0);
    let kept = papers(&mut stage, 0, "orders");
    let gone = (Former::Gone(None), Some(other));
    let hear = |stage: &mut Stage, notice: Signed<GatewayNotice>| {
        stage.wish(1, Wish::Notices { notices: vec![notice].try_into().expect("one") })
    };
    let forged = signed(&stage, 2, &kept, gone);
    assert_eq!(refusal(hear(&mut stage, forged)), Refusal::NoticeWrong);
    let change = |stage: &Stage, change: &dyn Fn(&mut GatewayNotice)| {
        let mut notice = signed(stage, 0, &kept, gone).peek().expect("a notice");
        change(&mut notice);
        Signed::sign(&stage.companies[0].admin, &stage.companies[0].plant, &notice)
    };
    let early = change(&stage, &|notice| notice.number = 2);
    assert_eq!(refusal(hear(&mut stage, early)), Refusal::NoticeEarly);
    let own = stage.companies[1].plant;
    let of_us = change(&stage, &|notice| notice.of = own);
    assert_eq!(refusal(hear(&mut stage, of_us)), Refusal::NoticeWrong);
    let right = signed(&stage, 0, &kept, gone);
    assert!(is_done(&hear(&mut stage, right)));
    let second = change(&stage, &|notice| notice.successor = None);
    assert_eq!(refusal(hear(&mut stage, second)), Refusal::NoticeOther);
    let none = stage.wish(1, Wish::Notices { notices: Bounded::new() });
    assert_eq!(refusal(none), Refusal::NoPapers);
    // What is not at rest, or not as it was signed, does not move; papers are for whom they name.
    export(&mut stage, 0, sheet, 0..1);
    let stale = signed(&stage, 0, &kept, (Former::HandsOver(None), Some(other)));
    assert_eq!(refusal(stage.wish(0, Wish::Move { signed: stale })), Refusal::ShareMoving);
    let papers = Box::new(kept);
    assert_eq!(refusal(stage.wish(other, Wish::TakeOver { papers })), Refusal::NotForThisGateway);
}
