//! The file of rejected rows, and importing it again.

use std::os::unix::fs::PermissionsExt;

use selfsame_bulk::{RejectsWriter, RowReader};

use crate::read::{open, told};

/// What is written of the rejected rows of a file.
fn rejects(file: impl AsRef<[u8]>) -> String {
    let mut rows = open(file).unwrap();
    let mut writer = RejectsWriter::new(Vec::new(), &rows).unwrap();
    write_all(&mut rows, &mut writer);
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

fn write_all<W: std::io::Write>(rows: &mut RowReader, writer: &mut RejectsWriter<W>) {
    while let Some(row) = rows.next() {
        if let Err(reject) = row.unwrap().outcome {
            writer.write(rows, &reject).unwrap();
        }
    }
}

#[test]
fn a_rejected_row_is_kept_as_it_stood() {
    let file = "Name;Email;Note\nAda;ada;\"say \"\"hi\"\"; or\nnot\"\nBob;b@b.c;x\nEve;;\nTim;t@b.c\n";
    assert_eq!(
        rejects(file),
        "line,column,reason,Name,Email,Note\n\
         2,Email,the value can't be used: it has no `@`,Ada,ada,\"say \"\"hi\"\"; or\nnot\"\n\
         5,,there is nothing to identify: each column of an identifier is blank,Eve,,\n\
         6,,\"the row has 2 fields and the header 3; a quote, a delimiter or a line break may be in the wrong place\",Tim,t@b.c\n"
    );
}

#[test]
fn what_was_mended_is_imported_by_itself_and_what_was_not_is_rejected_again() {
    let first = rejects("Email,Phone\nada,1\nbob,2\n");
    let mended = first.replacen(",ada,", ",ada@b.c,", 1);
    let no_at = "the value can't be used: it has no `@`";
    assert_eq!(told(&mended), ["2: email=ada@b.c phone=1", &format!("3: Email: {no_at}")]);
    assert_eq!(rejects(&mended), format!("line,column,reason,Email,Phone\n3,Email,{no_at},bob,2\n"));
}

#[test]
fn a_rejected_object_is_an_object_again() {
    let file = "{\"email\":\"ada\",\"x\":{}}\n{\"email\":\n{}\n{\"email\":\"b@b.c\"}\n";
    let first = rejects(file);
    let no_at = "the value can't be used: it has no `@`";
    assert_eq!(
        first,
        format!(
            "{{\"rejected\":{{\"line\":1,\"column\":\"email\",\"reason\":\"{no_at}\"}},\"email\":\"ada\",\"x\":{{}}}}\n\
             {{\"rejected\":{{\"line\":2,\"column\":null,\"reason\":\"it is not valid JSON (at character 9)\"}},\"text\":\"{{\\\"email\\\":\"}}\n\
             {{\"rejected\":{{\"line\":3,\"column\":null,\"reason\":\"there is nothing to identify: each column of an identifier is blank\"}}}}\n"
        )
    );
    let again = rejects(&first);
    assert_eq!(again.lines().next(), first.lines().next(), "it is not rejected within itself");
    assert_eq!(told(first.replace("\"ada\"", "\"ada@b.c\""))[0], "1: email=ada@b.c");
}

#[test]
fn only_the_owner_can_read_the_file_and_none_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rejects.csv");
    let mut rows = open("Email\nada\n").unwrap();
    let mut writer = RejectsWriter::create(&path, &rows).unwrap();
    write_all(&mut rows, &mut writer);
    writer.finish().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&path).unwrap().ends_with(",ada\n"));
    let again = RejectsWriter::create(&path, &rows).err().expect("somebody may be mending it");
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
}
