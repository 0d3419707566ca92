//! A second implementation of the adoption: plain loops over pairs of rows, to be right by reading.
//!
//! It shares no code with the product, and reads values in its own way, which is good for the few spellings that
//! [`random_rows`] writes. Not here: events, examples, and any index.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{OriginalRow, Precedence, Timestamp};

use crate::random::Random;

/// Kind and canonical value.
pub type Value = (&'static str, String);

/// What must come of the rows. Keys are ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// What each row links to.
    pub links: BTreeMap<i64, Option<i64>>,
    /// What each row bears.
    pub bears: BTreeMap<i64, Vec<Value>>,
    /// When each row last changed.
    pub updated: BTreeMap<i64, i64>,
    /// Who owns what.
    pub owners: BTreeMap<Value, i64>,
    /// Numbers of the report, by name.
    pub counts: BTreeMap<&'static str, usize>,
}

/// What a column reads as.
#[derive(Clone, PartialEq, Eq)]
enum Read {
    Nothing,
    Refused(String),
    Value(String),
}

fn read(kind: &str, text: Option<&String>) -> Read {
    let Some(text) = text else { return Read::Nothing };
    let trimmed = text.trim();
    let canonical = if kind == "email" { trimmed.to_lowercase() } else { trimmed.replace('-', "") };
    let valid =
        if kind == "email" { trimmed.contains('@') } else { canonical.bytes().all(|b| b.is_ascii_digit()) };
    match (trimmed.is_empty(), valid) {
        (true, _) => Read::Nothing,
        (false, true) => Read::Value(canonical),
        (false, false) => Read::Refused(text.clone()),
    }
}

fn reads(row: &OriginalRow) -> [(&'static str, Read); 2] {
    [("email", read("email", row.email.as_ref())), ("phone", read("phone", row.phone.as_ref()))]
}

fn values(row: &OriginalRow) -> Vec<Value> {
    let reads = reads(row).into_iter();
    reads
        .filter_map(|(kind, read)| if let Read::Value(text) = read { Some((kind, text)) } else { None })
        .collect()
}

fn share_value(one: &OriginalRow, other: &OriginalRow) -> bool {
    values(one).iter().any(|value| values(other).contains(value))
}

/// Gives each row the smallest place of all rows that `same` connects it with, directly or through others.
fn connect(rows: &[OriginalRow], same: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut label: Vec<usize> = (0..rows.len()).collect();
    loop {
        let before = label.clone();
        for one in 0..rows.len() {
            for other in 0..rows.len() {
                if label[other] < label[one] && (same(one, other) || same(other, one)) {
                    label[one] = label[other];
                }
            }
        }
        if label == before {
            return label;
        }
    }
}

/// Adopts `rows`, in any order, at the moment `at`.
pub fn adopt(rows: &[OriginalRow], trust_links: bool, at: i64) -> Adopted {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.created_at, row.id));
    let places = 0..rows.len();
    let live = |place: usize| rows[place].deleted_at.is_none();
    let links_to = |one: usize, other: usize| one != other && rows[one].linked_id == Some(rows[other].id);
    let updated = |place: usize| trust_links || rows[place].updated_at > rows[place].created_at;

    let original = connect(&rows, links_to);
    let by_value = |one: usize, other: usize| {
        (live(one) && live(other) && share_value(&rows[one], &rows[other]))
            || (original[one] == original[other] && share_value(&rows[one], &rows[other]))
    };
    let without_links = connect(&rows, by_value);
    let person = connect(&rows, |one, other| by_value(one, other) || (links_to(one, other) && updated(one)));

    let mut adopted = Adopted::default();
    let mut count = |name: &'static str, found: bool| {
        *adopted.counts.entry(name).or_default() += usize::from(found);
    };
    for one in places.clone() {
        let row = &rows[one];
        let of_person: Vec<usize> = places.clone().filter(|other| person[*other] == person[one]).collect();
        let oldest_live = of_person.iter().copied().find(|other| live(*other));
        let primary = oldest_live.unwrap_or(of_person[0]);
        let linked_to = (primary != one).then(|| rows[primary].id);
        let target = places.clone().find(|other| links_to(one, *other));

        let shown = |kind: &str| values(row).into_iter().find(|(of, _)| *of == kind).map(|(_, value)| value);
        let says_primary = row.precedence == Precedence::Primary;
        let says_secondary = row.precedence == Precedence::Secondary;
        let contradicts = if row.linked_id.is_none() { !says_primary } else { !says_secondary };
        let new_precedence_differs = if linked_to.is_none() { !says_primary } else { !says_secondary };
        let changed = shown("email") != row.email
            || shown("phone") != row.phone
            || row.linked_id != linked_to
            || new_precedence_differs;
        adopted.links.insert(row.id, linked_to);
        adopted.bears.insert(row.id, values(row));
        adopted.updated.insert(row.id, if changed { at } else { row.updated_at.as_milliseconds() });
        for value in values(row).into_iter().filter(|_| live(one)) {
            adopted.owners.entry(value).or_insert(row.id);
        }

        count("rows", true);
        count("live", live(one));
        count("deleted", !live(one));
        count("chains", target.is_some_and(|to| places.clone().any(|further| links_to(to, further))));
        count("self_links", row.linked_id == Some(row.id));
        count("orphans", row.linked_id.is_some_and(|id| rows.iter().all(|row| row.id != id)));
        count("contradictions", contradicts);
        count("empty_contacts", reads(row).iter().all(|(_, read)| *read == Read::Nothing));
        count("dated_in_the_future", row.created_at.as_milliseconds() > at);
        let mut refused_any = false;
        for (text, (_, read)) in [&row.email, &row.phone].into_iter().zip(reads(row)) {
            let refused = matches!(read, Read::Refused(_));
            refused_any |= refused;
            count("values_refused", refused);
            count("values_blank", text.is_some() && read == Read::Nothing);
            let respelt = matches!(&read, Read::Value(value) if Some(value) != text.as_ref());
            count("values_canonicalised", respelt);
        }
        count("rows_with_refused", refused_any);
        let marked = |place: usize| live(place) && rows[place].precedence == Precedence::Primary;
        count("identities_before", marked(one));
        count("identities_after", live(one) && primary == one);
        count(
            "duplicate_primaries",
            marked(one) && of_person.iter().any(|other| *other < one && marked(*other)),
        );
        let originals: BTreeSet<usize> = of_person.iter().map(|other| original[*other]).collect();
        count("joined", primary == one && originals.len() > 1);
        count("set_apart", target.is_some_and(|to| person[to] != person[one]));
        let kept = target.is_some_and(|to| updated(one) && without_links[to] != without_links[one]);
        count("links_kept", kept);
        count("relinked", row.linked_id != linked_to);
        count("demoted", says_primary && linked_to.is_some());
        count("promoted", says_secondary && linked_to.is_none());
        count("changed", changed);
    }
    adopted.counts.insert("values_in_two_identities", 0);
    for value in adopted.owners.keys() {
        let bearers = places.clone().filter(|place| live(*place) && values(&rows[*place]).contains(value));
        let originals: BTreeSet<usize> = bearers.map(|place| original[place]).collect();
        *adopted.counts.entry("values_in_two_identities").or_default() += usize::from(originals.len() > 1);
    }
    adopted
}

