//! Files that nobody here wrote (`shared/data`, beside the repository).

use std::fs::File;
use std::path::Path;

use selfsame_bulk::{OpenError, RowReader};

use crate::read::{policy, settings};

fn open(name: &str) -> Result<RowReader, OpenError> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let file = File::open(folder.join(name)).expect("shared/data stands beside the repository");
    let policy = policy();
    let mut settings = settings(&policy);
    settings.file_name = Some(name);
    RowReader::open(file, settings)
}

/// The columns that are read, how many rows were observations, and how many had each reason.
fn summary(name: &str) -> (String, usize, Vec<(String, usize)>) {
    let rows = open(name).unwrap();
    let read = rows.columns().read.iter();
    let columns: Vec<_> = read.map(|column| format!("{}={}", column.meaning.name(), column.header)).collect();
    let (mut observed, mut reasons) = (0, Vec::<(String, usize)>::new());
    for row in rows {
        let Err(reject) = row.unwrap().outcome else {
            observed += 1;
            continue;
        };
        let reason = reject.reason.to_string();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    // The most frequent first.
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    (columns.join(" "), observed, reasons)
}

const NOTHING: &str = "there is nothing to identify: each column of an identifier is blank";
const NO_AT: &str = "the value can't be used: it has no `@`";
const BAD_DOMAIN: &str = "the value can't be used: its domain needs a dot between parts that are not empty";
/// `Maria Sentosa<…>`: a name stands before the address.
const WHITE_SPACE: &str = "the value can't be used: it has white space inside";

#[test]
fn the_columns_of_senzing_are_guessed_and_its_rows_without_identifiers_rejected() {
    let columns = "email=EMAIL_ADDRESS phone=PHONE_NUMBER source=DATA_SOURCE".to_owned();
    for (name, observed, reasons) in [
        ("senzing-customers.csv", 55, vec![(NOTHING.to_owned(), 63), (WHITE_SPACE.to_owned(), 2)]),
        ("senzing-reference.csv", 10, vec![(NOTHING.to_owned(), 12)]),
        ("senzing-watchlist.csv", 7, vec![(NOTHING.to_owned(), 10)]),
    ] {
        assert_eq!(summary(name), (columns.clone(), observed, reasons), "{name}");
    }
}

#[test]
fn the_broken_addresses_of_splink_are_rejected_by_their_rule() {
    assert_eq!(
        summary("splink-fake-1000.csv"),
        (
            "email=email".to_owned(),
            867,
            vec![(NOTHING.to_owned(), 112), (BAD_DOMAIN.to_owned(), 11), (NO_AT.to_owned(), 10)]
        )
    );
}

#[test]
fn a_file_without_identifiers_is_refused_with_its_headers() {
    let error = open("senzing-actual_truthset_key.csv").err().expect("there are none").to_string();
    assert!(
        error.ends_with("the file has `TEST_GROUP`, `CLUSTER_ID`, `DATA_SOURCE`, `RECORD_ID`"),
        "{error}"
    );
}
