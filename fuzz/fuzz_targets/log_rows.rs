//! Any texts in the columns of the log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("log_rows", data));