/// Rows as no service would write them: few values in several spellings, links and times at random.
pub fn random_rows(random: &mut Random, rows_max: u64) -> Vec<OriginalRow> {
    let values = 2 + random.below(8);
    let mut ids: Vec<i64> = Vec::new();
    let rows = 1 + random.below(rows_max);
    while ids.len() < usize::try_from(rows).expect("a few rows") {
        let id = i64::try_from(1 + random.below(rows * 2)).expect("a small id");
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let any_id = |random: &mut Random| i64::try_from(1 + random.below(rows * 2)).expect("a small id");
    let small = |number: u64| Timestamp::from_milliseconds(i64::try_from(number).expect("a small time"));
    ids.iter()
        .map(|id| {
            let number = random.below(values);
            let email = match random.below(12) {
                0..=2 => None,
                3 => Some(" ".to_owned()),
                4 => Some(format!("refused{}", random.below(2))),
                5 => Some(format!(" Person{number}@X.org")),
                _ => Some(format!("person{number}@x.org")),
            };
            let number = 10 + random.below(values);
            let phone = match random.below(12) {
                0..=2 => None,
                3 => Some(String::new()),
                4 => Some(format!("ask {}", random.below(2))),
                5 => Some(format!("{}-{}", number / 10, number % 10)),
                _ => Some(number.to_string()),
            };
            let linked_id = (!random.once_in(3)).then(|| any_id(random));
            let precedence = match random.below(12) {
                0 => Precedence::Primary,
                1 => Precedence::Secondary,
                2 => Precedence::from_word("tertiary"),
                _ if linked_id.is_none() => Precedence::Primary,
                _ => Precedence::Secondary,
            };
            let created_at = random.below(30);
            let updated_at = created_at + if random.once_in(4) { random.below(30) } else { 0 };
            OriginalRow {
                id: *id,
                email,
                phone,
                linked_id,
                precedence,
                created_at: small(created_at),
                updated_at: small(updated_at),
                deleted_at: random.once_in(6).then(|| small(updated_at)),
            }
        })
        .collect()
}
