//! Any text as an identifier.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("canonical_values", data));
