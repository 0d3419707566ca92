//! Histories in which a rule was once wrong, each as short as it can be.

use crate::model::{ModelPolicy, Seen};
use crate::world::{World, asked, contact, observation, policy};
use selfsame_rules::{
    ContactId, Event, Identifier, Judgement, Origin, Outcome, Policy, Sequence, Timestamp, decide, delete,
    erase, join, refold, review, scope, split, undo, why,
};

fn email(text: &str) -> Seen {
    ("email", format!("{text}@b.c"), false)
}
fn phone(text: &str) -> Seen {
    ("phone", text.to_owned(), false)
}
fn customer(text: &str) -> Seen {
    ("customerId", text.to_owned(), false)
}

fn erased_log(world: &World, one: i64) -> Vec<Event> {
    let mine = world.register.everybody(world.register.resolve(contact(one)).unwrap());
    let mut others: Vec<(Identifier, ContactId)> = Vec::new();
    for row in world
        .register
        .rows()
        .filter(|row| row.contact.deleted_at.is_none() && !mine.contains(&row.contact.id))
    {
        others.extend(row.contact.identifiers.iter().map(|value| (value.clone(), row.contact.id)));
    }
    let mut token = 0;
    let next = || {
        token += 1;
        format!("t{token}")
    };
    let done = erase(&world.register, &world.log, contact(one), &others, next, &asked(90)).unwrap();
    world
        .log
        .iter()
        .map(|event| {
            done.rewritten.iter().find(|anew| anew.sequence == event.sequence).unwrap_or(event).clone()
        })
        .collect()
}

fn says(event: &Event, text: &str) -> bool {
    event.evidence.iter().any(|seen| seen.identifier().value() == text)
}

#[test]
fn an_erased_persons_refused_value_goes_from_its_event() {
    let mut world = World::new(ModelPolicy { unique: vec!["customerId"], ..ModelPolicy::default() });
    world.observe(&[email("ada"), customer("c1")], 1).unwrap();
    world.observe(&[email("ada"), customer("c2")], 2).unwrap();
    let log = erased_log(&world, 1);
    assert!(!log.iter().any(|event| says(event, "c2")), "c2 stands in the log");
}

#[test]
fn an_erased_persons_merge_without_a_row_keeps_no_value_that_another_bears() {
    let mut world = World::new(ModelPolicy::default());
    world.observe(&[email("ada")], 1).unwrap();
    world.observe(&[phone("1")], 2).unwrap();
    world.observe(&[email("ada"), phone("1")], 3).unwrap();
    world.observe(&[email("bob"), phone("1")], 4).unwrap();
    world.take(&split(&world.register, contact(3), &[contact(3)], &asked(5)).unwrap());
    let log = erased_log(&world, 1);
    assert!(!says(&log[2], "1"), "the phone stands in the person's own merge");
}

#[test]
fn a_person_whose_contacts_are_all_deleted_can_still_be_erased() {
    let mut world = World::new(ModelPolicy::default());
    world.observe(&[email("ada")], 1).unwrap();
    world.take(&delete(&world.register, contact(1), &asked(2)).unwrap());
    let got = erase(&world.register, &world.log, contact(1), &[], || "t".to_owned(), &asked(3));
    assert!(got.is_ok(), "{got:?}");
}

#[test]
fn a_join_that_was_split_again_holds_nothing_together() {
    let mut world = World::new(ModelPolicy::default());
    world.observe(&[email("ada")], 1).unwrap();
    world.observe(&[phone("1")], 2).unwrap();
    world.observe(&[customer("c1")], 3).unwrap();
    world.observe(&[email("ada"), phone("1"), customer("c1")], 4).unwrap();
    world.take(&split(&world.register, contact(3), &[contact(3)], &asked(5)).unwrap());
    world.take(&join(&world.register, &[contact(1), contact(3)], &asked(6)).unwrap());
    world.take(&split(&world.register, contact(3), &[contact(3)], &asked(7)).unwrap());
    let got = undo(&world.register, &world.log, Sequence(4), &asked(8));
    assert!(got.is_ok(), "{got:?}");
}

