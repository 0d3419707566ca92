//! A correction as a store carries it out: the rows as they are after it. Alone in its transaction; so is an observation whose
//! answer is kept.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{
    Contact, ContactId, Event, Identifier, Identities, Incoherent, Outcome, Policy, Register, RegisterRow,
    Sequence, Spelt,
};

use crate::changes::concerned;
use crate::{Counts, EvidenceDigest};

/// A person's correction, or an observation by itself, decided and not yet written: what each table holds after it, where that is something else.
///
/// ```
/// use selfsame_rules::{Actor, Asked, Head, Policy, PolicyDocument, Register, Timestamp, govern};
/// use selfsame_store::{Corrected, Counts};
///
/// let asked = Asked { by: Actor::named("example"), reason: None, clock: Timestamp::from_milliseconds(1) };
/// let nobody = Register::new(Head::EMPTY);
/// let document = PolicyDocument { contacts_max: Some(50), ..PolicyDocument::default() };
/// let event = govern(&nobody, Policy::read(&document).unwrap(), &asked).unwrap().unwrap();
/// let corrected = Corrected::of(&nobody, event, Vec::new()).unwrap();
/// assert_eq!(corrected.policy.unwrap().contacts_max(), Some(50));
/// assert_eq!((corrected.counts, corrected.updated.len()), (Counts::default(), 0));
/// ```
#[derive(Clone, Debug)]
pub struct Corrected {
    /// The event to append.
    pub event: Event,
    /// Events of the log that stand otherwise from now on: those of an erased person, without their values.
    pub rewritten: Vec<Event>,
    /// New contacts.
    pub inserted: Vec<RegisterRow>,
    /// Contacts of which anything changed.
    pub updated: Vec<RegisterRow>,
    /// Identifiers that a contact owns no longer. Those go first: another may own one from now on.
    pub disowned: Vec<(Identifier, ContactId)>,
    /// Identifiers that a contact owns from now on.
    pub owned: Vec<(Identifier, ContactId)>,
    /// Contacts by which the event is found: those that it concerns.
    pub concerned: Vec<ContactId>,
    /// Contacts in pairs that it keeps apart from now on, or no longer.
    pub apart: Vec<ContactId>,
    /// The refusal that it settles.
    pub settled: Option<Sequence>,
    /// What the event refused, to be found again by.
    pub refused: Option<EvidenceDigest>,
    /// Refusals whose evidence stands otherwise from now on.
    pub refusals: Vec<(Sequence, EvidenceDigest)>,
    /// The policy of what comes after, where it is another.
    pub policy: Option<Policy>,
    /// How many more customers there are than before.
    pub counts: Counts,
}

impl Corrected {
    /// The correction that `event` makes of what was looked at. `rewritten`: what erasing makes of other events.
    ///
    /// # Errors
    ///
    /// [`Incoherent`] if the event can't follow from that.
    pub fn of(before: &Register, event: Event, rewritten: Vec<Event>) -> Result<Self, Incoherent> {
        let mut after = before.clone();
        after.follow(&event)?;
        let earlier: BTreeMap<ContactId, RegisterRow> =
            before.rows().map(|row| (row.contact.id, row)).collect();
        let (mut inserted, mut updated, mut disowned, mut owned) = (vec![], vec![], vec![], vec![]);
        for row in after.rows() {
            let earlier = earlier.get(&row.contact.id);
            if earlier == Some(&row) {
                continue;
            }
            let (lost, gained) = (earlier.map(owned_by).unwrap_or_default(), owned_by(&row));
            let id = row.contact.id;
            disowned.extend(lost.difference(&gained).map(|value| (value.clone(), id)));
            owned.extend(gained.difference(&lost).map(|value| (value.clone(), id)));
            if earlier.is_some() { updated.push(row) } else { inserted.push(row) }
        }
        let spelt = Spelt::of(&rewritten);
        respell(before, &rewritten, &spelt, &mut updated);
        let refusals = refusals(&after, &event, &rewritten, &spelt);
        let (counted, counts) = (counted(before), counted(&after));
        Ok(Self {
            inserted,
            updated,
            disowned,
            owned,
            concerned: concerned(&event).into_iter().map(|(contact, _)| contact).collect(),
            apart: apart(&event),
            settled: if let Outcome::Reviewed { review, .. } = &event.outcome { Some(*review) } else { None },
            refused: matches!(event.outcome, Outcome::Refused { .. })
                .then(|| EvidenceDigest::of(&event.evidence)),
            refusals,
            policy: if let Outcome::PolicyChanged(policy) | Outcome::Refolded { policy, .. } = &event.outcome
            {
                Some(policy.after.clone())
            } else {
                None
            },
            counts: Counts {
                contacts: counts.contacts - counted.contacts,
                identities: counts.identities - counted.identities,
            },
            event,
            rewritten,
        })
    }
}

