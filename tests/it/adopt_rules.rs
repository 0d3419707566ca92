//! Adoption of small databases, one for each fault of the original: what becomes of the contacts, and the report.
//!
//! A database is a text, a row each: `7 e1 p1 >3 @5 ^9 ✝` is id 7, e-mail `e1@x.org`, phone `1`, `linkedId` 3,
//! created at 5 (else at its id), updated at 9 (else when created), deleted. `-e` and `-p` are raw texts.

use selfsame_rules::{
    Actor, Adoption, AdoptionReport, AdoptionSettings, Contact, ContactId, Finding, OriginalRow, Precedence,
    Timestamp, adopt, apply,
};
use support::world::World;

/// The moment of adoption.
const AT: i64 = 1_000;

pub(crate) fn database(text: &str) -> Vec<OriginalRow> {
    text.split('|').map(row).collect()
}

fn row(text: &str) -> OriginalRow {
    let at = |text: &str| Timestamp::from_milliseconds(text.parse().unwrap());
    let mut words = text.split_whitespace();
    let id = words.next().unwrap();
    let mut row = OriginalRow {
        id: id.parse().unwrap(),
        email: None,
        phone: None,
        linked_id: None,
        precedence: Precedence::Primary,
        created_at: at(id),
        updated_at: at(id),
        deleted_at: None,
    };
    for word in words {
        let (sign, rest) = word.split_at(1);
        match sign {
            "e" => row.email = Some(format!("e{rest}@x.org")),
            "E" => row.email = Some(format!(" E{rest}@X.org")),
            "p" => row.phone = Some(rest.to_owned()),
            "-" if rest.starts_with('e') => row.email = Some(rest[1..].to_owned()),
            "-" => row.phone = Some(rest[1..].to_owned()),
            ">" => (row.linked_id, row.precedence) = (Some(rest.parse().unwrap()), Precedence::Secondary),
            "@" => (row.created_at, row.updated_at) = (at(rest), at(rest)),
            "^" => row.updated_at = at(rest),
            "!" => row.precedence = Precedence::from_word(rest),
            "x" => row.deleted_at = Some(row.updated_at),
            other => panic!("no such sign: {other}"),
        }
    }
    row
}

pub(crate) fn adopted(rows: Vec<OriginalRow>, trust_links: bool, at: i64) -> Adoption {
    let settings = AdoptionSettings { trust_links };
    adopt(rows, &Actor::named("selfsame adopt"), settings, Timestamp::from_milliseconds(at))
}

pub(crate) fn fold(adoption: &Adoption) -> World {
    let mut world = World::default();
    for event in &adoption.events {
        let Ok(()) = apply(event, &mut world);
    }
    world
}

/// The contacts as a text like the one above: `^` where adoption changed the row, `*` after each value it owns.
fn contacts(adoption: &Adoption) -> String {
    let world = fold(adoption);
    let contact = |contact: &Contact| {
        let mut text = contact.id.to_string();
        for identifier in &contact.identifiers {
            let value = identifier.value().trim_end_matches("@x.org");
            let value = if value.starts_with('e') { format!(" {value}") } else { format!(" p{value}") };
            let owns = world.owners.get(identifier) == Some(&contact.id);
            text += &format!("{value}{}", if owns { "*" } else { "" });
        }
        text += &contact.linked_to.map(|primary| format!(" >{primary}")).unwrap_or_default();
        text += if contact.updated_at.as_milliseconds() == AT { " ^" } else { "" };
        text += if contact.deleted_at.is_some() { " x" } else { "" };
        text
    };
    world.contacts.values().map(contact).collect::<Vec<_>>().join(" | ")
}

