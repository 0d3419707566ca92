//! What every store promises of workspaces and keys (crate `store`, "The contract", 6): the same acts on both.

use std::collections::BTreeSet;
use std::sync::Arc;

use selfsame_rules::{Identities, Name, Observation, Timestamp, decide};
use selfsame_store::{
    Access, AccessChange, AccessEffect, Counts, FormerNames, Record, Scan, Scanned, Store, StoreError,
    WorkspaceKey, WorkspaceRow,
};
use support::administration::{erase_workspace, key, make_key, make_workspace, rename_workspace, revoke_key};
use support::backend::observation;
use support::databases::{Database, Databases};
use support::postgres::cutting_proxy::{Cut, CuttingProxy};
use support::server::open_postgres;
use tokio::sync::mpsc;

const DEFAULT: WorkspaceKey = WorkspaceKey::DEFAULT;

/// More contacts than a store sweeps at once.
const MANY: usize = 6_000;

fn seen(email: &str, phone: &str) -> Observation {
    let both = [("email", email), ("phone", phone)];
    let sent: Vec<_> = both.iter().filter(|(_, text)| !text.is_empty()).collect();
    let sent: Vec<_> = sent.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect();
    observation(&sent).expect("they are valid")
}

async fn write(
    store: &dyn Store,
    workspace: WorkspaceKey,
    batch: Vec<Observation>,
    at: i64,
) -> Result<usize, StoreError> {
    let asked = batch.clone();
    let decision =
        Box::new(move |loaded: &dyn Identities| decide(loaded, &batch, Timestamp::from_milliseconds(at)));
    store.write(workspace, asked, decision).await.map(|plan| plan.events.len())
}

/// Whether the e-mail is known there.
async fn look(store: &dyn Store, workspace: WorkspaceKey, email: &str) -> Result<bool, StoreError> {
    let seen = seen(email, "");
    let (asked, mut known) = (vec![seen.clone()], false);
    let mut look = |identities: &dyn Identities| {
        let plan = decide(identities, std::slice::from_ref(&seen), Timestamp::from_milliseconds(1));
        known = plan.events.is_empty();
    };
    store.look(workspace, asked, &mut look).await?;
    Ok(known)
}

async fn scan(
    store: &dyn Store,
    workspace: WorkspaceKey,
) -> Result<(Scanned, Vec<&'static str>), StoreError> {
    let (sender, mut records) = mpsc::channel::<Vec<Record>>(4);
    let gather = async {
        let mut kinds = Vec::new();
        while let Some(some) = records.recv().await {
            kinds.extend(some.iter().filter_map(|record| {
                if let Record::Event(event) = record { Some(event.kind()) } else { None }
            }));
        }
        kinds
    };
    let (scanned, kinds) = tokio::join!(store.scan(workspace, Scan::Everything, sender), gather);
    Ok((scanned?, kinds))
}

fn is_no_workspace<T>(result: &Result<T, StoreError>, workspace: WorkspaceKey) -> bool {
    matches!(result, Err(StoreError::NoWorkspace(named)) if *named == workspace)
}

/// What a change makes of all workspaces and keys.
fn applied(access: &mut Access, change: &AccessChange) {
    if let AccessEffect::WorkspaceMade(facts) = &change.effect {
        access.workspaces.push(WorkspaceRow {
            key: change.workspace,
            facts: facts.clone(),
            head: selfsame_rules::Head::EMPTY,
            former_names: FormerNames::default(),
            counts: Counts::default(),
            policy_since: selfsame_rules::Sequence(0),
            swept: false,
        });
    }
    let row = access.workspaces.iter_mut().find(|row| row.key == change.workspace).expect("it was made");
    row.head = row.head.after(&change.event);
    match &change.effect {
        AccessEffect::WorkspaceMade(facts) => row.facts = facts.clone(),
        AccessEffect::WorkspaceRenamed(facts, former) => {
            (row.facts, row.former_names) = (facts.clone(), former.clone());
        }
        AccessEffect::WorkspaceErased(facts) => {
            row.facts = facts.clone();
            for key in access.keys.iter_mut().filter(|key| key.workspace == change.workspace) {
                key.facts.revoked_at = key.facts.revoked_at.or(facts.erased_at);
            }
        }
        AccessEffect::KeyMade(key) => access.keys.push(key.clone()),
        AccessEffect::KeyEnded(facts) => {
            let of = |key: &&mut selfsame_store::KeyRow| {
                key.workspace == change.workspace && key.facts.id == facts.id
            };
            access.keys.iter_mut().find(of).expect("it was made").facts = facts.clone();
        }
    }
    access.keys.sort_by(|one, other| (one.workspace, &one.facts.id).cmp(&(other.workspace, &other.facts.id)));
}

