//! What was observed and what came of it, as the log holds it: evidence, and the outcomes of observations.

use std::borrow::Cow;

use selfsame_rules::{ContactId, Identifier, NewContact, Origin, Outcome, SeenIdentifier, Timestamp};
use serde::{Deserialize, Serialize};

use super::correction::RuleText;
use super::{UnreadableEvent, kind, parse};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvidenceText<'text> {
    #[serde(borrow)]
    kind: Cow<'text, str>,
    #[serde(borrow)]
    value: Cow<'text, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    as_sent: Option<Cow<'text, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    verified: bool,
}

/// A kind and a canonical value alone.
#[derive(Serialize, Deserialize)]
pub(super) struct IdentifierText<'text> {
    #[serde(borrow)]
    kind: Cow<'text, str>,
    #[serde(borrow)]
    value: Cow<'text, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OriginText {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    observed_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    imported: bool,
}

/// The outcome of a row that made a contact: one of those below, told by its members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportedText<'text> {
    #[serde(borrow)]
    contact: ContactText<'text>,
    primary: Option<i64>,
    survivor: Option<i64>,
    former_primaries: Option<Vec<i64>>,
}

impl ImportedText<'_> {
    pub(super) fn read(self) -> Result<Outcome, UnreadableEvent> {
        let contact = contact(&self.contact)?;
        Ok(match (self.primary, self.survivor) {
            (None, None) => Outcome::Created { contact },
            (Some(primary), _) => Outcome::Attached { primary: ContactId(primary), contact },
            (None, Some(survivor)) => Outcome::Merged {
                survivor: ContactId(survivor),
                former_primaries: super::contacts(self.former_primaries.unwrap_or_default()),
                contact: Some(contact),
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CreatedText<'text> {
    #[serde(borrow)]
    pub(super) contact: ContactText<'text>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AttachedText<'text> {
    pub(super) primary: i64,
    #[serde(borrow)]
    pub(super) contact: ContactText<'text>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MergedText<'text> {
    pub(super) survivor: i64,
    pub(super) former_primaries: Vec<i64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub(super) contact: Option<ContactText<'text>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedText<'text> {
    pub(super) rule: RuleText,
    pub(super) identities: Vec<i64>,
    pub(super) home: i64,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(super) former_primaries: Vec<i64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub(super) contact: Option<ContactText<'text>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContactText<'text> {
    pub(super) id: i64,
    #[serde(borrow)]
    pub(super) owns: Vec<Cow<'text, str>>,
}

/// The text of what was said of where and when something was seen.
pub(super) fn origin_text(origin: &Origin) -> String {
    super::text(&OriginText {
        observed_at: origin.observed_at.map(Timestamp::as_milliseconds),
        source: origin.source.as_deref().map(str::to_owned),
        imported: origin.imported,
    })
}

/// What a text of [`origin_text`] says.
pub(super) fn origin(text: &str) -> Result<Origin, UnreadableEvent> {
    let text: OriginText = parse("origin", text)?;
    Ok(Origin {
        observed_at: text.observed_at.map(Timestamp::from_milliseconds),
        source: text.source.map(Into::into),
        imported: text.imported,
    })
}

/// The text of the evidence.
pub(super) fn evidence_text(evidence: &[SeenIdentifier]) -> String {
    super::text(&seen_texts(evidence))
}

/// The evidence that a text holds.
pub(super) fn evidence(text: &str) -> Result<Vec<SeenIdentifier>, UnreadableEvent> {
    let texts: Vec<EvidenceText<'_>> = parse("evidence", text)?;
    texts.iter().map(seen).collect()
}

pub(super) fn seen_texts(evidence: &[SeenIdentifier]) -> Vec<EvidenceText<'_>> {
    evidence.iter().map(seen_text).collect()
}

fn seen_text(seen: &SeenIdentifier) -> EvidenceText<'_> {
    EvidenceText {
        kind: seen.identifier().kind().name().into(),
        value: seen.identifier().value().into(),
        as_sent: seen.as_sent().map(Cow::from),
        verified: seen.is_verified(),
    }
}

pub(super) fn seen(text: &EvidenceText<'_>) -> Result<SeenIdentifier, UnreadableEvent> {
    let identifier = Identifier::from_stored(kind(&text.kind)?, &text.value);
    let seen = SeenIdentifier::from_stored(identifier, text.as_sent.as_deref());
    Ok(if text.verified { seen.verified() } else { seen })
}

pub(super) fn identifier_text(identifier: &Identifier) -> IdentifierText<'_> {
    IdentifierText { kind: identifier.kind().name().into(), value: identifier.value().into() }
}

pub(super) fn identifier(text: &IdentifierText<'_>) -> Result<Identifier, UnreadableEvent> {
    Ok(Identifier::from_stored(kind(&text.kind)?, &text.value))
}

pub(super) fn contact_text(contact: &NewContact) -> ContactText<'_> {
    ContactText { id: contact.id.0, owns: contact.owns.iter().map(|kind| kind.name().into()).collect() }
}

pub(super) fn contact(text: &ContactText<'_>) -> Result<NewContact, UnreadableEvent> {
    let owns = text.owns.iter().map(|name| kind(name)).collect::<Result<_, _>>()?;
    Ok(NewContact { id: ContactId(text.id), owns })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use selfsame_rules::{Actor, Event, IdentifierKind, Sequence};

    use super::super::{read, write};
    use super::*;

    #[test]
    fn a_row_of_a_file_reads_as_what_it_did_to_whom() {
        let contact = || NewContact { id: ContactId(9), owns: vec![IdentifierKind::Phone] };
        let (one, former_primaries) = (ContactId(1), vec![ContactId(2), ContactId(4)]);
        let merged =
            |contact| Outcome::Merged { survivor: one, former_primaries: former_primaries.clone(), contact };
        for (outcome, kind) in [
            (Outcome::Created { contact: contact() }, "imported"),
            (Outcome::Attached { primary: one, contact: contact() }, "imported"),
            (merged(Some(contact())), "imported"),
            (merged(None), "merged"),
        ] {
            let phone = SeenIdentifier::parse(&IdentifierKind::Phone, "12-34").unwrap();
            let origin = Origin { observed_at: None, source: Some("orders.csv".into()), imported: true };
            let event = Event {
                sequence: Sequence(9),
                at: Timestamp::from_milliseconds(7),
                caused_by: Actor::named("import"),
                evidence: phone.into_iter().collect(),
                origin: Some(Arc::new(origin)),
                outcome,
            };
            let row = write(&event);
            assert_eq!(row.kind, kind);
            assert_eq!(row.origin.as_deref(), Some(r#"{"source":"orders.csv","imported":true}"#));
            assert_eq!(read(&row).unwrap(), event);
        }
    }
}
