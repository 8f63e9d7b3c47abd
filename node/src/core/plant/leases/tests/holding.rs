//! A holder's own view.

use super::super::holder::{Act, Held, Holder, Told, WISHES_MAX, Wish};
use super::*;

const ID: LeaseId = LeaseId([20; 16]);

fn wish(wait: Option<u64>) -> Wish {
    Wish {
        id: ID,
        arbiter: key(1),
        resource: crane(),
        ttl: secs(8),
        on_loss: OnLoss::Stop,
        wait: wait.map(secs),
    }
}

fn asked(wait: Option<u64>, at: u64) -> Holder {
    let mut holder = Holder::default();
    holder.ask(secs(at), wish(wait), &mut Vec::new()).expect("taken");
    holder
}

const fn token(number: u64) -> FencingToken {
    FencingToken { incarnation: LIFE, number }
}

fn hear(holder: &mut Holder, at: u64, from: u8, frame: LeaseFrame) -> Vec<Act> {
    let mut acts = Vec::new();
    holder.heard(secs(at), &key(from), frame, &mut acts);
    acts
}

const fn granted(number: u32, token: FencingToken) -> LeaseFrame {
    LeaseFrame::Granted { id: ID, number, token, ttl_ms: TTL }
}

fn tick(holder: &mut Holder, at: u64) -> Vec<Act> {
    let mut acts = Vec::new();
    holder.tick(secs(at), &mut acts);
    acts
}

fn renewed(holder: &mut Holder, at: u64) -> Result<Vec<Act>, Refusal> {
    let mut acts = Vec::new();
    holder.renew(secs(at), ID, &mut acts).map(|()| acts)
}

#[test]
fn a_lease_counts_from_when_it_was_asked_for() {
    let mut holder = asked(Some(30), 100);
    assert_eq!(
        hear(&mut holder, 103, 1, granted(1, token(1))),
        [Act::Tell(ID, Told::Held(token(1), secs(5)))]
    );
    assert_eq!(tick(&mut holder, 107), []);
    let lost = Told::Ended(LeaseEvent::Expired);
    assert_eq!(tick(&mut holder, 108), [Act::Tell(ID, lost)], "the arbiter holds it still");
    assert_eq!(renewed(&mut holder, 108), Err(Refusal::LeaseUnknown));
}

#[test]
fn a_waiter_asks_again_and_counts_from_the_ask_that_was_answered() {
    let mut holder = asked(Some(300), 100);
    let place = LeaseFrame::Waits { id: ID, number: 1, place: 2 };
    assert_eq!(hear(&mut holder, 100, 1, place.clone()), [Act::Tell(ID, Told::Waits(2))]);
    assert_eq!(hear(&mut holder, 100, 1, place), [], "no news");
    for second in 101..=140 {
        let acts = tick(&mut holder, second);
        let is_ask = |act: &Act| matches!(act, Act::Send(_, LeaseFrame::Ask(ask)) if ask.waits);
        assert!(acts.len() == 1 && acts.iter().all(is_ask), "{second}: {acts:?}");
    }
    let held = hear(&mut holder, 142, 1, granted(41, token(7)));
    assert_eq!(held, [Act::Tell(ID, Told::Held(token(7), secs(6)))]);
}

#[test]
fn a_grant_that_comes_too_late_is_none_and_is_asked_for_again() {
    let mut holder = asked(Some(300), 100);
    assert_eq!(hear(&mut holder, 108, 1, granted(1, token(1))), []);
    assert!(matches!(tick(&mut holder, 108)[..], [Act::Send(_, LeaseFrame::Ask(_))]));
    assert!(!hear(&mut holder, 109, 1, granted(2, token(1))).is_empty());
}

#[test]
fn a_renewal_is_asked_for_until_it_is_answered() {
    let mut holder = asked(None, 100);
    hear(&mut holder, 100, 1, granted(1, token(1)));
    let frame = |number| LeaseFrame::Renew { id: ID, number, resource: crane(), token: token(1) };
    assert_eq!(renewed(&mut holder, 103), Ok(vec![Act::Send(key(1), frame(2))]));
    assert_eq!(tick(&mut holder, 104), [Act::Send(key(1), frame(3))]);
    // The answer to the first, under the token of a new life.
    let next = FencingToken { incarnation: Incarnation([2; 16]), number: 1 };
    let told = hear(&mut holder, 105, 1, granted(2, next));
    assert_eq!(told, [Act::Tell(ID, Told::Held(next, secs(6)))]);
    assert_eq!(hear(&mut holder, 105, 1, granted(3, next)).len(), 1);
    assert_eq!(tick(&mut holder, 107), [], "it has its answer");
    assert_eq!(renewed(&mut holder, 112), Err(Refusal::LeaseOver), "too late");
}

