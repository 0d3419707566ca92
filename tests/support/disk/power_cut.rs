//! A disk whose power is cut: the database folder as it could be found after any moment of a trace.
//!
//! What the server did comes from `trace`. Opening the folder and judging what is in it is the caller's.
//!
//! The disk keeps every promise that `fsync` makes on ext4 and xfs, and no other one:
//!
//! - A sync that returned before the cut keeps all writes and lengths of its file that had returned when it
//!   started. Whatever else was written may be there or not, each sector of 512 bytes for itself.
//! - A sector holds what the kernel's cache held at some moment since: whole, and never a later write without
//!   an earlier one to the same sector. Sectors of one write, and writes to one file, know no such order.
//! - A file that was written beyond its synced end can be long but empty: sectors that didn't make it are
//!   zeros.
//! - A truncation that is undone brings the old bytes back; one that happened never shows them again.
//! - A name that was made, taken away or changed is so for certain after a sync of the folder. Making it is
//!   also certain after a sync of the file itself, as ext4 and xfs have it; SQLite counts on that for its
//!   database file. A rename happens wholly or not at all.
//! - Everything that was there before the trace is certain. Power comes back once: nothing rots.

use super::power_cut_file::{Change, File, Pending};
use super::power_cut_luck::{Chance, Luck};
use super::strace_call::is_left_out;
use super::trace::{Call, NamedFile, Trace, TracedCall};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

/// Rebuilds the database folder in `target` as it could be after a power cut at the moment `at` of `trace`.
///
/// `initial`: a copy of the folder from before the trace. `target`: a folder that is empty or yet to be made.
/// The same `at` and `seed` always give the same files; other seeds lose other things.
///
/// Fails if a folder can't be read or written, or if the trace uses a file that `initial` should have had.
pub fn rebuild(initial: &Path, trace: &Trace, at: usize, seed: u64, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    // A database next to the write-ahead log of another one would be a third one.
    if fs::read_dir(target)?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "the target folder has files in it"));
    }
    for (name, contents) in files_after_power_cut(initial, trace, at, seed)? {
        fs::write(target.join(name), contents)?;
    }
    Ok(())
}

/// Gives what `rebuild` would write: each file's name and contents.
pub fn files_after_power_cut(
    initial: &Path,
    trace: &Trace,
    at: usize,
    seed: u64,
) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut disk = Disk::read(initial)?;
    for call in trace.calls.iter().take_while(|call| call.started < at) {
        disk.follow(call, at)?;
    }
    let mut chance = Chance::new(seed, at);
    let names = disk.names_found(&mut chance);
    Ok(names.into_iter().map(|(name, file)| (name, disk.files[file.0].found(&mut chance))).collect())
}

/// A file for as long as the trace runs, whatever its names are: an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(usize);

/// A change of the folder's list of names.
#[derive(Clone, Copy)]
enum NameChange<'a> {
    Create { name: &'a str, file: FileId },
    Unlink { name: &'a str, file: FileId },
    Rename { from: &'a str, to: &'a str, file: FileId },
}

type Names = BTreeMap<String, FileId>;

#[derive(Default)]
struct Disk<'a> {
    files: Vec<File<'a>>,
    /// The names that the server sees.
    names: Names,
    /// The names that are certain to be found after a power cut, but for the changes in `pending`.
    certain_names: Names,
    pending: Vec<Pending<'a, NameChange<'a>>>,
    /// The file that last lost a name, for calls on descriptors whose file has none.
    unlinked: HashMap<&'a str, FileId>,
}

