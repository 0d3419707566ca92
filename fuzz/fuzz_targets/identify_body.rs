//! Any bytes as the body of `POST /identify`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("identify_body", data));
