//! What an event does to the tables: the one place that says so. Stores write rows through it, `decide`
//! keeps its neighbourhood current through it, and `check` folds the log through it.

use crate::{
    Change, Contact, ContactId, Correction, Event, Identifier, Move, NewContact, Outcome, Respelt,
    SeenIdentifier, Timestamp,
};

/// Something that holds contacts and the owners of identifiers, and can take an event's changes.
pub trait Tables {
    /// Why a change could not be made; [`std::convert::Infallible`] in memory.
    type Error;

    /// Adds a new contact.
    ///
    /// # Errors
    ///
    /// Whatever keeps the table from taking it.
    fn insert_contact(&mut self, contact: Contact) -> Result<(), Self::Error>;

    /// Makes `contact`, which was inserted before, the owner of an identifier that nobody owns.
    ///
    /// # Errors
    ///
    /// Whatever keeps the table from taking it.
    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Self::Error>;

    /// Links `former` and every contact that links to it to `survivor`, and moves their `updated_at` to `at`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the table from taking it.
    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> Result<(), Self::Error>;

    /// Makes a change that no plain observation makes, at that moment.
    ///
    /// # Errors
    ///
    /// Whatever keeps the table from taking it.
    fn change(&mut self, change: Change<'_>, at: Timestamp) -> Result<(), Self::Error>;
}

/// Makes the changes that `event` records, in its order, deciding nothing.
///
/// ```
/// use std::convert::Infallible;
///
/// use selfsame_rules::{
///     Actor, Change, Contact, ContactId, Event, Identifier, NewContact, Outcome, Sequence, Tables, Timestamp,
///     apply,
/// };
///
/// /// Counts what is done to it.
/// #[derive(Default)]
/// struct Counter {
///     inserted: usize,
///     relinked: usize,
/// }
///
/// impl Tables for Counter {
///     type Error = Infallible;
///
///     fn insert_contact(&mut self, _: Contact) -> Result<(), Infallible> {
///         self.inserted += 1;
///         Ok(())
///     }
///
///     fn own(&mut self, _: &Identifier, _: ContactId) -> Result<(), Infallible> {
///         Ok(())
///     }
///
///     fn relink(&mut self, _: ContactId, _: ContactId, _: Timestamp) -> Result<(), Infallible> {
///         self.relinked += 1;
///         Ok(())
///     }
///
///     fn change(&mut self, _: Change<'_>, _: Timestamp) -> Result<(), Infallible> {
///         Ok(())
///     }
/// }
///
/// let event = Event {
///     sequence: Sequence(3),
///     at: Timestamp::from_milliseconds(5),
///     caused_by: Actor::named("example"),
///     evidence: Vec::new(),
///     origin: None,
///     outcome: Outcome::Merged {
///         survivor: ContactId(1),
///         former_primaries: vec![ContactId(2)],
///         contact: Some(NewContact { id: ContactId(3), owns: Vec::new() }),
///     },
/// };
/// let mut counter = Counter::default();
/// let Ok(()) = apply(&event, &mut counter);
/// assert_eq!((counter.relinked, counter.inserted), (1, 1));
/// ```
///
/// # Errors
///
/// The first error of `tables`; changes before it were made, so a store calls this inside a transaction.
///
/// Source: SEMANTICS, "Events": folding outcomes gives the tables.
pub fn apply<T: Tables>(event: &Event, tables: &mut T) -> Result<(), T::Error> {
    match &event.outcome {
        Outcome::Created { contact } => insert(event, contact, None, tables),
        Outcome::Attached { primary, contact } => insert(event, contact, Some(*primary), tables),
        Outcome::Merged { survivor, former_primaries, contact } => {
            for former in former_primaries {
                tables.relink(*former, *survivor, event.at)?;
            }
            match contact {
                Some(contact) => insert(event, contact, Some(*survivor), tables),
                None => Ok(()),
            }
        }
        Outcome::Refused { identities, home, former_primaries, contact, rule: _ } => {
            for former in former_primaries {
                tables.relink(*former, *home, event.at)?;
            }
            if let Some(contact) = contact {
                insert(event, contact, Some(*home), tables)?;
            }
            let (sequence, evidence) = (event.sequence, &event.evidence);
            tables.change(Change::Refuse { sequence, evidence, identities }, event.at)
        }
        Outcome::Undone { correction, event: _ } => correct(correction, event.at, tables),
        Outcome::Split(correction) | Outcome::Joined(correction) => correct(correction, event.at, tables),
        Outcome::Reviewed { review, correction, judgement: _ } => {
            correct(correction, event.at, tables)?;
            tables.change(Change::Settle(*review), event.at)
        }
        Outcome::Deleted { contact, rest, lost, gained } => {
            each(lost, Change::Disown, event.at, tables)?;
            tables.change(Change::Delete { contact: *contact, rest: *rest }, event.at)?;
            each(gained, Change::Own, event.at, tables)
        }
        Outcome::Erased { contacts, lost, .. } => {
            each(lost, Change::Disown, event.at, tables)?;
            for contact in contacts {
                tables.change(Change::Erase(*contact), event.at)?;
            }
            Ok(())
        }
        Outcome::PolicyChanged(policy) => tables.change(Change::Govern(&policy.after), event.at),
        Outcome::Refolded { policy, contacts, respelt, correction } => {
            for new in contacts {
                tables.insert_contact(Contact {
                    id: new.id,
                    identifiers: new.evidence.iter().map(|seen| seen.identifier().clone()).collect(),
                    linked_to: None,
                    created_at: new.created_at,
                    updated_at: new.created_at,
                    deleted_at: None,
                })?;
            }
            each(&correction.lost, Change::Disown, event.at, tables)?;
            for Respelt { sequence, contact, identifiers } in respelt {
                if let Some(contact) = *contact {
                    tables.change(Change::Respell { contact, identifiers }, event.at)?;
                }
                let sequence = *sequence;
                tables.change(Change::RespellEvidence { sequence, identifiers }, event.at)?;
            }
            correct_after_losses(correction, event.at, tables)?;
            tables.change(Change::Govern(&policy.after), event.at)
        }
        Outcome::Adopted { contact, linked_to, updated_at, deleted_at, observed_at: _, from: _ } => {
            let row = contact_of(event, contact, *linked_to);
            let row = Contact { updated_at: *updated_at, deleted_at: *deleted_at, ..row };
            tables.insert_contact(row)?;
            own(event, contact, tables)
        }
        Outcome::KeyChanged(_) | Outcome::WorkspaceChanged(_) => Ok(()),
    }
}

/// Carries a correction out, in the order that [`Correction`] names.
fn correct<T: Tables>(correction: &Correction, at: Timestamp, tables: &mut T) -> Result<(), T::Error> {
    each(&correction.lost, Change::Disown, at, tables)?;
    correct_after_losses(correction, at, tables)
}

fn correct_after_losses<T: Tables>(
    correction: &Correction,
    at: Timestamp,
    tables: &mut T,
) -> Result<(), T::Error> {
    for moved in &correction.moves {
        match moved {
            Move::Part { contacts, rest } => tables.change(Change::Part { contacts, rest: *rest }, at)?,
            Move::Join { survivor, former } => tables.relink(*former, *survivor, at)?,
        }
    }
    each(&correction.gained, Change::Own, at, tables)?;
    each(&correction.lifted, Change::Lift, at, tables)?;
    each(&correction.kept_apart, Change::KeepApart, at, tables)
}

fn each<'event, T: Tables, Part>(
    parts: &'event [Part],
    change: impl Fn(&'event Part) -> Change<'event>,
    at: Timestamp,
    tables: &mut T,
) -> Result<(), T::Error> {
    parts.iter().try_for_each(|part| tables.change(change(part), at))
}

fn insert<T: Tables>(
    event: &Event,
    new: &NewContact,
    linked_to: Option<ContactId>,
    tables: &mut T,
) -> Result<(), T::Error> {
    tables.insert_contact(contact_of(event, new, linked_to))?;
    own(event, new, tables)
}

/// The contact as an observation makes it: all of the evidence, at the event's time.
fn contact_of(event: &Event, new: &NewContact, linked_to: Option<ContactId>) -> Contact {
    Contact {
        id: new.id,
        identifiers: event.evidence.iter().map(|seen| seen.identifier().clone()).collect(),
        linked_to,
        created_at: event.at,
        updated_at: event.at,
        deleted_at: None,
    }
}

fn own<T: Tables>(event: &Event, new: &NewContact, tables: &mut T) -> Result<(), T::Error> {
    let evidence = event.evidence.iter().map(SeenIdentifier::identifier);
    for identifier in evidence.filter(|identifier| new.owns.contains(identifier.kind())) {
        tables.own(identifier, new.id)?;
    }
    Ok(())
}
