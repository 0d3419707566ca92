//! The laws of the rows that are left, and of what was answered and must be in them.

use super::*;

/// The rows by themselves: links, ages, owners, and that each brought something that somebody sent.
pub(super) fn judge_rows(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
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
pub(super) fn judge_what_lasts(history: &[Operation], rows: &[ModelRow], found: &mut Found) {
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
