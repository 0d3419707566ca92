//! Rows in the order of their own times: those that say the same, or nothing, in the order of the file. What says nothing comes last.
//!
//! Some dozens of megabytes are held in memory; beyond that, sorted runs wait in temporary files without a name, which are gone
//! with the process, and are read side by side.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use selfsame_rules::{Observation, Timestamp};

use crate::row_template::RowTemplate;

/// How much is held in memory before it is written as a run.
const MEMORY_BYTES: usize = 48 * 1024 * 1024;

/// Where a row belongs: its time, and its place in the file.
type Key = (i64, u64);

/// Rows that wait until all are there.
#[derive(Default)]
pub(super) struct ByTime {
    /// What the rows of the run in memory say, one behind the other.
    texts: Vec<u8>,
    /// Their keys, and where what they say begins and ends.
    rows: Vec<(Key, u32, u32)>,
    count: u64,
    runs: Vec<File>,
}

impl ByTime {
    pub(super) fn add(&mut self, row: &Observation) -> io::Result<()> {
        let at = row.origin().and_then(|origin| origin.observed_at);
        let key = (at.map_or(i64::MAX, Timestamp::as_milliseconds), self.count);
        self.count += 1;
        let begin = self.texts.len();
        RowTemplate::write(row, &mut self.texts);
        // The run ends long before it has as many bytes as that.
        let place = |at: usize| u32::try_from(at).map_err(io::Error::other);
        self.rows.push((key, place(begin)?, place(self.texts.len())?));
        if self.texts.len() + self.rows.len() * size_of::<(Key, u32, u32)>() > MEMORY_BYTES {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes what is in memory as a run.
    fn spill(&mut self) -> io::Result<()> {
        self.rows.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile()?);
        for ((at, place), begin, end) in self.rows.drain(..) {
            run.write_all(&at.to_le_bytes())?;
            run.write_all(&place.to_le_bytes())?;
            run.write_all(&(end - begin).to_le_bytes())?;
            run.write_all(&self.texts[begin as usize..end as usize])?;
        }
        self.texts.clear();
        let mut run = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        Ok(())
    }

    /// All of them, in their order.
    pub(super) fn in_order(
        mut self,
        template: RowTemplate,
    ) -> io::Result<impl Iterator<Item = io::Result<Observation>>> {
        if !self.runs.is_empty() && !self.rows.is_empty() {
            self.spill()?;
        }
        self.rows.sort_unstable();
        let mut sides: Vec<Side> = self.runs.into_iter().map(|run| Side::Run(BufReader::new(run))).collect();
        if !self.rows.is_empty() {
            sides.push(Side::Memory { texts: self.texts, rows: self.rows.into_iter() });
        }
        let mut first = BinaryHeap::new();
        for (number, side) in sides.iter_mut().enumerate() {
            if let Some((key, text)) = side.next()? {
                first.push(Reverse((key, number, text)));
            }
        }
        Ok(std::iter::from_fn(move || {
            let Reverse((_, number, text)) = first.pop()?;
            match sides[number].next() {
                Ok(Some((key, text))) => first.push(Reverse((key, number, text))),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            Some(template.read(&text))
        }))
    }
}

/// One of the runs that are read side by side.
enum Side {
    Memory { texts: Vec<u8>, rows: std::vec::IntoIter<(Key, u32, u32)> },
    Run(BufReader<File>),
}

impl Side {
    fn next(&mut self) -> io::Result<Option<(Key, Vec<u8>)>> {
        match self {
            Self::Memory { texts, rows } => {
                Ok(rows.next().map(|(key, begin, end)| (key, texts[begin as usize..end as usize].to_vec())))
            }
            Self::Run(run) => {
                let mut at = [0; 8];
                if run.read(&mut at[..1])? == 0 {
                    return Ok(None);
                }
                run.read_exact(&mut at[1..])?;
                let (mut place, mut length) = ([0; 8], [0; 4]);
                run.read_exact(&mut place)?;
                run.read_exact(&mut length)?;
                let mut text = vec![0; u32::from_le_bytes(length) as usize];
                run.read_exact(&mut text)?;
                Ok(Some(((i64::from_le_bytes(at), u64::from_le_bytes(place)), text)))
            }
        }
    }
}
