//! `selfsame import`: what a person sees, by which time rows are accepted, and the data that nobody here invented.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use support::home::Home;
use support::orders::Orders;
use support::process::{ServerProcess, command, run};
use support::random::Random;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is UTF-8")
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// What a line of the summary says.
fn said(summary: &str, name: &str) -> u64 {
    let line = summary.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{summary}"));
    let number = line[name.len()..].split_whitespace().next().unwrap_or_default();
    number.replace(',', "").parse().unwrap_or_else(|_| panic!("{line}"))
}

fn rows(home: &Home) -> Vec<Value> {
    let exported = done(&run(home.path(), &["export"]));
    exported.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_beside_a_server_and_without_one() {
    for home in [Home::sqlite(), Home::postgres().await] {
        assert!(run(home.path(), &["migrate"]).status.success());
        let mut random = Random::of_this_run();
        let [first, second] = [0, 1].map(|_| Orders::new(random.fork(), 400).file(400));
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(first.as_bytes()).unwrap();
        std::fs::write(home.path().join("first.csv.gz"), packed.finish().unwrap()).unwrap();
        std::fs::write(home.path().join("second.csv"), &second).unwrap();
        let output = run(home.path(), &["import", "first.csv.gz", "--rejects", "rejected.csv"]);
        let told = text(&output.stderr);
        assert!(told.contains("first.csv.gz: csv, gzip") && told.contains("email from `email`"), "{told}");
        assert!(told.contains("not read: `order_id`, `name`, `city`, `total`"), "{told}");
        let summary = done(&output);
        assert_eq!(said(&summary, "rows"), 400);
        let stored = rows(&home);
        assert_eq!(said(&summary, "new contacts"), u64::try_from(stored.len()).unwrap());
        let primaries = stored.iter().filter(|row| row["linkedId"].is_null()).count();
        assert_eq!(said(&summary, "new identities"), u64::try_from(primaries).unwrap());
        let rejected = std::fs::read_to_string(home.path().join("rejected.csv")).unwrap_or_default();
        let count = u64::try_from(rejected.lines().count().saturating_sub(1)).unwrap();
        assert_eq!(said(&summary, "rejected"), count, "{rejected}");

        let server = ServerProcess::spawn(command(home.path(), &["serve", "--port", "0"]));
        let server = server.unwrap_or_else(|said| panic!("{said}"));
        let summary = done(&run(home.path(), &["import", "second.csv"]));
        assert_eq!(said(&summary, "rows"), 400);
        let before = stored.len();
        assert_eq!(u64::try_from(rows(&home).len() - before).unwrap(), said(&summary, "new contacts"));
        let again = done(&run(home.path(), &["import", "first.csv.gz"]));
        assert!(
            again.lines().any(|line| line.starts_with("rows") && line.contains("imported before")),
            "{again}"
        );
        drop(server);
        assert!(run(home.path(), &["check"]).status.success());
    }
}

/// SEMANTICS: an import into an empty workspace may bring its own times, and is put in their order first; one beside existing data
/// takes the moment of import.
#[tokio::test]
async fn rows_of_an_empty_workspace_are_accepted_as_of_their_own_times_in_their_order() {
    for home in [Home::sqlite(), Home::postgres().await] {
        assert!(run(home.path(), &["migrate"]).status.success());
        let file = "email,phone,ordered at\n\
                    late@hill.example,1111111,2021-03-01T00:00:00Z\n\
                    never@hill.example,,\n\
                    early@hill.example,2222222,2020-01-05 10:00:00\n\
                    tomorrow@hill.example,,2999-01-01T00:00:00Z\n\
                    bridge@hill.example,1111111,2022-01-01T00:00:00Z\n\
                    early@hill.example,1111111,2023-01-01T00:00:00Z\n";
        std::fs::write(home.path().join("orders.csv"), file).unwrap();
        done(&run(home.path(), &["import", "orders.csv"]));
        let stored = rows(&home);
        let found: BTreeMap<&str, (&Value, &str)> = stored
            .iter()
            .map(|row| {
                (
                    row["email"].as_str().unwrap_or_default(),
                    (&row["linkedId"], row["createdAt"].as_str().unwrap()),
                )
            })
            .collect();
        assert_eq!(
            found["early@hill.example"],
            (&Value::Null, "2020-01-05T10:00:00.000Z"),
            "the oldest stays primary"
        );
        assert_eq!(found["late@hill.example"].1, "2021-03-01T00:00:00.000Z");
        assert_eq!(found["bridge@hill.example"].1, "2022-01-01T00:00:00.000Z");
        assert_eq!(found["late@hill.example"].0, &Value::from(1));
        // What says nothing, and what is of the future, is of now.
        for email in ["never@hill.example", "tomorrow@hill.example"] {
            assert!(("2025".."2999").contains(&found[email].1), "{found:?}");
        }
        let beside = "email,ordered at\nother@hill.example,2020-01-01T00:00:00Z\n";
        std::fs::write(home.path().join("beside.csv"), beside).unwrap();
        done(&run(home.path(), &["import", "beside.csv"]));
        let stored = rows(&home);
        let other = stored.iter().find(|row| row["email"] == "other@hill.example").expect("it is there");
        assert!(("2025".."2999").contains(&other["createdAt"].as_str().unwrap()), "{other}");
        assert!(run(home.path(), &["check"]).status.success());
    }
}

#[test]
fn standard_input_is_a_file_and_mended_rows_are_imported_by_themselves() {
    let home = Home::sqlite();
    let mut import = command(home.path(), &["import", "-", "--rejects", "bad.csv"]);
    let mut child =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"E-Mail;Telefon\nada@hill.example;1\nbob hill;2\n").unwrap();
    done(&child.wait_with_output().unwrap());
    let bad = std::fs::read_to_string(home.path().join("bad.csv")).unwrap();
    assert!(bad.starts_with("line,column,reason,E-Mail,Telefon\n3,E-Mail,"), "{bad}");
    std::fs::write(home.path().join("mended.csv"), bad.replace("bob hill", "bob@hill.example")).unwrap();
    let refused = run(home.path(), &["import", "mended.csv", "--rejects", "bad.csv"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("is there already"), "{refused:?}");
    assert_eq!(said(&done(&run(home.path(), &["import", "mended.csv"])), "new contacts"), 1);
    assert_eq!(rows(&home).len(), 2);
}

#[test]
fn what_cannot_be_imported_is_said_in_a_sentence() {
    let home = Home::sqlite();
    std::fs::write(home.path().join("names.csv"), "Name,City\nAda,Rome\n").unwrap();
    std::fs::write(home.path().join("dates.csv"), "email,Datum\nada@hill.example,01/02/2024\n").unwrap();
    for (arguments, code, want) in [
        (vec!["import", "nothing.csv"], 2, "`nothing.csv` can't be read"),
        (vec!["import", "."], 2, "is a folder"),
        (vec!["import", "names.csv"], 1, "--map"),
        (vec!["import", "names.csv", "--map", "email=Mail"], 1, "Mail"),
        (vec!["import", "dates.csv"], 1, "`--date-order day-first`"),
        (vec!["import", "dates.csv", "--dry-run"], 1, "`--no-times`"),
        (vec!["import", "names.csv", "--date-order", "up"], 1, "`--date-order` must be"),
        // A file that can be opened and not be read.
        (vec!["import", "/proc/self/mem"], 2, "Input/output error"),
        (vec!["import", "names.csv", "names.csv", "--rejects", "r.csv"], 2, "one file at a time"),
        (vec!["import"], 2, "FILE"),
    ] {
        let output = run(home.path(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(want), "{arguments:?}: {}", text(&output.stderr));
    }
}

fn shared(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name)
}

/// How well exact values find who is the same person, by the truth beside the data; nobody is joined who shares nothing.
#[tokio::test]
async fn data_that_nobody_here_invented_is_imported_with_its_own_headers() {
    let file = shared("splink-fake-1000.csv");
    assert!(file.exists(), "{} is missing: a copy of `shared` belongs beside the repository", file.display());
    for home in [Home::sqlite(), Home::postgres().await] {
        assert!(run(home.path(), &["migrate"]).status.success());
        let name = file.to_str().expect("a plain path");
        let summary = done(&run(home.path(), &["import", name, "--rejects", "bad.csv"]));
        assert_eq!(said(&summary, "rows"), 1_000);
        let bad = std::fs::read_to_string(home.path().join("bad.csv")).unwrap();
        assert!(bad.lines().skip(1).all(|line| !line.starts_with(',')), "each has its line and a reason");
        let owner: BTreeMap<String, i64> = rows(&home)
            .iter()
            .filter_map(|row| {
                let primary = row["linkedId"].as_i64().or(row["id"].as_i64())?;
                Some((row["email"].as_str()?.to_owned(), primary))
            })
            .collect();
        let mut reader = csv::Reader::from_path(&file).unwrap();
        let headers = reader.headers().unwrap().clone();
        let place = |name: &str| headers.iter().position(|header| header == name).expect("the file has it");
        let (email, cluster) = (place("email"), place("cluster"));
        let mut people: Vec<(String, i64)> = Vec::new();
        for record in reader.records() {
            let record = record.unwrap();
            if let Some(primary) = owner.get(&record[email].trim().to_lowercase()) {
                people.push((record[cluster].to_owned(), *primary));
            }
        }
        let (mut joined, mut right, mut truly) = (0_u64, 0_u64, 0_u64);
        for (number, one) in people.iter().enumerate() {
            for other in &people[..number] {
                joined += u64::from(one.1 == other.1);
                truly += u64::from(one.0 == other.0);
                right += u64::from(one == other);
            }
        }
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64;
        let (precision, recall) = (share(right, joined), share(right, truly));
        println!(
            "splink-fake-1000: {} rows with an address, precision {precision:.3}, recall {recall:.3}",
            people.len()
        );
        assert!(precision > 0.9 && recall > 0.2, "precision {precision}, recall {recall}");
    }
}
