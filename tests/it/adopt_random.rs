//! Adoption of random databases, judged by a second implementation, by `check`, and by our own rules.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{
    Adoption, Contact, ContactId, Identifier, OriginalRow, Outcome, Plan, Precedence, Timestamp,
};
use selfsame_service::check::{Report, check};
use selfsame_store::{Store, WorkspaceKey, event_text};
use support::adoption_model::{self, Adopted, random_rows};
use support::backend::observation;
use support::original::{Original, OriginalService};
use support::random::Random;
use support::server::open_sqlite;
use support::size::Size;
use support::world::World;

use crate::adopt_rules::{adopted, counts, database, fold};

/// The outcome in the model's words.
fn as_model(adoption: &Adoption) -> Adopted {
    let World { contacts, owners, .. } = fold(adoption);
    let value = |identifier: &Identifier| {
        (if identifier.kind().name() == "email" { "email" } else { "phone" }, identifier.value().to_owned())
    };
    let by_id = |contact: &Contact| contact.id.0;
    Adopted {
        links: contacts.values().map(|row| (by_id(row), row.linked_to.map(|primary| primary.0))).collect(),
        bears: contacts
            .values()
            .map(|row| (by_id(row), row.identifiers.iter().map(value).collect()))
            .collect(),
        updated: contacts.values().map(|row| (by_id(row), row.updated_at.as_milliseconds())).collect(),
        owners: owners.iter().map(|(identifier, owner)| (value(identifier), owner.0)).collect(),
        counts: counts(&adoption.report),
    }
}

/// How often the adoption, after `fault`, isn't what the model says.
fn differences(fault: impl Fn(&mut Adoption)) -> (u32, u32) {
    let mut random = Random::of_this_run();
    let cases = Size::of_this_run().pick(3_000, 60_000);
    let mut different = 0;
    for _ in 0..cases {
        let rows = random_rows(&mut random, 24);
        let (trust_links, at) = (random.once_in(4), 20);
        let mut adoption = adopted(rows.clone(), trust_links, at);
        fault(&mut adoption);
        let (ours, theirs) = (as_model(&adoption), adoption_model::adopt(&rows, trust_links, at));
        if ours != theirs && different == 0 {
            println!("{rows:?}\n{ours:?}\n{theirs:?}");
        }
        different += u32::from(ours != theirs);
    }
    (different, cases)
}

#[test]
fn random_databases_come_out_as_the_second_implementation_says() {
    let (different, _) = differences(|_| {});
    assert_eq!(different, 0);
}

#[test]
fn a_link_forgotten_or_a_row_miscounted_does_not_pass_the_second_implementation() {
    let (different, cases) = differences(|adoption| {
        for event in &mut adoption.events {
            if let Outcome::Adopted { linked_to, .. } = &mut event.outcome {
                *linked_to = None;
            }
        }
    });
    assert!(different > cases / 2, "{different} of {cases}");
    assert_eq!(differences(|adoption| adoption.report.chains.count += 1), (cases, cases));
}

