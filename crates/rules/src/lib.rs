//! Who is the same person: the rules of identity, and nothing else.
//!
//! Here live the canonical values ([`Email`], [`Phone`], [`Identifier`]), what a request saw
//! ([`Observation`]), what is stored ([`Contact`]), what happened ([`Event`]), the decision
//! ([`decide`]) and what an event does to the tables ([`apply`]); and what becomes of the rows of the service
//! that ours replaces ([`adopt`]), and what an administrator can change ([`KeyFacts`], [`WorkspaceFacts`]).
//!
//! Deliberately absent: I/O, SQL, HTTP, a clock, randomness, logging, async. Time and stored rows
//! come in as arguments; a [`Plan`] goes out. So the rules can be read on paper and tested in
//! milliseconds, and every store, command and test runs the same ones.
//!
//! Source: SEMANTICS, from "Words" to "Events".

mod administration;
mod adopt;
mod apply;
mod contact;
mod decide;
mod draft;
mod email;
mod event;
mod identifier;
mod identities;
mod index;
mod kind;
mod neighbourhood;
mod observation;
mod phone;
mod timestamp;
mod view;

pub use administration::{Changed, InvalidName, KeyFacts, KeyLimits, Name, Scope, Scopes, WorkspaceFacts};
pub use adopt::{Adoption, AdoptionReport, AdoptionSettings, Finding, OriginalRow, Precedence, adopt};
pub use apply::{Tables, apply};
pub use contact::{Contact, ContactId};
pub use decide::{Plan, contacts_in_answers, decide, recognise, surviving_primary};
pub use email::{Email, InvalidEmail};
pub use event::{Actor, AdoptedFrom, Event, NewContact, Outcome, Sequence, UnborneText};
pub use identifier::{DeclaredValue, Identifier, InvalidDeclaredValue, InvalidIdentifier};
pub use identities::{Identities, Members};
pub use index::{IdentityIndex, StoredContact, TooLarge};
pub use kind::{DeclaredKind, IdentifierKind, InvalidKindName};
pub use neighbourhood::{Head, Incoherent, Neighbourhood};
pub use observation::{InvalidObservation, Observation, SeenIdentifier};
pub use phone::{InvalidPhone, Phone};
pub use timestamp::Timestamp;
pub use view::IdentityView;
