//! The Rust client of a selfsame server.
//!
//! Deliberately absent: what administers a server (keys, workspaces, webhooks, policies), which its program and its API do; a
//! runtime of its own; any log line.
//!
#![doc = include_str!("../README.md")]

mod answers;
mod batch;
mod change;
mod client;
mod dry_run;
mod error;
mod event;
mod feed;
mod observation;
mod personal;
mod retries;
mod server_sent_events;
mod transport;
mod words;

pub use answers::{
    BorneByOther, Contact, Corrected, Customer, ErasureReceipt, ErasureRemnant, ErasureVerified, Identity,
    Observed, Rule, Step, Why,
};
pub use batch::Batch;
pub use client::Client;
pub use dry_run::DryRun;
pub use error::{Error, InvalidSetting, Problem};
pub use event::{Event, EventPage, Evidence, Identifier};
pub use feed::Feed;
pub use observation::{Checkout, Lookup, Observation};
pub use personal::Personal;
pub use retries::Retries;
pub use words::{
    ContactId, ErasureFiles, ErasureRemnantPart, EventKind, ObservedOutcome, RuleName, Sequence,
};
