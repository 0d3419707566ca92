//! Policies as the log and a workspace's own row hold them.

use selfsame_rules::{
    Changed, ContactId, Correction, Identifier, Outcome, Policy, PolicyDocument, RefoldedContact, Respelt,
    Sequence, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::UnreadableEvent;
use super::administration::ChangedText;
use super::correction::CorrectionText;
use super::observation::{EvidenceText, IdentifierText, identifier, identifier_text, seen, seen_texts};

/// Members that say what the default policy says are left out.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyText {
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    kinds: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    blocked: Vec<BlockedText>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    contacts_max: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    identifiers_max: Vec<LimitText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    unique: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    claims: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    exact_email: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    default_region: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct BlockedText {
    kind: String,
    pattern: String,
}

#[derive(Serialize, Deserialize)]
struct LimitText {
    kind: String,
    most: u32,
}

pub(super) type PolicyChangedText = ChangedText<PolicyText>;

#[derive(Serialize, Deserialize)]
pub(super) struct RefoldedText<'text> {
    policy: PolicyChangedText,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty", default)]
    contacts: Vec<RefoldedContactText<'text>>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty", default)]
    respelt: Vec<RespeltText<'text>>,
    correction: CorrectionText,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefoldedContactText<'text> {
    id: i64,
    #[serde(borrow)]
    evidence: Vec<EvidenceText<'text>>,
    observed_in: i64,
    created_at: i64,
}

/// `{"event":3,"contact":2,"identifiers":[{"kind":"phone","value":"+442079460018"}]}`, `contact` only where one bears them.
#[derive(Serialize, Deserialize)]
struct RespeltText<'text> {
    event: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    contact: Option<i64>,
    #[serde(borrow)]
    identifiers: Vec<IdentifierText<'text>>,
}

impl PolicyText {
    pub(super) fn of(policy: &Policy) -> Self {
        let document = policy.document();
        let blocked = |(kind, pattern)| BlockedText { kind, pattern };
        let limit = |(kind, most)| LimitText { kind, most };
        Self {
            kinds: document.kinds,
            blocked: document.blocked.into_iter().map(blocked).collect(),
            contacts_max: document.contacts_max,
            identifiers_max: document.identifiers_max.into_iter().map(limit).collect(),
            unique: document.unique,
            claims: document.claims,
            exact_email: document.exact_email,
            default_region: document.default_region,
        }
    }

    pub(super) fn read(self) -> Result<Policy, UnreadableEvent> {
        let document = PolicyDocument {
            kinds: self.kinds,
            blocked: self.blocked.into_iter().map(|text| (text.kind, text.pattern)).collect(),
            contacts_max: self.contacts_max,
            identifiers_max: self.identifiers_max.into_iter().map(|text| (text.kind, text.most)).collect(),
            unique: self.unique,
            claims: self.claims,
            exact_email: self.exact_email,
            default_region: self.default_region,
        };
        Policy::read(&document).map_err(|_| UnreadableEvent::InvalidPolicy)
    }
}

impl PolicyChangedText {
    pub(super) fn of(changed: &Changed<Policy>) -> Self {
        let before = changed.before.as_ref().map(PolicyText::of);
        Self { before, after: PolicyText::of(&changed.after) }
    }

    pub(super) fn read(self) -> Result<Changed<Policy>, UnreadableEvent> {
        let before = self.before.map(PolicyText::read).transpose()?;
        Ok(Changed { before, after: self.after.read()? })
    }
}

impl<'text> RefoldedText<'text> {
    pub(super) fn of(
        policy: &Changed<Policy>,
        contacts: &'text [RefoldedContact],
        respelt: &'text [Respelt],
        correction: &Correction,
    ) -> Self {
        let contact = |contact: &'text RefoldedContact| RefoldedContactText {
            id: contact.id.0,
            evidence: seen_texts(&contact.evidence),
            observed_in: contact.observed_in.0,
            created_at: contact.created_at.as_milliseconds(),
        };
        Self {
            policy: PolicyChangedText::of(policy),
            contacts: contacts.iter().map(contact).collect(),
            respelt: respelt.iter().map(RespeltText::of).collect(),
            correction: CorrectionText::of(correction),
        }
    }

    pub(super) fn read(self) -> Result<Outcome, UnreadableEvent> {
        let contact = |text: &RefoldedContactText<'_>| {
            Ok(RefoldedContact {
                id: ContactId(text.id),
                evidence: text.evidence.iter().map(seen).collect::<Result<_, _>>()?,
                observed_in: Sequence(text.observed_in),
                created_at: Timestamp::from_milliseconds(text.created_at),
            })
        };
        Ok(Outcome::Refolded {
            policy: Box::new(self.policy.read()?),
            contacts: self.contacts.iter().map(contact).collect::<Result<_, _>>()?,
            respelt: self.respelt.iter().map(RespeltText::read).collect::<Result<_, _>>()?,
            correction: Box::new(self.correction.read()?),
        })
    }
}

impl<'text> RespeltText<'text> {
    fn of(respelt: &'text Respelt) -> Self {
        Self {
            event: respelt.sequence.0,
            contact: respelt.contact.map(|contact| contact.0),
            identifiers: respelt.identifiers.iter().map(identifier_text).collect(),
        }
    }

    fn read(&self) -> Result<Respelt, UnreadableEvent> {
        let identifiers: Vec<Identifier> =
            self.identifiers.iter().map(identifier).collect::<Result<_, _>>()?;
        let contact = self.contact.map(ContactId);
        Ok(Respelt { sequence: Sequence(self.event), contact, identifiers })
    }
}

#[cfg(test)]
mod tests {
    use selfsame_rules::{Actor, Event, IdentifierKind};

    use super::*;
    use crate::event_text::{FORMAT, read, write};

    fn refolded(respelt: Vec<Respelt>) -> Event {
        let policy = Box::new(Changed { before: None, after: Policy::default() });
        let (contacts, correction) = (Vec::new(), Box::default());
        Event {
            sequence: Sequence(9),
            at: Timestamp::from_milliseconds(1),
            caused_by: Actor::named("test"),
            evidence: Vec::new(),
            origin: None,
            outcome: Outcome::Refolded { policy, contacts, respelt, correction },
        }
    }

    #[test]
    fn a_refold_that_spells_otherwise_has_a_format_of_its_own_and_reads_back() {
        let identifiers = vec![Identifier::from_stored(IdentifierKind::Phone, "+442079460018")];
        let of_contact =
            Respelt { sequence: Sequence(3), contact: Some(ContactId(2)), identifiers: identifiers.clone() };
        let of_none = Respelt { sequence: Sequence(4), contact: None, identifiers };
        let event = refolded(vec![of_contact, of_none]);
        let row = write(&event);
        assert_eq!(row.format, FORMAT);
        let respelt = r#""respelt":[{"event":3,"contact":2,"identifiers":[{"kind":"phone","value":"+442079460018"}]},{"event":4,"identifiers":[{"kind":"phone","value":"+442079460018"}]}]"#;
        assert!(row.outcome.contains(respelt), "{}", row.outcome);
        assert_eq!(read(&row).unwrap(), event);
    }

    #[test]
    fn any_other_is_written_as_before() {
        let event = refolded(Vec::new());
        let row = write(&event);
        assert_eq!(
            (row.format, row.outcome.as_str()),
            (1, r#"{"policy":{"after":{}},"correction":{"primaries":[]}}"#)
        );
        assert_eq!(read(&row).unwrap(), event);
    }
}