/// Every change is read as it was decided, by this store and by one that is opened after it.
async fn changes_are_read_as_they_were_decided(databases: &Databases) {
    let database = databases.empty().await;
    let store = database.open().await;
    let mut expected = store.access().await.unwrap();
    assert_eq!((expected.workspaces.len(), expected.keys.len()), (1, 0));
    let first = expected.workspace(DEFAULT).expect("it exists always").clone();
    assert_eq!((first.facts.name.as_str(), first.counts, first.swept), ("default", Counts::default(), false));

    let shop = WorkspaceKey(2);
    let unlimited = selfsame_rules::KeyFacts {
        every_workspace: true,
        limits: selfsame_rules::KeyLimits::default(),
        expires_at: None,
        ..key("a", 3)
    };
    let changes = [
        make_workspace(&*store, "shop", 1).await,
        // Texts are ordered by their bytes, whatever the database's language does.
        make_key(&*store, shop, &key("b", 2)).await,
        make_key(&*store, shop, &key("B", 2)).await,
        make_key(&*store, DEFAULT, &unlimited).await,
        rename_workspace(&*store, shop, "store", 4).await,
        revoke_key(&*store, shop, "B", 5).await,
        make_workspace(&*store, "shop", 6).await,
        revoke_key(&*store, DEFAULT, "a", 7).await,
        erase_workspace(&*store, shop, 8).await,
    ];
    for change in changes {
        applied(&mut expected, &change.unwrap().expect("it changes something"));
    }
    assert_eq!(store.access().await.unwrap(), expected);
    assert_eq!(expected.workspaces.iter().map(|row| row.key.0).collect::<Vec<_>>(), [1, 2, 3]);
    let ids: Vec<_> = expected.keys.iter().map(|key| &*key.facts.id).collect();
    assert_eq!(ids, ["a", "B", "b"]);
    assert!(expected.keys.iter().all(|key| key.facts.revoked_at.is_some()));
    let (scanned, kinds) = scan(&*store, DEFAULT).await.unwrap();
    assert_eq!((kinds, scanned.counts), (vec!["keyChanged"; 2], Counts::default()));

    // What is to change nothing changes nothing.
    let nothing = store.administer(DEFAULT, None, Box::new(|_| None.into())).await.unwrap().now();
    assert_eq!(nothing, None);
    assert_eq!(make_workspace(&*store, "shop", 9).await.unwrap(), None);
    assert_eq!(revoke_key(&*store, DEFAULT, "a", 9).await.unwrap(), None);
    assert_eq!(store.access().await.unwrap(), expected);
    store.close().await.unwrap();
    assert_eq!(database.open().await.access().await.unwrap(), expected);
}

