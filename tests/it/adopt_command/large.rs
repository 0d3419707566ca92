//! A large table, of the mix that the original makes: adopted within two minutes.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use support::original_database::{Original, TABLE, told};
use support::size::{Size, proved};

/// Of ten rows four are primaries and six bring something new, as a shop's customers come back. Every hundredth row
/// races its neighbour, every thousandth is a stranger that a null joined, is deleted, or bears what is refused; every
/// other e-mail is spelt as people spell it.
const FILL: &str = r#"INSERT INTO "Contact"
    SELECT n, CASE WHEN n % 1000 = 4 THEN NULL ELSE '+1 555 ' || (n / 10 * 10 + n % 10 / 4)::text END,
        CASE WHEN n % 1000 = 5 THEN 'not an address' WHEN n % 2 = 0 THEN 'Customer.' || n || '@Example.ORG'
            WHEN n % 100 = 7 THEN 'customer.' || n - 1 || '@example.org' ELSE 'customer.' || n || '@example.org' END,
        CASE WHEN n % 10 >= 4 THEN n / 10 * 10 + n % 10 / 4 END,
        CASE WHEN n % 10 >= 4 THEN 'secondary' ELSE 'primary' END,
        TIMESTAMP '2024-01-01' + n * INTERVAL '1 second', TIMESTAMP '2024-01-01' + n * INTERVAL '1 second',
        CASE WHEN n % 1000 = 9 THEN TIMESTAMP '2026-01-01' END
    FROM generate_series(10, $1 + 9) AS n"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_is_adopted_within_two_minutes() {
    let rows = Size::of_this_run().pick(20_000, 1_000_000);
    let original = Original::without_table();
    original.execute(&format!("{TABLE}{}", FILL.replace("$1", &rows.to_string()))).await;
    let began = Instant::now();
    let report = output(&original, &["adopt", "--apply"]);
    let took = began.elapsed();
    let adopt_mib = memory_of_children_mib();
    assert!(report.contains(&format!("{rows:>12}  events `adopted` open the log")), "{report}");
    let checked = output(&original, &["check"]);
    assert!(
        checked.contains(&format!(" {rows} contacts, ")) && checked.ends_with("all laws hold\n"),
        "{checked}"
    );
    assert_eq!(original.query("SELECT count(*) FROM \"Contact\"").await, format!("{rows}\n"));
    if Size::of_this_run() == Size::Full {
        assert!(took < Duration::from_secs(120), "{took:?}");
    }
    proved(&format!(
        "{rows} rows of the original's were adopted in {took:.1?} with at most {adopt_mib} MiB of memory"
    ));
}

/// What the program prints, however long it takes.
fn output(original: &Original, arguments: &[&str]) -> String {
    let (code, output, error) = told(&original.command(arguments).output().unwrap());
    assert_eq!(code, Some(0), "{error}");
    output
}

/// The most memory that any program took that this test has run to its end.
fn memory_of_children_mib() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024
}
