//! Why a URL or a variable can't be used. The URL and its values are never told: they may hold the password.

use std::fmt::{Display, Formatter, Result};

/// Where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A part of the URL.
    Parameter(String),
    /// An environment variable.
    Variable(&'static str),
}

impl Display for Place {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::Parameter(name) => write!(formatter, "the parameter `{name}` of DATABASE_URL"),
            Self::Variable(name) => write!(formatter, "the variable {name}"),
        }
    }
}

/// Why the settings of a connection can't be used. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It isn't the URL of a PostgreSQL database.
    #[error(
        "DATABASE_URL must begin with `postgresql://` or `postgres://`\n\
         hint: for example postgresql://user:password@host:5432/database"
    )]
    UnknownScheme,
    /// Two readings make sense.
    #[error(
        "DATABASE_URL can be read in two ways, because it has more than one `@`\n\
         hint: percent-encode those that don't end the password: `@` is written %40"
    )]
    Ambiguous,
    /// What stands where a port should isn't one.
    #[error(
        "DATABASE_URL has a port that isn't a number from 1 to 65535\n\
         hint: an IPv6 address stands in brackets, `[::1]`; if the text after `:` belongs to the password, \
         percent-encode it: `@` is %40, `/` is %2F, `?` is %3F, `#` is %23"
    )]
    Port,
    /// What stands where a host should isn't one.
    #[error(
        "DATABASE_URL has a host that can't be one\n\
         hint: the user and the password end at `@`; percent-encode what is odd in them: `@` is %40, `/` is %2F, \
         `?` is %3F, `#` is %23; an IPv6 address stands in brackets, `[::1]`"
    )]
    Host,
    /// The database's name has an `@`.
    #[error(
        "DATABASE_URL has an `@` where the name of the database should be\n\
         hint: percent-encode what is odd in the password: `@` is %40, `/` is %2F, `?` is %3F, `#` is %23"
    )]
    Database,
    /// The parameters aren't any.
    #[error(
        "DATABASE_URL has something after `?` that isn't name=value\n\
         hint: if it belongs to the password, percent-encode it: `?` is %3F, `&` is %26, `@` is %40"
    )]
    Query,
    /// A percent sign that begins no code, or codes that are no text.
    #[error(
        "DATABASE_URL has a `%` in its {part} that begins no code of a character\n\
         hint: percent-encode it: a percent sign itself is written %25"
    )]
    Encoding {
        /// The part.
        part: &'static str,
    },
    /// A setting that we know has a value that it doesn't take.
    #[error("{place} has a value that it doesn't take\nhint: it takes {allowed}")]
    Value {
        /// The setting.
        place: Place,
        /// What it takes.
        allowed: String,
    },
    /// Lists of hosts, addresses and ports that don't fit together.
    #[error(
        "DATABASE_URL or its PG… variables name {hosts} hosts and {others} {what}\n\
         hint: name as many of one as of the other; one port may serve all hosts"
    )]
    Counts {
        /// How many hosts.
        hosts: usize,
        /// How many of the others.
        others: usize,
        /// `ports` or `addresses`.
        what: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("{first} and {second} contradict each other\nhint: {hint}")]
    Contradiction {
        /// One.
        first: Place,
        /// The other.
        second: Place,
        /// What goes together.
        hint: &'static str,
    },
    /// Certificate and key in one file, or encrypted.
    #[error(
        "{place} names a PKCS#12 file or the password of a key, which aren't supported\n\
         hint: give certificate and key as PEM files without a password, with `sslcert` and `sslkey`; \
         `openssl pkcs12 -in FILE -nodes` takes them apart"
    )]
    Pkcs12 {
        /// The setting.
        place: Place,
    },
    /// Half of a client certificate.
    #[error("{place} needs its other half\nhint: name both `sslcert` and `sslkey`, as PEM files")]
    HalfOfACertificate {
        /// The half that is there.
        place: Place,
    },
    /// A chain is to be checked, and no root is named.
    #[error(
        "sslmode `verify-ca` needs a root certificate\n\
         hint: name its file with `sslrootcert`, or use `verify-full`, which trusts the system's roots"
    )]
    NoRoot,
    /// Nobody to connect as.
    #[error(
        "DATABASE_URL names no user, and this process runs as one without a name\n\
         hint: name one, as in postgresql://user@host/database, or set PGUSER"
    )]
    NoUser,
}
