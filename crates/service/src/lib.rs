//! The running engine: answers known customers from a read, queues changes and commits them in groups
//! ([`Engine`]), for every workspace of an installation ([`Installation`]), which also knows the keys; sends their logs on to [`Webhooks`]; and proves that a database keeps the laws ([`check`]).
//!
//! Deliberately absent: a concrete store, HTTP, JSON, settings, and the rules, which it only calls.

mod access_check;
mod administration;
mod admission;
pub mod check;
mod clock;
mod correction;
mod engine;
mod environment_key;
mod erasing;
pub mod erasures;
mod feed;
mod finders;
mod importing;
mod in_flight;
mod installation;
mod international;
mod key_text;
mod key_use;
mod ledger;
mod log_reader;
mod marked;
mod metrics;
mod pace;
mod questions;
mod queue;
mod readiness;
mod record;
mod refused;
mod remnants;
mod repeat;
mod restore;
mod seldom;
mod shown;
mod snapshot;
mod steps;
mod webhooks;

pub use administration::{ActError, KeepingKey, KeepingWorkspace, NAMES_HELD_FOR, NewKey, Reach};
pub use admission::{Admission, Known, Presented, Unwelcome};
pub use clock::{Clock, SystemClock};
pub use correction::{CorrectError, Observed, Order, Ordered};
pub use engine::{ANSWER_CONTACTS_MAX, Engine, EngineSettings, IdentifyError, Together};
pub use environment_key::{ADMIN_KEY_CHARACTERS_MIN, AdminKey};
pub use erasing::{Erased, Verified};
pub use feed::{Listener, Page};
pub use importing::{ImportBatch, ImportError, Importing, Rehearsal};
pub use in_flight::Flight;
pub use installation::{AccessChanges, Installation};
pub use international::{international, is_region};
pub use key_text::KeyText;
pub use key_use::{RateLeft, TooMuch, UnderWay};
pub use questions::{AskError, Person, Story, Whom};
pub use readiness::{Readiness, Reason};
pub use record::{PersonalEvent, PersonalEvidence, PersonalRecord, PersonalValue};
pub use refused::Refused;
pub use remnants::{Remnant, RemnantPart, Remnants};
pub use repeat::{Answering, Keeping, Repeatable};
pub use restore::{RestoreError, Restored, Restoring};
pub use seldom::Seldom;
pub use snapshot::{KnownKey, Snapshot, Workspace};
pub use webhooks::{
    Channel, KeepingWebhook, Message, NewSecret, NewWebhook, PostError, Tested, Transport, WEBHOOKS_MAX,
    WebhookError, WebhookSettings, Webhooks,
};
