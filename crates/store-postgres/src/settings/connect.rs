//! One connection, opened, and every way in which that fails, put into words.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, SqlState};

use super::ConnectionSettings;
use crate::tls::TlsError;

/// Why there is no connection, and to which database. No user, no password.
#[derive(Debug, thiserror::Error)]
#[error("no connection to {database}: {failure}")]
pub struct ConnectError {
    /// `postgresql://host:port/database`.
    pub database: String,
    /// What to do differently.
    pub failure: ConnectFailure,
}

/// Why there is no connection. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    /// A file of the TLS settings can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The host's name stands for no address.
    #[error("the host's name was not found\nhint: check the host in DATABASE_URL, and this machine's DNS")]
    HostUnknown,
    /// Nobody listens.
    #[error("nobody listens there\nhint: check host and port in DATABASE_URL, and that PostgreSQL runs")]
    NotListening,
    /// The socket's file can't be used.
    #[error("the socket may not be used by this user\nhint: check the rights of its folder")]
    SocketForbidden,
    /// It took too long.
    #[error(
        "it did not answer in time\n\
         hint: check host and port in DATABASE_URL and the firewalls between; `connect_timeout` sets the limit in seconds"
    )]
    TimedOut,
    /// The server was read-only, and one that takes writes is wanted (or the other way round).
    #[error(
        "none of its servers is of the kind that is wanted: {0}\n\
         hint: name the primary, or set `target_session_attrs`"
    )]
    WrongKind(String),
    /// TLS is wanted and the server has none.
    #[error(
        "the server has no TLS, and `sslmode` wants it\n\
         hint: turn `ssl` on in the server, or set `sslmode=prefer` or `disable` on a network that you trust"
    )]
    NoTls,
    /// The certificate is signed by nobody whom we trust.
    #[error(
        "the server's certificate is signed by nobody who is trusted here\n\
         hint: name the authority's certificate with `sslrootcert`"
    )]
    CertificateUntrusted,
    /// The certificate is somebody else's.
    #[error(
        "the server's certificate is not for this host: {0}\n\
         hint: use a host that its subjectAltName has (a common name alone doesn't count), \
         or `sslmode=verify-ca` if any server of that authority will do"
    )]
    CertificateOfAnother(String),
    /// The certificate is too old or too new.
    #[error("the server's certificate is not valid now: {0}\nhint: renew it, or check both clocks")]
    CertificateOutOfDate(String),
    /// Anything else in the handshake.
    #[error(
        "the TLS handshake failed: {0}\nhint: check that it is PostgreSQL that listens there, and its log"
    )]
    Handshake(String),
    /// The server wants a password and there is none.
    #[error("the server asks for a password\nhint: put one into DATABASE_URL, PGPASSWORD or ~/.pgpass")]
    NoPassword,
    /// The password is wrong, or the role has none, or there is no such role: the server doesn't tell.
    #[error(
        "the server refuses user and password\nhint: check both; percent-encode what is odd in the password"
    )]
    WrongPassword,
    /// There is no such role.
    #[error(
        "the server has no such role: {0}\nhint: check the user in DATABASE_URL, or `CREATE ROLE … LOGIN`"
    )]
    NoSuchRole(String),
    /// The server's `pg_hba.conf` lets us not in like this.
    #[error(
        "the server lets this user not in from here, or not like this: {0}\n\
         hint: its `pg_hba.conf` decides; it may want TLS (`sslmode=require`) or a client certificate \
         (`sslcert`, `sslkey`)"
    )]
    NotAdmitted(String),
    /// There is no such database.
    #[error("there is no such database\nhint: check its name in DATABASE_URL, or `CREATE DATABASE`")]
    NoSuchDatabase,
    /// The role may not use the database.
    #[error("the role may not use this database: {0}\nhint: `GRANT CONNECT ON DATABASE … TO …`")]
    Forbidden(String),
    /// No slot is free.
    #[error(
        "the server has no free connection: {0}\n\
         hint: lower `connection_limit` of each replica, or raise `max_connections`"
    )]
    TooManyConnections(String),
    /// The server starts, stops or recovers.
    #[error("the server takes no connections now: {0}\nhint: wait until it has started")]
    NotReady(String),
    /// The server said something else.
    #[error("{0}\nhint: see the server's log")]
    Server(String),
    /// The connection broke, or something spoke that isn't PostgreSQL.
    #[error("{0}\nhint: check that it is PostgreSQL that listens there, and its log")]
    Other(String),
}

