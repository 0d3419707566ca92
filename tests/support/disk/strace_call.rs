//! What one call, as `strace` wrote it, did to the database folder or sent to a client.
//!
//! `strace_line` takes the text of a call apart; the order of calls and what starts before another ends is
//! in `trace`. Here are the descriptors' positions, and whatever makes a call one that can't be followed.

use super::strace_line::{CallText, Descriptor, Outcome, decode_buffers, decode_string};
use super::trace::{Call, NamedFile, TraceError, TracedCall};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where a path or descriptor leads.
enum Place {
    Folder,
    File(NamedFile),
    Connection(String),
    Elsewhere,
}

/// Turns calls as `strace` wrote them into those that matter.
pub(crate) struct Reader<'a> {
    folders: &'a [PathBuf],
    /// The process's own, as last shown: calls such as `unlink` take paths relative to it.
    working_folder: Option<PathBuf>,
    /// Where the next plain `write` to a descriptor goes; `None` is the end of its file.
    positions: HashMap<String, Option<u64>>,
    /// What was read so far, with two moments for each line.
    pub(crate) calls: Vec<TracedCall>,
}

impl<'a> Reader<'a> {
    /// Starts before the first call; `folders` are the paths by which the database folder may be called.
    pub(crate) fn new(folders: &'a [PathBuf]) -> Reader<'a> {
        Reader { folders, working_folder: None, positions: HashMap::new(), calls: Vec::new() }
    }

    /// Reads one call, whose first and last line have these indexes.
    pub(crate) fn read(
        &mut self,
        started: usize,
        finished: Option<usize>,
        text: &str,
    ) -> Result<(), TraceError> {
        let malformed = || TraceError::Malformed { line: started + 1 };
        let call = CallText::parse(text, finished.is_some()).ok_or_else(malformed)?;
        for at_folder in call.arguments.iter().filter(|argument| argument.starts_with("AT_FDCWD<")) {
            let descriptor = Descriptor::parse(at_folder).ok_or_else(malformed)?;
            self.working_folder = Some(PathBuf::from(descriptor.target));
        }
        if call.outcome == Outcome::DidNotHappen {
            return Ok(());
        }
        let unseen = || TraceError::Unseen { line: started + 1, call: call.name.to_owned() };
        // Each line has two moments: a power cut can come between the start and the end of a whole call.
        let finished = finished.filter(|_| call.outcome != Outcome::Unknown).map(|line| 2 * line + 1);
        for call in self.effects(&call, &malformed, &unseen)? {
            self.calls.push(TracedCall { started: 2 * started, finished, call });
        }
        Ok(())
    }

    /// Takes back how the call that started on this line ended, if it was one that sent: it may have sent all.
    pub(crate) fn send_whole(&mut self, started: usize, text: &str) -> Result<(), TraceError> {
        let is_it = |call: &TracedCall| call.started == 2 * started && matches!(call.call, Call::Sent { .. });
        let Some(place) = self.calls.iter().rposition(is_it) else { return Ok(()) };
        self.calls.remove(place);
        self.read(started, None, text)
    }

    /// What a call that happened, or may have, did to the folder or to a client.
    fn effects(
        &mut self,
        call: &CallText<'_>,
        malformed: &dyn Fn() -> TraceError,
        unseen: &dyn Fn() -> TraceError,
    ) -> Result<Vec<Call>, TraceError> {
        let number = |index| call.argument(index).parse::<u64>().map_err(|_| malformed());
        let first = self.descriptor_place(call.argument(0));
        Ok(match call.name {
            "open" | "creat" | "openat" => {
                let path = if call.name == "openat" { 1 } else { 0 };
                let flags = if call.name == "creat" { "O_CREAT|O_TRUNC" } else { call.argument(path + 1) };
                let has = |flag| flags.split('|').any(|each| each == flag);
                if let Outcome::Returned(descriptor) = call.outcome {
                    self.positions.insert(descriptor.to_string(), (!has("O_APPEND")).then_some(0));
                }
                let place = self.path_place(call, path).ok_or_else(malformed)?;
                if has("O_TMPFILE") && !matches!(place, Place::Elsewhere) {
                    return Err(unseen());
                }
                let Place::File(file) = place else { return Ok(Vec::new()) };
                let create = has("O_CREAT").then(|| Call::Create { name: file.name.clone() });
                let truncate = has("O_TRUNC").then_some(Call::SetLength { file, length_bytes: 0 });
                create.into_iter().chain(truncate).collect()
            }
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "sendto" | "sendmsg" => {
                if matches!(first, Place::Elsewhere | Place::Folder) {
                    return Ok(Vec::new());
                }
                let decode = if call.argument(1).starts_with('"') { decode_string } else { decode_buffers };
                let mut bytes = decode(call.argument(1)).ok_or_else(malformed)?;
                if let Outcome::Returned(length) = call.outcome {
                    bytes.truncate(usize::try_from(length).map_err(|_| malformed())?);
                }
                match first {
                    Place::Connection(connection) => vec![Call::Sent { connection, bytes }],
                    Place::File(file) => {
                        let plain = matches!(call.name, "write" | "writev");
                        let offset = if plain {
                            self.advance(call.argument(0), bytes.len()).ok_or_else(unseen)?
                        } else {
                            Some(number(3)?)
                        };
                        vec![Call::Write { file, offset, bytes }]
                    }
                    Place::Folder | Place::Elsewhere => Vec::new(),
                }
            }
            "lseek" => {
                if let (Place::File(_), Outcome::Returned(offset)) = (first, call.outcome)
                    && let Some(Some(position)) = self.position(call.argument(0))
                {
                    *position = offset;
                }
                Vec::new()
            }
            "ftruncate" | "truncate" => {
                let by_path = call.name == "truncate";
                let place = if by_path { self.path_place(call, 0).ok_or_else(malformed)? } else { first };
                let Place::File(file) = place else { return Ok(Vec::new()) };
                vec![Call::SetLength { file, length_bytes: number(1)? }]
            }
            "fallocate" => match (first, call.argument(1)) {
                (Place::File(file), "0") => {
                    vec![Call::Extend { file, length_bytes: number(2)? + number(3)? }]
                }
                (Place::File(_), "FALLOC_FL_KEEP_SIZE") => Vec::new(),
                (Place::File(_), _) => return Err(unseen()),
                (Place::Folder | Place::Connection(_) | Place::Elsewhere, _) => Vec::new(),
            },
            "fsync" | "fdatasync" => match first {
                Place::File(file) => vec![Call::Sync { file }],
                Place::Folder => vec![Call::SyncFolder],
                Place::Connection(_) | Place::Elsewhere => Vec::new(),
            },
            "unlink" | "unlinkat" => {
                let place = self.path_place(call, if call.name == "unlink" { 0 } else { 1 });
                match place.ok_or_else(malformed)? {
                    Place::File(file) => vec![Call::Unlink { name: file.name }],
                    Place::Folder | Place::Connection(_) | Place::Elsewhere => Vec::new(),
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = if call.name == "rename" { (0, 1) } else { (1, 3) };
                let from = self.path_place(call, from).ok_or_else(malformed)?;
                let to = self.path_place(call, to).ok_or_else(malformed)?;
                match (from, to) {
                    (Place::Elsewhere, Place::Elsewhere) => Vec::new(),
                    (Place::File(from), Place::File(to)) if call.argument(4) != "RENAME_EXCHANGE" => {
                        vec![Call::Rename { from: from.name, to: to.name }]
                    }
                    _ => return Err(unseen()),
                }
            }
            "link" | "linkat" => {
                let to = self.path_place(call, if call.name == "link" { 1 } else { 3 });
                return if let Some(Place::Elsewhere) = to { Ok(Vec::new()) } else { Err(unseen()) };
            }
            "copy_file_range" | "splice" | "sendfile" => {
                let target = call.argument(if call.name == "sendfile" { 0 } else { 2 });
                let nothing = call.outcome == Outcome::Returned(0);
                let elsewhere = matches!(self.descriptor_place(target), Place::Elsewhere);
                return if nothing || elsewhere { Ok(Vec::new()) } else { Err(unseen()) };
            }
            "mmap" => {
                let writes =
                    call.argument(2).contains("PROT_WRITE") && call.argument(3).contains("MAP_SHARED");
                let elsewhere = matches!(self.descriptor_place(call.argument(4)), Place::Elsewhere);
                return if writes && !elsewhere { Err(unseen()) } else { Ok(Vec::new()) };
            }
            "io_uring_setup" => return Err(unseen()),
            _ => Vec::new(),
        })
    }

    /// Where a descriptor leads; `Elsewhere` for an argument that is none.
    fn descriptor_place(&self, argument: &str) -> Place {
        let Some(descriptor) = Descriptor::parse(argument) else { return Place::Elsewhere };
        if descriptor.target.starts_with("socket:") || descriptor.target.starts_with("pipe:") {
            return Place::Connection(descriptor.target);
        }
        self.place(Path::new(&descriptor.target), descriptor.unlinked)
    }

    /// Where the path argument at `index` leads; the one before it may be the folder that it starts from.
    fn path_place(&self, call: &CallText<'_>, index: usize) -> Option<Place> {
        let path = PathBuf::from(String::from_utf8(decode_string(call.argument(index))?).ok()?);
        let before = index.checked_sub(1).and_then(|before| Descriptor::parse(call.argument(before)));
        let start = before.map(|descriptor| PathBuf::from(descriptor.target));
        let path = match start.as_ref().or(self.working_folder.as_ref()) {
            Some(start) => start.join(path),
            None if path.is_absolute() => path,
            None => return None,
        };
        Some(self.place(&path, false))
    }

    fn place(&self, path: &Path, unlinked: bool) -> Place {
        if self.folders.iter().any(|folder| folder == path) {
            return Place::Folder;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        match (path.parent(), name) {
            (Some(parent), Some(name))
                if !is_left_out(name) && self.folders.iter().any(|folder| folder == parent) =>
            {
                Place::File(NamedFile { name: name.to_owned(), unlinked })
            }
            _ => Place::Elsewhere,
        }
    }

    /// The position of the descriptor in `argument`, if its opening was seen.
    fn position(&mut self, argument: &str) -> Option<&mut Option<u64>> {
        self.positions.get_mut(Descriptor::parse(argument)?.number)
    }

    /// Where a plain write of `length_bytes` goes, and moves the position on; `None` if that isn't known.
    fn advance(&mut self, argument: &str, length_bytes: usize) -> Option<Option<u64>> {
        let position = self.position(argument)?;
        let offset = *position;
        if let Some(position) = position {
            *position += u64::try_from(length_bytes).ok()?;
        }
        Some(offset)
    }
}

/// Whether a file of the folder is none that a disk must keep: memory of SQLite, a lock, a socket.
pub(crate) fn is_left_out(name: &str) -> bool {
    ["-shm", ".lock", ".sock", ".sock.new"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::super::trace::tests::{calls, file, parse, write};
    use super::*;

    #[test]
    fn plain_writes_follow_one_another_from_where_the_file_was_opened_or_sought() {
        let calls = calls(&[
            r#"7 openat(AT_FDCWD<'/'>, "'db/a'", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3<'/db/a'>"#,
            r#"7 write(3<'/db/a'>, "'xy'", 2) = 2"#,
            r#"7 writev(3<'/db/a'>, [{iov_base="'z'", iov_len=1}], 1) = 1"#,
            "7 lseek(3<'/db/a'>, 64, SEEK_SET) = 64",
            r#"7 write(3<'/db/a'>, "'w'", 1) = 1"#,
        ]);
        let name = "a".to_owned();
        let expected = [
            (0, Some(1), Call::Create { name }),
            (0, Some(1), Call::SetLength { file: file("a"), length_bytes: 0 }),
            (2, Some(3), write("a", 0, "xy")),
            (4, Some(5), write("a", 2, "z")),
            (6, Some(7), write("a", 64, "w")),
        ];
        assert_eq!(calls, expected);
    }

    #[test]
    fn names_and_syncs_of_the_folder_are_told_from_those_of_files() {
        let calls = calls(&[
            r#"7 openat(AT_FDCWD<'/home'>, "'/etc/passwd'", O_RDONLY) = 3<'/etc/passwd'>"#,
            r#"7 rename("'../db/a'", "'/db/b'") = -1 ENOENT (No such file or directory)"#,
            r#"7 renameat(4<'/db'>, "'a'", 4<'/db'>, "'b'") = 0"#,
            r#"7 unlinkat(AT_FDCWD<'/db'>, "'b'", 0) = 0"#,
            r#"7 unlink("'c'") = 0"#,
            "7 fsync(4<'/db'>) = 0",
            "7 fsync(5<'/db/b'>(deleted)) = 0",
        ]);
        let unlinked = NamedFile { name: "b".into(), unlinked: true };
        let expected = [
            Call::Rename { from: "a".into(), to: "b".into() },
            Call::Unlink { name: "b".into() },
            Call::Unlink { name: "c".into() },
            Call::SyncFolder,
            Call::Sync { file: unlinked },
        ];
        assert_eq!(calls.into_iter().map(|(_, _, call)| call).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn shared_memory_locks_sockets_and_other_folders_are_left_out() {
        let calls = calls(&[
            r#"7 pwrite64(3<'/db/a-shm'>, "'x'", 1, 0) = 1"#,
            r#"7 pwrite64(3<'/db/selfsame.lock'>, "'x'", 1, 0) = 1"#,
            r#"7 pwrite64(3<'/db/inner/a'>, "'x'", 1, 0) = 1"#,
            r#"7 pwrite64(3<'/dbx'>, "'x'", 1, 0) = 1"#,
            "7 mmap(NULL, 32768, PROT_READ|PROT_WRITE, MAP_SHARED, 5<'/db/a-shm'>, 0) = 0x7f4b",
            r#"7 unlink("'/db/selfsame.sock'") = 0"#,
            r#"7 rename("'/db/selfsame.sock.new'", "'/db/selfsame.sock'") = 0"#,
        ]);
        assert_eq!(calls, []);
    }

    #[test]
    fn a_change_that_a_trace_does_not_show_is_an_error() {
        for line in [
            "7 copy_file_range(3<'/etc/a'>, NULL, 4<'/db/a'>, NULL, 512, 0) = 512",
            "7 sendfile(9<'socket:[5]'>, 4<'/db/a'>, NULL, 512) = 512",
            "7 mmap(NULL, 512, PROT_READ|PROT_WRITE, MAP_SHARED, 5<'/db/a'>, 0) = 0x7f4b",
            "7 io_uring_setup(8, {flags=0}) = 3",
            r#"7 link("'/db/a'", "'/db/b'") = 0"#,
            r#"7 rename("'/tmp/a'", "'/db/a'") = 0"#,
            r#"7 write(3<'/db/a'>, "'x'", 1) = 1"#,
        ] {
            assert!(matches!(parse(&[line]), Err(TraceError::Unseen { line: 1, .. })), "{line}");
        }
        assert!(calls(&["7 copy_file_range(3<'/etc/a'>, NULL, 4<'/db/a'>, NULL, 512, 0) = 0"]).is_empty());
    }
}
