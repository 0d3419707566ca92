//! Many observations at once, on an index: each decided as [`crate::decide`] decides it, and followed at once.
//!
//! What costs is waiting for memory, so a batch is looked up once in advance: those look-ups don't depend on each
//! other, and the processor waits for several at a time.

use super::contacts::Place;
use super::values::Hash;
use super::{IdentityIndex, StoredContact, TooLarge};
use crate::decide::outcome_of;
use crate::{ContactId, IdentifierKind, Incoherent, NewContact, Outcome, Sequence, Timestamp};

/// How many observations are looked up in advance.
const IN_ADVANCE: usize = 32;

impl IdentityIndex {
    /// Decides observations one after the other, as if each came alone, and follows what each changes.
    ///
    /// Each is the canonical values of an observation, at least one, at most one of a kind, in the order of kinds. They
    /// are accepted at `clock`, or at the time of the log's last event if that is later. `each` is called for every
    /// one, in order, with what it changed, if anything, and the primary of the identity that it belongs to.
    ///
    /// ```
    /// use selfsame_rules::{ContactId, Head, IdentifierKind, IdentityIndex, Timestamp};
    ///
    /// let (email, phone) = (IdentifierKind::Email, IdentifierKind::Phone);
    /// let orders = [
    ///     vec![(&email, "doc@hill.edu")],
    ///     vec![(&phone, "1234")],
    ///     vec![(&email, "doc@hill.edu"), (&phone, "1234")],
    /// ];
    /// let mut index = IdentityIndex::new(Head::EMPTY, 7);
    /// let mut primaries = Vec::new();
    /// index.reconcile(&orders, Timestamp::from_milliseconds(1), |_, primary| primaries.push(primary))?;
    /// assert_eq!(primaries, [ContactId(1), ContactId(2), ContactId(1)]);
    /// # Ok::<(), selfsame_rules::Incoherent>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if the index can't hold what is new. The observations before that are followed.
    ///
    /// # Panics
    ///
    /// If the workspace has a policy of its own or something kept apart, which only [`crate::decide`] heeds.
    pub fn reconcile<'text, Values: AsRef<[(&'text IdentifierKind, &'text str)]>>(
        &mut self,
        observations: &[Values],
        clock: Timestamp,
        mut each: impl FnMut(Option<Outcome>, ContactId),
    ) -> Result<(), Incoherent> {
        assert!(self.is_plain(), "what a rule could refuse is decided one by one");
        let mut sought = Vec::new();
        for batch in observations.chunks(IN_ADVANCE) {
            self.look_up_in_advance(batch, &mut sought)?;
            let mut rest = sought.as_slice();
            for observation in batch {
                let observation = observation.as_ref();
                let (its, others) = rest.split_at(observation.len());
                rest = others;
                let (outcome, primary) = self.reconcile_one(observation, its, clock)?;
                each(outcome, primary);
            }
        }
        self.settle()
    }

    /// Brings what the observations touch nearer to the processor: first the places of the values, then the values,
    /// then their contacts. No step of one value waits for the step of another.
    ///
    /// `sought` becomes the kind and the hash of each value.
    fn look_up_in_advance<'text, Values: AsRef<[(&'text IdentifierKind, &'text str)]>>(
        &mut self,
        batch: &[Values],
        sought: &mut Vec<(u8, Hash)>,
    ) -> Result<(), Incoherent> {
        sought.clear();
        for (kind, text) in batch.iter().flat_map(AsRef::as_ref) {
            let number = self.number_of(kind).map_err(|why| self.too_large(why))?;
            sought.push((number, self.values.hash(number, text)));
        }
        let found: Vec<_> = sought.iter().filter_map(|(_, hash)| self.values.find_by_hash(*hash)).collect();
        let owners: Vec<Place> = found.iter().filter_map(|value| self.values.owner(*value)).collect();
        let primaries = owners.iter().map(|owner| self.contacts.primary(*owner));
        // The sum is asked for, so that no compiler leaves the look-ups out.
        std::hint::black_box(primaries.fold(0, Place::wrapping_add));
        Ok(())
    }

    fn reconcile_one(
        &mut self,
        observation: &[(&IdentifierKind, &str)],
        sought: &[(u8, Hash)],
        clock: Timestamp,
    ) -> Result<(Option<Outcome>, ContactId), Incoherent> {
        let (mut touched, mut owns) = (Vec::new(), Vec::new());
        for ((kind, text), (number, hash)) in observation.iter().zip(sought) {
            let value = self.values.find_hashed(*hash, *number, text);
            match value.and_then(|value| self.values.owner(value)) {
                Some(owner) => {
                    let primary = self.contacts.id(self.contacts.primary(owner));
                    if !touched.contains(&primary) {
                        touched.push(primary);
                    }
                }
                None => owns.push((*kind).clone()),
            }
        }
        let head = self.head;
        let (outcome, primary) =
            outcome_of(head, touched, owns, |primary| self.contacts.created_at(self.told(primary)));
        let Some(outcome) = outcome else { return Ok((None, primary)) };
        self.head.last_sequence = Sequence(head.last_sequence.0 + 1);
        self.head.last_event_at = head.last_event_at.max(clock);
        self.carry_out(&outcome, observation, sought)?;
        Ok((Some(outcome), primary))
    }

    /// What [`crate::apply`] does for the outcome of an observation, with values that need no copy of their own.
    fn carry_out(
        &mut self,
        outcome: &Outcome,
        observation: &[(&IdentifierKind, &str)],
        sought: &[(u8, Hash)],
    ) -> Result<(), Incoherent> {
        let (linked_to, contact) = match outcome {
            Outcome::Created { contact } => (None, Some(contact)),
            Outcome::Attached { primary, contact } => (Some(*primary), Some(contact)),
            Outcome::Merged { survivor, former_primaries, contact } => {
                for former in former_primaries {
                    self.move_to(*former, *survivor)?;
                }
                (Some(*survivor), contact.as_ref())
            }
            Outcome::Refused { .. }
            | Outcome::Undone { .. }
            | Outcome::Split(_)
            | Outcome::Joined(_)
            | Outcome::Reviewed { .. }
            | Outcome::Deleted { .. }
            | Outcome::Erased { .. }
            | Outcome::PolicyChanged(_)
            | Outcome::Refolded { .. }
            | Outcome::Adopted { .. }
            | Outcome::KeyChanged(_)
            | Outcome::WorkspaceChanged(_) => {
                unreachable!("an observation that no rule binds creates, attaches or merges")
            }
        };
        let Some(NewContact { id, owns }) = contact else { return Ok(()) };
        let created_at = self.head.last_event_at;
        let contact = StoredContact { id: *id, linked_to, created_at, deleted: false };
        let bears = observation
            .iter()
            .zip(sought)
            .map(|((kind, text), (number, hash))| (*number, *hash, *text, owns.contains(kind)));
        self.add_hashed(contact, bears).map_err(|why| Incoherent::TooLarge { contact: *id, why })?;
        self.head.last_contact = *id;
        Ok(())
    }

    fn too_large(&self, why: TooLarge) -> Incoherent {
        Incoherent::TooLarge { contact: ContactId(self.head.last_contact.0 + 1), why }
    }
}
