//! Which values a looking is about.

use std::collections::BTreeSet;

use selfsame_rules::{ContactId, Event, Identifier, RegisterRow, SeenIdentifier, Sequence, Spelt};

use super::Recalling;

impl Recalling {
    pub(super) fn take_bearers(&mut self, values: &[Identifier], rows: &[RegisterRow]) {
        for row in rows {
            let borne = row.contact.identifiers.iter().filter(|value| values.contains(value));
            self.bearers.extend(borne.map(|value| (value.clone(), row.contact.id)));
        }
    }

    /// What live contacts bear and nobody of those that are known owns, each once.
    pub(super) fn values_left(&self) -> Vec<Identifier> {
        let owned = |row: &RegisterRow, value: &Identifier| row.owns.contains(value.kind());
        let (mut borne, mut held) = (BTreeSet::new(), BTreeSet::new());
        for row in self.rows.values().filter(|row| row.contact.deleted_at.is_none()) {
            for value in &row.contact.identifiers {
                if owned(row, value) {
                    held.insert(value)
                } else {
                    borne.insert(value)
                };
            }
        }
        borne.difference(&held).copied().cloned().collect()
    }

    /// What the contacts of the person's identity bear, and what events saw that concern nobody else.
    pub(super) fn values_of_person(&self) -> Vec<Identifier> {
        let primary = self.of_person.and_then(|contact| self.rows.get(&contact));
        let Some(primary) = primary.map(|row| row.contact.primary()) else { return Vec::new() };
        let theirs = self.rows.values().filter(|row| row.contact.primary() == primary);
        let (mut person, mut values) = (BTreeSet::new(), BTreeSet::new());
        for RegisterRow { contact, .. } in theirs {
            person.insert(contact.id);
            values.extend(&contact.identifiers);
        }
        let mut values: BTreeSet<Identifier> = values.into_iter().cloned().collect();
        let spelt = Spelt::of(self.events.values());
        for event in self.events.values().filter(|event| event.contacts().is_subset(&person)) {
            let seen = spelt.evidence(event.sequence, &event.evidence);
            values.extend(seen.iter().map(|seen| seen.identifier().clone()));
        }
        values.into_iter().filter(|value| !value.is_erased()).collect()
    }

    /// The contacts that bear a value of the person's, by what is known of the log.
    pub(super) fn made_of_person(&self) -> Vec<ContactId> {
        let values: BTreeSet<Identifier> = self.values_of_person().into_iter().collect();
        let spelt = Spelt::of(self.events.values());
        let bears = |sequence, evidence: &[SeenIdentifier]| {
            spelt.evidence(sequence, evidence).iter().any(|seen| values.contains(seen.identifier()))
        };
        let made = self.events.values().flat_map(Event::observed);
        let made = made.filter(|(sequence, _, evidence)| bears(*sequence, evidence));
        made.map(|(_, contact, _)| contact).collect()
    }

    /// The events that observed one of these values in another spelling than a refold gave it, as far as those are known.
    pub(super) fn respelt(&self, values: &BTreeSet<Identifier>) -> Vec<Sequence> {
        Spelt::of(self.events.values()).observed(values).map(|one| one.sequence).collect()
    }

    /// Those of a value of the person's that aren't known yet.
    pub(super) fn respelt_of_person(&self) -> Vec<Sequence> {
        let mut respelt = self.respelt(&self.values_of_person().into_iter().collect());
        respelt.retain(|sequence| !self.events.contains_key(sequence));
        respelt
    }
}
