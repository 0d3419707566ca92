//! Any bytes as a webhook of Shopify's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::fuzz::run("webhook_body", data));
