//! What the rules say of one observation under a policy and what is kept apart. The one place that says so: live
//! decisions, undo by replay and refold all ask here.
//!
//! Under the default policy, while nothing is kept apart, `decide` knows the answer without asking.

use std::collections::BTreeMap;

use crate::{ContactId, IdentifierKind, Identities, Policy, Rule, SeenIdentifier};

/// What becomes of an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The primaries of the identities that become one, oldest first: the one that is answered, if they are kept from
    /// that; none if the observation is somebody new.
    pub(crate) touched: Vec<ContactId>,
    /// Which of its identifiers a row of it would own.
    pub(crate) owns: Vec<IdentifierKind>,
    /// Whether it brings something that needs a row.
    pub(crate) row: bool,
    /// The first rule that kept it from something, and the identities that were concerned.
    pub(crate) refused: Option<(Rule, Vec<ContactId>)>,
}

/// Judges an observation; `None` if nothing of it could link.
///
/// Source: SEMANTICS, "identify" and "Policy, per workspace".
pub(crate) fn judge<I: Identities + ?Sized>(
    identities: &I,
    policy: &Policy,
    seen: &[SeenIdentifier],
) -> Option<Verdict> {
    let (linking, apart): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| policy.links(seen));
    if linking.is_empty() {
        return None;
    }
    let (mut touched, mut free, mut answered) = (Vec::new(), Vec::new(), None);
    for identifier in linking.into_iter().map(SeenIdentifier::identifier) {
        let Some(primary) = identities.owner(identifier) else {
            free.push(identifier.kind().clone());
            continue;
        };
        let rank = policy.rank(identifier.kind());
        answered = answered.into_iter().chain([(rank, primary)]).min();
        if !touched.contains(&primary) {
            touched.push(primary);
        }
    }
    touched.sort_by_key(|primary| (identities.created_at(*primary), *primary));

    let mut refused = forbids(identities, policy, &touched).map(|rule| (rule, touched.clone()));
    if let (Some(_), Some((_, home))) = (&refused, answered) {
        touched = vec![home];
    }
    let concerned: Vec<ContactId> = touched.first().copied().into_iter().collect();

    let unborne =
        |seen: &&SeenIdentifier| !touched.iter().any(|primary| identities.bears(*primary, seen.identifier()));
    let unowned_is_new = apart.iter().any(unborne);
    // Nearly all that come bring nothing new, and what a large identity holds takes a while to count.
    let brings = unowned_is_new || !free.is_empty();
    let mut holding = if brings { Holding::of(identities, policy, &touched) } else { Holding::default() };
    let mut owns = Vec::new();
    for kind in free {
        if holding.has_room_for(policy, &kind) {
            *holding.identifiers.entry(kind.clone()).or_default() += 1;
            owns.push(kind);
        } else {
            refused.get_or_insert((rule_of(policy, kind), concerned.clone()));
        }
    }
    let mut row = unowned_is_new || !owns.is_empty();
    let full = policy.contacts_max().is_some_and(|most| holding.contacts >= most);
    if row && full && !touched.is_empty() {
        owns.clear();
        row = false;
        refused.get_or_insert((Rule::Contacts, concerned));
    }
    Some(Verdict { touched, owns, row, refused })
}

/// The first rule that keeps these identities from becoming one, all of them or none.
///
/// A rule forbids only what makes a breach greater: what one of them holds already, they may hold together.
pub(crate) fn forbids<I: Identities + ?Sized>(
    identities: &I,
    policy: &Policy,
    primaries: &[ContactId],
) -> Option<Rule> {
    if primaries.len() < 2 {
        return None;
    }
    if any_kept_apart(identities, primaries) {
        return Some(Rule::KeptApart);
    }
    forbids_people(identities, policy, primaries)
}

/// As [`forbids`], but for what is kept apart, which a person may lift.
pub(crate) fn forbids_people<I: Identities + ?Sized>(
    identities: &I,
    policy: &Policy,
    primaries: &[ContactId],
) -> Option<Rule> {
    if !policy.has_limits() {
        return None;
    }
    let each: Vec<_> = primaries.iter().map(|one| Holding::of(identities, policy, &[*one])).collect();
    let breaks = |most: Option<usize>, count: &dyn Fn(&Holding) -> usize| {
        let together: usize = each.iter().map(count).sum();
        let most_alone = each.iter().map(count).max().unwrap_or_default();
        most.is_some_and(|most| together > most && together > most_alone)
    };
    let mut kinds: Vec<&IdentifierKind> =
        each.iter().flat_map(|holding| holding.identifiers.keys()).collect();
    kinds.sort_by_key(|kind| policy.rank(kind));
    kinds.dedup();
    let kind = kinds.into_iter().find(|kind| {
        let count = |holding: &Holding| holding.count(kind);
        breaks(policy.identifiers_max(kind), &count)
    });
    let contacts = || breaks(policy.contacts_max(), &|holding| holding.contacts).then_some(Rule::Contacts);
    kind.map(|kind| rule_of(policy, kind.clone())).or_else(contacts)
}

/// Whether two of these identities are kept apart.
pub(crate) fn any_kept_apart<I: Identities + ?Sized>(identities: &I, primaries: &[ContactId]) -> bool {
    let mut rest = primaries;
    while let Some((one, others)) = rest.split_first() {
        if others.iter().any(|other| identities.kept_apart(*one, *other)) {
            return true;
        }
        rest = others;
    }
    false
}

/// What some identities hold together, as far as the policy limits it.
#[derive(Default)]
struct Holding {
    contacts: usize,
    /// How many identifiers of each kind they own.
    identifiers: BTreeMap<IdentifierKind, usize>,
}

impl Holding {
    fn of<I: Identities + ?Sized>(identities: &I, policy: &Policy, primaries: &[ContactId]) -> Self {
        if !policy.has_limits() {
            return Self::default();
        }
        let mut holding = Self::default();
        for primary in primaries {
            holding.contacts += identities.size(*primary);
            for (kind, count) in identities.owned_kinds(*primary) {
                *holding.identifiers.entry(kind).or_default() += count;
            }
        }
        holding.identifiers.retain(|kind, _| policy.identifiers_max(kind).is_some());
        holding
    }

    fn count(&self, kind: &IdentifierKind) -> usize {
        self.identifiers.get(kind).copied().unwrap_or_default()
    }

    fn has_room_for(&self, policy: &Policy, kind: &IdentifierKind) -> bool {
        policy.identifiers_max(kind).is_none_or(|most| self.count(kind) < most)
    }
}

fn rule_of(policy: &Policy, kind: IdentifierKind) -> Rule {
    if policy.is_unique(&kind) { Rule::Unique(kind) } else { Rule::Identifiers(kind) }
}
