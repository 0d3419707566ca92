//! Judges a short history of concurrent `identify` calls completely: is there an order of the operations,
//! respecting real time, in which the sequential model gives exactly every answer?
//!
//! This is the search of Wing and Gong with the memory of Lowe, once for each set of operations whose
//! identifiers are connected; such sets are independent objects, and linearizability is a local property.
//! The laws that long histories are judged by are in `judge`, as is what a history is.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::judge::{Answer, Groups, Law, Operation, Value, Violation, assert_well_recorded, named};
use crate::model::{Model, ModelAnswer, ModelChange};

/// How many states the search of one connected set of operations visits before it gives up.
pub const SEARCH_STATES_MAX: usize = 200_000;

/// Says whether some order of the operations explains every answer.
///
/// `history`: all `identify` calls on one workspace that was empty before, in any order. An operation that
/// ended before another started comes before it; one without an answer may come anywhere after its start, or
/// never. What counts as refused or unanswered is said at [`Operation`].
///
/// Only answers are evidence here, not rows: end a history with an operation for every identifier, after all
/// others have ended, so that what was lost without being missed is seen.
///
/// **Contact ids.** They are counted per workspace and grow in order of creation. So within a set of connected
/// operations the contact that the model makes as its i-th is the one with the i-th smallest id among those in
/// the set's answers, whatever the gaps. That there are contacts in no answer doesn't break this: only an
/// operation without an answer makes such a contact, and if nobody was ever shown it, the operation explains
/// nothing and can be left out (with all that nobody was shown after it). So the search has unanswered
/// operations happen only where an answer shows what they did. Not judged: the order of ids across unconnected
/// sets, and whether a gap is explained.
///
/// # Errors
///
/// The first breach found: [`Law::SomeOrderExplainsAll`], [`Law::ContactsAreNotShared`], or
/// [`Law::SearchEnds`] where [`SEARCH_STATES_MAX`] states didn't decide (a shorter history would).
///
/// # Panics
///
/// As `judge::invariants` does, if the history is recorded wrongly.
pub fn linearizable(history: &[Operation]) -> Result<(), Violation> {
    assert_well_recorded(history);
    let sets = connected_sets(history);
    contacts_are_not_shared(history, &sets)?;
    sets.iter().try_for_each(|set| Search::new(history, set).judge())
}

/// Gives the sets of operations that share identifiers, transitively, as indexes into the history.
fn connected_sets(history: &[Operation]) -> Vec<Vec<usize>> {
    let mut groups: Groups<Value<'_>> = Groups::new();
    for operation in history {
        groups.join(&operation.sent());
    }
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, operation) in history.iter().enumerate() {
        let group = groups.group_of(operation.sent()[0]).expect("every operation was joined");
        sets.entry(group).or_default().push(index);
    }
    sets.into_values().collect()
}

/// Each set is searched alone, so only here it would show that a contact is in the answers of two.
fn contacts_are_not_shared(history: &[Operation], sets: &[Vec<usize>]) -> Result<(), Violation> {
    let mut shown_by: HashMap<i64, (usize, usize)> = HashMap::new();
    for (number, set) in sets.iter().enumerate() {
        for &index in set {
            for id in history[index].answer.iter().flat_map(Answer::contacts) {
                let (other_set, other) = *shown_by.entry(id).or_insert((number, index));
                if other_set != number {
                    let sentence = format!(
                        "contact {id} is in the answers to operations {other} and {index}, which no operations \
                         connect"
                    );
                    return Err(Violation {
                        law: Law::ContactsAreNotShared,
                        operations: vec![other, index],
                        sentence,
                    });
                }
            }
        }
    }
    Ok(())
}

/// An operation, prepared for the search.
struct Candidate<'a> {
    index: usize,
    started: u64,
    /// The end of time for an operation without an answer.
    ended: u64,
    sent: Vec<Value<'a>>,
    answer: Option<&'a Answer>,
    answered_values: HashSet<Value<'a>>,
    answered_contacts: HashSet<i64>,
}

/// A prefix of an order, and what the model holds after it.
#[derive(Clone)]
struct Prefix {
    /// The operations that were taken, and those without an answer that never need be.
    settled: Vec<bool>,
    model: Model,
    /// For each row of the model the operation that made it.
    makers: Vec<usize>,
    /// The operations that were taken, as indexes into the history.
    order: Vec<usize>,
}

