//! What a shop saw, and whom it asks for.

use form_urlencoded::Serializer;
use serde::Serialize;

use crate::personal::Personal;
use crate::words::{ContactId, Sequence};

/// What was seen at a checkout, as the original service takes it: an e-mail address, a phone number, or both.
///
/// ```
/// use selfsame_client::Checkout;
///
/// let checkout = Checkout::new().email("lorraine@hillvalley.edu").phone("123456");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Personal<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<Personal<String>>,
}

impl Checkout {
    /// One without anything: add what was seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// With that address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(Personal(email.into()));
        self
    }

    /// With that number.
    #[must_use]
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone_number = Some(Personal(phone.into()));
        self
    }
}

/// Identifiers of any kind that the workspace's policy knows, seen together; one of a kind.
///
/// ```
/// use selfsame_client::Observation;
///
/// let observation = Observation::new()
///     .email("lorraine@hillvalley.edu")
///     .verified("customerId", "c-1955")
///     .source("till 4")
///     .observed_at("2026-01-31T12:00:00+01:00");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    identifiers: Vec<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Seen {
    kind: String,
    value: Personal<String>,
    verified: bool,
}

impl Observation {
    /// One without anything: add what was seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// With that e-mail address.
    #[must_use]
    pub fn email(self, value: impl Into<String>) -> Self {
        self.identifier("email", value)
    }

    /// With that phone number.
    #[must_use]
    pub fn phone(self, value: impl Into<String>) -> Self {
        self.identifier("phone", value)
    }

    /// With a value of any kind that the policy knows.
    #[must_use]
    pub fn identifier(self, kind: impl Into<String>, value: impl Into<String>) -> Self {
        self.seen(kind.into(), value.into(), false)
    }

    /// With a value that the person was shown to hold, by a link in an e-mail, say. It matters for kinds that the policy lists
    /// as `claims`.
    #[must_use]
    pub fn verified(self, kind: impl Into<String>, value: impl Into<String>) -> Self {
        self.seen(kind.into(), value.into(), true)
    }

    /// Where it was seen, up to 200 characters; kept with the event. Write no value of a person there.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// When it was seen, if that isn't now: RFC 3339. It is kept with the event, and decides nothing.
    #[must_use]
    pub fn observed_at(mut self, time: impl Into<String>) -> Self {
        self.observed_at = Some(time.into());
        self
    }

    fn seen(mut self, kind: String, value: String, verified: bool) -> Self {
        self.identifiers.push(Seen { kind, value: Personal(value), verified });
        self
    }
}

/// Whom to look up: who owns an identifier, or whose a contact is; now, or as they were.
///
/// ```
/// use selfsame_client::{ContactId, Lookup, Sequence};
///
/// let by_email = Lookup::email("doc@hill.edu");
/// let by_another_kind = Lookup::identifier("customerId", "c-1955");
/// let as_they_were = Lookup::contact(ContactId(7)).after_event(Sequence(12));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    whom: Whom,
    at: Option<String>,
    limit: Option<u16>,
    cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    Contact(ContactId),
    Identifier { kind: String, value: Personal<String> },
}

impl Lookup {
    /// Who owns that e-mail address.
    pub fn email(value: impl Into<String>) -> Self {
        Self::identifier("email", value)
    }

    /// Who owns that phone number.
    pub fn phone(value: impl Into<String>) -> Self {
        Self::identifier("phone", value)
    }

    /// Who owns a value of any kind that the policy knows.
    pub fn identifier(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self::of(Whom::Identifier { kind: kind.into(), value: Personal(value.into()) })
    }

    /// Whose that contact is: any number that was ever answered.
    pub fn contact(id: ContactId) -> Self {
        Self::of(Whom::Contact(id))
    }

    /// As they were after that event.
    #[must_use]
    pub fn after_event(mut self, sequence: Sequence) -> Self {
        self.at = Some(sequence.to_string());
        self
    }

    /// As they were at that time: RFC 3339.
    #[must_use]
    pub fn at(mut self, time: impl Into<String>) -> Self {
        self.at = Some(time.into());
        self
    }

    /// With so many contacts at most, 1 to 1000; 100 if it isn't said.
    #[must_use]
    pub fn limit(mut self, contacts: u16) -> Self {
        self.limit = Some(contacts);
        self
    }

    /// With the contacts behind those of another page, whose `next_cursor` this is.
    #[must_use]
    pub fn cursor(mut self, next_cursor: impl Into<String>) -> Self {
        self.cursor = Some(next_cursor.into());
        self
    }

    fn of(whom: Whom) -> Self {
        Self { whom, at: None, limit: None, cursor: None }
    }

    /// The path and query that ask for it.
    pub(crate) fn path(&self) -> String {
        let (path, owner) = match &self.whom {
            Whom::Contact(id) => (format!("/v1/identities/{id}"), None),
            Whom::Identifier { kind, value } => {
                ("/v1/identities".to_owned(), Some((kind.as_str(), value.as_str())))
            }
        };
        let limit = self.limit.map(|limit| limit.to_string());
        let others = [("at", &self.at), ("limit", &limit), ("cursor", &self.cursor)];
        let others = others.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        let query = Serializer::new(String::new()).extend_pairs(owner.into_iter().chain(others)).finish();
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_is_spelt_as_a_query() {
        for (lookup, path) in [
            (Lookup::phone("+44 20"), "/v1/identities?phone=%2B44+20"),
            (Lookup::contact(ContactId(7)), "/v1/identities/7"),
            (
                Lookup::contact(ContactId(7)).at("2026-01-31T12:00:00+01:00").limit(5).cursor("a&b"),
                "/v1/identities/7?at=2026-01-31T12%3A00%3A00%2B01%3A00&limit=5&cursor=a%26b",
            ),
        ] {
            assert_eq!(lookup.path(), path);
        }
    }

    #[test]
    fn what_was_seen_is_not_printed() {
        let seen = Observation::new().email("doc@hill.edu").verified("customerId", "c-1955");
        let checkout = Checkout::new().email("doc@hill.edu").phone("1985");
        let printed = format!("{seen:?} {checkout:?} {:?}", Lookup::email("doc@hill.edu"));
        for value in ["doc", "1955", "1985"] {
            assert!(!printed.contains(value), "{printed}");
        }
    }
}
