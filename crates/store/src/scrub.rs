//! What erasing owes a store's files: the texts that must not be found in them any more, and whether that holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use selfsame_rules::{ContactId, Event, Identifier, Outcome, Respelt, SeenIdentifier};

use crate::{Corrected, Recalled};

/// Texts of people who were erased: held in memory until they are gone from the files, and never written. Prints as a number.
///
/// ```
/// let mut texts = selfsame_store::ErasedTexts::default();
/// texts.add("doc@hill.edu");
/// assert_eq!(format!("{texts:?}"), "ErasedTexts(1)");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ErasedTexts(BTreeSet<Box<str>>);

impl fmt::Debug for ErasedTexts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ErasedTexts({})", self.0.len())
    }
}

impl ErasedTexts {
    /// What a correction takes from the events and rows that were looked at. Where a live contact of somebody else bears a
    /// value, it isn't gone, and isn't in here.
    pub fn between(before: &Recalled, after: &Corrected) -> Self {
        let earlier: BTreeMap<_, _> = before.events.iter().map(|event| (event.sequence, event)).collect();
        let mut gone = BTreeSet::new();
        for event in &after.rewritten {
            let stays = texts(event);
            let was = earlier.get(&event.sequence).map(|event| texts(event)).unwrap_or_default();
            gone.extend(was.difference(&stays).map(|text| Box::<str>::from(*text)));
        }
        for row in &after.updated {
            let now: BTreeSet<&str> = row.contact.identifiers.iter().map(Identifier::value).collect();
            let was = before.register.contact(row.contact.id).into_iter();
            // A token of an imported log is nobody's text.
            let was = was.flat_map(|contact| &contact.identifiers).filter(|value| !value.is_erased());
            let was = was.map(Identifier::value);
            gone.extend(was.filter(|text| !now.contains(text)).map(Box::<str>::from));
        }
        let erased: &[ContactId] =
            if let Outcome::Erased { contacts, .. } = &after.event.outcome { contacts } else { &[] };
        for (value, _) in before.bearers.iter().filter(|(_, bearer)| !erased.contains(bearer)) {
            gone.remove(value.value());
        }
        // A value of somebody else may once have been spelt as one of theirs.
        let live = |contact: &ContactId| {
            let row = before.register.contact(*contact).filter(|row| row.deleted_at.is_none());
            row.is_some() && !erased.contains(contact)
        };
        for event in &before.events {
            let event = after.rewritten.iter().find(|anew| anew.sequence == event.sequence).unwrap_or(event);
            texts_of(event, live).for_each(|text| _ = gone.remove(text));
        }
        Self(gone)
    }

    /// One more.
    pub fn add(&mut self, text: &str) {
        self.0.insert(text.into());
    }

    /// And all of those.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each as a text of JSON, in its quotes: as bodies have it.
    pub fn in_json(&self) -> Vec<String> {
        self.iter().map(|text| serde_json::Value::from(text).to_string()).collect()
    }

    /// Each of them, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// What identifies somebody in an event. Where it was seen goes with it, but stands in many an event of others too: `till 4`.
fn texts(event: &Event) -> BTreeSet<&str> {
    let not_borne =
        if let Outcome::Adopted { from, .. } = &event.outcome { &from.not_borne[..] } else { &[] };
    let seen = texts_seen(&event.evidence).chain(texts_of(event, |_| true));
    let respelt = respelt(event).iter().flat_map(|one| &one.identifiers).map(Identifier::value);
    seen.chain(respelt).chain(not_borne.iter().map(|text| &*text.as_sent)).collect()
}

/// What an event says that these contacts bear, or bore in another spelling.
fn texts_of(event: &Event, is_of: impl Fn(&ContactId) -> bool + Copy) -> impl Iterator<Item = &str> {
    let made = event.made().filter(move |(contact, _)| is_of(contact));
    let respelt = respelt(event).iter().filter(move |one| one.contact.as_ref().is_some_and(is_of));
    let respelt = respelt.flat_map(|one| &one.identifiers).map(Identifier::value);
    made.flat_map(|(_, evidence)| texts_seen(evidence)).chain(respelt)
}

fn texts_seen(evidence: &[SeenIdentifier]) -> impl Iterator<Item = &str> {
    evidence.iter().flat_map(|one| [Some(one.identifier().value()), one.as_sent()]).flatten()
}

fn respelt(event: &Event) -> &[Respelt] {
    if let Outcome::Refolded { respelt, .. } = &event.outcome { respelt } else { &[] }
}

/// Whether a store's files are free of what was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    /// Nothing of it is in any of them: they were read to their ends.
    Clean,
    /// Copies were left in unused places, so the files were written anew, from what is there.
    WrittenAnew,
    /// Another program reads a state from before; it is done when that one has ended, or at the next start.
    HeldByReader,
    /// This store can't do it by itself: `selfsame scrub` does.
    ByCommand,
}

impl Scrubbed {
    /// Whether nothing is left to do.
    pub fn is_done(self) -> bool {
        match self {
            Self::Clean | Self::WrittenAnew => true,
            Self::HeldByReader | Self::ByCommand => false,
        }
    }
}
