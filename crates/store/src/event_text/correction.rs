//! The outcomes of refusals and of people's corrections as the log holds them. No value: contacts and kinds only.

use selfsame_rules::{
    Apart, ContactId, Correction, IdentifierKind, Judgement, Move, Outcome, Ownership, Rule, Sequence,
};
use serde::{Deserialize, Serialize};

use super::{UnreadableEvent, kind};

/// `{"rule":"unique","kind":"customerId"}`, `kind` only where the rule is about one.
#[derive(Serialize, Deserialize)]
pub(super) struct RuleText {
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    kind: Option<String>,
}

/// Members that changed nothing are left out.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CorrectionText {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    lost: Vec<OwnershipText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    moves: Vec<MoveText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    gained: Vec<OwnershipText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    lifted: Vec<ApartText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    kept_apart: Vec<ApartText>,
    primaries: Vec<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct UndoneText {
    event: i64,
    correction: CorrectionText,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReviewedText {
    review: i64,
    decision: String,
    correction: CorrectionText,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DeletedText {
    contact: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    rest: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    lost: Vec<OwnershipText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    gained: Vec<OwnershipText>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ErasedText {
    contacts: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    lost: Vec<OwnershipText>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    rewritten: Vec<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OwnershipText {
    contact: i64,
    kind: String,
}

/// `{"part":[9,12],"rest":4}` or `{"join":[4,9]}`: the survivor, then the former primary.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum MoveText {
    Part {
        part: Vec<i64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rest: Option<i64>,
    },
    Join {
        join: (i64, i64),
    },
}

#[derive(Serialize, Deserialize)]
struct ApartText {
    one: Vec<i64>,
    other: Vec<i64>,
}

impl RuleText {
    pub(super) fn of(rule: &Rule) -> Self {
        let (word, kind) = match rule {
            Rule::KeptApart => ("keptApart", None),
            Rule::Unique(kind) => ("unique", Some(kind)),
            Rule::Identifiers(kind) => ("identifiers", Some(kind)),
            Rule::Contacts => ("contacts", None),
        };
        Self { rule: word.to_owned(), kind: kind.map(|kind| kind.name().to_owned()) }
    }

    pub(super) fn read(&self) -> Result<Rule, UnreadableEvent> {
        let about = self.kind.as_deref().map(kind).transpose()?;
        match (self.rule.as_str(), about) {
            ("keptApart", None) => Ok(Rule::KeptApart),
            ("unique", Some(kind)) => Ok(Rule::Unique(kind)),
            ("identifiers", Some(kind)) => Ok(Rule::Identifiers(kind)),
            ("contacts", None) => Ok(Rule::Contacts),
            _ => Err(UnreadableEvent::UnknownWord("rule")),
        }
    }
}

impl CorrectionText {
    pub(super) fn of(correction: &Correction) -> Self {
        Self {
            reason: correction.reason.as_deref().map(str::to_owned),
            lost: ownerships(&correction.lost),
            moves: correction.moves.iter().map(MoveText::of).collect(),
            gained: ownerships(&correction.gained),
            lifted: correction.lifted.iter().map(ApartText::of).collect(),
            kept_apart: correction.kept_apart.iter().map(ApartText::of).collect(),
            primaries: numbers(&correction.primaries),
        }
    }

    pub(super) fn read(self) -> Result<Correction, UnreadableEvent> {
        Ok(Correction {
            reason: self.reason.map(Into::into),
            lost: read_ownerships(&self.lost)?,
            moves: self.moves.into_iter().map(MoveText::read).collect(),
            gained: read_ownerships(&self.gained)?,
            lifted: self.lifted.into_iter().map(ApartText::read).collect(),
            kept_apart: self.kept_apart.into_iter().map(ApartText::read).collect(),
            primaries: contacts(self.primaries),
        })
    }
}

impl UndoneText {
    pub(super) fn of(event: Sequence, correction: &Correction) -> Self {
        Self { event: event.0, correction: CorrectionText::of(correction) }
    }

    pub(super) fn read(self) -> Result<(Sequence, Correction), UnreadableEvent> {
        Ok((Sequence(self.event), self.correction.read()?))
    }
}

impl ReviewedText {
    pub(super) fn of(review: Sequence, judgement: Judgement, correction: &Correction) -> Self {
        let decision = match judgement {
            Judgement::Merge => "merge",
            Judgement::KeepApart => "keepApart",
        };
        let correction = CorrectionText::of(correction);
        Self { review: review.0, decision: decision.to_owned(), correction }
    }

    pub(super) fn read(self) -> Result<(Sequence, Judgement, Correction), UnreadableEvent> {
        let judgement = match self.decision.as_str() {
            "merge" => Judgement::Merge,
            "keepApart" => Judgement::KeepApart,
            _ => return Err(UnreadableEvent::UnknownWord("decision")),
        };
        Ok((Sequence(self.review), judgement, self.correction.read()?))
    }
}

/// What [`DeletedText`] holds: the contact, the primary of what remains, and what was lost and gained.
pub(super) type Deleted = (ContactId, Option<ContactId>, Vec<Ownership>, Vec<Ownership>);

impl DeletedText {
    pub(super) fn of(
        contact: ContactId,
        rest: Option<ContactId>,
        lost: &[Ownership],
        gained: &[Ownership],
    ) -> Self {
        let rest = rest.map(|rest| rest.0);
        Self { contact: contact.0, rest, lost: ownerships(lost), gained: ownerships(gained) }
    }

    pub(super) fn read(self) -> Result<Deleted, UnreadableEvent> {
        let (contact, rest) = (ContactId(self.contact), self.rest.map(ContactId));
        Ok((contact, rest, read_ownerships(&self.lost)?, read_ownerships(&self.gained)?))
    }
}

impl ErasedText {
    pub(super) fn of(contacts: &[ContactId], lost: &[Ownership], rewritten: &[Sequence]) -> Self {
        let rewritten = rewritten.iter().map(|event| event.0).collect();
        Self { contacts: numbers(contacts), lost: ownerships(lost), rewritten }
    }

    pub(super) fn read(self) -> Result<Outcome, UnreadableEvent> {
        let rewritten = self.rewritten.into_iter().map(Sequence).collect();
        Ok(Outcome::Erased {
            contacts: contacts(self.contacts),
            lost: read_ownerships(&self.lost)?,
            rewritten,
        })
    }
}

impl MoveText {
    fn of(moved: &Move) -> Self {
        match moved {
            Move::Part { contacts, rest } => {
                Self::Part { part: numbers(contacts), rest: rest.map(|rest| rest.0) }
            }
            Move::Join { survivor, former } => Self::Join { join: (survivor.0, former.0) },
        }
    }

    fn read(self) -> Move {
        match self {
            Self::Part { part, rest } => Move::Part { contacts: contacts(part), rest: rest.map(ContactId) },
            Self::Join { join: (survivor, former) } => {
                Move::Join { survivor: ContactId(survivor), former: ContactId(former) }
            }
        }
    }
}

impl ApartText {
    fn of(pair: &Apart) -> Self {
        Self { one: numbers(&pair.one), other: numbers(&pair.other) }
    }

    fn read(self) -> Apart {
        Apart::new(contacts(self.one), contacts(self.other))
    }
}

pub(super) fn numbers(contacts: &[ContactId]) -> Vec<i64> {
    contacts.iter().map(|contact| contact.0).collect()
}

pub(super) fn contacts(numbers: Vec<i64>) -> Vec<ContactId> {
    numbers.into_iter().map(ContactId).collect()
}

fn ownerships(ownerships: &[Ownership]) -> Vec<OwnershipText> {
    let text = |Ownership { contact, kind }: &Ownership| OwnershipText {
        contact: contact.0,
        kind: kind.name().to_owned(),
    };
    ownerships.iter().map(text).collect()
}

fn read_ownerships(texts: &[OwnershipText]) -> Result<Vec<Ownership>, UnreadableEvent> {
    let read = |text: &OwnershipText| {
        let kind: IdentifierKind = kind(&text.kind)?;
        Ok(Ownership { contact: ContactId(text.contact), kind })
    };
    texts.iter().map(read).collect()
}
