//! Folders that are made once and kept between runs: what would take each test a second or a download.
//!
//! Not under `target`: the checkout may lie in a home that the user who runs PostgreSQL can't enter.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder of that name, which `make` makes at the path that it is given if it isn't there yet.
pub(crate) fn folder(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let all = all();
    let folder = all.join(name);
    // One process makes it, the others wait; the rename keeps half a folder of one that was killed from view.
    let lock = File::create(all.join(format!("{name}.lock"))).expect("our own folder can be written");
    lock.lock().expect("a local file can be locked");
    if !folder.exists() {
        let making = tempfile::tempdir_in(&all).expect("there is room for a folder");
        open_to_all(making.path());
        let made = making.path().join("made");
        make(&made);
        fs::rename(&made, &folder).expect("nobody else makes it while we hold the lock");
    }
    folder
}

/// Where all of them are. What lies there is executed, so nobody else may have made it.
fn all() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let all = std::env::temp_dir().join(format!("selfsame-postgres-{user}"));
    match fs::DirBuilder::new().mode(0o755).create(&all) {
        Ok(()) => open_to_all(&all),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => panic!("{}: {error}", all.display()),
    }
    let metadata = fs::symlink_metadata(&all).expect("it was just made");
    assert!(metadata.is_dir() && metadata.uid() == user, "{} is somebody else's", all.display());
    all
}

/// Lets every user read a folder, whatever this process's mask.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
}
