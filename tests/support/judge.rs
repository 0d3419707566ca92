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

/// The rows by themselves: links, ages, owners, and that each brought something that somebody sent.
fn judge_rows(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
    let mut senders: HashMap<BTreeSet<Value<'_>>, Vec<usize>> = HashMap::new();
    for (index, operation) in history.iter().enumerate() {
        senders.entry(operation.sent().into_iter().collect()).or_default().push(index);
    }
    let senders_of = |row: &ModelRow| -> Vec<usize> {
        senders.get(&borne_by(row).into_iter().collect()).cloned().unwrap_or_default()
    };
    let mut row_by_id: HashMap<i64, &ModelRow> = HashMap::new();
    for row in rows {
        if row_by_id.insert(row.id, row).is_some() {
            let sentence = format!("two rows have the id {}", row.id);
            found.tell(Law::NoChainsNoOrphans, Vec::new(), sentence);
        }
    }
    for row in rows {
        let id = row.id;
        let by = senders_of(row);
        let sent_by = format!("contact {id} (sent by {})", named(&by));
        if by.is_empty() {
            let sentence = format!("no operation sent exactly what contact {id} bears");
            found.tell(Law::RowsWereSent, Vec::new(), sentence);
        }
        if row.updated_at_ms < row.created_at_ms {
            let sentence = format!("{sent_by} was updated before it was created");
            found.tell(Law::UpdatedWhenChanged, by.clone(), sentence);
        }
        let Some(linked_id) = row.linked_id else {
            if row.updated_at_ms > row.created_at_ms {
                let sentence = format!("{sent_by} is a primary, so it never changed, yet was updated later");
                found.tell(Law::UpdatedWhenChanged, by, sentence);
            }
            continue;
        };
        match row_by_id.get(&linked_id) {
            None => {
                let sentence = format!("{sent_by} links to contact {linked_id}, which isn't stored");
                found.tell(Law::NoChainsNoOrphans, by, sentence);
            }
            Some(primary) if primary.linked_id.is_some() => {
                let sentence = format!("{sent_by} links to contact {linked_id}, which is itself a secondary");
                found.tell(Law::NoChainsNoOrphans, by, sentence);
            }
            Some(primary) if age(row) < age(primary) => {
                let sentence = format!("{sent_by} is older than its primary, contact {linked_id}");
                found.tell(Law::OldestIsPrimary, by, sentence);
            }
            Some(_) => {}
        }
    }

    let mut oldest_first: Vec<&ModelRow> = rows.iter().collect();
    oldest_first.sort_by_key(|row| age(row));
    let mut first_bearer: HashMap<Value<'_>, &ModelRow> = HashMap::new();
    for row in oldest_first {
        let values = borne_by(row);
        for value in &values {
            let Some(first) = first_bearer.get(value) else { continue };
            if identity_of(first) != identity_of(row) {
                let both = [senders_of(first), senders_of(row)].concat();
                let sentence = format!(
                    "contacts {} and {} are of two identities and both bear {} (sent by {})",
                    first.id,
                    row.id,
                    Thing::Value(*value).described(),
                    named(&both)
                );
                found.tell(Law::OneOwner, both, sentence);
            }
        }
        let old_in_identity = |value: &Value<'_>| {
            first_bearer.get(value).is_some_and(|first| identity_of(first) == identity_of(row))
        };
        if !values.is_empty() && values.iter().all(old_in_identity) {
            let by = senders_of(row);
            let sentence = format!(
                "contact {} (sent by {}) bears nothing that older contacts of its identity don't",
                row.id,
                named(&by)
            );
            found.tell(Law::RowsBringSomethingNew, by, sentence);
        }
        for value in values {
            first_bearer.entry(value).or_insert(row);
        }
    }
}

