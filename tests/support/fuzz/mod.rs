//! What a stranger can send, a target each: a function of any bytes, which panics where the product breaks a promise.
//!
//! `fuzz/` runs them under libFuzzer, and `tests/it/fuzz.rs` over their corpus and what a few changes make of it. A new
//! target is a file here with its line in [`TARGETS`], and in `fuzz/` a file, a `[[bin]]` and a folder of samples.

mod batch_body;
mod canonical_values;
mod database_url;
mod documented;
mod door;
mod identify_body;
mod import_file;
mod key_body;
mod log_rows;
mod mutations;
mod presented_key;
mod request_head;
mod request_headers;
mod segment_body;
mod webhook_body;
mod wire;

pub use canonical_values::assert_phone;
pub use documented::{Reply, assert_contact, assert_problem};
pub use mutations::Mutations;

/// Takes any bytes, and panics if the product does with them what it must not.
pub type Target = fn(&[u8]);

/// Every target, by its name in `fuzz/`.
pub const TARGETS: [(&str, Target); 12] = [
    ("batch_body", batch_body::batch_body),
    ("canonical_values", canonical_values::canonical_values),
    ("database_url", database_url::database_url),
    ("identify_body", identify_body::identify_body),
    ("import_file", import_file::import_file),
    ("key_body", key_body::key_body),
    ("log_rows", log_rows::log_rows),
    ("presented_key", presented_key::presented_key),
    ("request_head", request_head::request_head),
    ("request_headers", request_headers::request_headers),
    ("segment_body", segment_body::segment_body),
    ("webhook_body", webhook_body::webhook_body),
];

/// Runs a target under libFuzzer, by its name.
///
/// # Panics
///
/// If there is none of that name, or the target finds something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name).expect("the target stands in the table");
    (target.1)(data);
}
