//! Proves the laws over a whole database, in one pass and little memory.
//!
//! The log is folded into a ledger and compared with the stored rows, and so is what it says of keys; then the rows
//! themselves are judged. What is said of a fault names contacts, events and keys by number or id, never a value.

use std::collections::HashMap;
use std::fmt;

use selfsame_rules::{Contact, ContactId, Event, Head, Identifier, Outcome, Sequence, Timestamp, apply};
use selfsame_store::{Counts, Finder, Record, Scan, Scanned, Store, StoreError, WorkspaceKey};
use tokio::sync::mpsc;

use crate::access_check::FoldedAccess;
use crate::finders::Finders;
use crate::ledger::{Ledger, digest};

/// The most faults that are told one by one; the rest is counted.
const FAULTS_TOLD_MAX: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many events the log has.
    pub events: u64,
    /// How many contacts are stored, deleted ones too.
    pub contacts: u64,
    /// How many of them are live primaries.
    pub identities: u64,
    /// How many identifiers have an owner.
    pub identifiers: u64,
    /// The first hundred faults, a sentence each.
    pub faults: Vec<String>,
    /// How many faults there are in all; 0 means that all laws hold.
    pub faults_count: u64,
}

/// Checks one workspace of `store`, from one snapshot; its keys beside one before and one after that.
///
/// # Errors
///
/// [`StoreError`] if the store can't be read. A database that breaks a law is no error: its faults are in the report.
///
/// Source: SEMANTICS, "What follows".
pub async fn check(store: &dyn Store, workspace: WorkspaceKey) -> Result<Report, StoreError> {
    let mut checking = Checking::default();
    for finding in store.findings().await? {
        checking.fault(format_args!("the storage engine finds: {finding}"));
    }
    let (sender, mut records) = mpsc::channel::<Vec<Record>>(4);
    let judge = async {
        while let Some(records) = records.recv().await {
            records.into_iter().for_each(|record| checking.take(record));
        }
    };
    let before = store.access().await?;
    let (scanned, ()) = tokio::join!(store.scan(workspace, Scan::Everything, sender), judge);
    let scanned = scanned?;
    for difference in checking.access.differences(workspace, [&before, &store.access().await?]) {
        checking.fault(format_args!("{difference}"));
    }
    Ok(checking.conclude(&scanned))
}

/// What has been seen so far.
#[derive(Default)]
struct Checking {
    report: Report,
    ledger: Ledger,
    access: FoldedAccess,
    finders: Finders,
    /// Contacts whose rows name another event than the one that made them.
    misnaming: Vec<ContactId>,
    /// Something was corrected, refused or governed: a contact may bear what its identity doesn't own.
    is_corrected: bool,
    last_event: Option<(Sequence, Timestamp)>,
    /// The stored rows in the order of their ids, in which they come, without their identifiers.
    stored: Vec<Stored>,
    /// Identifiers that a contact bears and that another may own, by their digests: owners come after all contacts.
    borne: Vec<(ContactId, u64)>,
    /// Who owns those.
    owners: HashMap<u64, Option<ContactId>>,
}

/// What the laws ask of a stored row.
#[derive(Clone, Copy)]
struct Stored {
    id: ContactId,
    primary: ContactId,
    created_at: Timestamp,
    live: bool,
}

impl Checking {
    fn fault(&mut self, sentence: fmt::Arguments<'_>) {
        self.report.faults_count += 1;
        if self.report.faults.len() < FAULTS_TOLD_MAX {
            self.report.faults.push(sentence.to_string());
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Event(event) => self.event(&event),
            Record::UnreadableEvent(sequence, reason) => {
                self.report.events += 1;
                self.last_event =
                    Some((sequence, self.last_event.map_or(Head::EMPTY.last_event_at, |(_, at)| at)));
                self.fault(format_args!("event {sequence} can't be read: {reason}"));
            }
            Record::Contact(contact) => self.contact(&contact),
            // A scan of everything has neither.
            Record::EventRow(_) | Record::Identity(_) => {}
            Record::Owner(identifier, owner) => self.owner(&identifier, owner),
            Record::Finder(Finder::Made(contact, event)) => {
                if self.ledger.made_by(contact) != Some(event) {
                    self.misnaming.push(contact);
                }
            }
            Record::Finder(finder) => self.finders.take(&finder),
        }
    }

