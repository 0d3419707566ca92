//! The embedded store: its files, who may use them, who does, and the disk that they are on.

use rustix::process::{Pid, geteuid, test_kill_process};
use selfsame_store_sqlite::{Examined, WriterProcess};

use super::Check;
use super::finding::{Finding, ok, problem, size, warning};
use super::installation::{Disk, Embedded, Installation};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "integrity", judge: |seen| on_file(seen, integrity) },
    Check { name: "permissions", judge: |seen| on_file(seen, permissions) },
    Check { name: "owner", judge: |seen| on_file(seen, owner) },
    Check { name: "folder", judge: |seen| on_file(seen, folder) },
    Check { name: "file system", judge: |seen| on_file(seen, file_system) },
    Check { name: "disk space", judge: |seen| on_file(seen, space) },
    Check { name: "write-ahead log", judge: |seen| on_file(seen, log) },
    Check { name: "writer", judge: |seen| on_file(seen, writer) },
    Check { name: "clock", judge: |seen| on_file(seen, clock) },
];

/// Below this, SQLite's log alone may fill the disk.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// Below this, somebody should look after it.
const FREE_BYTES_FEW: u64 = 1 << 30;
/// Far beyond the size to which the log is cut back.
const LOG_BYTES_MANY: u64 = 256 << 20;
/// How far the last event may be ahead of the clock: what clocks are set by now and then.
const CLOCK_BEHIND_MS: i64 = 5_000;

fn on_file(installation: &Installation, judge: fn(&Embedded) -> Vec<Finding>) -> Vec<Finding> {
    installation.embedded.as_ref().map(judge).unwrap_or_default()
}

fn integrity(embedded: &Embedded) -> Vec<Finding> {
    let Ok(Examined { findings, .. }) = &embedded.examined else { return Vec::new() };
    if findings.is_empty() {
        return vec![ok("SQLite's quick check finds nothing; `selfsame check` proves the rest")];
    }
    let hint = "stop the server, keep a copy of the files as they are, and restore the last backup: `selfsame restore --replace`";
    findings
        .iter()
        .map(|finding| problem(format!("SQLite finds: {}", finding.replace('\n', "; ")), hint))
        .collect()
}

fn permissions(embedded: &Embedded) -> Vec<Finding> {
    // The lock file says nothing but a process's number.
    let with_data =
        embedded.files.iter().filter(|file| !file.path.as_os_str().as_encoded_bytes().ends_with(b".lock"));
    let open: Vec<Finding> = with_data
        .filter(|file| file.mode & 0o077 != 0)
        .map(|file| {
            let path = file.path.display();
            problem(
                format!(
                    "`{path}` holds personal data, and others than its owner may use it (mode {:04o})",
                    file.mode
                ),
                format!("chmod 600 {path}"),
            )
        })
        .collect();
    match (embedded.file(), open.is_empty()) {
        (Some(_), true) => vec![ok("the files are for their owner only")],
        _ => open,
    }
}

fn owner(embedded: &Embedded) -> Vec<Finding> {
    let Some(file) = embedded.file() else { return Vec::new() };
    let others: Vec<Finding> = embedded
        .files
        .iter()
        .filter(|other| other.owner != file.owner)
        .map(|other| {
            problem(
                format!("`{}` belongs to user {}, and the database to user {}", other.path.display(), other.owner, file.owner),
                "give it to the server's user with chown: a command that was run as another user, such as root, left it",
            )
        })
        .collect();
    let user = geteuid().as_raw();
    if !others.is_empty() {
        others
    } else if file.owner == user {
        vec![ok("the database belongs to the user who asks")]
    } else {
        vec![warning(
            format!("the database belongs to user {}, and the one who asks is {user}", file.owner),
            "run selfsame's commands as the server's user: files that others make there may be closed to it",
        )]
    }
}

fn folder(embedded: &Embedded) -> Vec<Finding> {
    let Some(folder) = &embedded.folder else { return Vec::new() };
    let (path, mode) = (folder.path.display(), folder.mode);
    if !embedded.folder_is_writable {
        return vec![problem(
            format!(
                "`{path}` can't be written by user {}, and SQLite keeps files beside the database",
                geteuid().as_raw()
            ),
            "give the folder to the server's user; as another user, ask again as that one",
        )];
    }
    // In a sticky folder, such as /tmp, nobody renames what belongs to somebody else.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return vec![warning(
            format!("others may take files away from `{path}` and put theirs in (mode {mode:04o})"),
            format!("chmod go-w {path}"),
        )];
    }
    vec![ok(format!("`{path}` can be written"))]
}

