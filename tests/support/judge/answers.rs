//! The laws of each answer, and of answers across real time.

use super::*;

/// Each answer by itself, against its own operation and the contacts that it names.
///
/// Contacts never change their values and only move together, so the rows that are left tell what an answer
/// that names them must have held, whenever it was given.
pub(super) fn judge_each_answer(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
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
pub(super) fn judge_what_had_to_be_known(history: &[Operation], found: &mut Found) {
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
pub(super) fn judge_what_could_be_known(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
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
