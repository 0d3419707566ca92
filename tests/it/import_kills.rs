//! `selfsame import`, killed at any moment and started again: what it comes to is what it would have come to.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use support::home::Home;
use support::orders::Orders;
use support::process::{command, run};
use support::random::Random;
use support::size::{Size, proved};

/// What a program writes, line by line, as far as it comes.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    output.lines().map_while(Result::ok)
}

/// Imports the file, and is killed after so many stored batches; true if it came to its end before that.
fn import(home: &Home, file: &str, kill_after: Option<u64>) -> bool {
    let mut child = command(home.path(), &["import", "--json", file]);
    let mut child = child.stdout(Stdio::piped()).spawn().expect("the program can be started");
    let (mut stored, mut has_ended) = (0, false);
    for line in lines(&mut child) {
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        stored += u64::from(line["stored"].is_object());
        has_ended |= line["summary"].is_object();
        if Some(stored) == kill_after && !has_ended {
            child.kill().expect("it is ours");
        }
    }
    let status = child.wait().expect("it ends");
    assert!(has_ended == status.success(), "{status}");
    has_ended
}

fn export(home: &Home) -> String {
    let output = run(home.path(), &["export"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is UTF-8")
}

fn prove(homes: [Home; 2], orders: u64, kills: u64) {
    let mut random = Random::of_this_run();
    let file = Orders::new(random.fork(), orders).file(orders);
    let batches = orders / 5_000;
    let [undisturbed, killed] = homes;
    for home in [&undisturbed, &killed] {
        std::fs::write(home.path().join("orders.csv"), &file).expect("our own folder can be written");
        assert!(run(home.path(), &["migrate"]).status.success());
    }
    assert!(import(&undisturbed, "orders.csv", None));
    let mut happened = 0;
    // Whatever is killed before its first batch begins anew, so that each attempt after that comes further.
    while happened < kills {
        // Each attempt has what is left of them.
        let after = random.below((batches / kills).max(1)) + u64::from(happened > 0);
        if import(&killed, "orders.csv", Some(after)) {
            break;
        }
        happened += 1;
    }
    assert!(happened > 1, "nothing was killed");
    assert!(import(&killed, "orders.csv", None));
    assert!(export(&undisturbed) == export(&killed), "what was killed came to something else");
    let checked = run(killed.path(), &["check"]);
    assert!(checked.status.success(), "{checked:?}");
    proved(&format!(
        "{orders} orders were imported, {happened} times killed on the way, as if nothing had happened"
    ));
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_on_sqlite() {
    let orders = Size::of_this_run().pick(40_000, 1_000_000);
    prove([Home::sqlite(), Home::sqlite()], orders, Size::of_this_run().pick(4, 10));
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_on_postgresql() {
    let orders = Size::of_this_run().pick(40_000, 1_000_000);
    prove([Home::postgres().await, Home::postgres().await], orders, Size::of_this_run().pick(3, 10));
}

/// The negative control: what the same harness says of a file in which a row is missing.
#[test]
fn a_file_without_a_row_comes_to_something_else() {
    let homes = [Home::sqlite(), Home::sqlite()];
    let file = Orders::new(Random::seeded(5), 500).file(500);
    let without: String =
        file.lines().filter(|line| !line.starts_with("250,")).map(|line| format!("{line}\n")).collect();
    let exports = homes.each_ref().map(|home| home.path().to_owned());
    for (path, file) in exports.iter().zip([&file, &without]) {
        let path: &Path = path;
        std::fs::write(path.join("orders.csv"), file).expect("our own folder can be written");
    }
    assert!(homes.iter().all(|home| import(home, "orders.csv", None)));
    assert_ne!(export(&homes[0]), export(&homes[1]));
}
