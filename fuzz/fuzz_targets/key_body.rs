//! Any bytes as the body that makes a key.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("key_body", data));
