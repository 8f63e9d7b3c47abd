//! What two companies that keep to what they signed can rely on.

use std::time::Duration;

use gearmesh_protocol::limits::SHARE_PAGE_MAX;
use gearmesh_protocol::partner::Direction;
use gearmesh_protocol::refusal::Refusal;

use super::super::outgoing::{EPOCH_TIME_MAX, HEAD_EVERY};
use super::super::*;
use super::stage::{NOTHING, Stage, line, local, terms, value};

#[test]
fn what_both_signed_and_confirmed_flows_in_order_until_one_ends_it() {
    for ender in [0, 1] {
        let mut stage = Stage::new(2);
        let sheet = stage.agreed();
        for number in 0..10 {
            stage.export(0, sheet, vec![value("output", number)]);
        }
        assert_eq!(stage.received(1, sheet), (0..10).collect::<Vec<_>>());
        let name = ["orders", "stock"][ender].parse().expect("a name");
        assert!(matches!(stage.wish(ender, Wish::End { name }), Answer::Done));
        stage.export(0, sheet, vec![value("output", 10)]);
        assert_eq!(stage.received(1, sheet), NOTHING);
        for who in [0, 1] {
            let agreement = &stage.status(who).agreements[0];
            let by = agreement.ended.and_then(|(_, by)| by);
            let gateway = PublicKey::of(&stage.companies[ender].gateway);
            assert_eq!(by, Some(gateway), "both see who ended it");
            let now = stage.now();
            assert_eq!(stage.companies[who].core.live(now).count(), 0);
        }
    }
}

#[test]
fn nothing_flows_before_it_is_confirmed() {
    let mut stage = Stage::new(2);
    let offered = terms(vec![line(Direction::Export, "output")]);
    let proposed = stage.propose(0, offered, local("orders", "acme", &[]));
    stage.accept(1, proposed, local("stock", "rossi", &[]));
    let now = stage.now();
    assert!((0..2).all(|who| stage.companies[who].core.live(now).count() == 0));
    assert!(stage.companies[0].core.doors(now).topics.is_empty());
    assert!(stage.published.is_empty());
}

#[test]
fn values_flow_in_both_directions() {
    let mut stage = Stage::new(2);
    let both = vec![line(Direction::Export, "output"), line(Direction::Import, "orders")];
    let proposed = stage.propose(0, terms(both), local("a", "acme", &[("output", "x/#")]));
    stage.accept(1, proposed, local("b", "rossi", &[("orders", "erp/orders")]));
    let (_, sheet) = stage.confirm(0, "a");
    stage.export(0, sheet, vec![value("output", 1)]);
    stage.export(1, sheet, vec![value("orders", 2)]);
    assert_eq!((stage.received(1, sheet), stage.received(0, sheet)), (vec![1], vec![2]));
}

#[test]
fn whoever_was_away_gets_all_of_it_in_order() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 0)]);
    assert_eq!(stage.received(1, sheet), [0]);
    stage.cut();
    let missed = 5 * i64::try_from(SHARE_PAGE_MAX).expect("few");
    (1..missed).for_each(|number| stage.export(0, sheet, vec![value("output", number)]));
    stage.restart(1);
    stage.restart(0);
    let mut received = Vec::new();
    while received.len() + 1 < usize::try_from(missed).expect("few") {
        stage.pass(Duration::from_secs(1));
        received.extend(stage.received(1, sheet));
        assert!(stage.at < Duration::from_secs(600), "{} of {missed} came", received.len());
    }
    assert_eq!(received, (1..missed).collect::<Vec<_>>());
    stage.export(0, sheet, vec![value("output", missed)]);
    assert_eq!(stage.received(1, sheet), [missed], "and then what is new");
}

#[test]
fn a_lost_last_message_shows_at_the_next_head() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.has_gossip = false;
    stage.export(0, sheet, vec![value("output", 7)]);
    assert_eq!(stage.received(1, sheet), NOTHING);
    stage.pass(HEAD_EVERY);
    assert_eq!(stage.received(1, sheet), [7]);
}

#[test]
fn what_retention_took_is_told_with_its_size() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.has_gossip = false;
    (0..3).for_each(|number| stage.export(0, sheet, vec![value("output", number)]));
    let own = stage.companies[0].logs.values().next().cloned().expect("a log");
    let session = *stage.sessions.keys().next().expect("a session");
    let groups = vec![gearmesh_protocol::codec::encode(own[2].group())];
    let page = Page { groups, after: Some(own[1].tip()) };
    stage.give(0, Input::Page { session, sheet, page });
    assert_eq!(stage.received(1, sheet), [2]);
    let status = stage.status(1);
    assert_eq!((status.agreements[0].received, status.agreements[0].lost), (1, 2));
    assert_eq!(status.alarms.len(), 1, "{:?}", status.alarms);
    stage.restart(1);
    assert_eq!(stage.status(1).agreements[0].lost, 2, "and is known after a start");
}

#[test]
fn a_key_change_loses_nothing() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    stage.pass(HEAD_EVERY);
    stage.at += EPOCH_TIME_MAX;
    stage.export(0, sheet, vec![value("output", 2)]);
    stage.restart(0);
    stage.pass(Duration::from_secs(2));
    stage.export(0, sheet, vec![value("output", 3)]);
    assert_eq!(stage.received(1, sheet), [1, 2, 3]);
}

#[test]
fn both_count_the_same() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    (0..5).for_each(|number| stage.export(0, sheet, vec![value("output", number)]));
    stage.received(1, sheet);
    stage.pass(HEAD_EVERY + Duration::from_secs(1));
    for who in [0, 1] {
        let receipts = stage.status(who).agreements[0].receipts.clone();
        let counts: Vec<_> = receipts.iter().map(|it| (it.delivered, it.lost)).collect();
        assert_eq!(counts, [(5, 0), (5, 0)], "company {who}");
        assert_ne!(receipts[0].by, receipts[1].by);
    }
}

