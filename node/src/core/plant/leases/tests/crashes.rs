//! The arbiter goes down between any two of the things that it does.

use super::*;

/// A day of a resource: what came, in its order.
fn day() -> Vec<fn(&mut Bench)> {
    const T: u64 = LONGEST;
    vec![
        |bench| bench.ask(T, 2, 20, true),
        |bench| bench.ask(T, 3, 30, true),
        |bench| bench.sync(T),
        |bench| bench.release(T + 1, 2, 20),
        |bench| bench.sync(T + 1),
        |bench| bench.ask(T + 2, 4, 40, true),
        |bench| bench.tick(T + 9),
        |bench| bench.ask(T + 9, 5, 50, true),
        |bench| bench.sync(T + 9),
    ]
}

/// Tokens that members were told of and not that they are over, by what was said.
fn believed(said: &[(PublicKey, LeaseFrame)]) -> Vec<(PublicKey, LeaseId, FencingToken)> {
    let mut believed = Vec::new();
    for (to, frame) in said {
        match frame {
            LeaseFrame::Granted { id, token, .. } => believed.push((*to, *id, *token)),
            LeaseFrame::Ended { id, .. } => believed.retain(|held| (held.0, held.1) != (*to, *id)),
            _ => {}
        }
    }
    believed
}

#[test]
fn after_a_crash_anywhere_whoever_was_told_may_go_on_and_nobody_comes_between() {
    for places in [1, 2] {
        for steps in 0..=day().len() {
            // Of what was not synced the disk may have any beginning.
            let mut bench = Bench::open(places);
            day()[..steps].iter().for_each(|step| step(&mut bench));
            let on_disk = bench.table.written.len() - bench.table.grants.len();
            for kept in on_disk..=bench.table.written.len() {
                holds_after(&bench, places, kept);
            }
        }
    }
}

fn holds_after(before: &Bench, places: u16, kept: usize) {
    let said = &before.table.said;
    let mut bench = Bench::started(Incarnation([2; 16]), places, &before.table.written[..kept]);
    bench.arbiter.recalled();
    // A newcomer waits from the first moment on.
    bench.ask(0, 9, 90, true);
    let mut holders = 0;
    for (number, (who, id, token)) in (10..).zip(believed(said)) {
        assert_eq!(
            bench.arbiter.check(secs(0), &crane(), &who, Some(token)),
            Err(Refusal::TokenOfEarlierLife)
        );
        let renewal = (id, number);
        bench.arbiter.renew(secs(1), who, renewal, (&crane(), token), &mut bench.table);
        bench.sync(1);
        let is_told = |(to, frame): &(PublicKey, LeaseFrame)| {
            *to == who && matches!(frame, LeaseFrame::Granted { .. })
        };
        holders += usize::from(bench.said().iter().any(is_told));
    }
    let told: Vec<_> = believed(said);
    // Those whose time was over, of which no record says so, may be among them; never more than fit.
    assert!(holders >= told.len().min(usize::from(places)), "{kept} of {said:?}");
    assert!(holders <= usize::from(places), "{kept} of {said:?}");
    bench.tick(LONGEST - 1);
    bench.sync(LONGEST - 1);
    assert_eq!(bench.token(9), None, "{kept}");
}