#[test]
fn why_cites_the_join_by_hand_and_not_the_undone_merge() {
    let mut world = World::new(ModelPolicy::default());
    world.observe(&[email("ada")], 1).unwrap();
    world.observe(&[phone("1")], 2).unwrap();
    world.observe(&[email("ada"), phone("1"), customer("c1")], 3).unwrap();
    world.take(&undo(&world.register, &world.log, Sequence(3), &asked(4)).unwrap());
    world.take(&join(&world.register, &[contact(1), contact(2)], &asked(5)).unwrap());
    let chain = why(&world.register, &world.log, contact(1), contact(2)).unwrap().unwrap();
    assert_eq!(chain.iter().map(|link| link.event).collect::<Vec<_>>(), [Sequence(5)]);
}

fn two_couples() -> World {
    let blocked = vec![("phone", "1".to_owned()), ("phone", "2".to_owned())];
    let mut world = World::new(ModelPolicy { blocked, ..ModelPolicy::default() });
    for (at, (name, number)) in [("a", "1"), ("b", "1"), ("c", "2"), ("d", "2")].into_iter().enumerate() {
        world.observe(&[email(name), phone(number)], i64::try_from(at).unwrap()).unwrap();
    }
    let refolding = refold(&world.register, &world.log, Policy::default(), |_, _| None, &asked(10)).unwrap();
    world.take(&refolding.event);
    assert_eq!(world.register.primaries().count(), 2);
    world
}

#[test]
fn why_cites_the_join_by_hand_and_not_a_refold_that_joined_others() {
    let mut world = two_couples();
    world.take(&join(&world.register, &[contact(1), contact(3)], &asked(11)).unwrap());
    let chain = why(&world.register, &world.log, contact(1), contact(3)).unwrap().unwrap();
    assert_eq!(chain.iter().map(|link| link.event).collect::<Vec<_>>(), [Sequence(7)]);
}

#[test]
fn scope_follows_what_a_refold_joined() {
    let world = two_couples();
    let found: Vec<i64> = scope(&world.log, [contact(1)]).iter().map(|event| event.sequence.0).collect();
    assert!(found.contains(&3), "{found:?}");
}

#[test]
fn the_primaries_that_a_refold_tells_are_primaries() {
    let mut world = World::new(ModelPolicy { unique: vec!["customerId"], ..ModelPolicy::default() });
    world.observe(&[email("ada"), customer("c1")], 1).unwrap();
    world.observe(&[email("ada"), customer("c2")], 2).unwrap();
    world.observe(&[email("bob"), customer("c2")], 3).unwrap();
    let blocked = vec![("email", "ada@b.c".to_owned())];
    let rules = policy(&ModelPolicy { blocked, unique: vec!["customerId"], ..ModelPolicy::default() });
    let refolding = refold(&world.register, &world.log, rules, |_, _| None, &asked(10)).unwrap();
    world.take(&refolding.event);
    let Outcome::Refolded { correction, .. } = &refolding.event.outcome else { unreachable!() };
    let after: Vec<_> = world.register.primaries().collect();
    assert!(
        correction.primaries.iter().all(|one| after.contains(one)),
        "{:?} of {after:?}",
        correction.primaries
    );
}

#[test]
fn an_erased_value_goes_from_the_source_as_it_was_sent() {
    let mut world = World::new(ModelPolicy::default());
    let seen = observation(&[("email", "Ada@B.C".to_owned(), false)]);
    let mut plan = decide(&world.register, &[seen], Timestamp::from_milliseconds(1));
    let origin = Origin { source: Some("letter of Ada@B.C".into()), observed_at: None, imported: false };
    plan.events[0].origin = Some(std::sync::Arc::new(origin));
    world.take(&plan.events[0]);
    let log = erased_log(&world, 1);
    let source = log[0].origin.as_ref().and_then(|origin| origin.source.clone());
    assert!(source.as_deref().is_none_or(|text| !text.contains("Ada@B.C")), "{source:?}");
}

