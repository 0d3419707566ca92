//! The lines of an input, in a buffer that does not grow beyond the longest row.

use std::io;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use crate::input::{Input, ReadError};

/// The longest row, and the longest line. What is longer is refused, and what follows is read on.
pub(crate) const ROW_BYTES_MAX: usize = 1024 * 1024;

/// How much is read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Lines of an input, with the number of the one that comes next.
pub(crate) struct Lines {
    input: Input,
    buffer: Vec<u8>,
    /// What was read and not yet taken.
    pending: Range<usize>,
    ended: bool,
    /// Why no more could be read, until somebody needs more.
    failure: Option<io::Error>,
    /// The byte that ends a line.
    terminator: u8,
    line: u64,
    /// How many bytes were taken before.
    offset: u64,
}

/// What comes next.
pub(crate) enum Ahead {
    /// A line of so many bytes, its end not counted.
    Line(usize),
    /// A line that has the byte which was looked for.
    Marked,
    /// A line that is longer than a row may be.
    TooLong,
    /// Nothing.
    End,
}

impl Lines {
    pub(crate) fn new(input: Input) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            pending: 0..0,
            ended: false,
            failure: None,
            terminator: b'\n',
            line: 1,
            offset: 0,
        }
    }

    /// The lines that come next, as far as they were read whole, to look at without taking them.
    pub(crate) fn preview(&self) -> Self {
        let pending = self.pending();
        let whole = if self.ended {
            pending.len()
        } else {
            memchr::memrchr(self.terminator, pending).map_or(0, |last| last + 1)
        };
        Self {
            input: Input::empty(),
            buffer: pending[..whole].to_vec(),
            pending: 0..whole,
            ended: true,
            failure: None,
            terminator: self.terminator,
            line: self.line,
            offset: self.offset,
        }
    }

    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// The number of the line that comes next, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// How many bytes were taken.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The byte that ends a line.
    pub(crate) fn terminator(&self) -> u8 {
        self.terminator
    }

    /// Says that a line ends with that byte instead of `\n`.
    pub(crate) fn end_with(&mut self, terminator: u8) {
        self.terminator = terminator;
    }

    /// What was read and not yet taken.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.pending.clone()]
    }

    /// The bytes of a range that was taken, until more is read.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Reads until so many bytes are pending, or no more can be read. A failure is told to whoever needs what comes after.
    pub(crate) fn fill(&mut self, bytes: usize) {
        while self.pending.len() < bytes && self.failure.is_none() {
            match self.read_more() {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => self.failure = Some(failure),
            }
        }
    }

    /// Reads some more behind what is pending; false at the end of the input.
    pub(crate) fn more(&mut self) -> Result<bool, ReadError> {
        let read = self.failure.take().map_or_else(|| self.read_more(), Err);
        read.map_err(|failure| self.input.error(failure, self.line))
    }

    /// Reads until so many bytes are pending, which is more than there are; false if there are no more.
    ///
    /// Who looks through all that is pending again asks for twice as much, so that an input which comes in small pieces is
    /// not looked through for each of them.
    pub(crate) fn reach(&mut self, bytes: usize) -> Result<bool, ReadError> {
        let before = self.pending.len();
        self.fill(bytes);
        Ok(self.pending.len() > before || self.more()?)
    }

    fn read_more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.pending.start > 0 {
            self.buffer.copy_within(self.pending.clone(), 0);
            self.pending = 0..self.pending.len();
        }
        if self.buffer.len() < self.pending.end + CHUNK_BYTES {
            self.buffer.resize(self.pending.end + CHUNK_BYTES, 0);
        }
        let count = self.input.read(&mut self.buffer[self.pending.end..])?;
        self.pending.end += count;
        self.ended = count == 0;
        Ok(!self.ended)
    }

    /// Looks at the next line: where it ends, or that it has the byte `mark`.
    pub(crate) fn ahead(&mut self, mark: u8) -> Result<Ahead, ReadError> {
        let mut seen = 0;
        loop {
            let pending = self.pending();
            let limit = pending.len().min(ROW_BYTES_MAX + 1);
            match memchr2(self.terminator, mark, &pending[seen..limit]) {
                Some(at) if pending[seen + at] == self.terminator => return Ok(Ahead::Line(seen + at)),
                Some(_) => return Ok(Ahead::Marked),
                None if limit > ROW_BYTES_MAX => return Ok(Ahead::TooLong),
                None => seen = limit,
            }
            if !self.more()? {
                return Ok(if seen == 0 { Ahead::End } else { Ahead::Line(seen) });
            }
        }
    }

    /// Takes a line of so many bytes with its end, and gives it without: without the `\r` of a `\r\n`, too.
    pub(crate) fn take_line(&mut self, length: usize) -> Range<usize> {
        let start = self.pending.start;
        let mut end = start + length;
        self.skip(if end < self.pending.end { length + 1 } else { length });
        self.line += 1;
        if self.terminator == b'\n' && self.buffer[start..end].ends_with(b"\r") {
            end -= 1;
        }
        start..end
    }

    /// Takes the next so many bytes, which may be several lines.
    pub(crate) fn take(&mut self, length: usize) {
        let taken = &self.pending()[..length];
        let lines = memchr_iter(self.terminator, taken).count();
        self.line += u64::try_from(lines).unwrap_or(u64::MAX);
        self.skip(length);
    }

    /// Drops the next line, however long it is.
    pub(crate) fn drop_line(&mut self) -> Result<(), ReadError> {
        loop {
            if let Some(at) = memchr(self.terminator, self.pending()) {
                self.skip(at + 1);
                self.line += 1;
                return Ok(());
            }
            self.skip(self.pending.len());
            if !self.more()? {
                return Ok(());
            }
        }
    }

    /// Takes the next so many bytes of one line.
    pub(crate) fn skip(&mut self, length: usize) {
        self.pending.start += length;
        self.offset += u64::try_from(length).unwrap_or(u64::MAX);
    }
}
