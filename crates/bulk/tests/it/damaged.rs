//! Files that are not what they should be.

use std::io::Read;

use selfsame_bulk::{OpenError, RowReader};

use crate::read::{open, policy, refused, row_told, settings, told};

#[test]
fn a_file_that_is_something_else_is_told_as_that() {
    let utf16: Vec<u8> = "\u{feff}Email\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (file, want) in [
        (utf16.as_slice(), "the file is UTF-16, not UTF-8\n"),
        (b"PK\x03\x04rest", "the file is a workbook or a ZIP archive, not text\n"),
        (b"BZh91AY", "the file is compressed with bzip2\n"),
        (b"[{\"email\":\"a@b.c\"}]", "the file is one JSON array\n"),
        (b"", "the file is empty\n"),
        (b"\xef\xbb\xbf\r\n\r\n", "the file is empty\n"),
        (b"Email,\"Phone\na@b.c,1\n", "line 1, the header: a quote is opened and not closed;"),
        (b"{email: 1}\n", "no line of the file is a JSON object\n"),
    ] {
        let told = refused(file).to_string();
        assert!(told.starts_with(want), "{told}");
    }
}

#[test]
fn a_file_with_a_header_only_has_no_rows() {
    assert_eq!(told("Email,Phone"), Vec::<String>::new());
}

#[test]
fn excel_may_name_the_delimiter() {
    assert_eq!(told("sep=;\r\nEmail;Name\r\na@b.c;x,y,z\r\n"), ["3: email=a@b.c"]);
}

#[test]
fn lines_of_old_macintoshes_are_lines() {
    assert_eq!(told("Email,Name\ra@b.c,x\r\"b@b.c\",y"), ["2: email=a@b.c", "3: email=b@b.c"]);
}

#[test]
fn a_quote_that_is_not_closed_costs_its_row_and_no_other() {
    let file = "Email,Note\na@b.c,x\nb@b.c,\"oh\nc@b.c,y\nd@b.c,5\" pipe\ne@b.c,z\n";
    assert_eq!(
        told(file),
        ["2: email=a@b.c", "3: email=b@b.c", "6: email=e@b.c"],
        "a later quote closes it: the row is one of three lines, as the rules of CSV have it"
    );
    let file = "Email,Note\na@b.c,x\nb@b.c,\"oh\nc@b.c,y\nd@b.c,z\n";
    let unclosed = "a quote is opened and not closed; close it, or double it where it belongs to the text";
    assert_eq!(told(file), ["2: email=a@b.c", &format!("3: {unclosed}"), "4: email=c@b.c", "5: email=d@b.c"]);
}

/// Gives `text` again and again, so often, and then `last`.
fn repeated(first: &'static str, text: &'static str, times: usize, last: &'static str) -> impl Read + Send {
    let middle = std::iter::repeat_n(text.as_bytes(), times);
    let mut parts = std::iter::once(first.as_bytes()).chain(middle).chain([last.as_bytes()]);
    let mut part: &[u8] = &[];
    ReadFn(move |buffer: &mut [u8]| {
        if part.is_empty() {
            part = parts.next().unwrap_or_default();
        }
        let count = part.len().min(buffer.len());
        buffer[..count].copy_from_slice(&part[..count]);
        part = &part[count..];
        count
    })
}

struct ReadFn<F>(F);

impl<F: FnMut(&mut [u8]) -> usize> Read for ReadFn<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok((self.0)(buffer))
    }
}

#[test]
fn a_quote_that_would_swallow_a_large_file_costs_one_row() {
    let policy = policy();
    // Each of these lines opens a quote anew, and none closes what another opened: what is looked through in vain is
    // looked through once.
    let input = repeated("Email,Note\n", "a@b.c\",\"\n", 400_000, "b@b.c,x\n");
    let mut rows = RowReader::open(input, settings(&policy)).unwrap();
    let last = rows.by_ref().last().unwrap().unwrap();
    assert_eq!(row_told(&last), "400002: email=b@b.c");
    assert_eq!(rows.progress().rejected, 400_000);
}

#[test]
fn a_row_that_is_too_long_is_rejected_and_the_next_is_read() {
    let policy = policy();
    for (header, text) in [("Email,Note\n", "long "), ("{\"email\":\"a@b.c\"}\n", "{\"email\":1} ")] {
        let last = if header.starts_with('{') { "\n{\"email\":\"b@b.c\"}" } else { "\nb@b.c,x" };
        let input = repeated(header, text, 600_000, last);
        let rows = RowReader::open(input, settings(&policy)).unwrap();
        let told: Vec<_> = rows.map(|row| row_told(&row.unwrap())).collect();
        let told = &told[told.len() - 2..];
        assert_eq!(told, ["2: the row is longer than 1048576 bytes", "3: email=b@b.c"]);
    }
}

#[test]
fn a_header_without_anything_else_may_be_cut_off() {
    assert!(matches!(open("\n\n"), Err(OpenError::Empty)));
    assert_eq!(open("Email").unwrap().columns().rows_seen, 0);
}
