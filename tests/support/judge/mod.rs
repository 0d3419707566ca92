//! Judges what clients recorded of concurrent `identify` calls, however long, by laws that every true history
//! keeps, and names the operations that broke one.
//!
//! A law here is a necessary condition that is cheap to check (close to linear in what was answered); each is
//! exact, so a violation is never a false alarm as long as the premises of [`invariants`] hold. Together the
//! laws aren't sufficient: that some order explains every answer is judged in `linearizability`, for short
//! histories. Not here either: a server, a clock, the model's `identify`, and knowledge of the product.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::Hash;

use crate::model::ModelRow;

mod answers;
mod rows;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use answers::{judge_each_answer, judge_what_could_be_known, judge_what_had_to_be_known};
use rows::{judge_rows, judge_what_lasts};

/// One `identify` call, as the client that made it saw it.
///
/// `started` and `ended` are ticks of one monotonic clock or counter that all clients share. Equal ticks count
/// as overlapping, so a coarse clock makes the judge milder and never wrong.
///
/// Calls that the server certainly refused (a 400, say) don't belong into a history. Calls whose fate is
/// unknown (a lost connection, a 503 after the fact) do, without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client's number; it is only shown, never judged by.
    pub client: usize,
    /// Just before the request was sent.
    pub started: u64,
    /// Just after the answer was read. `None`: no answer came; the call may have happened at any time after
    /// `started`, or never.
    pub ended: Option<u64>,
    /// The canonical email that was sent, if any.
    pub email: Option<String>,
    /// The canonical phone that was sent, if any.
    pub phone: Option<String>,
    /// The answer; there is one exactly when there is an end.
    pub answer: Option<Answer>,
}

/// An identity's view, as the server answered it. All lists are in the order of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The primary's id.
    pub primary: i64,
    /// The identity's emails.
    pub emails: Vec<String>,
    /// The identity's phones.
    pub phones: Vec<String>,
    /// The other contacts' ids.
    pub secondaries: Vec<i64>,
}

/// What a history can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// Some order of the operations, respecting real time, explains every answer.
    SomeOrderExplainsAll,
    /// Not a law of the service but the judge's limit: the search gave up without a verdict.
    SearchEnds,
    /// A contact belongs to identifiers that operations connect; no other identifiers' answers name it.
    ContactsAreNotShared,
    /// What an acknowledged operation sent is in one identity in the end.
    AcknowledgedLinksLast,
    /// A contact that an answer named is stored in the end, in the identity that the answer showed.
    AnsweredContactsLast,
    /// No value is owned by two identities.
    OneOwner,
    /// A secondary links to a stored primary directly, and ids are unique.
    NoChainsNoOrphans,
    /// The primary is the oldest of its identity.
    OldestIsPrimary,
    /// Every row brought something that no older row of its identity bears.
    RowsBringSomethingNew,
    /// Every row bears what some operation sent, exactly.
    RowsWereSent,
    /// A contact that never changed was updated when it was created, and none was before.
    UpdatedWhenChanged,
    /// An answer names nothing twice.
    AnswersDoNotRepeat,
    /// An answer holds what its own operation sent.
    AnswersHoldTheirOwn,
    /// An answer lists its contacts oldest first, the primary before all.
    AnswersAreInOrderOfAge,
    /// An answer's values are those of the contacts that it names, in their order.
    AnswersMatchTheirContacts,
    /// An answer reflects what was acknowledged before its operation started.
    AnswersAreFresh,
    /// What one answer shows together, every later one of that identity shows too.
    AnswersNeverShrink,
    /// An answer or a row holds together only what operations connect that had started by then.
    NothingFromNowhere,
}

/// One breach of a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The law that was broken.
    pub law: Law,
    /// The operations concerned, as indexes into the history, the accused one first where there is one.
    pub operations: Vec<usize>,
    /// What happened, for a person. It names operations and contacts, never the values.
    pub sentence: String,
}

