//! One file of a disk whose power is cut: what is certain to be in it, and what may be.
//!
//! `power_cut` says what the disk promises, and has the files' names.

use super::power_cut_luck::{Chance, Luck};
use super::trace::TracedCall;

/// What a disk writes wholly or not at all.
const SECTOR_BYTES: usize = 512;

/// A change that isn't certain to be on the disk yet.
pub(crate) struct Pending<'a, T> {
    pub(crate) call: &'a TracedCall,
    pub(crate) change: T,
}

/// A change of a file's contents.
#[derive(Clone, Copy)]
pub(crate) enum Change<'a> {
    Write { offset: usize, bytes: &'a [u8] },
    Length(usize),
}

/// A file's contents.
pub(crate) struct File<'a> {
    /// What is certain to be found after a power cut, but for `pending`.
    certain: Vec<u8>,
    /// The length that the server sees.
    pub(crate) length_bytes: usize,
    pending: Vec<Pending<'a, Change<'a>>>,
}

impl<'a> File<'a> {
    pub(crate) fn new(certain: Vec<u8>) -> File<'a> {
        File { length_bytes: certain.len(), certain, pending: Vec::new() }
    }

    pub(crate) fn change(&mut self, call: &'a TracedCall, change: Change<'a>) {
        self.length_bytes = change.length_after(self.length_bytes);
        self.pending.push(Pending { call, change });
    }

    /// Makes certain what had returned when a sync started at `moment`.
    pub(crate) fn sync(&mut self, moment: usize) {
        for pending in self.pending.extract_if(.., |pending| pending.call.finished_before(moment)) {
            let length_bytes = pending.change.length_after(self.certain.len());
            self.certain.resize(length_bytes, 0);
            if let Change::Write { offset, bytes } = pending.change {
                self.certain[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// The contents that are found after the cut.
    pub(crate) fn found(&self, chance: &mut Chance) -> Vec<u8> {
        // The length, and each sector, are as they were after some number of the pending changes.
        let mut lengths = vec![self.certain.len()];
        for pending in &self.pending {
            lengths.push(pending.change.length_after(lengths[lengths.len() - 1]));
        }
        let space_bytes = lengths.iter().copied().max().unwrap_or(0);
        let mut length_moment = 0;
        let mut sector_moments = vec![0; space_bytes.div_ceil(SECTOR_BYTES)];
        let luck = Luck::draw(chance, self.pending.len());
        for (index, pending) in self.pending.iter().enumerate() {
            if !luck.reaches_disk(index, chance) {
                continue;
            }
            if lengths[index] != lengths[index + 1] && luck.sector_reaches_disk(index, chance) {
                length_moment = index + 1;
            }
            if let Change::Write { offset, bytes } = pending.change {
                for sector in sectors(offset, bytes.len()) {
                    if luck.sector_reaches_disk(index, chance) {
                        sector_moments[sector] = index + 1;
                    }
                }
            }
        }
        // The disk gives room away only with the truncation itself, so a sector that was cut off can't
        // have been written anew before the shorter length is there, nor keep its old bytes after.
        for (index, pending) in self.pending.iter().enumerate() {
            let Change::Length(length_bytes) = pending.change else { continue };
            if length_bytes >= lengths[index] {
                continue;
            }
            for moment in &mut sector_moments[length_bytes / SECTOR_BYTES..] {
                *moment = if index < length_moment { (*moment).max(index + 1) } else { (*moment).min(index) };
            }
        }
        let mut found = self.certain.clone();
        found.resize(space_bytes, 0);
        for (index, pending) in self.pending.iter().enumerate() {
            let (start, end) = match pending.change {
                Change::Write { offset, bytes } => (offset, offset + bytes.len()),
                Change::Length(length_bytes) => (length_bytes, space_bytes.max(length_bytes)),
            };
            for sector in sectors(start, end - start).filter(|sector| sector_moments[*sector] > index) {
                let (from, to) = (start.max(sector * SECTOR_BYTES), end.min((sector + 1) * SECTOR_BYTES));
                match pending.change {
                    Change::Write { bytes, .. } => {
                        found[from..to].copy_from_slice(&bytes[from - start..to - start]);
                    }
                    Change::Length(_) => found[from..to].fill(0),
                }
            }
        }
        found.truncate(lengths[length_moment]);
        found
    }
}

impl Change<'_> {
    fn length_after(self, length_bytes: usize) -> usize {
        match self {
            Change::Write { bytes: [], .. } => length_bytes,
            Change::Write { offset, bytes } => length_bytes.max(offset + bytes.len()),
            Change::Length(length_bytes) => length_bytes,
        }
    }
}

/// The sectors that hold `length_bytes` bytes from `offset` on.
fn sectors(offset: usize, length_bytes: usize) -> std::ops::Range<usize> {
    let end = if length_bytes == 0 { offset } else { offset + length_bytes };
    offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES).max(offset / SECTOR_BYTES)
}
