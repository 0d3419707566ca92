//! What the columns of a file mean, guessed from their names and the values of its first rows.
//!
//! 1. A column may hold e-mail addresses, phone numbers, times or a source if its name says so ([`crate::names`]), or identifiers of a
//!    declared kind if it bears that kind's name.
//! 2. Of several whose names say so, those are left out of which most values in the first rows can't be used, if others remain. One
//!    alone is taken whatever its values are: its rows are better rejected than read without it. A column of times is left out if
//!    one of its first values can't be read, and a source if one is too long.
//! 3. Of what remains the plainest name is taken, unless another has more than twice as many values that can be used.
//!
//! One column of a kind is read. A column is never taken for its values alone: addresses in it may be those of the shop's own people,
//! which would make all their customers one.

use std::sync::Arc;

use selfsame_rules::{IdentifierKind, Policy, Spelling};

use crate::cells;
use crate::columns::{Column, Columns, Example, Headers, Meaning};
use crate::names::{Names, Plainness, letters};
use crate::reject::{Reason, SOURCE_CHARACTERS_MAX};
use crate::times::{self, DateEvidence, DateOrder, InvalidTime};

/// How many examples of a column's values are kept.
const EXAMPLES: usize = 3;

/// The first rows of a file.
pub(crate) struct Sample {
    /// A name for each column.
    pub(crate) headers: Vec<String>,
    /// The text of each column, for each row.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// How values are to be read.
pub(crate) struct Reading<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) spelling: &'a Spelling,
    /// The order of day and month, if somebody said it.
    pub(crate) date_order: Option<DateOrder>,
    /// Whether a column is looked for that says when.
    pub(crate) guesses_times: bool,
}

impl Sample {
    fn values(&self, place: usize) -> impl Iterator<Item = Result<&str, Reason>> {
        let texts = self.rows.iter().filter_map(move |row| row.get(place)?.as_deref());
        texts.filter_map(|text| cells::value(cells::unguarded(text)).transpose())
    }

    /// What the dates of a column say of the order of day and month.
    fn dates(&self, place: usize) -> DateEvidence {
        let mut evidence = DateEvidence::default();
        for text in self.values(place).flatten() {
            evidence.note(text);
        }
        evidence
    }

    /// Looks at the values of a column, as if it held what is meant.
    fn column(&self, meaning: &Meaning, place: usize, reading: &Reading<'_>) -> Column {
        let order = reading.date_order.or_else(|| self.dates(place).order());
        let usable = |text: &str| match meaning {
            Meaning::Identifier(kind) => reading.spelling.parse(kind, text).is_ok(),
            Meaning::ObservedAt => times::read(text, order).is_ok(),
            Meaning::Source => text.trim().chars().count() <= SOURCE_CHARACTERS_MAX,
        };
        let mut column = Column {
            meaning: meaning.clone(),
            header: self.headers[place].as_str().into(),
            place,
            filled: 0,
            usable: 0,
            examples: Vec::new(),
        };
        for value in self.values(place) {
            column.filled += 1;
            let Ok(text) = value else { continue };
            column.usable += usize::from(usable(text));
            let example = Example::new(text.trim());
            if column.examples.len() < EXAMPLES && !column.examples.contains(&example) {
                column.examples.push(example);
            }
        }
        column
    }

    /// Why one of the values of a column is no time.
    fn invalid_time(&self, place: usize, order: Option<DateOrder>) -> Option<InvalidTime> {
        let order = order.or_else(|| self.dates(place).order());
        self.values(place).find_map(|value| match value {
            Ok(text) => times::read(text, order).err(),
            Err(_) => Some(InvalidTime::UnknownSpelling),
        })
    }

    /// What the columns are that somebody named.
    pub(crate) fn mapped(self, pairs: &[(Meaning, usize)], reading: &Reading<'_>) -> Columns {
        let read = pairs.iter().map(|(meaning, place)| self.column(meaning, *place, reading)).collect();
        self.columns(read, Vec::new(), Vec::new())
    }

