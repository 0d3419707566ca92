//! Who runs PostgreSQL and its pooler: both refuse root, as which these tests run.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// `nobody` and its group, the same numbers on every Linux.
const NOBODY: u32 = 65534;

/// A command that runs as `nobody` if this process is root, and as this process's user otherwise; its current
/// folder is one that it may enter.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Gives a file or a folder, without what is in it, to the user of [`command`].
pub(super) fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
}

/// Makes a new folder that the user of [`command`] owns.
pub(super) fn folder(path: &Path) {
    std::fs::create_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    give(path);
}
