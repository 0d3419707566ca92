//! The text in which every store keeps an event's evidence and outcome: JSON, the same bytes everywhere.
//!
//! These shapes are the log's format. A change of them raises [`FORMAT`] and keeps reading the older ones.
//! Deliberately absent: the columns beside them (sequence, time, kind, cause), which each store has as such.

mod administration;
mod adopted;
mod correction;
mod observation;
mod policy;

use std::sync::Arc;

use selfsame_rules::{
    Actor, ContactId, Event, Identifier, IdentifierKind, Outcome, Policy, Sequence, Timestamp,
};
use serde::{Deserialize, Serialize};

use administration::{KeyChangedText, WorkspaceChangedText};
use adopted::{AdoptedText, source, source_text};
use correction::{
    CorrectionText, DeletedText, ErasedText, ReviewedText, RuleText, UndoneText, contacts, numbers,
};
use observation::{
    AttachedText, CreatedText, ImportedText, MergedText, RefusedText, contact, contact_text, evidence,
    evidence_text, origin, origin_text,
};
use policy::{PolicyChangedText, PolicyText, RefoldedText};

/// The version of the shapes below: 2 of a refold that spells values otherwise, which an earlier version would fold wrongly, and 1 of
/// all others.
pub const FORMAT: i64 = 2;

/// An event as a row of the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its place in the log.
    pub sequence: i64,
    /// Unix milliseconds, UTC.
    pub at_ms: i64,
    /// What [`Event::kind`] says.
    pub kind: String,
    /// The lowest [`FORMAT`] that reads it.
    pub format: i64,
    /// The name of the actor.
    pub caused_by: String,
    /// `[{"kind":"email","value":"doc@hill.edu","asSent":"Doc@Hill.edu"}]`, `asSent` only where it differs.
    pub evidence: String,
    /// Depends on the kind: `{"contact":{"id":1,"owns":["email"]}}`, for example.
    pub outcome: String,
    /// `{"observedAt":1700000000000,"source":"till 4"}`, each only if it was said, and `"imported":true` of what a file brought; nothing where there is none of these.
    pub origin: Option<String>,
}

/// A row of the log that this version can't read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEvent {
    /// It was written by a later version.
    #[error("its format is {0}, and this version reads up to {FORMAT}")]
    LaterFormat(i64),
    /// Its kind is none of ours.
    #[error("its kind is unknown")]
    UnknownKind,
    /// Its text is not what its format and kind say. Where and why, but not what: that could be a value.
    #[error("its {column} can't be read (line {line}, column {at})")]
    Malformed {
        /// `evidence`, `outcome`, `origin` or `policy`.
        column: &'static str,
        /// Where in that text, from 1.
        line: usize,
        /// Where in that line, from 1.
        at: usize,
    },
    /// It names a kind of identifier that can't exist.
    #[error("it names a kind of identifier that can't exist")]
    InvalidKindName,
    /// It holds the name of a key, a workspace or a scope that can't be one.
    #[error("it holds a name that can't be one")]
    InvalidName,
    /// It holds a word where only some others may stand.
    #[error("its {0} is none of those that there are")]
    UnknownWord(&'static str),
    /// It holds a policy that can't be one.
    #[error("it holds a policy that can't be one")]
    InvalidPolicy,
}