#[test]
fn an_answer_that_was_overtaken_takes_nothing_back() {
    let mut holder = asked(None, 100);
    hear(&mut holder, 100, 1, granted(1, token(1)));
    renewed(&mut holder, 103).expect("held");
    hear(&mut holder, 103, 1, granted(2, token(2)));
    hear(&mut holder, 104, 1, granted(1, token(1)));
    let held: Vec<Held> = holder.held().map(|(_, held)| held).collect();
    assert_eq!((held[0].token, held[0].until), (token(2), secs(111)));
}

#[test]
fn what_is_given_back_is_given_back_until_somebody_says_so() {
    let mut holder = asked(None, 100);
    hear(&mut holder, 100, 1, granted(1, token(1)));
    let mut acts = Vec::new();
    holder.release(secs(101), ID, &mut acts).expect("held");
    let release = Act::Send(key(1), LeaseFrame::Release { id: ID });
    assert_eq!(acts, std::slice::from_ref(&release));
    assert_eq!(holder.held().count(), 0, "from that moment on");
    assert_eq!(tick(&mut holder, 102), [release]);
    let done = Act::Tell(ID, Told::Ended(LeaseEvent::Released));
    let heard = hear(&mut holder, 103, 1, ended(20, LeaseEvent::Released));
    assert_eq!(heard, std::slice::from_ref(&done));
    assert_eq!(holder.release(secs(103), ID, &mut acts), Err(Refusal::LeaseUnknown));
    // Nobody answers: then its time is over.
    let mut holder = asked(None, 100);
    hear(&mut holder, 100, 1, granted(1, token(1)));
    holder.release(secs(101), ID, &mut acts).expect("held");
    assert_eq!(tick(&mut holder, 108), [done]);
}

#[test]
fn who_waits_no_longer_says_so_and_a_grant_on_its_way_is_given_back() {
    let mut holder = asked(Some(30), 100);
    let late = Told::Refused(Refusal::LeaseNotInTime);
    let release = Act::Send(key(1), LeaseFrame::Release { id: ID });
    assert_eq!(tick(&mut holder, 130), [release.clone(), Act::Tell(ID, late)]);
    assert_eq!(hear(&mut holder, 130, 1, granted(30, token(1))), [release]);
}

#[test]
fn only_the_arbiter_is_heard() {
    let mut holder = asked(None, 100);
    hear(&mut holder, 100, 1, granted(1, token(1)));
    assert_eq!(hear(&mut holder, 101, 5, ended(20, LeaseEvent::Expired)), []);
    assert_eq!(hear(&mut holder, 101, 5, refused(20, Refusal::LeaseIdTaken)), []);
    assert_eq!(holder.held().count(), 1);
}

#[test]
fn the_same_wish_again_hears_the_same_and_another_is_refused() {
    let mut holder = asked(None, 100);
    hear(&mut holder, 100, 1, granted(1, token(1)));
    let mut acts = Vec::new();
    holder.ask(secs(101), wish(Some(9)), &mut acts).expect("the same");
    assert_eq!(acts, [Act::Tell(ID, Told::Held(token(1), secs(7)))]);
    let other = Wish { ttl: secs(9), ..wish(None) };
    assert_eq!(holder.ask(secs(101), other, &mut acts), Err(Refusal::LeaseIdTaken));
}

#[test]
fn wishes_have_a_bound_and_who_is_thrown_out_loses_all() {
    let mut holder = Holder::default();
    let mut acts = Vec::new();
    let id = |number: usize| LeaseId((number as u128).to_le_bytes());
    for number in 0..WISHES_MAX {
        let wish = Wish { id: id(number), ..wish(Some(9)) };
        holder.ask(secs(0), wish, &mut acts).expect("room");
    }
    let more = Wish { id: id(WISHES_MAX), ..wish(None) };
    assert_eq!(holder.ask(secs(0), more, &mut acts), Err(Refusal::LeasesFull));
    acts.clear();
    holder.lose_all(&mut acts);
    let lost = Told::Ended(LeaseEvent::Revoked);
    assert_eq!(acts.len(), WISHES_MAX);
    assert!(acts.iter().all(|act| matches!(act, Act::Tell(_, told) if *told == lost)));
}
