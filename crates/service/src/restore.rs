//! A log that was exported, back in a workspace without one: each event is written as it was recorded, and nothing is decided.
//!
//! What the events add up to is folded beside the store, so that one that can't follow from those before it is refused before
//! anything of it is written. That takes as much memory as a check of as many contacts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use selfsame_rules::{
    Change, Contact, ContactId, Event, Identifier, Identities, Incoherent, KeyFacts, Outcome, Plan, Sequence,
    Tables, Timestamp, apply,
};
use selfsame_store::{
    Access, AccessChange, AccessEffect, Corrected, Decided, IsKept, KeyDigest, KeyRow, Planned, Recall,
    Recalled, StoreError,
};

use crate::Engine;
use crate::access_check::FoldedAccess;
use crate::ledger::{Impossible, Ledger, digest};

/// Why events were not taken. Nothing of the events that were given with it is stored, unless it is a fault of the store.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The events have a gap, or are in another order than they were recorded in.
    #[error(
        "event {found} can't follow event {last}: one is missing, stands twice, or stands in another place"
    )]
    Gap {
        /// The event before it; 0 before the first.
        last: Sequence,
        /// Which one came.
        found: Sequence,
    },
    /// An event is dated before the one before it.
    #[error("event {0} is dated before the one before it")]
    RunsBack(Sequence),
    /// An event can't follow from those before it.
    #[error("event {0} can't follow from those before it: {1}")]
    Impossible(Sequence, Box<str>),
    /// The workspace's log has another event in that place: these are not its beginning.
    #[error("the log has another event {0}")]
    Differs(Sequence),
    /// The workspace's log goes on where these end.
    #[error("the log has events up to {head}, and these end with {last}")]
    Longer {
        /// The last event of the log.
        head: Sequence,
        /// The last of these.
        last: Sequence,
    },
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of a restored log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last event.
    pub last: Sequence,
    /// How many were written now; the others were there before.
    pub written: u64,
}

/// A log on its way in.
pub struct Restoring {
    engine: Engine,
    told: Told,
    access: FoldedAccess,
    last: Sequence,
    last_at: Timestamp,
    written: u64,
}

/// What kept a write from being made: the log stands elsewhere than it must, or the event can't follow.
#[derive(Default)]
struct KeptFrom(Option<Incoherent>);

impl Engine {
    /// Begins to take a log from its first event.
    pub fn restore(&self) -> Restoring {
        Restoring {
            engine: self.clone(),
            told: Told::default(),
            access: FoldedAccess::default(),
            last: Sequence(0),
            last_at: Timestamp::from_milliseconds(i64::MIN),
            written: 0,
        }
    }
}

