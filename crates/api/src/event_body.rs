//! An event of the log as JSON.

use selfsame_rules::{
    Apart, ContactId, Correction, Event, Identifier, IdentifierKind, Judgement, KeyFacts, Move, NewContact,
    Outcome, Ownership, Rule, Scope, SeenIdentifier, WorkspaceFacts,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::policy_body::PolicyBody;
use crate::times;
use crate::words::{EventWord, RuleWord};

/// One accepted change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub(crate) struct EventBody {
    /// Its place in the workspace's log, from 1 without gaps.
    sequence: i64,
    /// When it was accepted: RFC 3339, UTC.
    #[schema(format = DateTime)]
    at: String,
    #[schema(value_type = EventWord)]
    kind: &'static str,
    /// The name of a key or a command, or a route.
    caused_by: String,
    /// What was seen.
    evidence: Vec<EvidenceBody>,
    /// When it was seen, if whoever sent it said so.
    #[schema(format = DateTime, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_at: Option<String>,
    /// Where it was seen, if whoever sent it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<String>,
    /// What it changed; its members depend on the kind.
    #[schema(value_type = HashMap<String, Value>)]
    outcome: Value,
}

/// An identifier that was seen.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Evidence)]
pub(crate) struct EvidenceBody {
    #[serde(flatten)]
    identifier: IdentifierBody,
    /// The text as it was sent, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    as_sent: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    verified: bool,
}

/// A kind and a canonical value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Identifier)]
pub(crate) struct IdentifierBody {
    /// `email`, `phone`, or a kind that the policy declares.
    kind: String,
    /// Null where it was erased.
    #[schema(required = true)]
    value: Option<String>,
}

impl IdentifierBody {
    pub(crate) fn of(identifier: &Identifier) -> Self {
        let value = (!identifier.is_erased()).then(|| identifier.value().to_owned());
        Self { kind: identifier.kind().name().to_owned(), value }
    }
}

impl EvidenceBody {
    pub(crate) fn of(seen: &SeenIdentifier) -> Self {
        Self {
            identifier: IdentifierBody::of(seen.identifier()),
            as_sent: seen.as_sent().map(str::to_owned),
            verified: seen.is_verified(),
        }
    }
}

impl EventBody {
    pub(crate) fn of(event: &Event) -> Self {
        let origin = event.origin.as_deref();
        Self {
            sequence: event.sequence.0,
            at: times::write(event.at),
            kind: event.kind(),
            caused_by: event.caused_by.name().to_owned(),
            evidence: event.evidence.iter().map(EvidenceBody::of).collect(),
            observed_at: origin.and_then(|origin| origin.observed_at).map(times::write),
            source: origin.and_then(|origin| origin.source.as_deref()).map(str::to_owned),
            outcome: outcome(&event.outcome),
        }
    }
}

/// A rule that kept an observation from something.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub(crate) struct RuleBody {
    #[schema(value_type = RuleWord)]
    name: &'static str,
    /// The kind that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kind: Option<String>,
}

impl RuleBody {
    pub(crate) fn of(rule: &Rule) -> Self {
        let (name, kind) = match rule {
            Rule::KeptApart => ("keptApart", None),
            Rule::Unique(kind) => ("unique", Some(kind)),
            Rule::Identifiers(kind) => ("identifiers", Some(kind)),
            Rule::Contacts => ("contacts", None),
        };
        Self { name, kind: kind.map(|kind| kind.name().to_owned()) }
    }
}