    /// The log: no gaps, time never runs back, and each event follows from those before it.
    fn event(&mut self, event: &Event) {
        self.report.events += 1;
        let (Sequence(last), last_at) = self.last_event.unwrap_or((Sequence(0), event.at));
        if event.sequence != Sequence(last + 1) {
            self.fault(format_args!("event {} follows event {last}: the log has a gap", event.sequence));
        }
        if event.at < last_at {
            self.fault(format_args!("event {} is dated before event {last}", event.sequence));
        }
        self.last_event = Some((event.sequence, event.at));
        self.is_corrected |= corrects(&event.outcome);
        if let Err(impossible) = self.access.follow(event) {
            self.fault(format_args!(
                "event {} can't follow from the log before it: {impossible}",
                event.sequence
            ));
        }
        if let Err(impossible) = apply(event, &mut self.ledger) {
            self.fault(format_args!(
                "event {} can't follow from the log before it: {impossible}",
                event.sequence
            ));
        }
        self.ledger.follow_made(event);
        self.finders.follow(event);
    }

    /// A stored row equals what the log adds up to.
    fn contact(&mut self, contact: &Contact) {
        let id = contact.id;
        let live = contact.deleted_at.is_none();
        self.report.contacts += 1;
        self.report.identities += u64::from(live && contact.linked_to.is_none());
        if let Some(difference) = self.ledger.difference(contact) {
            self.fault(format_args!("contact {id} is not what the log adds up to: {difference}"));
        }
        self.stored.push(Stored { id, primary: contact.primary(), created_at: contact.created_at, live });
        // What it owns itself, as most do, needs no second look.
        if live && !self.ledger.owns_all(contact) {
            for identifier in &contact.identifiers {
                self.borne.push((id, digest(identifier)));
                self.owners.entry(digest(identifier)).or_default();
            }
        }
    }

    /// A stored ownership is one that the log gave, and its owner is live.
    fn owner(&mut self, identifier: &Identifier, owner: ContactId) {
        self.report.identifiers += 1;
        if !self.ledger.take_owned(identifier, owner) || self.stored(owner).is_none_or(|owner| !owner.live) {
            self.fault(format_args!("an identifier is owned by contact {owner}, which is no live contact"));
        }
        if let Some(found) = self.owners.get_mut(&digest(identifier)) {
            *found = Some(owner);
        }
    }

    /// What a contact bears is owned within its identity, as long as nothing was corrected.
    fn owned_within(&mut self) {
        if self.is_corrected {
            return;
        }
        for (bearer, digest) in std::mem::take(&mut self.borne) {
            match self.owners.get(&digest).copied().flatten() {
                Some(owner) => self.one_owner(bearer, owner),
                None => self.fault(format_args!("contact {bearer} bears an identifier that nobody owns")),
            }
        }
    }

    fn one_owner(&mut self, bearer: ContactId, owner: ContactId) {
        let primary_of = |id| self.stored(id).map(|stored| stored.primary);
        if primary_of(bearer) != primary_of(owner) {
            self.fault(format_args!(
                "contact {bearer} bears an identifier that contact {owner} of another identity owns"
            ));
        }
    }

    fn stored(&self, id: ContactId) -> Option<Stored> {
        let place = self.stored.binary_search_by_key(&id, |stored| stored.id).ok()?;
        Some(self.stored[place])
    }

    /// What can only be judged when all was seen.
    fn conclude(mut self, Scanned { head, counts }: &Scanned) -> Report {
        self.owned_within();
        self.links();
        self.nothing_is_missing(*head);
        self.events_are_found();
        self.counts(*counts);
        self.report
    }