impl<'a> Disk<'a> {
    fn read(initial: &Path) -> io::Result<Disk<'a>> {
        let mut disk = Disk::default();
        for entry in fs::read_dir(initial)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_file() && !is_left_out(&name) {
                disk.names.insert(name, FileId(disk.files.len()));
                disk.files.push(File::new(fs::read(entry.path())?));
            }
        }
        disk.certain_names = disk.names.clone();
        Ok(disk)
    }

    /// Does what a call did that started before the cut at `at`.
    fn follow(&mut self, call: &'a TracedCall, at: usize) -> io::Result<()> {
        match &call.call {
            Call::Create { name } => {
                if !self.names.contains_key(name) {
                    let file = FileId(self.files.len());
                    self.files.push(File::new(Vec::new()));
                    self.rename(call, NameChange::Create { name, file });
                }
            }
            Call::Unlink { name } => {
                let file = self.named(name)?;
                self.rename(call, NameChange::Unlink { name, file });
            }
            Call::Rename { from, to } => {
                let file = self.named(from)?;
                self.rename(call, NameChange::Rename { from, to, file });
            }
            Call::Write { file, offset, bytes } => {
                let file = self.file(file)?;
                let offset = offset.map_or(Ok(file.length_bytes), usize_from)?;
                file.change(call, Change::Write { offset, bytes });
            }
            Call::SetLength { file, length_bytes } => {
                let length_bytes = usize_from(*length_bytes)?;
                self.file(file)?.change(call, Change::Length(length_bytes));
            }
            Call::Extend { file, length_bytes } => {
                let file = self.file(file)?;
                let length_bytes = usize_from(*length_bytes)?;
                if length_bytes > file.length_bytes {
                    file.change(call, Change::Length(length_bytes));
                }
            }
            Call::Sync { file } if call.finished_before(at) => {
                let id = self.id(file)?;
                self.files[id.0].sync(call.started);
                self.make_certain(|pending| {
                    let creates = matches!(pending.change, NameChange::Create { file, .. } if file == id);
                    creates && pending.call.finished_before(call.started)
                });
            }
            Call::SyncFolder if call.finished_before(at) => {
                self.make_certain(|pending| pending.call.finished_before(call.started));
            }
            Call::Sync { .. } | Call::SyncFolder | Call::Sent { .. } => {}
        }
        Ok(())
    }

    fn rename(&mut self, call: &'a TracedCall, change: NameChange<'a>) {
        let [_, name] = change.names();
        if let Some(nameless) = self.names.get(name) {
            self.unlinked.insert(name, *nameless);
        }
        change.apply(&mut self.names);
        self.pending.push(Pending { call, change });
    }

    /// Makes the chosen changes of names certain, and those that they build on.
    fn make_certain(&mut self, chosen: impl Fn(&Pending<'a, NameChange<'a>>) -> bool) {
        let mut chosen: Vec<bool> = self.pending.iter().map(chosen).collect();
        self.choose_foundations(&mut chosen);
        let mut chosen = chosen.into_iter();
        for pending in self.pending.extract_if(.., |_| chosen.next().unwrap_or(false)) {
            pending.change.apply(&mut self.certain_names);
        }
    }

    /// Adds the earlier changes of the same names to those chosen: a file can't be found under a name that
    /// another one had, unless that one lost it, nor under its second name unless it had the first.
    fn choose_foundations(&self, chosen: &mut [bool]) {
        for later in (0..chosen.len()).rev().filter(|later| chosen[*later]).collect::<Vec<_>>() {
            let mut names = self.pending[later].change.names().to_vec();
            for earlier in (0..later).rev() {
                let earlier_names = self.pending[earlier].change.names();
                if earlier_names.iter().any(|name| names.contains(name)) {
                    chosen[earlier] = true;
                    names.extend(earlier_names);
                }
            }
        }
    }

    fn file(&mut self, file: &NamedFile) -> io::Result<&mut File<'a>> {
        let id = self.id(file)?;
        Ok(&mut self.files[id.0])
    }

    fn id(&self, file: &NamedFile) -> io::Result<FileId> {
        match self.unlinked.get(file.name.as_str()) {
            Some(nameless) if file.unlinked => Ok(*nameless),
            Some(_) | None => self.named(&file.name),
        }
    }

    fn named(&self, name: &str) -> io::Result<FileId> {
        let unknown =
            || io::Error::other(format!("`{name}` is used before it is made, and wasn't there initially"));
        self.names.get(name).copied().ok_or_else(unknown)
    }

    /// The names that are found after the cut.
    fn names_found(&self, chance: &mut Chance) -> Names {
        let mut names = self.certain_names.clone();
        let luck = Luck::draw(chance, self.pending.len());
        let reaches = |index| luck.reaches_disk(index, chance) && luck.sector_reaches_disk(index, chance);
        let mut chosen: Vec<bool> = (0..self.pending.len()).map(reaches).collect();
        self.choose_foundations(&mut chosen);
        for (pending, _) in self.pending.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
            pending.change.apply(&mut names);
        }
        names
    }
}

