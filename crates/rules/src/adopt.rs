//! Adopting a database of the original service: the rows of its `"Contact"` table in, events and a report out.
//!
//! Deliberately absent: reading the rows and carrying the events out, which is a store's and a command's.

mod original;
mod people;
mod report;
mod table;

pub use original::{OriginalRow, Precedence};
pub use report::{AdoptionReport, Finding};

use crate::{
    Actor, AdoptedFrom, ContactId, Event, Head, IdentifierKind, NewContact, Outcome, SeenIdentifier,
    Sequence, Timestamp, UnborneText,
};
use people::People;
use table::{KINDS, Table, Text};

/// What the person who adopts may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdoptionSettings {
    /// Takes every `linkedId` for evidence, also one that the null fault may have made.
    pub trust_links: bool,
}

/// What an adoption would do, and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// One event `adopted` for each row, oldest row first; folded from empty they give the contacts.
    pub events: Vec<Event>,
    /// What was found in the rows and what becomes of them, in numbers.
    pub report: AdoptionReport,
}

impl Adoption {
    /// Where log and counters stand after the adoption of an empty workspace.
    ///
    /// ```
    /// use selfsame_rules::{Actor, AdoptionSettings, Head, Timestamp, adopt};
    ///
    /// let at = Timestamp::from_milliseconds(1);
    /// let nothing = adopt(Vec::new(), &Actor::named("example"), AdoptionSettings::default(), at);
    /// assert_eq!(nothing.head(), Head::EMPTY);
    /// ```
    pub fn head(&self) -> Head {
        let ids = self.events.iter().filter_map(|event| event.outcome.contact()).map(|contact| contact.id);
        match self.events.last() {
            None => Head::EMPTY,
            Some(last) => Head {
                last_sequence: last.sequence,
                last_contact: ids.max().unwrap_or(Head::EMPTY.last_contact),
                last_event_at: last.at,
            },
        }
    }
}