impl ConnectionSettings {
    /// Opens one connection, in the time that the settings give it. A task of its own drives it to its end.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], in words for the person who wrote the URL.
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        self.open().await.map_err(|failure| ConnectError { database: self.to_string(), failure })
    }

    async fn open(&self) -> Result<Client, ConnectFailure> {
        let tls = self.tls()?;
        let connecting = self.client().connect(tls);
        let (client, connection) = match self.connect_timeout() {
            None => connecting.await,
            Some(limit) => {
                tokio::time::timeout(limit, connecting).await.map_err(|_| ConnectFailure::TimedOut)?
            }
        }
        .map_err(|error| ConnectFailure::of(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection to the database ended: {error}");
            }
        });
        Ok(client)
    }
}

impl ConnectFailure {
    /// What tokio-postgres's error while connecting means.
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self::of_server(error);
        }
        let Some(cause) = error.source() else { return Self::Other(error.to_string()) };
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return Self::of_io(cause);
        }
        // tokio-postgres has only words for these.
        match cause.to_string().as_str() {
            "server does not support TLS" => Self::NoTls,
            "password missing" => Self::NoPassword,
            words => Self::Other(format!("{error}: {words}")),
        }
    }

    fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied, TimedOut};
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::of_tls(error);
        }
        let is_of_system = error.raw_os_error().is_some();
        let is = |kind| error.kind() == kind;
        if is(ConnectionRefused) || is(NotFound) && is_of_system {
            Self::NotListening
        } else if is(PermissionDenied) && is_of_system {
            Self::SocketForbidden
        } else if is(PermissionDenied) {
            // tokio-postgres's own, for `target_session_attrs`.
            Self::WrongKind(error.to_string())
        } else if is(TimedOut) {
            Self::TimedOut
        } else if error.to_string().starts_with("failed to lookup address") {
            Self::HostUnknown
        } else {
            Self::Other(error.to_string())
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
            NotValidYetContext, UnknownIssuer,
        };
        let rustls::Error::InvalidCertificate(certificate) = error else {
            return Self::Handshake(error.to_string());
        };
        if matches!(certificate, UnknownIssuer) {
            Self::CertificateUntrusted
        } else if matches!(certificate, NotValidForName | NotValidForNameContext { .. }) {
            Self::CertificateOfAnother(certificate.to_string())
        } else if matches!(
            certificate,
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        ) {
            Self::CertificateOutOfDate(certificate.to_string())
        } else {
            Self::Handshake(error.to_string())
        }
    }

    fn of_server(error: &DbError) -> Self {
        let words = error.message().to_owned();
        match error.code() {
            &SqlState::INVALID_PASSWORD => Self::WrongPassword,
            // Its words may be in any language; the function that said them isn't.
            &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                if error.routine() == Some("InitializeSessionUserId") =>
            {
                Self::NoSuchRole(words)
            }
            &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Self::NotAdmitted(words),
            &SqlState::INVALID_CATALOG_NAME => Self::NoSuchDatabase,
            &SqlState::INSUFFICIENT_PRIVILEGE => Self::Forbidden(words),
            &SqlState::TOO_MANY_CONNECTIONS => Self::TooManyConnections(words),
            &SqlState::CANNOT_CONNECT_NOW | &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN => {
                Self::NotReady(words)
            }
            code => Self::Server(format!("{words} ({})", code.code())),
        }
    }
}
