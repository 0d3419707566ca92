//! Real PostgreSQL peers: clusters of a test's own, of any version, and a pooler before them.
//!
//! Everything listens on loopback or on a socket in a temporary folder, and ends with the value that stands for it.
//! Starting and stopping block their thread, so a test with a server of its own needs more than one.

pub mod binaries;
pub mod cluster;
pub mod cutting_proxy;
mod family;
pub(crate) mod kept;
pub mod pgbouncer;
pub(crate) mod port;
pub mod settings;
pub mod statement_log;
mod unprivileged;
