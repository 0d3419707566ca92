//! `/console/customers/{id}`: who somebody is, and all that happened to them.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::Response;
use selfsame_rules::{Contact, ContactId, Identifier, IdentifierKind, Identities, Register};

use crate::failure::Failure;
use crate::frame::{Frame, page};
use crate::history::Told;
use crate::moments::{machine, moment};
use crate::shown;
use crate::visitor::{Reads, Visitor};

/// How many events are told on a page.
const EVENTS_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "customer.html")]
struct CustomerPage {
    frame: Frame,
    /// Who they are; nothing where nobody of them lives.
    who: Option<Who>,
    /// The number that was asked for, where another stands for the customer now.
    led_from: Option<String>,
    asked: String,
    events: Vec<Told>,
    /// How many events of before aren't shown.
    events_before: Option<String>,
}

/// The head of the page.
struct Who {
    number: String,
    values: Vec<Values>,
    first_seen: (String, String),
    last_seen: (String, String),
    contacts: String,
}

/// Values of one column.
struct Values {
    name: &'static str,
    /// Whether each says of which kind it is.
    kinds_differ: bool,
    values: Vec<Value>,
}

/// A value that the customer's contacts bear.
struct Value {
    kind: String,
    text: String,
    /// Blocked, claimed or left behind: it leads nobody to them.
    unowned: bool,
}

/// The customer that a contact belongs to: any number that was ever answered.
pub(crate) async fn show_customer(
    visitor: Visitor<Reads>,
    path: Result<Path<i64>, PathRejection>,
) -> Result<Response, Failure> {
    let Path(id) = path.map_err(|_| Failure::no_contact())?;
    let asked = ContactId(id);
    let story = visitor.engine().story(asked).await?;
    let primary = story.register.resolve(asked);
    let who = primary.map(|primary| Who::of(&story.register, primary));
    let events = story.into_events();
    let before = events.len().saturating_sub(EVENTS_SHOWN);
    let events: Vec<Told> = events[before..].iter().rev().map(Told::of).collect();
    let led_from = primary.filter(|primary| *primary != asked).map(|_| shown::number(asked));
    let number = shown::number(primary.unwrap_or(asked));
    let customer = CustomerPage {
        frame: visitor.frame(format!("Customer {number}")),
        led_from,
        asked: shown::number(asked),
        events,
        events_before: (before > 0).then(|| shown::count(before)),
        who,
    };
    page(if customer.who.is_some() { StatusCode::OK } else { StatusCode::GONE }, &customer)
}

impl Who {
    fn of(register: &Register, primary: ContactId) -> Self {
        let rows = rows(register, primary);
        let (mut seen, mut values) = (BTreeSet::new(), Vec::new());
        for value in rows.iter().flat_map(|row| &row.identifiers) {
            if seen.insert(value) {
                values.push((value, register.owner(value) != Some(primary)));
            }
        }
        let of = |name, wanted: fn(&IdentifierKind) -> bool, kinds_differ| {
            let values = values.iter().filter(|(value, _)| wanted(value.kind()));
            let values = values.map(|(value, unowned)| Value::of(value, *unowned)).collect();
            Values { name, kinds_differ, values }
        };
        let columns = [
            of("E-mail", |kind| *kind == IdentifierKind::Email, false),
            of("Phone", |kind| *kind == IdentifierKind::Phone, false),
            of("Other", |kind| matches!(kind, IdentifierKind::Declared(_)), true),
        ];
        let at = |row: Option<&&Contact>| {
            let time = row.map(|row| row.created_at);
            (time.map(machine).unwrap_or_default(), time.map(moment).unwrap_or_default())
        };
        Self {
            number: shown::number(primary),
            values: columns.into_iter().filter(|column| !column.values.is_empty()).collect(),
            first_seen: at(rows.first()),
            last_seen: at(rows.last()),
            contacts: shown::contacts(rows.len()),
        }
    }
}

impl Value {
    fn of(identifier: &Identifier, unowned: bool) -> Self {
        Self { kind: shown::kind_word(identifier.kind()).to_owned(), text: shown::value(identifier), unowned }
    }
}

/// A customer's live contacts, oldest first.
pub(crate) fn rows(register: &Register, primary: ContactId) -> Vec<&Contact> {
    let everybody = register.everybody(primary);
    let everybody = everybody.iter().filter_map(|id| register.contact(*id));
    let mut rows: Vec<&Contact> = everybody.filter(|row| row.deleted_at.is_none()).collect();
    rows.sort_by_key(|row| row.age());
    rows
}
