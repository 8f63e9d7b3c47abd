//! How far a consumer of an observer has come.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::consumer(bytes));
