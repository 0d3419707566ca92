//! The production store: PostgreSQL, and any number of replicas on it.

mod settings;
mod tls;

pub use settings::{ConnectError, ConnectFailure, ConnectionSettings, InvalidUrl, Place};
pub use tls::TlsError;
