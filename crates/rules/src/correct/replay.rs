//! The recorded observations decided again, in a register of their own: what undo and refold ask for.
//!
//! Contacts keep their numbers and times. An observation that needed a row then has it now too, and one that needed none
//! gets one only where a refold asks for it.

mod adopted;

use std::collections::{BTreeMap, BTreeSet};

use super::delete::deletion;
use super::primary_first;
use crate::judge::{Verdict, forbids_people, judge};
use crate::{
    Apart, Change, Contact, ContactId, Correction, Event, Head, Identities, Incoherent, Judgement, Move,
    Outcome, Ownership, Policy, RefoldedContact, Register, Respelt, Rule, SeenIdentifier, Sequence, Spelt,
    Tables, Timestamp, apply,
};

/// What a replay leaves out, adds, and watches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replay {
    /// Joins that are refused: each with the contacts that stood for its sides.
    pub(crate) undone: BTreeMap<Sequence, Vec<ContactId>>,
    /// The only policy, for a refold; `None`: each event has that of its time, or of the last refold after it.
    pub(crate) policy: Option<Policy>,
    /// The number of the next contact and its time, where new rows are made.
    pub(crate) rows: Option<(ContactId, Timestamp)>,
    /// The rows that earlier refolds made of observations, by the event of those.
    pub(crate) made_before: BTreeMap<Sequence, (ContactId, Timestamp)>,
    /// What is kept apart from the start, each with the event that made it so: a join by hand after that did not lift it.
    pub(crate) standing: BTreeMap<Apart, Sequence>,
    /// What a refold spells otherwise than it was before, beside what earlier ones did.
    pub(crate) respelt: Vec<Respelt>,
    /// Rows that were made.
    pub(crate) made: Vec<RefoldedContact>,
    /// Which decision of a person brought the sides of an undone join together.
    pub(crate) held: BTreeMap<Sequence, Sequence>,
    /// What was refused in the replay, by event, and the primaries that were concerned.
    pub(crate) refused: BTreeMap<Sequence, (Rule, Vec<ContactId>)>,
    /// The observations that joined identities in the replay, and the primaries of those.
    pub(crate) joined: BTreeMap<Sequence, Vec<ContactId>>,
    /// Joins by hand that the policy forbids now.
    pub(crate) forbidden: Vec<Sequence>,
}

impl Replay {
    /// Decides the observations of `log` again; gives what they make. Those before the last refold as that did: under its
    /// policy, and with what was kept apart then from the start. All are decided on as they are spelt now.
    pub(crate) fn run(&mut self, log: &[Event]) -> Result<Register, Incoherent> {
        let respelt = std::mem::take(&mut self.respelt);
        let mut spelt = Spelt::of(log);
        spelt.add(&respelt);
        if spelt.is_empty() {
            return self.run_as_spelt(log);
        }
        let log: Vec<Event> = log.iter().map(|event| spelt.event(event).into_owned()).collect();
        self.run_as_spelt(&log)
    }

    fn run_as_spelt(&mut self, log: &[Event]) -> Result<Register, Incoherent> {
        for event in log {
            if let Outcome::Undone { event: undone, .. } = &event.outcome {
                self.leave_out(*undone, log);
            }
            if let Outcome::Refolded { contacts, .. } = &event.outcome {
                let made = contacts.iter().map(|made| (made.observed_in, (made.id, made.created_at)));
                self.made_before.extend(made);
            }
        }
        let refold = log.iter().rposition(|event| matches!(event.outcome, Outcome::Refolded { .. }));
        let refold = refold.filter(|_| self.policy.is_none());
        if let Some(place) = refold {
            self.hold_from_the_start(&kept_apart(&log[..place]), log);
        }
        let mut register = Register::new(Head::EMPTY);
        for pair in self.standing.keys() {
            register.change(Change::KeepApart(pair), Timestamp::from_milliseconds(0))?;
        }
        let refolded = refold.and_then(|place| policy_of(&log[place].outcome));
        if let Some(policy) = self.policy.clone().or(refolded) {
            register.change(Change::Govern(&policy), Timestamp::from_milliseconds(0))?;
        }
        for (place, event) in log.iter().enumerate() {
            if refold == Some(place) {
                let pairs = std::mem::take(&mut self.standing);
                hold_apart(pairs.keys(), &mut register, event.at)?;
            }
            let governs = self.policy.is_none() && refold.is_none_or(|refold| place > refold);
            self.replay(&mut register, event, governs)?;
            if event.outcome.correction().is_some() {
                self.watch(&register, event);
            }
        }
        Ok(register)
    }

