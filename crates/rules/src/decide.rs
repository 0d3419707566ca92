//! The decision: what a batch of observations changes, and what each is answered.

use std::collections::BTreeMap;

use crate::draft::Draft;
use crate::judge::{Verdict, any_kept_apart, judge};
use crate::{
    ContactId, Event, Head, IdentifierKind, Identities, IdentityView, NewContact, Observation, Outcome,
    Policy, Rule, Sequence, Timestamp,
};

/// What was decided and is not yet written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The events to append, in order; empty if the batch changes nothing.
    pub events: Vec<Event>,
    /// The answer to each observation of the batch, in its order, as of that observation.
    pub answers: Vec<Answer>,
}

/// What an observation is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The customer that it belongs to; `None` if nothing of it could link under the policy, and nothing was stored.
    pub identity: Option<IdentityView>,
    /// The primary of that customer, where it has more contacts than were to be shown; `identity` is `None` then, and a
    /// [`crate::GradualView`] shows it.
    pub larger: Option<ContactId>,
    /// The event that it caused, or the earlier one that recorded its refusal.
    pub event: Option<Sequence>,
    /// The first rule that kept it from joining identities, or from giving one all that it brought.
    pub refused: Option<Rule>,
}

/// Decides a batch of observations, one after the other.
///
/// `identities`: at least every one that owns an identifier of the batch. `clock`: the time now; an event is dated to the later of it (or of the observation's own time, [`Observation::accepted_at`]) and the log's last event, so that time never decreases along the log.
/// A batch gives exactly the events and answers that its observations give one by one. One that was read as another policy
/// spells values is read anew ([`Observation::as_spelt_by`]), and `identities` are those of what it is then.
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
/// assert_eq!(plan.answers[0].identity.as_ref().unwrap().primary, ContactId(1));
/// assert_eq!(plan.answers[0].identity, plan.answers[1].identity);
/// ```
///
/// Source: SEMANTICS, "identify(observation)".
pub fn decide<I: Identities + ?Sized>(identities: &I, batch: &[Observation], clock: Timestamp) -> Plan {
    decide_showing(identities, batch, clock, usize::MAX)
}