/// What an event changed, as JSON.
pub(crate) fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Created { contact } => new_contact(Map::new(), Some(contact)),
        Outcome::Attached { primary, contact } => {
            new_contact(members(json!({ "primaryContactId": primary.0 })), Some(contact))
        }
        Outcome::Merged { survivor, former_primaries, contact } => {
            let merged = json!({
                "primaryContactId": survivor.0,
                "formerPrimaryContactIds": ids(former_primaries),
            });
            new_contact(members(merged), contact.as_ref())
        }
        Outcome::Refused { rule, identities, home, former_primaries, contact } => {
            let refused = json!({
                "rule": RuleBody::of(rule),
                "primaryContactIds": ids(identities),
                "primaryContactId": home.0,
                "formerPrimaryContactIds": ids(former_primaries),
            });
            new_contact(members(refused), contact.as_ref())
        }
        Outcome::Undone { event, correction } => {
            corrected(members(json!({ "undoneSequence": event.0 })), correction)
        }
        Outcome::Split(correction) | Outcome::Joined(correction) => corrected(Map::new(), correction),
        Outcome::Reviewed { review, judgement, correction } => {
            let decision = match judgement {
                Judgement::Merge => "merge",
                Judgement::KeepApart => "keepApart",
            };
            corrected(members(json!({ "reviewedSequence": review.0, "decision": decision })), correction)
        }
        Outcome::Deleted { contact, rest, lost, gained } => json!({
            "contactId": contact.0,
            "newPrimaryContactId": rest.map(|rest| rest.0),
            "lost": ownerships(lost),
            "gained": ownerships(gained),
        }),
        Outcome::Erased { contacts, lost, rewritten } => json!({
            "contactIds": ids(contacts),
            "lost": ownerships(lost),
            "rewrittenSequences": rewritten.iter().map(|event| event.0).collect::<Vec<_>>(),
        }),
        Outcome::PolicyChanged(policy) => json!({
            "before": policy.before.as_ref().map(PolicyBody::of),
            "after": PolicyBody::of(&policy.after),
        }),
        Outcome::Refolded { policy, contacts, respelt, correction } => {
            let made = contacts.iter().map(|contact| {
                let seen = contact.evidence.iter().map(SeenIdentifier::identifier);
                json!({
                    "contactId": contact.id.0,
                    "observedInSequence": contact.observed_in.0,
                    "identifiers": seen.map(IdentifierBody::of).collect::<Vec<_>>(),
                })
            });
            let respelt = respelt.iter().filter_map(|one| {
                let identifiers: Vec<_> = one.identifiers.iter().map(IdentifierBody::of).collect();
                Some(json!({ "contactId": one.contact?.0, "identifiers": identifiers }))
            });
            let refolded = json!({
                "before": policy.before.as_ref().map(PolicyBody::of),
                "after": PolicyBody::of(&policy.after),
                "newContacts": made.collect::<Vec<_>>(),
                "respelt": respelt.collect::<Vec<_>>(),
            });
            corrected(members(refolded), correction)
        }
        Outcome::Adopted { contact, linked_to, updated_at, deleted_at, observed_at, from: _ } => {
            let adopted = json!({
                "primaryContactId": linked_to.map(|primary| primary.0),
                "updatedAt": times::write(*updated_at),
                "deletedAt": deleted_at.map(times::write),
                "observedAt": times::write(*observed_at),
            });
            new_contact(members(adopted), Some(contact))
        }
        Outcome::KeyChanged(changed) => {
            json!({ "before": changed.before.as_ref().map(key), "after": key(&changed.after) })
        }
        Outcome::WorkspaceChanged(changed) => {
            json!({ "before": changed.before.as_ref().map(workspace), "after": workspace(&changed.after) })
        }
    }
}

fn members(object: Value) -> Map<String, Value> {
    if let Value::Object(members) = object { members } else { Map::new() }
}

fn new_contact(mut outcome: Map<String, Value>, contact: Option<&NewContact>) -> Value {
    if let Some(contact) = contact {
        let owns: Vec<&str> = contact.owns.iter().map(IdentifierKind::name).collect();
        outcome.insert("contactId".to_owned(), contact.id.0.into());
        outcome.insert("owns".to_owned(), owns.into());
    }
    outcome.into()
}

fn corrected(mut outcome: Map<String, Value>, correction: &Correction) -> Value {
    outcome.extend(members(json!({
        "reason": correction.reason,
        "lost": ownerships(&correction.lost),
        "moves": correction.moves.iter().map(moved).collect::<Vec<_>>(),
        "gained": ownerships(&correction.gained),
        "lifted": correction.lifted.iter().map(apart).collect::<Vec<_>>(),
        "keptApart": correction.kept_apart.iter().map(apart).collect::<Vec<_>>(),
        "primaryContactIds": ids(&correction.primaries),
    })));
    outcome.into()
}

/// `{"part":[9,12],"rest":4}`: these left, and whoever stayed has that primary where it is another than before; or
/// `{"join":9,"to":4}`: the identity of that primary became one with the other.
fn moved(moved: &Move) -> Value {
    match moved {
        Move::Part { contacts, rest } => json!({ "part": ids(contacts), "rest": rest.map(|rest| rest.0) }),
        Move::Join { survivor, former } => json!({ "join": former.0, "to": survivor.0 }),
    }
}

fn apart(pair: &Apart) -> Value {
    json!([ids(&pair.one), ids(&pair.other)])
}

fn ownerships(ownerships: &[Ownership]) -> Vec<Value> {
    let body = |one: &Ownership| json!({ "contactId": one.contact.0, "kind": one.kind.name() });
    ownerships.iter().map(body).collect()
}

pub(crate) fn ids(contacts: &[ContactId]) -> Vec<i64> {
    contacts.iter().map(|contact| contact.0).collect()
}

fn key(facts: &KeyFacts) -> Value {
    json!({
        "id": facts.id,
        "name": facts.name.as_str(),
        "scopes": facts.scopes.iter().map(Scope::word).collect::<Vec<_>>(),
        "everyWorkspace": facts.every_workspace,
        "createdAt": times::write(facts.created_at),
        "expiresAt": facts.expires_at.map(times::write),
        "revokedAt": facts.revoked_at.map(times::write),
    })
}

fn workspace(facts: &WorkspaceFacts) -> Value {
    json!({
        "name": facts.name.as_str(),
        "createdAt": times::write(facts.created_at),
        "erasedAt": facts.erased_at.map(times::write),
    })
}