#[test]
fn a_refusal_of_evidence_that_was_erased_can_still_be_reviewed() {
    let mut world = World::new(ModelPolicy::default());
    world.observe(&[email("ada")], 1).unwrap();
    world.observe(&[email("bob"), phone("1")], 2).unwrap();
    world.observe(&[email("ada"), phone("1")], 3).unwrap();
    world.take(&undo(&world.register, &world.log, Sequence(3), &asked(4)).unwrap());
    let plan =
        decide(&world.register, &[observation(&[email("ada"), phone("1")])], Timestamp::from_milliseconds(5));
    world.take(&plan.events[0]);
    let log = erased_log(&world, 1);
    let done = erase(&world.register, &world.log, contact(1), &[], || "t".to_owned(), &asked(90)).unwrap();
    world.take(&done.event);
    let refusal = log.iter().find(|event| event.kind() == "refused").unwrap();
    let got = review(&world.register, refusal.sequence, Judgement::KeepApart, &asked(91));
    assert!(got.is_ok(), "{got:?}");
}

/// Observes what the model can't judge: it knows no corrections.
fn see(world: &mut World, seen: &[Seen], at: i64) {
    let plan = decide(&world.register, &[observation(seen)], Timestamp::from_milliseconds(at));
    plan.events.iter().for_each(|event| world.take(event));
}

#[test]
fn an_undo_after_a_refold_replays_what_was_kept_apart_as_the_refold_did() {
    let mut world = World::new(ModelPolicy { unique: vec!["customerId"], ..ModelPolicy::default() });
    see(&mut world, &[email("ada"), customer("c1")], 1);
    see(&mut world, &[email("bob"), customer("c2")], 2);
    see(&mut world, &[phone("9")], 3);
    see(&mut world, &[email("bob"), phone("9")], 4);
    let merged = world.log.last().unwrap().sequence;
    world.take(&undo(&world.register, &world.log, merged, &asked(5)).unwrap());
    see(&mut world, &[email("ada"), customer("c2")], 6);
    let refused = world.log.last().unwrap().sequence;
    world.take(&review(&world.register, refused, Judgement::KeepApart, &asked(7)).unwrap());
    // Nothing but that keeps Ada and Bob apart from here on.
    let rules = policy(&ModelPolicy::default());
    world.take(&refold(&world.register, &world.log, rules, |_, _| None, &asked(8)).unwrap().event);
    see(&mut world, &[email("ada"), phone("9")], 9);
    see(&mut world, &[email("ada"), phone("7")], 10);
    let attached = world.log.last().unwrap();
    let (sequence, alone) = (attached.sequence, attached.outcome.contact().unwrap().id);
    world.take(&undo(&world.register, &world.log, sequence, &asked(11)).unwrap());
    let [ada, nine, alone] = [contact(1), contact(3), alone].map(|id| world.register.resolve(id));
    assert_eq!(ada, nine, "the ninth observation joined them, and still does");
    assert_ne!(ada, alone);
}

#[test]
fn scope_follows_what_a_refold_parted() {
    let mut world = World::new(ModelPolicy::default());
    see(&mut world, &[email("ada")], 1);
    see(&mut world, &[email("ada"), phone("1")], 2);
    let blocked = vec![("email", "ada@b.c".to_owned())];
    let rules = policy(&ModelPolicy { blocked, ..ModelPolicy::default() });
    world.take(&refold(&world.register, &world.log, rules, |_, _| None, &asked(3)).unwrap().event);
    assert_ne!(world.register.resolve(contact(1)), world.register.resolve(contact(2)));
    let found: Vec<i64> = scope(&world.log, [contact(1)]).iter().map(|event| event.sequence.0).collect();
    assert_eq!(found, [1, 2, 3], "the second observation was of the first contact, once");
}
