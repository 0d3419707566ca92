//! Refolds under policies that spell values otherwise than they were spelt before, against the model, and everything that
//! people do after them.

use std::collections::BTreeSet;

use crate::corrections::{reloaded, sound};
use crate::erase::{borne_by_others, erase_in, rewritten};
use crate::model::{Model, ModelPolicy, Seen};
use crate::random::Random;
use crate::refold::{owned, owned_in_model};
use crate::world::{World, asked, contact, policy};
use selfsame_rules::{
    Actor, ContactId, Correcting, Event, Identifier, IdentifierKind, Identities, International, Judgement,
    Moment, Observation, Outcome, Policy, PolicyDocument, Register, SeenIdentifier, Sequence, Spelling,
    Spelt, Timestamp, as_of, decide, delete, join, recognise, refold, review, scope, split, undo,
};

/// Numbers as they are dialled in the only country of these tests.
const BRITISH: International = |_, digits| match digits.strip_prefix('+') {
    Some(_) => Some(digits.to_owned()),
    None => Some(format!("+44{}", digits.strip_prefix('0')?)),
};

/// The same policy with another spelling.
fn spelt(policy: &Policy, exact_email: bool, british: bool) -> Policy {
    let default_region = british.then(|| "GB".to_owned());
    Policy::read(&PolicyDocument { exact_email, default_region, ..policy.document() }).unwrap()
}

fn spelling_of(register: &Register) -> Spelling {
    register.policy().map_or_else(Spelling::default, |policy| policy.spelling(BRITISH))
}

fn observation(spelling: &Spelling, seen: &[Seen]) -> Observation {
    let read = |(kind, text, verified): &Seen| {
        let kind = IdentifierKind::from_name(kind).unwrap();
        let seen = spelling.parse(&kind, text).unwrap().unwrap();
        if *verified { seen.verified() } else { seen }
    };
    let seen = Observation::new(Actor::named("test"), seen.iter().map(read)).unwrap();
    seen.read_by(spelling.clone())
}

/// An observation in one of the ways in which people write: each value has several spellings.
fn sent(random: &mut Random, variety: usize) -> Vec<Seen> {
    let mut sent = random.seen(variety);
    for (kind, text, _) in &mut sent {
        *text = match (*kind, random.below(3)) {
            ("email", 0) => text.to_uppercase(),
            ("phone", 0) => format!("0{text}"),
            ("phone", 1) => format!("+44 {text}"),
            _ => text.clone(),
        };
    }
    sent
}

fn name(kind: &IdentifierKind) -> &'static str {
    ["email", "phone", "customerId"].into_iter().find(|name| *name == kind.name()).unwrap()
}

/// What an event saw, read by that spelling.
fn read_in(event: &Event, spelling: &Spelling) -> Vec<Seen> {
    let read = event.evidence.iter().map(|seen| spelling.read_again(seen));
    read.map(|seen| {
        (name(seen.identifier().kind()), seen.identifier().value().to_owned(), seen.is_verified())
    })
    .collect()
}

fn observe(world: &mut World, observation: &Observation, at: i64) {
    let clock = Timestamp::from_milliseconds(at);
    let plan = decide(&world.register, std::slice::from_ref(observation), clock);
    assert_eq!(decide(&world.index, std::slice::from_ref(observation), clock), plan, "the index agrees");
    plan.events.iter().for_each(|event| world.take(event));
    assert!(recognise(&world.index, std::slice::from_ref(observation)).is_some(), "a repeat changes nothing");
}

fn respelt(event: &Event) -> &[selfsame_rules::Respelt] {
    let Outcome::Refolded { respelt, .. } = &event.outcome else { panic!("no refold: {event:?}") };
    respelt
}

const PHONES: [&str; 2] = ["020 7946 0018", "+44 20 7946 0018"];

/// Two customers under the default policy, who are one where numbers are British.
fn two_spellings() -> World {
    let mut world = World::new(ModelPolicy::default());
    for (at, text) in PHONES.into_iter().enumerate() {
        let seen = observation(&Spelling::default(), &[("phone", text.to_owned(), false)]);
        observe(&mut world, &seen, i64::try_from(at).unwrap());
    }
    assert_eq!(world.register.primaries().count(), 2);
    world
}

