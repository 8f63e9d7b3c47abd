//! Proofs that an entry is in a group.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::proof(bytes));