/// The rows against what was acknowledged: nothing that was sent or answered is gone or parted.
fn judge_what_lasts(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
    let mut identities: HashMap<i64, HashSet<Thing<'_>>> = HashMap::new();
    // A value may have two owners, against the law; the link lasts if one of them has it all.
    let mut owners: HashMap<Thing<'_>, Vec<i64>> = HashMap::new();
    for row in rows {
        let identity = identity_of(row);
        let values = borne_by(row).into_iter().map(Thing::Value);
        for thing in values.chain([Thing::Contact(row.id)]) {
            if identities.entry(identity).or_default().insert(thing) {
                owners.entry(thing).or_default().push(identity);
            }
        }
    }
    let one_identity_has = |things: &[Thing<'_>]| {
        let candidates = owners.get(&things[0]).map_or(&[][..], Vec::as_slice);
        candidates.iter().any(|identity| things.iter().all(|thing| identities[identity].contains(thing)))
    };
    for (index, operation, _, answer) in acknowledged(history) {
        let sent = things_of_operation(operation);
        if let Some(lost) = sent.iter().find(|thing| !owners.contains_key(thing)) {
            let sentence = format!("operation {index} was acknowledged, but {} is gone", lost.described());
            found.tell(Law::AcknowledgedLinksLast, vec![index], sentence);
        } else if !one_identity_has(&sent) {
            let sentence = format!(
                "operation {index} was acknowledged, but what it sent is of two identities in the end"
            );
            found.tell(Law::AcknowledgedLinksLast, vec![index], sentence);
        } else if let Some(lost) = things_of_answer(answer).iter().find(|thing| !owners.contains_key(thing)) {
            let sentence = format!("operation {index} was answered with {}, which is gone", lost.described());
            found.tell(Law::AnsweredContactsLast, vec![index], sentence);
        } else if !one_identity_has(&things_proved_by(operation, answer)) {
            let sentence =
                format!("what operation {index} was answered with is of two identities in the end");
            found.tell(Law::AnsweredContactsLast, vec![index], sentence);
        }
    }
}

/// Each answer by itself, against its own operation and the contacts that it names.
///
/// Contacts never change their values and only move together, so the rows that are left tell what an answer
/// that names them must have held, whenever it was given.
fn judge_each_answer(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
    let row_by_id: HashMap<i64, &ModelRow> = rows.iter().map(|row| (row.id, row)).collect();
    for (index, operation, _, answer) in acknowledged(history) {
        let things = things_of_answer(answer);
        let mut shown: HashSet<Thing<'_>> = HashSet::new();
        if let Some(repeated) = things.iter().find(|thing| !shown.insert(**thing)) {
            let sentence = format!("the answer to operation {index} names {} twice", repeated.described());
            found.tell(Law::AnswersDoNotRepeat, vec![index], sentence);
        }
        if let Some(missing) = things_of_operation(operation).iter().find(|thing| !things.contains(thing)) {
            let sentence =
                format!("the answer to operation {index} lacks {} that it sent itself", missing.described());
            found.tell(Law::AnswersHoldTheirOwn, vec![index], sentence);
        }
        let contacts: Option<Vec<&ModelRow>> =
            answer.contacts().iter().map(|id| row_by_id.get(id).copied()).collect();
        // A contact that isn't stored was told of already, and leaves nothing to compare with.
        let Some(contacts) = contacts else { continue };
        if let Some(pair) = contacts.windows(2).find(|pair| age(pair[0]) > age(pair[1])) {
            let (listed, older) = (pair[0].id, pair[1].id);
            let sentence = format!(
                "the answer to operation {index} lists contact {listed} before {older}, which is older"
            );
            found.tell(Law::AnswersAreInOrderOfAge, vec![index], sentence);
            continue;
        }
        for (kind, answered) in [("email", &answer.emails), ("phone", &answer.phones)] {
            let mut seen: HashSet<&str> = HashSet::new();
            let borne = contacts.iter().flat_map(|row| borne_by(row)).filter(|(of, _)| *of == kind);
            let expected: Vec<&str> =
                borne.map(|(_, value)| value).filter(|value| seen.insert(value)).collect();
            if expected != *answered {
                let sentence = format!(
                    "the answer to operation {index} names contacts that together bear other values of kind \
                     `{kind}`, or the same in another order"
                );
                found.tell(Law::AnswersMatchTheirContacts, vec![index], sentence);
            }
        }
    }
}

