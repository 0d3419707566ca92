//! The dashboard and the alert rules: that they name what a server tells and all of it, and that the rules say what they
//! should. The drill beside this shows them at work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::metrics::{documented, told};

pub(crate) const DASHBOARD: &str = "deploy/grafana/selfsame.json";
pub(crate) const RULES: &str = "deploy/prometheus/alerts.yaml";

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).canonicalize().unwrap()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// The panels of the dashboard that show something.
pub(crate) fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    panels.iter().filter(|panel| panel["type"] != "row").cloned().collect()
}

/// The expressions of a panel.
pub(crate) fn expressions(panel: &Value) -> Vec<String> {
    let targets = panel["targets"].as_array().unwrap();
    targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The metrics that a text names, by the names that the server gives them: a histogram without its endings.
fn names(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let word = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
    let ours = text.split(word).filter(|name| name.starts_with("selfsame_") || name.starts_with("process_"));
    ours.map(|name| {
        let endings = ["_bucket", "_sum", "_count"].iter().filter_map(|ending| name.strip_suffix(ending));
        endings.into_iter().find(|base| known.contains(*base)).unwrap_or(name).to_owned()
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_rules_name_what_is_told_and_the_dashboard_all_of_it() {
    // What is told, and what is told once something feeds it; another test holds both together.
    let known: BTreeSet<String> = documented().into_keys().chain(told().await.into_keys()).collect();
    let shown: String = panels().iter().flat_map(expressions).map(|expression| expression + "\n").collect();
    let (shown, alerted) = (names(&shown, &known), names(&read(RULES), &known));
    let unknown: Vec<&String> = shown.union(&alerted).filter(|name| !known.contains(*name)).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "no server tells these");
    let hidden: Vec<&String> =
        known.difference(&shown).filter(|name| name.starts_with("selfsame_")).collect();
    assert_eq!(hidden, Vec::<&String>::new(), "the dashboard doesn't show these");
}

#[test]
fn a_name_that_no_server_tells_is_found() {
    let known = BTreeSet::from(["selfsame_a_seconds".to_owned()]);
    let text = "rate(selfsame_a_seconds_bucket{x=\"1\"}[5m]) / selfsame_b_count";
    let want = ["selfsame_a_seconds", "selfsame_b_count"].map(str::to_owned);
    assert_eq!(names(text, &known), BTreeSet::from(want));
}

#[test]
fn each_panel_says_what_is_normal_and_stands_on_its_own_place() {
    let mut taken = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap().to_owned();
        assert!(panel["description"].as_str().unwrap().starts_with("Normal: "), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}: importable anywhere");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title}: beyond the edge");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title}: over another");
            }
        }
        assert!(titles.insert(title.clone()), "{title}: twice");
    }
    assert!(taken.contains(&(0, 1)) && titles.len() > 15, "{titles:?}");
}

#[test]
fn each_alert_says_what_is_wrong_and_what_to_do() {
    let rules: Value = serde_saphyr::from_str(&read(RULES)).unwrap();
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let (name, annotations) = (&rule["alert"], &rule["annotations"]);
        assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        assert!(annotations["summary"].as_str().unwrap().contains("{{ $labels.instance }}"), "{name}");
        assert!(annotations["description"].as_str().unwrap().ends_with('.'), "{name}");
    }
}

/// Runs promtool on a file of rules' tests beside the rules.
fn promtool(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    let output = output.expect("promtool is missing: `cargo xtask test` installs it");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_rules_say_what_their_tests_want_and_a_blind_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let tests = read("deploy/prometheus/alerts_test.yaml");
    std::fs::write(folder.path().join("alerts_test.yaml"), tests).unwrap();
    let rules = read(RULES);
    for (rules, want) in [
        (rules.clone(), true),
        (rules.replace("expr: selfsame_store_up == 0", "expr: selfsame_store_up == 2"), false),
        (rules.replace("unless on (job, instance) min_over_time(selfsame_store_up[10m]) == 0", ""), false),
    ] {
        std::fs::write(folder.path().join("alerts.yaml"), rules).unwrap();
        let (valid, said) = promtool(folder.path(), &["check", "rules", "alerts.yaml"]);
        assert!(valid, "{said}");
        let (passed, said) = promtool(folder.path(), &["test", "rules", "alerts_test.yaml"]);
        assert_eq!(passed, want, "{said}");
    }
}
