//! A person is erased: their values go from contacts, owners and events, and the log still folds to the tables.
//!
//! Deliberately absent: stored answers, queues and files, which hold values too; a store sees to those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Asked, Correcting, event_of};
use crate::{
    ContactId, Event, Identifier, IdentifierKind, Identities, Origin, Outcome, Ownership, Register,
    SeenIdentifier, Sequence, Spelt, UnborneText,
};

/// What erasing a person does, beside the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The event to append.
    pub event: Event,
    /// Events of the log as they must stand from now on, by sequence; those that don't change are left out.
    pub rewritten: Vec<Event>,
    /// What goes, for the receipt.
    pub receipt: ErasureReceipt,
}

/// What was erased, in numbers, and what wasn't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasureReceipt {
    /// The contacts that are tombstones now, by number.
    pub contacts: Vec<ContactId>,
    /// How many values are gone.
    pub values: usize,
    /// How many events were rewritten.
    pub events: usize,
    /// The kinds of values that a live contact of somebody else bears too, each with such a contact: from that one
    /// they did not go.
    pub borne_by_others: Vec<Ownership>,
}

/// Erases the person that the contact belongs to.
///
/// `log`: in order, every event that made or named one of the person's contacts, or whose evidence has one of their
/// values as it is spelt now; and all that govern. Theirs is what their contacts bear, and what an event saw that concerns nobody else. `others`: for each of these
/// values, all live contacts of others that bear it too.
/// `token`: a new random text each time, derived from nothing; the same value gets one token, whatever the number of its
/// events.
///
/// A value is known by its present spelling; with it go all that it ever had, each with a token of its own, so that the log says
/// of whom each was.
///
/// A value that a live contact of somebody else also bears stays in the event that made that contact. A deleted contact of
/// somebody else is no reason to keep a value: its event is rewritten, and its row bears the token as the event says.
///
/// # Errors
///
/// [`Correcting`] if there is no such contact, or the person was erased before.
///
/// Source: SEMANTICS, "Deleting and erasing".
pub fn erase(
    register: &Register,
    log: &[Event],
    contact: ContactId,
    others: &[(Identifier, ContactId)],
    token: impl FnMut() -> String,
    asked: &Asked,
) -> Result<Erasure, Correcting> {
    let everybody = person(register, contact)?;
    let spelt = Spelt::of(log);
    let mut tokens = Tokens { token, by_value: BTreeMap::new() };
    let (mut values, mut lost) = (BTreeSet::new(), Vec::new());
    for row in everybody.iter().filter_map(|id| register.contact(*id)) {
        for value in &row.identifiers {
            values.insert(value.clone());
            if register.owning_contact(value) == Some(row.id) {
                lost.push(Ownership { contact: row.id, kind: value.kind().clone() });
            }
        }
    }
    let rows = refolded_rows(log);
    // What was refused is in no row, unless a refold made one of it.
    for event in log.iter().filter(|event| is_of(event, row_of(event, &rows), &everybody)) {
        let seen = spelt.evidence(event.sequence, &event.evidence);
        values.extend(seen.iter().map(|seen| seen.identifier().clone()));
    }
    // One of somebody who was erased is a token already, and stays that wherever it stands.
    values.retain(|value| !value.is_erased());
    let others = others.iter().filter(|(value, id)| values.contains(value) && !everybody.contains(id));
    let others: BTreeSet<(Identifier, ContactId)> = others.cloned().collect();

    let mut gone = BTreeMap::new();
    for event in log {
        let made = row_of(event, &rows);
        let seen = spelt.evidence(event.sequence, &event.evidence);
        let whose = Whose { made, is_theirs: is_of(event, made, &everybody) };
        gone.insert(event.sequence, whose.gone(&seen, &values, &others));
    }
    let mut rewritten = Vec::new();
    for event in log {
        let anew = rewrite(event, &everybody, &gone, &mut tokens);
        if anew != *event {
            rewritten.push(anew);
        }
    }
    let contacts: Vec<ContactId> = everybody.into_iter().collect();
    let receipt = ErasureReceipt {
        values: values.len(),
        events: rewritten.len(),
        borne_by_others: others
            .iter()
            .map(|(value, contact)| Ownership { contact: *contact, kind: value.kind().clone() })
            .collect(),
        contacts: contacts.clone(),
    };
    let outcome =
        Outcome::Erased { contacts, lost, rewritten: rewritten.iter().map(|event| event.sequence).collect() };
    let event = event_of(register.head(), asked, outcome);
    Ok(Erasure { event, rewritten, receipt })
}

/// Everybody of the contact's identity, whether they live or not.
fn person(register: &Register, contact: ContactId) -> Result<BTreeSet<ContactId>, Correcting> {
    let primary = register.contact(contact).ok_or(Correcting::NoContact(contact))?.primary();
    let mut everybody = register.everybody(primary);
    everybody.insert(primary);
    let is_erased = |id: &ContactId| {
        register.contact(*id).is_none_or(|row| row.deleted_at.is_some() && row.identifiers.is_empty())
    };
    if everybody.iter().all(is_erased) { Err(Correcting::Gone(contact)) } else { Ok(everybody) }
}