    /// Lets these pairs stand from the start, which corrections of `log` made.
    pub(crate) fn hold_from_the_start(&mut self, pairs: &BTreeSet<Apart>, log: &[Event]) {
        for event in log {
            let made = event.outcome.correction().map_or(&[][..], |correction| &correction.kept_apart);
            let standing = made.iter().filter(|pair| pairs.contains(pair));
            self.standing.extend(standing.map(|pair| (pair.clone(), event.sequence)));
        }
    }

    /// Leaves the join of that event out.
    pub(crate) fn leave_out(&mut self, sequence: Sequence, log: &[Event]) {
        let Some(event) = log.iter().find(|event| event.sequence == sequence) else { return };
        let mut sides = Vec::new();
        if let Outcome::Merged { survivor, former_primaries, .. } = &event.outcome {
            sides.push(*survivor);
            sides.extend(former_primaries);
        } else if let Outcome::Attached { primary, contact } = &event.outcome {
            sides.extend([*primary, contact.id]);
        } else {
            return;
        }
        self.undone.insert(sequence, sides);
    }

    fn replay(&mut self, register: &mut Register, event: &Event, governs: bool) -> Result<(), Incoherent> {
        match &event.outcome {
            Outcome::Created { .. }
            | Outcome::Attached { .. }
            | Outcome::Merged { .. }
            | Outcome::Refused { .. } => {
                let contact = event.outcome.contact().map(|contact| contact.id);
                if self.undone.contains_key(&event.sequence)
                    && let Some(alone) = self.keep_sides_apart(register, event)?
                {
                    return place_alone(register, alone, &event.evidence, event.at);
                }
                self.observe(register, event.sequence, &event.evidence, contact, event.at)
            }
            Outcome::Adopted { .. } => self.adopt(register, event),
            Outcome::Joined(correction)
            | Outcome::Reviewed { judgement: Judgement::Merge, correction, .. } => {
                self.join(register, event, correction)
            }
            Outcome::Split(correction) => {
                for moved in &correction.moves {
                    if let Move::Part { contacts, .. } = moved {
                        part(register, contacts, event.at)?;
                    }
                }
                keep(register, correction, event.at)
            }
            Outcome::Undone { correction, .. } | Outcome::Reviewed { correction, .. } => {
                keep(register, correction, event.at)
            }
            Outcome::Deleted { contact, .. } => {
                if !register.is_live(*contact) {
                    return Ok(());
                }
                apply(&Event { outcome: deletion(register, *contact), ..event.clone() }, register)
            }
            Outcome::Erased { contacts, .. } => erase(register, contacts, event),
            Outcome::PolicyChanged(policy) if governs => {
                register.change(Change::Govern(&policy.after), event.at)
            }
            Outcome::Refolded { .. }
            | Outcome::PolicyChanged(_)
            | Outcome::KeyChanged(_)
            | Outcome::WorkspaceChanged(_) => Ok(()),
        }
    }