/// The row that records `event`.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, Timestamp, decide,
/// };
/// use selfsame_store::event_text::{read, write};
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "Doc@Hill.edu").unwrap();
/// let seen = Observation::new(Actor::named("example"), email).unwrap();
/// let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
/// let event = decide(&nobody, &[seen], Timestamp::from_milliseconds(1)).events.remove(0);
///
/// let row = write(&event);
/// assert_eq!(row.evidence, r#"[{"kind":"email","value":"doc@hill.edu","asSent":"Doc@Hill.edu"}]"#);
/// assert_eq!(row.outcome, r#"{"contact":{"id":1,"owns":["email"]}}"#);
/// assert_eq!(read(&row).unwrap(), event);
/// ```
pub fn write(event: &Event) -> EventRow {
    let outcome = match &event.outcome {
        Outcome::Created { contact } => text(&CreatedText { contact: contact_text(contact) }),
        Outcome::Attached { primary, contact } => {
            text(&AttachedText { primary: primary.0, contact: contact_text(contact) })
        }
        Outcome::Merged { survivor, former_primaries, contact } => text(&MergedText {
            survivor: survivor.0,
            former_primaries: numbers(former_primaries),
            contact: contact.as_ref().map(contact_text),
        }),
        Outcome::Refused { rule, identities, home, former_primaries, contact } => text(&RefusedText {
            rule: RuleText::of(rule),
            identities: numbers(identities),
            home: home.0,
            former_primaries: numbers(former_primaries),
            contact: contact.as_ref().map(contact_text),
        }),
        Outcome::Undone { event, correction } => text(&UndoneText::of(*event, correction)),
        Outcome::Split(correction) | Outcome::Joined(correction) => text(&CorrectionText::of(correction)),
        Outcome::Reviewed { review, judgement, correction } => {
            text(&ReviewedText::of(*review, *judgement, correction))
        }
        Outcome::Deleted { contact, rest, lost, gained } => {
            text(&DeletedText::of(*contact, *rest, lost, gained))
        }
        Outcome::Erased { contacts, lost, rewritten } => text(&ErasedText::of(contacts, lost, rewritten)),
        Outcome::PolicyChanged(changed) => text(&PolicyChangedText::of(changed)),
        Outcome::Refolded { policy, contacts, respelt, correction } => {
            text(&RefoldedText::of(policy, contacts, respelt, correction))
        }
        Outcome::Adopted { contact, linked_to, updated_at, deleted_at, observed_at, from } => {
            text(&AdoptedText {
                contact: contact_text(contact),
                linked_to: linked_to.map(|primary| primary.0),
                updated_at: updated_at.as_milliseconds(),
                deleted_at: deleted_at.map(Timestamp::as_milliseconds),
                observed_at: observed_at.as_milliseconds(),
                source: source_text(from),
            })
        }
        Outcome::KeyChanged(changed) => text(&KeyChangedText::of(changed)),
        Outcome::WorkspaceChanged(changed) => text(&WorkspaceChangedText::of(changed)),
    };
    EventRow {
        sequence: event.sequence.0,
        at_ms: event.at.as_milliseconds(),
        kind: event.kind().to_owned(),
        format: format(&event.outcome),
        caused_by: event.caused_by.name().to_owned(),
        evidence: evidence_text(&event.evidence),
        outcome,
        origin: event.origin.as_deref().map(origin_text),
    }
}

fn format(outcome: &Outcome) -> i64 {
    let respells = matches!(outcome, Outcome::Refolded { respelt, .. } if !respelt.is_empty());
    if respells { FORMAT } else { 1 }
}

