//! Why two contacts are the same person: the shortest chain of contacts, each step with the event that links them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::scope::within;
use crate::{
    ContactId, Event, Head, Incoherent, Judgement, Move, Outcome, Register, SeenIdentifier, Sequence,
};

/// What makes two contacts of a chain the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The contact where the step begins.
    pub from: ContactId,
    /// The contact where it ends.
    pub to: ContactId,
    /// The event that links them.
    pub event: Sequence,
    /// What that event observed of either; empty for a decision of a person and for an adopted link.
    pub evidence: Vec<SeenIdentifier>,
}

/// The shortest chain that makes two contacts the same person; empty for one contact, `None` if they are none.
///
/// `register`: their identity as it is. `log`: every event of every contact that was ever of it, in order.
///
/// An event links the contact that it made and the contacts that owned what it observed. Where a split took the bridge
/// between two that it left together, the split itself is cited. Of several shortest chains, the one of earlier events.
///
/// ```
/// use selfsame_rules::{
///     Actor, ContactId, Head, IdentifierKind, Observation, Register, SeenIdentifier, Sequence, Timestamp, decide, why,
/// };
///
/// let seen = |email: &str| {
///     let email = SeenIdentifier::parse(&IdentifierKind::Email, email).unwrap();
///     let phone = SeenIdentifier::parse(&IdentifierKind::Phone, "1").unwrap();
///     Observation::new(Actor::named("example"), email.into_iter().chain(phone)).unwrap()
/// };
/// let mut register = Register::new(Head::EMPTY);
/// let log = decide(&register, &[seen("a@b.c"), seen("b@b.c")], Timestamp::from_milliseconds(1)).events;
/// for event in &log {
///     register.follow(event).unwrap();
/// }
/// let chain = why(&register, &log, ContactId(1), ContactId(2)).unwrap().unwrap();
/// assert_eq!((chain.len(), chain[0].event), (1, Sequence(2)));
/// ```
///
/// # Errors
///
/// [`Incoherent`] if an event can't follow from those before it.
///
/// Source: SEMANTICS, "Questions the log answers".
pub fn why(
    register: &Register,
    log: &[Event],
    one: ContactId,
    other: ContactId,
) -> Result<Option<Vec<Link>>, Incoherent> {
    let Some(primary) = register.resolve(one).filter(|primary| register.resolve(other) == Some(*primary))
    else {
        return Ok(None);
    };
    let knots = Knots::of(register, log, &register.everybody(primary))?;
    Ok(knots.chain(one, other, false).or_else(|| knots.chain(one, other, true)))
}

/// Contacts that one event links, each with each.
struct Knot {
    event: Sequence,
    contacts: BTreeSet<ContactId>,
    evidence: Vec<SeenIdentifier>,
    /// A split left them together; nothing of its own links them.
    left_together: bool,
}

struct Knots {
    knots: Vec<Knot>,
    /// The places of the knots that hold a contact.
    holding: BTreeMap<ContactId, Vec<usize>>,
}

impl Knots {
    fn of(now: &Register, log: &[Event], person: &BTreeSet<ContactId>) -> Result<Self, Incoherent> {
        let mut undone = BTreeSet::new();
        for event in log {
            if let Outcome::Undone { event, .. } = &event.outcome {
                undone.insert(*event);
            }
        }
        let mut register = Register::new(Head::EMPTY);
        let mut knots = Self { knots: Vec::new(), holding: BTreeMap::new() };
        // The owners of what an undone merge saw, by its event.
        let mut owning: BTreeMap<Sequence, BTreeSet<ContactId>> = BTreeMap::new();
        for event in log {
            if undone.contains(&event.sequence) {
                owning.insert(event.sequence, owners(&register, event));
            } else {
                linked(&register, event).into_iter().for_each(|set| knots.tie(event, set, person, false));
            }
            sides(&register, event).into_iter().for_each(|side| knots.tie(event, side, person, true));
            register.follow(&within(event, now))?;
            if let Outcome::Undone { event: merge, .. } = &event.outcome
                && let Some(merge) = log.iter().find(|event| event.sequence == *merge)
            {
                let owners = owning.remove(&merge.sequence).unwrap_or_default();
                knots.tie(merge, still_linked(&register, merge, owners), person, false);
            }
        }
        knots.in_order();
        Ok(knots)
    }

    /// Puts the knots into the order of the log, and notes who is in which.
    fn in_order(&mut self) {
        self.knots.sort_by_key(|knot| knot.event);
        for (place, knot) in self.knots.iter().enumerate() {
            for contact in &knot.contacts {
                self.holding.entry(*contact).or_default().push(place);
            }
        }
    }

    fn tie(
        &mut self,
        event: &Event,
        mut contacts: BTreeSet<ContactId>,
        person: &BTreeSet<ContactId>,
        left_together: bool,
    ) {
        contacts.retain(|contact| person.contains(contact));
        if contacts.len() < 2 {
            return;
        }
        let evidence = event.evidence.clone();
        self.knots.push(Knot { event: event.sequence, contacts, evidence, left_together });
    }

