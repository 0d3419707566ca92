//! An adoption that is stopped on its way changes nothing, and the next one works.

use std::process::Stdio;

use support::deadline::wait_for;
use support::original_database::Original;
use tokio_postgres::Client;

const ROWS: &str = "
    1 lorraine@hill.edu 1 - primary 1 1 -
    2 mcfly@hill.edu    1 1 secondary 2 2 -
    3 doc@hill.edu      2 - primary 3 3 -
";

const STATE: &str = "SELECT count(*), (SELECT count(*) FROM selfsame.events),
        (SELECT count(*) FROM selfsame.contacts), (SELECT count(*) FROM selfsame.identifiers),
        (SELECT last_sequence FROM selfsame.workspaces)
    FROM \"Contact\"";

/// A database in which an adoption was tried that an open transaction held up, so that selfsame's tables are there.
async fn tried() -> (Original, Client) {
    let original = Original::with(ROWS).await;
    let old_server = original.connect().await;
    old_server.batch_execute("BEGIN; SELECT * FROM \"Contact\"").await.unwrap();
    let (code, output, error) = original.run(&["adopt", "--apply", "--lock-timeout-seconds", "1"]);
    assert_eq!((code, output.as_str()), (Some(2), ""));
    insta::assert_snapshot!(error, @r#"
    error: the table "Contact" is in use, so nothing was changed
    hint: stop the old server, and whatever else has it open
    "#);
    old_server.batch_execute("COMMIT").await.unwrap();
    assert_eq!(original.query(STATE).await, "3 0 0 0 0\n");
    (original, old_server)
}

/// Adopts, and shows that all is well.
async fn adopts(original: &Original) {
    original.output(&["adopt", "--apply"]);
    assert_eq!(original.query(STATE).await, "3 3 3 5 3\n");
    assert!(original.output(&["check"]).ends_with("all laws hold\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_the_table_open_is_waited_for_and_then_named() {
    let (original, _) = tried().await;
    adopts(&original).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_or_a_program_killed_in_the_middle_changes_nothing() {
    let (original, lock) = tried().await;
    let rows = original.query("TABLE \"Contact\" ORDER BY id").await;
    for killed in [false, true] {
        // The events are written by then; the contacts are not.
        lock.batch_execute("BEGIN; LOCK TABLE selfsame.contacts IN SHARE MODE").await.unwrap();
        let mut adopt = original.command(&["adopt", "--apply"]);
        let mut adopt = adopt.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asking = original.connect().await;
        let backend = waiting(&asking).await;
        if killed {
            adopt.kill().unwrap();
        } else {
            asking.execute("SELECT pg_terminate_backend($1)", &[&backend]).await.unwrap();
        }
        let output = adopt.wait_with_output().unwrap();
        lock.batch_execute("ROLLBACK").await.unwrap();
        if !killed {
            let (code, output, error) = support::original_database::told(&output);
            assert_eq!((code, output.as_str()), (Some(2), ""));
            insta::assert_snapshot!(error, @"error: the adoption was stopped, and nothing was changed: PostgreSQL says: terminating connection due to administrator command (SQLSTATE 57P01)");
        }
        gone(&asking, backend).await;
        assert_eq!(original.query(STATE).await, "3 0 0 0 0\n");
        assert_eq!(original.query("TABLE \"Contact\" ORDER BY id").await, rows);
    }
    adopts(&original).await;
}

/// The process id of the server's side of the adoption, once that waits for the lock on the contacts.
async fn waiting(client: &Client) -> i32 {
    const WAITING: &str = "SELECT pid FROM pg_locks
        WHERE NOT granted AND relation = 'selfsame.contacts'::regclass";
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        wait_for("the adoption waits for the lock", || {
            let row = handle.block_on(client.query_opt(WAITING, &[])).unwrap();
            row.map(|row| row.get(0))
        })
    })
}

async fn gone(client: &Client, backend: i32) {
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        wait_for("the server gives up", || {
            let alive =
                handle.block_on(client.query_opt("SELECT FROM pg_stat_activity WHERE pid = $1", &[&backend]));
            alive.unwrap().is_none().then_some(())
        });
    });
}

/// The last statement fails, after everything was written; and hosts limit what a web server's statements may take.
#[tokio::test]
async fn a_failure_at_the_very_end_changes_nothing_and_a_host_s_time_limits_do_not_apply() {
    let original = Original::with(ROWS).await;
    original
        .execute(
            "ALTER DATABASE postgres SET statement_timeout = '60s';
            ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '60s';
            CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                IF current_setting('statement_timeout') <> '0'
                    OR current_setting('idle_in_transaction_session_timeout') <> '0' THEN
                    RAISE EXCEPTION 'the limits apply';
                END IF;
                IF (SELECT count(*) FROM selfsame.contacts) > 0 THEN RAISE EXCEPTION 'planted'; END IF;
            END $$;
            CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE VIEW', 'ALTER TABLE')
                EXECUTE FUNCTION refuse();
            ALTER EVENT TRIGGER refuse DISABLE",
        )
        .await;
    // So that selfsame makes its tables.
    original.execute("ALTER TABLE \"Contact\" RENAME TO hidden").await;
    original.output(&["migrate"]);
    original.execute("DROP VIEW \"Contact\"; ALTER TABLE hidden RENAME TO \"Contact\"").await;
    original.execute("ALTER EVENT TRIGGER refuse ENABLE").await;
    let before = original.dump().await;
    let (code, output, error) = original.run(&["adopt", "--apply"]);
    assert_eq!((code, output.as_str()), (Some(2), ""));
    insta::assert_snapshot!(error, @"error: the adoption was stopped, and nothing was changed: PostgreSQL says: planted (SQLSTATE P0001)");
    assert_eq!(original.dump().await, before);
    original.execute("ALTER EVENT TRIGGER refuse DISABLE").await;
    adopts(&original).await;
}