impl Restoring {
    /// Takes the next events. Those that the log has already are compared, and the others appended: those that observations
    /// made in one transaction as long as they follow each other, each other one in its own.
    ///
    /// # Errors
    ///
    /// [`RestoreError`]; from then on, it takes no more. The same log may be begun again.
    pub async fn take(&mut self, events: Vec<Event>) -> Result<(), RestoreError> {
        for event in &events {
            self.follow(event)?;
        }
        let Some(first) = events.first().map(|event| event.sequence) else { return Ok(()) };
        let there = usize::try_from(self.head().await?.0 - (first.0 - 1)).unwrap_or(0).min(events.len());
        let mut new = events;
        let rest = new.split_off(there);
        self.compare(&new).await?;
        let mut rest = rest.as_slice();
        while let Some(next) = rest.first() {
            let alone = !shares(next);
            let count = if alone { 1 } else { rest.iter().take_while(|event| shares(event)).count() };
            let (now, later) = rest.split_at(count);
            self.append(now).await?;
            rest = later;
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Longer`] if the workspace's log has more than was taken.
    pub async fn end(self) -> Result<Restored, RestoreError> {
        let (head, last) = (self.head().await?, self.last);
        if head > last {
            return Err(RestoreError::Longer { head, last });
        }
        Ok(Restored { last, written: self.written })
    }

    /// The event up to which the workspace's log is known to be these.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store can't be read.
    pub async fn head(&self) -> Result<Sequence, StoreError> {
        let recalled =
            self.engine.store().recall(self.engine.workspace(), Recall::Identities(Vec::new())).await?;
        Ok(recalled.register.head().last_sequence)
    }

    /// Follows an event, or refuses it.
    fn follow(&mut self, event: &Event) -> Result<(), RestoreError> {
        let found = event.sequence;
        if found.0 != self.last.0 + 1 {
            return Err(RestoreError::Gap { last: self.last, found });
        }
        if event.at < self.last_at {
            return Err(RestoreError::RunsBack(found));
        }
        let impossible =
            |why: &dyn std::fmt::Display| RestoreError::Impossible(found, why.to_string().into());
        self.access.follow(event).map_err(|why| impossible(&why))?;
        apply(event, &mut self.told).map_err(|why| impossible(&why))?;
        (self.last, self.last_at) = (found, event.at);
        Ok(())
    }

    /// Events that the log has are these.
    async fn compare(&self, events: &[Event]) -> Result<(), RestoreError> {
        let Some(first) = events.first() else { return Ok(()) };
        let stored = self.engine.events(Sequence(first.sequence.0 - 1), events.len()).await?;
        for (place, event) in events.iter().enumerate() {
            if stored.get(place) != Some(event) {
                return Err(RestoreError::Differs(event.sequence));
            }
        }
        Ok(())
    }

    /// Writes events that the log doesn't have, in one transaction.
    async fn append(&mut self, events: &[Event]) -> Result<(), RestoreError> {
        let Some(first) = events.first() else { return Ok(()) };
        let kept: Arc<Mutex<KeptFrom>> = Arc::default();
        let written = if shares(first) {
            self.observe(events).await?
        } else if let Outcome::KeyChanged(changed) = &first.outcome {
            self.record_key(first, &changed.after).await?
        } else {
            self.correct(first, Arc::clone(&kept)).await?
        };
        self.engine.feed().tell();
        if written {
            self.written += events.len() as u64;
            return Ok(());
        }
        if let Some(why) = kept.lock().expect("nothing panics while it holds this").0.take() {
            return Err(RestoreError::Impossible(first.sequence, why.to_string().into()));
        }
        // The log stood elsewhere: these were written before, by an attempt whose answer was lost, or something else was.
        self.compare(events).await
    }

    /// Writes what observations made; tells whether the log stood where they follow.
    async fn observe(&self, events: &[Event]) -> Result<bool, StoreError> {
        let (events, before) = (events.to_vec(), before(&events[0]));
        let decision = Box::new(move |identities: &dyn Identities, _: &IsKept<'_>| {
            let follows = identities.head().last_sequence == before;
            let events = if follows { events.clone() } else { Vec::new() };
            Planned::from(Plan { events, answers: Vec::new() })
        });
        let store = self.engine.store();
        let plan = store.write_once(self.engine.workspace(), Vec::new(), Vec::new(), decision).await?;
        Ok(!plan.events.is_empty())
    }

    /// Writes what a person decided.
    async fn correct(&self, event: &Event, kept: Arc<Mutex<KeptFrom>>) -> Result<bool, StoreError> {
        let recall = if matches!(event.outcome, Outcome::Refolded { .. }) {
            Recall::Workspace
        } else {
            Recall::Identities(event.contacts().into_iter().collect())
        };
        let (event, before) = (event.clone(), before(event));
        let decision = Box::new(move |recalled: &Recalled| {
            if recalled.register.head().last_sequence != before {
                return Decided::from(None);
            }
            // What it rewrote was read as it was after that.
            let corrected = Corrected::of(&recalled.register, event.clone(), Vec::new());
            Decided::from(
                corrected
                    .map_err(|why| {
                        kept.lock().expect("nothing panics while it holds this").0 = Some(why);
                    })
                    .ok(),
            )
        });
        let store = self.engine.store();
        let carried = store.correct(self.engine.workspace(), recall, None, decision).await?;
        Ok(carried.now().is_some())
    }

    /// Writes what the log says of a key: whoever had it can't use it, for its digest is in no log. It gets one that nobody knows
    /// the text of.
    async fn record_key(&self, event: &Event, facts: &KeyFacts) -> Result<bool, StoreError> {
        let mut nobodys = [0; 32];
        getrandom::fill(&mut nobodys).map_err(|error| StoreError::failed(error.to_string()))?;
        let (event, facts, before) = (event.clone(), facts.clone(), before(event));
        let workspace = self.engine.workspace();
        let decision = Box::new(move |access: &Access| {
            let head = access.workspace(workspace).map(|row| row.head.last_sequence);
            if head != Some(before) {
                return Decided::from(None);
            }
            let is_there =
                access.keys.iter().any(|key| key.workspace == workspace && key.facts.id == facts.id);
            let effect = if is_there {
                AccessEffect::KeyEnded(facts.clone())
            } else {
                AccessEffect::KeyMade(KeyRow { workspace, facts: facts.clone(), digest: KeyDigest(nobodys) })
            };
            Decided::from(Some(AccessChange { workspace, event: event.clone(), effect }))
        });
        let carried = self.engine.store().administer(workspace, None, decision).await?;
        Ok(carried.now().is_some())
    }
}

/// Whether an event shares a transaction with those beside it: it changes nothing that has to be looked at.
fn shares(event: &Event) -> bool {
    match &event.outcome {
        Outcome::Created { .. }
        | Outcome::Attached { .. }
        | Outcome::Merged { .. }
        | Outcome::Refused { .. }
        | Outcome::Adopted { .. }
        // The workspace that it was about is another one, elsewhere.
        | Outcome::WorkspaceChanged(_) => true,
        Outcome::Undone { .. }
        | Outcome::Split(_)
        | Outcome::Joined(_)
        | Outcome::Reviewed { .. }
        | Outcome::Deleted { .. }
        | Outcome::Erased { .. }
        | Outcome::PolicyChanged(_)
        | Outcome::Refolded { .. }
        | Outcome::KeyChanged(_) => false,
    }
}

fn before(event: &Event) -> Sequence {
    Sequence(event.sequence.0 - 1)
}

/// What the events add up to: the contacts, and which values have an owner.
#[derive(Default)]
struct Told {
    ledger: Ledger,
    owned: HashSet<u64>,
}

/// Why an event can't follow.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Contacts(#[from] Impossible),
    #[error("it gives contact {0} a value that another contact owns")]
    OwnedBefore(ContactId),
    #[error("it takes from contact {0} a value that nobody owns")]
    NotOwned(ContactId),
}

impl Told {
    fn gain(&mut self, contact: ContactId, digest: u64) -> Result<(), Unfit> {
        if self.owned.insert(digest) { Ok(()) } else { Err(Unfit::OwnedBefore(contact)) }
    }
}

impl Tables for Told {
    type Error = Unfit;

    fn insert_contact(&mut self, contact: Contact) -> Result<(), Unfit> {
        Ok(self.ledger.insert_contact(contact)?)
    }

    fn own(&mut self, identifier: &Identifier, contact: ContactId) -> Result<(), Unfit> {
        self.gain(contact, digest(identifier))?;
        Ok(self.ledger.own(identifier, contact)?)
    }

    fn relink(&mut self, former: ContactId, survivor: ContactId, at: Timestamp) -> Result<(), Unfit> {
        Ok(self.ledger.relink(former, survivor, at)?)
    }

    fn change(&mut self, change: Change<'_>, at: Timestamp) -> Result<(), Unfit> {
        match change {
            Change::Own(ownership) => {
                let digest = self.ledger.borne(ownership)?;
                self.gain(ownership.contact, digest)?;
            }
            Change::Disown(ownership) => {
                let digest = self.ledger.borne(ownership)?;
                if !self.owned.remove(&digest) {
                    return Err(Unfit::NotOwned(ownership.contact));
                }
            }
            Change::Part { .. }
            | Change::KeepApart(_)
            | Change::Lift(_)
            | Change::Refuse { .. }
            | Change::Settle(_)
            | Change::Delete { .. }
            | Change::Erase(_)
            | Change::Respell { .. }
            | Change::RespellEvidence { .. }
            | Change::Govern(_) => {}
        }
        Ok(self.ledger.change(change, at)?)
    }
}
