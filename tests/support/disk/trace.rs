//! What a server did to its database folder and sent to its clients, read from a trace of `strace`.
//!
//! Here are the arguments for `strace`, the calls that matter and their order. `strace_line` takes single
//! lines apart and `strace_call` says what they mean; what a disk holds after a power cut is in `power_cut`.
//! Starting and stopping the server is left to the caller.
//!
//! The folder's own files count, not those of folders inside it. Left out on purpose: `-shm` files (memory
//! that SQLite rebuilds), `.lock` and `.sock` files. One process with any number of threads is understood;
//! a plain `write` after a plain `read` of the same descriptor is not (SQLite uses `pread` and `pwrite`).
//! Whatever could change the folder unseen (`sendfile`, a shared mapping, `io_uring`) is an error.
//! Syncs other than `fsync` and `fdatasync` (`O_SYNC`, `syncfs`) don't count as syncs.

use super::strace_call::Reader;
use super::strace_line::Line;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The calls that `strace` records; `?` marks those that not every processor has.
const TRACED_CALLS: &str = "trace=?open,?creat,openat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,\
     ftruncate,truncate,fallocate,lseek,fsync,fdatasync,?unlink,unlinkat,?rename,?renameat,renameat2,?link,\
     linkat,copy_file_range,sendfile,splice,mmap,io_uring_setup";
/// A longer string would come out abbreviated, which is an error; SQLite writes at most 64 KiB at once.
const STRING_LENGTH_BYTES_MAX: &str = "8388608";
/// How long `strace` may take to write out its last lines after the server has ended.
const END_OF_TRACE_WAIT: Duration = Duration::from_secs(20);

/// Gives the arguments for `strace` that come before the server's program and its arguments.
///
/// `output`: where the trace goes. With `-D` the process that the caller starts is the server itself and
/// `strace` a bystander: signals, the process id and the exit status are the server's own.
pub fn strace_arguments(output: &Path) -> Vec<OsString> {
    let options = ["-D", "-q", "-f", "--seccomp-bpf", "-y", "-xx", "-s", STRING_LENGTH_BYTES_MAX, "-e"];
    let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
    arguments.extend([OsString::from(TRACED_CALLS), OsString::from("-o"), output.into()]);
    arguments
}

/// The same, but every sync is left out and the server told that it succeeded: the negative control.
pub fn strace_arguments_without_syncs(output: &Path) -> Vec<OsString> {
    let mut arguments = strace_arguments(output);
    arguments
        .extend(["-e", "inject=fsync,fdatasync,msync,sync_file_range,syncfs,sync:retval=0"].map(Into::into));
    arguments
}

/// A file of the folder as a call named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its name in the folder, or the last one that it had.
    pub name: String,
    /// Whether it has lost that name: another file may go by it now.
    pub unlinked: bool,
}

/// One thing that the server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Opened a file and created it if there was none.
    Create {
        /// Its name in the folder.
        name: String,
    },
    /// Wrote `bytes` at `offset`, or at the end of the file if there is none.
    Write {
        /// The file.
        file: NamedFile,
        /// Counted from the file's start, in bytes.
        offset: Option<u64>,
        /// Only what was really written, once the call returned.
        bytes: Vec<u8>,
    },
    /// Cut a file off or grew it with zeros.
    SetLength {
        /// The file.
        file: NamedFile,
        /// Its length afterwards.
        length_bytes: u64,
    },
    /// Grew a file with zeros unless it was at least as long.
    Extend {
        /// The file.
        file: NamedFile,
        /// Its least length afterwards.
        length_bytes: u64,
    },
    /// Synced a file.
    Sync {
        /// The file.
        file: NamedFile,
    },
    /// Synced the folder itself.
    SyncFolder,
    /// Took a file's name away.
    Unlink {
        /// The name.
        name: String,
    },
    /// Gave a file another name, which another file may have had.
    Rename {
        /// The name that goes.
        from: String,
        /// The name that comes.
        to: String,
    },
    /// Sent bytes into a socket or a pipe.
    Sent {
        /// The kernel's name for it, such as `socket:[4711]`; no other one gets it while the machine runs.
        connection: String,
        /// Only what was really sent, once the call returned.
        bytes: Vec<u8>,
    },
}

