//! Any bytes as lines of observations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("batch_body", data));