/// What each answer had to hold: all that was proved, before its operation started, to be of its identity.
///
/// Identities only grow. So whatever earlier operations proved to belong together, transitively, is shown
/// together by every later answer that shows any of it.
fn judge_what_had_to_be_known(history: &[Operation], found: &mut Found) {
    let mut by_end = acknowledged(history);
    by_end.sort_by_key(|(_, _, ended, _)| *ended);
    let mut by_start = acknowledged(history);
    by_start.sort_by_key(|(_, operation, _, _)| operation.started);

    let mut proved: Groups<Thing<'_>> = Groups::new();
    let mut earlier = by_end.iter().peekable();
    for (index, operation, _, answer) in by_start {
        while let Some((_, before, _, answer)) =
            earlier.next_if(|(_, _, ended, _)| *ended < operation.started)
        {
            proved.join(&things_proved_by(before, answer));
        }
        let shown: HashSet<Thing<'_>> = things_proved_by(operation, answer).into_iter().collect();
        let groups: HashSet<usize> = shown.iter().filter_map(|thing| proved.group_of(*thing)).collect();
        let complete =
            groups.iter().all(|group| proved.members[*group].iter().all(|thing| shown.contains(thing)));
        if complete || found.enough_of(Law::AnswersAreFresh) || found.enough_of(Law::AnswersNeverShrink) {
            continue;
        }
        // The group is connected by single operations, and it is partly shown: so one of them is, too.
        let before = || by_end.iter().take_while(|(_, _, ended, _)| *ended < operation.started);
        let by_sent = before().find_map(|(earlier, before, _, _)| {
            let missing = hidden_part(&things_of_operation(before), &shown)?;
            Some((Law::AnswersAreFresh, *earlier, missing, "sent"))
        });
        let by_answer = || {
            before().find_map(|(earlier, before, _, answer)| {
                let missing = hidden_part(&things_proved_by(before, answer), &shown)?;
                Some((Law::AnswersNeverShrink, *earlier, missing, "was answered with"))
            })
        };
        let (law, earlier, missing, how) =
            by_sent.or_else(by_answer).expect("a group that is partly shown has an operation that is");
        let sentence = format!(
            "the answer to operation {index} lacks {} that operation {earlier} {how}, of the same identity and \
             ended before operation {index} started",
            missing.described()
        );
        found.tell(law, vec![index, earlier], sentence);
    }
}

/// Gives one of `things` that isn't shown although another is.
fn hidden_part<'a>(things: &[Thing<'a>], shown: &HashSet<Thing<'a>>) -> Option<Thing<'a>> {
    let hidden = things.iter().find(|thing| !shown.contains(thing)).copied();
    hidden.filter(|_| things.iter().any(|thing| shown.contains(thing)))
}

/// What each answer could hold: only what was connected by operations that had started before it ended, with
/// an answer or without. The rows that are left are judged as an answer after all.
fn judge_what_could_be_known(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
    let mut by_end = acknowledged(history);
    by_end.sort_by_key(|(_, _, ended, _)| *ended);
    let mut by_start: Vec<&Operation> = history.iter().collect();
    by_start.sort_by_key(|operation| operation.started);

    let mut sent: Groups<Value<'_>> = Groups::new();
    let mut started = by_start.iter().peekable();
    for (index, operation, ended, answer) in by_end {
        while let Some(before) = started.next_if(|before| before.started <= ended) {
            sent.join(&before.sent());
        }
        let own = sent.group_of(operation.sent()[0]).expect("an operation starts before it ends");
        for value in answer.values() {
            let sentence = match sent.group_of(value) {
                Some(group) if group == own => continue,
                Some(_) => "that nothing sent by then connects with what it sent itself",
                None => "that no operation had sent by then",
            };
            let described = Thing::Value(value).described();
            let sentence = format!("the answer to operation {index} holds {described} {sentence}");
            found.tell(Law::NothingFromNowhere, vec![index], sentence);
        }
    }
    for before in started {
        sent.join(&before.sent());
    }

    // Two rows of one identity that nothing connects; values that nobody sent were told of as such.
    let mut first_of_identity: HashMap<i64, (i64, usize)> = HashMap::new();
    for row in rows {
        for group in borne_by(row).into_iter().filter_map(|value| sent.group_of(value)) {
            let (other, expected) = *first_of_identity.entry(identity_of(row)).or_insert((row.id, group));
            if group != expected {
                let sentence = format!(
                    "contacts {other} and {} are of one identity, but no operations connect them",
                    row.id
                );
                found.tell(Law::NothingFromNowhere, Vec::new(), sentence);
            }
        }
    }
}

