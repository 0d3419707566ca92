//! What the `csv` crate writes is what is read.

use proptest::prelude::*;
use selfsame_bulk::{ColumnMap, RowReader, Settings};

use crate::read::{policy, settings};

/// A field: text with all that needs quotes, or plain.
fn field() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z,;\"' \t\r\n\u{e9}\u{1f600}-]{0,12}", "[a-z0-9]{0,8}"]
}

proptest! {
    #[test]
    fn a_file_that_was_written_by_csv_is_read_back(
        notes in prop::collection::vec((field(), field()), 1..20),
        crlf in any::<bool>(),
        all_quoted in any::<bool>(),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
    ) {
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(delimiter);
        if crlf {
            writer.terminator(csv::Terminator::CRLF);
        }
        if all_quoted {
            writer.quote_style(csv::QuoteStyle::Always);
        }
        let mut writer = writer.from_writer(Vec::new());
        writer.write_record(["Before", "Email", "Behind"]).unwrap();
        for (number, (before, behind)) in notes.iter().enumerate() {
            writer.write_record([before, &format!("a{number}@b.c"), behind]).unwrap();
        }
        let bytes = writer.into_inner().unwrap();

        let policy = policy();
        // The fields of notes are read through `source`, which keeps a text as it is.
        for (header, place) in [("Before", 0), ("Behind", 1)] {
            let map = format!("email=Email,source={header}");
            let columns = Some(ColumnMap::parse(&map, &policy).unwrap());
            let settings = Settings { columns, ..settings(&policy) };
            let rows = RowReader::open(std::io::Cursor::new(bytes.clone()), settings).unwrap();
            let mut line = 2;
            let mut count = 0;
            for (row, note) in rows.zip(&notes) {
                let row = row.unwrap();
                prop_assert_eq!(row.line, line);
                let seen = row.outcome.unwrap();
                prop_assert_eq!(seen.identifiers().next().unwrap().value(), format!("a{count}@b.c"));
                let want = [&note.0, &note.1][place];
                let source = seen.origin().and_then(|origin| origin.source.as_deref());
                // What says nothing is nothing.
                let blank = want.trim().is_empty() || want.trim().chars().all(|one| one == '-');
                let guarded = want.starts_with('\'') || ["na", "nan", "nil", "none", "null"].contains(&want.trim());
                if !guarded {
                    prop_assert_eq!(source, Some(want.as_str()).filter(|_| !blank));
                }
                let breaks = [&note.0, &note.1].map(|note| note.matches('\n').count()).iter().sum::<usize>();
                line += 1 + u64::try_from(breaks).unwrap();
                count += 1;
            }
            prop_assert_eq!(count, notes.len());
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_lose_count(bytes in prop::collection::vec(prop_oneof![
        Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), Just(b'{'), any::<u8>()
    ], 0..200)) {
        let mut file = b"Email,Note\n".to_vec();
        file.extend(&bytes);
        let policy = policy();
        let Ok(mut rows) = RowReader::open(std::io::Cursor::new(file), settings(&policy)) else { return Ok(()) };
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 2;
        let mut last = 1;
        for row in rows.by_ref() {
            let line = row.unwrap().line;
            prop_assert!(line > last && line <= u64::try_from(lines).unwrap(), "{} after {}", line, last);
            last = line;
        }
    }
}
