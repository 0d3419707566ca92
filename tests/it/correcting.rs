//! Observations under policies, and people's corrections, on both stores: each answers as the bare rules on the whole log, and
//! the tables are what the log adds up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use selfsame_rules::{
    Actor, Asked, ContactId, Correcting, Event, Head, Identities, Judgement, Moment, Observation, Outcome,
    Policy, PolicyDocument, Register, RegisterRow, Sequence, Spelling, Spelt, Timestamp, as_of, decide,
    delete, govern, join, refold, review, split, undo, why,
};
use selfsame_rules::{Identifier, IdentifierKind};
use selfsame_service::check::check;
use selfsame_service::{CorrectError, Engine, EngineSettings, Order};
use selfsame_store::{Recall, Record, Scan, Store, WorkspaceKey};
use support::backend::scan;
use support::clock::ManualClock;
use support::corrections::british;
use support::databases::{Database, Databases};
use support::random::Random;
use support::size::{Size, proved};

const DEFAULT: WorkspaceKey = WorkspaceKey::DEFAULT;

/// A store, and the whole log of it in memory.
struct Played {
    database: Database,
    store: Arc<dyn Store>,
    engine: Engine,
    clock: Arc<ManualClock>,
    log: Vec<Event>,
    register: Register,
    /// How many corrections of each kind were made.
    made: BTreeMap<&'static str, u64>,
}

impl Played {
    async fn on(databases: &Databases) -> Self {
        let database = databases.empty().await;
        let (store, clock) = (database.open().await, ManualClock::new());
        let engine = engine(&store, &clock);
        let (register, made) = (Register::new(Head::EMPTY), BTreeMap::new());
        Self { database, store, engine, clock, log: Vec::new(), register, made }
    }

    fn asked(&self, at: i64) -> Asked {
        Asked { by: Actor::named("test"), reason: None, clock: Timestamp::from_milliseconds(at) }
    }

    fn take(&mut self, event: Event) {
        *self.made.entry(event.kind()).or_default() += 1;
        self.register.follow(&event).expect("it follows from the log");
        self.log.push(event);
    }

    async fn observe(&mut self, seen: Observation, at: i64) {
        self.clock.set(at);
        let one = std::slice::from_ref(&seen);
        let plan = decide(&self.register, one, Timestamp::from_milliseconds(at));
        let answer = self.engine.identify(seen).await.expect("the store works");
        assert_eq!(answer, plan.answers[0]);
        plan.events.into_iter().for_each(|event| self.take(event));
    }

    /// Orders a correction; it is what the rules make of the whole log.
    async fn order(&mut self, order: Order, at: i64) {
        self.clock.set(at);
        let (register, log, asked) = (&self.register, &self.log, self.asked(at));
        let wanted = match &order {
            Order::Split(of, contacts) => split(register, *of, contacts, &asked),
            Order::Undo(event) => undo(register, log, *event, &asked),
            Order::Join(contacts) => join(register, contacts, &asked),
            Order::Review(number, judgement) => review(register, *number, *judgement, &asked),
            Order::Delete(contact) => delete(register, *contact, &asked),
            Order::Refold(policy, international) => {
                refold(register, log, policy.clone(), *international, &asked).map(|done| done.event)
            }
            Order::Govern(policy) => {
                let Ok(event) = govern(register, policy.clone(), &asked) else {
                    let refused = self.engine.correct(order, asked.by, None, false).await;
                    let spelt = matches!(refused, Err(CorrectError::Refused(Correcting::SpeltOtherwise)));
                    return assert!(spelt, "{refused:?}");
                };
                let ordered = self.engine.correct(order, asked.by, None, false).await.expect("it may hold");
                assert_eq!(ordered.event, event);
                return event.into_iter().for_each(|event| self.take(event));
            }
            Order::Observe(seen) => unreachable!("{seen:?} is observed with the others"),
            Order::Erase(_) => return self.erase(order).await,
        };
        let by = || Actor::named("test");
        let dry = self.engine.correct(order.clone(), by(), None, true).await;
        let done = self.engine.correct(order.clone(), by(), None, false).await;
        match (wanted, dry, done) {
            (Ok(wanted), Ok(dry), Ok(done)) => {
                assert_eq!(
                    (dry.event.as_ref(), done.event.as_ref()),
                    (Some(&wanted), Some(&wanted)),
                    "{order:?}"
                );
                self.take(wanted);
            }
            (Err(wanted), Err(CorrectError::Refused(dry)), Err(CorrectError::Refused(done))) => {
                assert_eq!((&dry, &done), (&wanted, &wanted), "{order:?}");
            }
            other => panic!("{order:?}: {other:?}"),
        }
    }

