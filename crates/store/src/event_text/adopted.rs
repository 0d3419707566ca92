//! Adopted rows as the log holds them: what became of each, and what else stood in it.

use selfsame_rules::{AdoptedFrom, ContactId, Precedence, Timestamp, UnborneText};
use serde::{Deserialize, Serialize};

use super::observation::ContactText;
use super::{UnreadableEvent, kind};

/// The only table that rows are adopted from.
const ADOPTED_TABLE: &str = "Contact";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdoptedText<'text> {
    #[serde(borrow)]
    pub(super) contact: ContactText<'text>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) linked_to: Option<i64>,
    pub(super) updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) deleted_at: Option<i64>,
    pub(super) observed_at: i64,
    pub(super) source: SourceText,
}

/// What stood in an adopted row.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceText {
    table: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    linked_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    link_precedence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) updated_at: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    not_borne: Vec<LeftText>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeftText {
    pub(super) kind: String,
    pub(super) as_sent: String,
}

pub(super) fn source_text(from: &AdoptedFrom) -> SourceText {
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

pub(super) fn source(text: &SourceText) -> Result<AdoptedFrom, UnreadableEvent> {
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
