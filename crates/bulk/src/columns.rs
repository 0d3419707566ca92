//! What the columns of a file mean: said by whoever brings it, or guessed (`guess`).

use std::fmt;
use std::sync::Arc;

use selfsame_rules::{IdentifierKind, Policy};

use crate::names::letters;
use crate::times::{DateEvidence, InvalidTime};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Identifiers of a kind.
    Identifier(IdentifierKind),
    /// When somebody was seen.
    ObservedAt,
    /// Where somebody was seen.
    Source,
}

impl Meaning {
    /// The word for it: `email`, `phone`, the name of a declared kind, `observedAt`, `source`.
    pub fn name(&self) -> &str {
        match self {
            Self::Identifier(kind) => kind.name(),
            Self::ObservedAt => "observedAt",
            Self::Source => "source",
        }
    }

    /// What a word means under a policy. `observedAt` and `source` always mean a time and a place.
    fn from_name(name: &str, policy: &Policy) -> Option<Self> {
        match name {
            "observedAt" => Some(Self::ObservedAt),
            "source" => Some(Self::Source),
            _ => IdentifierKind::from_name(name).ok().filter(|kind| policy.knows(kind)).map(Self::Identifier),
        }
    }
}

/// What somebody says that columns mean: `email=E-Mail,phone=Telefon`. What it doesn't name is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnMap(Vec<(Meaning, String)>);

impl ColumnMap {
    /// Reads `kind=Header` pairs with `,` between them. A part without `=` belongs to the header before it, so that headers may
    /// have commas.
    ///
    /// A header is a name as the file has it, letters and digits being enough (`telefon` finds `TELEFON`), a path of member names
    /// for JSON (`customer.email`), or the number of a column from 1.
    ///
    /// # Errors
    ///
    /// [`InvalidMap`] for a kind that the policy does not know, one that is named twice, or a pair that is none.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, InvalidMap> {
        let mut pairs: Vec<(Meaning, String)> = Vec::new();
        for part in text.split(',') {
            let Some((name, header)) = part.split_once('=') else {
                let (_, header) = pairs.last_mut().ok_or(InvalidMap::NoPair)?;
                header.push(',');
                header.push_str(part);
                continue;
            };
            let name = name.trim();
            let unknown = || {
                let declared = policy.document().kinds;
                let known = ["email", "phone"].into_iter().map(str::to_owned).chain(declared);
                InvalidMap::UnknownKind { name: name.to_owned(), known: known.collect() }
            };
            let meaning = Meaning::from_name(name, policy).ok_or_else(unknown)?;
            if pairs.iter().any(|(other, _)| *other == meaning) {
                return Err(InvalidMap::Repeated { name: name.to_owned() });
            }
            pairs.push((meaning, header.to_owned()));
        }
        if pairs.iter().any(|(_, header)| header.trim().is_empty()) {
            return Err(InvalidMap::NoPair);
        }
        if !pairs.iter().any(|(meaning, _)| matches!(meaning, Meaning::Identifier(_))) {
            return Err(InvalidMap::NoIdentifier);
        }
        Ok(Self(pairs))
    }

    /// Each meaning with its column's place among the headers.
    pub(crate) fn places(&self, headers: &[String]) -> Result<Vec<(Meaning, usize)>, UnknownColumn> {
        self.0.iter().map(|(meaning, header)| Ok((meaning.clone(), place(header, headers)?))).collect()
    }
}

/// Where a header stands: by its very name, else by the letters of it, else by its number.
fn place(wanted: &str, headers: &[String]) -> Result<usize, UnknownColumn> {
    let wanted = wanted.trim();
    let named = |like: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let places = headers.iter().enumerate().filter(|(_, header)| like(header.trim()));
        places.map(|(place, _)| place).collect()
    };
    let mut found = named(&|header| header == wanted);
    if found.is_empty() && !letters(wanted).is_empty() {
        found = named(&|header| letters(header) == letters(wanted));
    }
    match (found.as_slice(), wanted.parse::<usize>()) {
        ([place], _) => Ok(*place),
        ([], Ok(number)) if (1..=headers.len()).contains(&number) => Ok(number - 1),
        ([], _) => {
            Err(UnknownColumn::Missing { wanted: wanted.to_owned(), headers: Headers(headers.to_vec()) })
        }
        (places, _) => Err(UnknownColumn::Several {
            wanted: wanted.to_owned(),
            numbers: places.iter().map(|place| place + 1).collect(),
        }),
    }
}

/// The headers of a file, listed as a person reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers(pub(crate) Vec<String>);

impl Headers {
    /// In the order of the file.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, header) in self.0.iter().enumerate() {
            write!(formatter, "{}`{header}`", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Why a text does not say what columns mean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMap {
    /// A part that is no pair.
    #[error("a column is said as `kind=Header`\nhint: for example `email=E-Mail,phone=Telefon`")]
    NoPair,
    /// A kind that isn't known.
    #[error("`{name}` is no kind of the workspace's policy\nhint: there are {}, `observedAt` and `source`", Headers(known.clone()))]
    UnknownKind {
        /// What was asked for.
        name: String,
        /// The kinds that there are.
        known: Vec<String>,
    },
    /// A kind that is named twice.
    #[error(
        "`{name}` is said twice\nhint: a row has one value of a kind; import the file again with the other column"
    )]
    Repeated {
        /// The kind.
        name: String,
    },
    /// No column of an identifier.
    #[error("no column of an identifier is said\nhint: for example `email=E-Mail,phone=Telefon`")]
    NoIdentifier,
}

/// Why a column that was named can't be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownColumn {
    /// No header of that name.
    #[error("the file has no column `{wanted}`\nhint: it has {headers}")]
    Missing {
        /// What was asked for.
        wanted: String,
        /// Those that there are.
        headers: Headers,
    },
    /// Several of them.
    #[error("the file has the column `{wanted}` more than once\nhint: say which by its number: {numbers:?}")]
    Several {
        /// What was asked for.
        wanted: String,
        /// Where they stand, from 1.
        numbers: Vec<usize>,
    },
}

/// What was understood of a file's columns, to be shown before anything is stored.
#[derive(Clone, Debug)]
pub struct Columns {
    /// All headers, in the order of the file.
    pub headers: Headers,
    /// The columns that are read, in the order of their meaning: e-mail, phone, declared kinds, time, source.
    pub read: Vec<Column>,
    /// Columns that could have been meant too, and are not read.
    pub also: Vec<(Meaning, Arc<str>)>,
    /// Columns of times that are not read, since one of their first values can't be.
    pub unread_times: Vec<(Arc<str>, InvalidTime)>,
    /// How many rows were looked at.
    pub rows_seen: usize,
    /// What the dates in the first rows say of the order of day and month.
    pub dates: DateEvidence,
}

/// A column that is read.
#[derive(Clone, Debug)]
pub struct Column {
    /// What it holds.
    pub meaning: Meaning,
    /// Its header; the number of the column, from 1, where a file has none.
    pub header: Arc<str>,
    /// Where it stands among the headers, from 0.
    pub place: usize,
    /// How many of the first rows have something in it.
    pub filled: usize,
    /// How many of these can be used.
    pub usable: usize,
    /// Up to three different values of it.
    pub examples: Vec<Example>,
}

/// A value from a file, shown to whoever brought it. Prints redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Example(String);

impl Example {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The value as it stands in the file.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Example {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Example(…)")
    }
}
