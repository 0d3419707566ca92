//! What every store promises, whatever the engine behind it.
//!
//! Here live the trait [`Store`] with its contract in words, its errors, and the texts in which all stores
//! keep an event's evidence and outcome ([`event_text`]) and identifiers without a column ([`declared_text`]),
//! what events add up to ([`Changes`], [`Corrected`]), what is looked at for that and how ([`Recall`]), who may do what
//! ([`Access`]), and answers that are kept ([`Once`]). Deliberately absent: any driver, any SQL, any decision. A decision comes in as
//! a function and is called on what was loaded under the lock.
//!
//! # The contract
//!
//! 1. **One snapshot.** What [`Store::look`] shows was true at one moment, no earlier than the call.
//! 2. **Nothing uncommitted is shown.** No look sees a change whose [`Store::write`] could still fail.
//! 3. **Load, decide, write under one lock.** [`Store::write`] loads after it got the workspace's lock, calls
//!    the decision on that load, and carries the plan out in the same transaction. Writes of one workspace
//!    are serial, across processes and replicas.
//! 4. **All or nothing, and durable.** When `write` returns `Ok`, the plan's events and the rows that they add
//!    up to survive a `kill -9` and a power cut. When it returns an error that isn't
//!    [`StoreError::OutcomeUnknown`], nothing of the plan is there.
//! 5. **An empty plan writes nothing.** No row of the database changes.
//! 6. **Corrections likewise.** [`Store::correct`] is [`Store::write`] for what people decide: under the same lock, alone in
//!    its transaction.
//! 7. **Access changes one at a time.** [`Store::administer`] holds the default workspace's lock, and then that of the
//!    workspace whose log it writes; otherwise as 3 to 5. An erased workspace is neither shown nor written.
//! 8. **Once.** Where [`Store::correct`] or [`Store::administer`] is given a [`Once`], the answer is kept in the same transaction
//!    as the change; where one is kept already, nothing is decided, and that one is given. An erasure takes the bodies that hold
//!    what it erases. A decision of [`Store::write_once`] is told under the lock which of its observations were kept already, and
//!    what it wants to be kept is written with its plan.
//! 9. **As far as it came.** What a decision notes of an import ([`Planned::note`]) is written with its plan, or not at all.
//! 10. **One delivers.** A webhook's row is written only by who names its last revision, and each writing makes another:
//!     of two that take an endpoint at once, one gets it, and whoever it was taken from can note nothing any more.

mod access;
mod changes;
mod corrected;
pub mod declared_text;
mod error;
pub mod event_text;
mod evidence_digest;
mod finder;
mod following;
mod import_note;
mod kept;
mod person_page;
mod recall;
mod scrub;
mod sought;
mod webhook;

use std::fmt;

use async_trait::async_trait;
use selfsame_rules::{
    Contact, ContactId, Event, Head, Identifier, Identities, Observation, Plan, RegisterRow, Timestamp,
};
use tokio::sync::mpsc;

pub use access::{
    Access, AccessChange, AccessDecision, AccessEffect, Counts, FormerNames, KeyDigest, KeyRow, WorkspaceRow,
};
pub use changes::Changes;
pub use corrected::Corrected;
pub use error::StoreError;
pub use event_text::EventRow;
pub use evidence_digest::EvidenceDigest;
pub use finder::Finder;
pub use following::{Followed, Following};
pub use import_note::{ImportCounts, ImportNote};
pub use kept::{ANSWERS_KEPT_FOR, Carried, Decided, Kept, KeptAnswer, Once, Planned};
pub use person_page::{PageAsked, PageOf, PersonPage, left_to_others};
pub use recall::{Decisions, Question, Recall, Recalled, Recalling, Reply};
pub use scrub::{ErasedTexts, Scrubbed};
pub use sought::Sought;
pub use webhook::{
    WebhookChange, WebhookDecision, WebhookNote, WebhookProgress, WebhookRow, WebhookSecret, WebhooksSeen,
};

/// The key of a workspace: a number that is never reused. Its name is a column.
///
/// Nothing can be loaded, written or scanned without one.
///
/// ```
/// assert_eq!(selfsame_store::WorkspaceKey::DEFAULT.to_string(), "1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceKey(pub i64);