    /// Tokens are random, so the log is read again; the rest is as the rules have it.
    async fn erase(&mut self, order: Order) {
        let Order::Erase(contact) = order else { panic!("it erases") };
        let primary = self.register.contact(contact).map(selfsame_rules::Contact::primary);
        let everybody = primary.map(|primary| {
            let followers = self.register.everybody(primary).into_iter();
            followers.chain([primary]).collect::<BTreeSet<ContactId>>()
        });
        let is_erased = |id: &ContactId| {
            self.register
                .contact(*id)
                .is_some_and(|row| row.deleted_at.is_some() && row.identifiers.is_empty())
        };
        let Some(everybody) = everybody.filter(|everybody| !everybody.iter().all(is_erased)) else {
            let refused = self.engine.correct(order, Actor::named("test"), None, false).await;
            assert!(matches!(refused, Err(CorrectError::Refused(_))), "{refused:?}");
            return;
        };
        let everybody: Vec<ContactId> = everybody.into_iter().collect();
        let values: Vec<Identifier> = everybody
            .iter()
            .filter_map(|id| self.register.contact(*id))
            .flat_map(|row| row.identifiers.clone())
            .collect();
        let erased = self.engine.correct(order, Actor::named("test"), None, false).await.expect("a person");
        let receipt = erased.receipt.expect("an erasure has one");
        assert_eq!(receipt.contacts, everybody);
        let (log, _) = tables(&*self.store).await;
        for value in values.iter().filter(|value| !value.is_erased()) {
            let kept = self.register.rows().any(|row| {
                let other = row.contact.deleted_at.is_none() && !everybody.contains(&row.contact.id);
                other && row.contact.identifiers.contains(value)
            });
            // By its present spelling: that of somebody else may once have been the same.
            let spelt = Spelt::of(&log);
            let stands = log.iter().find(|event| {
                let evidence = &spelt.event(event).into_owned().evidence;
                evidence.iter().any(|seen| seen.identifier() == value)
            });
            let stands = stands.map(|event| event.sequence);
            assert!(kept || stands.is_none(), "{value:?} stands in event {stands:?} of the log");
        }
        // Every spelling that their contacts ever had is gone.
        let theirs = |contact: &ContactId| everybody.contains(contact);
        for event in &log {
            let made = event.made().filter(|(contact, _)| theirs(contact)).flat_map(|(_, evidence)| evidence);
            assert!(made.into_iter().all(|seen| seen.identifier().is_erased()), "event {}", event.sequence);
            let Outcome::Refolded { respelt, .. } = &event.outcome else { continue };
            let respelt = respelt.iter().filter(|one| one.contact.as_ref().is_some_and(theirs));
            let mut respelt = respelt.flat_map(|one| &one.identifiers);
            assert!(respelt.all(Identifier::is_erased), "event {} spells one of theirs", event.sequence);
        }
        self.register = Register::fold(&log).expect("the log folds");
        self.log = log;
        *self.made.entry("erased").or_default() += 1;
    }