#[test]
fn counts_come_again_after_a_start() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.export(0, sheet, vec![value("output", 1)]);
    stage.received(1, sheet);
    stage.pass(HEAD_EVERY + Duration::from_secs(1));
    // Counts are written down once an hour, so the one that starts anew has none.
    stage.restart(0);
    stage.pass(HEAD_EVERY + Duration::from_secs(2));
    for who in [0, 1] {
        let receipts = stage.status(who).agreements[0].receipts.clone();
        let counts: Vec<_> = receipts.iter().map(|it| (it.delivered, it.lost)).collect();
        assert_eq!(counts, [(1, 0), (1, 0)], "company {who}");
    }
}

#[test]
fn an_end_that_was_said_to_nobody_is_said_when_somebody_comes() {
    let mut stage = Stage::new(2);
    let sheet = stage.agreed();
    stage.cut();
    let name = "orders".parse().expect("a name");
    assert!(matches!(stage.wish(0, Wish::End { name }), Answer::Done));
    stage.restart(0);
    stage.pass(Duration::from_secs(5));
    let now = stage.now();
    assert_eq!(stage.companies[1].core.live(now).count(), 0, "{sheet:?}");
}

#[test]
fn time_ends_an_agreement_at_both_sides() {
    let mut stage = Stage::new(2);
    let mut ending = terms(vec![line(Direction::Export, "output")]);
    ending.until = Some(stage.now().wall.plus_ms(10_000));
    let sheet = stage.agreed_on(ending);
    stage.export(0, sheet, vec![value("output", 1)]);
    assert_eq!(stage.received(1, sheet), [1]);
    stage.pass(Duration::from_secs(11));
    stage.export(0, sheet, vec![value("output", 2)]);
    assert_eq!(stage.received(1, sheet), NOTHING);
    assert!((0..2).all(|who| stage.status(who).agreements[0].ended.is_some()));
}

#[test]
fn a_start_in_between_loses_no_step() {
    let mut stage = Stage::new(2);
    let offered = terms(vec![line(Direction::Export, "output")]);
    let proposed = stage.propose(0, offered, local("orders", "acme", &[]));
    stage.restart(0);
    assert!(matches!(stage.look(1, proposed.1), Answer::Proposal(..)));
    assert!(matches!(stage.take(1, proposed.0, local("b", "rossi", &[])), Answer::Sheet(_)));
    stage.restart(1);
    let words = stage.accept(1, proposed, local("b", "rossi", &[]));
    stage.restart(0);
    stage.restart(1);
    stage.pass(Duration::from_secs(5));
    stage.cut();
    let (same, sheet) = stage.confirm(0, "orders");
    assert_eq!(words, same);
    stage.restart(0);
    stage.pass(Duration::from_secs(70));
    stage.export(0, sheet, vec![value("output", 4)]);
    assert_eq!(stage.received(1, sheet), [4]);
}

#[test]
fn whoever_signed_hears_that_the_proposal_was_withdrawn() {
    let mut stage = Stage::new(2);
    let offered = terms(vec![line(Direction::Export, "output")]);
    let proposed = stage.propose(0, offered, local("orders", "acme", &[]));
    stage.accept(1, proposed, local("stock", "rossi", &[]));
    let name = "orders".parse().expect("a name");
    assert!(matches!(stage.wish(0, Wish::End { name }), Answer::Done));
    let status = stage.status(1);
    assert!(status.shares.is_empty(), "{:?}", status.shares);
    assert!(status.alarms[0].contains("withdrew"), "{:?}", status.alarms);
}

#[test]
fn a_name_is_given_once_and_a_withdrawn_proposal_is_gone() {
    let mut stage = Stage::new(2);
    let offered = || terms(vec![line(Direction::Export, "output")]);
    let proposed = stage.propose(0, offered(), local("orders", "acme", &[]));
    let signer = stage.companies[0].signer("Rossi");
    let draft = Wish::Draft {
        signer,
        to: "Acme".parse().expect("a title"),
        terms: offered(),
        open_until: stage.now().wall,
        local: local("orders", "acme", &[]),
        onto: Onto::New,
    };
    let refused = stage.wish(0, draft);
    assert!(matches!(&refused, Answer::Refused(it) if it.code == Refusal::ShareTaken));
    let name = "orders".parse().expect("a name");
    assert!(matches!(stage.wish(0, Wish::End { name }), Answer::Done));
    let refused = stage.look(1, proposed.1);
    assert!(matches!(&refused, Answer::Refused(it) if it.code == Refusal::LinkUnknown));
}

#[test]
fn of_two_sessions_dialled_at_once_both_sides_keep_the_same() {
    let mut stage = Stage::new(2);
    stage.agreed();
    stage.cut();
    let keys = [0, 1].map(|who| PublicKey::of(&stage.companies[who].gateway));
    let smaller = usize::from(keys[1] < keys[0]);
    // Company 0 dialled session 100, company 1 session 101; they come up in a different order here
    // and there.
    let sessions = [SessionId(100), SessionId(101)];
    for (who, order) in [(0, [0, 1]), (1, [1, 0])] {
        let mut closed = Vec::new();
        for dialer in order {
            let up = Input::SessionUp {
                session: sessions[dialer],
                peer: keys[1 - who],
                grounds: Grounds::Agreement,
                is_dialer: dialer == who,
            };
            let now = stage.now();
            let effects = stage.companies[who].core.handle(now, up);
            closed.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Close(session) => Some(session),
                _ => None,
            }));
        }
        assert_eq!(closed, [sessions[1 - smaller]], "company {who}");
    }
}
