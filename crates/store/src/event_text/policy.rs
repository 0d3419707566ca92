//! Policies as the log and a workspace's own row hold them.

use selfsame_rules::{
    Changed, ContactId, Correction, Outcome, Policy, PolicyDocument, RefoldedContact, Sequence, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::UnreadableEvent;
use super::administration::ChangedText;
use super::correction::CorrectionText;
use super::observation::{EvidenceText, seen, seen_texts};

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
            correction: Box::new(self.correction.read()?),
        })
    }
}
