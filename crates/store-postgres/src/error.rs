//! PostgreSQL's errors as the store's: what a caller could do about them, without a value of anybody.

use std::fmt;
use std::sync::Arc;

use deadpool_postgres::PoolError;
use selfsame_store::StoreError;
use tokio_postgres::error::SqlState;

/// What PostgreSQL, or the way to it, said. Its own error would tell `DETAIL`, which quotes rows.
#[derive(Debug)]
pub enum Fault {
    /// The server refused a statement.
    Refused {
        /// Its SQLSTATE.
        code: SqlState,
        /// Its message, where that can't quote a value.
        message: String,
    },
    /// The connection broke or could not be made; what the system said.
    Disconnected(String),
    /// The answer did not come in time.
    TimedOut,
    /// The pool had no connection in time.
    NoneFree,
    /// The store is closed.
    Closed,
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::of(&error)
    }
}

impl Fault {
    /// What an error says, without what it quotes.
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            let cause = std::error::Error::source(error).map(|source| format!(": {source}"));
            return Self::Disconnected(format!("{error}{}", cause.unwrap_or_default()));
        };
        let code = refusal.code().clone();
        // The classes "data exception" and "integrity constraint violation" quote what they refuse.
        let quotes = code.code().starts_with("22") || code.code().starts_with("23");
        let message = if quotes {
            format!("a row was refused by {}", refusal.constraint().unwrap_or("a type"))
        } else {
            refusal.message().to_owned()
        };
        Self::Refused { code, message }
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => Self::NoneFree,
            PoolError::Closed => Self::Closed,
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Disconnected(error.to_string())
            }
        }
    }
}

impl Fault {
    /// Whether the same transaction, begun anew, may well succeed: it lost against another one, or its connection
    /// broke, or the server is just ending or starting. SQLSTATE XX000 is what Citus says of a commit that failed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } => {
                let transient = [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::LOCK_NOT_AVAILABLE,
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    SqlState::TOO_MANY_CONNECTIONS,
                    SqlState::QUERY_CANCELED,
                    // A standby that is being promoted, or a server that is being moved away from.
                    SqlState::READ_ONLY_SQL_TRANSACTION,
                    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                    SqlState::OUT_OF_MEMORY,
                    SqlState::INTERNAL_ERROR,
                ];
                // The server's limits of a session and of a transaction, which may cut a connection just as it is
                // used; and what CockroachDB says of a commit that may have been made.
                let transient_by_number = ["57P05", "25P04", "40003"];
                code.code().starts_with("08")
                    || transient.contains(code)
                    || transient_by_number.contains(&code.code())
            }
            Self::Disconnected(_) | Self::TimedOut | Self::NoneFree => true,
            Self::Closed => false,
        }
    }

    /// Whether the server lets nobody in with this password or under this name of a database: nothing was stored,
    /// and it works again once somebody has set that right.
    fn is_locked_out(&self) -> bool {
        matches!(self, Self::Refused { code, .. }
            if code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME)
    }

    /// Whether the role may not do what it was asked.
    pub(crate) fn is_about_rights(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// Whether the server refused what it was asked, and not the moment or whoever asked.
    pub(crate) fn is_about_a_statement(&self) -> bool {
        let others = ["08", "40", "53", "55", "57"];
        matches!(self, Self::Refused { code, .. } if !others.iter().any(|class| code.code().starts_with(class)))
    }

    /// Whether another transaction held what this one waited for, until the wait was over.
    pub(crate) fn is_lock_not_available(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Whether the server itself said so: then it knows what became of the transaction, and it is gone.
    pub(crate) fn is_certain(&self) -> bool {
        match self {
            Self::Refused { code, .. } => {
                // Said by a server that ends, or that lost its own way to the rest of it, perhaps after the commit.
                let unsure = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::INTERNAL_ERROR];
                !code.code().starts_with("08") && code.code() != "40003" && !unsure.contains(code)
            }
            Self::Disconnected(_) | Self::TimedOut | Self::NoneFree => false,
            // No connection was had, so nothing was sent.
            Self::Closed => true,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let full = matches!(&fault, Fault::Refused { code, .. } if *code == SqlState::DISK_FULL);
        if full {
            Self::NoSpace
        } else if matches!(fault, Fault::Closed) {
            Self::NotWritable
        } else if fault.may_pass() || fault.is_locked_out() {
            Self::Unavailable(Arc::new(fault))
        } else {
            Self::failed(fault)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => {
                write!(formatter, "PostgreSQL says: {message} (SQLSTATE {})", code.code())
            }
            Self::Disconnected(cause) => write!(formatter, "no connection to PostgreSQL: {cause}"),
            Self::TimedOut => formatter.write_str("PostgreSQL did not answer in time"),
            Self::Closed => formatter.write_str("the store is closed"),
            Self::NoneFree => formatter.write_str("all connections to PostgreSQL were busy for too long"),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_repeated_and_believed_by_its_code() {
        for (code, may_pass, is_certain) in [
            ("40001", true, true),
            ("40P01", true, true),
            ("55P03", true, true),
            ("57P05", true, true),
            ("25P03", true, true),
            ("25P04", true, true),
            ("53200", true, true),
            ("57P01", true, false),
            ("57P02", true, false),
            ("40003", true, false),
            ("08006", true, false),
            ("XX000", true, false),
            ("23505", false, true),
            ("28P01", false, true),
            ("53100", false, true),
            ("42501", false, true),
        ] {
            let fault = Fault::Refused { code: SqlState::from_code(code), message: String::new() };
            assert_eq!((fault.may_pass(), fault.is_certain()), (may_pass, is_certain), "{code}");
        }
    }
}
