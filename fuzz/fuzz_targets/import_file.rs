//! Any bytes as a file to import.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("import_file", data));
