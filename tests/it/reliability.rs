//! docs/RELIABILITY.md: each of its rows names a command, and each command runs a test that is there.

use std::collections::BTreeSet;
use std::path::Path;

/// The tests that the commands of a document name, as `module::test`.
fn named(document: &str) -> Vec<&str> {
    let commands = document.split("`cargo xtask prove ").skip(1);
    commands.filter_map(|rest| rest.split('`').next()).collect()
}

/// Whether there is such a test.
fn is_there(name: &str) -> bool {
    let Some((module, test)) = name.rsplit_once("::") else { return false };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("it").join(module.replace("::", "/") + ".rs");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_once(&format!("fn {test}()")).is_some_and(|(before, _)| {
        let attribute =
            before.trim_end().trim_end_matches("async").trim_end().lines().last().unwrap_or_default();
        attribute.starts_with("#[") && attribute.contains("test")
    })
}

#[test]
fn every_fault_of_the_table_is_tried_by_a_test() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/RELIABILITY.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> =
        document.lines().filter(|line| line.starts_with("| ") && !line.contains("| --- |")).collect();
    assert!(rows.len() > 30, "the tables are read");
    for row in rows {
        let (is_head, names) = (row.ends_with("| command |"), named(row));
        assert!(is_head || !names.is_empty(), "a row without a command: {row}");
        for name in names {
            assert!(is_there(name), "no test is called `{name}`: {row}");
        }
    }
    let names: Vec<&str> = named(&document);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "each test has its row");
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(is_there("kill::nothing_acknowledged_is_lost_when_the_server_is_killed"));
    for name in
        ["kill::nothing_is_lost", "nothing::nothing", "kill", "kill::is_lost_when_the_server_is_killed"]
    {
        assert!(!is_there(name), "{name}");
    }
    assert_eq!(named("| x | `cargo xtask prove kill::a`, `cargo xtask prove b::c` |"), ["kill::a", "b::c"]);
}