/// Decides what becomes of the original's rows: the events that make them ours, and a report.
///
/// `rows`: the whole table, in any order; ids are unique. `at`: the moment of adoption.
///
/// **Values.** Each becomes canonical. A blank one is none. One that today's rules refuse is not borne by its
/// contact, and neither owns nor matches; its text stays in the event.
///
/// **Who is the same person**, and with each of these everybody that the others make the same:
/// - live rows that share a canonical value, anywhere;
/// - rows of one original identity (connected by `linkedId`, through chains and deleted rows too) that share a
///   canonical value; a text that the rules refuse is none, for `undefined` and `null` link strangers as well;
/// - a row and the row that its `linkedId` names, if it was updated since it was made: a merge that brought
///   nothing new left no other trace. With `trust_links`, every row and the row that its `linkedId` names.
///
/// A `linkedId` that names no row, or the row itself, is none. One of a row that was never updated is by itself
/// no evidence, because a `null` in a request linked strangers; a row that thereby ends in another identity
/// than the row it linked to is *set apart*.
///
/// **What comes out.** The primary of an identity is its oldest live row by (`created_at`, id), or its oldest
/// row where none lives; all others link to it directly. Deleted rows stay deleted, own nothing and match
/// nothing, but link there too, so that their ids resolve. A canonical value is owned by its oldest live bearer.
/// Contacts keep id, `created_at` and `deleted_at`. `updated_at` stays too, unless something that the original
/// shows of the row changed (e-mail, phone, `linkedId`, `linkPrecedence`): then it is `at`.
///
/// **Events** come in the order (`created_at`, id), each dated as its row, numbered from 1.
///
/// ```
/// use selfsame_rules::{
///     Actor, AdoptionSettings, ContactId, OriginalRow, Outcome, Precedence, Timestamp, adopt,
/// };
///
/// let at = Timestamp::from_milliseconds;
/// let row = |id: i64, email: &str| OriginalRow {
///     id,
///     email: Some(email.to_owned()),
///     phone: None,
///     linked_id: None,
///     precedence: Precedence::Primary,
///     created_at: at(id),
///     updated_at: at(id),
///     deleted_at: None,
/// };
/// // Two primaries of one person, as a race of equal requests left them.
/// let rows = vec![row(8, "Doc@Hill.edu"), row(7, "doc@hill.edu")];
/// let adoption = adopt(rows, &Actor::named("example"), AdoptionSettings::default(), at(99));
///
/// assert_eq!((adoption.report.identities_before, adoption.report.identities_after), (2, 1));
/// assert_eq!(adoption.report.duplicate_primaries.examples, [ContactId(8)]);
/// let Outcome::Adopted { contact, linked_to, updated_at, .. } = &adoption.events[1].outcome else { panic!() };
/// assert_eq!((contact.id, *linked_to, *updated_at), (ContactId(8), Some(ContactId(7)), at(99)));
/// assert_eq!(adoption.events[1].evidence[0].as_sent(), Some("Doc@Hill.edu"));
/// ```
///
/// # Panics
///
/// If there are 2³² rows or more, which the original's ids can't number.
///
/// Source: issue 3, "Adoption"; SEMANTICS, "Events".
pub fn adopt(rows: Vec<OriginalRow>, actor: &Actor, settings: AdoptionSettings, at: Timestamp) -> Adoption {
    let table = Table::of(rows);
    let people = People::of(&table, settings);
    let report = report::report(&table, &people, at);
    let fates = (0..table.len()).map(|place| Fate::of(&table, &people, place)).collect::<Vec<_>>();
    let Table { rows, texts, terms, .. } = table;
    let mut sequence = 0;
    let events = rows.into_iter().zip(texts).zip(fates).map(|((row, texts), fate)| {
        sequence += 1;
        let raw = [row.email.as_deref(), row.phone.as_deref()];
        let mut evidence = Vec::new();
        let mut not_borne = Vec::new();
        for ((kind, text), raw) in KINDS.iter().zip(texts).zip(raw) {
            match (text, raw) {
                (Text::Borne(term), raw) => {
                    evidence.push(SeenIdentifier::from_stored(terms[place_of(term)].clone(), raw));
                }
                (Text::Blank | Text::Refused(_), Some(raw)) => {
                    not_borne.push(UnborneText { kind: kind.clone(), as_sent: raw.into() });
                }
                (Text::Null | Text::Blank | Text::Refused(_), _) => {}
            }
        }
        let updated_at = if fate.changes(&row) { at } else { row.updated_at };
        Event {
            sequence: Sequence(sequence),
            at: row.created_at,
            caused_by: actor.clone(),
            evidence,
            origin: None,
            outcome: Outcome::Adopted {
                contact: NewContact { id: ContactId(row.id), owns: fate.owns },
                linked_to: fate.linked_to,
                updated_at,
                deleted_at: row.deleted_at,
                observed_at: row.created_at,
                from: AdoptedFrom {
                    linked_id: row.linked_id.map(ContactId),
                    precedence: Some(row.precedence)
                        .filter(|precedence| *precedence != Precedence::of_link(row.linked_id)),
                    updated_at: Some(row.updated_at).filter(|original| *original != updated_at),
                    not_borne,
                },
            },
        }
    });
    let events = events.collect();
    Adoption { events, report }
}

/// What becomes of one row.
struct Fate {
    linked_to: Option<ContactId>,
    owns: Vec<IdentifierKind>,
    /// Its e-mail or its phone is shown in another way than before.
    respelt: bool,
}

impl Fate {
    fn of(table: &Table, people: &People, place: u32) -> Self {
        let primary = people.primary(place);
        let row = table.row(place);
        let borne = KINDS.iter().zip(table.texts[place_of(place)]);
        let owns = borne.filter_map(|(kind, text)| match text {
            Text::Borne(term) => (people.owner(term) == Some(place)).then(|| kind.clone()),
            Text::Null | Text::Blank | Text::Refused(_) => None,
        });
        Self {
            linked_to: (primary != place).then(|| ContactId(table.row(primary).id)),
            owns: owns.collect(),
            respelt: table.shown(place) != [row.email.as_deref(), row.phone.as_deref()],
        }
    }

    /// Whether something that the original shows of the row changes.
    fn changes(&self, row: &OriginalRow) -> bool {
        self.respelt || self.relinks(row) || row.precedence != self.precedence()
    }

    fn relinks(&self, row: &OriginalRow) -> bool {
        row.linked_id.map(ContactId) != self.linked_to
    }

    fn precedence(&self) -> Precedence {
        Precedence::of_link(self.linked_to.map(|ContactId(id)| id))
    }
}

/// A number as a place in a vector.
fn place_of(number: u32) -> usize {
    usize::try_from(number).expect("this runs where 32 bits address memory")
}
