//! Any bytes as a batch of Segment's clients.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("segment_body", data));
