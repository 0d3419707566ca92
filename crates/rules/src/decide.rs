//! The decision: what a batch of observations changes, and what each is answered.

use std::collections::BTreeSet;

use crate::{
    Contact, ContactId, Event, Identifier, IdentifierKind, IdentityView, Neighbourhood, NewContact,
    Observation, Outcome, Sequence, Timestamp, apply,
};

/// What was decided and is not yet written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The events to append, in order; empty if the batch changes nothing.
    pub events: Vec<Event>,
    /// The answer to each observation of the batch, in its order, as of that observation.
    pub answers: Vec<IdentityView>,
}

/// Decides a batch of observations, one after the other.
///
/// `neighbourhood`: every identity that owns one of the batch's identifiers. `clock`: the time now; an event
/// is dated to the later of it and the log's last event, so that time never decreases along the log.
/// A batch gives exactly the events and answers that its observations give one by one.
///
/// ```
/// use selfsame_rules::{
///     Actor, ContactId, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, Timestamp, decide,
/// };
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen = Observation::new(Actor::named("example"), email).unwrap();
/// let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
///
/// let plan = decide(nobody, &[seen.clone(), seen], Timestamp::from_milliseconds(1));
/// assert_eq!(plan.events.len(), 1, "the second sees what the first made");
/// assert_eq!(plan.answers[0].primary, ContactId(1));
/// assert_eq!(plan.answers[0], plan.answers[1]);
/// ```
///
/// Source: SEMANTICS, "identify(observation)".
pub fn decide(mut neighbourhood: Neighbourhood, batch: &[Observation], clock: Timestamp) -> Plan {
    let mut plan = Plan { events: Vec::new(), answers: Vec::with_capacity(batch.len()) };
    for observation in batch {
        let (outcome, primary) = decide_one(&neighbourhood, observation);
        if let Some(outcome) = outcome {
            let event = record(&mut neighbourhood, observation, outcome, clock);
            plan.events.push(event);
        }
        plan.answers.push(IdentityView::of(&neighbourhood, primary));
    }
    plan
}

/// Picks the contact that stays primary when several identities become one.
///
/// `primaries`: the primary of each identity, in any order, at least one. The oldest wins; a tie in age goes
/// to the lower id, so every store answers alike.
///
/// ```
/// use selfsame_rules::{Contact, ContactId, Timestamp, surviving_primary};
///
/// let at = Timestamp::from_milliseconds(7);
/// let older = Contact {
///     id: ContactId(9),
///     identifiers: Vec::new(),
///     linked_to: None,
///     created_at: at,
///     updated_at: at,
///     deleted_at: None,
/// };
/// let younger = Contact { id: ContactId(2), created_at: Timestamp::from_milliseconds(8), ..older.clone() };
/// assert_eq!(surviving_primary([&younger, &older]), ContactId(9));
/// ```
///
/// # Panics
///
/// If `primaries` is empty: the caller has nothing to merge.
///
/// Source: SEMANTICS, "identify", step 4.
pub fn surviving_primary<'contact>(primaries: impl IntoIterator<Item = &'contact Contact>) -> ContactId {
    let (_, oldest) =
        primaries.into_iter().map(Contact::age).min().expect("a merge has at least one primary");
    oldest
}

/// What one observation changes, if anything, and the primary of the identity that it belongs to.
fn decide_one(neighbourhood: &Neighbourhood, observation: &Observation) -> (Option<Outcome>, ContactId) {
    let touched: BTreeSet<ContactId> =
        observation.identifiers().filter_map(|identifier| neighbourhood.owner(identifier)).collect();
    let news = new_contact(neighbourhood, observation);
    if touched.is_empty() {
        let contact = news.expect("identifiers that nobody owns are new");
        let primary = contact.id;
        return (Some(Outcome::Created { contact }), primary);
    }
    let survivor = surviving_primary(touched.iter().map(|primary| neighbourhood.contact(*primary)));
    let mut former_primaries: Vec<ContactId> =
        touched.into_iter().filter(|primary| *primary != survivor).collect();
    former_primaries.sort_by_key(|primary| neighbourhood.contact(*primary).age());
    let outcome = match (former_primaries.is_empty(), news) {
        (true, None) => None,
        (true, Some(contact)) => Some(Outcome::Attached { primary: survivor, contact }),
        (false, contact) => Some(Outcome::Merged { survivor, former_primaries, contact }),
    };
    (outcome, survivor)
}

/// The contact that the observation adds, if it has an identifier that nobody owns.
fn new_contact(neighbourhood: &Neighbourhood, observation: &Observation) -> Option<NewContact> {
    let owns: Vec<IdentifierKind> = observation
        .identifiers()
        .filter(|identifier| neighbourhood.owner(identifier).is_none())
        .map(Identifier::kind)
        .cloned()
        .collect();
    let ContactId(last) = neighbourhood.head().last_contact;
    (!owns.is_empty()).then_some(NewContact { id: ContactId(last + 1), owns })
}

/// Makes the event of an outcome, and lets the neighbourhood and its head follow it.
fn record(
    neighbourhood: &mut Neighbourhood,
    observation: &Observation,
    outcome: Outcome,
    clock: Timestamp,
) -> Event {
    let head = neighbourhood.head_mut();
    head.last_sequence = Sequence(head.last_sequence.0 + 1);
    head.last_event_at = head.last_event_at.max(clock);
    match &outcome {
        Outcome::Created { contact }
        | Outcome::Attached { contact, .. }
        | Outcome::Merged { contact: Some(contact), .. } => head.last_contact = contact.id,
        // No observation adopts; if one did, its id would follow the row's.
        Outcome::Adopted { contact, .. } => head.last_contact = head.last_contact.max(contact.id),
        Outcome::Merged { contact: None, .. } => {}
    }
    let event = Event {
        sequence: head.last_sequence,
        at: head.last_event_at,
        caused_by: observation.caused_by().clone(),
        evidence: observation.seen().to_vec(),
        outcome,
    };
    let Ok(()) = apply(&event, neighbourhood);
    event
}
