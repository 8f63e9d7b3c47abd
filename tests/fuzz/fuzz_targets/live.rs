//! Frames of the live lane and their bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::live(bytes));
