//! The decision: what a batch of observations changes, and what each is answered.

use std::collections::BTreeMap;

use crate::draft::Draft;
use crate::{
    ContactId, Event, Head, IdentifierKind, Identities, IdentityView, NewContact, Observation, Outcome,
    Sequence, Timestamp,
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
/// `identities`: at least every one that owns an identifier of the batch. `clock`: the time now; an event is dated to the later of it and the log's last event, so that time never decreases along the log.
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
/// let plan = decide(&nobody, &[seen.clone(), seen], Timestamp::from_milliseconds(1));
/// assert_eq!(plan.events.len(), 1, "the second sees what the first made");
/// assert_eq!(plan.answers[0].primary, ContactId(1));
/// assert_eq!(plan.answers[0], plan.answers[1]);
/// ```
///
/// Source: SEMANTICS, "identify(observation)".
pub fn decide<I: Identities + ?Sized>(identities: &I, batch: &[Observation], clock: Timestamp) -> Plan {
    let mut draft = Draft::over(identities);
    let mut plan = Plan { events: Vec::new(), answers: Vec::with_capacity(batch.len()) };
    for observation in batch {
        let (outcome, primary) = decide_one(&draft, observation);
        if let Some(outcome) = outcome {
            let event = event_of(draft.head(), observation, outcome, clock);
            draft.follow(&event);
            plan.events.push(event);
        }
        plan.answers.push(IdentityView::of(&draft, primary));
    }
    plan
}

/// The customers of observations that change nothing; `None` if one of them would change something.
///
/// What [`decide`] answers with a plan without events, for less: most observations are of this sort.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, recognise,
/// };
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen = Observation::new(Actor::named("example"), email).unwrap();
/// assert_eq!(recognise(&Neighbourhood::new(Head::EMPTY, [], []).unwrap(), &[seen]), None);
/// ```
pub fn recognise<I: Identities + ?Sized>(identities: &I, batch: &[Observation]) -> Option<Vec<IdentityView>> {
    let unchanged = |observation| match decide_one(identities, observation) {
        (None, primary) => Some(primary),
        (Some(_), _) => None,
    };
    // Views are large, and all for nothing if the last of the batch is new.
    let primaries = batch.iter().map(unchanged).collect::<Option<Vec<ContactId>>>()?;
    Some(primaries.into_iter().map(|primary| IdentityView::of(identities, primary)).collect())
}

/// How many contacts the answers to a batch hold together, those left out that it adds itself: whoever answers whole
/// customers must know how much that is, for a few bytes can ask for a customer of any size.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, contacts_in_answers,
/// };
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen = Observation::new(Actor::named("example"), email).unwrap();
/// assert_eq!(contacts_in_answers(&Neighbourhood::new(Head::EMPTY, [], []).unwrap(), &[seen]), 0);
/// ```
pub fn contacts_in_answers<I: Identities + ?Sized>(identities: &I, batch: &[Observation]) -> usize {
    let mut sizes = BTreeMap::new();
    let mut size = |primary| *sizes.entry(primary).or_insert_with(|| identities.size(primary));
    let mut contacts = 0;
    for observation in batch {
        let mut primaries: Vec<ContactId> =
            observation.identifiers().filter_map(|identifier| identities.owner(identifier)).collect();
        primaries.sort_unstable();
        primaries.dedup();
        contacts += primaries.into_iter().map(&mut size).sum::<usize>();
    }
    contacts
}

/// Picks the contact that stays primary when several identities become one.
///
/// `primaries`: the age of each identity's primary, (`created_at`, id), in any order, at least one. The oldest wins; a
/// tie in time goes to the lower id, so every store answers alike.
///
/// ```
/// use selfsame_rules::{ContactId, Timestamp, surviving_primary};
///
/// let (early, late) = (Timestamp::from_milliseconds(7), Timestamp::from_milliseconds(8));
/// assert_eq!(surviving_primary([(late, ContactId(2)), (early, ContactId(9))]), ContactId(9));
/// assert_eq!(surviving_primary([(early, ContactId(9)), (early, ContactId(2))]), ContactId(2));
/// ```
///
/// # Panics
///
/// If `primaries` is empty: the caller has nothing to merge.
///
/// Source: SEMANTICS, "identify", step 4.
pub fn surviving_primary(primaries: impl IntoIterator<Item = (Timestamp, ContactId)>) -> ContactId {
    let (_, oldest) = primaries.into_iter().min().expect("a merge has at least one primary");
    oldest
}

/// What one observation changes, if anything, and the primary of the identity that it belongs to.
pub(crate) fn decide_one<I: Identities + ?Sized>(
    identities: &I,
    observation: &Observation,
) -> (Option<Outcome>, ContactId) {
    let (mut touched, mut owns) = (Vec::new(), Vec::new());
    for identifier in observation.identifiers() {
        match identities.owner(identifier) {
            Some(primary) if touched.contains(&primary) => {}
            Some(primary) => touched.push(primary),
            None => owns.push(identifier.kind().clone()),
        }
    }
    outcome_of(identities.head(), touched, owns, |primary| identities.created_at(primary))
}

/// What becomes of an observation that touches the identities of these primaries and has these kinds of identifiers
/// that nobody owns: at least one of either. With it, the primary of the identity that it belongs to.
pub(crate) fn outcome_of(
    head: Head,
    mut touched: Vec<ContactId>,
    owns: Vec<IdentifierKind>,
    created_at: impl Fn(ContactId) -> Timestamp,
) -> (Option<Outcome>, ContactId) {
    let news = new_contact(head, owns);
    if touched.is_empty() {
        let contact = news.expect("identifiers that nobody owns are new");
        let primary = contact.id;
        return (Some(Outcome::Created { contact }), primary);
    }
    if let ([primary], None) = (touched.as_slice(), &news) {
        return (None, *primary);
    }
    let age = |primary: ContactId| (created_at(primary), primary);
    let survivor = surviving_primary(touched.iter().map(|primary| age(*primary)));
    touched.retain(|primary| *primary != survivor);
    touched.sort_by_key(|primary| age(*primary));
    let outcome = match (touched.is_empty(), news) {
        (true, news) => news.map(|contact| Outcome::Attached { primary: survivor, contact }),
        (false, contact) => Some(Outcome::Merged { survivor, former_primaries: touched, contact }),
    };
    (outcome, survivor)
}

/// The contact that an observation adds whose identifiers of these kinds nobody owns, if there are any.
fn new_contact(head: Head, owns: Vec<IdentifierKind>) -> Option<NewContact> {
    let ContactId(last) = head.last_contact;
    (!owns.is_empty()).then_some(NewContact { id: ContactId(last + 1), owns })
}

/// The event of an outcome: the next in the log.
pub(crate) fn event_of(head: Head, observation: &Observation, outcome: Outcome, clock: Timestamp) -> Event {
    Event {
        sequence: Sequence(head.last_sequence.0 + 1),
        at: head.last_event_at.max(clock),
        caused_by: observation.caused_by().clone(),
        evidence: observation.seen().to_vec(),
        outcome,
    }
}
