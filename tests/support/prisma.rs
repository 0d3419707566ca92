//! The original service's own way to its database: Prisma's client, as `tests/prisma` pins it, in Node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::postgres::kept;

/// What makes the client, by name; the folder is made anew when one of them changes.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../prisma/package.json")),
    ("package-lock.json", include_str!("../prisma/package-lock.json")),
    ("schema.prisma", include_str!("../prisma/schema.prisma")),
];

/// Lets the original's client do one of the works of `original.mjs` on a database; what it printed.
pub fn original(work: &str, database_url: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("prisma/original.mjs");
    let mut node = Command::new("node");
    let output = node.arg(script).arg(work).current_dir(client()).env("DATABASE_URL", database_url).output();
    let output = output.expect("node is missing: run `cargo xtask test`, which installs it");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{work}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|cause| panic!("{work}: {cause}: {error}"))
}

/// The folder with Prisma's packages and the client that it generates, installed once.
fn client() -> PathBuf {
    let all: String = FILES.iter().map(|(_, content)| *content).collect();
    kept::folder(&format!("prisma-{:016x}", fingerprint(&all)), |folder| {
        fs::create_dir(folder).expect("its parent was just made");
        for (name, content) in FILES {
            fs::write(folder.join(name), content).expect("there is room");
        }
        // The packages' scripts would download engines, which this client does without.
        must(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]), folder);
        let prisma = folder.join("node_modules/.bin/prisma");
        let mut generate = Command::new(prisma);
        generate
            .args(["generate", "--schema", "schema.prisma"])
            .env("PRISMA_SCHEMA_ENGINE_BINARY", "/bin/true");
        must(generate.env("CHECKPOINT_DISABLE", "1").env("PRISMA_HIDE_UPDATE_MESSAGE", "1"), folder);
    })
}

/// FNV-1a: the same in every version of everything.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Runs a command of an installation to its end.
pub(crate) fn must(command: &mut Command, folder: &Path) {
    let output = command.current_dir(folder).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
