//! The running engine: answers known customers from a read, queues changes and commits them in groups
//! ([`Engine`]), and proves that a database keeps the laws ([`check`]).
//!
//! Deliberately absent: a concrete store, HTTP, JSON, settings, and the rules, which it only calls.

pub mod check;
mod clock;
mod engine;
mod ledger;
mod metrics;
mod pace;
mod queue;
mod readiness;
mod seldom;
mod steps;

pub use clock::{Clock, SystemClock};
pub use engine::{ANSWER_CONTACTS_MAX, Engine, EngineSettings, IdentifyError, Together};
pub use readiness::{Readiness, Reason};
pub use seldom::Seldom;