#[test]
fn every_event_is_read_back_as_it_was_written() {
    let mut random = Random::of_this_run();
    for _ in 0..300 {
        for event in adopted(random_rows(&mut random, 24), false, 20).events {
            assert_eq!(event_text::read(&event_text::write(&event)).unwrap(), event);
        }
    }
    let adoption = adopted(database("3 e1 @1 | 7 E1 -pask >3 @5 ^6 !boss x"), false, 1_000);
    let row = event_text::write(&adoption.events[1]);
    insta::assert_snapshot!(row.evidence, @r#"[{"kind":"email","value":"e1@x.org","asSent":" E1@X.org"}]"#);
    insta::assert_snapshot!(row.outcome, @r#"{"contact":{"id":7,"owns":[]},"linkedTo":3,"updatedAt":1000,"deletedAt":6,"observedAt":5,"source":{"table":"Contact","linkedId":3,"linkPrecedence":"boss","updatedAt":6,"notBorne":[{"kind":"phone","asSent":"ask"}]}}"#);
}

/// Puts the adoption into a new file, damages that, and checks it.
async fn stored_and_checked(adoption: &Adoption, damage: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("selfsame.db");
    let store = open_sqlite(&path);
    let plan = Plan { events: adoption.events.clone(), answers: Vec::new() };
    let decision = move |_: &dyn selfsame_rules::Identities| plan.clone();
    store.write(WorkspaceKey::DEFAULT, Vec::new(), Box::new(decision)).await.unwrap();
    store.close().await.unwrap();
    if !damage.is_empty() {
        let connection = rusqlite::Connection::open(&path).unwrap();
        assert_ne!(connection.execute(damage, []).unwrap(), 0, "{damage}: nothing was damaged");
    }
    let store = open_sqlite(&path);
    let report = check(&*store, WorkspaceKey::DEFAULT).await.unwrap();
    store.close().await.unwrap();
    report
}

#[tokio::test]
async fn an_adopted_database_keeps_all_laws() {
    let mut random = Random::of_this_run();
    for _ in 0..Size::of_this_run().pick(40, 1_000) {
        let adoption = adopted(random_rows(&mut random, 60), random.once_in(4), 20);
        let report = stored_and_checked(&adoption, "").await;
        assert_eq!(report.faults, Vec::<String>::new());
        assert_eq!(
            (report.contacts, report.identities),
            (adoption.report.rows, adoption.report.identities_after)
        );
    }
}

#[tokio::test]
async fn each_damage_to_an_adopted_database_is_found() {
    let adoption = adopted(database("1 e1 p1 x | 2 e2 p1 >1 | 3 e3 p1 >1 | 4 e4 x"), false, 1_000);
    for (damage, faults) in [
        (
            "UPDATE contacts SET linked_id = 3 WHERE id = 1",
            &[
                "contact 1 is not what the log adds up to: the log links it elsewhere",
                "contact 1, which is deleted, links to contact 3, which is a secondary: a chain",
            ][..],
        ),
        (
            "UPDATE contacts SET linked_id = 9 WHERE id = 4",
            &[
                "contact 4 is not what the log adds up to: the log links it elsewhere",
                "contact 4, which is deleted, links to contact 9, which is not stored",
            ],
        ),
        (
            "UPDATE contacts SET linked_id = NULL WHERE id = 1",
            &["contact 1 is not what the log adds up to: the log links it elsewhere"],
        ),
        (
            "UPDATE contacts SET deleted_at_ms = 2 WHERE id = 4",
            &["contact 4 is not what the log adds up to: the log has another `deletedAt`"],
        ),
        (
            "UPDATE contacts SET email = NULL WHERE id = 4",
            &["contact 4 is not what the log adds up to: the log has other identifiers"],
        ),
        (
            "UPDATE contacts SET updated_at_ms = 2 WHERE id = 2",
            &["contact 2 is not what the log adds up to: the log has another `updatedAt`"],
        ),
        (
            "UPDATE events SET outcome = replace(outcome, '\"linkedTo\":2', '\"linkedTo\":8') WHERE sequence = 1",
            &[
                "contact 1 is not what the log adds up to: the log links it elsewhere",
                "the log links contact 1, which is deleted, to contact 8, which no event made",
            ],
        ),
        (
            "UPDATE events SET outcome = replace(outcome, '\"linkedTo\":2', '\"linkedTo\":3') WHERE sequence = 1",
            &[
                "event 3 can't follow from the log before it: it makes contact 3 a secondary, to which an event \
                 before it linked",
                "contact 1 is not what the log adds up to: the log links it elsewhere",
                "contact 3 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "UPDATE contacts SET owns_email = 1 WHERE id = 4",
            &[
                "an identifier is owned by contact 4, which is no live contact",
                "contact 4 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "UPDATE workspaces SET last_contact_id = 5",
            &["the log gave contact ids up to 4, and the workspace counts 5"],
        ),
    ] {
        assert_eq!(stored_and_checked(&adoption, damage).await.faults, *faults, "{damage}");
    }
    assert_eq!(stored_and_checked(&adoption, "").await.faults_count, 0);
}

/// A deleted contact that is older than its primary is moved along by a later merge, in the tables and the log.
#[tokio::test]
async fn what_comes_after_an_adoption_keeps_all_laws() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder.path().join("selfsame.db"));
    let adoption = adopted(database("1 e1 p1 | 2 e2 p2 x | 3 e3 p2 >2"), false, 1_000);
    let plan = Plan { events: adoption.events, answers: Vec::new() };
    store.write(WorkspaceKey::DEFAULT, Vec::new(), Box::new(move |_| plan.clone())).await.unwrap();
    let seen = [("email", "e3@x.org"), ("phone", "1")].map(|(kind, text)| (kind.to_owned(), text.to_owned()));
    let seen = observation(&seen).unwrap();
    let asked = vec![seen.clone()];
    let at = Timestamp::from_milliseconds(2_000);
    let decision = move |near: &dyn selfsame_rules::Identities| {
        selfsame_rules::decide(near, std::slice::from_ref(&seen), at)
    };
    let plan = store.write(WorkspaceKey::DEFAULT, asked, Box::new(decision)).await.unwrap();
    assert_eq!(
        (plan.events[0].kind(), plan.answers[0].identity.clone().unwrap().secondaries),
        ("merged", vec![ContactId(3)])
    );
    assert_eq!(check(&*store, WorkspaceKey::DEFAULT).await.unwrap().faults, Vec::<String>::new());
    let links: Vec<_> = support::backend::rows_of(&*store).await.iter().map(|row| row.linked_to).collect();
    assert_eq!(links, [None, Some(1), Some(1)]);
}

/// The values of each identity.
fn partition(world: &World) -> BTreeSet<BTreeSet<&Identifier>> {
    let mut identities: BTreeMap<ContactId, BTreeSet<&Identifier>> = BTreeMap::new();
    for (identifier, owner) in &world.owners {
        identities.entry(world.contacts[owner].primary()).or_default().insert(identifier);
    }
    identities.into_values().collect()
}

/// But for requests that the original forgot or failed at, of which its table has nothing.
#[test]
fn what_the_original_stored_is_adopted_as_our_rules_would_have_it() {
    let mut random = Random::of_this_run();
    let (mut set_apart, mut chains, mut joined) = (0, 0, 0);
    for _ in 0..Size::of_this_run().pick(2_000, 40_000) {
        let (mut original, mut ours) = (OriginalService::default(), World::default());
        let values = 2 + random.below(12);
        for now in 1..=i64::try_from(1 + random.below(40)).unwrap() {
            let spelling = if random.once_in(4) { "Person" } else { "person" };
            let email = (!random.once_in(4)).then(|| format!("{spelling}{}@x.org", random.below(values)));
            let phone = (email.is_none() || !random.once_in(4)).then(|| random.below(values).to_string());
            let before = original.clone();
            if original.identify(email.as_deref(), phone.as_deref(), now) != Original::Recorded {
                original = before;
                continue;
            }
            let sent = [("email", email), ("phone", phone)];
            let sent = sent.into_iter().filter_map(|(kind, text)| Some((kind.to_owned(), text?)));
            let seen = observation(&sent.collect::<Vec<_>>()).unwrap();
            ours.identify(&[seen], Timestamp::from_milliseconds(now));
        }
        let adoption = adopted(original.rows, false, 1_000);
        assert_eq!(partition(&fold(&adoption)), partition(&ours));
        set_apart += adoption.report.set_apart.count;
        chains += adoption.report.chains.count;
        joined += adoption.report.joined.count;
    }
    assert_eq!(set_apart, 0, "without null, the original links nobody to a stranger");
    assert!(chains > 0 && joined > 0, "chains: {chains}, joined: {joined}");
}

/// A million rows take seconds and less than 1.5 GB, rows and events together.
#[test]
fn a_million_rows_are_adopted_in_modest_time_and_memory() {
    let count = Size::of_this_run().pick(200_000, 1_000_000);
    let people = count / 4;
    let rows = (1..=count).map(|id| OriginalRow {
        id,
        email: Some(format!("Person{}@example.org", id % people)),
        phone: Some(format!("+44 20 {id}")),
        linked_id: (id > people).then_some(id % people + 1),
        precedence: if id > people { Precedence::Secondary } else { Precedence::Primary },
        created_at: Timestamp::from_milliseconds(id),
        updated_at: Timestamp::from_milliseconds(id),
        deleted_at: None,
    });
    let rows = rows.collect();
    let begun = std::time::Instant::now();
    let adoption = adopted(rows, false, 2_000_000);
    let took = begun.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most_kb: i64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{count} rows: {took:?}, {most_kb} kB at most");
    assert_eq!(adoption.report.identities_after, u64::try_from(people).unwrap());
    assert!(most_kb < count * 3 / 2 + 50_000, "{most_kb} kB for {count} rows");
    assert!(took < std::time::Duration::from_secs(30), "{took:?}");
}
