//! Observations of which some are to have their effect once, however often they are sent: each of these has a mark.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{Answer, Identities, Observation, Plan, Timestamp, decide_showing};
use selfsame_store::{IsKept, Once, Planned};

/// The marks of observations that come together, by their places among these.
pub(crate) type Marks = BTreeMap<usize, Once>;

/// The marks of a list with a place for each observation.
pub(crate) fn marks(each: Vec<Option<Once>>) -> Marks {
    each.into_iter().enumerate().filter_map(|(place, once)| Some((place, once?))).collect()
}

/// [`decide_showing`], for those that were not carried out before. Those that were change nothing, and belong to nobody. What is to be kept
/// are the marks of those that change something.
pub(crate) fn decide_marked(
    identities: &dyn Identities,
    observations: &[Observation],
    marks: &Marks,
    is_kept: &IsKept<'_>,
    clock: Timestamp,
    shown_max: usize,
) -> Planned {
    let repeats: BTreeSet<usize> =
        marks.iter().filter(|(_, once)| is_kept(once)).map(|(place, _)| *place).collect();
    if repeats.is_empty() {
        let plan = decide_showing(identities, observations, clock, shown_max);
        return Planned { keep: changing(marks, &plan), plan, note: None };
    }
    let places = observations.iter().enumerate();
    let others: Vec<Observation> =
        places.filter(|(place, _)| !repeats.contains(place)).map(|(_, other)| other.clone()).collect();
    let Plan { events, answers } = decide_showing(identities, &others, clock, shown_max);
    let mut answers = answers.into_iter();
    let answer = |place: usize| {
        let nothing = Answer { identity: None, larger: None, event: None, refused: None };
        let own = if repeats.contains(&place) { None } else { answers.next() };
        own.unwrap_or(nothing)
    };
    let plan = Plan { answers: (0..observations.len()).map(answer).collect(), events };
    Planned { keep: changing(marks, &plan), plan, note: None }
}

/// The marks of the observations that cause an event of the plan; each key once.
fn changing(marks: &Marks, plan: &Plan) -> Vec<Once> {
    let Some(first) = plan.events.first() else { return Vec::new() };
    let changes = |place: &usize| plan.answers[*place].event.is_some_and(|event| event >= first.sequence);
    let changing = marks.iter().filter(|(place, _)| changes(place));
    let by_key: BTreeMap<_, _> =
        changing.map(|(_, once)| ((once.route(), once.key()), once.clone())).collect();
    by_key.into_values().collect()
}

#[cfg(test)]
mod tests {
    use selfsame_rules::{Actor, Head, IdentifierKind, Neighbourhood, SeenIdentifier};
    use selfsame_store::WorkspaceKey;

    use super::*;

    fn seen(email: &str) -> Observation {
        let email = SeenIdentifier::parse(&IdentifierKind::Email, email).unwrap();
        Observation::new(Actor::named("test"), email).unwrap()
    }

    fn once(key: &str) -> Option<Once> {
        let at = Timestamp::from_milliseconds(1);
        Some(Once::new(WorkspaceKey::DEFAULT, "POST /v1/batch", key, [""; 0], at))
    }

    #[test]
    fn a_repeat_changes_nothing_and_what_changes_nothing_is_not_kept() {
        let nobody = Neighbourhood::new(Head::EMPTY, [], []).unwrap();
        let observations = ["a@x.org", "b@x.org", "b@x.org", "c@x.org", "d@x.org"].map(seen);
        let marks = marks(vec![once("1"), once("2"), once("3"), None, once("4")]);
        let before = once("1").unwrap();
        let is_kept = |asked: &Once| asked.key() == before.key();
        let at = Timestamp::from_milliseconds(1);
        let Planned { plan, keep, .. } =
            decide_marked(&nobody, &observations, &marks, &is_kept, at, usize::MAX);
        let events: Vec<_> = plan.answers.iter().map(|answer| answer.event.map(|event| event.0)).collect();
        assert_eq!(events, [None, Some(1), None, Some(2), Some(3)]);
        let keep: BTreeSet<_> = keep.iter().map(|once| once.key().to_owned()).collect();
        let want = [once("2"), once("4")].into_iter().flatten().map(|once| once.key().to_owned());
        assert_eq!(keep, want.collect());
        assert_eq!(plan.answers[0].identity, None, "a repeat belongs to nobody");
        assert!(plan.answers[2].identity.is_some(), "what is known has its answer");
    }
}
