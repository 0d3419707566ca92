//! Whom a database has erased, without a value of theirs, and erasing them once more: in an older state of it that was restored.
//!
//! Deliberately absent: files and JSON; a command reads and writes those.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{Actor, Contact, ContactId, Outcome, Sequence, Timestamp};
use selfsame_store::{Recall, Record, Scan, Store, StoreError, WorkspaceKey};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::erasing::erase;
use crate::feed::sent_by_nobody;
use crate::{ActError, CorrectError, Engine, Installation, Order};

/// Batches of rows that may be under way.
const UNDER_WAY: usize = 4;

/// Somebody who was erased, or a workspace that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// A person.
    Person {
        /// In which workspace.
        workspace: WorkspaceKey,
        /// The event that erased them.
        event: Sequence,
        /// When that was.
        at: Timestamp,
        /// Their contacts, each with the moment at which it was made: a number that a restored database gives again is another's.
        contacts: Vec<(ContactId, Timestamp)>,
    },
    /// A workspace, with all that was in it.
    Workspace {
        /// Which one.
        workspace: WorkspaceKey,
        /// When it was made.
        created_at: Timestamp,
        /// When it was erased.
        at: Timestamp,
    },
}

/// All erasures that a database knows of: of each workspace, in the order of its log.
///
/// # Errors
///
/// [`StoreError`] if it can't be read.
pub async fn erasures(store: &dyn Store) -> Result<Vec<Erasure>, StoreError> {
    let mut all = Vec::new();
    for row in store.access().await?.workspaces {
        match row.facts.erased_at {
            Some(at) => {
                let created_at = row.facts.created_at;
                all.push(Erasure::Workspace { workspace: row.key, created_at, at });
            }
            None => all.extend(of_workspace(store, row.key).await?),
        }
    }
    Ok(all)
}

async fn of_workspace(store: &dyn Store, workspace: WorkspaceKey) -> Result<Vec<Erasure>, StoreError> {
    let (sender, mut records) = mpsc::channel(UNDER_WAY);
    let gather = async move {
        let (mut erased, mut made) = (Vec::new(), BTreeMap::new());
        while let Some(some) = records.recv().await {
            for record in some {
                match record {
                    Record::Event(event) => {
                        if let Outcome::Erased { contacts, .. } = event.outcome {
                            erased.push((event.sequence, event.at, contacts));
                        }
                    }
                    // They come after the log.
                    Record::Contact(contact) => {
                        made.insert(contact.id, contact.created_at);
                    }
                    Record::UnreadableEvent(..)
                    | Record::EventRow(_)
                    | Record::Identity(_)
                    | Record::Owner(..)
                    | Record::Finder(_) => {}
                }
            }
        }
        (erased, made)
    };
    let (scanned, (erased, made)) = tokio::join!(store.scan(workspace, Scan::Everything, sender), gather);
    scanned?;
    let person = |(event, at, contacts): (Sequence, Timestamp, Vec<ContactId>)| {
        let contacts = contacts.into_iter().filter_map(|id| made.get(&id).map(|at| (id, *at))).collect();
        Erasure::Person { workspace, event, at, contacts }
    };
    Ok(erased.into_iter().map(person).collect())
}

/// What came of erasing again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reapplied {
    /// How many people and workspaces were erased now.
    pub erased: usize,
    /// Those that are not erased all the same, with a sentence that says why.
    pub failed: Vec<(Erasure, String)>,
}

/// Erases everybody of `erasures` who is not erased in this installation. Whoever isn't there, or bears a number that was given anew,
/// is left alone.
///
/// Of an identity that is joined here with somebody who was parted from it later, only those that were erased go: they are split off
/// first.
///
/// # Errors
///
/// [`StoreError`] if keys and workspaces can't be read; what was erased until then stays so.
pub async fn reapply(
    installation: &Installation,
    erasures: &[Erasure],
    by: &Actor,
) -> Result<Reapplied, StoreError> {
    let mut reapplied = Reapplied::default();
    for erasure in erasures {
        let done = match erasure {
            Erasure::Person { workspace, contacts, .. } => {
                let snapshot = installation.read().await?;
                match snapshot.workspace(*workspace) {
                    Some(found) => erase_again(&found.engine, contacts, by).await,
                    None => Ok(false),
                }
            }
            Erasure::Workspace { workspace, created_at, .. } => {
                let snapshot = installation.read().await?;
                let row = snapshot.access().workspaces.iter().find(|row| row.key == *workspace);
                match row {
                    Some(row) if row.facts.erased_at.is_none() && row.facts.created_at == *created_at => {
                        installation
                            .erase_workspace(*workspace, by.clone(), None)
                            .await
                            .map(|_| true)
                            .map_err(|error: ActError| error.to_string())
                    }
                    _ => Ok(false),
                }
            }
        };
        match done {
            Ok(done) => reapplied.erased += usize::from(done),
            Err(why) => reapplied.failed.push((erasure.clone(), why)),
        }
    }
    installation.sweep().await?;
    sent_by_nobody(installation.store(), Instant::now()).await;
    Ok(reapplied)
}

/// Erases those of the contacts that are there and bear something; false if there are none.
async fn erase_again(
    engine: &Engine,
    contacts: &[(ContactId, Timestamp)],
    by: &Actor,
) -> Result<bool, String> {
    let named: BTreeSet<ContactId> = contacts.iter().map(|(id, _)| *id).collect();
    let mut any = false;
    loop {
        let wanted = Recall::Identities(named.iter().copied().collect());
        let recalled = engine.store().recall(engine.workspace(), wanted).await;
        let register = recalled.map_err(|error| error.to_string())?.register;
        let is_there = |(id, made_at): &&(ContactId, Timestamp)| {
            register.contact(*id).is_some_and(|row| {
                row.created_at == *made_at && row.identifiers.iter().any(|one| !one.is_erased())
            })
        };
        let Some((first, _)) = contacts.iter().find(is_there) else { return Ok(any) };
        let primary = register.contact(*first).map_or(*first, Contact::primary);
        let mut everybody = register.everybody(primary);
        everybody.insert(primary);
        let theirs: Vec<ContactId> = everybody.intersection(&named).copied().collect();
        let is_live = |id: &ContactId| register.contact(*id).is_some_and(|row| row.deleted_at.is_none());
        let live = theirs.iter().copied().find(is_live);
        if theirs.len() < everybody.len() {
            if live.is_none() {
                return Err(format!("contact {first} is deleted, and can't be parted from somebody else"));
            }
            split_off(engine, *first, theirs, by).await?;
        }
        let live = live.unwrap_or(*first);
        let erased = erase(engine, live, by.clone(), None).await.map_err(|error| error.to_string())?;
        // Each turn erases somebody, so this ends.
        if erased.now().is_none_or(|erased| erased.receipt.contacts.is_empty()) {
            return Err(format!("contact {first} can't be erased"));
        }
        any = true;
    }
}

/// Parts the contacts from the rest of their identity, who were not erased with them.
async fn split_off(
    engine: &Engine,
    of: ContactId,
    contacts: Vec<ContactId>,
    by: &Actor,
) -> Result<(), String> {
    let reason = "only these contacts were erased later".into();
    let split = engine.correct(Order::Split(of, contacts), by.clone(), Some(reason), false).await;
    split.map(|_| ()).map_err(|error: CorrectError| error.to_string())
}