/// A workspace goes on by itself: its customers, its counts and its end are no other's.
async fn a_workspace_is_apart_from_others_to_its_end(databases: &Databases) {
    let database = databases.empty().await;
    let store = database.open().await;
    let shop = make_workspace(&*store, "shop", 1).await.unwrap().unwrap().workspace;
    make_key(&*store, shop, &key("k", 1)).await.unwrap();
    // Two identities; the third observation makes one of them, the fourth attaches to it.
    let people = [("a@x.org", ""), ("", "1"), ("a@x.org", "1"), ("b@x.org", "1")];
    let people: Vec<_> = people.map(|(email, phone)| seen(email, phone)).into();
    assert_eq!(write(&*store, DEFAULT, people[..3].to_vec(), 2).await.unwrap(), 3);
    for one in people {
        write(&*store, shop, vec![one], 2).await.unwrap();
    }
    let counts = async |workspace| {
        let row = store.access().await.unwrap().workspace(workspace).cloned().expect("it was made");
        if row.facts.erased_at.is_none() {
            let (scanned, _) = scan(&*store, workspace).await.unwrap();
            assert_eq!((scanned.counts, scanned.head), (row.counts, row.head));
        }
        (row.counts.contacts, row.counts.identities)
    };
    assert_eq!((counts(DEFAULT).await, counts(shop).await), ((2, 1), (3, 1)));
    let many = (0..MANY).map(|number| seen(&format!("p{number}@x.org"), "")).collect();
    assert_eq!(write(&*store, shop, many, 3).await.unwrap(), MANY);
    let all = i64::try_from(MANY).unwrap();
    assert_eq!(counts(shop).await, (all + 3, all + 1));
    assert!(look(&*store, shop, "p7@x.org").await.unwrap());
    assert!(!look(&*store, DEFAULT, "p7@x.org").await.unwrap());

    // Nobody sweeps what isn't erased, or what isn't there.
    for workspace in [shop, WorkspaceKey(77)] {
        assert!(store.sweep(workspace).await.unwrap());
    }
    assert_eq!(counts(shop).await, (all + 3, all + 1));

    erase_workspace(&*store, shop, 4).await.unwrap().expect("it was there");
    for _ in 0..2 {
        for workspace in [shop, WorkspaceKey(77)] {
            assert!(is_no_workspace(&look(&*store, workspace, "p7@x.org").await, workspace));
            let more = vec![seen("more@x.org", "")];
            assert!(is_no_workspace(&write(&*store, workspace, more, 5).await, workspace));
            assert!(is_no_workspace(&scan(&*store, workspace).await, workspace));
            assert!(is_no_workspace(&make_key(&*store, workspace, &key("l", 5)).await, workspace));
            assert!(is_no_workspace(&erase_workspace(&*store, workspace, 5).await, workspace));
        }
        // It is the same before and after it was swept.
        while !store.sweep(shop).await.unwrap() {
            assert!(!store.access().await.unwrap().workspace(shop).unwrap().swept);
        }
        let access = store.access().await.unwrap();
        let row = access.workspace(shop).unwrap();
        assert_eq!((row.swept, row.counts), (true, Counts::default()));
        assert!(access.keys.iter().all(|key| key.facts.revoked_at == row.facts.erased_at));
    }
    // Its number is nobody else's; its name is free.
    let again = make_workspace(&*store, "shop", 6).await.unwrap().unwrap().workspace;
    assert_eq!(again, WorkspaceKey(3));
    assert_eq!(write(&*store, again, vec![seen("a@x.org", "")], 7).await.unwrap(), 1);
    assert!(look(&*store, DEFAULT, "a@x.org").await.unwrap());
    assert_eq!(counts(DEFAULT).await, (2, 1));
    store.close().await.unwrap();
    drop(store);
    for (table, left) in [
        ("contacts", vec![]),
        ("identifiers", vec![]),
        ("events", vec!["keyChanged", "workspaceChanged", "workspaceChanged"]),
    ] {
        let what = if table == "events" { "kind" } else { "'a row'" };
        let rows =
            database.texts(&format!("SELECT {what} FROM {table} WHERE workspace = 2 ORDER BY 1")).await;
        assert_eq!(rows, left, "{table}");
    }
}

/// Replicas, where the store has them.
async fn two_stores(database: &Database) -> [Arc<dyn Store>; 2] {
    let first = database.open().await;
    let second = match database {
        Database::Sqlite(_) => Arc::clone(&first),
        Database::Postgres { .. } => database.open().await,
    };
    [first, second]
}

/// Changes of access are serial, whichever replica they come from.
async fn two_who_administer_at_once_make_each_workspace_once(databases: &Databases) {
    const NAMES: usize = 12;
    let database = databases.empty().await;
    let stores = two_stores(&database).await;
    let at_once = (0..NAMES).flat_map(|number| stores.iter().map(move |store| (number, store)));
    let making = at_once.map(|(number, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move { make_workspace(&*store, &format!("shop-{number}"), 1).await })
    });
    let mut numbers = Vec::new();
    for made in making.collect::<Vec<_>>() {
        numbers.extend(made.await.unwrap().unwrap().map(|change| change.workspace.0));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (2..).take(NAMES).collect::<Vec<i64>>());
    for store in &stores {
        let access = store.access().await.unwrap();
        let names: BTreeSet<&Name> = access.workspaces.iter().map(|row| &row.facts.name).collect();
        assert_eq!((names.len(), access.workspaces.len()), (NAMES + 1, NAMES + 1));
        assert!(access.workspaces[1..].iter().all(|row| row.head.last_sequence.0 == 1));
    }
}

