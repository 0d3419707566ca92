//! Rows that a merge moves to another primary. A merge is one event, and is seen at once by whoever asks; its rows
//! follow with the next transactions, a bounded number in each, so that nobody waits for a merge of very many.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};
use selfsame_rules::{ContactId, Sequence, Timestamp};
use selfsame_store::WorkspaceKey;

/// The rows that one transaction moves: a few however quick the disk is, and a few milliseconds' worth however slow.
const MOVES_AT_ONCE: RangeInclusive<usize> = 100..=2_000;

/// Between these bounds, the moves of a transaction take this part of the time of a commit: whoever waits for the transaction
/// hardly waits longer than without, and they take five times as long as they must.
const PART_OF_COMMIT: u32 = 4;

pub(crate) const MOVE: &str =
    "UPDATE contacts SET linked_id = ?3, updated_at_ms = ?4 WHERE workspace = ?1 AND id = ?2";

/// A row that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) id: ContactId,
    pub(crate) survivor: ContactId,
    pub(crate) at: Timestamp,
    /// The merge that moves it, or one before that.
    pub(crate) sequence: Sequence,
}

/// The moves of a workspace that wait, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct Moves(VecDeque<Move>);

/// How long the last commit took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastCommit(Duration);

impl LastCommit {
    /// Commits the transaction, and notes how long that took.
    pub(crate) fn commit(&mut self, transaction: Transaction<'_>) -> rusqlite::Result<()> {
        let begin = Instant::now();
        transaction.commit()?;
        self.0 = begin.elapsed();
        Ok(())
    }
}

impl From<Vec<Move>> for Moves {
    fn from(moves: Vec<Move>) -> Self {
        Self(moves.into())
    }
}

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The merge that moves the first of those that wait, or one before that.
    pub(crate) fn first(&self) -> Option<Sequence> {
        self.0.front().map(|next| next.sequence)
    }

    pub(crate) fn length(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn extend(&mut self, moves: Vec<Move>) {
        if self.0.is_empty() {
            self.0 = moves.into();
        } else {
            self.0.extend(moves);
        }
    }

    /// Writes the first of those that wait, followed by `new` ones, up to the bounds. Nothing is forgotten until
    /// [`Self::forget`], since the transaction may yet fail.
    ///
    /// Returns how many were written, and the event up to which all rows then link as the log says, `last` being the
    /// end of it.
    pub(crate) fn write(
        &self,
        transaction: &Transaction<'_>,
        workspace: WorkspaceKey,
        new: &[Move],
        last: Sequence,
        LastCommit(commit): LastCommit,
    ) -> rusqlite::Result<(usize, Sequence)> {
        let mut statement = transaction.prepare_cached(MOVE)?;
        let mut waiting = self.0.iter().chain(new);
        let (mut written, begin) = (0, Instant::now());
        for Move { id, survivor, at, .. } in waiting.by_ref().take(*MOVES_AT_ONCE.end()) {
            statement.execute(params![workspace.0, id.0, survivor.0, at.as_milliseconds()])?;
            written += 1;
            if written >= *MOVES_AT_ONCE.start() && begin.elapsed() >= commit / PART_OF_COMMIT {
                break;
            }
        }
        let linked = waiting.next().map_or(last, |next| Sequence(next.sequence.0 - 1));
        Ok((written, linked))
    }

    /// Writes all that wait, however many.
    pub(crate) fn write_all(
        &self,
        transaction: &Transaction<'_>,
        workspace: WorkspaceKey,
    ) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached(MOVE)?;
        for Move { id, survivor, at, .. } in &self.0 {
            statement.execute(params![workspace.0, id.0, survivor.0, at.as_milliseconds()])?;
        }
        Ok(())
    }

    /// Forgets the first `count`, which are written and committed.
    pub(crate) fn forget(&mut self, count: usize) {
        self.0.drain(..count);
    }
}
