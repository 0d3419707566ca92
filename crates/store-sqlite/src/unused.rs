//! The unused bytes of a database file: whatever no table and no index reads. SQLite leaves copies of rows there as it
//! moves them between pages.
//!
//! Source: SQLite's description of its file format, "The SQLite Database File Format", parts 1.5 and 1.6.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// SQLite locks these bytes of a file and never stores anything in their page.
const LOCK_BYTE: u64 = 1 << 30;

/// The file's header, on its first page.
const FILE_HEADER: usize = 100;

/// Why a file was not read to its end: it was written meanwhile, or is damaged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("page {0} is not what its neighbours say")]
    Page(u32),
}

/// Reads a file page by page.
struct Pages<'file> {
    file: &'file File,
    page_bytes: usize,
    /// Without what an extension may keep at each page's end.
    usable: usize,
    seen: Vec<bool>,
}

/// A cell of a page: where it is, and what of it goes on elsewhere.
struct Cell {
    range: Range<usize>,
    /// The first page that it goes on at, and how many bytes are there and further on.
    overflow: Option<(u32, usize)>,
    child: Option<u32>,
}

/// Calls `look` on each run of unused bytes of `file`, whose tables and indexes have these roots, until it says that it has seen enough.
///
/// Nobody may write to it meanwhile: otherwise it may fail, but not go on for ever.
pub(crate) fn look_at_unused(
    file: &File,
    roots: &[u32],
    look: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Unreadable> {
    let mut header = [0; FILE_HEADER];
    file.read_exact_at(&mut header, 0)?;
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => usize::from(bytes),
    };
    let usable = page_bytes.saturating_sub(usize::from(header[20]));
    if usable < 480 {
        return Err(Unreadable::Page(1));
    }
    let count = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX) / page_bytes;
    let mut pages = Pages { file, page_bytes, usable, seen: vec![false; count + 1] };
    let mut waiting = roots.to_vec();
    while let Some(number) = waiting.pop() {
        if pages.look_at_node(number, &mut waiting, look)? {
            return Ok(());
        }
    }
    for number in 1..=count {
        let at = (number as u64 - 1) * page_bytes as u64;
        let is_locks = (at..at + page_bytes as u64).contains(&LOCK_BYTE);
        if !pages.seen[number] && !is_locks {
            let number = u32::try_from(number).map_err(|_| Unreadable::Page(0))?;
            if look(&pages.read(number)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Pages<'_> {
    fn read(&mut self, number: u32) -> Result<Vec<u8>, Unreadable> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        // Each page is of one table, or of none.
        match self.seen.get_mut(index) {
            Some(seen) if number > 0 && !*seen => *seen = true,
            _ => return Err(Unreadable::Page(number)),
        }
        let mut page = vec![0; self.page_bytes];
        self.file.read_exact_at(&mut page, (index as u64 - 1) * self.page_bytes as u64)?;
        Ok(page)
    }

    /// A page of a table or an index, and whatever its cells go on at.
    fn look_at_node(
        &mut self,
        number: u32,
        waiting: &mut Vec<u32>,
        look: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, Unreadable> {
        let page = self.read(number)?;
        let damaged = || Unreadable::Page(number);
        let begin = if number == 1 { FILE_HEADER } else { 0 };
        let sort = page[begin];
        let is_inner = matches!(sort, 2 | 5);
        if !is_inner && !matches!(sort, 10 | 13) {
            return Err(damaged());
        }
        let cells = number_of_two(&page, begin + 3).ok_or_else(damaged)?;
        let pointers = begin + if is_inner { 12 } else { 8 };
        if is_inner {
            waiting.push(number_of_four(&page, begin + 8).ok_or_else(damaged)?);
        }
        let mut used = vec![Range { start: 0, end: pointers + 2 * cells }];
        for index in 0..cells {
            let at = number_of_two(&page, pointers + 2 * index).ok_or_else(damaged)?;
            let cell = cell(&page, at, sort, self.usable).ok_or_else(damaged)?;
            waiting.extend(cell.child);
            if let Some((next, left)) = cell.overflow
                && self.look_at_overflow(next, left, look)?
            {
                return Ok(true);
            }
            used.push(cell.range);
        }
        used.sort_unstable_by_key(|range| range.start);
        let mut free_from = 0;
        for range in used.into_iter().chain(std::iter::once(page.len()..page.len())) {
            if range.start > free_from && look(&page[free_from..range.start]) {
                return Ok(true);
            }
            free_from = free_from.max(range.end);
        }
        Ok(false)
    }

    /// The pages that a cell goes on at: only the end of the last one is unused.
    fn look_at_overflow(
        &mut self,
        mut next: u32,
        mut left: usize,
        look: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, Unreadable> {
        while left > 0 {
            let page = self.read(next)?;
            let here = left.min(self.usable - 4);
            left -= here;
            if look(&page[4 + here..]) {
                return Ok(true);
            }
            next = number_of_four(&page, 0).ok_or(Unreadable::Page(next))?;
        }
        Ok(false)
    }
}

/// The cell at that place of a page of that sort.
fn cell(page: &[u8], at: usize, sort: u8, usable: usize) -> Option<Cell> {
    let is_inner = matches!(sort, 2 | 5);
    let child = if is_inner { Some(number_of_four(page, at)?) } else { None };
    let mut place = if is_inner { at + 4 } else { at };
    if sort == 5 {
        let (_, bytes) = variable_number(page, place)?;
        return Some(Cell { range: at..place + bytes, overflow: None, child });
    }
    let (length, bytes) = variable_number(page, place)?;
    let length = usize::try_from(length).ok()?;
    place += bytes;
    let is_table = sort == 13;
    if is_table {
        place += variable_number(page, place)?.1;
    }
    let most = if is_table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
    let least = (usable - 12) * 32 / 255 - 23;
    let here = if length <= most {
        length
    } else {
        let fitting = least + (length - least) % (usable - 4);
        if fitting <= most { fitting } else { least }
    };
    let mut end = place + here;
    let overflow = if here < length {
        end += 4;
        Some((number_of_four(page, end - 4)?, length - here))
    } else {
        None
    };
    // No cell is shorter than the header of the gap that it would leave.
    let end = end.max(at + 4);
    (end <= page.len()).then_some(Cell { range: at..end, overflow, child })
}

fn number_of_two(page: &[u8], at: usize) -> Option<usize> {
    page.get(at..at + 2).map(|bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
}

fn number_of_four(page: &[u8], at: usize) -> Option<u32> {
    let bytes = page.get(at..at + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// A number of one to nine bytes, and how many they are.
fn variable_number(page: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    for length in 1..=8 {
        let byte = *page.get(at + length - 1)?;
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, length));
        }
    }
    Some((number << 8 | u64::from(*page.get(at + 8)?), 9))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::*;

    /// Numbers that are in unused bytes of a file, of those of rows of many lengths, some over several pages.
    fn unused(path: &std::path::Path, connection: &Connection, numbers: &BTreeSet<u32>) -> BTreeSet<u32> {
        let roots = crate::scrub::roots(connection).unwrap();
        let mut found = BTreeSet::new();
        look_at_unused(&File::open(path).unwrap(), &roots, &mut |bytes| {
            let text = String::from_utf8_lossy(bytes);
            found.extend(numbers.iter().filter(|number| text.contains(&format!("<{number}>"))));
            false
        })
        .unwrap();
        found
    }

    #[test]
    fn what_is_unused_is_all_that_was_deleted_and_nothing_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        let tables = "PRAGMA secure_delete = OFF;
            CREATE TABLE plain (id INTEGER PRIMARY KEY, text TEXT NOT NULL, word TEXT NOT NULL);
            CREATE INDEX words ON plain (word);
            CREATE TABLE keyed (text TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;";
        connection.execute_batch(tables).unwrap();
        for number in 0..600_u32 {
            let text = format!("<{number}>{}", "x".repeat((number * 37 % 12_000) as usize));
            connection
                .execute("INSERT INTO plain VALUES (?1, ?2, ?3)", (number, &text, format!("<{number}>")))
                .unwrap();
            connection.execute("INSERT INTO keyed VALUES (?1)", [&text]).unwrap();
        }
        connection.execute_batch("VACUUM").unwrap();
        let all: BTreeSet<u32> = (0..600).collect();
        let (gone, stays): (BTreeSet<u32>, BTreeSet<u32>) = all.iter().partition(|number| *number % 3 == 0);
        let before = unused(&path, &connection, &all);
        connection.execute_batch("DELETE FROM plain WHERE id % 3 = 0").unwrap();
        assert_eq!(
            unused(&path, &connection, &gone),
            gone,
            "each is in a gap, in a page of nobody, or in an index"
        );
        connection.execute_batch("PRAGMA secure_delete = ON; VACUUM").unwrap();
        assert!(
            before.len() > 100,
            "SQLite leaves copies as it moves rows, unless it overwrites what it frees"
        );
        assert_eq!(unused(&path, &connection, &stays), BTreeSet::new());
    }
}