#[test]
fn two_spellings_of_a_number_become_one_customer_and_two_again() {
    let mut world = two_spellings();
    let british = spelt(&Policy::default(), false, true);
    let there = refold(&world.register, &world.log, british.clone(), BRITISH, &asked(9)).unwrap();
    assert_eq!(respelt(&there.event).iter().map(|one| one.contact).collect::<Vec<_>>(), [Some(contact(1))]);
    world.take(&there.event);
    assert_eq!(world.register.primaries().collect::<Vec<_>>(), [contact(1)]);
    let values: BTreeSet<String> = world
        .register
        .rows()
        .flat_map(|row| row.contact.identifiers)
        .map(|value| value.value().to_owned())
        .collect();
    assert_eq!(values.into_iter().collect::<Vec<_>>(), ["+442079460018"]);
    world.folds().unwrap();
    // Who read it before the refold has read it otherwise, and is decided on as it is spelt now.
    for spelling in [&Policy::default(), &british].map(|policy| policy.spelling(BRITISH)) {
        for text in PHONES {
            let before = world.log.len();
            observe(&mut world, &observation(&spelling, &[("phone", text.to_owned(), false)]), 10);
            assert_eq!(world.log.len(), before, "{text} by {spelling:?}");
        }
    }
    let undone = undo(&world.register, &world.log, there.event.sequence, &asked(11));
    assert_eq!(undone, Err(Correcting::NotUndoable(there.event.sequence)));

    let back = refold(&world.register, &world.log, Policy::default(), BRITISH, &asked(12)).unwrap();
    world.take(&back.event);
    assert_eq!(world.register.primaries().count(), 2);
    world.folds().unwrap();
    reloaded(&world).unwrap();
}

#[test]
fn what_is_spelt_alike_since_an_adoption_is_one_customer() {
    let mut world = two_spellings();
    let adopted = |event: &Event| {
        let contact = event.outcome.contact().unwrap().clone();
        let (linked_to, from) = (None, selfsame_rules::AdoptedFrom::default());
        let (updated_at, deleted_at, observed_at) = (event.at, None, event.at);
        let outcome = Outcome::Adopted { contact, linked_to, updated_at, deleted_at, observed_at, from };
        Event { outcome, ..event.clone() }
    };
    world.log = world.log.iter().map(adopted).collect();
    world.folds().unwrap();
    let british = spelt(&Policy::default(), false, true);
    let refolding = refold(&world.register, &world.log, british, BRITISH, &asked(9)).unwrap();
    world.take(&refolding.event);
    assert_eq!(world.register.primaries().collect::<Vec<_>>(), [contact(1)]);
    world.folds().unwrap();
}

#[test]
fn a_refusal_is_recorded_once_however_its_evidence_is_spelt() {
    let mut world = two_spellings();
    let both = [("email", "a@b.c".to_owned(), false), ("phone", PHONES[0].to_owned(), false)];
    let email = [both[0].clone()];
    let plain = Spelling::default();
    observe(&mut world, &observation(&plain, &email), 3);
    observe(&mut world, &observation(&plain, &both), 4);
    let merged = world.log.last().unwrap().sequence;
    world.take(&undo(&world.register, &world.log, merged, &asked(5)).unwrap());
    observe(&mut world, &observation(&plain, &both), 6);
    assert_eq!(world.log.last().unwrap().kind(), "refused");
    let british = spelt(&Policy::default(), false, true);
    let refolding = refold(&world.register, &world.log, british.clone(), BRITISH, &asked(9)).unwrap();
    world.take(&refolding.event);
    let before = world.log.len();
    for text in PHONES {
        let again = [email[0].clone(), ("phone", text.to_owned(), false)];
        observe(&mut world, &observation(&british.spelling(BRITISH), &again), 10);
        assert_eq!(world.log.len(), before, "{text}");
    }
    let refusal = world.log.iter().find(|event| event.kind() == "refused").unwrap().sequence;
    let evidence = world.register.refused_evidence(refusal).unwrap();
    assert_eq!(evidence[1].identifier().value(), "+442079460018");
    review(&world.register, refusal, Judgement::KeepApart, &asked(11)).unwrap();
}

