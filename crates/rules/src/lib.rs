//! Who is the same person: the rules of identity, and nothing else.
//!
//! Here live the canonical values ([`Email`], [`Phone`], [`Identifier`]) and how they are read ([`Spelling`]), what a request saw
//! ([`Observation`]), what is stored ([`Contact`]), what happened ([`Event`]), the decision
//! ([`decide`]) under a [`Policy`], and what an event does to the tables ([`apply`]); what people correct ([`split`],
//! [`join`], [`review`], [`undo`], [`delete`], [`erase`], [`refold`]), and what the log answers ([`why()`], [`as_of`]);
//! what becomes of the rows of the service that ours replaces ([`adopt`]), and what an administrator can change
//! ([`KeyFacts`], [`WorkspaceFacts`]).
//!
//! Deliberately absent: I/O, SQL, HTTP, a clock, randomness, logging, async. Time and stored rows
//! come in as arguments; a [`Plan`] goes out. So the rules can be read on paper and tested in
//! milliseconds, and every store, command and test runs the same ones.
//!
//! Source: SEMANTICS.

mod administration;
mod adopt;
mod apart;
mod apply;
mod as_of;
mod change;
mod contact;
mod correct;
mod decide;
mod draft;
mod email;
mod event;
mod gradual;
mod identifier;
mod identities;
mod index;
mod judge;
mod kind;
mod neighbourhood;
mod observation;
mod phone;
mod policy;
mod refusals;
mod register;
mod scope;
mod spelling;
mod spelt;
mod timestamp;
mod view;
mod why;

pub use administration::{Changed, InvalidName, KeyFacts, KeyLimits, Name, Scope, Scopes, WorkspaceFacts};
pub use adopt::{Adoption, AdoptionReport, AdoptionSettings, Finding, OriginalRow, Precedence, adopt};
pub use apart::Apart;
pub use apply::{Tables, apply};
pub use as_of::{Moment, as_of};
pub use change::{
    Change, Correction, Judgement, Move, Ownership, RecordedRefusal, RefoldedContact, Respelt, Rule,
};
pub use contact::{Contact, ContactId};
pub use correct::{
    Asked, Correcting, Erasure, ErasureReceipt, Refolding, SpellsOtherwise, delete, erase, govern, join,
    refold, review, split, undo,
};
pub use decide::{
    Answer, Plan, contacts_in_answers, decide, decide_showing, recognise, recognise_showing,
    surviving_primary,
};
pub use email::{Email, InvalidEmail};
pub use event::{Actor, AdoptedFrom, Event, NewContact, Outcome, Sequence, UnborneText};
pub use gradual::{GradualView, Progress};
pub use identifier::{DeclaredValue, Identifier, InvalidDeclaredValue, InvalidIdentifier};
pub use identities::{Identities, Members, Part};
pub use index::{IdentityIndex, StoredContact, TooLarge};
pub use kind::{DeclaredKind, IdentifierKind, InvalidKindName};
pub use neighbourhood::{Head, Incoherent, Neighbourhood};
pub use observation::{InvalidObservation, Observation, Origin, SeenIdentifier};
pub use phone::{InvalidPhone, Phone};
pub use policy::{EmailSpelling, InvalidPattern, InvalidPolicy, Pattern, Policy, PolicyDocument};
pub use register::{Register, RegisterRow};
pub use scope::{scope, within};
pub use spelling::{International, Spelling};
pub use spelt::Spelt;
pub use timestamp::Timestamp;
pub use view::IdentityView;
pub use why::{Link, why};