    /// No chains, no orphans, and the primary is the oldest. A deleted contact may be older than its primary, and
    /// that may be deleted too; but it links directly, so that its id resolves.
    fn links(&mut self) {
        for place in 0..self.stored.len() {
            let Stored { id, primary, created_at, live } = self.stored[place];
            if primary == id {
                continue;
            }
            match self.stored(primary) {
                Some(Stored { primary: itself, .. }) if !live && itself == primary => {}
                None if !live => self.fault(format_args!(
                    "contact {id}, which is deleted, links to contact {primary}, which is not stored"
                )),
                Some(_) if !live => self.fault(format_args!(
                    "contact {id}, which is deleted, links to contact {primary}, which is a secondary: a chain"
                )),
                Some(Stored { primary: itself, created_at: primary_created_at, live: true, .. })
                    if itself == primary =>
                {
                    if (primary_created_at, primary) > (created_at, id) {
                        self.fault(format_args!("contact {id} is older than its primary, contact {primary}"));
                    }
                }
                Some(Stored { live: true, .. }) => {
                    self.fault(format_args!(
                        "contact {id} links to contact {primary}, which is a secondary: a chain"
                    ));
                }
                _ => self.fault(format_args!(
                    "contact {id} links to contact {primary}, which is no live contact: an orphan"
                )),
            }
        }
    }

    /// Each event is found by the contact that it made, by those that it concerns or keeps apart, by what it refused or settled, and by
    /// nothing else. Where rows or the log aren't what they must be, that says nothing.
    fn events_are_found(&mut self) {
        if self.report.faults_count > 0 {
            return;
        }
        for contact in std::mem::take(&mut self.misnaming) {
            self.fault(format_args!("contact {contact} does not name the event that made it"));
        }
        for (event, what) in std::mem::take(&mut self.finders).differences() {
            self.fault(format_args!("event {event} is not found by {what}"));
        }
    }

    /// The workspace counts what is there. Of rows that aren't what the log made, the count says nothing.
    fn counts(&mut self, counts: Counts) {
        if self.report.faults_count > 0 {
            return;
        }
        let live = self.stored.iter().filter(|contact| contact.live).count();
        for (what, found, counted) in [
            ("live contacts", live as u64, counts.contacts),
            ("identities", self.report.identities, counts.identities),
        ] {
            if i64::try_from(found) != Ok(counted) {
                self.fault(format_args!("there are {found} {what}, and the workspace counts {counted}"));
            }
        }
    }

    /// Everything that the log made is stored, and the workspace's counters stand where the log does.
    fn nothing_is_missing(&mut self, head: Head) {
        let waiting: Vec<_> = self.ledger.waiting().collect();
        for (id, primary) in waiting {
            self.fault(format_args!(
                "the log links contact {id}, which is deleted, to contact {primary}, which no event made"
            ));
        }
        let mut missing: Vec<ContactId> = self.ledger.ids().filter(|id| self.stored(*id).is_none()).collect();
        missing.sort_unstable();
        for id in missing {
            self.fault(format_args!("contact {id} is in the log, but not stored"));
        }
        let mut wrongly_owning: Vec<ContactId> = self.ledger.wrongly_owning().collect();
        wrongly_owning.sort_unstable();
        for id in wrongly_owning {
            self.fault(format_args!("contact {id} does not own the identifiers that the log gave it"));
        }
        let (last_sequence, last_at) = self.last_event.unwrap_or((Sequence(0), head.last_event_at));
        if last_sequence != head.last_sequence {
            self.fault(format_args!(
                "the log ends at event {last_sequence}, and the workspace counts {}",
                head.last_sequence
            ));
        }
        if last_at != head.last_event_at {
            self.fault(format_args!("the workspace's last time is not that of its last event"));
        }
        // More than the log gave is a fault too: the next id would leave a gap that no replay of the log makes.
        let given = self.ledger.last_id();
        if given != head.last_contact {
            self.fault(format_args!(
                "the log gave contact ids up to {given}, and the workspace counts {}",
                head.last_contact
            ));
        }
    }
}

/// Whether a contact may bear, from here on, what its identity doesn't own.
fn corrects(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Created { .. }
        | Outcome::Attached { .. }
        | Outcome::Merged { .. }
        | Outcome::Adopted { .. }
        | Outcome::KeyChanged(_)
        | Outcome::WorkspaceChanged(_) => false,
        Outcome::Refused { .. }
        | Outcome::Undone { .. }
        | Outcome::Split(_)
        | Outcome::Joined(_)
        | Outcome::Reviewed { .. }
        | Outcome::Deleted { .. }
        | Outcome::Erased { .. }
        | Outcome::PolicyChanged(_)
        | Outcome::Refolded { .. } => true,
    }
}
