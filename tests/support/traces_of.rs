//! Whether values stand anywhere in files: each byte is read, with nothing of the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memchr::memmem;

/// All files beneath a folder, but for those whose path holds one of `without`.
pub fn files_beneath(folder: &Path, without: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir().expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if without.iter().any(|part| path.to_string_lossy().contains(part)) {
            continue;
        }
        // A file may go while others are listed.
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => files.extend(files_beneath(&path, without)),
            Ok(metadata) if metadata.is_file() => files.push(path),
            _ => {}
        }
    }
    files
}

/// Which of the values stand in the files, as they are or as JSON escapes them.
pub fn traces_of<'value>(values: &[&'value str], files: &[PathBuf]) -> BTreeSet<&'value str> {
    let mut found = BTreeSet::new();
    for file in files {
        let Ok(bytes) = std::fs::read(file) else { continue };
        found.extend(values.iter().filter(|value| stands_in(value, &bytes)));
    }
    found
}

fn stands_in(value: &str, bytes: &[u8]) -> bool {
    let escaped = serde_json::to_string(value).expect("a text is JSON");
    let plain_ascii: String = value.chars().map(escaped_unit).collect();
    [value, &escaped[1..escaped.len() - 1], &plain_ascii]
        .iter()
        .any(|form| memmem::find(bytes, form.as_bytes()).is_some())
}

/// As JSON has it where it keeps to ASCII.
fn escaped_unit(character: char) -> String {
    if character.is_ascii() {
        return character.to_string();
    }
    let mut units = [0; 2];
    character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}
