//! The embedded default: one SQLite file that any tool opens, and nothing to install.
//!
//! One process writes. It holds the lock file beside the database (`lock`), and in it one thread owns the one
//! connection that writes (`writer`); lookups and scans have connections of their own (`readers`, `scan`).
//! The rows that a load reads and a plan writes are in `load`, `carry_out` and `rows`; opening, pragmas and
//! migrations in `connection`.
//!
//! Deliberately absent: any decision, any retry, any cache of rows.

mod carry_out;
mod connection;
mod error;
mod file;
mod load;
mod lock;
mod readers;
mod rows;
mod scan;
mod store;
mod writer;

pub use connection::{OpenError, absolute};
pub use store::SqliteStore;
