//! The names that are known, and what was said under each: in the URL, or else in a variable.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::invalid::{InvalidUrl, Place};

/// Every parameter that is read, by libpq's name or Prisma's, and the variable that stands behind it.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("application_name", Some("PGAPPNAME")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("connection_limit", None),
    ("dbname", Some("PGDATABASE")),
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("keepalives", None),
    ("keepalives_count", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_retries", None),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    ("options", Some("PGOPTIONS")),
    ("passfile", Some("PGPASSFILE")),
    ("password", Some("PGPASSWORD")),
    ("pgbouncer", None),
    ("pool_timeout", None),
    ("port", Some("PGPORT")),
    ("schema", None),
    ("socket_timeout", None),
    ("ssl", None),
    ("sslaccept", None),
    ("sslcert", Some("PGSSLCERT")),
    ("sslidentity", None),
    ("sslkey", Some("PGSSLKEY")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslpassword", None),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslsni", Some("PGSSLSNI")),
    ("statement_cache_size", None),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("tcp_user_timeout", None),
    ("user", Some("PGUSER")),
];

/// Those that ask for something that is so anyway: we never compress.
const WITHOUT_EFFECT: &[&str] = &["sslcompression", "uselibpqcompat"];

pub(super) fn is_known(name: &str) -> bool {
    WITHOUT_EFFECT.contains(&name) || KNOWN.iter().any(|(known, _)| *known == name)
}

/// A setting's text, and where it was found.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Said {
    pub(super) fn refused(&self, allowed: impl Display) -> InvalidUrl {
        InvalidUrl::Value { place: self.place.clone(), allowed: allowed.to_string() }
    }

    pub(super) fn is_in_url(&self) -> bool {
        matches!(self.place, Place::Parameter(_))
    }

    /// One of `choices`; two words may mean the same.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, InvalidUrl> {
        let found = choices.iter().find(|(word, _)| *word == self.text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.refused(words.join(", "))
        })
    }

    pub(super) fn number<T>(&self, range: RangeInclusive<T>) -> Result<T, InvalidUrl>
    where
        T: FromStr + PartialOrd + Display,
    {
        let number = self.text.trim().parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            self.refused(format_args!("a whole number from {} to {}", range.start(), range.end()))
        })
    }
}

/// Everything that was said: the URL beats a variable.
pub(super) struct Given<'a> {
    parameters: BTreeMap<String, String>,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Given<'a> {
    pub(super) fn new(
        parameters: BTreeMap<String, String>,
        variable: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self { parameters, variable }
    }

    /// What was said under a known name.
    pub(super) fn get(&self, name: &'static str) -> Option<Said> {
        let (_, variable) =
            KNOWN.iter().find(|(known, _)| *known == name).expect("only names in the list are asked for");
        if let Some(text) = self.parameters.get(name) {
            return Some(Said { text: text.clone(), place: Place::Parameter(name.into()) });
        }
        let variable = (*variable)?;
        Some(Said { text: self.variable(variable)?, place: Place::Variable(variable) })
    }

    /// The same for a text of any kind, where an empty one says nothing.
    pub(super) fn text(&self, name: &'static str) -> Option<Said> {
        self.get(name).filter(|said| !said.text.is_empty())
    }

    /// A variable; an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }

    pub(super) fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, InvalidUrl> {
        self.get(name).map(|said| said.one_of(choices)).transpose()
    }

    pub(super) fn number<T>(
        &self,
        name: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, InvalidUrl>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.get(name).map(|said| said.number(range)).transpose()
    }

    /// A sentence for each parameter that nothing reads: its name, never its value.
    pub(super) fn warnings(&self) -> Vec<String> {
        let unknown = self.parameters.keys().filter(|name| !is_known(name));
        unknown
            .map(|name| format!("the parameter `{name}` of DATABASE_URL is not known, and has no effect"))
            .collect()
    }
}