    /// The tables are what the log adds up to, and so is what is asked of the past.
    async fn agrees(&self, random: &mut Random) {
        let (log, rows) = tables(&*self.store).await;
        assert_eq!(log, self.log);
        let wanted: Vec<RegisterRow> = self.register.rows().collect();
        // Printed with the values, which a row's own text leaves out.
        let values = |row: &RegisterRow| {
            let borne = row.contact.identifiers.iter();
            borne.map(|one| format!("{} {}", one.kind().name(), one.value())).collect::<Vec<_>>()
        };
        for (row, wanted) in rows.iter().zip(&wanted) {
            assert_eq!((row, values(row)), (wanted, values(wanted)));
        }
        assert_eq!(rows.len(), wanted.len());
        let report = check(&*self.store, DEFAULT).await.expect("it can be read");
        assert_eq!(report.faults, Vec::<String>::new());
        let Some(last) = self.register.rows().last().map(|row| row.contact.id.0) else { return };
        for _ in 0..3 {
            let [one, other] = [0; 2].map(|_| ContactId(1 + below(random, last)));
            let recalled =
                self.store.recall(DEFAULT, Recall::History(vec![one, other])).await.expect("it can be read");
            let wanted = why(&self.register, &self.log, one, other).expect("the log folds");
            assert_eq!(
                why(&recalled.register, &recalled.events, one, other).expect("so does its part"),
                wanted
            );
            let then =
                Moment::Sequence(Sequence(1 + below(random, i64::try_from(self.log.len()).expect("few"))));
            let [whole, part] = [(&self.register, &self.log), (&recalled.register, &recalled.events)]
                .map(|(now, log)| as_of(now, log, then).expect("it folds").resolve(one));
            assert_eq!(part, whole, "{one} at {then:?}");
            for other in self.register.primaries() {
                let (Some(one), true) =
                    (self.register.resolve(one), recalled.register.contact(other).is_some())
                else {
                    continue;
                };
                if one != other {
                    assert_eq!(
                        recalled.register.kept_apart(one, other),
                        self.register.kept_apart(one, other)
                    );
                }
            }
        }
    }
}

fn engine(store: &Arc<dyn Store>, clock: &Arc<ManualClock>) -> Engine {
    let clock = Arc::<ManualClock>::clone(clock);
    Engine::start(Arc::clone(store), clock, DEFAULT, EngineSettings::default())
}

fn below(random: &mut Random, bound: i64) -> i64 {
    i64::try_from(random.below(bound.unsigned_abs())).expect("it is small")
}