/// A call and the moments at which it started and returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCall {
    /// It may have happened from here on.
    pub started: usize,
    /// It had happened from here on; never, if the server ended first.
    pub finished: Option<usize>,
    /// What it was.
    pub call: Call,
}

impl TracedCall {
    /// Whether it had returned before `moment`.
    pub fn finished_before(&self, moment: usize) -> bool {
        self.finished.is_some_and(|finished| finished < moment)
    }
}

/// Why a trace can't be used.
#[derive(Debug)]
pub enum TraceError {
    /// The trace or the folder can't be read.
    Unreadable(io::Error),
    /// `strace` hasn't come to its end: the server still runs, or `strace` itself was killed.
    Unfinished,
    /// A line of the trace isn't understood, or has an abbreviated string.
    Malformed {
        /// Counted from 1.
        line: usize,
    },
    /// The server made a call that may change the folder or answer a client without showing the bytes.
    Unseen {
        /// Counted from 1.
        line: usize,
        /// The call's name.
        call: String,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceError::Unreadable(source) => write!(formatter, "can't read the trace: {source}"),
            TraceError::Unfinished => formatter
                .write_str("the trace has no end\nhint: end the server first, and leave `strace` alone"),
            TraceError::Malformed { line } => {
                write!(formatter, "line {line} of the trace is abbreviated or not understood")
            }
            TraceError::Unseen { line, call } => {
                write!(formatter, "line {line} of the trace: `{call}` has effects that a trace doesn't show")
            }
        }
    }
}

impl std::error::Error for TraceError {}

impl From<io::Error> for TraceError {
    fn from(source: io::Error) -> TraceError {
        TraceError::Unreadable(source)
    }
}

/// Everything that matters of one run of a server.
#[derive(Debug)]
pub struct Trace {
    /// In the order in which they started.
    pub calls: Vec<TracedCall>,
    /// The power can be cut at `0..=moments`; a cut at `moment` is just before what happened then.
    pub moments: usize,
}