/// [`decide`], where answers show no customer of more contacts than `shown_max`: the view of very many takes far longer than all
/// else, and whoever decides makes others wait.
///
/// ```
/// use selfsame_rules::{
///     Actor, Head, IdentifierKind, Neighbourhood, Observation, SeenIdentifier, Timestamp, decide_showing,
/// };
///
/// let email = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen = Observation::new(Actor::named("example"), email).unwrap();
/// let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
/// let plan = decide_showing(&nobody, &[seen], Timestamp::from_milliseconds(1), 0);
/// assert_eq!((plan.events.len(), plan.answers[0].larger.is_some()), (1, true));
/// assert_eq!(plan.answers[0].identity, None);
/// ```
pub fn decide_showing<I: Identities + ?Sized>(
    identities: &I,
    batch: &[Observation],
    clock: Timestamp,
    shown_max: usize,
) -> Plan {
    let mut draft = Draft::over(identities);
    let mut plan = Plan { events: Vec::new(), answers: Vec::with_capacity(batch.len()) };
    for observation in batch {
        let observation = observation.as_spelt_by(identities.policy());
        let Decided { outcome, belonging } = decide_one(&draft, &observation);
        let event = outcome.map(|outcome| {
            event_of(draft.head(), &observation, outcome, observation.own_time().unwrap_or(clock))
        });
        let sequence = event.as_ref().map(|event| event.sequence);
        if let Some(event) = event {
            draft.follow(&event);
            plan.events.push(event);
        }
        plan.answers.push(belonging.answer(&draft, sequence, shown_max));
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
pub fn recognise<I: Identities + ?Sized>(identities: &I, batch: &[Observation]) -> Option<Vec<Answer>> {
    recognise_showing(identities, batch, usize::MAX)
}

/// [`recognise`], where answers show no customer of more contacts than `shown_max`, as [`decide_showing`] does.
pub fn recognise_showing<I: Identities + ?Sized>(
    identities: &I,
    batch: &[Observation],
    shown_max: usize,
) -> Option<Vec<Answer>> {
    let decide_one =
        |observation: &Observation| decide_one(identities, &observation.as_spelt_by(identities.policy()));
    let unchanged = |observation| match decide_one(observation) {
        Decided { outcome: None, belonging } => Some(belonging),
        Decided { outcome: Some(_), .. } => None,
    };
    // Views are large, and all for nothing if the last of the batch is new.
    let belongings = batch.iter().map(unchanged).collect::<Option<Vec<Belonging>>>()?;
    Some(belongings.into_iter().map(|belonging| belonging.answer(identities, None, shown_max)).collect())
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
        let observation = observation.as_spelt_by(identities.policy());
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

/// What was decided of one observation.
pub(crate) struct Decided {
    /// What it changes, if anything.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) belonging: Belonging,
}

/// Whom an observation belongs to, in few bytes: nearly all that come have no more to tell.
pub(crate) struct Belonging {
    /// The primary of the identity; `None` if nothing of it links.
    pub(crate) primary: Option<ContactId>,
    refused: Option<Box<Refusal>>,
}

/// A rule that an observation broke, and the event that recorded that before, if one did.
struct Refusal {
    rule: Rule,
    recorded: Option<Sequence>,
}

impl Belonging {
    fn to(primary: ContactId) -> Self {
        Self { primary: Some(primary), refused: None }
    }

    /// The answer, `event` being what the observation caused.
    fn answer<I: Identities + ?Sized>(
        self,
        identities: &I,
        event: Option<Sequence>,
        shown_max: usize,
    ) -> Answer {
        let (shown, larger) = match self.primary {
            Some(primary) if shown_max < usize::MAX && identities.is_larger(primary, shown_max) => {
                (None, Some(primary))
            }
            primary => (primary, None),
        };
        let identity = shown.map(|primary| IdentityView::of(identities, primary));
        let (event, refused) = match self.refused.map(|refusal| *refusal) {
            None => (event, None),
            Some(Refusal { rule, recorded }) => (event.or(recorded), Some(rule)),
        };
        Answer { identity, larger, event, refused }
    }
}

/// What one observation changes, if anything, and whom it belongs to.
pub(crate) fn decide_one<I: Identities + ?Sized>(identities: &I, observation: &Observation) -> Decided {
    if let Some(policy) = identities.policy() {
        return decide_judged(identities, policy, observation);
    }
    let (mut touched, mut owns) = (Vec::new(), Vec::new());
    for identifier in observation.identifiers() {
        match identities.owner(identifier) {
            Some(primary) if touched.contains(&primary) => {}
            Some(primary) => touched.push(primary),
            None => owns.push(identifier.kind().clone()),
        }
    }
    if any_kept_apart(identities, &touched) {
        return decide_judged(identities, &Policy::default(), observation);
    }
    let (outcome, primary) =
        outcome_of(identities.head(), touched, owns, |primary| identities.created_at(primary));
    Decided { outcome, belonging: Belonging::to(primary) }
}

/// [`decide_one`] where a rule could keep the observation from something.
fn decide_judged<I: Identities + ?Sized>(
    identities: &I,
    policy: &Policy,
    observation: &Observation,
) -> Decided {
    let evidence = observation.seen();
    let Some(Verdict { touched, owns, row, refused }) = judge(identities, policy, evidence) else {
        return Decided { outcome: None, belonging: Belonging { primary: None, refused: None } };
    };
    let ContactId(last) = identities.head().last_contact;
    let contact = row.then_some(NewContact { id: ContactId(last + 1), owns });
    let Some((home, former_primaries)) = touched.split_first() else {
        let contact = contact.expect("an observation that touches nobody brings something new");
        let belonging = Belonging::to(contact.id);
        return Decided { outcome: Some(Outcome::Created { contact }), belonging };
    };
    let (home, former_primaries) = (*home, former_primaries.to_vec());
    let mut recorded = None;
    let outcome = match &refused {
        Some((rule, concerned)) => {
            let mut known = concerned.clone();
            known.sort_unstable();
            let before = identities.refusals(evidence);
            recorded = before.iter().find(|one| one.identities == known).map(|one| one.sequence);
            match recorded {
                Some(_) => plain(home, former_primaries, contact),
                None => {
                    let (rule, identities) = (rule.clone(), concerned.clone());
                    Some(Outcome::Refused { rule, identities, home, former_primaries, contact })
                }
            }
        }
        None => plain(home, former_primaries, contact),
    };
    let refused = refused.map(|(rule, _)| Box::new(Refusal { rule, recorded }));
    Decided { outcome, belonging: Belonging { primary: Some(home), refused } }
}

/// The outcome of an observation that no rule refuses, or whose refusal is recorded already.
fn plain(home: ContactId, former: Vec<ContactId>, contact: Option<NewContact>) -> Option<Outcome> {
    match (former.is_empty(), contact) {
        (true, contact) => contact.map(|contact| Outcome::Attached { primary: home, contact }),
        (false, contact) => Some(Outcome::Merged { survivor: home, former_primaries: former, contact }),
    }
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
    let outcome = plain(survivor, touched, news);
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
        origin: observation.origin().cloned(),
        outcome,
    }
}
