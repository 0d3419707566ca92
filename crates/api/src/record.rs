//! `GET /v1/identities/{id}/record`: everything that is held about a person, as one document.

use axum::Json;
use axum::http::Uri;
use axum::response::Response;
use selfsame_rules::{Apart, Identifier, Outcome, RegisterRow, UnborneText};
use selfsame_service::{PersonalEvent, PersonalEvidence, PersonalRecord, PersonalValue};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::door::{Caller, Reads};
use crate::event_body::{EvidenceBody, IdentifierBody, ids, outcome};
use crate::identities::contact;
use crate::problem::ProblemBody;
use crate::target::{Named, no_query};
use crate::times;
use crate::words::EventWord;

/// Everything that is held about a person: what is theirs, and nothing of anybody else but numbers of contacts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonalRecord)]
pub(crate) struct RecordBody {
    /// The contact that stands for them, or did while one of them lived.
    primary_contact_id: i64,
    /// The last event that the record knows.
    as_of_sequence: i64,
    /// All of their contacts, by number: deleted and erased ones too.
    contacts: Vec<HeldContactBody>,
    /// Their values: what their contacts bear, and what their own observations saw.
    identifiers: Vec<HeldIdentifierBody>,
    /// Every event that concerns them, in the order of the log.
    events: Vec<HeldEventBody>,
    /// Pairs of lists of contacts that are kept apart, one of each pair theirs.
    kept_apart: Vec<Vec<Vec<i64>>>,
    /// The numbers of the refusals that concern them and wait for a review.
    waiting_reviews: Vec<i64>,
}

/// A contact of theirs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HeldContact)]
struct HeldContactBody {
    id: i64,
    /// The primary that it is linked to; null if it is the primary.
    #[schema(required = true)]
    linked_contact_id: Option<i64>,
    created_at: String,
    updated_at: String,
    /// When it was deleted or erased; null while it lives.
    #[schema(required = true)]
    deleted_at: Option<String>,
    /// Whether it was erased: a tombstone that bears nothing.
    erased: bool,
    /// What it bears.
    identifiers: Vec<IdentifierBody>,
}

/// A value of theirs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HeldIdentifier)]
struct HeldIdentifierBody {
    #[serde(flatten)]
    identifier: IdentifierBody,
    /// Whether they own it. What they don't own is blocked, claimed, refused, or left behind by a correction.
    owned: bool,
    /// Whether an observation of theirs marked it as verified.
    verified: bool,
    /// How it was sent, where that was otherwise.
    spellings: Vec<String>,
    /// Those of their contacts that bear it.
    contact_ids: Vec<i64>,
}

/// An event that concerns them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HeldEvent)]
struct HeldEventBody {
    sequence: i64,
    #[schema(format = DateTime)]
    at: String,
    #[schema(value_type = EventWord)]
    kind: &'static str,
    caused_by: String,
    /// Whether what was observed is theirs.
    own: bool,
    /// What was seen.
    evidence: Vec<HeldEvidenceBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    observed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<String>,
    /// Texts of an adopted row that are no identifier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread_texts: Vec<UnreadTextBody>,
    /// As of the same event in `/v1/events`; of a refold, what it says of them, without the policies.
    #[schema(value_type = HashMap<String, Value>)]
    outcome: Value,
}

/// An identifier that was seen: theirs, or of somebody else.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = HeldEvidence)]
enum HeldEvidenceBody {
    Shown(EvidenceBody),
    Withheld(WithheldBody),
}

/// A value that is somebody else's.
#[derive(Serialize, ToSchema)]
#[schema(as = WithheldIdentifier)]
struct WithheldBody {
    kind: String,
    /// True.
    withheld: bool,
}

/// A text that stood where an identifier should, and is none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnreadText)]
struct UnreadTextBody {
    kind: String,
    /// Null where it was erased.
    #[schema(required = true)]
    as_sent: Option<String>,
}

