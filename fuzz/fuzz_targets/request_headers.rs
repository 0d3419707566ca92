//! Any method, path, headers and body.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("request_headers", data));
