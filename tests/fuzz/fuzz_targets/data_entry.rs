//! Entries of data logs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::data_entry(bytes));
