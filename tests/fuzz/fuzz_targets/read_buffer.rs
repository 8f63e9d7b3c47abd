//! Bytes that are cut into frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::read_buffer(bytes));
