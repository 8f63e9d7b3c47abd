//! Names, topics, filters, identifiers and values as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::text(bytes));
