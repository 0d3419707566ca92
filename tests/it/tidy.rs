//! The shape of the repository, held by tests: who may import whom, and that each file says what it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each part, and the parts of ours that it may import. What isn't listed is forbidden.
const ARROWS: [(&str, &[&str]); 10] = [
    ("rules", &[]),
    ("store", &["rules"]),
    ("store-sqlite", &["rules", "store"]),
    ("store-postgres", &["rules", "store"]),
    ("service", &["rules", "store"]),
    ("bulk", &["rules", "service", "store"]),
    ("api", &["bulk", "rules", "service", "store"]),
    ("console", &["bulk", "rules", "service", "store"]),
    ("cli", &["api", "bulk", "console", "rules", "service", "store", "store-postgres", "store-sqlite"]),
    ("client", &[]),
];

/// All that the rules may import of others: nothing that could do I/O, tell the time or be random.
const RULES_IMPORT: [&str; 4] = ["foldhash", "hashbrown", "thiserror", "unicode-normalization"];

/// What only a concrete store may import.
const DRIVERS: [&str; 4] = ["deadpool-postgres", "refinery", "rusqlite", "tokio-postgres"];

/// Where our code is.
const FOLDERS: [&str; 5] = ["benches", "crates", "fuzz", "tests", "xtask"];

/// A file that is longer than this has two subjects.
const LINES_MAX: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names under `[dependencies]` of a crate; tests of its own may import more.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let dependencies = manifest.get("dependencies").and_then(|table| table.as_table());
    dependencies.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

/// What a part imports although the tables above forbid it.
fn forbidden(part: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let allowed = ARROWS.iter().find(|(name, _)| *name == part).map(|(_, allowed)| *allowed);
    let Some(allowed) = allowed else { return vec![format!("{part}: it stands in no table of this test")] };
    dependencies
        .iter()
        .filter(|dependency| match dependency.strip_prefix("selfsame-") {
            Some(ours) => !allowed.contains(&ours),
            None if part == "rules" => !RULES_IMPORT.contains(&dependency.as_str()),
            None => DRIVERS.contains(&dependency.as_str()) && !part.starts_with("store-"),
        })
        .map(|dependency| format!("{part} imports {dependency}"))
        .collect()
}

#[test]
fn no_part_imports_what_the_design_forbids() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let part = folder.file_name().unwrap().to_string_lossy().into_owned();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert_eq!(forbidden(&part, &dependencies(&manifest)), Vec::<String>::new());
        seen += 1;
    }
    assert_eq!(seen, ARROWS.len(), "each part of the table is there");
}

#[test]
fn a_forbidden_import_is_seen() {
    let manifest = "[dependencies]\nselfsame-store-sqlite.workspace = true\nrusqlite = \"1\"\nserde = \"1\"";
    let dependencies = dependencies(manifest);
    assert_eq!(
        forbidden("service", &dependencies),
        ["service imports rusqlite", "service imports selfsame-store-sqlite"]
    );
    assert_eq!(forbidden("rules", &dependencies).len(), 3);
    assert_eq!(forbidden("cli", &dependencies), ["cli imports rusqlite"]);
    assert_eq!(forbidden("client", &dependencies).len(), 2);
    assert_eq!(forbidden("misc", &dependencies), ["misc: it stands in no table of this test"]);
}

/// Whether a manifest doesn't take over the lints of the workspace as they are.
fn lints_of_its_own(manifest: &str) -> bool {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let lints: toml::Table = "workspace = true".parse().expect("this is TOML");
    manifest.get("lints") != Some(&toml::Value::Table(lints))
}

/// `forbid` can't be taken back by an attribute, so one place is enough if every crate takes it over.
#[test]
fn every_crate_forbids_unsafe() {
    let workspace: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let mut seen = 0;
    for folder in FOLDERS {
        each_file(&root().join(folder), "toml", &mut |path| {
            if path.ends_with("Cargo.toml") {
                seen += 1;
                let manifest = std::fs::read_to_string(path).unwrap();
                assert!(!lints_of_its_own(&manifest), "{} takes no lints over", path.display());
            }
        });
    }
    assert_eq!(seen, ARROWS.len() + 4, "each manifest is found");
    assert!(lints_of_its_own("[package]\nname = \"x\""));
    assert!(lints_of_its_own("[lints.rust]\nunsafe_code = \"warn\""));
}

#[test]
fn every_file_says_what_it_is_and_has_one_subject() {
    let mut seen = 0;
    for folder in FOLDERS {
        each_file(&root().join(folder), "rs", &mut |path| {
            seen += 1;
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.starts_with("//! "), "{} doesn't begin with `//!`", path.display());
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            assert!(code.lines().count() <= LINES_MAX, "{} has more than {LINES_MAX} lines", path.display());
        });
    }
    assert!(seen > 50, "the files are found");
}

fn each_file(folder: &Path, extension: &str, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            each_file(&path, extension, visit);
        } else if path.extension().is_some_and(|own| own == extension) {
            visit(&path);
        }
    }
}
