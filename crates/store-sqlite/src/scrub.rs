//! After an erasure: nothing of it may be left in the files. The write-ahead log is copied back and cut off, the unused
//! bytes of the database are read, and only where a copy of an erased value is among them is the file written anew.
//!
//! The writer overwrites whatever it frees (`secure_delete`). What that misses are copies that SQLite left behind as it moved rows
//! between pages, and those of versions of ours before it was set.
//!
//! That it is owed stands in the file itself (`user_version`), set by the transaction that erases: a start after a kill finds it.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use selfsame_store::{ErasedTexts, Sought, StoreError};

use crate::connection::{OpenError, open_for_checkpoints, open_for_reading};
use crate::error::store_error;
use crate::unused::{Unreadable, look_at_unused};

/// How long readers of an earlier state are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the writer may be kept waiting by one try to cut the log off.
const TRY: Duration = Duration::from_millis(50);

/// How often a file is read that is written meanwhile.
const READINGS: usize = 3;

/// Erasures whose scrub is owed: shared by the writer, which adds them before they are committed, and by whoever scrubs.
#[derive(Debug, Default)]
pub(crate) struct Owed(Mutex<Debts>);

#[derive(Clone, Debug, Default)]
struct Debts {
    /// Counts the erasures of this process.
    erasures: u64,
    texts: ErasedTexts,
    /// Nobody knows any more which texts, as after a kill.
    unknown: bool,
}

/// What was owed when a scrub began.
#[derive(Clone)]
pub(crate) struct Debt(Debts);

impl Owed {
    fn debts(&self) -> MutexGuard<'_, Debts> {
        self.0.lock().expect("nothing panics while it holds this")
    }

    /// Before it is committed: that an erasure is forgotten is the worse mistake.
    pub(crate) fn add(&self, texts: ErasedTexts) {
        let mut debts = self.debts();
        debts.erasures += 1;
        debts.texts.extend(texts);
    }

    pub(crate) fn add_unknown(&self) {
        let mut debts = self.debts();
        debts.erasures += 1;
        debts.unknown = true;
    }

    pub(crate) fn now(&self) -> Option<Debt> {
        let debts = self.debts();
        (debts.erasures > 0).then(|| Debt(debts.clone()))
    }

    /// Forgets what was owed, if nothing was added since.
    pub(crate) fn settle(&self, debt: &Debt) -> bool {
        let mut debts = self.debts();
        let nothing_new = debts.erasures == debt.0.erasures;
        if nothing_new {
            *debts = Debts::default();
        }
        nothing_new
    }
}

/// Notes in the file, within the transaction that erases, that a scrub is owed, or that none is.
pub(crate) fn mark(connection: &Connection, owed: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", i32::from(owed))
}

/// Whether one is owed from before.
pub(crate) fn is_marked(connection: &Connection) -> rusqlite::Result<bool> {
    connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).map(|mark| mark != 0)
}

/// Writes the file anew from what its tables and indexes hold. Others who write wait for it.
pub(crate) fn pack(connection: &Connection) -> rusqlite::Result<()> {
    // A copy of the whole, which may be more than fits into memory.
    connection.pragma_update(None, "temp_store", "FILE")?;
    let packed = connection.execute_batch("VACUUM");
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    packed
}

/// At a start, when nobody else has the file open: does what a process that was killed left owing.
///
/// Gives what could not be done yet.
pub(crate) fn settle_at_start(connection: &Connection, path: &Path) -> Result<Arc<Owed>, OpenError> {
    let owed = Arc::<Owed>::default();
    let sqlite = |source| OpenError::from_sqlite(path, source);
    if !is_marked(connection).map_err(sqlite)? {
        return Ok(owed);
    }
    let done = pack(connection)
        .and_then(|()| cut_off(connection))
        .and_then(|is_cut_off| if is_cut_off { mark(connection, false).map(|()| true) } else { Ok(false) });
    match done {
        Ok(true) => tracing::info!("what an erasure had left to do before the last end is done"),
        Ok(false) => {
            tracing::warn!("another program reads the database as it was before an erasure; trying again");
            owed.add_unknown();
        }
        Err(error) => {
            tracing::warn!(%error, "what an erasure left can't be removed from the file yet; trying again");
            owed.add_unknown();
        }
    }
    Ok(owed)
}

/// Copies the write-ahead log back into the file and cuts it off; false if a reader still needs it.
fn cut_off(connection: &Connection) -> rusqlite::Result<bool> {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(false),
            _ => Err(error),
        },
    }
}

/// The same on a connection of its own, beside the writer, who waits for moments only.
pub(crate) fn cut_off_log(path: &Path) -> Result<bool, StoreError> {
    let connection = open_for_checkpoints(path).map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(store_error)?;
    connection.busy_timeout(TRY).map_err(store_error)?;
    let began = Instant::now();
    loop {
        if cut_off(&connection).map_err(store_error)? {
            return Ok(true);
        }
        if began.elapsed() > PATIENCE {
            return Ok(false);
        }
        std::thread::sleep(TRY);
    }
}

/// Whether the unused bytes of the file hold one of the texts. `file` is the database, opened once and for good.
pub(crate) fn is_left(file: &File, path: &Path, debt: &Debt) -> Result<bool, StoreError> {
    if debt.0.unknown {
        return Ok(true);
    }
    if debt.0.texts.is_empty() {
        return Ok(false);
    }
    let sought = Sought::of(debt.0.texts.iter())?;
    let mut last = Unreadable::Page(0);
    for _ in 0..READINGS {
        // While it reads, nothing is copied into the file.
        let mut connection =
            open_for_reading(path).map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        let reading = connection.transaction_with_behavior(TransactionBehavior::Deferred);
        let reading = reading.map_err(store_error)?;
        let roots = roots(&reading).map_err(store_error)?;
        let mut found = false;
        let read = look_at_unused(file, &roots, &mut |unused| {
            found = sought.is_in(unused);
            found
        });
        match read {
            Ok(()) => return Ok(found),
            Err(error) => last = error,
        }
    }
    tracing::warn!(error = %last, "the unused places of the database can't be told; it is written anew");
    Ok(true)
}

/// The first pages of all tables and indexes.
pub(crate) fn roots(connection: &Connection) -> rusqlite::Result<Vec<u32>> {
    let mut statement = connection.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")?;
    let roots = statement.query_map([], |row| row.get(0))?;
    [Ok(1)].into_iter().chain(roots).collect()
}
