//! What a correction, a decision under a policy, or a question about the past looks at: asked of a store step by step, so
//! that the steps are told once and each store answers a question with a statement.

mod decisions;
mod values;

use std::collections::{BTreeMap, BTreeSet};

pub use decisions::Decisions;
use selfsame_rules::{
    ContactId, Event, Head, Identifier, Observation, Policy, Register, RegisterRow, SeenIdentifier, Sequence,
};

use crate::{EvidenceDigest, StoreError};

/// What is to be looked at. Identities come whole, deleted contacts too, and with all that they are kept apart from.
#[derive(Clone, Debug)]
pub enum Recall {
    /// The identities that these observations touch, and the refusals that were recorded of the same evidence.
    Observations(Vec<Observation>),
    /// The identities of these contacts.
    Identities(Vec<ContactId>),
    /// The identities of these contacts, and of every contact that was ever of one of them, with their events.
    History(Vec<ContactId>),
    /// The history of the contacts that an event made or concerns.
    OfEvent(Sequence),
    /// An entry of the review queue, and the identities that it concerns.
    Review(Sequence),
    /// A person's history, and whatever else has a value of theirs.
    Person(ContactId),
    /// The history of everybody who was ever seen with this identifier.
    SeenWith(Identifier),
    /// Nobody, but events in the order of the log: so many at most, after that one.
    Log(Sequence, usize),
    /// Entries of the review queue that wait, oldest first: so many at most, after that one; and whom they concern.
    OpenReviews(Sequence, usize),
    /// The whole workspace and its log.
    Workspace,
}

/// One step: what a store reads with one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which contacts own these identifiers.
    Owners(Vec<Identifier>),
    /// The rows of these contacts.
    Contacts(Vec<ContactId>),
    /// The rows of these primaries, and of all contacts that link to them.
    Identities(Vec<ContactId>),
    /// The events that made one of these contacts, or concern one ([`crate::Changes::concerned`]).
    EventsOf(Vec<ContactId>),
    /// These events.
    Events(Vec<Sequence>),
    /// The events after which another policy holds.
    Governing,
    /// The corrections that keep one of these contacts apart from others, or lift that.
    PairsOf(Vec<ContactId>),
    /// The refusals that were recorded of these pieces of evidence.
    Refusals(Vec<EvidenceDigest>),
    /// The refusal of that number, if it is one.
    Review(Sequence),
    /// The live contacts that bear one of these identifiers, whoever owns it.
    Bearers(Vec<Identifier>),
    /// The events whose evidence has one of these identifiers.
    EventsWith(Vec<Identifier>),
    /// So many events at most, in the order of the log, after that one.
    LogAfter(Sequence, usize),
    /// So many refusals at most that nobody has reviewed, in the order of the log, after that one.
    OpenRefusals(Sequence, usize),
    /// All events, from the first.
    Log,
}

/// What a store found. What a question doesn't ask for is left empty.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Contacts, each with what it owns.
    pub rows: Vec<RegisterRow>,
    /// Events, in any order.
    pub events: Vec<Event>,
    /// The contacts that own identifiers.
    pub owners: Vec<ContactId>,
    /// Those of the refusals that were reviewed.
    pub settled: Vec<Sequence>,
    /// By which of the pieces of evidence asked for each refusal was found.
    pub refused: Vec<(Sequence, EvidenceDigest)>,
}

/// What was looked at, from one snapshot.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The identities, what they are kept apart from, the refusals, and the policy.
    pub register: Register,
    /// Events in the order of the log: those that were asked for, and those that govern; of a review, the refusal.
    pub events: Vec<Event>,
    /// Live contacts of others that bear a value of the person's.
    pub bearers: Vec<(Identifier, ContactId)>,
}

/// Where the looking stands.
///
/// ```
/// use selfsame_rules::{ContactId, Head, Policy};
/// use selfsame_store::{Question, Recall, Recalling, Reply};
///
/// let mut recalling = Recalling::new(Recall::Identities(vec![ContactId(3)]), None);
/// assert_eq!(recalling.next(), Some(Question::Contacts(vec![ContactId(3)])));
/// recalling.answer(Reply::default());
/// assert_eq!(recalling.next(), None, "there is no such contact, so there is nothing else to ask");
/// let recalled = recalling.end(Head::EMPTY, None).unwrap();
/// assert_eq!(recalled.register.rows().count(), 0);
/// ```
#[derive(Debug)]
pub struct Recalling {
    /// Questions that need nothing before them.
    first: Vec<Question>,
    with_history: bool,
    of_person: Option<ContactId>,
    /// Whether values that contacts bear and none of them owns may come to one: who else owns them is to be known.
    of_ownership: bool,
    whole_log: bool,
    stage: Stage,
    asked: Option<Question>,
    /// Contacts whose rows, primaries whose identities, contacts whose events are yet to be asked for.
    contacts_wanted: BTreeSet<ContactId>,
    identities_wanted: BTreeSet<ContactId>,
    events_wanted: BTreeSet<ContactId>,
    /// Those that were asked for, whether they were there or not.
    contacts_asked: BTreeSet<ContactId>,
    identities_asked: BTreeSet<ContactId>,
    events_asked: BTreeSet<ContactId>,
    rows: BTreeMap<ContactId, RegisterRow>,
    events: BTreeMap<Sequence, Event>,
    decisions: Decisions,
    bearers: Vec<(Identifier, ContactId)>,
    /// What observations bring, by what stands for it.
    brought: BTreeMap<EvidenceDigest, Vec<SeenIdentifier>>,
}

