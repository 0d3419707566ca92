//! What events are found by, compared with the log, in little memory: a number for each event that is found by more than the
//! contact that it made.
//!
//! Rows are kept as sums of 64-bit digests: what differs passes for equal once in 2^64.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use selfsame_rules::{Event, Outcome, SeenIdentifier, Sequence, Spelt};
use selfsame_store::{EvidenceDigest, Finder};

/// What the log says of events less what is stored of them: nothing is left where the two are the same.
#[derive(Debug, Default)]
pub(crate) struct Finders {
    /// By the event, and by what it is found.
    sums: HashMap<(Sequence, &'static str), u64>,
    /// What was refused, as it is spelt now.
    refused: HashMap<Sequence, Vec<SeenIdentifier>>,
}

impl Finders {
    /// Adds what the log says of an event.
    pub(crate) fn follow(&mut self, event: &Event) {
        for finder in Finder::of(event) {
            match finder {
                // That is one of each contact: the ledger keeps it.
                Finder::Made(..) => {}
                Finder::Refused(..) => {
                    self.refused.insert(event.sequence, event.evidence.clone());
                }
                Finder::Concerned(..) | Finder::KeptApart(..) | Finder::Settled(..) => self.add(&finder),
            }
        }
        if let Outcome::Refolded { respelt, .. } = &event.outcome {
            let spelt = Spelt::of(std::slice::from_ref(event));
            for one in respelt {
                if let Some(evidence) = self.refused.get_mut(&one.sequence) {
                    *evidence = spelt.evidence(one.sequence, evidence).into_owned();
                }
            }
        }
    }

    fn add(&mut self, finder: &Finder) {
        let sum = self.sum(finder);
        *sum = sum.wrapping_add(digest(finder));
    }

    /// Takes off what is stored.
    pub(crate) fn take(&mut self, finder: &Finder) {
        let sum = self.sum(finder);
        *sum = sum.wrapping_sub(digest(finder));
    }

    /// The events that are stored otherwise, each with what it is found by.
    pub(crate) fn differences(mut self) -> Vec<(Sequence, &'static str)> {
        for (event, evidence) in std::mem::take(&mut self.refused) {
            self.add(&Finder::Refused(EvidenceDigest::of(&evidence), event));
        }
        let left = self.sums.iter().filter(|(_, sum)| **sum != 0);
        let mut left: Vec<_> = left.map(|(found, _)| *found).collect();
        left.sort_unstable();
        left
    }

    fn sum(&mut self, finder: &Finder) -> &mut u64 {
        self.sums.entry((finder.event(), what(finder))).or_default()
    }
}

fn what(finder: &Finder) -> &'static str {
    match finder {
        Finder::Made(..) => "the contact that it made",
        Finder::Concerned(..) => "the contacts that it concerns",
        Finder::KeptApart(..) => "the contacts that it keeps apart, or no longer",
        Finder::Refused(..) => "the evidence that it refused",
        Finder::Settled(..) => "the refusal that it settled",
    }
}

fn digest(finder: &Finder) -> u64 {
    let mut hasher = DefaultHasher::new();
    finder.hash(&mut hasher);
    // An odd number: one row too many is never nothing.
    hasher.finish() | 1
}