    /// Judges an observation, and gives its contact a place.
    fn observe(
        &mut self,
        register: &mut Register,
        sequence: Sequence,
        evidence: &[SeenIdentifier],
        contact: Option<ContactId>,
        at: Timestamp,
    ) -> Result<(), Incoherent> {
        let default = Policy::default();
        let verdict = judge(register, register.policy().unwrap_or(&default), evidence);
        let nothing = Verdict { touched: Vec::new(), owns: Vec::new(), row: false, refused: None };
        let Verdict { touched, owns, row, refused } = verdict.unwrap_or(nothing);
        if let Some(refused) = refused {
            self.refused.insert(sequence, refused);
        }
        if touched.len() > 1 {
            self.joined.insert(sequence, touched.clone());
        }
        let home = touched.first().copied();
        for former in touched.iter().skip(1) {
            register.relink(*former, touched[0], at)?;
        }
        let contact = contact.map(|id| (id, at)).or_else(|| self.made_before.get(&sequence).copied());
        let (id, created_at) = match (contact, &mut self.rows) {
            (Some(made), _) => made,
            // Who was erased doesn't come back.
            (None, Some((next, created_at)))
                if row && !evidence.iter().any(|seen| seen.identifier().is_erased()) =>
            {
                let id = *next;
                next.0 += 1;
                let (evidence, created_at) = (evidence.to_vec(), *created_at);
                self.made.push(RefoldedContact { id, evidence, observed_in: sequence, created_at });
                (id, created_at)
            }
            (None, _) => return Ok(()),
        };
        let most = register.policy().unwrap_or(&default).contacts_max();
        let is_full = |home| most.is_some_and(|most| register.size(home) >= most);
        if home.is_some_and(|home| register.is_apart_from(id, home) || is_full(home)) {
            return place_alone(register, id, evidence, created_at);
        }
        register.insert_contact(new_row(id, home, evidence, created_at))?;
        let owned =
            evidence.iter().map(SeenIdentifier::identifier).filter(|value| owns.contains(value.kind()));
        owned.into_iter().try_for_each(|value| register.own(value, id))
    }

    /// Keeps the sides of an undone join apart from here on; tells the contact of an undone attachment, which stands
    /// alone.
    fn keep_sides_apart(
        &self,
        register: &mut Register,
        event: &Event,
    ) -> Result<Option<ContactId>, Incoherent> {
        let attached = matches!(event.outcome, Outcome::Attached { .. });
        let alone = event.outcome.contact().map(|contact| contact.id).filter(|_| attached);
        let sides = self.undone.get(&event.sequence).into_iter().flatten();
        let primaries: BTreeSet<ContactId> = sides.filter_map(|side| register.resolve(*side)).collect();
        let mut everybody: Vec<_> =
            primaries.into_iter().map(|primary| register.everybody(primary)).collect();
        everybody.extend(alone.map(|alone| BTreeSet::from([alone])));
        let pairs = register.pairs_of(&everybody);
        pairs.iter().try_for_each(|pair| register.change(Change::KeepApart(pair), event.at))?;
        Ok(alone)
    }

    /// A join by hand stands unless a limit or a unique kind forbids it.
    fn join(
        &mut self,
        register: &mut Register,
        event: &Event,
        correction: &Correction,
    ) -> Result<(), Incoherent> {
        let named = correction.moves.iter().flat_map(|moved| match moved {
            Move::Join { survivor, former } => vec![*survivor, *former],
            Move::Part { .. } => Vec::new(),
        });
        let primaries: BTreeSet<ContactId> = named.filter_map(|contact| register.resolve(contact)).collect();
        let mut primaries: Vec<ContactId> = primaries.into_iter().collect();
        primaries.sort_by_key(|primary| (register.created_at(*primary), *primary));
        let default = Policy::default();
        if forbids_people(register, register.policy().unwrap_or(&default), &primaries).is_some() {
            self.forbidden.push(event.sequence);
            return Ok(());
        }
        let lifting = register.lifting(&primaries);
        let stands = |pair: &Apart| self.standing.get(pair).is_some_and(|made| *made < event.sequence);
        if lifting.lifted.iter().any(stands) {
            self.forbidden.push(event.sequence);
            return Ok(());
        }
        lifting.lifted.iter().try_for_each(|pair| register.change(Change::Lift(pair), event.at))?;
        lifting.kept.iter().try_for_each(|pair| register.change(Change::KeepApart(pair), event.at))?;
        primaries.iter().skip(1).try_for_each(|former| register.relink(*former, primaries[0], event.at))
    }

    /// Notes when a person brings the sides of an undone join together, and when one parts them again.
    fn watch(&mut self, register: &Register, event: &Event) {
        let joins = matches!(
            event.outcome,
            Outcome::Joined(_) | Outcome::Reviewed { judgement: Judgement::Merge, .. }
        );
        for (undone, sides) in &self.undone {
            let now: Vec<_> = sides.iter().filter_map(|side| register.resolve(*side)).collect();
            let distinct: BTreeSet<_> = now.iter().collect();
            if distinct.len() == now.len() {
                self.held.remove(undone);
            } else if joins && event.sequence > *undone {
                self.held.entry(*undone).or_insert(event.sequence);
            }
        }
    }
}