/// Every number of the report that isn't 0 and isn't told by the rows themselves, with its examples.
fn findings(report: &AdoptionReport) -> String {
    let mut told = Vec::new();
    for (name, Finding { count, examples }) in named(report) {
        if *count > 0 {
            let ids = examples.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            told.push(format!("{name} {count}: {ids}"));
        }
    }
    for (name, count) in numbers(report) {
        if count > 0 && name.starts_with("values") {
            told.push(format!("{name} {count}"));
        }
    }
    told.push(format!("identities {} -> {}", report.identities_before, report.identities_after));
    told.join("; ")
}

fn named(report: &AdoptionReport) -> [(&'static str, &Finding); 16] {
    [
        ("chains", &report.chains),
        ("orphans", &report.orphans),
        ("self_links", &report.self_links),
        ("contradictions", &report.contradictions),
        ("empty_contacts", &report.empty_contacts),
        ("dated_in_the_future", &report.dated_in_the_future),
        ("rows_with_refused", &report.rows_with_refused),
        ("values_in_two_identities", &report.values_in_two_identities),
        ("duplicate_primaries", &report.duplicate_primaries),
        ("joined", &report.joined),
        ("set_apart", &report.set_apart),
        ("links_kept", &report.links_kept),
        ("relinked", &report.relinked),
        ("demoted", &report.demoted),
        ("promoted", &report.promoted),
        ("changed", &report.changed),
    ]
}

fn numbers(report: &AdoptionReport) -> [(&'static str, u64); 8] {
    [
        ("rows", report.rows),
        ("live", report.live),
        ("deleted", report.deleted),
        ("values_canonicalised", report.values_canonicalised),
        ("values_blank", report.values_blank),
        ("values_refused", report.values_refused),
        ("identities_before", report.identities_before),
        ("identities_after", report.identities_after),
    ]
}

/// Every number of the report, by name.
pub(crate) fn counts(report: &AdoptionReport) -> std::collections::BTreeMap<&'static str, usize> {
    let named = named(report).map(|(name, finding)| (name, finding.count));
    let all = named.into_iter().chain(numbers(report));
    all.map(|(name, count)| (name, usize::try_from(count).unwrap())).collect()
}

/// Adopts each database and expects these contacts and this report.
fn judge(rows: &[(&str, &str, &str, &str)]) {
    for (what, given, want, report) in rows {
        let adoption = adopted(database(given), false, AT);
        assert_eq!(
            (contacts(&adoption).as_str(), findings(&adoption.report).as_str()),
            (*want, *report),
            "{what}"
        );
    }
}

#[test]
fn what_is_sound_stays_as_it_is() {
    judge(&[
        (
            "nothing to change",
            "1 e1 p1 | 2 e2 p1 >1 | 3 e3 p3",
            "1 e1* p1* | 2 e2* p1 >1 | 3 e3* p3*",
            "identities 2 -> 2",
        ),
        (
            "a merge that left no trace but the link",
            "1 e1 p1 | 2 e2 p2 >1 ^7",
            "1 e1* p1* | 2 e2* p2* >1",
            "links_kept 1: 2; identities 1 -> 1",
        ),
        (
            "equal ages: the lower id is older",
            "2 e1 p1 @5 | 1 e1 p2 >2 @5",
            "1 e1* p2* ^ | 2 e1 p1* >1 ^",
            "relinked 2: 1,2; demoted 1: 2; promoted 1: 1; changed 2: 1,2; identities 1 -> 1",
        ),
    ]);
}

#[test]
fn what_races_and_lost_merges_tore_apart_is_joined() {
    judge(&[
        (
            "equal primaries",
            "1 e1 p1 | 2 e1 p1 | 3 e1 p1",
            "1 e1* p1* | 2 e1 p1 >1 ^ | 3 e1 p1 >1 ^",
            "values_in_two_identities 2: 1,1; duplicate_primaries 2: 2,3; joined 1: 1; relinked 2: 2,3; \
             demoted 2: 2,3; changed 2: 2,3; identities 3 -> 1",
        ),
        (
            "equal secondaries",
            "1 e1 p1 | 2 e2 p1 >1 | 3 e2 p1 >1",
            "1 e1* p1* | 2 e2* p1 >1 | 3 e2 p1 >1",
            "identities 1 -> 1",
        ),
        (
            "a chain after a merge",
            "1 e1 p1 | 2 e2 p2 >1 ^9 | 3 e3 p2 >2",
            "1 e1* p1* | 2 e2* p2* >1 | 3 e3* p2 >1 ^",
            "chains 1: 3; links_kept 1: 2; relinked 1: 3; changed 1: 3; identities 1 -> 1",
        ),
        (
            "two primaries that a merge left, and a row that bears a value of both",
            "1 e1 p1 | 2 e2 p2 | 3 e3 p1 >1 | 4 e3 p2 >2",
            "1 e1* p1* | 2 e2* p2* >1 ^ | 3 e3* p1 >1 | 4 e3 p2 >1 ^",
            "values_in_two_identities 1: 3; duplicate_primaries 1: 2; joined 1: 1; relinked 2: 2,4; \
             demoted 1: 2; changed 2: 2,4; identities 2 -> 1",
        ),
        (
            "two spellings of one address",
            "1 E1 p1 | 2 e1 p2",
            "1 e1* p1* ^ | 2 e1 p2* >1 ^",
            "values_in_two_identities 1: 1; duplicate_primaries 1: 2; joined 1: 1; relinked 1: 2; demoted 1: 2; \
             changed 2: 1,2; values_canonicalised 1; identities 2 -> 1",
        ),
    ]);
}

#[test]
fn strangers_that_a_null_joined_are_set_apart() {
    judge(&[
        (
            "one stranger",
            "1 e1 | 2 e2 >1",
            "1 e1* | 2 e2* ^",
            "set_apart 1: 2; relinked 1: 2; promoted 1: 2; changed 1: 2; identities 1 -> 2",
        ),
        (
            "a stranger, and a later row that shares a value only with it: both leave, together",
            "1 e1 | 2 e2 >1 | 3 e2 p2 >1 | 4 e1 p1 >1",
            "1 e1* | 2 e2* ^ | 3 e2 p2* >2 ^ | 4 e1 p1* >1",
            "set_apart 2: 2,3; relinked 2: 2,3; promoted 1: 2; changed 2: 2,3; identities 1 -> 2",
        ),
        (
            "empty contacts stand alone",
            "1 | 2 >1 | 3 -e -p",
            "1 | 2 ^ | 3 ^",
            "empty_contacts 3: 1,2,3; set_apart 1: 2; relinked 1: 2; promoted 1: 2; changed 2: 2,3; \
             values_blank 2; identities 2 -> 3",
        ),
    ]);
    let trusted = adopted(database("1 e1 | 2 e2 >1 | 3 e3 >2"), true, AT);
    assert_eq!(contacts(&trusted), "1 e1* | 2 e2* >1 | 3 e3* >1 ^");
    assert_eq!(
        findings(&trusted.report),
        "chains 1: 3; links_kept 2: 2,3; relinked 1: 3; changed 1: 3; identities 1 -> 1"
    );
}

#[test]
fn deleted_rows_stay_deleted_and_resolve() {
    judge(&[
        (
            "a deleted primary: the next oldest takes its place, the deleted one links to it",
            "1 e1 p1 x | 2 e2 p1 >1 | 3 e3 p1 >1",
            "1 e1 p1 >2 ^ x | 2 e2* p1* ^ | 3 e3* p1 >2 ^",
            "relinked 3: 1,2,3; demoted 1: 1; promoted 1: 2; changed 3: 1,2,3; identities 0 -> 1",
        ),
        (
            "a deleted secondary owns nothing, and whoever bears its value elsewhere is a stranger",
            "1 e1 p1 | 2 e2 p1 >1 x | 3 e2 p3",
            "1 e1* p1* | 2 e2 p1 >1 x | 3 e2* p3*",
            "identities 2 -> 2",
        ),
        (
            "a deleted bridge still joins its own identity",
            "1 e1 p1 | 2 e2 p1 >1 x | 3 e2 p3 >1",
            "1 e1* p1* | 2 e2 p1 >1 x | 3 e2* p3* >1",
            "identities 1 -> 1",
        ),
        (
            "nobody lives: the oldest is primary",
            "1 e1 p1 x | 2 e2 p1 >1 x",
            "1 e1 p1 x | 2 e2 p1 >1 x",
            "identities 0 -> 0",
        ),
    ]);
}

#[test]
fn links_that_lead_nowhere_are_none() {
    judge(&[
        (
            "an orphan, updated or not",
            "1 e1 >9 | 2 e2 >9 ^5",
            "1 e1* ^ | 2 e2* ^",
            "orphans 2: 1,2; relinked 2: 1,2; promoted 2: 1,2; changed 2: 1,2; identities 0 -> 2",
        ),
        (
            "a link to itself",
            "1 e1 >1 ^5",
            "1 e1* ^",
            "self_links 1: 1; relinked 1: 1; promoted 1: 1; changed 1: 1; identities 0 -> 1",
        ),
        (
            "a circle of demoted rows",
            "1 e1 >3 ^9 | 2 e2 >1 ^9 | 3 e3 >2 ^9",
            "1 e1* ^ | 2 e2* >1 | 3 e3* >1 ^",
            "chains 3: 1,2,3; links_kept 3: 1,2,3; relinked 2: 1,3; promoted 1: 1; changed 2: 1,3; \
             identities 0 -> 1",
        ),
        (
            "words that contradict the link",
            "1 e1 !secondary | 2 e1 >1 !primary | 3 e3 !boss",
            "1 e1* ^ | 2 e1 >1 ^ | 3 e3* ^",
            "contradictions 3: 1,2,3; demoted 1: 2; promoted 1: 1; changed 3: 1,2,3; identities 1 -> 2",
        ),
    ]);
}

#[test]
fn what_the_rules_refuse_is_kept_and_matches_nobody() {
    judge(&[(
        "equal refused texts",
        "1 e1 -pask | 2 e2 -pask >1 | 3 e3 -pask | 4 -ex -pask >1",
        "1 e1* ^ | 2 e2* ^ | 3 e3* ^ | 4 ^",
        "rows_with_refused 4: 1,2,3,4; set_apart 2: 2,4; relinked 2: 2,4; promoted 2: 2,4; changed 4: 1,2,3,4; values_refused 5; identities 2 -> 4",
    )]);
    let adoption = adopted(database("2000 E1 -pask"), false, AT);
    assert_eq!(adoption.report.dated_in_the_future.examples, [ContactId(2000)]);
    assert!(!format!("{adoption:?}").contains("ask"), "no log shows a value");
}

#[test]
fn an_id_that_no_contact_can_have_is_told() {
    let adoption = adopted(database("0 e1 | -3 e2 | 4 e3"), false, AT);
    let want = Finding { count: 2, examples: vec![ContactId(-3), ContactId(0)] };
    assert_eq!(adoption.report.ids_below_one, want);
}

#[test]
fn fifty_of_everything_names_ten() {
    let rows: Vec<String> = (1..=50).map(|id| format!("{id} e1 p1")).collect();
    let report = adopted(database(&rows.join("|")), false, AT).report;
    assert_eq!((report.identities_before, report.identities_after), (50, 1));
    assert_eq!((report.duplicate_primaries.count, report.duplicate_primaries.examples.len()), (49, 10));
}

#[test]
fn the_head_stands_where_the_rows_end() {
    let head = adopted(database("9 e1 @1 | 4 e2 @7"), false, AT).head();
    assert_eq!((head.last_sequence.0, head.last_contact.0), (2, 9));
    assert_eq!(head.last_event_at.as_milliseconds(), 7);
}