/// Tell everything that is held about the person that a contact belongs to: their right of access.
///
/// An event's observation is of whoever has the contact that it made, now; one that made none, of those whom the event
/// names, if they are one person. Of other observations only values are shown that the person's contacts bear too.
#[utoipa::path(
    get, path = "/v1/identities/{id}/record", tag = "identities",
    params(("id" = i64, Path, description = "A contact's number"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "Everything", body = RecordBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_record(caller: Caller<Reads>, path: Named, uri: Uri) -> Response {
    let find = async {
        no_query(&uri)?;
        Ok(Json(RecordBody::of(&caller.engine().record(contact(&path)?).await?)))
    };
    caller.answer(find.await)
}

impl RecordBody {
    fn of(record: &PersonalRecord) -> Self {
        let pair = |pair: &Apart| vec![ids(&pair.one), ids(&pair.other)];
        Self {
            primary_contact_id: record.primary.0,
            as_of_sequence: record.as_of.0,
            contacts: record.contacts.iter().map(held_contact).collect(),
            identifiers: record.values.iter().map(held_identifier).collect(),
            events: record.events.iter().map(held_event).collect(),
            kept_apart: record.kept_apart.iter().map(pair).collect(),
            waiting_reviews: record.reviews.iter().map(|review| review.0).collect(),
        }
    }
}

fn held_contact(RegisterRow { contact, .. }: &RegisterRow) -> HeldContactBody {
    HeldContactBody {
        id: contact.id.0,
        linked_contact_id: contact.linked_to.map(|primary| primary.0),
        created_at: times::write(contact.created_at),
        updated_at: times::write(contact.updated_at),
        deleted_at: contact.deleted_at.map(times::write),
        erased: contact.deleted_at.is_some() && contact.identifiers.is_empty(),
        identifiers: contact.identifiers.iter().map(IdentifierBody::of).collect(),
    }
}

fn held_identifier(value: &PersonalValue) -> HeldIdentifierBody {
    HeldIdentifierBody {
        identifier: IdentifierBody::of(&value.identifier),
        owned: value.is_owned,
        verified: value.is_verified,
        spellings: value.spellings.iter().map(|text| text.as_ref().to_owned()).collect(),
        contact_ids: ids(&value.contacts),
    }
}

fn held_event(PersonalEvent { event, is_own, evidence, .. }: &PersonalEvent) -> HeldEventBody {
    let origin = event.origin.as_deref();
    let unread = if let (Outcome::Adopted { from, .. }, true) = (&event.outcome, *is_own) {
        from.not_borne.iter().map(unread_text).collect()
    } else {
        Vec::new()
    };
    HeldEventBody {
        sequence: event.sequence.0,
        at: times::write(event.at),
        kind: event.kind(),
        caused_by: event.caused_by.name().to_owned(),
        own: *is_own,
        evidence: evidence.iter().map(held_evidence).collect(),
        observed_at: origin.and_then(|origin| origin.observed_at).map(times::write),
        source: origin.and_then(|origin| origin.source.as_deref()).map(str::to_owned),
        unread_texts: unread,
        outcome: without_policies(outcome(&event.outcome)),
    }
}

fn held_evidence(evidence: &PersonalEvidence) -> HeldEvidenceBody {
    match evidence {
        PersonalEvidence::Shown(seen) => HeldEvidenceBody::Shown(EvidenceBody::of(seen)),
        PersonalEvidence::Withheld(kind) => {
            HeldEvidenceBody::Withheld(WithheldBody { kind: kind.name().to_owned(), withheld: true })
        }
    }
}

fn unread_text(text: &UnborneText) -> UnreadTextBody {
    let (kind, as_sent) = (text.kind.name().to_owned(), text.as_sent.as_ref());
    // What was erased is a token here too.
    let erased = Identifier::from_stored(text.kind.clone(), as_sent).is_erased();
    UnreadTextBody { kind, as_sent: (!erased).then(|| as_sent.to_owned()) }
}

/// A policy is the workspace's: its blocked values may be anybody's.
fn without_policies(mut outcome: Value) -> Value {
    if let Some(members) = outcome.as_object_mut() {
        members.remove("before");
        members.remove("after");
    }
    outcome
}
