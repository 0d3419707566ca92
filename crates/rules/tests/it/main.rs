//! The rules as a whole, against a model that shares nothing with them. One binary, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has said what it had to"
)]

mod corrections;
mod erase;
mod faults;
mod gradual;
mod histories;
mod model;
mod random;
mod refold;
mod respell;
mod undo;
mod world;