/// All that decides what can follow a prefix, in little memory: a row's values are those of its maker.
#[derive(PartialEq, Eq, Hash)]
struct State {
    settled: Vec<bool>,
    rows: Vec<(usize, Option<i64>)>,
}

/// A next step that changes the model.
struct Step {
    candidate: usize,
    model: Model,
    /// What the model answers, with the recorded ids.
    answer: Answer,
}

struct Search<'a> {
    candidates: Vec<Candidate<'a>>,
    /// Every id in an answer, ascending: the model's contacts in order of creation.
    recorded_ids: Vec<i64>,
    visited: HashSet<State>,
    longest: Vec<usize>,
    /// The operations whose answers the longest order contradicts.
    stuck: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(history: &'a [Operation], set: &[usize]) -> Search<'a> {
        let mut candidates: Vec<Candidate<'a>> = set.iter().map(|&index| candidate(history, index)).collect();
        // What nobody was ever shown need not have happened.
        let needed = |one: &Candidate<'_>| one.answer.is_some() || shown_by_any(&one.sent, candidates.iter());
        let needed: Vec<bool> = candidates.iter().map(needed).collect();
        let mut needed = needed.into_iter();
        candidates.retain(|_| needed.next().expect("there is one for each"));
        candidates.sort_by_key(|one| (one.started, one.index));
        let answers = candidates.iter().filter_map(|one| one.answer);
        let mut recorded_ids: Vec<i64> = answers.flat_map(Answer::contacts).collect();
        recorded_ids.sort_unstable();
        recorded_ids.dedup();
        Search { candidates, recorded_ids, visited: HashSet::new(), longest: Vec::new(), stuck: Vec::new() }
    }

    fn judge(mut self) -> Result<(), Violation> {
        let empty = Prefix {
            settled: vec![false; self.candidates.len()],
            model: Model::new(),
            makers: Vec::new(),
            order: Vec::new(),
        };
        if self.explains_the_rest(empty) {
            return Ok(());
        }
        let all: Vec<usize> = self.candidates.iter().map(|one| one.index).collect();
        if self.visited.len() >= SEARCH_STATES_MAX {
            let sentence = format!(
                "no verdict on {} after {SEARCH_STATES_MAX} states: judge a shorter history",
                named(&all)
            );
            return Err(Violation { law: Law::SearchEnds, operations: all, sentence });
        }
        let sentence = format!(
            "no order of {} explains every answer: the longest found has {} of them, but not {}",
            named(&all),
            self.longest.len(),
            named(&self.stuck)
        );
        Err(Violation { law: Law::SomeOrderExplainsAll, operations: self.stuck, sentence })
    }

    /// Says whether some order of the operations that aren't settled explains their answers.
    fn explains_the_rest(&mut self, mut prefix: Prefix) -> bool {
        let steps = self.settle_what_changes_nothing(&mut prefix);
        if self.deadline(&prefix).is_none() {
            return true;
        }
        self.remember_if_longest(&prefix, self.answered_in_time(&prefix));
        if self.visited.len() >= SEARCH_STATES_MAX || !self.visited.insert(state(&prefix)) {
            return false;
        }
        for step in steps {
            let contradicted = self.contradicted(&prefix, &step);
            let next = after(&prefix, step, &self.candidates);
            if !contradicted.is_empty() {
                self.remember_if_longest(&next, contradicted);
            } else if self.explains_the_rest(next) {
                return true;
            }
        }
        false
    }

    fn remember_if_longest(&mut self, prefix: &Prefix, stuck: Vec<usize>) {
        if self.stuck.is_empty() || prefix.order.len() > self.longest.len() {
            self.longest.clone_from(&prefix.order);
            self.stuck = stuck;
        }
    }

    /// The tick by which the next operation has started: the first end among what must still be taken.
    fn deadline(&self, prefix: &Prefix) -> Option<u64> {
        self.open(prefix).filter(|(_, one)| one.answer.is_some()).map(|(_, one)| one.ended).min()
    }

    fn open(&self, prefix: &Prefix) -> impl Iterator<Item = (usize, &Candidate<'a>)> {
        self.candidates.iter().enumerate().filter(|(place, _)| !prefix.settled[*place])
    }

    fn answered_in_time(&self, prefix: &Prefix) -> Vec<usize> {
        let deadline = self.deadline(prefix).unwrap_or(u64::MAX);
        let in_time = self.open(prefix).filter(|(_, one)| one.answer.is_some() && one.started <= deadline);
        in_time.map(|(_, one)| one.index).collect()
    }

    /// Takes, in place, every operation that may come next and changes nothing, and gives the steps that may
    /// come next and change something; answered ones first.
    ///
    /// To take such an operation at once is always safe. In any completion it would change nothing later
    /// either, since identifiers that are of one identity stay so; and it would be answered alike, so that its
    /// identity doesn't change before. So it can be moved to the front.
    fn settle_what_changes_nothing(&self, prefix: &mut Prefix) -> Vec<Step> {
        let mut tried = prefix.settled.clone();
        let mut answered = Vec::new();
        let mut unanswered = Vec::new();
        while let Some(deadline) = self.deadline(prefix) {
            let in_time = |place: &usize| !tried[*place] && self.candidates[*place].started <= deadline;
            let Some(place) = (0..self.candidates.len()).find(in_time) else { break };
            tried[place] = true;
            let one = &self.candidates[place];
            let mut model = prefix.model.clone();
            // One time for all: ids then are the order of age, and equal states are equal.
            let (answer, change) = model.identify(&one.sent, 0);
            let answer = self.recorded(&answer);
            if let Some(recorded) = one.answer {
                // Otherwise its turn may come later, when the identity has grown.
                if let Some(answer) = answer.filter(|answer| answer == recorded) {
                    if change == ModelChange::Nothing {
                        prefix.settled[place] = true;
                        prefix.order.push(one.index);
                    } else {
                        answered.push(Step { candidate: place, model, answer });
                    }
                }
                continue;
            }
            let shown =
                |answer: &Answer| shown_by_any(&answer.values(), self.open(prefix).map(|(_, open)| open));
            match answer.filter(|answer| change != ModelChange::Nothing && shown(answer)) {
                Some(answer) => unanswered.push(Step { candidate: place, model, answer }),
                // What has no effect, or none that an open operation will be shown, may as well never happen.
                // It stays so: contacts and identities only grow, and open operations only become fewer.
                None => prefix.settled[place] = true,
            }
        }
        answered.append(&mut unanswered);
        answered
    }

    /// Gives the operations whose answers can't come true any more after a step: they show some of the
    /// step's identity, and will have to show all of it.
    fn contradicted(&self, prefix: &Prefix, step: &Step) -> Vec<usize> {
        let (values, contacts) = (step.answer.values(), step.answer.contacts());
        let shows_some = |open: &Candidate<'_>| {
            open.sent.iter().any(|value| values.contains(value))
                || contacts.iter().any(|id| open.answered_contacts.contains(id))
        };
        let shows_all = |open: &Candidate<'_>| {
            values.iter().all(|value| open.answered_values.contains(value))
                && contacts.iter().all(|id| open.answered_contacts.contains(id))
        };
        let later =
            self.open(prefix).filter(|(place, open)| *place != step.candidate && open.answer.is_some());
        later.filter(|(_, open)| shows_some(open) && !shows_all(open)).map(|(_, open)| open.index).collect()
    }

    /// Gives the model's answer with the recorded ids, if there are enough of them.
    fn recorded(&self, answer: &ModelAnswer) -> Option<Answer> {
        let recorded_id = |id: i64| {
            let place = usize::try_from(id - 1).expect("an empty model counts its contacts from 1");
            self.recorded_ids.get(place).copied()
        };
        let of_kind = |kind| answer.of_kind(kind).into_iter().map(str::to_owned).collect();
        Some(Answer {
            primary: recorded_id(answer.primary)?,
            emails: of_kind("email"),
            phones: of_kind("phone"),
            secondaries: answer
                .secondaries
                .iter()
                .map(|&id| recorded_id(id))
                .collect::<Option<Vec<i64>>>()?,
        })
    }
}

