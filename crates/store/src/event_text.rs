//! The text in which every store keeps an event's evidence and outcome: JSON, the same bytes everywhere.
//!
//! These shapes are the log's format. A change of them raises [`FORMAT`] and keeps reading the older ones.
//! Deliberately absent: the columns beside them (sequence, time, kind, cause), which each store has as such.

mod administration;

use std::borrow::Cow;

use selfsame_rules::{
    Actor, AdoptedFrom, ContactId, Event, Identifier, IdentifierKind, NewContact, Outcome, Precedence,
    SeenIdentifier, Sequence, Timestamp, UnborneText,
};
use serde::{Deserialize, Serialize};

use administration::{KeyChangedText, WorkspaceChangedText};

/// The version of the shapes below.
pub const FORMAT: i64 = 1;

/// The only table that rows are adopted from.
const ADOPTED_TABLE: &str = "Contact";

/// An event as a row of the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its place in the log.
    pub sequence: i64,
    /// Unix milliseconds, UTC.
    pub at_ms: i64,
    /// What [`Event::kind`] says.
    pub kind: String,
    /// [`FORMAT`] when it was written.
    pub format: i64,
    /// The name of the actor.
    pub caused_by: String,
    /// `[{"kind":"email","value":"doc@hill.edu","asSent":"Doc@Hill.edu"}]`, `asSent` only where it differs.
    pub evidence: String,
    /// Depends on the kind: `{"contact":{"id":1,"owns":["email"]}}`, for example.
    pub outcome: String,
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
        /// `evidence` or `outcome`.
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
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvidenceText<'text> {
    #[serde(borrow)]
    kind: Cow<'text, str>,
    #[serde(borrow)]
    value: Cow<'text, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    as_sent: Option<Cow<'text, str>>,
}

#[derive(Serialize, Deserialize)]
struct CreatedText<'text> {
    #[serde(borrow)]
    contact: ContactText<'text>,
}

#[derive(Serialize, Deserialize)]
struct AttachedText<'text> {
    primary: i64,
    #[serde(borrow)]
    contact: ContactText<'text>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergedText<'text> {
    survivor: i64,
    former_primaries: Vec<i64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    contact: Option<ContactText<'text>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdoptedText<'text> {
    #[serde(borrow)]
    contact: ContactText<'text>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    linked_to: Option<i64>,
    updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    deleted_at: Option<i64>,
    observed_at: i64,
    source: SourceText,
}

/// What stood in an adopted row.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceText {
    table: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    linked_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    link_precedence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    updated_at: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    not_borne: Vec<LeftText>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeftText {
    kind: String,
    as_sent: String,
}

#[derive(Serialize, Deserialize)]
struct ContactText<'text> {
    id: i64,
    #[serde(borrow)]
    owns: Vec<Cow<'text, str>>,
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
    let evidence: Vec<EvidenceText<'_>> = event
        .evidence
        .iter()
        .map(|seen| EvidenceText {
            kind: seen.identifier().kind().name().into(),
            value: seen.identifier().value().into(),
            as_sent: seen.as_sent().map(Cow::from),
        })
        .collect();
    let outcome = match &event.outcome {
        Outcome::Created { contact } => text(&CreatedText { contact: contact_text(contact) }),
        Outcome::Attached { primary, contact } => {
            text(&AttachedText { primary: primary.0, contact: contact_text(contact) })
        }
        Outcome::Merged { survivor, former_primaries, contact } => text(&MergedText {
            survivor: survivor.0,
            former_primaries: former_primaries.iter().map(|former| former.0).collect(),
            contact: contact.as_ref().map(contact_text),
        }),
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
        format: FORMAT,
        caused_by: event.caused_by.name().to_owned(),
        evidence: text(&evidence),
        outcome,
    }
}

/// The event that a row records.
///
/// # Errors
///
/// [`UnreadableEvent`] if a later version wrote it, or if it isn't what its columns say.
pub fn read(row: &EventRow) -> Result<Event, UnreadableEvent> {
    if row.format != FORMAT {
        return Err(UnreadableEvent::LaterFormat(row.format));
    }
    let evidence: Vec<EvidenceText<'_>> = parse("evidence", &row.evidence)?;
    let evidence = evidence
        .iter()
        .map(|seen| {
            let identifier = Identifier::from_stored(kind(&seen.kind)?, &seen.value);
            Ok(SeenIdentifier::from_stored(identifier, seen.as_sent.as_deref()))
        })
        .collect::<Result<_, _>>()?;
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
                former_primaries: merged.former_primaries.into_iter().map(ContactId).collect(),
                contact: merged.contact.as_ref().map(contact).transpose()?,
            }
        }
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
        evidence,
        outcome,
    })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists always make JSON")
}

fn parse<'text, T: Deserialize<'text>>(column: &'static str, text: &'text str) -> Result<T, UnreadableEvent> {
    serde_json::from_str(text).map_err(|error| UnreadableEvent::Malformed {
        column,
        line: error.line(),
        at: error.column(),
    })
}

fn contact_text(contact: &NewContact) -> ContactText<'_> {
    ContactText { id: contact.id.0, owns: contact.owns.iter().map(|kind| kind.name().into()).collect() }
}

fn contact(text: &ContactText<'_>) -> Result<NewContact, UnreadableEvent> {
    let owns = text.owns.iter().map(|name| kind(name)).collect::<Result<_, _>>()?;
    Ok(NewContact { id: ContactId(text.id), owns })
}

fn source_text(from: &AdoptedFrom) -> SourceText {
    let not_borne = from.not_borne.iter().map(|text| LeftText {
        kind: text.kind.name().to_owned(),
        as_sent: text.as_sent.as_ref().to_owned(),
    });
    SourceText {
        table: ADOPTED_TABLE.to_owned(),
        linked_id: from.linked_id.map(|linked| linked.0),
        link_precedence: from.precedence.as_ref().map(|precedence| precedence.word().to_owned()),
        updated_at: from.updated_at.map(Timestamp::as_milliseconds),
        not_borne: not_borne.collect(),
    }
}

fn source(text: &SourceText) -> Result<AdoptedFrom, UnreadableEvent> {
    let not_borne = text
        .not_borne
        .iter()
        .map(|text| Ok(UnborneText { kind: kind(&text.kind)?, as_sent: text.as_sent.as_str().into() }));
    Ok(AdoptedFrom {
        linked_id: text.linked_id.map(ContactId),
        precedence: text.link_precedence.as_deref().map(Precedence::from_word),
        updated_at: text.updated_at.map(Timestamp::from_milliseconds),
        not_borne: not_borne.collect::<Result<_, _>>()?,
    })
}

fn kind(name: &str) -> Result<IdentifierKind, UnreadableEvent> {
    IdentifierKind::from_name(name).map_err(|_| UnreadableEvent::InvalidKindName)
}