/// A decision that panics costs its own call.
async fn a_decision_that_panics_changes_nothing(databases: &Databases) {
    let database = databases.empty().await;
    let store = database.open().await;
    let before = store.access().await.unwrap();
    let panicked = store.administer(DEFAULT, None, Box::new(|_| panic!("as planted"))).await;
    assert!(matches!(panicked, Err(StoreError::Failed(_))), "{panicked:?}");
    assert_eq!(store.access().await.unwrap(), before);
    assert!(make_workspace(&*store, "shop", 1).await.unwrap().is_some());
}

macro_rules! on_both_stores {
    ($($proof:ident),*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $proof() {
                super::$proof(&super::Databases::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $proof() {
                super::$proof(&super::Databases::postgres()).await;
            })*
        }
    };
}

on_both_stores!(
    changes_are_read_as_they_were_decided,
    a_workspace_is_apart_from_others_to_its_end,
    two_who_administer_at_once_make_each_workspace_once,
    a_decision_that_panics_changes_nothing
);

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_access_whose_commit_was_lost_is_made_once() {
    let databases = Databases::postgres();
    let database = databases.empty().await;
    let Databases::Postgres(one) = &databases else { panic!("it is on a cluster") };
    let port = one.cluster().port();
    let proxy = CuttingProxy::start(port).await;
    let by_proxy = database.url().replace(&format!("127.0.0.1:{port}"), &proxy.address.to_string());
    let store = open_postgres(&format!("{by_proxy}?sslmode=disable")).await;
    let mut cuts = 0;
    for cut in [Cut::BeforeCommit, Cut::WithCommit, Cut::AfterCommit] {
        let name = format!("{cut:?}").to_lowercase();
        proxy.cut_next(cut);
        make_workspace(&*store, &name, 1).await.unwrap();
        let workspace = store.access().await.unwrap().workspaces.last().unwrap().key;
        proxy.cut_next(cut);
        make_key(&*store, workspace, &key(&name, 2)).await.unwrap();
        proxy.cut_next(cut);
        // What the repeat finds after the commit is an erased workspace, by this erasure.
        assert!(erase_workspace(&*store, workspace, 3).await.unwrap().is_some(), "{cut:?}");
        cuts += 3;
        assert_eq!(proxy.cuts(), cuts, "{cut:?}: there was no cut");
        let access = store.access().await.unwrap();
        let row = access.workspace(workspace).unwrap();
        assert_eq!((row.head.last_sequence.0, row.facts.erased_at.is_some()), (3, true), "{cut:?}");
    }
    let access = store.access().await.unwrap();
    assert_eq!((access.workspaces.len(), access.keys.len()), (4, 3));
    let events = database.texts("SELECT concat(workspace, ' ', sequence, ' ', kind) FROM events").await;
    assert_eq!(events.len(), 9, "{events:?}");
}

/// Look-ups that arrive together share a round trip, but only those into one workspace.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_into_a_workspace_that_is_gone_fails_no_other() {
    let databases = Databases::postgres();
    let store = databases.empty().await.open().await;
    write(&*store, DEFAULT, vec![seen("a@x.org", "")], 1).await.unwrap();
    let gone = WorkspaceKey(2);
    let looks = (0..100).map(|number| {
        let (store, workspace) = (Arc::clone(&store), if number % 2 == 0 { DEFAULT } else { gone });
        tokio::spawn(async move { (workspace, look(&*store, workspace, "a@x.org").await) })
    });
    for looked in looks.collect::<Vec<_>>() {
        let (workspace, known) = looked.await.unwrap();
        if workspace == gone {
            assert!(is_no_workspace(&known, gone));
        } else {
            assert!(known.unwrap());
        }
    }
}
