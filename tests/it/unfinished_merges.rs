//! A merge of very many contacts is one event, and its rows follow in several transactions. However far they have come
//! when a server ends or another process looks, everybody sees the merge whole.
//!
//! A history is played, and then some rows are put back to where an earlier event had them, as if they had not been
//! moved yet.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};
use selfsame_rules::{Contact, ContactId, Event, Identities, Observation, Timestamp, apply, decide};
use selfsame_service::check::check;
use selfsame_store::{Record, Scan, Store, WorkspaceKey};
use selfsame_store_sqlite::SqliteStore;
use support::backend::{observation, row, rows_of, scan};
use support::random::Random;
use support::server::open_sqlite;
use support::size::{Size, proved};
use support::world::World;

/// What became of a history: its events, and the rows after each of them.
struct Played {
    events: Vec<Event>,
    rows: Vec<BTreeMap<ContactId, Contact>>,
}

async fn write(store: &dyn Store, seen: Vec<Observation>, at: i64) -> Vec<Event> {
    let asked = seen.clone();
    let decision =
        Box::new(move |stored: &dyn Identities| decide(stored, &seen, Timestamp::from_milliseconds(at)));
    store.write(WorkspaceKey::DEFAULT, asked, decision).await.expect("the disk has room").events
}

fn seen(email: u64, phone: u64) -> Observation {
    let sent =
        [("email".to_owned(), format!("person{email}@x.org")), ("phone".to_owned(), phone.to_string())];
    observation(&sent).expect("both are valid")
}

/// Many merges of merges.
async fn play(path: &Path, random: &mut Random) -> Played {
    let store = open_sqlite(path);
    let (mut world, mut played) =
        (World::default(), Played { events: Vec::new(), rows: vec![BTreeMap::new()] });
    for at in 1..60 {
        for event in write(&*store, vec![seen(random.below(30), random.below(30))], at).await {
            let Ok(()) = apply(&event, &mut world);
            played.events.push(event);
            played.rows.push(world.contacts.clone());
        }
    }
    store.close().await.expect("it closes");
    played
}

/// Puts rows back to where they were after random events from `linked` on; tells how many that changed.
fn put_back(path: &Path, played: &Played, linked: u64, told: bool, random: &mut Random) -> usize {
    let connection = Connection::open(path).expect("it is closed");
    let last = played.events.len() as u64;
    let mut changed = 0;
    for (id, now) in &played.rows[played.events.len()] {
        let after = linked + random.below(last - linked + 1);
        let then = played.rows[usize::try_from(after).expect("few")].get(id).unwrap_or(now);
        if now.linked_to != then.linked_to
            && played.rows[usize::try_from(after).expect("few")].contains_key(id)
        {
            let (link, at) = (then.linked_to.map(|primary| primary.0), then.updated_at.as_milliseconds());
            let update = "UPDATE contacts SET linked_id = ?2, updated_at_ms = ?3 WHERE id = ?1";
            changed += connection.execute(update, params![id.0, link, at]).expect("the row is there");
        }
    }
    if told {
        let linked = i64::try_from(linked).expect("few");
        connection
            .execute("UPDATE workspaces SET linked_sequence = ?1", [linked])
            .expect("it has the column");
    }
    changed
}

/// What a client is answered for each of the identifiers.
async fn answers(store: &dyn Store) -> Vec<String> {
    let mut answers = Vec::new();
    for number in 0..30 {
        let seen = seen(number, 1_000);
        let mut look = |stored: &dyn Identities| {
            let owners = seen.identifiers().map(|identifier| stored.owner(identifier));
            answers.push(format!("{:?}", owners.collect::<Vec<_>>()));
        };
        store.look(WorkspaceKey::DEFAULT, Vec::new(), &mut look).await.expect("it is open");
    }
    answers
}

/// The contacts of each identity as a scan sends them.
fn people(identities: &[Record]) -> Vec<Vec<ContactId>> {
    let people = identities.iter().map(|record| {
        let Record::Identity(rows) = record else { panic!("it is no identity: {record:?}") };
        rows.iter().map(|row| row.contact.id).collect()
    });
    people.collect()
}

/// The contacts of each identity, oldest first, the identities by their primaries.
fn grouped(rows: &BTreeMap<ContactId, Contact>) -> Vec<Vec<ContactId>> {
    let mut people: BTreeMap<ContactId, Vec<&Contact>> = BTreeMap::new();
    for contact in rows.values() {
        people.entry(contact.primary()).or_default().push(contact);
    }
    let ids = people.into_values().map(|mut contacts| {
        contacts.sort_by_key(|contact| (contact.created_at, contact.id));
        contacts.iter().map(|contact| contact.id).collect()
    });
    ids.collect()
}

