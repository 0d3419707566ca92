//! Any bytes as what a request presents at the door.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("presented_key", data));
