//! Reads a text, and tells in short what came of it.

use selfsame_bulk::{OpenError, Row, RowReader, Settings};
use selfsame_rules::{Actor, Observation, Policy, PolicyDocument};

/// A policy that declares `customerId`.
pub(crate) fn policy() -> Policy {
    let document = PolicyDocument { kinds: vec!["customerId".into()], ..PolicyDocument::default() };
    Policy::read(&document).unwrap()
}

pub(crate) fn settings(policy: &Policy) -> Settings<'_> {
    Settings::new(policy, |_, _| None, Actor::named("test"))
}

pub(crate) fn open(text: impl AsRef<[u8]>) -> Result<RowReader, OpenError> {
    let policy = policy();
    RowReader::open(std::io::Cursor::new(text.as_ref().to_vec()), settings(&policy))
}

/// Why a text isn't opened.
pub(crate) fn refused(text: impl AsRef<[u8]>) -> OpenError {
    open(text).err().expect("it is refused")
}

/// `2: email=a@b.c phone=12`, or `2: Email: why not`, of each row.
pub(crate) fn told(text: impl AsRef<[u8]>) -> Vec<String> {
    all(open(text).unwrap())
}

pub(crate) fn all(rows: RowReader) -> Vec<String> {
    rows.map(|row| match row {
        Ok(row) => row_told(&row),
        Err(error) => error.to_string(),
    })
    .collect()
}

pub(crate) fn row_told(row: &Row) -> String {
    let told = match &row.outcome {
        Ok(observation) => values(observation),
        Err(reject) => {
            assert_eq!(reject.line, row.line);
            match &reject.column {
                Some(column) => format!("{column}: {}", reject.reason),
                None => reject.reason.to_string(),
            }
        }
    };
    format!("{}: {told}", row.line)
}

/// The identifiers of an observation, with its time and its source.
pub(crate) fn values(observation: &Observation) -> String {
    let seen = observation.identifiers().map(|one| format!("{}={}", one.kind().name(), one.value()));
    let origin = observation.origin();
    let at = origin.and_then(|origin| origin.observed_at).map(|at| format!("at={}", at.as_milliseconds()));
    let from = origin.and_then(|origin| origin.source.as_deref()).map(|source| format!("source={source}"));
    seen.chain(at).chain(from).collect::<Vec<_>>().join(" ")
}