#[tokio::test]
async fn rows_that_a_merge_has_not_moved_yet_are_seen_where_they_belong() {
    let mut random = Random::of_this_run();
    let histories = Size::of_this_run().pick(15, 1_000);
    let mut put_back_in_all = 0;
    for _ in 0..histories {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("selfsame.db");
        let played = play(&path, &mut random).await;
        let store = open_sqlite(&path);
        let (whole, rows) = (answers(&*store).await, rows_of(&*store).await);
        let identities = scan(&*store, Scan::Identities).await;
        store.close().await.expect("it closes");
        let linked = random.below(played.events.len() as u64);
        put_back_in_all += put_back(&path, &played, linked, true, &mut random);

        // As `export` and `check` see it.
        let reading = SqliteStore::open_for_reading(&path).expect("it is there");
        let expected: Vec<_> = played.rows[played.events.len()].values().map(row).collect();
        assert_eq!(rows_of(&reading).await, expected);
        assert_eq!(rows, expected);
        assert_eq!(scan(&reading, Scan::Identities).await, identities);
        assert_eq!(people(&identities), grouped(&played.rows[played.events.len()]));
        assert_eq!(
            check(&reading, WorkspaceKey::DEFAULT).await.expect("readable").faults,
            Vec::<String>::new()
        );
        assert_eq!(answers(&reading).await, whole);
        reading.close().await.expect("it closes");

        // As the next server answers, which ends what was begun.
        let store = open_sqlite(&path);
        assert_eq!(answers(&*store).await, whole);
        write(&*store, vec![seen(1_000, 1_000)], 100).await;
        store.close().await.expect("it closes");
        let connection = Connection::open(&path).expect("it is closed");
        let waits: i64 = connection
            .query_row("SELECT last_sequence - linked_sequence FROM workspaces", [], |row| row.get(0))
            .expect("one workspace");
        let secondaries_of_secondaries: i64 = connection
            .query_row(
                "SELECT count(*) FROM contacts JOIN contacts AS other ON other.id = contacts.linked_id
                 WHERE other.linked_id IS NOT NULL",
                [],
                |row| row.get(0),
            )
            .expect("it has the table");
        assert_eq!((waits, secondaries_of_secondaries), (0, 0), "all rows were moved before the end");
    }
    assert!(put_back_in_all > 0, "something was put back");
    proved(&format!(
        "SQLite: {put_back_in_all} rows of {histories} histories not moved yet, seen where they belong"
    ));
}

#[tokio::test]
async fn a_row_that_was_never_moved_and_is_forgotten_is_found() {
    let mut random = Random::of_this_run();
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("selfsame.db");
    let played = play(&path, &mut random).await;
    let mut linked = 0;
    // The workspace goes on saying that all rows link as the log says.
    while put_back(&path, &played, linked, false, &mut random) == 0 {
        linked = random.below(played.events.len() as u64);
    }
    let reading = SqliteStore::open_for_reading(&path).expect("it is there");
    assert_ne!(check(&reading, WorkspaceKey::DEFAULT).await.expect("readable").faults, Vec::<String>::new());
}

/// More contacts than one transaction moves, merged while others come: each is answered right, and nothing waits for
/// the end of the merge.
#[tokio::test]
async fn a_merge_of_more_contacts_than_one_transaction_moves_is_whole_at_once() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("selfsame.db");
    let store: Arc<dyn Store> = open_sqlite(&path);
    for email in [1, 2] {
        // The answer to each is all that came before: a few at a time.
        for phones in 0..50 {
            let phones = phones * 100..phones * 100 + 100;
            write(&*store, phones.map(|phone| seen(email, email * 100_000 + phone)).collect(), 1).await;
        }
    }
    let merged = write(&*store, vec![seen(1, 200_000)], 2).await;
    assert_eq!(merged[0].kind(), "merged");
    // Whatever has been moved by now, and by each later moment.
    for number in 0..20 {
        write(&*store, vec![seen(3, 300_000 + number)], 3).await;
        let reading = SqliteStore::open_for_reading(&path).expect("it is there");
        let rows = rows_of(&reading).await;
        assert!(rows.iter().take(10_000).all(|row| row.id == 1 || row.linked_to == Some(1)));
        reading.close().await.expect("it closes");
    }
    let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("readable");
    assert_eq!((report.faults, report.identities), (Vec::new(), 2));
    store.close().await.expect("it closes");
}
