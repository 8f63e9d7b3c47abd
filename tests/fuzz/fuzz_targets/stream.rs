//! Frames between a node and a program beside it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::stream(bytes));
