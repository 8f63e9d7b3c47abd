//! What the equipment accepts.

use super::*;

#[test]
fn only_the_holder_of_a_lease_that_lasts_may_act_on_its_resource() {
    let mut bench = Bench::open(1);
    let old = bench.hold(LONGEST, 2, 20);
    bench.release(LONGEST, 2, 20);
    let token = bench.hold(LONGEST, 3, 30);
    let other = |number| FencingToken { incarnation: LIFE, number };
    let checks = [
        (3, Some(token), Ok(())),
        (3, None, Err(Refusal::TokenMissing)),
        (2, Some(old), Err(Refusal::TokenStale)),
        (2, Some(token), Err(Refusal::TokenForeign)),
        (3, Some(other(3)), Err(Refusal::TokenUnknown)),
        (3, Some(other(0)), Err(Refusal::TokenUnknown)),
        (3, Some(other(u64::MAX)), Err(Refusal::TokenUnknown)),
        (
            3,
            Some(FencingToken { incarnation: Incarnation([9; 16]), ..token }),
            Err(Refusal::TokenOfEarlierLife),
        ),
    ];
    for (who, shown, judged) in checks {
        assert_eq!(bench.check(LONGEST, who, shown), judged, "{who} {shown:?}");
    }
}

#[test]
fn a_token_that_was_guessed_before_its_grant_is_on_the_disk_is_none() {
    let mut bench = Bench::open(1);
    bench.ask(LONGEST, 2, 20, true);
    let guess = FencingToken { incarnation: LIFE, number: 1 };
    assert_eq!(bench.check(LONGEST, 2, Some(guess)), Err(Refusal::TokenUnknown));
}

#[test]
fn a_token_of_a_resource_that_is_none_is_refused() {
    let bench = Bench::open(1);
    let token = Some(FencingToken { incarnation: LIFE, number: 1 });
    let door = "door".parse().expect("a name");
    let judged = bench.arbiter.check(secs(LONGEST), &door, &key(2), token);
    assert_eq!(judged, Err(Refusal::ResourceUnknown));
}