impl<'a> NameChange<'a> {
    /// The names that it changes; the same one twice if it is only one.
    fn names(self) -> [&'a str; 2] {
        match self {
            NameChange::Create { name, .. } | NameChange::Unlink { name, .. } => [name, name],
            NameChange::Rename { from, to, .. } => [from, to],
        }
    }

    /// Changes `names`, unless what it is about isn't there: an earlier change may be lost.
    fn apply(self, names: &mut Names) {
        match self {
            NameChange::Create { name, file } => {
                names.insert(name.to_owned(), file);
            }
            NameChange::Unlink { name, file } => {
                if names.get(name) == Some(&file) {
                    names.remove(name);
                }
            }
            NameChange::Rename { from, to, file } => {
                if names.get(from) == Some(&file) {
                    names.remove(from);
                    names.insert(to.to_owned(), file);
                }
            }
        }
    }
}

fn usize_from(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A trace in which each call ends before the next one starts.
    fn trace(calls: &[Call]) -> Trace {
        let traced = calls.iter().enumerate().map(|(index, call)| {
            let (started, finished) = (2 * index, Some(2 * index + 1));
            TracedCall { started, finished, call: call.clone() }
        });
        Trace { calls: traced.collect(), moments: 2 * calls.len() }
    }

    fn file(name: &str) -> NamedFile {
        NamedFile { name: name.into(), unlinked: false }
    }

    fn write(name: &str, offset: u64, bytes: &[u8]) -> Call {
        Call::Write { file: file(name), offset: Some(offset), bytes: bytes.into() }
    }

    fn create(name: &str) -> Call {
        Call::Create { name: name.into() }
    }

    fn rename(from: &str, to: &str) -> Call {
        Call::Rename { from: from.into(), to: to.into() }
    }

    fn sync(name: &str) -> Call {
        Call::Sync { file: file(name) }
    }

    /// All folders that 200 seeds find after a cut at `at`: each file as `name=contents`, long runs counted.
    fn folders(initial: &[(&str, &[u8])], trace: &Trace, at: usize) -> BTreeSet<String> {
        let before = tempfile::tempdir().unwrap();
        for (name, contents) in initial {
            fs::write(before.path().join(name), contents).unwrap();
        }
        let found = (0..200).map(|seed| {
            let files = files_after_power_cut(before.path(), trace, at, seed).unwrap();
            let files = files.into_iter().map(|(name, contents)| {
                let runs = contents.chunk_by(|left, right| left == right);
                let runs: String =
                    runs.map(|run| format!("{}{}", run[0].escape_ascii(), run.len())).collect();
                format!("{name}={runs}")
            });
            files.collect::<Vec<_>>().join(" ")
        });
        found.collect()
    }

    fn set(folders: &[&str]) -> BTreeSet<String> {
        folders.iter().map(|folder| (*folder).to_owned()).collect()
    }

    #[test]
    fn a_synced_write_is_there_and_a_later_one_may_be_there_in_part() {
        let trace = trace(&[write("a", 0, &[b'x'; 1024]), sync("a"), write("a", 0, &[b'y'; 1024])]);
        let initial: &[(&str, &[u8])] = &[("a", &[b'w'; 1024])];
        assert_eq!(folders(initial, &trace, 4), set(&["a=x1024"]));
        let torn = set(&["a=x1024", "a=x512y512", "a=y1024", "a=y512x512"]);
        assert_eq!(folders(initial, &trace, 5), torn);
    }

    #[test]
    fn a_sync_that_has_not_returned_keeps_nothing() {
        let trace = trace(&[write("a", 0, b"x"), sync("a")]);
        assert_eq!(folders(&[("a", b"w")], &trace, 3), set(&["a=w1", "a=x1"]));
        assert_eq!(folders(&[("a", b"w")], &trace, 4), set(&["a=x1"]));
    }

    #[test]
    fn a_write_that_returned_after_a_sync_had_started_is_not_kept_by_it() {
        let mut trace = trace(&[write("a", 0, b"x"), sync("a")]);
        (trace.calls[0].finished, trace.calls[1].started) = (Some(2), 1);
        assert_eq!(folders(&[("a", b"w")], &trace, 4), set(&["a=w1", "a=x1"]));
    }

    #[test]
    fn a_sector_never_has_a_later_write_without_an_earlier_one() {
        let trace = trace(&[write("a", 0, b"x"), write("a", 1, b"y")]);
        assert_eq!(folders(&[("a", b"ww")], &trace, 4), set(&["a=w2", "a=x1w1", "a=x1y1"]));
    }

    #[test]
    fn a_file_can_be_long_but_empty_until_it_is_synced() {
        let trace = trace(&[write("a", 0, &[b'x'; 512]), write("a", 512, &[b'y'; 512])]);
        let found = folders(&[("a", b"")], &trace, 4);
        let expected =
            ["a=", "a=x512", r"a=\x001024", r"a=\x00512", r"a=\x00512y512", r"a=x512\x00512", "a=x512y512"];
        assert_eq!(found, set(&expected));
    }

    #[test]
    fn a_truncation_that_is_undone_brings_the_old_bytes_back_and_no_new_ones() {
        let truncate = Call::SetLength { file: file("a"), length_bytes: 0 };
        let trace = trace(&[truncate, write("a", 0, b"x")]);
        let expected = set(&["a=", "a=w2", r"a=\x001", "a=x1"]);
        assert_eq!(folders(&[("a", b"ww")], &trace, 4), expected);
    }

    #[test]
    fn a_new_name_is_kept_by_a_sync_of_its_file_but_a_rename_only_by_one_of_the_folder() {
        let mut calls = vec![create("new"), write("new", 0, b"x"), sync("new"), rename("new", "a")];
        let trace_before = trace(&calls);
        assert_eq!(folders(&[], &trace_before, 2), set(&["", "new="]));
        assert_eq!(folders(&[], &trace_before, 6), set(&["new=x1"]));
        let either = set(&["a=w1 new=x1", "a=x1"]);
        assert_eq!(folders(&[("a", b"w")], &trace_before, 8), either);
        calls.push(Call::SyncFolder);
        assert_eq!(folders(&[("a", b"w")], &trace(&calls), 10), set(&["a=x1"]));
    }

    #[test]
    fn an_unlinked_file_may_come_back_but_not_in_place_of_a_synced_new_one() {
        let unlink = Call::Unlink { name: "a".into() };
        let trace = trace(&[unlink, create("a"), write("a", 0, b"x"), sync("a")]);
        assert_eq!(folders(&[("a", b"w")], &trace, 2), set(&["", "a=w1"]));
        assert_eq!(folders(&[("a", b"w")], &trace, 8), set(&["a=x1"]));
    }

    #[test]
    fn a_write_after_an_unlink_is_in_the_old_file() {
        let unlink = Call::Unlink { name: "a".into() };
        let nameless = NamedFile { name: "a".into(), unlinked: true };
        let late = Call::Write { file: nameless, offset: None, bytes: b"y".into() };
        let trace = trace(&[unlink, create("a"), sync("a"), late]);
        assert_eq!(folders(&[("a", b"w")], &trace, 8), set(&["a="]));
    }

    #[test]
    fn shared_memory_locks_and_sockets_are_not_rebuilt() {
        let initial: &[(&str, &[u8])] = &[("a-shm", b"x"), ("a.lock", b"x"), ("a.sock", b"x"), ("a", b"x")];
        assert_eq!(folders(initial, &trace(&[]), 0), set(&["a=x1"]));
    }
}