impl Trace {
    /// Reads what `strace` wrote to `path` about the database folder `folder`, which must still exist.
    ///
    /// Call it after the server has ended: it waits a moment for `strace` to write its last lines.
    pub fn read(path: &Path, folder: &Path) -> Result<Trace, TraceError> {
        let deadline = Instant::now() + END_OF_TRACE_WAIT;
        let folders = [std::path::absolute(folder)?, folder.canonicalize()?];
        loop {
            let text = fs::read(path)?;
            if has_ended(&text) {
                let text = String::from_utf8_lossy(&text);
                return Trace::parse(&text, &folders);
            }
            if Instant::now() >= deadline {
                return Err(TraceError::Unfinished);
            }
            // `strace -D` is nobody's child, so there is nothing to wait on but its file.
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Parses the text of a whole trace; `folders` are the paths by which the folder may be called.
    fn parse(text: &str, folders: &[PathBuf]) -> Result<Trace, TraceError> {
        let mut reader = Reader::new(folders);
        let mut unfinished: HashMap<&str, (usize, String)> = HashMap::new();
        let mut last_of_thread: HashMap<&str, (usize, Cow<'_, str>)> = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let malformed = || TraceError::Malformed { line: index + 1 };
            match Line::parse(line).ok_or_else(malformed)? {
                Line::Whole { thread, text } => {
                    reader.read(index, Some(index), text)?;
                    last_of_thread.insert(thread, (index, text.into()));
                }
                Line::Started { thread, text } => {
                    unfinished.insert(thread, (index, text.to_owned()));
                }
                Line::Resumed { thread, text } => {
                    let (started, mut whole) = unfinished.remove(thread).ok_or_else(malformed)?;
                    whole.push_str(text);
                    reader.read(started, Some(index), &whole)?;
                    last_of_thread.insert(thread, (started, whole.into()));
                }
                // Where a thread is killed as its call returns, `strace` may show another call's result.
                Line::Ended { thread } => {
                    if let Some((started, text)) = last_of_thread.remove(thread) {
                        reader.send_whole(started, &text)?;
                    }
                }
                Line::Other => {}
            }
        }
        for (started, text) in unfinished.into_values() {
            reader.read(started, None, &text)?;
        }
        Ok(Trace::number(reader.calls))
    }

    /// Puts calls into order and renames their moments, so that there are none at which nothing happened.
    fn number(mut calls: Vec<TracedCall>) -> Trace {
        calls.sort_by_key(|call| call.started);
        let all = calls.iter().flat_map(|call| [Some(call.started), call.finished]).flatten();
        let mut used: Vec<usize> = all.collect();
        used.sort_unstable();
        used.dedup();
        let rank = |moment| used.binary_search(&moment).expect("every moment was collected");
        for call in &mut calls {
            call.started = rank(call.started);
            call.finished = call.finished.map(rank);
        }
        Trace { calls, moments: used.len() }
    }

    /// Gives what clients may have got before a cut at `at`: the bytes sent on each connection, in order.
    ///
    /// An answer counts from the moment at which the server started to send it.
    pub fn acknowledged(&self, at: usize) -> BTreeMap<&str, Vec<u8>> {
        let mut connections: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for call in self.calls.iter().take_while(|call| call.started < at) {
            if let Call::Sent { connection, bytes } = &call.call {
                connections.entry(connection).or_default().extend(bytes);
            }
        }
        connections
    }
}

/// Whether the first thread of a trace, which outlives the others, has ended.
fn has_ended(text: &[u8]) -> bool {
    let Some(process) = text.split(|byte| *byte == b' ').next().filter(|process| !process.is_empty()) else {
        return false;
    };
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(100_000)..]);
    let process = String::from_utf8_lossy(process);
    text.ends_with(b"\n")
        && tail.lines().any(|line| Line::parse(line) == Some(Line::Ended { thread: process.as_ref() }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes a readable trace as `strace -xx` does: what stands between `'` becomes `\x…`.
    pub(crate) fn parse(lines: &[&str]) -> Result<Trace, TraceError> {
        let escape = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let mut text = String::new();
        for line in lines {
            for (index, part) in line.split('\'').enumerate() {
                text += &if index % 2 == 1 { escape(part) } else { part.to_owned() };
            }
            text.push('\n');
        }
        Trace::parse(&text, &[PathBuf::from("/db")])
    }

    /// Each call with the moments of its start and end.
    pub(crate) fn calls(lines: &[&str]) -> Vec<(usize, Option<usize>, Call)> {
        let trace = parse(lines).unwrap();
        trace.calls.into_iter().map(|traced| (traced.started, traced.finished, traced.call)).collect()
    }

    /// A file that still has its name.
    pub(crate) fn file(name: &str) -> NamedFile {
        NamedFile { name: name.into(), unlinked: false }
    }

    /// A write of text.
    pub(crate) fn write(name: &str, offset: u64, bytes: &str) -> Call {
        Call::Write { file: file(name), offset: Some(offset), bytes: bytes.into() }
    }

    #[test]
    fn a_call_starts_at_its_first_line_and_ends_at_its_second() {
        let calls = calls(&[
            "7 fdatasync(3<'/db/a'> <unfinished ...>",
            r#"8 pwrite64(3<'/db/a'>, "'xy'", 2, 512) = 2"#,
            "7 <... fdatasync resumed>) = 0",
        ]);
        let sync = Call::Sync { file: file("a") };
        assert_eq!(calls, [(0, Some(3), sync), (1, Some(2), write("a", 512, "xy"))]);
    }

    #[test]
    fn a_call_inside_which_the_server_was_killed_never_ends() {
        let calls = calls(&[
            "7 fsync(3<'/db/a'> <unfinished ...>",
            r#"8 pwrite64(3<'/db/a'>, "'xy'", 2, 0) = ?"#,
            r#"9 pwrite64(3<'/db/a'>, "'z'", 1, 0 <unfinished ...>"#,
            "9 <... pwrite64 resumed> <unfinished ...>) = ?",
            "7 +++ killed by SIGKILL +++",
        ]);
        let sync = Call::Sync { file: file("a") };
        assert_eq!(calls, [(0, None, sync), (1, None, write("a", 0, "xy")), (2, None, write("a", 0, "z"))]);
    }

    #[test]
    fn an_answer_may_have_gone_out_whole_when_its_thread_was_killed_next() {
        for result in ["1", "-1 (errno 18446744073709551598)"] {
            let calls = calls(&[
                &format!(r#"7 writev(9<'socket:[5]'>, [{{iov_base="'ok'", iov_len=2}}], 1) = {result}"#),
                "7 +++ killed by SIGKILL +++",
            ]);
            let sent = Call::Sent { connection: "socket:[5]".into(), bytes: b"ok".into() };
            assert_eq!(calls, [(0, None, sent)]);
        }
    }

    #[test]
    fn failed_and_injected_calls_do_not_count() {
        let calls = calls(&[
            r#"7 pwrite64(3<'/db/a'>, "'xy'", 2, 0) = -1 ENOSPC (No space left on device)"#,
            "7 fdatasync(3<'/db/a'>) = 0 (INJECTED)",
            r#"7 unlink("'/db/a'") = -1 ENOENT (No such file or directory)"#,
            r#"7 sendto(9<'socket:[5]'>, "'ok'", 2, 0, NULL, 0) = -1 EPIPE (Broken pipe)"#,
        ]);
        assert_eq!(calls, []);
    }

    #[test]
    fn a_short_write_counts_with_what_was_written() {
        assert_eq!(
            calls(&[r#"7 pwrite64(3<'/db/a'>, "'wxyz'", 4, 8) = 3"#]),
            [(0, Some(1), write("a", 8, "wxy"))]
        );
    }

    #[test]
    fn an_answer_is_acknowledged_from_the_moment_at_which_its_sending_starts() {
        let trace = parse(&[
            r#"7 pwrite64(3<'/db/a'>, "'x'", 1, 0) = 1"#,
            r#"7 sendto(9<'socket:[5]'>, "'HTTP'", 4, MSG_NOSIGNAL, NULL, 0 <unfinished ...>"#,
            r#"8 writev(8<'socket:[6]'>, [{iov_base="'a'", iov_len=1}, {iov_base="'bc'", iov_len=2}], 2) = 2"#,
            "7 <... sendto resumed>) = 4",
            r#"7 sendmsg(9<'socket:[5]'>, {msg_name=NULL, msg_iov=[{iov_base="'/1'", iov_len=2}]}, 0) = 2"#,
        ])
        .unwrap();
        assert!(trace.acknowledged(2).is_empty());
        assert_eq!(trace.acknowledged(3), BTreeMap::from([("socket:[5]", b"HTTP".to_vec())]));
        let all = BTreeMap::from([("socket:[5]", b"HTTP/1".to_vec()), ("socket:[6]", b"ab".to_vec())]);
        assert_eq!(trace.acknowledged(trace.moments), all);
    }

    #[test]
    fn an_abbreviated_string_is_an_error_that_names_its_line() {
        let error = parse(&["7 fsync(3<'/db/a'>) = 0", r#"7 pwrite64(3<'/db/a'>, "'x'"..., 900, 0) = 900"#]);
        assert_eq!(error.unwrap_err().to_string(), "line 2 of the trace is abbreviated or not understood");
    }

    #[test]
    fn a_trace_has_ended_once_its_first_thread_has() {
        assert!(!has_ended(b""));
        assert!(!has_ended(b"7 fsync(3) = 0\n8 +++ exited with 0 +++\n"));
        assert!(!has_ended(b"7 fsync(3) = 0\n7 +++ exited wi"));
        assert!(has_ended(b"7 fsync(3) = 0\n7 +++ killed by SIGKILL +++\n8 +++ killed by SIGKILL +++\n"));
    }
}