impl WorkspaceKey {
    /// The workspace named `default`, which exists always.
    pub const DEFAULT: Self = Self(1);
}

impl fmt::Display for WorkspaceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a look-up does with what it is shown.
pub type Look<'look> = dyn FnMut(&dyn Identities) + Send + 'look;

/// A decision, called on what was loaded under the lock.
///
/// It may be called more than once: a store that repeats its transaction loads and decides again. That is also how
/// a commit whose answer was lost is looked up: so where its own earlier plan turns out to be there already, it must
/// decide to change nothing and give the answers all the same.
pub type Decision = Box<dyn FnMut(&dyn Identities) -> Plan + Send>;

/// Tells whether an answer is kept of a request, as of the load that a decision is called on.
pub type IsKept<'load> = dyn Fn(&Once) -> bool + 'load;

/// A [`Decision`] on observations of which some are to have their effect once, however often they come.
pub type OnceDecision = Box<dyn FnMut(&dyn Identities, &IsKept<'_>) -> Planned + Send>;

/// A person's decision, called on what was looked at under the lock; nothing to correct is no fault.
///
/// It may be called more than once, as a [`Decision`] may. A commit whose answer was lost is looked up by the store.
pub type CorrectionDecision = Box<dyn FnMut(&Recalled) -> Decided<Corrected> + Send>;

/// A place where contacts, the owners of identifiers and the event log are kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Calls `look` once, on at least every identity that owns an identifier of `observations`, whole, from one snapshot,
    /// and without waiting for any write.
    async fn look(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError>;

    /// Whether whatever it shows is the whole workspace, so that nobody need tell it observations: a decision may then
    /// look for any identifier.
    fn shows_everything(&self) -> bool {
        false
    }

    /// Locks the workspace, loads what `observations` touch, decides, and makes the plan durable; returns the plan that was
    /// carried out.
    async fn write(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        mut decision: Decision,
    ) -> Result<Plan, StoreError> {
        let decision =
            Box::new(move |identities: &dyn Identities, _: &IsKept<'_>| decision(identities).into());
        self.write_once(workspace, observations, Vec::new(), decision).await
    }

    /// [`Store::write`], whose decision may ask of each of `once`, all of that workspace, whether it is kept; what it wants to be
    /// kept is written with the plan. A store that shows everything need be told neither, and lets it ask of any.
    async fn write_once(
        &self,
        workspace: WorkspaceKey,
        observations: Vec<Observation>,
        once: Vec<Once>,
        decision: OnceDecision,
    ) -> Result<Plan, StoreError>;

    /// [`Store::write`] of very many observations, one write behind the other: decided on `following`, after it followed under the
    /// lock whatever was written meanwhile, and follows what is carried out. Nothing, and nothing is written, if it is stale, or
    /// becomes so. A store that shows everything decides on what it has, and needs none.
    async fn write_following(
        &self,
        workspace: WorkspaceKey,
        following: &Following,
        decision: OnceDecision,
    ) -> Result<Option<Plan>, StoreError>;

    /// How far the import of that file is ([`ImportNote::file`]), without waiting for any write; nothing if none of it was stored.
    async fn import_note(
        &self,
        workspace: WorkspaceKey,
        file: &str,
    ) -> Result<Option<ImportNote>, StoreError>;

    /// What `recall` asks for, from one snapshot, and without waiting for any write.
    async fn recall(&self, workspace: WorkspaceKey, recall: Recall) -> Result<Recalled, StoreError>;

    /// A page of a person's live contacts, from one snapshot, without reading the others and without waiting for any write;
    /// nothing if there is no such contact, or nobody owns the identifier.
    async fn page(&self, workspace: WorkspaceKey, asked: PageAsked)
    -> Result<Option<PersonPage>, StoreError>;

    /// Locks the workspace, looks at what `recall` asks for, decides, and makes the correction durable, and the answer with it;
    /// returns what was carried out.
    async fn correct(
        &self,
        workspace: WorkspaceKey,
        recall: Recall,
        once: Option<Once>,
        decision: CorrectionDecision,
    ) -> Result<Carried<Corrected>, StoreError>;

    /// What is kept under the key of that request, without waiting for any write.
    async fn kept(&self, once: &Once) -> Result<Option<Kept>, StoreError>;

    /// Keeps another answer of the request than before, where one is kept with its body.
    async fn keep_instead(&self, once: &Once, answer: KeptAnswer) -> Result<(), StoreError>;

    /// Deletes some of the answers that the workspace has kept since that moment or longer, so that nobody else waits long; true
    /// when none of them is left.
    async fn forget_answers(&self, workspace: WorkspaceKey, since: Timestamp) -> Result<bool, StoreError>;

    /// All workspaces and keys, from one snapshot.
    async fn access(&self) -> Result<Access, StoreError>;

    /// Whether another process may change what [`Store::access`] reads.
    fn is_written_elsewhere(&self) -> bool {
        true
    }

    /// Locks the default workspace and `workspace`, reads the access, decides, and makes the change durable, rows and
    /// event, and the answer with it; returns the change that was carried out.
    async fn administer(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: AccessDecision,
    ) -> Result<Carried<AccessChange>, StoreError>;

    /// The webhooks of all workspaces that aren't swept yet, by workspace and id, without waiting for any write.
    async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError>;

    /// Locks the workspace, reads its webhooks, decides, and makes the change durable, and the answer with it; returns the
    /// change that was carried out.
    async fn change_webhooks(
        &self,
        workspace: WorkspaceKey,
        once: Option<Once>,
        decision: WebhookDecision,
    ) -> Result<Carried<WebhookChange>, StoreError>;

    /// Writes what is noted of a delivery, without the workspace's lock, and makes it durable; false, and nothing is written,
    /// if the row has another revision than the one named, or is gone.
    async fn note_webhook(&self, note: WebhookNote) -> Result<bool, StoreError>;

    /// Deletes some of what is left of an erased workspace, so that nobody else waits long; true when nothing is left
    /// but the events of its administration. Of a workspace that isn't erased it deletes nothing.
    async fn sweep(&self, workspace: WorkspaceKey) -> Result<bool, StoreError>;

    /// Sees to it that nothing of whoever was erased is left in the store's files, and tells whether that holds. Where no
    /// erasure waits for it, it costs nothing. What fails, or waits for a reader, is to be called again; a start does it too.
    async fn scrub(&self) -> Result<Scrubbed, StoreError> {
        Ok(Scrubbed::ByCommand)
    }

    /// Sends everything that `what` names, from one snapshot, in bounded memory, in the order given there.
    ///
    /// Returns when all was sent, or early when the receiver was dropped. The counters are those of the snapshot.
    async fn scan(
        &self,
        workspace: WorkspaceKey,
        what: Scan,
        into: mpsc::Sender<Vec<Record>>,
    ) -> Result<Scanned, StoreError>;

    /// Fails if the store can't answer a look now, or answers one with rows that a later version may have meant otherwise.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Asks the engine itself whether its files or tables are sound; a sentence for each finding.
    async fn findings(&self) -> Result<Vec<String>, StoreError>;

    /// Lets running work end, takes no more, and leaves the files or connections tidy.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Whether opening a database may bring its schema to this version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrations {
    /// Pending migrations are applied.
    Apply,
    /// A database that needs some is refused.
    Expect,
}

/// What a scan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// [`Record::Contact`] for every contact, deleted ones too, in id order.
    Contacts,
    /// [`Record::Identity`] for every identity with a live contact, in the order of their primaries' ids.
    Identities,
    /// [`Record::EventRow`] for every event by sequence.
    Events,
    /// First [`Record::Event`] for every event by sequence, then [`Record::Contact`] for every contact by id, then
    /// [`Record::Owner`] for every owned identifier, in any order, and [`Record::Finder`] for all that events are found by.
    Everything,
}

/// The workspace's own row, in the snapshot of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Where its log stands.
    pub head: Head,
    /// What it counts.
    pub counts: Counts,
}

/// One row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A row of the log.
    Event(Event),
    /// A row of the log whose text can't be read: its sequence and why.
    UnreadableEvent(selfsame_rules::Sequence, String),
    /// A row of the log as it is stored, whether this version can read its text or not.
    EventRow(EventRow),
    /// A contact.
    Contact(Contact),
    /// The live contacts of an identity, oldest first, so the primary before all; each with what it owns.
    Identity(Vec<RegisterRow>),
    /// An owned identifier and the contact that owns it.
    Owner(Identifier, ContactId),
    /// Something by which an event is found.
    Finder(Finder),
}
