//! How the observations of a log are spelt: as their events say, or as the last refold that spelt them otherwise.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::{Event, Identifier, Outcome, Respelt, SeenIdentifier, Sequence};

/// Which observations of a log are spelt otherwise than their events say, and how.
///
/// ```
/// use selfsame_rules::{IdentifierKind, SeenIdentifier, Sequence, Spelt};
///
/// let seen = SeenIdentifier::parse(&IdentifierKind::Email, "doc@hill.edu").unwrap();
/// let seen: Vec<_> = seen.into_iter().collect();
/// let spelt = Spelt::of(&[]);
/// assert_eq!(spelt.evidence(Sequence(1), &seen).as_ref(), seen, "no refold, so as it was");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Spelt<'log> {
    /// Each spelling that refolds gave an observation, the last one last.
    by_event: BTreeMap<Sequence, Vec<&'log Respelt>>,
}

impl<'log> Spelt<'log> {
    /// What the refolds among these events say, which come in the order of the log.
    pub fn of(events: impl IntoIterator<Item = &'log Event>) -> Self {
        let mut spelt = Self::default();
        for event in events {
            if let Outcome::Refolded { respelt, .. } = &event.outcome {
                spelt.add(respelt);
            }
        }
        spelt
    }

    /// Adds what another refold says.
    pub(crate) fn add(&mut self, respelt: &'log [Respelt]) {
        for one in respelt {
            self.by_event.entry(one.sequence).or_default().push(one);
        }
    }

    /// Whether everything is spelt as the events say.
    pub fn is_empty(&self) -> bool {
        self.by_event.is_empty()
    }

    /// What that event observed, as it is spelt now. `evidence`: as it was spelt once, with what was sent.
    pub fn evidence<'seen>(
        &self,
        sequence: Sequence,
        evidence: &'seen [SeenIdentifier],
    ) -> Cow<'seen, [SeenIdentifier]> {
        let Some(last) = self.by_event.get(&sequence).and_then(|all| all.last()) else {
            return Cow::Borrowed(evidence);
        };
        Cow::Owned(evidence.iter().map(|seen| in_spelling(seen, &last.identifiers)).collect())
    }

    /// The event with its evidence as it is spelt now.
    pub fn event<'event>(&self, event: &'event Event) -> Cow<'event, Event> {
        match self.evidence(event.sequence, &event.evidence) {
            Cow::Borrowed(_) => Cow::Borrowed(event),
            Cow::Owned(evidence) => Cow::Owned(Event { evidence, ..event.clone() }),
        }
    }

    /// The observations that are spelt with one of these values now, and that refolds spelt so.
    pub fn observed(&self, values: &BTreeSet<Identifier>) -> impl Iterator<Item = &'log Respelt> {
        let last = self.by_event.values().filter_map(|all| all.last().copied());
        last.filter(|one| one.identifiers.iter().any(|value| values.contains(value)))
    }

    /// What this identifier was ever spelt as, itself left out, where these are the events that observed it.
    pub fn spellings(&self, events: &[Event], identifier: &Identifier) -> BTreeSet<Identifier> {
        let of_kind = |value: &&Identifier| value.kind() == identifier.kind();
        let mut spellings = BTreeSet::new();
        for event in events {
            let Some(all) = self.by_event.get(&event.sequence) else { continue };
            if !all.last().is_some_and(|last| last.identifiers.contains(identifier)) {
                continue;
            }
            let first = event.evidence.iter().map(SeenIdentifier::identifier);
            let others = all.iter().flat_map(|one| &one.identifiers);
            spellings.extend(first.chain(others).filter(of_kind).cloned());
        }
        spellings.remove(identifier);
        spellings
    }
}

/// What was seen, in the spelling that one of these gives it.
fn in_spelling(seen: &SeenIdentifier, identifiers: &[Identifier]) -> SeenIdentifier {
    let same_kind = |identifier: &&Identifier| identifier.kind() == seen.identifier().kind();
    identifiers.iter().find(same_kind).map_or_else(|| seen.clone(), |identifier| seen.spelt(identifier))
}
