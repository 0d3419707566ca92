//! What is answered to one observation: the customer, as the original service writes one.

use selfsame_rules::{ContactId, IdentifierKind, IdentityView};
use serde::{Serialize, Serializer};

/// How the answer spells the key of the primary's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseSpelling {
    /// `primaryContactId`, as the original service.
    #[default]
    Original,
    /// `primaryContatctId`, as the text of the task.
    Task,
    /// Both keys.
    Both,
}

/// The JSON of an answer.
#[derive(Serialize)]
struct ContactAnswer<'view> {
    contact: ContactBody<'view>,
}

/// The members in the original's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactBody<'view> {
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_contact_id: Option<i64>,
    #[serde(rename = "primaryContatctId", skip_serializing_if = "Option::is_none")]
    primary_contatct_id: Option<i64>,
    emails: Values<'view>,
    phone_numbers: Values<'view>,
    #[serde(serialize_with = "ids")]
    secondary_contact_ids: &'view [ContactId],
}

/// The values of one kind, written straight from the view.
struct Values<'view> {
    view: &'view IdentityView,
    kind: IdentifierKind,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.view.values(&self.kind))
    }
}

fn ids<S: Serializer>(contacts: &&[ContactId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(contacts.iter().map(|contact| contact.0))
}

/// Appends the JSON object that answers with `view`.
pub(crate) fn write_contact(view: &IdentityView, spelling: ResponseSpelling, into: &mut Vec<u8>) {
    let primary = view.primary.0;
    let contact = ContactBody {
        primary_contact_id: (spelling != ResponseSpelling::Task).then_some(primary),
        primary_contatct_id: (spelling != ResponseSpelling::Original).then_some(primary),
        emails: Values { view, kind: IdentifierKind::Email },
        phone_numbers: Values { view, kind: IdentifierKind::Phone },
        secondary_contact_ids: &view.secondaries,
    };
    serde_json::to_writer(into, &ContactAnswer { contact }).expect("strings and numbers always make JSON");
}