/// Histories for this file's tests and those of `linearizability`: written by hand, or the model's own behind
/// randomly overlapping intervals, whole or broken on purpose.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::model::{Model, ModelAnswer, ModelChange};

    /// Reads `0..5 e1 p1 = 1 2 : e1 e2 p1; 3.. e2`: the ticks, what was sent, and after `=` the contacts and
    /// values of the answer. Without an end there is no answer.
    pub(crate) fn history(text: &str) -> Vec<Operation> {
        text.split(';').enumerate().map(|(client, text)| operation(client, text)).collect()
    }

    fn operation(client: usize, text: &str) -> Operation {
        let (sent, answer) = text.split_once('=').map_or((text, None), |(sent, rest)| (sent, Some(rest)));
        let mut words = sent.split_whitespace();
        let (started, ended) = words.next().unwrap().split_once("..").unwrap();
        let sent: Vec<&str> = words.collect();
        let of_kind = |letter: char, words: &[&str]| -> Vec<String> {
            words.iter().filter(|word| word.starts_with(letter)).map(ToString::to_string).collect()
        };
        let answer = answer.map(|text| {
            let (contacts, values) = text.split_once(':').unwrap();
            let contacts: Vec<i64> = contacts.split_whitespace().map(|id| id.parse().unwrap()).collect();
            let values: Vec<&str> = values.split_whitespace().collect();
            Answer {
                primary: contacts[0],
                emails: of_kind('e', &values),
                phones: of_kind('p', &values),
                secondaries: contacts[1..].to_vec(),
            }
        });
        Operation {
            client,
            started: started.parse().unwrap(),
            ended: ended.parse().ok(),
            email: of_kind('e', &sent).pop(),
            phone: of_kind('p', &sent).pop(),
            answer,
        }
    }

    /// Reads `1 e1 p1; 2 e2 p1 > 1`: id, values, and after `>` the link. Created at the id, updated then too.
    pub(crate) fn rows(text: &str) -> Vec<ModelRow> {
        text.split(';').map(row).collect()
    }

    fn row(text: &str) -> ModelRow {
        let (left, link) = text.split_once('>').unwrap_or((text, ""));
        let mut words = left.split_whitespace();
        let id: i64 = words.next().unwrap().parse().unwrap();
        let kind = |word: &str| if word.starts_with('e') { "email" } else { "phone" };
        let values = words.map(|word| (kind(word).to_owned(), word.to_owned())).collect();
        ModelRow { id, values, linked_id: link.trim().parse().ok(), created_at_ms: id, updated_at_ms: id }
    }

    /// A small generator (splitmix64); its seed is the whole of its state.
    pub(crate) struct Generator(u64);

    impl Generator {
        pub(crate) fn new(seed: u64) -> Generator {
            Generator(seed.wrapping_mul(0xA24B_AED4_963E_E407))
        }

        pub(crate) fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            usize::try_from(mixed % u64::try_from(limit).unwrap()).unwrap()
        }

        fn chance(&mut self, percent: usize) -> bool {
            self.below(100) < percent
        }
    }

    #[derive(Debug)]
    pub(crate) struct Setting {
        pub(crate) clients: usize,
        pub(crate) operations: usize,
        /// Operations of two families never share a value.
        pub(crate) families: usize,
        /// How many emails, and how many phones, one family has.
        pub(crate) values_of_a_kind: usize,
        /// How often a request or an answer is lost.
        pub(crate) lost_percent: usize,
    }

    pub(crate) fn settings() -> Vec<Setting> {
        let setting = |clients, operations, families, values_of_a_kind, lost_percent| Setting {
            clients,
            operations,
            families,
            values_of_a_kind,
            lost_percent,
        };
        vec![
            setting(1, 20, 1, 4, 0),
            setting(3, 12, 1, 3, 0),
            setting(8, 60, 1, 12, 0),
            setting(8, 60, 1, 30, 5),
            setting(8, 120, 4, 5, 5),
            setting(64, 64, 1, 10, 0),
            setting(64, 64, 1, 30, 5),
            setting(16, 100, 1, 3, 10),
        ]
    }

    pub(crate) struct Simulation {
        pub(crate) history: Vec<Operation>,
        pub(crate) rows: Vec<ModelRow>,
        /// The operations in the order in which they took effect, each with the model just before.
        pub(crate) effects: Vec<(usize, Model)>,
        values: Vec<(&'static str, String)>,
    }

    enum Phase {
        Idle,
        Sent(usize),
        Done(usize, Answer),
    }

    pub(crate) fn answer_of(answer: &ModelAnswer) -> Answer {
        let of_kind = |kind| answer.of_kind(kind).into_iter().map(str::to_owned).collect();
        Answer {
            primary: answer.primary,
            emails: of_kind("email"),
            phones: of_kind("phone"),
            secondaries: answer.secondaries.clone(),
        }
    }

    /// Runs clients against one model, in which each operation takes effect at one moment between its start
    /// and its end; in the end one client reads every value.
    pub(crate) fn simulate(seed: u64, setting: &Setting) -> Simulation {
        let mut generator = Generator::new(seed);
        let mut model = Model::new();
        let mut history: Vec<Operation> = Vec::new();
        let mut effects: Vec<(usize, Model)> = Vec::new();
        let mut phases: Vec<Phase> = (0..setting.clients).map(|_| Phase::Idle).collect();
        let mut lost_requests: Vec<usize> = Vec::new();
        let mut tick = 0;
        let mut take_effect = |index: usize, history: &[Operation], model: &mut Model| {
            effects.push((index, model.clone()));
            let now_ms = i64::try_from(effects.len() / 3).unwrap();
            answer_of(&model.identify(&history[index].sent(), now_ms).0)
        };
        while history.len() < setting.operations || phases.iter().any(|phase| !matches!(phase, Phase::Idle)) {
            // Some ticks are equal, as with a coarse clock.
            tick += u64::from(generator.chance(70));
            let client = generator.below(setting.clients);
            phases[client] = match std::mem::replace(&mut phases[client], Phase::Idle) {
                Phase::Idle if history.len() < setting.operations => {
                    let family = generator.below(setting.families);
                    let mut value = |letter: char| {
                        format!("{letter}{}", family * 100 + generator.below(setting.values_of_a_kind))
                    };
                    let (email, phone) = (value('e'), value('p'));
                    let kinds = generator.below(5);
                    history.push(Operation {
                        client,
                        started: tick,
                        ended: None,
                        email: (kinds != 0).then_some(email),
                        phone: (kinds != 1).then_some(phone),
                        answer: None,
                    });
                    Phase::Sent(history.len() - 1)
                }
                Phase::Idle => Phase::Idle,
                Phase::Sent(index) if generator.chance(setting.lost_percent) => {
                    lost_requests.push(index);
                    Phase::Idle
                }
                Phase::Sent(index) => Phase::Done(index, take_effect(index, &history, &mut model)),
                Phase::Done(index, answer) => {
                    if !generator.chance(setting.lost_percent) {
                        (history[index].ended, history[index].answer) = (Some(tick), Some(answer));
                    }
                    Phase::Idle
                }
            };
            if !lost_requests.is_empty() && generator.chance(5) {
                // A request that the client gave up may still arrive.
                let index = lost_requests.swap_remove(generator.below(lost_requests.len()));
                take_effect(index, &history, &mut model);
            }
        }
        let mut values: Vec<(&'static str, String)> = Vec::new();
        for row in model.rows() {
            for (kind, value) in &row.values {
                values.push((if kind == "email" { "email" } else { "phone" }, value.clone()));
            }
        }
        values.sort();
        values.dedup();
        for value in &values {
            tick += 2;
            history.push(reading(value, tick));
            let index = history.len() - 1;
            history[index].answer = Some(take_effect(index, &history, &mut model));
        }
        for index in lost_requests {
            if generator.chance(50) {
                take_effect(index, &history, &mut model);
            }
        }
        Simulation { history, rows: model.rows().to_vec(), effects, values }
    }

    /// Gives a later operation that sends one value, still without its answer.
    fn reading((kind, value): &(&'static str, String), tick: u64) -> Operation {
        let of = |wanted| (*kind == wanted).then(|| value.clone());
        Operation {
            client: 0,
            started: tick,
            ended: Some(tick + 1),
            email: of("email"),
            phone: of("phone"),
            answer: None,
        }
    }

    /// Gives a history in which one answer was computed on a state from before an acknowledged change, with
    /// the index of that answer's operation. The two operations share a value, so the answer can't be right.
    pub(crate) fn stale(seed: u64, setting: &Setting) -> Option<(Vec<Operation>, usize)> {
        let Simulation { mut history, effects, .. } = simulate(seed, setting);
        let mut choices: Vec<(usize, Answer)> = Vec::new();
        for (changing, before) in &effects {
            let changer = &history[*changing];
            let Some(changed_by) = changer.ended else { continue };
            for (index, operation) in history.iter().enumerate() {
                if operation.started <= changed_by || operation.answer.is_none() {
                    continue;
                }
                for shared in operation.sent().into_iter().filter(|value| changer.sent().contains(value)) {
                    let (answer, change) = before.clone().identify(&[shared], 0);
                    let answer = answer_of(&answer);
                    let holds = |values: Vec<Value<'_>>| values.iter().all(|it| answer.values().contains(it));
                    if change == ModelChange::Nothing && holds(operation.sent()) && !holds(changer.sent()) {
                        choices.push((index, answer));
                    }
                }
            }
        }
        if choices.is_empty() {
            return None;
        }
        let (index, answer) = choices.swap_remove(Generator::new(seed).below(choices.len()));
        history[index].answer = Some(answer);
        Some((history, index))
    }

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Fault {
        /// A change is answered and acknowledged, but not stored.
        LostLink,
        /// Two operations that bring the same new value don't see each other.
        TwoPrimaries,
        /// A merge demotes the younger primary, but not what linked to it.
        SkippedRelink,
    }

    /// Gives a history at whose end the server does one thing wrong, after which every value is read, and the
    /// rows that are left. Nothing if the simulation offers no occasion.
    pub(crate) fn broken(
        seed: u64,
        setting: &Setting,
        fault: Fault,
    ) -> Option<(Vec<Operation>, Vec<ModelRow>)> {
        let Simulation { mut history, rows: mut stored, mut values, .. } = simulate(seed, setting);
        let mut generator = Generator::new(seed);
        let mut tick = 10 + history.iter().map(|operation| operation.started).max()?;
        let sent = |email: Option<&str>, phone: Option<&str>, answer: Answer| Operation {
            client: 0,
            started: tick,
            ended: Some(tick + 1),
            email: email.map(str::to_owned),
            phone: phone.map(str::to_owned),
            answer: Some(answer),
        };
        let any = |kind: &str, generator: &mut Generator| -> Option<String> {
            let known: Vec<&str> =
                values.iter().filter(|(of, _)| *of == kind).map(|(_, v)| v.as_str()).collect();
            (!known.is_empty()).then(|| known[generator.below(known.len())].to_owned())
        };
        let model = Model::with_rows(stored.clone());
        match fault {
            Fault::LostLink => {
                let email =
                    if generator.chance(30) { "e9999".to_owned() } else { any("email", &mut generator)? };
                let phone = any("phone", &mut generator)?;
                let (answer, change) = model.clone().identify(&[("email", &email), ("phone", &phone)], 1000);
                if change == ModelChange::Nothing {
                    return None;
                }
                history.push(sent(Some(&email), Some(&phone), answer_of(&answer)));
                values.extend([("email", email)]);
            }
            Fault::TwoPrimaries => {
                let (mut first, mut second) = (model.clone(), model);
                let first_answer = first.identify(&[("email", "e9999")], 1000).0;
                let mut second_answer = second.identify(&[("email", "e9999"), ("phone", "p9999")], 1000).0;
                second_answer.primary += 1;
                stored = first.rows().to_vec();
                stored.extend(second.rows().last().cloned());
                stored.last_mut()?.id += 1;
                history.push(sent(Some("e9999"), None, answer_of(&first_answer)));
                history.push(sent(Some("e9999"), Some("p9999"), answer_of(&second_answer)));
                values.extend([("email", "e9999".to_owned()), ("phone", "p9999".to_owned())]);
            }
            Fault::SkippedRelink => {
                let (email, phone) = (any("email", &mut generator)?, any("phone", &mut generator)?);
                let mut merged = model;
                let answer = merged.identify(&[("email", &email), ("phone", &phone)], 1000).0;
                let mut stranded = false;
                for (row, after) in stored.iter_mut().zip(merged.rows()) {
                    if row.linked_id.is_none() {
                        *row = after.clone();
                    } else {
                        stranded |= row.linked_id != after.linked_id;
                    }
                }
                if !stranded {
                    return None;
                }
                history.push(sent(Some(&email), Some(&phone), answer_of(&answer)));
            }
        }
        for value in &values {
            tick += 2;
            let mut operation = reading(value, tick);
            let answer = look_up(&mut stored, (value.0, &value.1));
            operation.answer = Some(answer);
            history.push(operation);
        }
        Some((history, stored))
    }

    /// Answers as a server does that trusts its rows: with the identity of the first contact that bears the
    /// value. An unknown value makes a contact.
    fn look_up(stored: &mut Vec<ModelRow>, value: Value<'_>) -> Answer {
        let Some(bearer) = stored.iter().find(|row| borne_by(row).contains(&value)) else {
            let mut model = Model::with_rows(stored.clone());
            let answer = answer_of(&model.identify(&[value], 2000).0);
            *stored = model.rows().to_vec();
            return answer;
        };
        let identity = identity_of(bearer);
        let of_identity = |row: &&ModelRow| row.id == identity || identity_of(row) == identity;
        let mut rows: Vec<ModelRow> = stored.iter().filter(of_identity).cloned().collect();
        rows.iter_mut().filter(|row| row.id == identity).for_each(|row| row.linked_id = None);
        answer_of(&Model::with_rows(rows).identify(&[value], 2000).0)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{Fault, Simulation, broken, history, rows, settings, simulate, stale};
    use super::*;

    fn laws(history_text: &str, rows_text: &str) -> Vec<Law> {
        let violations = invariants(&history(history_text), &rows(rows_text));
        violations.iter().map(|violation| violation.law).collect()
    }

    #[test]
    fn a_true_history_breaks_no_law() {
        let true_history =
            "0..1 e1 p1 = 1 : e1 p1; 2..9 e2 p1 = 1 2 : e1 e2 p1; 3..4 e1 = 1 : e1 p1; 5.. e3 p9;
            10..11 e2 = 1 2 : e1 e2 p1";
        assert_eq!(laws(true_history, "1 e1 p1; 2 e2 p1 > 1"), []);
        assert_eq!(laws(true_history, "1 e1 p1; 2 e2 p1 > 1; 3 e3 p9"), [], "the unanswered one came late");
    }

    #[test]
    fn every_history_of_the_model_breaks_no_law() {
        for setting in settings() {
            for seed in 0..100 {
                let Simulation { history, rows, .. } = simulate(seed, &setting);
                assert_eq!(invariants(&history, &rows), [], "seed {seed}, {setting:?}");
            }
        }
    }

    #[test]
    fn an_acknowledged_value_that_is_gone_is_told() {
        let found = laws("0..1 e1 = 1 : e1; 2..3 e1 p1 = 1 2 : e1 p1", "1 e1");
        assert_eq!(found, [Law::AcknowledgedLinksLast, Law::AnswersMatchTheirContacts][..1]);
    }

    #[test]
    fn an_acknowledged_pair_of_two_identities_is_told() {
        let lost = "0..1 e1 = 1 : e1; 2..3 p1 = 2 : p1; 4..5 e1 p1 = 1 2 : e1 p1";
        assert_eq!(laws(lost, "1 e1; 2 p1"), [Law::AcknowledgedLinksLast]);
    }

    #[test]
    fn an_answered_contact_that_is_gone_is_told() {
        assert_eq!(laws("0..1 e1 = 7 : e1; 2..3 e1 = 7 : e1", "8 e1"), [Law::AnsweredContactsLast; 2]);
    }

    #[test]
    fn a_value_with_two_owners_is_told() {
        let found = laws("0..9 e1 = 1 : e1; 0..9 e1 p1 = 2 : e1 p1", "1 e1; 2 e1 p1");
        assert_eq!(found, [Law::OneOwner]);
    }

    #[test]
    fn chains_and_orphans_are_told() {
        let sent = "0.. e1; 0.. e1 e2 p1; 0.. e3 p1";
        assert_eq!(laws(sent, "1 e1; 2 e2 p1 > 1; 3 e3 p1 > 2")[..1], [Law::NoChainsNoOrphans]);
        assert_eq!(laws("0.. e1", "1 e1 > 7"), [Law::NoChainsNoOrphans]);
        assert_eq!(laws("0.. e1", "1 e1 > 1"), [Law::NoChainsNoOrphans]);
    }

    #[test]
    fn a_primary_that_is_not_the_oldest_is_told() {
        assert_eq!(laws("0.. e1; 0.. e1 p1", "1 e1 > 2; 2 e1 p1"), [Law::OldestIsPrimary]);
    }

    #[test]
    fn a_row_that_brings_nothing_new_is_told() {
        assert_eq!(laws("0.. e1 p1; 0.. p1", "1 e1 p1; 2 p1 > 1"), [Law::RowsBringSomethingNew]);
        assert_eq!(laws("0.. e1 p1", "1 e1 p1; 2 e1 p1 > 1"), [Law::RowsBringSomethingNew]);
        let from_different_contacts = "1 e1 p1; 2 e2 p1 > 1; 3 e2 p2 > 1; 4 e1 p2 > 1";
        let sent = "0.. e1 p1; 0.. e2 p1; 0.. e2 p2; 0.. e1 p2";
        assert_eq!(laws(sent, from_different_contacts), [Law::RowsBringSomethingNew]);
    }

    #[test]
    fn a_primary_that_was_merged_later_may_share_its_values_with_younger_rows() {
        let sent = "0.. e1; 0.. p1; 0.. p1 e2; 0.. e1 p1";
        assert_eq!(laws(sent, "1 e1; 2 p1 > 1; 3 p1 e2 > 1"), []);
    }

    #[test]
    fn a_row_that_nobody_sent_so_is_told() {
        assert_eq!(laws("0.. e1 p1", "1 e1"), [Law::RowsWereSent]);
        assert_eq!(laws("0.. e1; 0.. p1", "1 e1 p1")[..1], [Law::RowsWereSent]);
    }

    #[test]
    fn an_update_without_a_change_is_told() {
        let mut touched = rows("1 e1");
        touched[0].updated_at_ms = 5;
        let found = invariants(&history("0.. e1"), &touched);
        assert_eq!(found.iter().map(|it| it.law).collect::<Vec<_>>(), [Law::UpdatedWhenChanged]);
    }

    #[test]
    fn an_answer_that_repeats_itself_is_told() {
        let found = laws("0..1 e1 = 1 : e1 e1", "1 e1");
        assert_eq!(found, [Law::AnswersDoNotRepeat, Law::AnswersMatchTheirContacts]);
    }

    #[test]
    fn an_answer_without_what_was_sent_is_told() {
        assert!(laws("0..1 e1 p1 = 1 : e1", "1 e1 p1").contains(&Law::AnswersHoldTheirOwn));
    }

    #[test]
    fn an_answer_that_is_not_in_order_of_age_is_told() {
        let sent = "0..1 e1 = 1 : e1; 2..3 e1 p1 = 2 1 : e1 p1";
        assert_eq!(laws(sent, "1 e1; 2 e1 p1 > 1"), [Law::AnswersAreInOrderOfAge]);
    }

    #[test]
    fn an_answer_that_leads_with_another_value_than_the_primarys_is_told() {
        let sent = "0..1 e1 p1 = 1 : e1 p1; 2..3 e2 p1 = 1 2 : e2 e1 p1";
        assert_eq!(laws(sent, "1 e1 p1; 2 e2 p1 > 1"), [Law::AnswersMatchTheirContacts]);
    }

    #[test]
    fn an_answer_from_before_an_acknowledged_operation_is_told_with_both() {
        let text = "0..1 e1 = 1 : e1; 2..3 e1 p1 = 1 2 : e1 p1; 4..5 e1 = 1 : e1";
        let found = invariants(&history(text), &rows("1 e1; 2 e1 p1 > 1"));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].law, found[0].operations.as_slice()), (Law::AnswersAreFresh, &[2, 1][..]));
    }

    #[test]
    fn an_answer_that_shows_less_than_an_earlier_one_is_told_with_both() {
        // The operation that brought `p1` was never answered, but operation 1 already showed it.
        let text = "0.. e1 p1; 1..2 e1 = 1 : e1 p1; 3..4 e1 = 1 : e1";
        let found = invariants(&history(text), &rows("1 e1 p1"));
        let shrunk: Vec<&Violation> = found.iter().filter(|it| it.law == Law::AnswersNeverShrink).collect();
        assert_eq!(shrunk.len(), 1);
        assert_eq!(shrunk[0].operations, [2, 1]);
    }

    #[test]
    fn an_overlapping_answer_may_miss_what_is_not_yet_acknowledged() {
        let text = "0..1 e1 = 1 : e1; 2..5 e1 p1 = 1 2 : e1 p1; 4..6 e1 = 1 : e1";
        assert_eq!(laws(text, "1 e1; 2 e1 p1 > 1"), []);
    }

    #[test]
    fn a_value_that_nobody_had_sent_yet_is_told() {
        let text = "0..1 e1 = 1 2 : e1 p1; 2..3 e1 p1 = 1 2 : e1 p1";
        assert_eq!(laws(text, "1 e1; 2 e1 p1 > 1"), [Law::NothingFromNowhere]);
    }

    #[test]
    fn strangers_in_one_identity_are_told() {
        let text = "0..1 e1 = 1 : e1; 2..3 e2 = 1 2 : e1 e2";
        assert_eq!(laws(text, "1 e1; 2 e2 > 1"), [Law::NothingFromNowhere; 2]);
    }

    #[test]
    fn a_stale_answer_in_a_random_history_is_told() {
        let mut caught = 0;
        for setting in settings() {
            for seed in 0..100 {
                let Some((history, accused)) = stale(seed, &setting) else { continue };
                let Simulation { rows, .. } = simulate(seed, &setting);
                let found = invariants(&history, &rows);
                let is_it = |it: &Violation| it.law == Law::AnswersAreFresh && it.operations[0] == accused;
                assert!(found.iter().any(is_it), "seed {seed}, {setting:?}: {found:?}");
                caught += 1;
            }
        }
        assert!(caught > 100, "only {caught} histories offered the fault");
    }

    #[test]
    fn lost_links_double_primaries_and_skipped_relinks_in_random_histories_are_told() {
        let faults = [
            (Fault::LostLink, Law::AnswersAreFresh),
            (Fault::LostLink, Law::AcknowledgedLinksLast),
            (Fault::TwoPrimaries, Law::OneOwner),
            (Fault::SkippedRelink, Law::NoChainsNoOrphans),
        ];
        for (fault, law) in faults {
            let mut caught = 0;
            for setting in settings() {
                for seed in 0..100 {
                    let Some((history, rows)) = broken(seed, &setting, fault) else { continue };
                    let found = invariants(&history, &rows);
                    assert!(
                        found.iter().any(|it| it.law == law),
                        "{fault:?}, seed {seed}, {setting:?}: {found:?}"
                    );
                    caught += 1;
                }
            }
            assert!(caught > 50, "only {caught} histories offered {fault:?}");
        }
    }

    #[test]
    fn a_breach_is_told_without_personal_data() {
        let found = invariants(&history("0..1 e4711 = 1 : e4711 e4711 p4711"), &[]);
        assert!(!found.is_empty());
        assert!(found.iter().all(|it| !it.to_string().contains("4711")));
    }
}
