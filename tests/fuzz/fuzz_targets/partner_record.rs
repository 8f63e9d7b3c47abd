//! What a gateway writes down about its partners.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::partner_record(bytes));
