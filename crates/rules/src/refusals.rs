//! Refusals that were recorded, found again by their number and by their evidence, and which of them wait for a review.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ContactId, Identifier, RecordedRefusal, SeenIdentifier, Sequence};

/// What makes two pieces of evidence the same: the canonical identifiers, and which were verified.
type EvidenceKey = Vec<(Identifier, bool)>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    recorded: BTreeMap<Sequence, Recorded>,
    by_evidence: BTreeMap<EvidenceKey, BTreeSet<Sequence>>,
    open: BTreeSet<Sequence>,
}

#[derive(Clone, Debug)]
struct Recorded {
    evidence: EvidenceKey,
    /// A contact of each identity that was concerned: the primaries at the time.
    identities: Vec<ContactId>,
}

impl Refusals {
    /// Records one, as an open entry of the review queue.
    pub(crate) fn record(
        &mut self,
        sequence: Sequence,
        evidence: &[SeenIdentifier],
        identities: &[ContactId],
    ) {
        let recorded = Recorded { evidence: key(evidence), identities: identities.to_vec() };
        self.by_evidence.entry(recorded.evidence.clone()).or_default().insert(sequence);
        self.recorded.insert(sequence, recorded);
        self.open.insert(sequence);
    }

    /// Finds one by other evidence from now on: what is left of it, where values were erased.
    pub(crate) fn rewrite(&mut self, sequence: Sequence, evidence: &[SeenIdentifier]) {
        self.find_by(sequence, key(evidence));
    }

    /// Finds one by other spellings of its values from now on.
    pub(crate) fn respell(&mut self, sequence: Sequence, identifiers: &[Identifier]) {
        let Some(recorded) = self.recorded.get(&sequence) else { return };
        let respelt = |(value, verified): &(Identifier, bool)| {
            let anew = identifiers.iter().find(|anew| anew.kind() == value.kind());
            (anew.unwrap_or(value).clone(), *verified)
        };
        let anew = recorded.evidence.iter().map(respelt).collect();
        self.find_by(sequence, anew);
    }

    /// The evidence of the one of that number, as it is spelt now.
    pub(crate) fn evidence(&self, sequence: Sequence) -> Option<Vec<SeenIdentifier>> {
        let seen = |(value, verified): &(Identifier, bool)| {
            let seen = SeenIdentifier::from_stored(value.clone(), None);
            if *verified { seen.verified() } else { seen }
        };
        Some(self.recorded.get(&sequence)?.evidence.iter().map(seen).collect())
    }

    fn find_by(&mut self, sequence: Sequence, evidence: EvidenceKey) {
        let Some(recorded) = self.recorded.get_mut(&sequence) else { return };
        if recorded.evidence == evidence {
            return;
        }
        let former = std::mem::replace(&mut recorded.evidence, evidence);
        self.by_evidence.entry(recorded.evidence.clone()).or_default().insert(sequence);
        if let Some(same) = self.by_evidence.get_mut(&former) {
            same.remove(&sequence);
            if same.is_empty() {
                self.by_evidence.remove(&former);
            }
        }
    }

    /// An entry of the review queue was decided.
    pub(crate) fn settle(&mut self, sequence: Sequence) {
        self.open.remove(&sequence);
    }

    pub(crate) fn is_open(&self, sequence: Sequence) -> bool {
        self.open.contains(&sequence)
    }

    /// Entries of the review queue that wait.
    pub(crate) fn open(&self) -> impl Iterator<Item = Sequence> {
        self.open.iter().copied()
    }

    /// The one of that number; `primary` says which primary a contact has now.
    pub(crate) fn recorded(
        &self,
        sequence: Sequence,
        primary: impl Fn(ContactId) -> ContactId,
    ) -> Option<RecordedRefusal> {
        let then = &self.recorded.get(&sequence)?.identities;
        let primaries: BTreeSet<ContactId> = then.iter().map(|contact| primary(*contact)).collect();
        Some(RecordedRefusal { sequence, identities: primaries.into_iter().collect() })
    }

    /// Those of exactly this evidence.
    pub(crate) fn of(
        &self,
        evidence: &[SeenIdentifier],
        primary: impl Fn(ContactId) -> ContactId,
    ) -> Vec<RecordedRefusal> {
        if self.by_evidence.is_empty() {
            return Vec::new();
        }
        let found = self.by_evidence.get(&key(evidence)).into_iter().flatten();
        found.filter_map(|sequence| self.recorded(*sequence, &primary)).collect()
    }
}

fn key(evidence: &[SeenIdentifier]) -> EvidenceKey {
    evidence.iter().map(|seen| (seen.identifier().clone(), seen.is_verified())).collect()
}