/// What is asked once identities and their events are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Identities,
    Owners,
    Pairs,
    Bearers,
    Respelt,
    Values,
    Done,
}

impl Recalling {
    /// Begins, in a workspace where that policy holds (none: the default one): as it spells values, observations are looked for.
    pub fn new(recall: Recall, policy: Option<&Policy>) -> Self {
        let mut recalling = Self {
            first: Vec::new(),
            with_history: false,
            of_person: None,
            of_ownership: false,
            whole_log: false,
            stage: Stage::Identities,
            asked: None,
            contacts_wanted: BTreeSet::new(),
            identities_wanted: BTreeSet::new(),
            events_wanted: BTreeSet::new(),
            contacts_asked: BTreeSet::new(),
            identities_asked: BTreeSet::new(),
            events_asked: BTreeSet::new(),
            rows: BTreeMap::new(),
            events: BTreeMap::new(),
            decisions: Decisions::default(),
            bearers: Vec::new(),
            brought: BTreeMap::new(),
        };
        recalling.begin(recall, policy);
        recalling
    }

    fn begin(&mut self, recall: Recall, policy: Option<&Policy>) {
        match recall {
            Recall::Observations(observations) => {
                let observations: Vec<_> = observations.iter().map(|seen| seen.as_spelt_by(policy)).collect();
                let identifiers = observations.iter().flat_map(|seen| seen.identifiers()).cloned().collect();
                let brought = observations.iter().map(|seen| seen.seen().to_vec());
                self.brought = brought.map(|seen| (EvidenceDigest::of(&seen), seen)).collect();
                let evidence = self.brought.keys().cloned().collect();
                self.first = vec![Question::Refusals(evidence), Question::Owners(identifiers)];
            }
            Recall::Identities(contacts) => self.want(contacts),
            Recall::History(contacts) => {
                self.want(contacts);
                self.remember();
            }
            Recall::OfEvent(sequence) => {
                self.first = vec![Question::Events(vec![sequence])];
                self.of_ownership = true;
                self.remember();
            }
            Recall::Review(sequence) => self.first = vec![Question::Review(sequence)],
            Recall::Person(contact) => {
                self.want([contact]);
                self.of_person = Some(contact);
                self.remember();
            }
            Recall::SeenWith(identifier) => {
                self.first = vec![Question::EventsWith(vec![identifier])];
                self.remember();
            }
            Recall::Log(after, most) => {
                self.first = vec![Question::LogAfter(after, most)];
                self.stage = Stage::Done;
            }
            Recall::OpenReviews(after, most) => {
                self.first = vec![Question::OpenRefusals(after, most)];
            }
            Recall::Workspace => {
                self.first = vec![Question::Log];
                self.whole_log = true;
                self.stage = Stage::Done;
            }
        }
    }

    fn remember(&mut self) {
        self.with_history = true;
        self.first.push(Question::Governing);
    }

    /// The next question; `None` when all is known. Each is to be answered before the next.
    #[expect(clippy::should_implement_trait, reason = "a question needs its answer before the next one")]
    pub fn next(&mut self) -> Option<Question> {
        self.asked = self.step();
        self.asked.clone()
    }

    fn step(&mut self) -> Option<Question> {
        if let Some(first) = self.first.pop() {
            return Some(first);
        }
        for (wanted, question) in [
            (&mut self.contacts_wanted, Question::Contacts as fn(Vec<ContactId>) -> Question),
            (&mut self.identities_wanted, Question::Identities),
            (&mut self.events_wanted, Question::EventsOf),
        ] {
            if !wanted.is_empty() {
                return Some(question(std::mem::take(wanted).into_iter().collect()));
            }
        }
        if self.stage == Stage::Identities && self.of_ownership {
            self.stage = Stage::Owners;
            let left = self.values_left();
            if !left.is_empty() {
                return Some(Question::Owners(left));
            }
        }
        let (question, next) = match self.stage {
            Stage::Identities | Stage::Owners => {
                (Question::PairsOf(self.rows.keys().copied().collect()), Stage::Pairs)
            }
            Stage::Pairs => (Question::Bearers(self.values_of_person()), Stage::Bearers),
            Stage::Bearers => (Question::Events(self.respelt_of_person()), Stage::Respelt),
            Stage::Respelt => (Question::EventsWith(self.values_of_person()), Stage::Values),
            Stage::Values | Stage::Done => return None,
        };
        self.stage = next;
        let is_of_person = matches!(next, Stage::Bearers | Stage::Respelt | Stage::Values);
        if self.rows.is_empty() || (is_of_person && self.of_person.is_none()) {
            self.stage = Stage::Done;
            return None;
        }
        if question == Question::Events(Vec::new()) { self.step() } else { Some(question) }
    }