/// Numbers of `statfs(2)`.
fn file_system(embedded: &Embedded) -> Vec<Finding> {
    let Some(Disk { sort, .. }) = embedded.disk else { return Vec::new() };
    let network = match sort {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x5346_414f => Some("AFS"),
        0x00c3_6400 => Some("Ceph"),
        _ => None,
    };
    vec![match (network, sort) {
        (Some(name), _) => problem(
            format!(
                "the database is on a network file system ({name}), where SQLite's locks and shared memory don't work"
            ),
            "move it to a local disk, or use PostgreSQL",
        ),
        (None, 0x6573_5546) => warning(
            "the database is on a FUSE file system, and whether its locks and syncs work nobody knows here",
            "move it to a local disk, if that one isn't",
        ),
        (None, 0x794c_7630) => warning(
            "the database is in a container's own layer (overlay), and goes with the container",
            "mount a volume where the database is",
        ),
        (None, 0x0102_1994 | 0x8584_58f6) => warning(
            "the database is on a disk in memory, and is gone when the machine is switched off",
            "move it to a disk that stays",
        ),
        (None, _) => ok("it is a local disk"),
    }]
}

fn space(embedded: &Embedded) -> Vec<Finding> {
    let Some(Disk { free_bytes, .. }) = embedded.disk else { return Vec::new() };
    let database = embedded.bytes_of("") + embedded.bytes_of("-wal");
    let free = size(free_bytes);
    vec![if free_bytes < FREE_BYTES_MIN {
        problem(
            format!("{free} are free: when the disk is full, changes are refused"),
            "make room; known customers are answered meanwhile",
        )
    } else if free_bytes < database {
        warning(
            format!("{free} are free, and a backup on this disk would need about {}", size(database)),
            "make room, or back up to another disk",
        )
    } else if free_bytes < FREE_BYTES_FEW {
        warning(
            format!("only {free} are free"),
            "make room before the disk is full: then changes are refused",
        )
    } else {
        ok(format!("{free} are free, and the database has {}", size(database)))
    }]
}

fn log(embedded: &Embedded) -> Vec<Finding> {
    let bytes = embedded.bytes_of("-wal");
    let running = !matches!(embedded.writer, Ok(WriterProcess::Nobody));
    vec![if bytes > LOG_BYTES_MANY {
        warning(
            format!("it has {}: somebody who reads keeps it from beginning anew", size(bytes)),
            "look for an export, a backup or a shell that has the database open for long",
        )
    } else if bytes > 0 && !running {
        warning(
            format!("it has {} of a server that did not end by itself", size(bytes)),
            "never delete it: it may hold acknowledged changes, and the next start folds it in",
        )
    } else {
        ok(if bytes == 0 { "it is empty".to_owned() } else { format!("it has {}", size(bytes)) })
    }]
}

fn writer(embedded: &Embedded) -> Vec<Finding> {
    let writer = match &embedded.writer {
        Ok(writer) => *writer,
        Err(error) => {
            return vec![problem(
                format!("the lock file can't be looked at: {error}"),
                "ask as the server's user, or give the file to that one",
            )];
        }
    };
    vec![match writer {
        WriterProcess::Nobody if embedded.socket_is_there => warning(
            "nobody has the database open for writing, and a server that was killed has left its socket",
            "it does no harm, and the next start takes its place",
        ),
        WriterProcess::Nobody => ok("nobody has the database open for writing"),
        WriterProcess::Known(Some(id)) if !lives(id) => warning(
            format!("the database is held by process {id}, which is not seen from here"),
            "look for it in another container, or as another user; two servers on one database are refused",
        ),
        WriterProcess::Known(holder) => {
            let who = holder.map_or("a process".to_owned(), |id| format!("process {id}"));
            if embedded.socket_is_there {
                ok(format!("{who} has the database open for writing"))
            } else {
                warning(
                    format!("{who} has the database open for writing, and no socket for commands is there"),
                    "if it is a server, restart it: `selfsame identify` can't reach it",
                )
            }
        }
    }]
}

/// One that may not be signalled lives too.
fn lives(id: u32) -> bool {
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| !matches!(test_kill_process(process), Err(rustix::io::Errno::SRCH)))
}

fn clock(embedded: &Embedded) -> Vec<Finding> {
    let Ok(Examined { contents, .. }) = &embedded.examined else { return Vec::new() };
    let now = jiff::Timestamp::now().as_millisecond();
    let last = contents.heads.values().map(|head| head.last_event_at.as_milliseconds()).max().unwrap_or(0);
    vec![if last - now > CLOCK_BEHIND_MS {
        warning(
            format!("this machine's clock is {} s behind the last event", (last - now) / 1000),
            "set the clock; until it has caught up, all that comes is dated to that event",
        )
    } else {
        ok("the last event is not in the future")
    }]
}
