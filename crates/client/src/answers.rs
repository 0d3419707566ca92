//! What a server answers of people. Members that a later server adds are ignored.

use serde::Deserialize;

use crate::event::{Event, Evidence, Identifier};
use crate::personal::Personal;
use crate::words::{ContactId, ErasureFiles, ErasureRemnantPart, ObservedOutcome, RuleName, Sequence};

/// The customer that a checkout belongs to, as the original service answers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SpeltCustomer")]
pub struct Customer {
    /// The oldest contact of the customer.
    pub primary_contact_id: ContactId,
    /// Each once, the primary's own first.
    pub emails: Personal<Vec<String>>,
    /// Each once, the primary's own first.
    pub phone_numbers: Personal<Vec<String>>,
    /// The customer's other contacts, by age.
    pub secondary_contact_ids: Vec<ContactId>,
}

/// What `POST /identify` answers.
#[derive(Deserialize)]
pub(crate) struct Identified {
    pub(crate) contact: Customer,
}

/// The same in every spelling of the server's: `--response-spelling` can be the one of the exercise, or both.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpeltCustomer {
    primary_contact_id: Option<ContactId>,
    #[serde(rename = "primaryContatctId")]
    primary_contact_id_misspelt: Option<ContactId>,
    emails: Personal<Vec<String>>,
    phone_numbers: Personal<Vec<String>>,
    secondary_contact_ids: Vec<ContactId>,
}

impl TryFrom<SpeltCustomer> for Customer {
    type Error = &'static str;

    fn try_from(spelt: SpeltCustomer) -> Result<Self, Self::Error> {
        let primary = spelt.primary_contact_id.or(spelt.primary_contact_id_misspelt);
        Ok(Self {
            primary_contact_id: primary.ok_or("`primaryContactId` is missing")?,
            emails: spelt.emails,
            phone_numbers: spelt.phone_numbers,
            secondary_contact_ids: spelt.secondary_contact_ids,
        })
    }
}

/// What came of an observation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// What it did.
    pub outcome: ObservedOutcome,
    /// Which rule refused it; only where the outcome is [`ObservedOutcome::Refused`].
    pub rule: Option<Rule>,
    /// The event that it caused, or the one that recorded its refusal before; nothing where nothing changed.
    pub sequence: Option<Sequence>,
    /// Whether nothing was stored because the request asked so.
    pub dry_run: bool,
    /// The person that it belongs to, with the first of their contacts. In a dry run as they are, and nothing for somebody
    /// new.
    pub identity: Option<Identity>,
}

/// A rule that kept an observation from something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rule {
    /// Which.
    pub name: RuleName,
    /// The kind of identifier that it is about, if it is about one.
    pub kind: Option<String>,
}

/// A person, and a page of their contacts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The oldest of their contacts, which stands for them.
    pub primary_contact_id: ContactId,
    /// How many contacts they have, on all pages.
    pub contact_count: u64,
    /// What they own, of the contacts of this page: each once, the oldest contact's first.
    pub identifiers: Vec<Identifier>,
    /// What the contacts of this page bear and they don't own: blocked, claimed, or left behind by a correction.
    pub unowned_identifiers: Vec<Identifier>,
    /// Oldest first.
    pub contacts: Vec<Contact>,
    /// Leads to the next page of contacts, by [`Lookup::cursor`](crate::Lookup::cursor); nothing on the last.
    pub next_cursor: Option<String>,
}

impl Identity {
    /// The values of that kind that they own, of the contacts of this page. One that was erased has none.
    pub fn values<'person>(&'person self, kind: &'person str) -> impl Iterator<Item = &'person str> {
        let of_kind = self.identifiers.iter().filter(move |identifier| identifier.kind == kind);
        of_kind.filter_map(|identifier| identifier.value.as_ref().map(|value| value.as_str()))
    }
}

/// A contact: what was seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Its number.
    pub id: ContactId,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
    /// What it bears.
    pub identifiers: Vec<Identifier>,
}

/// Why two contacts are the same person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// Whether they are.
    pub same_person: bool,
    /// The shortest chain from the one to the other; empty where they aren't, or are one contact.
    pub steps: Vec<Step>,
}

/// A step of a chain: what makes two contacts the same person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The one.
    pub from_contact_id: ContactId,
    /// The other.
    pub to_contact_id: ContactId,
    /// The event that links them.
    pub sequence: Sequence,
    /// What that event observed; empty for a person's decision.
    pub evidence: Vec<Evidence>,
}

/// A correction that was made, or would be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Corrected {
    /// Whether nothing was changed because the request asked so.
    pub dry_run: bool,
    /// The event: what changed, or would.
    pub event: Option<Event>,
}

/// A person who was erased, or would be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureReceipt {
    /// Whether nothing was erased because the request asked so.
    pub dry_run: bool,
    /// The event that tells of it.
    pub event: Option<Event>,
    /// The contacts that are tombstones from now on.
    pub contact_ids: Vec<ContactId>,
    /// How many values are gone.
    pub values: u64,
    /// How many events were rewritten without them.
    pub events_rewritten: u64,
    /// Values that a living contact of somebody else bears too, and that stay with that one.
    pub borne_by_others: Vec<BorneByOther>,
    /// What was found after it; nothing in a dry run.
    pub verified: Option<ErasureVerified>,
}

/// A value that stays with somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BorneByOther {
    /// A contact of whom it stays with.
    pub contact_id: ContactId,
    /// The kind of the value.
    pub kind: String,
}

/// What was found after an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureVerified {
    /// Whether the store's files are free of it.
    pub files: ErasureFiles,
    /// Where an erased value stands in what people wrote, which stays: the first of these places. Nothing if that could not
    /// be searched.
    pub found_elsewhere: Option<Vec<ErasureRemnant>>,
    /// How many such places there are.
    pub found_elsewhere_count: Option<u64>,
}

/// A place where an erased value stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureRemnant {
    /// The event that holds it.
    pub sequence: Sequence,
    /// Which part of that.
    pub part: ErasureRemnantPart,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_read_in_each_spelling_and_with_members_to_come() {
        let rest = r#""emails":["doc@hill.edu"],"phoneNumbers":[],"secondaryContactIds":[2],"later":{}"#;
        for spelt in [
            r#""primaryContactId":1"#,
            r#""primaryContatctId":1"#,
            r#""primaryContactId":1,"primaryContatctId":1"#,
        ] {
            let customer: Customer = serde_json::from_str(&format!("{{{spelt},{rest}}}")).unwrap();
            assert_eq!(customer.primary_contact_id, ContactId(1), "{spelt}");
            assert!(!format!("{customer:?}").contains("doc"), "{customer:?}");
        }
        assert!(serde_json::from_str::<Customer>(&format!("{{{rest}}}")).is_err());
    }
}
