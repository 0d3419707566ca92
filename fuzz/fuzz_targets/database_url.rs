//! Any text around a password in `DATABASE_URL`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("database_url", data));
