//! JSON of the local API.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::local(bytes));