    /// The shortest chain, by breadth first; events in the order of the log.
    fn chain(&self, from: ContactId, to: ContactId, also_left_together: bool) -> Option<Vec<Link>> {
        let mut came: BTreeMap<ContactId, (ContactId, usize)> = BTreeMap::new();
        let mut untied: BTreeSet<usize> = BTreeSet::new();
        let mut waiting = VecDeque::from([from]);
        while let Some(contact) = waiting.pop_front() {
            if contact == to {
                break;
            }
            for place in self.holding.get(&contact).into_iter().flatten() {
                let knot = &self.knots[*place];
                if (knot.left_together && !also_left_together) || !untied.insert(*place) {
                    continue;
                }
                for next in &knot.contacts {
                    if *next != from && !came.contains_key(next) {
                        came.insert(*next, (contact, *place));
                        waiting.push_back(*next);
                    }
                }
            }
        }
        let mut chain = Vec::new();
        let mut contact = to;
        while contact != from {
            let (before, place) = *came.get(&contact)?;
            let Knot { event, evidence, .. } = &self.knots[place];
            chain.push(Link { from: before, to: contact, event: *event, evidence: evidence.clone() });
            contact = before;
        }
        chain.reverse();
        Some(chain)
    }
}

/// The contacts that own what an event saw, of the identities that it made one: another owner's value linked nobody, as a
/// claim or a blocked one does not.
fn owners(register: &Register, event: &Event) -> BTreeSet<ContactId> {
    let (home, former) = match &event.outcome {
        Outcome::Attached { primary, .. } => (*primary, &[][..]),
        Outcome::Merged { survivor, former_primaries, .. } => (*survivor, &former_primaries[..]),
        Outcome::Refused { home, former_primaries, .. } => (*home, &former_primaries[..]),
        Outcome::Created { .. }
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
        | Outcome::WorkspaceChanged(_) => return BTreeSet::new(),
    };
    let together = |owner: &ContactId| {
        let primary = register.resolve(*owner);
        primary.is_some_and(|primary| primary == home || former.contains(&primary))
    };
    let owners = event.evidence.iter().filter_map(|seen| register.owning_contact(seen.identifier()));
    owners.filter(together).collect()
}

/// What an undone merge still links, `register` being what the undo left: its contact, and those of the owners to whose
/// side that went.
fn still_linked(register: &Register, merge: &Event, owners: BTreeSet<ContactId>) -> BTreeSet<ContactId> {
    let Outcome::Merged { contact: Some(contact), .. } = &merge.outcome else { return BTreeSet::new() };
    let side = register.resolve(contact.id);
    let there = owners.into_iter().filter(|owner| side.is_some() && register.resolve(*owner) == side);
    there.chain([contact.id]).collect()
}

/// The contacts that an event links, set by set, `register` being what was before it.
fn linked(register: &Register, event: &Event) -> Vec<BTreeSet<ContactId>> {
    let owners = || owners(register, event);
    let set = match &event.outcome {
        Outcome::Attached { contact, primary } => with_home(register, owners(), Some(contact.id), *primary),
        Outcome::Merged { contact, survivor, .. } => {
            with_home(register, owners(), contact.as_ref().map(|contact| contact.id), *survivor)
        }
        Outcome::Refused { contact, .. } => {
            owners().into_iter().chain(contact.as_ref().map(|contact| contact.id)).collect()
        }
        Outcome::Adopted { contact, linked_to, .. } => {
            [Some(contact.id), *linked_to].into_iter().flatten().collect()
        }
        Outcome::Joined(correction)
        | Outcome::Reviewed { judgement: Judgement::Merge, correction, .. }
        | Outcome::Refolded { correction, .. } => {
            let mut joined: BTreeMap<ContactId, BTreeSet<ContactId>> = BTreeMap::new();
            for moved in &correction.moves {
                if let Move::Join { survivor, former } = moved {
                    joined.entry(*survivor).or_default().extend([*survivor, *former]);
                }
            }
            return joined.into_values().collect();
        }
        Outcome::Created { .. }
        | Outcome::Split(_)
        | Outcome::Undone { .. }
        | Outcome::Reviewed { .. }
        | Outcome::Deleted { .. }
        | Outcome::Erased { .. }
        | Outcome::PolicyChanged(_)
        | Outcome::KeyChanged(_)
        | Outcome::WorkspaceChanged(_) => BTreeSet::new(),
    };
    vec![set]
}

/// What corrections leave together, each side by itself: those that part, and those that stay.
fn sides(register: &Register, event: &Event) -> Vec<BTreeSet<ContactId>> {
    let (Outcome::Split(correction)
    | Outcome::Undone { correction, .. }
    | Outcome::Refolded { correction, .. }) = &event.outcome
    else {
        return Vec::new();
    };
    let mut sides = Vec::new();
    let mut rests: BTreeMap<ContactId, BTreeSet<ContactId>> = BTreeMap::new();
    for moved in &correction.moves {
        let Move::Part { contacts, .. } = moved else { continue };
        if let Some(former) = contacts.first().and_then(|contact| register.resolve(*contact)) {
            let rest = rests.entry(former).or_insert_with(|| register.everybody(former));
            contacts.iter().for_each(|contact| _ = rest.remove(contact));
        }
        sides.push(contacts.iter().copied().collect());
    }
    sides.extend(rests.into_values());
    sides
}

/// The owners that are of the identities which the event made one, and its contact.
fn with_home(
    register: &Register,
    owners: BTreeSet<ContactId>,
    contact: Option<ContactId>,
    home: ContactId,
) -> BTreeSet<ContactId> {
    let mut linked: BTreeSet<ContactId> = owners.into_iter().chain(contact).collect();
    if linked.len() < 2 && register.resolve(home).is_some() {
        linked.insert(home);
    }
    linked
}