#[test]
fn a_refold_gives_each_spelling_to_whom_the_model_gives_it() {
    let (mut read, mut joined) = (0, 0);
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let mut world = World::new(ModelPolicy::default());
        for at in 0..20 {
            let seen = observation(&spelling_of(&world.register), &sent(&mut random, 4));
            observe(&mut world, &seen, at);
        }
        for at in 30..33 {
            let mut rules = random.policy();
            // The model makes no rows that only the old policy needed, and these count.
            rules.contacts_max = None;
            let now = spelt(&policy(&rules), random.below(2) == 0, random.below(2) == 0);
            let spelling = now.spelling(BRITISH);
            let mut model = Model { policy: rules, ..Model::default() };
            for event in world.log.iter().filter(|event| !event.evidence.is_empty()) {
                model.observe(&read_in(event, &spelling), event.at.as_milliseconds());
            }
            let refolding = refold(&world.register, &world.log, now.clone(), BRITISH, &asked(at)).unwrap();
            read += respelt(&refolding.event).len();
            let Outcome::Refolded { correction, .. } = &refolding.event.outcome else { unreachable!() };
            joined += correction.moves.len();
            world.take(&refolding.event);
            assert_eq!(owned(&world.register), owned_in_model(&model), "seed {seed}");
            world.folds().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
            reloaded(&world).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
            let again = refold(&world.register, &world.log, now, BRITISH, &asked(at)).unwrap();
            let Outcome::Refolded { contacts, correction, respelt, .. } = &again.event.outcome else {
                unreachable!()
            };
            assert!(
                contacts.is_empty() && correction.moves.is_empty() && respelt.is_empty(),
                "seed {seed}: a refold changes its own outcome"
            );
        }
    }
    assert!(read > 1_000 && joined > 1_000, "{read} {joined}");
}