/// The refusals that are found by other evidence from now on: what is left of it, or as a refold spells it.
fn refusals(
    after: &Register,
    event: &Event,
    rewritten: &[Event],
    spelt: &Spelt<'_>,
) -> Vec<(Sequence, EvidenceDigest)> {
    let refused = rewritten.iter().filter(|event| matches!(event.outcome, Outcome::Refused { .. }));
    let digest = |event: &Event| {
        (event.sequence, EvidenceDigest::of(&spelt.evidence(event.sequence, &event.evidence)))
    };
    let mut refusals: Vec<(Sequence, EvidenceDigest)> = refused.map(digest).collect();
    if let Outcome::Refolded { respelt, .. } = &event.outcome {
        let evidence = |sequence| Some((sequence, EvidenceDigest::of(&after.refused_evidence(sequence)?)));
        refusals.extend(respelt.iter().filter_map(|one| evidence(one.sequence)));
    }
    refusals
}

/// A deleted contact of somebody else bears what the event that made it says from now on, as it is spelt; one that was erased,
/// nothing.
fn respell(before: &Register, rewritten: &[Event], spelt: &Spelt<'_>, updated: &mut Vec<RegisterRow>) {
    // Where an observation lost something, so did its event, and each refold that spelt it.
    let lost: BTreeSet<Sequence> = rewritten.iter().map(|event| event.sequence).collect();
    let observed = rewritten.iter().flat_map(Event::observed).filter(|(event, ..)| lost.contains(event));
    for (observed_in, made, evidence) in observed {
        let deleted = before.contact(made);
        let deleted = deleted.filter(|row| row.deleted_at.is_some() && !row.identifiers.is_empty());
        let Some(contact) = deleted.filter(|_| updated.iter().all(|row| row.contact.id != made)) else {
            continue;
        };
        let evidence = spelt.evidence(observed_in, evidence);
        let identifiers = evidence.iter().map(|seen| seen.identifier().clone()).collect();
        // It is deleted, so it owns nothing.
        updated.push(RegisterRow { contact: Contact { identifiers, ..contact.clone() }, owns: Vec::new() });
    }
}

fn owned_by(row: &RegisterRow) -> BTreeSet<Identifier> {
    let borne = row.contact.identifiers.iter();
    borne.filter(|identifier| row.owns.contains(identifier.kind())).cloned().collect()
}

/// Contacts in pairs that an event keeps apart, or no longer.
pub(crate) fn apart(event: &Event) -> Vec<ContactId> {
    let pairs =
        event.outcome.correction().into_iter().flat_map(|made| made.kept_apart.iter().chain(&made.lifted));
    let named: BTreeSet<ContactId> =
        pairs.flat_map(|pair| pair.one.iter().chain(&pair.other).copied()).collect();
    named.into_iter().collect()
}

fn counted(register: &Register) -> Counts {
    let contacts = register.primaries().map(|primary| register.size(primary)).sum::<usize>();
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    Counts { contacts: count(contacts), identities: count(register.primaries().count()) }
}