/// Gives the prefix with one more step.
fn after(prefix: &Prefix, step: Step, candidates: &[Candidate<'_>]) -> Prefix {
    let mut next = Prefix { model: step.model, ..prefix.clone() };
    next.settled[step.candidate] = true;
    next.order.push(candidates[step.candidate].index);
    if next.model.rows().len() > next.makers.len() {
        next.makers.push(step.candidate);
    }
    next
}

fn candidate(history: &[Operation], index: usize) -> Candidate<'_> {
    let operation = &history[index];
    let answer = operation.answer.as_ref();
    Candidate {
        index,
        started: operation.started,
        ended: operation.ended.unwrap_or(u64::MAX),
        sent: operation.sent(),
        answer,
        answered_values: answer.map(Answer::values).unwrap_or_default().into_iter().collect(),
        answered_contacts: answer.map(Answer::contacts).unwrap_or_default().into_iter().collect(),
    }
}

fn state(prefix: &Prefix) -> State {
    let rows = prefix.model.rows().iter().zip(&prefix.makers);
    let rows = rows.map(|(row, maker)| (*maker, row.linked_id)).collect();
    State { settled: prefix.settled.clone(), rows }
}

/// Says whether some answer holds all these values.
fn shown_by_any<'c, 'a: 'c>(
    values: &[Value<'_>],
    mut candidates: impl Iterator<Item = &'c Candidate<'a>>,
) -> bool {
    candidates
        .any(|one| one.answer.is_some() && values.iter().all(|value| one.answered_values.contains(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::samples::{Fault, Generator, Simulation, broken, history, settings, simulate, stale};

    fn breach(text: &str) -> Option<Law> {
        linearizable(&history(text)).err().map(|violation| violation.law)
    }

    #[test]
    fn a_history_without_operations_is_explained() {
        assert_eq!(linearizable(&[]), Ok(()));
    }

    #[test]
    fn overlapping_operations_may_take_effect_in_either_order() {
        assert_eq!(breach("0..9 e1 p1 = 1 : e1 p1; 0..9 e2 p1 = 1 2 : e1 p1 e2"), None);
        assert_eq!(breach("0..9 e1 p1 = 1 2 : e2 p1 e1; 0..9 e2 p1 = 1 : e2 p1"), None);
    }

    #[test]
    fn an_operation_that_ended_comes_before_one_that_started_later() {
        let law = Some(Law::SomeOrderExplainsAll);
        assert_eq!(breach("0..3 e1 p1 = 1 2 : e2 p1 e1; 4..9 e2 p1 = 1 : e2 p1"), law);
        let equal_ticks_overlap = "0..4 e1 p1 = 1 2 : e2 p1 e1; 4..9 e2 p1 = 1 : e2 p1";
        assert_eq!(breach(equal_ticks_overlap), None);
    }

    #[test]
    fn both_of_two_overlapping_operations_cant_have_been_first() {
        let law = Some(Law::SomeOrderExplainsAll);
        assert_eq!(breach("0..9 e1 p1 = 1 : e1 p1; 0..9 e2 p1 = 2 : e2 p1"), law);
        assert_eq!(breach("0..9 e1 p1 = 1 : e1 p1; 0..9 e2 p1 = 1 : e2 p1"), law);
        assert_eq!(breach("0..9 e1 = 1 : e1; 0..9 e1 = 2 : e1"), law);
    }

    #[test]
    fn an_unanswered_operation_may_have_happened_late_or_never() {
        assert_eq!(breach("0.. e1 p1; 1..2 e1 = 1 : e1"), None);
        assert_eq!(breach("0.. e1 p1; 1..2 e1 = 1 : e1 p1"), None);
        assert_eq!(breach("0.. e1 p1; 1..2 e1 = 1 : e1; 3..4 e1 = 1 2 : e1 p1"), None);
        let undone = "0.. e1 p1; 1..2 e1 = 1 : e1 p1; 3..4 e1 = 2 : e1";
        assert_eq!(breach(undone), Some(Law::SomeOrderExplainsAll));
        let before_its_start = "0..1 e1 = 1 2 : e1 p1; 2.. e1 p1";
        assert_eq!(breach(before_its_start), Some(Law::SomeOrderExplainsAll));
    }

    #[test]
    fn a_contact_that_no_answer_shows_leaves_a_gap_in_the_ids() {
        // The unanswered operation made contact 2; a later one shows it only after contact 3 was made.
        let shown_late = "0..1 e1 = 1 : e1; 2.. e2; 5..6 e3 = 3 : e3; 7..8 e1 p1 = 1 4 : e1 p1;
            9..10 e3 p1 = 1 3 4 : e1 e3 p1; 11..12 e2 p1 = 1 2 3 4 : e1 e2 e3 p1";
        assert_eq!(breach(shown_late), None);
        let made_before = shown_late.replace("2.. e2", "7.. e2");
        assert_eq!(
            breach(&made_before),
            Some(Law::SomeOrderExplainsAll),
            "contact 3 was made before its request"
        );
    }

    #[test]
    fn other_customers_leave_gaps_in_the_ids() {
        assert_eq!(breach("0..1 e1 = 1 : e1; 2..3 e2 = 2 : e2; 4..5 e1 p1 = 1 3 : e1 p1"), None);
    }

    #[test]
    fn ids_grow_in_order_of_creation() {
        let law = Some(Law::SomeOrderExplainsAll);
        assert_eq!(breach("0..1 e1 = 5 : e1; 2..3 e1 p1 = 5 4 : e1 p1"), law);
        assert_eq!(breach("0..1 e1 = 5 : e1; 2..3 p1 = 4 : p1; 4..5 e1 p1 = 5 4 : e1 p1"), law);
    }

    #[test]
    fn an_id_of_a_contact_stays() {
        let law = Some(Law::SomeOrderExplainsAll);
        assert_eq!(breach("0..1 e1 = 1 : e1; 2..3 e1 = 2 : e1"), law);
        assert_eq!(breach("0..1 e1 = 1 : e1; 2..3 e1 p1 = 1 1 : e1 p1"), law);
    }

    #[test]
    fn unconnected_operations_dont_share_a_contact() {
        assert_eq!(breach("0..1 e1 = 1 : e1; 2..3 e2 = 1 : e2"), Some(Law::ContactsAreNotShared));
    }

    #[test]
    fn the_breach_names_the_operations_that_no_order_reaches() {
        let stale = history("0..1 e1 = 1 : e1; 2..3 e1 p1 = 1 2 : e1 p1; 4..5 e1 = 1 : e1");
        let violation = linearizable(&stale).unwrap_err();
        assert_eq!(violation.operations, [2]);
    }

    #[test]
    fn every_history_of_the_model_is_explained() {
        for setting in settings() {
            for seed in 0..15 {
                let Simulation { history, .. } = simulate(seed, &setting);
                assert_eq!(linearizable(&history), Ok(()), "seed {seed}, {setting:?}");
            }
        }
    }

    #[test]
    fn an_answer_from_before_an_acknowledged_change_is_caught() {
        let mut caught = 0;
        for setting in settings() {
            for seed in 0..15 {
                let Some((history, _)) = stale(seed, &setting) else { continue };
                let verdict = linearizable(&history);
                let law = verdict.as_ref().err().map(|violation| violation.law);
                assert_eq!(law, Some(Law::SomeOrderExplainsAll), "seed {seed}, {setting:?}: {verdict:?}");
                caught += 1;
            }
        }
        assert!(caught > 20, "only {caught} histories offered the fault");
    }

    #[test]
    fn lost_links_double_primaries_and_skipped_relinks_are_caught() {
        for fault in [Fault::LostLink, Fault::TwoPrimaries, Fault::SkippedRelink] {
            let mut caught = 0;
            for setting in settings() {
                for seed in 0..15 {
                    let Some((history, _)) = broken(seed, &setting, fault) else { continue };
                    let verdict = linearizable(&history);
                    let law = verdict.as_ref().err().map(|violation| violation.law);
                    let expected = Some(Law::SomeOrderExplainsAll);
                    assert_eq!(law, expected, "{fault:?}, seed {seed}, {setting:?}: {verdict:?}");
                    caught += 1;
                }
            }
            assert!(caught > 20, "only {caught} histories offered {fault:?}");
        }
    }

    fn recorded_texts(values: &[String]) -> Vec<&str> {
        values.iter().map(String::as_str).collect()
    }

    /// Tries every order of every choice of unanswered operations, and looks at ids only in the end.
    fn some_order_by_trying_all(
        operations: &[&Operation],
        taken: &mut Vec<bool>,
        model: &Model,
        pairs: &[(i64, i64)],
    ) -> bool {
        let open = |taken: &[bool], place: usize| !taken[place] && operations[place].answer.is_some();
        if !(0..operations.len()).any(|place| open(taken, place)) {
            return pairs.iter().all(|(id, recorded)| {
                pairs.iter().all(|(other, other_recorded)| {
                    let (apart, recorded_apart) = (id - other, recorded - other_recorded);
                    apart == 0 && recorded_apart == 0 || apart > 0 && recorded_apart >= apart || {
                        apart < 0 && recorded_apart <= apart
                    }
                })
            });
        }
        for place in 0..operations.len() {
            let is_before = |other: usize| operations[other].ended < Some(operations[place].started);
            if taken[place] || (0..operations.len()).any(|other| open(taken, other) && is_before(other)) {
                continue;
            }
            let mut next = model.clone();
            let (answer, _) = next.identify(&operations[place].sent(), 0);
            let mut next_pairs = pairs.to_vec();
            if let Some(recorded) = &operations[place].answer {
                if (answer.of_kind("email"), answer.of_kind("phone"), answer.secondaries.len())
                    != (
                        recorded_texts(&recorded.emails),
                        recorded_texts(&recorded.phones),
                        recorded.secondaries.len(),
                    )
                {
                    continue;
                }
                next_pairs.push((answer.primary, recorded.primary));
                next_pairs.extend(answer.secondaries.into_iter().zip(recorded.secondaries.iter().copied()));
            }
            taken[place] = true;
            if some_order_by_trying_all(operations, taken, &next, &next_pairs) {
                return true;
            }
            taken[place] = false;
        }
        false
    }

    /// Damages a history a little, so that it may or may not be explained still.
    fn damage(history: &mut [Operation], generator: &mut Generator) {
        let one = generator.below(history.len());
        let other = generator.below(history.len());
        let Some(other_answer) = history[other].answer.clone() else { return };
        let other_times = (history[other].started, history[other].ended);
        let other_sent = (history[other].email.clone(), history[other].phone.clone());
        let choice = generator.below(8);
        let operation = &mut history[one];
        let (started, Some(ended), Some(answer)) =
            (operation.started, operation.ended, &mut operation.answer)
        else {
            return;
        };
        match choice {
            0 => *answer = other_answer,
            1 => (operation.started, operation.ended) = other_times,
            2 => answer.primary += 1,
            3 => answer.secondaries.iter_mut().for_each(|id| *id += 1),
            4 => drop((answer.secondaries.pop(), answer.emails.pop())),
            5 => operation.ended = Some(started + (ended - started) / 3),
            6 => operation.started = ended - (ended - started) / 3,
            _ => (operation.email, operation.phone) = other_sent,
        }
    }

    #[test]
    fn the_search_agrees_with_trying_every_order() {
        let (mut explained, mut refuted) = (0, 0);
        for seed in 0..4000 {
            let mut generator = Generator::new(seed);
            let setting = crate::judge::samples::Setting {
                clients: 2 + generator.below(5),
                operations: 3 + generator.below(4),
                families: 1,
                values_of_a_kind: 2,
                lost_percent: [0, 15, 30][generator.below(3)],
            };
            let Simulation { mut history, .. } = simulate(seed, &setting);
            // The last operations read every value; without them more orders are possible.
            history.truncate(setting.operations + generator.below(3));
            for _ in 0..generator.below(3) {
                damage(&mut history, &mut generator);
            }
            let sets = connected_sets(&history);
            let expected = contacts_are_not_shared(&history, &sets).is_ok()
                && sets.iter().all(|set| {
                    let operations: Vec<&Operation> = set.iter().map(|&index| &history[index]).collect();
                    let mut taken = vec![false; set.len()];
                    some_order_by_trying_all(&operations, &mut taken, &Model::new(), &[])
                });
            let verdict = linearizable(&history);
            assert_eq!(verdict.is_ok(), expected, "seed {seed}: {verdict:?}\n{history:#?}");
            *if expected { &mut explained } else { &mut refuted } += 1;
        }
        assert!(explained > 500 && refuted > 500, "{explained} explained, {refuted} refuted");
    }
}
