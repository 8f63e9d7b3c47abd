//! How properties are run: few cases, always the same ones.

pub(crate) mod arbitrary;

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Holds `property` against so many values of a fixed seed.
pub(crate) fn run<S: Strategy<Value: Debug>>(
    cases: u32,
    values: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    // A file of past failures would make one checkout test other values than the next.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x67; 32]);
    let outcome = TestRunner::new_with_rng(config, rng).run(values, property);
    let failure = outcome.err().map(|error: TestError<S::Value>| error.to_string());
    assert_eq!(failure, None);
}