    /// Takes the answer to the question that was asked last.
    pub fn answer(&mut self, reply: Reply) {
        let Some(asked) = self.asked.take() else { return };
        self.decisions.settled.extend(reply.settled);
        if self.stage == Stage::Owners && !reply.owners.is_empty() {
            // As they are now: their past decides nothing here.
            self.with_history = false;
        }
        self.want(reply.owners);
        match asked {
            Question::PairsOf(_) => self.decisions.pairs.extend(by_sequence(reply.events)),
            Question::Refusals(_) | Question::Review(_) | Question::OpenRefusals(..) => {
                for event in &reply.events {
                    self.want(event.contacts());
                }
                if !matches!(asked, Question::Refusals(_)) {
                    self.events.extend(by_sequence(reply.events.clone()));
                }
                self.decisions.refusals.extend(by_sequence(reply.events));
                for (refusal, digest) in reply.refused {
                    let brought = self.brought.get(&digest).cloned();
                    self.decisions.spelt.extend(brought.map(|evidence| (refusal, evidence)));
                }
            }
            Question::Bearers(values) => self.take_bearers(&values, &reply.rows),
            Question::EventsWith(values) if self.of_person.is_none() => {
                self.begin_history(reply.events);
                let values: BTreeSet<Identifier> = values.into_iter().collect();
                let respelt = self.respelt(&values);
                if !respelt.is_empty() {
                    self.first.push(Question::Events(respelt));
                }
            }
            Question::Events(_) if self.of_person.is_none() => self.begin_history(reply.events),
            Question::EventsWith(_) | Question::Events(_) => {
                self.events.extend(by_sequence(reply.events));
                // What these and refolds made bears a value, too, whoever it is.
                let made = self.made_of_person();
                self.with_history = false;
                self.want(made);
            }
            Question::Governing | Question::Log | Question::LogAfter(..) => {
                self.events.extend(by_sequence(reply.events));
            }
            Question::EventsOf(_) => self.take_history(reply.events),
            Question::Contacts(_) | Question::Identities(_) | Question::Owners(_) => {
                self.take_rows(reply.rows);
            }
        }
    }

    /// Events whose contacts a history is about.
    fn begin_history(&mut self, events: Vec<Event>) {
        for event in events.iter().filter(|event| !event.governs()) {
            self.want(event.contacts());
        }
        self.events.extend(by_sequence(events));
    }

    /// Events of contacts that a history is about: whom they concern together with those belongs to it.
    fn take_history(&mut self, events: Vec<Event>) {
        for group in events.iter().flat_map(Event::groups) {
            if group.iter().any(|contact| self.contacts_asked.contains(contact)) {
                self.want(group);
            }
        }
        self.events.extend(by_sequence(events));
    }

    fn take_rows(&mut self, rows: Vec<RegisterRow>) {
        for row in rows {
            let (id, primary) = (row.contact.id, row.contact.primary());
            self.contacts_asked.insert(id);
            if self.identities_asked.insert(primary) {
                self.identities_wanted.insert(primary);
            }
            if self.with_history && self.events_asked.insert(id) {
                self.events_wanted.insert(id);
            }
            self.rows.insert(id, row);
        }
    }

    fn want(&mut self, contacts: impl IntoIterator<Item = ContactId>) {
        for contact in contacts {
            if self.contacts_asked.insert(contact) {
                self.contacts_wanted.insert(contact);
            }
        }
    }

    /// Ends the looking, where the log stands at `head` and that policy holds.
    ///
    /// # Errors
    ///
    /// [`StoreError::Incoherent`] if the rows or events can't be.
    pub fn end(self, head: Head, policy: Option<&Policy>) -> Result<Recalled, StoreError> {
        if self.whole_log {
            let register = Register::fold(self.events.values())?;
            return Ok(Recalled {
                register,
                events: self.events.into_values().collect(),
                bearers: Vec::new(),
            });
        }
        let mut register = Register::load(head, self.rows.into_values())?;
        self.decisions.tell(policy, &mut register)?;
        Ok(Recalled { register, events: self.events.into_values().collect(), bearers: self.bearers })
    }
}

fn by_sequence(events: Vec<Event>) -> impl Iterator<Item = (Sequence, Event)> {
    events.into_iter().map(|event| (event.sequence, event))
}
