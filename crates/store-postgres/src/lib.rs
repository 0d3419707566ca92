//! The production store: PostgreSQL, and any number of replicas on it.
//!
//! A look-up is one statement without a lock, and look-ups that arrive together share it (`readers`, `load`). A change
//! first locks its workspace's row, then loads, decides and commits (`write`, `carry_out`, `transaction`): writes of one
//! workspace are serial, whichever replica they come from. A person's correction is the same, on what it concerns (`correct`,
//! `recall`). Workspaces and keys are read whole (`access`) and changed in
//! the same way, one change at a time (`administration`, `sweep`). Opening and migrations are in `connection`, the way to the
//! server in `settings` and `tls`, every statement in `statements`. What erasing leaves behind in tables and indexes is removed by `scrub`.
//!
//! Deliberately absent: any decision, any cache of rows (another replica may have written), advisory locks, triggers,
//! and whatever else distributed databases run differently (DESIGN, "Stores").

mod access;
mod administration;
mod adopt;
mod answers;
mod apart;
mod bulk_write;
mod carry_out;
mod clock;
mod connection;
mod connections;
mod copy_in;
mod correct;
mod error;
mod examine;
mod fill;
mod imports;
mod load;
mod metrics;
mod page;
mod readers;
mod recall;
mod repeat;
mod rows;
mod scan;
mod scrub;
mod settings;
mod statements;
mod store;
mod sweep;
mod tls;
mod transaction;
mod webhooks;
mod write;

pub use adopt::{AdoptError, Adopted, AdoptionOrder, AdoptionStep, adopt_database};
pub use connection::{OpenError, OriginalName};
pub use error::Fault;
pub use examine::{Examined, examine};
pub use scrub::{Rewritten, ScrubError, Searched, SearchedBy, scrub, search};
pub use settings::{ConnectError, ConnectFailure, ConnectionSettings, InvalidUrl, Place};
pub use statements::{citus_statements, statements};
pub use store::PostgresStore;
pub use tls::TlsError;
