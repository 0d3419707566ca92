//! A contact is deleted: it matches nothing any more, and is shown nowhere but in history.

use super::{Asked, Correcting, event_of, resolve};
use crate::{ContactId, Event, Identities, Outcome, Ownership, Register, SeenIdentifier};

/// Deletes a contact. What it owned goes to the oldest live contact of its identity that bears it, or is free.
///
/// # Errors
///
/// [`Correcting`] if there is no such contact, or it was deleted before.
///
/// Source: SEMANTICS, "Deleting and erasing".
pub fn delete(register: &Register, contact: ContactId, asked: &Asked) -> Result<Event, Correcting> {
    resolve(register, contact)?;
    if !register.is_live(contact) {
        return Err(Correcting::Gone(contact));
    }
    Ok(event_of(register.head(), asked, deletion(register, contact)))
}

/// The outcome of deleting a live contact.
pub(super) fn deletion(register: &Register, contact: ContactId) -> Outcome {
    let row = register.contact(contact).expect("a live contact is there");
    let primary = row.primary();
    let heirs: Vec<ContactId> = register.live_of(primary).filter(|id| *id != contact).collect();
    let bears =
        |id: &ContactId, value| register.contact(*id).is_some_and(|row| row.identifiers.contains(value));
    let (mut lost, mut gained) = (Vec::new(), Vec::new());
    for value in row.identifiers.iter().filter(|value| register.owning_contact(value) == Some(contact)) {
        let kind = value.kind().clone();
        lost.push(Ownership { contact, kind: kind.clone() });
        // What was borne as a claim is not told from the rest, and never becomes ownership by itself.
        let seen = SeenIdentifier::from_stored(value.clone(), None);
        if !register.policy().is_none_or(|policy| policy.links(&seen)) {
            continue;
        }
        if let Some(heir) = heirs.iter().find(|id| bears(id, value)) {
            gained.push(Ownership { contact: *heir, kind });
        }
    }
    let rest = heirs.first().copied().filter(|_| primary == contact);
    Outcome::Deleted { contact, rest, lost, gained }
}
