//! The file of a node's key.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gearmesh_tests::decoders::node_key(bytes));
