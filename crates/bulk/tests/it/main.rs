//! Files as people have them, read from end to end. One binary, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has said what it had to"
)]

mod compressed;
mod damaged;
mod guessed;
mod mapped;
mod read;
mod rejected;
mod round_trip;
mod rows;
mod shared_data;
