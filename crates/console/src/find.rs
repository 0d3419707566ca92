//! `/console`: one box that finds a customer by an address, a number, a value of a declared kind, or an id.
//!
//! Values are found whole: both stores find a value by what it is, and neither by how it begins.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use selfsame_rules::{Contact, ContactId, Identifier, IdentifierKind, Policy};
use selfsame_service::{AskError, Engine, Whom, international};
use selfsame_store::PersonPage;

use crate::failure::Failure;
use crate::frame::{Frame, page};
use crate::moments::day;
use crate::shown;
use crate::visitor::{Reads, Visitor};

/// What is sought is no longer than any value.
const SOUGHT_CHARACTERS_MAX: usize = 512;

/// How many contacts of a customer say who they are in a list.
const CONTACTS_SHOWN: usize = 8;

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    frame: Frame,
    asked: bool,
    found: Vec<Found>,
    /// What else may be sought, of the workspace's own kinds.
    kinds: String,
}

/// A customer in the list.
struct Found {
    link: String,
    number: String,
    values: Vec<String>,
    contacts: String,
    since: String,
    /// By what they were found.
    by: String,
}

/// The box, and who was found.
pub(crate) async fn show_find(visitor: Visitor<Reads>) -> Result<Response, Failure> {
    let sought = visitor.parameters.get("q").unwrap_or_default();
    let sought: String = sought.chars().take(SOUGHT_CHARACTERS_MAX).collect();
    let policy = visitor.engine().policy().await?;
    let mut found: Vec<Found> = Vec::new();
    for whom in meant(&policy, &sought) {
        if let Some(person) = look(visitor.engine(), &whom).await? {
            let number = shown::number(person.primary);
            match found.iter_mut().find(|found| found.number == number) {
                Some(again) => again.by = format!("{}, {}", again.by, by(&whom)),
                None => found.push(Found::of(&visitor, &person, &whom)),
            }
        }
    }
    let declared = policy.document().kinds;
    let frame = Frame { sought: sought.clone(), ..visitor.frame("Find a customer") };
    let kinds = shown::list(&declared);
    page(StatusCode::OK, &FindPage { frame, asked: !sought.is_empty(), found, kinds })
}

impl Found {
    fn of(visitor: &Visitor<Reads>, person: &PersonPage, whom: &Whom) -> Self {
        let mut values: Vec<&Identifier> = Vec::new();
        for value in person.contacts.iter().flat_map(|row| &row.identifiers) {
            if person.owned.contains(value) && !values.contains(&value) {
                values.push(value);
            }
        }
        let first = person.contacts.first().map(|row: &Contact| row.created_at);
        Self {
            link: visitor.link(&format!("/console/customers/{}", person.primary), []),
            number: shown::number(person.primary),
            values: values.into_iter().map(shown::named).collect(),
            contacts: shown::contacts(person.count),
            since: first.map(day).unwrap_or_default(),
            by: by(whom),
        }
    }
}

/// Whom a text may mean, each once: the owner of a value of any kind that it can be, and the contact of that number.
fn meant(policy: &Policy, sought: &str) -> Vec<Whom> {
    let mut meant = Vec::new();
    if sought.is_empty() {
        return meant;
    }
    let read = |kind: &IdentifierKind, text: &str| {
        let seen = policy.parse(kind, text, international).ok().flatten()?;
        Some(Whom::Identifier(seen.identifier().clone()))
    };
    if let Some((name, value)) = sought.split_once([':', '=']) {
        let kind = IdentifierKind::from_name(name.trim()).ok().filter(|kind| policy.knows(kind));
        if let Some(whom) = kind.and_then(|kind| read(&kind, value)) {
            return vec![whom];
        }
    }
    let digits = sought.strip_prefix('#').unwrap_or(sought).trim();
    let number = digits.parse().ok().filter(|number| *number > 0).map(ContactId);
    meant.extend(number.map(Whom::Contact));
    if sought.starts_with('#') && number.is_some() {
        return meant;
    }
    meant.extend(read(&IdentifierKind::Email, sought));
    meant.extend(read(&IdentifierKind::Phone, sought));
    let declared = policy.document().kinds;
    let declared = declared.iter().filter_map(|name| IdentifierKind::from_name(name).ok());
    meant.extend(declared.filter_map(|kind| read(&kind, sought)));
    meant
}

async fn look(engine: &Engine, whom: &Whom) -> Result<Option<PersonPage>, Failure> {
    match engine.page(whom, None, None, CONTACTS_SHOWN).await {
        Ok(person) => Ok(Some(person)),
        Err(AskError::NoContact(_) | AskError::Gone(_) | AskError::Nobody) => Ok(None),
        Err(error @ AskError::Store(_)) => Err(error.into()),
    }
}

fn by(whom: &Whom) -> String {
    match whom {
        Whom::Contact(contact) => format!("contact {}", shown::number(*contact)),
        Whom::Identifier(identifier) => shown::kind_word(identifier.kind()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use selfsame_rules::PolicyDocument;

    use super::*;

    fn words(sought: &str) -> Vec<String> {
        let document = PolicyDocument {
            kinds: vec!["customerId".into()],
            default_region: Some("GB".into()),
            ..PolicyDocument::default()
        };
        let policy = Policy::read(&document).unwrap();
        let word = |whom: &Whom| match whom {
            Whom::Contact(contact) => shown::number(*contact),
            Whom::Identifier(identifier) => format!("{}={}", identifier.kind().name(), identifier.value()),
        };
        meant(&policy, sought).iter().map(word).collect()
    }

    #[test]
    fn a_text_means_whatever_it_can_be() {
        assert_eq!(words("Ada@Example.org"), ["email=ada@example.org", "customerId=Ada@Example.org"]);
        assert_eq!(words("020 7946 0000"), ["phone=+442079460000", "customerId=020 7946 0000"]);
        assert_eq!(words("27"), ["#27", "phone=+4427", "customerId=27"]);
        assert_eq!(words("#27"), ["#27"]);
        assert_eq!(words("customerId: 27"), ["customerId=27"]);
        assert_eq!(words(""), [""; 0]);
    }
}