/// Gives every breach of the laws in a history, of any length, and in the rows that are left after it.
///
/// `history`: all `identify` calls on one workspace that was empty before, in any order.
/// `final_rows`: all rows of that workspace after the last call, in any order.
/// No policy, correction, import or deletion may have acted: each of them may rightly break these laws.
///
/// What is judged is listed at [`Law`], in the order of the answer's violations; of each law at most
/// [`VIOLATIONS_MAX_PER_LAW`] are told. What isn't:
///
/// - whether one order explains all answers together (see `linearizable`): two overlapping operations whose
///   answers exclude each other can keep all laws here;
/// - whether a row was created as a primary or as a secondary, and when exactly a link moved: rows don't
///   tell. So `updated_at_ms` is judged of those that are primaries in the end, which never changed, and for
///   others only as not before `created_at_ms`;
/// - which of several operations with the same values made a row, and that ids are without gaps;
/// - whether a row brought something new is judged in order of (`created_at_ms`, `id`). That order is the
///   order of creation because the log's time never decreases and, within one millisecond, ids grow. Rows
///   that began as primaries need no exception: nobody owned their values when they were created.
///
/// # Panics
///
/// If an operation sent nothing, or has an answer without an end, an end without an answer, or an end before
/// its start: the recorder is wrong.
pub fn invariants(history: &[Operation], final_rows: &[ModelRow]) -> Vec<Violation> {
    assert_well_recorded(history);
    let mut found = Found::default();
    judge_rows(history, final_rows, &mut found);
    judge_what_lasts(history, final_rows, &mut found);
    judge_each_answer(history, final_rows, &mut found);
    judge_what_had_to_be_known(history, &mut found);
    judge_what_could_be_known(history, final_rows, &mut found);
    found.violations
}

/// A law broken by a whole release breaks thousands of times; the first few tell as much.
pub const VIOLATIONS_MAX_PER_LAW: usize = 20;

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.law, self.sentence)
    }
}

/// An identifier: its kind and its canonical value.
pub(crate) type Value<'a> = (&'a str, &'a str);

impl Operation {
    /// Gives what was sent, email first.
    pub(crate) fn sent(&self) -> Vec<Value<'_>> {
        let email = self.email.iter().map(|value| ("email", value.as_str()));
        let phone = self.phone.iter().map(|value| ("phone", value.as_str()));
        email.chain(phone).collect()
    }
}

impl Answer {
    /// Gives all values, emails first.
    pub(crate) fn values(&self) -> Vec<Value<'_>> {
        let emails = self.emails.iter().map(|value| ("email", value.as_str()));
        let phones = self.phones.iter().map(|value| ("phone", value.as_str()));
        emails.chain(phones).collect()
    }

    /// Gives the ids of all contacts, the primary's first.
    pub(crate) fn contacts(&self) -> Vec<i64> {
        std::iter::once(self.primary).chain(self.secondaries.iter().copied()).collect()
    }
}

/// Stops at the recorder's mistakes, which would otherwise look like the server's.
pub(crate) fn assert_well_recorded(history: &[Operation]) {
    for (index, operation) in history.iter().enumerate() {
        assert!(!operation.sent().is_empty(), "operation {index} sent no identifier");
        let answered = operation.answer.is_some();
        assert!(
            answered == operation.ended.is_some(),
            "operation {index} has either an end or an answer only"
        );
        let in_order = operation.ended.is_none_or(|ended| operation.started <= ended);
        assert!(in_order, "operation {index} ended before it started");
    }
}

/// Things that were found to belong together, transitively.
pub(crate) struct Groups<T> {
    number_of: HashMap<T, usize>,
    members: Vec<Vec<T>>,
}

impl<T: Copy + Eq + Hash> Groups<T> {
    pub(crate) fn new() -> Groups<T> {
        Groups { number_of: HashMap::new(), members: Vec::new() }
    }

