//! Which contacts no observation may bring together again: what undo, split and review have parted.

use std::collections::{BTreeMap, BTreeSet};

use crate::ContactId;

/// Two groups of contacts that are kept apart, each of one with each of the other.
///
/// Two identities are kept apart while one has a contact of one group, and the other a contact of the other: so later
/// contacts inherit through their identity.
///
/// ```
/// use selfsame_rules::{Apart, ContactId};
///
/// let apart = Apart::new(vec![ContactId(9)], vec![ContactId(4), ContactId(2)]);
/// assert_eq!(apart, Apart::new(vec![ContactId(2), ContactId(4)], vec![ContactId(9)]));
/// ```
///
/// Source: SEMANTICS, "Corrections".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Apart {
    /// The group with the lowest number, in the order of numbers.
    pub one: Vec<ContactId>,
    /// The other one, in the order of numbers.
    pub other: Vec<ContactId>,
}

impl Apart {
    /// The pair of these groups, in any order.
    pub fn new(mut one: Vec<ContactId>, mut other: Vec<ContactId>) -> Self {
        one.sort_unstable();
        other.sort_unstable();
        if one <= other { Self { one, other } } else { Self { one: other, other: one } }
    }
}

/// What is lifted when two identities are joined by a person, and what of it stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifting {
    /// Pairs that hold no longer, as they were recorded.
    pub(crate) lifted: Vec<Apart>,
    /// What of them goes on holding.
    pub(crate) kept: Vec<Apart>,
}

/// All pairs of a workspace, or of a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptApart {
    /// Each with a number of its own.
    pairs: BTreeMap<Apart, usize>,
    /// The numbers of the pairs that name a contact, and whether as one of [`Apart::one`].
    naming: BTreeMap<ContactId, Vec<(usize, bool)>>,
    last: usize,
}

impl KeptApart {
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub(crate) fn contains(&self, pair: &Apart) -> bool {
        self.pairs.contains_key(pair)
    }

    pub(crate) fn add(&mut self, pair: &Apart) {
        if self.pairs.contains_key(pair) {
            return;
        }
        self.last += 1;
        self.pairs.insert(pair.clone(), self.last);
        for (contact, first) in named(pair) {
            self.naming.entry(contact).or_default().push((self.last, first));
        }
    }

    pub(crate) fn remove(&mut self, pair: &Apart) {
        let Some(number) = self.pairs.remove(pair) else { return };
        for (contact, _) in named(pair) {
            if let Some(naming) = self.naming.get_mut(&contact) {
                naming.retain(|(other, _)| *other != number);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Apart> {
        self.pairs.keys()
    }

    /// Whether a pair has a contact of `one` on a side, and a contact of `other` on its other side.
    pub(crate) fn between(
        &self,
        one: impl IntoIterator<Item = ContactId>,
        other: impl IntoIterator<Item = ContactId>,
    ) -> bool {
        if self.is_empty() {
            return false;
        }
        let sides = self.sides(one);
        !sides.is_empty() && self.sides(other).iter().any(|(pair, first)| sides.contains(&(*pair, !*first)))
    }

    /// What joining identities by hand, each told by its contacts, lifts.
    pub(crate) fn lifting(&self, identities: &[BTreeSet<ContactId>]) -> Lifting {
        let mut after = self.clone();
        for (place, one) in identities.iter().enumerate() {
            for other in &identities[place + 1..] {
                after.lift_between(one, other);
            }
        }
        let lifted = self.iter().filter(|pair| !after.pairs.contains_key(pair)).cloned().collect();
        let kept = after.iter().filter(|pair| !self.pairs.contains_key(pair)).cloned().collect();
        Lifting { lifted, kept }
    }

    /// Lets no pair hold between these two; what else a pair says goes on holding.
    fn lift_between(&mut self, one: &BTreeSet<ContactId>, other: &BTreeSet<ContactId>) {
        let pairs: Vec<Apart> = self.iter().cloned().collect();
        for pair in pairs {
            // A pair may name contacts of both on either side, once they were parted again.
            let mut pieces = vec![(pair.one.clone(), pair.other.clone())];
            for (left, right) in [(one, other), (other, one)] {
                pieces = pieces.into_iter().flat_map(|piece| without(piece, left, right)).collect();
            }
            let pieces: Vec<Apart> = pieces.into_iter().map(|(one, other)| Apart::new(one, other)).collect();
            if pieces != [pair.clone()] {
                self.remove(&pair);
                pieces.iter().for_each(|piece| self.add(piece));
            }
        }
    }

    fn sides(&self, contacts: impl IntoIterator<Item = ContactId>) -> BTreeSet<(usize, bool)> {
        let naming = contacts.into_iter().filter_map(|contact| self.naming.get(&contact));
        naming.flatten().copied().collect()
    }
}

type Groups = (Vec<ContactId>, Vec<ContactId>);

/// What is left of two groups when no contact of `left` in the first meets one of `right` in the second.
fn without((first, second): Groups, left: &BTreeSet<ContactId>, right: &BTreeSet<ContactId>) -> Vec<Groups> {
    let cut = |group: &[ContactId], side: &BTreeSet<ContactId>| {
        group.iter().copied().partition::<Vec<_>, _>(|contact| side.contains(contact))
    };
    let (joined, rest) = cut(&first, left);
    let (met, others) = cut(&second, right);
    if joined.is_empty() || met.is_empty() {
        return vec![(first, second)];
    }
    let pieces = [(rest, second), (joined, others)];
    pieces.into_iter().filter(|(one, other)| !one.is_empty() && !other.is_empty()).collect()
}

fn named(pair: &Apart) -> impl Iterator<Item = (ContactId, bool)> {
    let one = pair.one.iter().map(|contact| (*contact, true));
    one.chain(pair.other.iter().map(|contact| (*contact, false)))
}