/// The log, and the contacts with what they own.
async fn tables(store: &dyn Store) -> (Vec<Event>, Vec<RegisterRow>) {
    let (mut log, mut rows, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for record in scan(store, Scan::Everything).await {
        match record {
            Record::Event(event) => log.push(event),
            Record::Contact(contact) => rows.push(RegisterRow { contact, owns: Vec::new() }),
            Record::Owner(identifier, contact) => owners.push((identifier, contact)),
            Record::Finder(_) => {}
            Record::UnreadableEvent(sequence, why) => panic!("event {sequence}: {why}"),
            Record::EventRow(_) | Record::Identity(_) => panic!("a scan of everything has neither"),
        }
    }
    for row in &mut rows {
        let owned = |value: &&Identifier| owners.contains(&((*value).clone(), row.contact.id));
        row.owns = row.contact.identifiers.iter().filter(owned).map(|value| value.kind().clone()).collect();
    }
    (log, rows)
}

/// An observation that was read in that way.
fn seen(random: &mut Random, spelling: &Spelling) -> Observation {
    loop {
        let mut seen = Vec::new();
        for (kind, text) in [("email", "e{}@b.c"), ("phone", "{}"), ("customerId", "c{}")] {
            if random.once_in(if kind == "customerId" { 3 } else { 2 }) {
                let text = text.replace("{}", &random.below(6).to_string());
                let text = match (kind, random.below(3)) {
                    ("email", 0) => text.to_uppercase(),
                    ("phone", 0) => format!("0{text}"),
                    ("phone", 1) => format!("+44 {text}"),
                    _ => text,
                };
                let kind = IdentifierKind::from_name(kind).expect("it is one");
                let one = spelling.parse(&kind, &text).expect("it is valid").expect("it is not blank");
                seen.push(if random.once_in(2) { one.verified() } else { one });
            }
        }
        if !seen.is_empty() {
            let seen = Observation::new(Actor::named("test"), seen).expect("one of each kind");
            return seen.read_by(spelling.clone());
        }
    }
}

/// The same policy with a random spelling.
fn spelt(policy: &Policy, random: &mut Random) -> Policy {
    let exact_email = random.once_in(2);
    let default_region = random.once_in(2).then(|| "GB".to_owned());
    let document = PolicyDocument { exact_email, default_region, ..policy.document() };
    Policy::read(&document).expect("it is one")
}

fn policy(random: &mut Random) -> Policy {
    let mut document = PolicyDocument { kinds: vec!["customerId".to_owned()], ..PolicyDocument::default() };
    if random.once_in(3) {
        document.blocked =
            vec![("email".to_owned(), "e0@*".to_owned()), ("phone".to_owned(), "1".to_owned())];
    }
    if random.once_in(3) {
        document.contacts_max = Some(2 + u32::try_from(random.below(4)).expect("it is small"));
    }
    if random.once_in(3) {
        document.identifiers_max = vec![("email".to_owned(), 2)];
    }
    if random.once_in(2) {
        document.unique = vec!["customerId".to_owned()];
    }
    if random.once_in(3) {
        document.claims = vec!["phone".to_owned()];
    }
    Policy::read(&document).expect("it is one")
}

/// A random order about what is there.
fn order(random: &mut Random, played: &Played) -> Order {
    let last_contact = played.register.head().last_contact.0.max(1);
    let last_event = i64::try_from(played.log.len()).expect("few").max(1);
    let mut contact = || ContactId(1 + below(random, last_contact));
    let (one, other) = (contact(), contact());
    match random.below(9) {
        0 => Order::Split(one, vec![one]),
        1 => Order::Split(one, vec![one, other]),
        2 | 3 => Order::Undo(Sequence(1 + below(random, last_event))),
        4 => Order::Join(vec![one, other]),
        5 => {
            let number = played.register.open_reviews().next().unwrap_or(Sequence(1));
            let judgement = if random.once_in(2) { Judgement::Merge } else { Judgement::KeepApart };
            Order::Review(number, judgement)
        }
        6 => Order::Delete(one),
        7 => Order::Erase(one),
        _ if random.once_in(2) => {
            let now = played.register.policy().cloned().unwrap_or_default().document();
            let (exact_email, default_region) = (now.exact_email, now.default_region);
            let document = PolicyDocument { exact_email, default_region, ..policy(random).document() };
            let alike = Policy::read(&document).expect("it is one");
            Order::Govern(if random.once_in(4) { spelt(&alike, random) } else { alike })
        }
        _ => Order::Refold(spelt(&policy(random), random), british),
    }
}

async fn play(databases: &Databases, random: &mut Random, steps: i64) -> BTreeMap<&'static str, u64> {
    let mut played = Played::on(databases).await;
    for at in 0..steps {
        if played.log.len() > 3 && random.once_in(4) {
            let order = order(random, &played);
            played.order(order, at).await;
        } else {
            // Now and then somebody has read it before the policy changed.
            let policy = played.register.policy().cloned().unwrap_or_default();
            let policy = if random.once_in(6) { spelt(&policy, random) } else { policy };
            played.observe(seen(random, &policy.spelling(british)), at).await;
        }
        if random.once_in(12) {
            played.agrees(random).await;
        }
        if random.once_in(25) {
            played.store.close().await.expect("it closes");
            played.store = played.database.open().await;
            played.engine = engine(&played.store, &played.clock);
        }
    }
    played.agrees(random).await;
    played.store.close().await.expect("it closes");
    played.made
}

async fn play_all(databases: Databases, histories: u64, steps: i64) {
    let mut random = Random::of_this_run();
    let mut made: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..histories {
        for (kind, count) in play(&databases, &mut random.fork(), steps).await {
            *made.entry(kind).or_default() += count;
        }
    }
    let wanted = [
        "refused",
        "undone",
        "split",
        "joined",
        "reviewed",
        "deleted",
        "erased",
        "policyChanged",
        "refolded",
    ];
    assert!(wanted.iter().all(|kind| made.contains_key(kind)), "{made:?}");
    proved(&format!("{databases}: {histories} histories of {steps} observations and corrections: {made:?}"));
}

#[tokio::test]
async fn corrections_on_sqlite_are_what_the_rules_make_of_the_whole_log() {
    play_all(Databases::Sqlite, Size::of_this_run().pick(20, 500), 120).await;
}

#[tokio::test]
async fn corrections_on_postgresql_are_what_the_rules_make_of_the_whole_log() {
    play_all(Databases::postgres(), Size::of_this_run().pick(12, 300), 120).await;
}
