//! The embedded default: one SQLite file that any tool opens, and nothing to install.
//!
//! All identities are held in memory (`indexes`, read once by `load`): a look-up is answered from there, and a change is
//! decided there. On disk the tables only grow at their ends, whatever their size.
//!
//! One process writes. It holds the lock file beside the database (`lock`), and in it one thread owns the one
//! connection that writes (`writer`, `carry_out`, `correct`, `moves`); another copies SQLite's log back (`checkpoint`). Scans, and
//! looks at the past, have connections of their own (`scan`, `recall`), and so has a copy (`copy`); a file is put in the place of another one by `replace`.
//! Opening, pragmas and migrations are in `connection`. What erasing owes the files is in `scrub`, `search` and `unused`.
//!
//! Deliberately absent: any decision, any retry, any rule of who is the same person.

mod access;
mod answers;
mod carry_out;
mod checkpoint;
mod connection;
mod copy;
mod correct;
mod error;
mod examine;
mod file;
mod identities;
mod imports;
mod indexes;
mod job;
mod load;
mod lock;
mod merges;
mod metrics;
mod moves;
mod page;
mod recall;
mod replace;
mod rows;
mod scan;
mod scrub;
mod search;
mod store;
mod unused;
mod webhooks;
mod writer;

pub use connection::{OpenError, absolute};
pub use copy::{Contents, Copied, CopyError, Heads, copy};
pub use examine::{Examined, WriterProcess, examine, writer_of};
pub use replace::{Place, ReplaceError};
pub use search::{ScrubError, scrub, search};
pub use store::SqliteStore;
