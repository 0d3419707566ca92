//! What a file is, by its name, by what was said, or by a look at its first bytes.

use memchr::memchr;

use crate::lines::Lines;
use crate::separated::Separated;

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Fields with `,`, `;`, a tab or `|` between them, whichever splits the header best.
    Csv,
    /// Fields with a tab between them.
    Tsv,
    /// An object of JSON on each line.
    JsonLines,
}

impl Format {
    /// The format of that name: `csv`, `tsv`, `jsonl` or `ndjson`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// The format that the name of a file tells, also where `.gz` or `.zst` stands behind it.
    pub fn of_file(name: &str) -> Option<Self> {
        let (stem, last) = name.rsplit_once('.')?;
        match last.to_ascii_lowercase().as_str() {
            "gz" | "zst" => Self::from_name(stem.rsplit_once('.')?.1),
            _ => Self::from_name(last),
        }
    }

    /// The format that the first bytes of a text tell.
    pub(crate) fn of_text(text: &[u8]) -> Self {
        match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Self::JsonLines,
            _ => Self::Csv,
        }
    }
}

/// What a file is that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// Text with two bytes for each character.
    #[error(
        "the file is UTF-16, not UTF-8\nhint: save it as `CSV UTF-8`, or run `iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE`"
    )]
    Utf16,
    /// A ZIP file, which workbooks of spreadsheets are too.
    #[error(
        "the file is a workbook or a ZIP archive, not text\nhint: export the sheet as `CSV UTF-8`, or unpack the archive"
    )]
    Zip,
    /// A workbook of old.
    #[error("the file is a workbook, not text\nhint: export the sheet as `CSV UTF-8`")]
    Workbook,
    /// A compression that isn't read.
    #[error("the file is compressed with {0}\nhint: unpack it, or compress it with gzip or zstd")]
    Compressed(&'static str),
    /// An Apache Parquet file.
    #[error("the file is Parquet, not text\nhint: export it as CSV")]
    Parquet,
    /// Zero bytes, which no text has.
    #[error("the file is not text\nhint: export it as CSV or as JSON lines")]
    Binary,
    /// One list instead of a line for each row.
    #[error(
        "the file is one JSON array\nhint: write one object on each line: `jq -c '.[]' FILE > NEW_FILE.jsonl`"
    )]
    JsonArray,
}

impl Foreign {
    /// What a file is that begins with these bytes, if it can't be read.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let begins = |magic: &[u8]| head.starts_with(magic);
        if begins(b"\xff\xfe") || begins(b"\xfe\xff") {
            return Some(Self::Utf16);
        }
        if begins(b"PK\x03\x04") {
            return Some(Self::Zip);
        }
        if begins(b"\xd0\xcf\x11\xe0") {
            return Some(Self::Workbook);
        }
        if begins(b"PAR1") {
            return Some(Self::Parquet);
        }
        if begins(b"BZh") {
            return Some(Self::Compressed("bzip2"));
        }
        if begins(b"\xfd7zXZ\0") {
            return Some(Self::Compressed("xz"));
        }
        if begins(b"\x04\x22\x4d\x18") {
            return Some(Self::Compressed("lz4"));
        }
        let head = &head[..head.len().min(1024)];
        if memchr(0, head).is_some() {
            // Latin text in UTF-16 has a zero in every other byte.
            let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
            let (even, odd) = (zeros(0), zeros(1));
            let is_utf16 = even.max(odd) * 4 > head.len() && even.min(odd) * 8 < head.len();
            return Some(if is_utf16 { Self::Utf16 } else { Self::Binary });
        }
        // `[Email],[Phone]` is a header.
        let mut marks = head.iter().filter(|byte| !byte.is_ascii_whitespace());
        let is_array = marks.next() == Some(&b'[') && matches!(marks.next(), Some(b'{' | b']'));
        is_array.then_some(Self::JsonArray)
    }
}

/// The delimiters that are tried, the first of several that do as well being taken.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many rows the delimiter is judged by.
const ROWS: usize = 20;

/// The delimiter that the first line of a file names in Excel's way: `sep=;`.
pub(crate) fn named_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] if delimiter.is_ascii() => Some(*delimiter),
        _ => None,
    }
}

/// The delimiter that splits the first row best: into several fields, which most of the next rows have too.
pub(crate) fn best_delimiter(lines: &Lines) -> u8 {
    let mut best = (0, 0, DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let mut preview = lines.preview();
        let mut rows = Separated::new(delimiter);
        let mut widths = Vec::new();
        while widths.len() < ROWS && matches!(rows.next(&mut preview), Ok(Some(_))) {
            widths.push(rows.len());
        }
        let width = widths.first().copied().unwrap_or_default();
        let alike = widths.iter().filter(|other| **other == width).count();
        if width > 1 && (alike, width) > (best.0, best.1) {
            best = (alike, width, delimiter);
        }
    }
    best.2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;

    #[test]
    fn a_name_tells_the_format_also_before_a_compression() {
        for (name, want) in [
            ("a.csv", Some(Format::Csv)),
            ("a.b.CSV", Some(Format::Csv)),
            ("a.tsv.gz", Some(Format::Tsv)),
            ("a.jsonl.zst", Some(Format::JsonLines)),
            ("a.ndjson", Some(Format::JsonLines)),
            ("a.gz", None),
            ("csv", None),
            ("a.txt", None),
        ] {
            assert_eq!(Format::of_file(name), want, "{name}");
        }
    }

    #[test]
    fn the_first_bytes_tell_what_no_text_is() {
        let utf16: Vec<u8> = "Email,Phone\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (head, want) in [
            (b"\xff\xfeE\0".as_slice(), Some(Foreign::Utf16)),
            (&utf16, Some(Foreign::Utf16)),
            (b"PK\x03\x04", Some(Foreign::Zip)),
            (b"BZh9", Some(Foreign::Compressed("bzip2"))),
            (b"a\0b\0\0\0c\xff", Some(Foreign::Binary)),
            (b" [{}]", Some(Foreign::JsonArray)),
            (b"Email\n", None),
            (b"[Email],[Phone]\n", None),
            (b"", None),
        ] {
            assert_eq!(Foreign::of(head), want, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn the_delimiter_is_the_one_that_splits_the_header_best() {
        for (text, want) in [
            ("Email,Phone\na@b.c,1\n", b','),
            ("Email;Name\na@b.c;\"Smith, Ada\"\nb@b.c;Lee, Jo\n", b';'),
            ("Email\tPhone\n", b'\t'),
            ("Email|Phone, mobile|Note; more\n", b'|'),
            ("Email\n", b','),
            ("a@b.c;Smith, Ada\nb@b.c;Lee\nc@b.c;Poe\n", b';'),
            ("\"Name; first\",Email\nAda,a@b.c\n", b','),
        ] {
            let mut lines = Lines::new(Input::open(text.as_bytes()).unwrap());
            lines.fill(1000);
            assert_eq!(best_delimiter(&lines), want, "{text:?}");
        }
    }

    #[test]
    fn excel_names_the_delimiter_in_a_line_of_its_own() {
        for (line, want) in [
            ("sep=;", Some(b';')),
            ("SEP=,\r", Some(b',')),
            ("\"sep=\t\"", Some(b'\t')),
            ("sep=", None),
            ("separator", None),
        ] {
            assert_eq!(named_delimiter(line.as_bytes()), want, "{line:?}");
        }
    }
}