/// The rows that refolds made of observations, by the event of those.
fn refolded_rows(log: &[Event]) -> BTreeMap<Sequence, ContactId> {
    let mut rows = BTreeMap::new();
    for event in log {
        if let Outcome::Refolded { contacts, .. } = &event.outcome {
            rows.extend(contacts.iter().map(|made| (made.observed_in, made.id)));
        }
    }
    rows
}

/// The row that bears what an event saw.
fn row_of(event: &Event, refolded: &BTreeMap<Sequence, ContactId>) -> Option<ContactId> {
    let made = event.outcome.contact().map(|contact| contact.id);
    made.or_else(|| refolded.get(&event.sequence).copied())
}

/// Whether what an event saw is these contacts' alone: one of them bears it, or no row does and it concerns nobody else.
fn is_of(event: &Event, row: Option<ContactId>, person: &BTreeSet<ContactId>) -> bool {
    let contacts = event.contacts();
    row.map_or_else(|| !contacts.is_empty() && contacts.is_subset(person), |row| person.contains(&row))
}

/// Whose an observation is.
struct Whose {
    /// The row that bears it.
    made: Option<ContactId>,
    /// Whether it is the person's alone.
    is_theirs: bool,
}

impl Whose {
    /// The kinds of what goes of it: what is theirs, unless somebody else has it too.
    fn gone(
        &self,
        seen: &[SeenIdentifier],
        values: &BTreeSet<Identifier>,
        others: &BTreeSet<(Identifier, ContactId)>,
    ) -> BTreeSet<IdentifierKind> {
        let keeps = |value: &Identifier| match self.made {
            // The row of somebody else bears what its event says.
            Some(made) => others.contains(&(value.clone(), made)),
            None => others.iter().any(|(other, _)| other == value),
        };
        let theirs = seen.iter().map(SeenIdentifier::identifier).filter(|value| values.contains(value));
        let gone = theirs.filter(|value| self.is_theirs || !keeps(value));
        gone.map(|value| value.kind().clone()).collect()
    }
}

/// What stands for each value that goes.
struct Tokens<Token> {
    token: Token,
    by_value: BTreeMap<Identifier, Identifier>,
}

impl<Token: FnMut() -> String> Tokens<Token> {
    /// A token for whatever isn't one.
    fn of(&mut self, value: &Identifier) -> Identifier {
        if value.is_erased() {
            return value.clone();
        }
        let erased = || Identifier::erased(value.kind().clone(), &(self.token)());
        self.by_value.entry(value.clone()).or_insert_with(erased).clone()
    }

    /// A text that is no identifier has a token of its own.
    fn of_text(&mut self, text: &UnborneText) -> UnborneText {
        let erased = Identifier::erased(text.kind.clone(), &(self.token)());
        UnborneText { kind: text.kind.clone(), as_sent: erased.value().into() }
    }
}

/// An event with tokens where the person's values were. `gone`: what goes, by the event that observed it.
fn rewrite<Token: FnMut() -> String>(
    event: &Event,
    person: &BTreeSet<ContactId>,
    gone: &BTreeMap<Sequence, BTreeSet<IdentifierKind>>,
    tokens: &mut Tokens<Token>,
) -> Event {
    let mut event = event.clone();
    let before = event.evidence.clone();
    rewrite_evidence(&mut event.evidence, gone.get(&event.sequence), tokens);
    if before != event.evidence && event.origin.as_deref().is_some_and(|origin| origin.source.is_some()) {
        // Whoever wrote it may have named them, in whatever spelling.
        event.origin =
            event.origin.as_deref().map(|origin| Arc::new(Origin { source: None, ..origin.clone() }));
    }
    if let Outcome::Adopted { contact, from, .. } = &mut event.outcome
        && person.contains(&contact.id)
    {
        from.not_borne.iter_mut().for_each(|text| *text = tokens.of_text(text));
    }
    if let Outcome::Refolded { contacts, respelt, .. } = &mut event.outcome {
        for new in contacts {
            rewrite_evidence(&mut new.evidence, gone.get(&new.observed_in), tokens);
        }
        for one in respelt {
            let Some(gone) = gone.get(&one.sequence) else { continue };
            for value in one.identifiers.iter_mut().filter(|value| gone.contains(value.kind())) {
                *value = tokens.of(value);
            }
        }
    }
    event
}

fn rewrite_evidence<Token: FnMut() -> String>(
    evidence: &mut [SeenIdentifier],
    gone: Option<&BTreeSet<IdentifierKind>>,
    tokens: &mut Tokens<Token>,
) {
    let Some(gone) = gone else { return };
    for seen in evidence.iter_mut().filter(|seen| gone.contains(seen.identifier().kind())) {
        let anew = SeenIdentifier::from_stored(tokens.of(seen.identifier()), None);
        *seen = if seen.is_verified() { anew.verified() } else { anew };
    }
}