/// The event that a row records.
///
/// # Errors
///
/// [`UnreadableEvent`] if a later version wrote it, or if it isn't what its columns say.
pub fn read(row: &EventRow) -> Result<Event, UnreadableEvent> {
    if !(1..=FORMAT).contains(&row.format) {
        return Err(UnreadableEvent::LaterFormat(row.format));
    }
    let outcome = match row.kind.as_str() {
        "created" => {
            let created: CreatedText<'_> = parse("outcome", &row.outcome)?;
            Outcome::Created { contact: contact(&created.contact)? }
        }
        "attached" => {
            let attached: AttachedText<'_> = parse("outcome", &row.outcome)?;
            Outcome::Attached { primary: ContactId(attached.primary), contact: contact(&attached.contact)? }
        }
        "merged" => {
            let merged: MergedText<'_> = parse("outcome", &row.outcome)?;
            Outcome::Merged {
                survivor: ContactId(merged.survivor),
                former_primaries: contacts(merged.former_primaries),
                contact: merged.contact.as_ref().map(contact).transpose()?,
            }
        }
        "refused" => {
            let refused: RefusedText<'_> = parse("outcome", &row.outcome)?;
            Outcome::Refused {
                rule: refused.rule.read()?,
                identities: contacts(refused.identities),
                home: ContactId(refused.home),
                former_primaries: contacts(refused.former_primaries),
                contact: refused.contact.as_ref().map(contact).transpose()?,
            }
        }
        // Which of the three its members tell.
        "imported" => parse::<ImportedText<'_>>("outcome", &row.outcome)?.read()?,
        "undone" => {
            let (event, correction) = parse::<UndoneText>("outcome", &row.outcome)?.read()?;
            Outcome::Undone { event, correction: Box::new(correction) }
        }
        "split" => Outcome::Split(Box::new(parse::<CorrectionText>("outcome", &row.outcome)?.read()?)),
        "joined" => Outcome::Joined(Box::new(parse::<CorrectionText>("outcome", &row.outcome)?.read()?)),
        "reviewed" => {
            let reviewed = parse::<ReviewedText>("outcome", &row.outcome)?;
            let (review, judgement, correction) = reviewed.read()?;
            Outcome::Reviewed { review, judgement, correction: Box::new(correction) }
        }
        "deleted" => {
            let deleted = parse::<DeletedText>("outcome", &row.outcome)?;
            let (contact, rest, lost, gained) = deleted.read()?;
            Outcome::Deleted { contact, rest, lost, gained }
        }
        "erased" => parse::<ErasedText>("outcome", &row.outcome)?.read()?,
        "policyChanged" => {
            let changed = parse::<PolicyChangedText>("outcome", &row.outcome)?;
            Outcome::PolicyChanged(Box::new(changed.read()?))
        }
        "refolded" => parse::<RefoldedText<'_>>("outcome", &row.outcome)?.read()?,
        "adopted" => {
            let adopted: AdoptedText<'_> = parse("outcome", &row.outcome)?;
            Outcome::Adopted {
                contact: contact(&adopted.contact)?,
                linked_to: adopted.linked_to.map(ContactId),
                updated_at: Timestamp::from_milliseconds(adopted.updated_at),
                deleted_at: adopted.deleted_at.map(Timestamp::from_milliseconds),
                observed_at: Timestamp::from_milliseconds(adopted.observed_at),
                from: source(&adopted.source)?,
            }
        }
        "keyChanged" => {
            let changed: KeyChangedText = parse("outcome", &row.outcome)?;
            Outcome::KeyChanged(Box::new(changed.read()?))
        }
        "workspaceChanged" => {
            let changed: WorkspaceChangedText = parse("outcome", &row.outcome)?;
            Outcome::WorkspaceChanged(Box::new(changed.read()?))
        }
        _ => return Err(UnreadableEvent::UnknownKind),
    };
    Ok(Event {
        sequence: Sequence(row.sequence),
        at: Timestamp::from_milliseconds(row.at_ms),
        caused_by: Actor::named(&row.caused_by),
        evidence: evidence(&row.evidence)?,
        origin: row.origin.as_deref().map(origin).transpose()?.map(Arc::new),
        outcome,
    })
}

/// The text that a value has within the text of evidence: by it, a store finds where a value may stand.
///
/// ```
/// use selfsame_rules::{Identifier, IdentifierKind};
///
/// let value = Identifier::from_stored(IdentifierKind::Email, "a\"b@c.d");
/// assert_eq!(selfsame_store::event_text::value_text(&value), r#""a\"b@c.d""#);
/// ```
pub fn value_text(identifier: &Identifier) -> String {
    text(identifier.value())
}

/// The text in which a workspace's own row holds its policy; none for the default one.
///
/// ```
/// use selfsame_rules::{Policy, PolicyDocument};
/// use selfsame_store::event_text::{policy_text, read_policy};
///
/// assert_eq!(policy_text(&Policy::default()), None);
/// let document = PolicyDocument { contacts_max: Some(50), ..PolicyDocument::default() };
/// let policy = Policy::read(&document).unwrap();
/// let text = policy_text(&policy).unwrap();
/// assert_eq!((text.as_str(), read_policy(&text).unwrap()), (r#"{"contactsMax":50}"#, policy));
/// ```
pub fn policy_text(policy: &Policy) -> Option<String> {
    (!policy.is_default()).then(|| text(&PolicyText::of(policy)))
}

/// The policy that [`policy_text`] wrote.
///
/// # Errors
///
/// [`UnreadableEvent`] if it isn't one.
pub fn read_policy(text: &str) -> Result<Policy, UnreadableEvent> {
    parse::<PolicyText>("policy", text)?.read()
}

fn text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists always make JSON")
}

fn parse<'text, T: Deserialize<'text>>(column: &'static str, text: &'text str) -> Result<T, UnreadableEvent> {
    serde_json::from_str(text).map_err(|error| UnreadableEvent::Malformed {
        column,
        line: error.line(),
        at: error.column(),
    })
}

fn kind(name: &str) -> Result<IdentifierKind, UnreadableEvent> {
    IdentifierKind::from_name(name).map_err(|_| UnreadableEvent::InvalidKindName)
}
