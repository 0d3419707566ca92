//! The bytes of a file: decompressed by what they are, and counted, so that a progress bar knows how far it is.
//!
//! Deliberately absent: what the bytes say (`format`), and lines (`lines`).

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::zstd::Frames;

/// As many of the first bytes as tell what a file is compressed with.
const MAGIC_BYTES: usize = 4;

/// How much is read at once from what is compressed.
const COMPRESSED_CHUNK_BYTES: usize = 64 * 1024;

/// What a file is compressed with, known by its first bytes whatever its name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// One gzip member, or several behind each other.
    Gzip,
    /// One Zstandard frame, or several behind each other.
    Zstandard,
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
        })
    }
}

/// Why no more of a file can be read. What was read before stands; what was cut is not given as a row.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file, the pipe or the connection failed.
    #[error("reading stopped at line {line}: {source}")]
    Input {
        /// The first line that was not read whole.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The compressed data ends before its end.
    #[error(
        "reading stopped at line {line}: the {compression} data ends too early\n\
         hint: the file was cut off; copy or export it again"
    )]
    Truncated {
        /// What it is compressed with.
        compression: Compression,
        /// The first line that was not read whole.
        line: u64,
    },
    /// The compressed data is not as it was written.
    #[error(
        "reading stopped at line {line}: the {compression} data is damaged: {source}\n\
         hint: copy or export the file again"
    )]
    Damaged {
        /// What it is compressed with.
        compression: Compression,
        /// The first line that was not read whole.
        line: u64,
        /// What the decoder says.
        source: io::Error,
    },
}

/// A file as it is read: its bytes, decompressed.
pub(crate) struct Input {
    decoded: Box<dyn Read + Send>,
    compression: Option<Compression>,
    meter: Arc<Meter>,
}

/// What is known of the file below the decoder.
#[derive(Default)]
struct Meter {
    bytes: AtomicU64,
    ended: AtomicBool,
    failed: AtomicBool,
}

impl Input {
    /// Looks at the first bytes, and reads from there.
    pub(crate) fn open(input: impl Read + Send + 'static) -> Result<Self, ReadError> {
        let meter = Arc::new(Meter::default());
        let mut metered = Metered { input, meter: Arc::clone(&meter) };
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        let first = u64::try_from(MAGIC_BYTES).expect("a small number");
        metered
            .by_ref()
            .take(first)
            .read_to_end(&mut head)
            .map_err(|source| ReadError::Input { line: 1, source })?;
        let compression = match head.as_slice() {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // A frame, or one that is skipped (pzstd begins with such).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstandard),
            _ => None,
        };
        let whole = Cursor::new(head).chain(metered);
        let decoded: Box<dyn Read + Send> = match compression {
            None => Box::new(whole),
            Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(whole)),
            Some(Compression::Zstandard) => {
                Box::new(Frames::new(BufReader::with_capacity(COMPRESSED_CHUNK_BYTES, whole)))
            }
        };
        Ok(Self { decoded, compression, meter })
    }

    /// An input that is at its end.
    pub(crate) fn empty() -> Self {
        Self { decoded: Box::new(io::empty()), compression: None, meter: Arc::default() }
    }

    /// What it is compressed with.
    pub(crate) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// How many bytes were read so far, as they lie in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.meter.bytes.load(Ordering::Relaxed)
    }

    /// Reads as many bytes as there are at once: none at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.decoded.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// What an error of reading means. `line` is the first that was not read whole.
    pub(crate) fn error(&self, source: io::Error, line: u64) -> ReadError {
        let Some(compression) = self.compression else { return ReadError::Input { line, source } };
        if self.meter.failed.load(Ordering::Relaxed) || source.kind() == io::ErrorKind::Unsupported {
            return ReadError::Input { line, source };
        }
        // A decoder that asked for more than there is was cut off; what it says of that differs.
        let wanted_more = self.meter.ended.load(Ordering::Relaxed);
        let kind = source.kind();
        if kind == io::ErrorKind::UnexpectedEof || (kind == io::ErrorKind::Other && wanted_more) {
            ReadError::Truncated { compression, line }
        } else {
            ReadError::Damaged { compression, line, source }
        }
    }
}

/// Counts what is read of a file.
struct Metered<R> {
    input: R,
    meter: Arc<Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer) {
            Ok(count) => {
                self.meter.bytes.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
                if count == 0 && !buffer.is_empty() {
                    self.meter.ended.store(true, Ordering::Relaxed);
                }
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.meter.failed.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }
}
