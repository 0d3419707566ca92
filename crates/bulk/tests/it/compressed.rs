//! Files that are compressed, whole and broken.

use std::io::{self, Cursor, Read, Write};

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use selfsame_bulk::{Compression, OpenError, ReadError, RowReader};

use crate::read::{open, policy, settings, told};

/// More rows than fit into what is read before the first is given.
const ROWS: u64 = 40_000;

fn rows(from: u64, to: u64) -> String {
    (from..to).map(|number| format!("customer{number}@shop.example,0151{number}\n")).collect()
}

fn file() -> String {
    format!("Email,Phone\n{}", rows(0, ROWS))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

type Compress = fn(&str) -> Vec<u8>;

const COMPRESSIONS: [(Compression, Compress); 2] =
    [(Compression::Gzip, gzip), (Compression::Zstandard, zstd)];

/// How many rows are given, and why no more are.
fn read(bytes: &[u8]) -> (u64, Option<ReadError>) {
    let mut given = 0;
    let rows = match open(bytes) {
        Ok(rows) => rows,
        // Not even the header.
        Err(OpenError::Read(error)) => return (0, Some(error)),
        Err(error) => panic!("{error}"),
    };
    for row in rows {
        match row {
            Ok(row) => {
                given += 1;
                assert!(row.outcome.is_ok() && row.line == given + 1, "{row:?}");
            }
            Err(error) => return (given, Some(error)),
        }
    }
    (given, None)
}

#[test]
fn members_and_frames_behind_each_other_are_one_file() {
    for (compression, compress) in COMPRESSIONS {
        let half = ROWS / 2;
        let mut bytes = compress(&format!("Email,Phone\n{}", rows(0, half)));
        bytes.extend(compress(&rows(half, ROWS)));
        assert_eq!(open(&bytes).unwrap().compression(), Some(compression));
        let (given, error) = read(&bytes);
        assert!(given == ROWS && error.is_none(), "{compression}: {given} rows, {error:?}");
    }
}

#[test]
fn a_frame_that_is_to_be_skipped_is_skipped() {
    let mut bytes = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    bytes.extend(zstd("Email\na@b.c\n"));
    assert_eq!(told(bytes), ["2: email=a@b.c"]);
}

/// What `zstd --check` makes of a small file.
const FRAME: &[u8] = b"(\xb5/\xfd\x04Xa\x00\x00Email\x0aa@b.c\x0a\x02)\xa9\xf2";

#[test]
fn the_frames_of_the_reference_compressor_are_read() {
    assert_eq!(told(FRAME), ["2: email=a@b.c"]);
}

#[test]
fn a_frame_that_asks_for_much_memory_is_refused() {
    // A window of 64 MiB.
    let error = crate::read::refused([0x28, 0xb5, 0x2f, 0xfd, 0, 0x80, 1, 0, 0]).to_string();
    let want = "it needs more than 32 MiB to unpack; compress it without `--long` and `--ultra`";
    assert_eq!(error, format!("reading stopped at line 1: {want}"));
}

#[test]
fn progress_counts_the_bytes_of_the_file_as_it_lies_there() {
    for (_, compress) in COMPRESSIONS {
        let bytes = compress(&file());
        let mut rows = open(&bytes).unwrap();
        let begun = rows.progress().bytes;
        assert!(begun > 0 && begun < u64::try_from(bytes.len()).unwrap(), "{begun}");
        rows.by_ref().for_each(|row| assert!(row.is_ok()));
        assert_eq!(rows.progress().bytes, u64::try_from(bytes.len()).unwrap());
    }
}

#[test]
fn a_file_that_was_cut_off_gives_its_whole_rows_and_then_says_so() {
    for (compression, compress) in COMPRESSIONS {
        let bytes = compress(&file());
        for length in [bytes.len() - 1, bytes.len() / 2, bytes.len() / 10] {
            let (given, error) = read(&bytes[..length]);
            let Some(ReadError::Truncated { line, .. }) = error else { panic!("{compression}: {error:?}") };
            // A decoder of zstd gives nothing before it has a whole window.
            let begun = given > 0 || compression == Compression::Gzip;
            let want = if begun { given + 2 } else { 1 };
            assert_eq!(line, want, "{compression}, {length} bytes: the row behind the last");
        }
    }
}

#[test]
fn a_file_that_was_changed_says_so() {
    for (compression, compress) in COMPRESSIONS {
        let mut bytes = compress(&file());
        // The checksum of gzip and of zstd is near the end.
        let place = bytes.len() - if compression == Compression::Gzip { 6 } else { 2 };
        bytes[place] ^= 0x55;
        let (given, error) = read(&bytes);
        let told = error.expect("it is damaged").to_string();
        let want = format!("reading stopped at line {}: the {compression} data is damaged: ", given + 2);
        assert!(told.starts_with(&want), "{told}");
        assert!(told.ends_with("\nhint: copy or export the file again"), "{told}");
    }
}

#[test]
fn what_is_only_called_compressed_is_read_as_it_is() {
    assert_eq!(told("Email\na@b.c\n"), ["2: email=a@b.c"]);
    assert!(matches!(open([0x1f, 0x8b, 8]), Err(OpenError::Read(ReadError::Truncated { line: 1, .. }))));
}

/// Fails after its text.
struct Failing(Cursor<String>);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "the line went dead")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_connection_that_fails_is_told_with_its_line_once() {
    let policy = policy();
    let input = Failing(Cursor::new("Email\na@b.c\nb@b".to_owned()));
    let mut rows = RowReader::open(input, settings(&policy)).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().line, 2);
    let error = rows.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "reading stopped at line 3: the line went dead");
    assert!(rows.next().is_none());
}