    /// What the columns are by their names and values; nothing if none is known to hold e-mail addresses or phone numbers.
    pub(crate) fn guessed(self, reading: &Reading<'_>) -> Result<Columns, NoColumns> {
        let names = Names::new();
        let mut also = Vec::new();
        let mut read = Vec::new();
        for kind in [IdentifierKind::Email, IdentifierKind::Phone] {
            let plainness = |name: &str| match kind {
                IdentifierKind::Email => names.email(name),
                IdentifierKind::Phone | IdentifierKind::Declared(_) => names.phone(name),
            };
            let meaning = Meaning::Identifier(kind.clone());
            read.extend(self.best(&meaning, plainness, |_| true, reading, &mut also));
        }
        if read.is_empty() {
            return Err(self.no_columns(reading));
        }
        for name in reading.policy.document().kinds {
            let Ok(kind) = IdentifierKind::from_name(&name) else { continue };
            let plainness = |header: &str| (letters(header) == letters(&name)).then_some(Plainness::WHOLE);
            let meaning = Meaning::Identifier(kind);
            read.extend(self.best(&meaning, plainness, |_| true, reading, &mut also));
        }
        let all_usable = |column: &Column| column.usable == column.filled;
        let is_time = |column: &Column| column.filled > 0 && all_usable(column);
        let time = |name: &str| names.observed_at(name).filter(|_| reading.guesses_times);
        read.extend(self.best(&Meaning::ObservedAt, time, is_time, reading, &mut also));
        let source = |name: &str| names.source(name);
        read.extend(self.best(&Meaning::Source, source, all_usable, reading, &mut also));

        let times = also.iter().filter(|(meaning, _)| *meaning == Meaning::ObservedAt);
        let unread = times.filter_map(|(_, place)| {
            Some((self.headers[*place].as_str().into(), self.invalid_time(*place, reading.date_order)?))
        });
        let unread = unread.collect();
        let also = also.into_iter().map(|(meaning, place)| (meaning, self.headers[place].as_str().into()));
        let also = also.collect();
        Ok(self.columns(read, also, unread))
    }

    /// The column that is meant, of those whose names say so. The others are listed.
    fn best(
        &self,
        meaning: &Meaning,
        plainness: impl Fn(&str) -> Option<Plainness>,
        is_candidate: impl Fn(&Column) -> bool,
        reading: &Reading<'_>,
        also: &mut Vec<(Meaning, usize)>,
    ) -> Option<Column> {
        let named = self.headers.iter().enumerate();
        let mut named: Vec<_> =
            named.filter_map(|(place, header)| Some((plainness(header)?, place))).collect();
        named.sort_unstable();
        let columns = named.iter().map(|(_, place)| self.column(meaning, *place, reading));
        let mut candidates: Vec<Column> = columns.filter(|column| is_candidate(column)).collect();
        if candidates.iter().any(mostly_usable) {
            candidates.retain(mostly_usable);
        }
        let most = candidates.iter().map(|column| column.usable).max().unwrap_or_default();
        let best = candidates.into_iter().find(|column| column.usable * 2 >= most);
        let taken = best.as_ref().map(|column| column.place);
        let others = named.into_iter().filter(|(_, place)| Some(*place) != taken);
        also.extend(others.map(|(_, place)| (meaning.clone(), place)));
        best
    }

    fn columns(
        self,
        mut read: Vec<Column>,
        also: Vec<(Meaning, Arc<str>)>,
        unread_times: Vec<(Arc<str>, InvalidTime)>,
    ) -> Columns {
        read.sort_by_key(|column| match &column.meaning {
            Meaning::Identifier(kind) => (0, Some(kind.clone())),
            Meaning::ObservedAt => (1, None),
            Meaning::Source => (2, None),
        });
        let time = read.iter().find(|column| column.meaning == Meaning::ObservedAt);
        let dates = time.map(|column| self.dates(column.place)).unwrap_or_default();
        Columns {
            headers: Headers(self.headers),
            read,
            also,
            unread_times,
            rows_seen: self.rows.len(),
            dates,
        }
    }

    fn no_columns(self, reading: &Reading<'_>) -> NoColumns {
        let is_address = |text: &str| {
            reading.spelling.parse(&IdentifierKind::Email, text).is_ok_and(|read| read.is_some())
        };
        if self.headers.iter().any(|header| is_address(header)) {
            return NoColumns::NoHeader;
        }
        let email = Meaning::Identifier(IdentifierKind::Email);
        let places = 0..self.headers.len();
        let looked = places.map(|place| self.column(&email, place, reading));
        let likely = looked.filter(|column| column.usable > 0 && mostly_usable(column));
        let likely = likely.max_by_key(|column| column.usable).map(|column| column.header);
        NoColumns::Unknown {
            headers: Headers(self.headers),
            example: likely.unwrap_or_else(|| "Header".into()),
        }
    }
}

fn mostly_usable(column: &Column) -> bool {
    column.usable * 2 >= column.filled
}

/// Why no column is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoColumns {
    /// No name is known.
    #[error(
        "no column is known to hold e-mail addresses or phone numbers\n\
         hint: say which one does: `--map email={example}`; the file has {headers}"
    )]
    Unknown {
        /// Those that there are.
        headers: Headers,
        /// One whose values look like e-mail addresses, if there is one.
        example: Arc<str>,
    },
    /// What should be names are values.
    #[error(
        "the first line holds values where the names of the columns should be\n\
         hint: say that there is no header, and which column is which: `--no-header --map email=1,phone=2`"
    )]
    NoHeader,
}