/// The policy that a refold brought.
fn policy_of(outcome: &Outcome) -> Option<Policy> {
    if let Outcome::Refolded { policy, .. } = outcome { Some(policy.after.clone()) } else { None }
}

/// The row of an observation.
fn new_row(id: ContactId, home: Option<ContactId>, evidence: &[SeenIdentifier], at: Timestamp) -> Contact {
    Contact {
        id,
        identifiers: evidence.iter().map(|seen| seen.identifier().clone()).collect(),
        linked_to: home,
        created_at: at,
        updated_at: at,
        deleted_at: None,
    }
}

/// A contact without a place stands alone, and owns only what no one else owns.
fn place_alone(
    register: &mut Register,
    id: ContactId,
    evidence: &[SeenIdentifier],
    at: Timestamp,
) -> Result<(), Incoherent> {
    register.insert_contact(new_row(id, None, evidence, at))?;
    let default = Policy::default();
    let policy = register.policy().unwrap_or(&default).clone();
    for seen in evidence.iter().filter(|seen| policy.links(seen)) {
        if register.owner(seen.identifier()).is_none() {
            register.own(seen.identifier(), id)?;
        }
    }
    Ok(())
}

/// Parts these contacts from those that they are with, wherever they are.
fn part(register: &mut Register, contacts: &[ContactId], at: Timestamp) -> Result<(), Incoherent> {
    let mut by_primary: BTreeMap<ContactId, BTreeSet<ContactId>> = BTreeMap::new();
    for contact in contacts {
        if let Some(primary) = register.resolve(*contact) {
            by_primary.entry(primary).or_default().insert(*contact);
        }
    }
    for (primary, leaving) in by_primary {
        let rest: Vec<ContactId> = register.everybody(primary).difference(&leaving).copied().collect();
        let live = |id: &ContactId| register.is_live(*id);
        if !rest.iter().any(live) || !leaving.iter().any(live) {
            continue;
        }
        let head = primary_first(register, rest)[0];
        let moved = primary_first(register, leaving);
        let rest = Some(head).filter(|head| *head != primary);
        register.change(Change::Part { contacts: &moved, rest }, at)?;
    }
    Ok(())
}

/// Parts what a join by hand carried past what is kept apart: that holds, whatever else does.
pub(crate) fn hold_apart<'pair>(
    pairs: impl IntoIterator<Item = &'pair Apart>,
    replayed: &mut Register,
    at: Timestamp,
) -> Result<(), Incoherent> {
    for pair in pairs {
        let there: BTreeSet<ContactId> = pair.one.iter().filter_map(|id| replayed.resolve(*id)).collect();
        let meets = |id: &ContactId| replayed.resolve(*id).is_some_and(|primary| there.contains(&primary));
        let meeting: Vec<ContactId> = pair.other.iter().copied().filter(meets).collect();
        part(replayed, &meeting, at)?;
    }
    Ok(())
}

/// What a correction keeps apart goes on being kept apart.
fn keep(register: &mut Register, correction: &Correction, at: Timestamp) -> Result<(), Incoherent> {
    correction.kept_apart.iter().try_for_each(|pair| register.change(Change::KeepApart(pair), at))
}

fn erase(register: &mut Register, contacts: &[ContactId], event: &Event) -> Result<(), Incoherent> {
    for contact in contacts {
        let Some(row) = register.contact(*contact) else { continue };
        let owned = row.identifiers.iter().filter(|value| register.owning_contact(value) == Some(*contact));
        let kinds: Vec<_> = owned.map(|value| value.kind().clone()).collect();
        for kind in kinds {
            register.change(Change::Disown(&Ownership { contact: *contact, kind }), event.at)?;
        }
        register.change(Change::Erase(*contact), event.at)?;
    }
    Ok(())
}

/// What corrections keep apart at the end of a log.
fn kept_apart(log: &[Event]) -> BTreeSet<Apart> {
    let mut pairs: BTreeSet<Apart> = BTreeSet::new();
    for correction in log.iter().filter_map(|event| event.outcome.correction()) {
        pairs.retain(|pair| !correction.lifted.contains(pair));
        pairs.extend(correction.kept_apart.iter().cloned());
    }
    pairs
}