/// A history with corrections, in which the policy's spelling changes now and then.
fn history(seed: u64) -> World {
    let mut random = Random::new(seed);
    let mut world = World::new(ModelPolicy::default());
    for at in 0..30 {
        let live: Vec<ContactId> =
            world.register.primaries().flat_map(|one| world.register.everybody(one)).collect();
        let some = (!live.is_empty()).then(|| live[random.below(live.len())]);
        let event: Option<Event> = match (random.below(12), some) {
            (0, Some(one)) => split(&world.register, one, &[one], &asked(at)).ok(),
            (1, Some(one)) => join(&world.register, &[one, live[random.below(live.len())]], &asked(at)).ok(),
            (2, Some(one)) => delete(&world.register, one, &asked(at)).ok(),
            (3, Some(_)) => {
                let sequence = Sequence(i64::try_from(1 + random.below(world.log.len())).unwrap());
                let event = undo(&world.register, &world.log, sequence, &asked(at));
                if let Err(Correcting::Incoherent(why)) = &event {
                    panic!("seed {seed}: undo {sequence}: {why}");
                }
                let some = world.log.iter().find(|event| event.sequence == sequence).map(Event::contacts);
                let scoped = scope(&world.log, some.unwrap_or_default());
                let of_part = undo(&world.register, &scoped, sequence, &asked(at));
                assert_eq!(of_part, event, "seed {seed}: undo {sequence} depends on events of others");
                event.ok()
            }
            (4, Some(_)) => {
                let now = spelt(&policy(&random.policy()), random.below(2) == 0, random.below(2) == 0);
                Some(refold(&world.register, &world.log, now, BRITISH, &asked(at)).unwrap().event)
            }
            _ => {
                let spelling = if random.below(5) == 0 {
                    spelt(&Policy::default(), random.below(2) == 0, random.below(2) == 0).spelling(BRITISH)
                } else {
                    spelling_of(&world.register)
                };
                observe(&mut world, &observation(&spelling, &sent(&mut random, 4)), at);
                None
            }
        };
        if let Some(event) = event {
            world.take(&event);
        }
        sound(&world.register).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    world.folds().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    reloaded(&world).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    world
}

#[test]
fn corrections_mixed_with_other_spellings_leave_tables_that_are_what_the_log_says() {
    let mut read = 0;
    for seed in 0..2_000 {
        let world = history(seed);
        let spelt = Spelt::of(&world.log);
        for event in &world.log {
            for (sequence, made, evidence) in event.observed() {
                let row = world.register.contact(made).unwrap();
                let now = spelt.evidence(sequence, evidence);
                assert!(
                    now.iter().map(SeenIdentifier::identifier).eq(&row.identifiers),
                    "seed {seed}: contact {made} bears what event {sequence} saw, as it is spelt now"
                );
                read += usize::from(now.as_ref() != evidence);
            }
        }
        let spelling = spelling_of(&world.register);
        for (event, kept) in world.log.iter().map(|event| (event, spelt.event(event))) {
            let read = event.evidence.iter().map(|seen| spelling.read_again(seen));
            assert!(read.eq(kept.evidence.iter().cloned()), "seed {seed}: as the last refold reads it");
        }
    }
    assert!(read > 1_000, "{read}");
}

#[test]
fn an_erasure_takes_every_spelling_and_the_log_folds_to_the_tables() {
    let mut older = 0;
    for seed in 0..2_000 {
        let mut world = history(seed);
        let live: Vec<_> = world.register.primaries().collect();
        if live.is_empty() {
            continue;
        }
        let id = live[usize::try_from(seed).unwrap() % live.len()];
        let person = world.register.everybody(id);
        let kept: BTreeSet<Identifier> = borne_by_others(&world.register, &world.log, &person)
            .into_iter()
            .map(|(value, _)| value)
            .collect();
        let rows = world.register.rows().filter(|row| person.contains(&row.contact.id));
        let gone: BTreeSet<Identifier> = rows.flat_map(|row| row.contact.identifiers).collect();
        let gone: BTreeSet<Identifier> = gone.difference(&kept).cloned().collect();
        let erasure = erase_in(&world.register, &world.log, id).unwrap();
        let log = rewritten(&world.log, &erasure);

        let now = Spelt::of(&world.log);
        for (was, is) in world.log.iter().zip(&log) {
            let present = now.evidence(was.sequence, &was.evidence);
            for ((before, present), after) in was.evidence.iter().zip(&*present).zip(&is.evidence) {
                if gone.contains(present.identifier()) {
                    assert!(after.identifier().is_erased(), "seed {seed}: event {} tells", was.sequence);
                    older += usize::from(before != present);
                }
            }
            let (Outcome::Refolded { respelt, .. }, Outcome::Refolded { respelt: anew, .. }) =
                (&was.outcome, &is.outcome)
            else {
                continue;
            };
            for (was, is) in respelt.iter().zip(anew) {
                let event = &world.log[usize::try_from(was.sequence.0 - 1).unwrap()];
                let present = now.evidence(event.sequence, &event.evidence);
                for (present, after) in present.iter().zip(&is.identifiers) {
                    assert!(!gone.contains(present.identifier()) || after.is_erased(), "seed {seed}");
                }
            }
        }
        world.take(&erasure.event);
        let folded = Register::fold(&log).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for row in world.register.rows() {
            let same = folded.rows().find(|other| other.contact.id == row.contact.id).unwrap();
            if row.contact.deleted_at.is_none() || person.contains(&row.contact.id) {
                assert_eq!(same, row, "seed {seed}");
            }
        }
        let bearing = folded.rows().flat_map(|row| row.contact.identifiers);
        assert!(!bearing.into_iter().any(|value| gone.contains(&value)), "seed {seed}");
        let then = as_of(&folded, &log, Moment::Sequence(Sequence(i64::try_from(log.len()).unwrap() - 1)));
        let then = then.unwrap();
        let theirs = then.rows().filter(|row| person.contains(&row.contact.id));
        assert!(
            theirs.flat_map(|row| row.contact.identifiers).all(|value| value.is_erased()),
            "seed {seed}: what was answered before is told with tokens"
        );
    }
    assert!(older > 500, "{older}");
}