    /// Puts all of `things`, and what any of them was with, into one group.
    pub(crate) fn join(&mut self, things: &[T]) {
        let mut group: Option<usize> = None;
        for &thing in things {
            let own = *self.number_of.entry(thing).or_insert_with(|| {
                self.members.push(vec![thing]);
                self.members.len() - 1
            });
            group = Some(match group {
                Some(group) if group != own => self.unite(group, own),
                Some(_) | None => own,
            });
        }
    }

    /// Gives the number of a thing's group; it holds until the next `join`.
    pub(crate) fn group_of(&self, thing: T) -> Option<usize> {
        self.number_of.get(&thing).copied()
    }

    fn unite(&mut self, one: usize, other: usize) -> usize {
        // The smaller group moves, so that no thing moves more often than the logarithm of all.
        let (stays, moves) =
            if self.members[one].len() < self.members[other].len() { (other, one) } else { (one, other) };
        let moved = std::mem::take(&mut self.members[moves]);
        for &thing in &moved {
            self.number_of.insert(thing, stays);
        }
        self.members[stays].extend(moved);
        stays
    }
}

/// Lists operations for a sentence, the first few by index.
pub(crate) fn named(operations: &[usize]) -> String {
    let shown: Vec<String> = operations.iter().take(8).map(ToString::to_string).collect();
    let word = if operations.len() == 1 { "operation" } else { "operations" };
    match operations.len() - shown.len() {
        0 if shown.is_empty() => "no operation".to_owned(),
        0 => format!("{word} {}", shown.join(", ")),
        more => format!("{word} {} and {more} more", shown.join(", ")),
    }
}

/// What an identity consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Thing<'a> {
    Value(Value<'a>),
    Contact(i64),
}

impl Thing<'_> {
    /// Says what it is without saying the value.
    fn described(self) -> String {
        match self {
            Thing::Value((kind, _)) => format!("an identifier of kind `{kind}`"),
            Thing::Contact(id) => format!("contact {id}"),
        }
    }
}

#[derive(Default)]
struct Found {
    violations: Vec<Violation>,
    count_by_law: HashMap<Law, usize>,
}

impl Found {
    fn tell(&mut self, law: Law, operations: Vec<usize>, sentence: String) {
        let count = self.count_by_law.entry(law).or_insert(0);
        *count += 1;
        if *count <= VIOLATIONS_MAX_PER_LAW {
            self.violations.push(Violation { law, operations, sentence });
        }
    }

    /// Whether more of this law wouldn't be told, so that looking for culprits can end.
    fn enough_of(&self, law: Law) -> bool {
        self.count_by_law.get(&law).is_some_and(|&count| count >= VIOLATIONS_MAX_PER_LAW)
    }
}

fn age(row: &ModelRow) -> (i64, i64) {
    (row.created_at_ms, row.id)
}

fn identity_of(row: &ModelRow) -> i64 {
    row.linked_id.unwrap_or(row.id)
}

fn borne_by(row: &ModelRow) -> Vec<Value<'_>> {
    row.values.iter().map(|(kind, value)| (kind.as_str(), value.as_str())).collect()
}

fn things_of_answer(answer: &Answer) -> Vec<Thing<'_>> {
    let values = answer.values().into_iter().map(Thing::Value);
    values.chain(answer.contacts().into_iter().map(Thing::Contact)).collect()
}

fn things_of_operation(operation: &Operation) -> Vec<Thing<'_>> {
    operation.sent().into_iter().map(Thing::Value).collect()
}

/// Gives what an acknowledged operation proves to be of one identity: what it sent and what it was answered.
fn things_proved_by<'a>(operation: &'a Operation, answer: &'a Answer) -> Vec<Thing<'a>> {
    [things_of_operation(operation), things_of_answer(answer)].concat()
}

/// Gives the acknowledged operations with their index, end and answer.
fn acknowledged(history: &[Operation]) -> Vec<(usize, &Operation, u64, &Answer)> {
    let mut found = Vec::new();
    for (index, operation) in history.iter().enumerate() {
        if let (Some(ended), Some(answer)) = (operation.ended, &operation.answer) {
            found.push((index, operation, ended, answer));
        }
    }
    found
}
