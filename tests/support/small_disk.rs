//! A disk of its own that is soon full: a tmpfs, which only root may mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted disk. Dropped, it is unmounted, whatever still uses it.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one with room for so many bytes, a part of which is taken by ballast.
    pub fn mount(size_bytes: u64, ballast_bytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let options = format!("size={size_bytes},mode=700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        assert!(mounted, "can't mount a tmpfs: run this test as root");
        let disk = Self { folder };
        fs::write(disk.ballast(), vec![1; ballast_bytes]).expect("the ballast fits the disk");
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes room.
    pub fn drop_ballast(&self) {
        fs::remove_file(self.ballast()).expect("the ballast was not dropped before");
    }

    /// Takes every byte that is left.
    pub fn fill_up(&self) {
        let filling = fs::write(self.folder.path().join("filling"), vec![1; 1 << 20]);
        let error = filling.expect_err("less than that was left");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a process that is still ending can't keep it.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            panic!("could not unmount {}", self.folder.path().display());
        }
    }
}
