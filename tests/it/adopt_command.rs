//! `selfsame adopt`, by the program itself on PostgreSQL: what it reports, what it does, and the way back.
//!
//! What stops it is in `stopped`, strange tables in `odd`, a large one in `large`. What the rules decide, row by row,
//! is tested beside them.

mod large;
mod odd;
mod stopped;

use std::process::Command;

use support::original_database::Original;
use support::process::ServerProcess;

/// A database in which everything went wrong that goes wrong in the original.
pub(crate) const FAULTY: &str = "
    # A race of equal requests: three primaries, two of them of one age.
    1  marty@hill.edu        555-0100  -  primary    1  1  -
    2  marty@hill.edu        5550100   -  primary    1  1  -
    3  Marty@Hill.edu        5550100   -  primary    2  2  -
    # A merge whose younger side had a secondary: a chain. Nothing but the link of 6 tells that it belongs to 4.
    4  lorraine@hill.edu     1         -  primary    3  3  -
    5  mcfly@hill.edu        1         4  secondary  4  4  -
    6  biff@hill.edu         2         4  secondary  5  8  -
    7  tannen@hill.edu       2         6  secondary  6  6  -
    # Strangers that a null joined.
    8  jennifer@hill.edu     -         -  primary    9  9  -
    9  goldie@hill.edu       -         8  secondary 10 10  -
    # Nobody at all, twice: null, and blank.
    10 -                     -         -  primary   11 11  -
    11 _                     _        10  secondary 12 12  -
    # A customer who was deleted and came back.
    12 clara@hill.edu        4         -  primary   13 14 14
    13 clara@hill.edu        5        12  secondary 15 15  -
    # A link to nobody, one to itself, and words that contradict their link.
    14 emmett@hill.edu       6        99  secondary 16 16  -
    15 einstein@hill.edu     7        15  secondary 17 17  -
    16 strickland@hill.edu   8         -  secondary 18 18  -
    17 needles@hill.edu      9         -  PRIMARY   19 19  -
    # Values that are refused today; one that two share connects nobody.
    18 not-an-address        10        -  primary   20 20  -
    19 not-an-address        11       18  secondary 21 21  -
    20 seamus@hill.edu       call-me   -  primary   22 22  -
    # A merge through values that only secondaries bear: two primaries stay.
    21 maggie@hill.edu       12        -  primary   23 23  -
    22 both@hill.edu         12       21  secondary 24 24  -
    23 both@hill.edu         13        -  primary   25 25  -
    # Made in another century.
    24 future@hill.edu       14        -  primary   99999999 99999999 -
";

const CLEAN: &str = "
    1 lorraine@hill.edu 1 - primary   1 1 -
    2 mcfly@hill.edu    1 1 secondary 2 2 -
    3 doc@hill.edu      2 - primary   3 3 -
";

/// What the view shows of each row, and whether its `updatedAt` moved; times of making and deleting must be as before.
const SHOWN: &str = r#"SELECT now.id, now.email, now."phoneNumber", now."linkedId", now."linkPrecedence",
        CASE WHEN now."updatedAt" = before."updatedAt" THEN 'as_before' ELSE 'moved' END,
        CASE WHEN now."createdAt" = before."createdAt" AND now."deletedAt" IS NOT DISTINCT FROM before."deletedAt"
            THEN NULL ELSE 'WRONG' END
    FROM "Contact" AS now FULL JOIN "Contact_before_selfsame" AS before USING (id) ORDER BY id"#;

#[tokio::test]
async fn a_database_with_every_fault_is_reported_in_numbers_and_then_adopted() {
    let original = Original::with(FAULTY).await;
    let before = original.dump().await;
    let (code, _, error) = original.run(&["serve", "--port", "0"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(error, @r#"
    error: the database has the table "Contact" of the original service (schema `public`), and selfsame has not taken it over yet
    hint: stop the old server, then run `selfsame adopt` to see what would be done, and `selfsame adopt --apply` to do it
    "#);

    let (code, dry, hint) = original.run(&["adopt"]);
    assert_eq!(code, Some(0), "{hint}");
    insta::assert_snapshot!(dry, @r#"
    found in "public"."Contact"
              24  rows
              23  of them live
               1  of them deleted
              11  identities, as the original counts: live rows marked primary
               1  chains: rows whose linkedId names a row that itself links on (id 7)
               1  orphans: rows whose linkedId names no row (id 14)
               1  rows whose linkedId names themselves (id 15)
               2  rows whose linkPrecedence contradicts their linkedId (id 16, 17)
               3  duplicate primaries: primaries of a person who has an older one (id 2, 3, 23)
               2  empty contacts: rows with neither an e-mail nor a phone (id 10, 11)
               3  equal values in two or more identities (id 1, 1, 22)
               2  values that canonicalise: spelt in another way from then on
               2  blank values: none from then on
               3  values that would be refused today: kept in the log, they own nothing
               3  rows with such a value (id 18, 19, 20)
               1  rows dated in the future: new customers would be dated after them (id 24)
               0  rows with an id below 1, with which the table can't be adopted
    would be done
              16  identities
               2  identities gather two or more of the original's (id 1, 21)
               3  rows are set apart: linked, though no value connects them, as a null links strangers (--trust-links keeps them) (id 9, 11, 19)
               1  rows stay with the row that they link to though no value connects them: a merge's only trace (id 6)
              11  rows link elsewhere than before (id 2, 3, 7, 9, 11, 12, 13, 14, 15, 19, …)
               4  primaries become secondary (id 2, 3, 12, 23)
               7  secondaries become primary (id 9, 11, 13, 14, 15, 16, 19)
              16  rows change in what the original shows of them, and their updatedAt with it (id 1, 2, 3, 7, 9, 11, 12, 13, 14, 15, …)
              24  events `adopted` open the log, one for each row
                  the table is kept as "public"."Contact_before_selfsame", and the view "Contact" takes its place
    "#);
    insta::assert_snapshot!(hint, @r"
    nothing was changed
    hint: stop the old server, then `selfsame adopt --apply` does it
    ");
    assert_eq!(original.output(&["adopt", "--dry-run"]), dry);
    assert_eq!(original.dump().await, before, "looking changes nothing");

    let applied = original.output(&["adopt", "--apply"]);
    assert_eq!(applied, dry.replace("\nwould be done\n", "\ndone\n"));
    insta::assert_snapshot!(original.query(SHOWN).await, @r"
    1 marty@hill.edu 5550100 - primary moved -
    2 marty@hill.edu 5550100 1 secondary moved -
    3 marty@hill.edu 5550100 1 secondary moved -
    4 lorraine@hill.edu 1 - primary as_before -
    5 mcfly@hill.edu 1 4 secondary as_before -
    6 biff@hill.edu 2 4 secondary as_before -
    7 tannen@hill.edu 2 4 secondary moved -
    8 jennifer@hill.edu - - primary as_before -
    9 goldie@hill.edu - - primary moved -
    10 - - - primary as_before -
    11 - - - primary moved -
    12 clara@hill.edu 4 13 secondary moved -
    13 clara@hill.edu 5 - primary moved -
    14 emmett@hill.edu 6 - primary moved -
    15 einstein@hill.edu 7 - primary moved -
    16 strickland@hill.edu 8 - primary moved -
    17 needles@hill.edu 9 - primary moved -
    18 - 10 - primary moved -
    19 - 11 - primary moved -
    20 seamus@hill.edu - - primary moved -
    21 maggie@hill.edu 12 - primary as_before -
    22 both@hill.edu 12 21 secondary as_before -
    23 both@hill.edu 13 21 secondary moved -
    24 future@hill.edu 14 - primary as_before -
    ");
    insta::assert_snapshot!(original.output(&["check"]), @"checked 24 events, 24 contacts, 16 identities, 29 identifiers: all laws hold");
    assert_eq!(original.output(&["export"]).lines().count(), 24, "no row is lost");
    // What is no longer borne is in the log all the same.
    let not_borne = r#"SELECT sequence, outcome::json -> 'source' ->> 'notBorne' FROM selfsame.events
        WHERE outcome::json -> 'source' ->> 'notBorne' IS NOT NULL ORDER BY sequence"#;
    insta::assert_snapshot!(original.query(not_borne).await, @r#"
    11 [{"kind":"email","asSent":" "},{"kind":"phone","asSent":" "}]
    18 [{"kind":"email","asSent":"not-an-address"}]
    19 [{"kind":"email","asSent":"not-an-address"}]
    20 [{"kind":"phone","asSent":"call-me"}]
    "#);

    let again = original.run(&["adopt", "--apply"]);
    insta::assert_snapshot!(again.2, @r#"
    error: the database was adopted before: where the table "Contact" stood, there is selfsame's view
    hint: run `selfsame serve`
    "#);
    assert_eq!((again.0, original.run(&["adopt"]).0), (Some(2), Some(2)));
}

#[tokio::test]
async fn an_adopted_database_is_served_and_takes_no_writes_past_the_server() {
    let original = Original::with(FAULTY).await;
    original.output(&["adopt", "--apply"]);
    let server = ServerProcess::spawn(original.command(&["serve", "--port", "0"])).unwrap();
    let mut client = support::client::Client::connect(server.address).await.unwrap();
    let mut answers = String::new();
    for body in [
        r#"{"email":"marty@hill.edu","phoneNumber":"5550100"}"#,
        r#"{"email":"mcfly@hill.edu"}"#,
        r#"{"email":"goldie@hill.edu","phoneNumber":null}"#,
        r#"{"phoneNumber":5,"email":"clara@hill.edu"}"#,
        r#"{"phoneNumber":"14","email":"new@hill.edu"}"#,
        r#"{"phoneNumber":"4"}"#,
        "{}",
    ] {
        let reply = client.post_identify(body).await.unwrap();
        answers +=
            &format!("{body}\n  {} {}\n", reply.status, reply.text().split(",\"requestId\"").next().unwrap());
    }
    insta::assert_snapshot!(answers, @r#"
    {"email":"marty@hill.edu","phoneNumber":"5550100"}
      200 OK {"contact":{"primaryContactId":1,"emails":["marty@hill.edu"],"phoneNumbers":["5550100"],"secondaryContactIds":[2,3]}}
    {"email":"mcfly@hill.edu"}
      200 OK {"contact":{"primaryContactId":4,"emails":["lorraine@hill.edu","mcfly@hill.edu","biff@hill.edu","tannen@hill.edu"],"phoneNumbers":["1","2"],"secondaryContactIds":[5,6,7]}}
    {"email":"goldie@hill.edu","phoneNumber":null}
      200 OK {"contact":{"primaryContactId":9,"emails":["goldie@hill.edu"],"phoneNumbers":[],"secondaryContactIds":[]}}
    {"phoneNumber":5,"email":"clara@hill.edu"}
      200 OK {"contact":{"primaryContactId":13,"emails":["clara@hill.edu"],"phoneNumbers":["5"],"secondaryContactIds":[]}}
    {"phoneNumber":"14","email":"new@hill.edu"}
      200 OK {"contact":{"primaryContactId":24,"emails":["future@hill.edu","new@hill.edu"],"phoneNumbers":["14"],"secondaryContactIds":[25]}}
    {"phoneNumber":"4"}
      200 OK {"contact":{"primaryContactId":26,"emails":[],"phoneNumbers":["4"],"secondaryContactIds":[]}}
    {}
      400 Bad Request {"type":"urn:selfsame:problem:nothing_to_identify","title":"Bad Request","status":400,"detail":"There is no `email` and no `phoneNumber` that isn't blank; send at least one of them.","code":"nothing_to_identify"
    "#);
    let written = r#"SELECT id, email, "phoneNumber", "linkedId", "linkPrecedence" FROM "Contact" WHERE id > 24 ORDER BY id"#;
    insta::assert_snapshot!(original.query(written).await, @r"
    25 new@hill.edu 14 24 secondary
    26 - 4 - primary
    ");

    let forgotten = original.connect().await;
    for statement in [
        r#"INSERT INTO "Contact" (email, "linkPrecedence", "updatedAt") VALUES ('x@y.z', 'primary', now())"#,
        r#"UPDATE "Contact" SET "linkPrecedence" = 'secondary' WHERE id = 1"#,
        r#"DELETE FROM "Contact" WHERE id = 1"#,
    ] {
        let error = forgotten.batch_execute(statement).await.unwrap_err();
        let message = error.as_db_error().unwrap().message().to_owned();
        assert!(message.contains("view \"Contact\""), "{statement}: {message}");
    }
    insta::assert_snapshot!(original.output(&["check"]), @"checked 26 events, 26 contacts, 17 identities, 31 identifiers: all laws hold");
}

#[tokio::test]
async fn a_clean_database_keeps_every_row_as_it_was() {
    let original = Original::with(CLEAN).await;
    let rows = original.query("TABLE \"Contact\" ORDER BY id").await;
    insta::assert_snapshot!(original.output(&["adopt", "--apply"]), @r#"
    found in "public"."Contact"
               3  rows
               3  of them live
               0  of them deleted
               2  identities, as the original counts: live rows marked primary
               0  chains: rows whose linkedId names a row that itself links on
               0  orphans: rows whose linkedId names no row
               0  rows whose linkedId names themselves
               0  rows whose linkPrecedence contradicts their linkedId
               0  duplicate primaries: primaries of a person who has an older one
               0  empty contacts: rows with neither an e-mail nor a phone
               0  equal values in two or more identities
               0  values that canonicalise: spelt in another way from then on
               0  blank values: none from then on
               0  values that would be refused today: kept in the log, they own nothing
               0  rows with such a value
               0  rows dated in the future: new customers would be dated after them
               0  rows with an id below 1, with which the table can't be adopted
    done
               2  identities
               0  identities gather two or more of the original's
               0  rows are set apart: linked, though no value connects them, as a null links strangers (--trust-links keeps them)
               0  rows stay with the row that they link to though no value connects them: a merge's only trace
               0  rows link elsewhere than before
               0  primaries become secondary
               0  secondaries become primary
               0  rows change in what the original shows of them, and their updatedAt with it
               3  events `adopted` open the log, one for each row
                  the table is kept as "public"."Contact_before_selfsame", and the view "Contact" takes its place
    "#);
    assert_eq!(original.query("TABLE \"Contact\" ORDER BY id").await, rows);
    insta::assert_snapshot!(original.output(&["check"]), @"checked 3 events, 3 contacts, 2 identities, 5 identifiers: all laws hold");
}

#[tokio::test]
async fn an_empty_table_is_adopted_too_and_only_once() {
    let original = Original::with("").await;
    let (code, _, error) = original.run(&["serve", "--port", "0"]);
    assert!(code == Some(2) && error.contains("selfsame adopt"), "{error}");
    original.output(&["adopt", "--apply"]);
    insta::assert_snapshot!(original.output(&["check"]), @"checked 0 events, 0 contacts, 0 identities, 0 identifiers: all laws hold");
    let (code, _, error) = original.run(&["adopt", "--apply"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(error, @r#"
    error: there is no table "Contact" of the original service to adopt
    hint: check DATABASE_URL; `?schema=NAME` at its end names the schema if it isn't the first of the search path
    "#);
    let _server = ServerProcess::spawn(original.command(&["serve", "--port", "0"])).unwrap();
}

#[tokio::test]
async fn going_back_is_one_rename_and_the_original_goes_on() {
    let original = Original::with(FAULTY).await;
    let before = original.query("TABLE \"Contact\" ORDER BY id").await;
    original.output(&["adopt", "--apply"]);
    original
        .execute(r#"DROP VIEW "Contact"; ALTER TABLE "Contact_before_selfsame" RENAME TO "Contact""#)
        .await;
    assert_eq!(original.query("TABLE \"Contact\" ORDER BY id").await, before);
    let insert = r#"INSERT INTO "Contact" (email, "linkPrecedence", "updatedAt") VALUES ('x@y.z', 'primary', now())
        RETURNING id"#;
    assert_eq!(original.query(insert).await, "25\n", "the sequence goes on");
    let (code, output, _) = original.run(&["check"]);
    assert_eq!(code, Some(1), "selfsame does not take the table for its view");
    insta::assert_snapshot!(output, @r#"
    fault: the storage engine finds: a table "Contact" stands in schema public where the view should be; its rows are in no log
    checked 24 events, 24 contacts, 16 identities, 29 identifiers: 1 fault, 1 listed
    "#);
    let (code, _, error) = original.run(&["adopt", "--apply"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(error, @r"
    error: selfsame has customers of its own in this database already, and adopts only into an empty one
    hint: adopt into a copy of the original's database; or, if you went back to the original since, let `DROP SCHEMA selfsame CASCADE` forget what selfsame knows
    ");
}

#[tokio::test]
async fn check_names_what_no_event_explains() {
    let original = Original::with(CLEAN).await;
    original.output(&["adopt", "--apply"]);
    let mut faults = String::new();
    for (by_hand, undo) in [
        (
            "INSERT INTO selfsame.contacts (workspace, id, email, created_at_ms, updated_at_ms)
                VALUES (1, 7, 'x@y.z', 1, 1)",
            "DELETE FROM selfsame.contacts WHERE id = 7",
        ),
        (
            "UPDATE selfsame.contacts SET email = 'x@y.z' WHERE id = 3",
            "UPDATE selfsame.contacts SET email = 'doc@hill.edu' WHERE id = 3",
        ),
        (
            "UPDATE selfsame.contacts SET deleted_at_ms = 1 WHERE id = 2",
            "UPDATE selfsame.contacts SET deleted_at_ms = NULL WHERE id = 2",
        ),
        (
            "DROP VIEW \"Contact\"; CREATE TABLE \"Contact\" (LIKE \"Contact_before_selfsame\")",
            "DROP TABLE \"Contact\"; CREATE VIEW \"Contact\" AS SELECT * FROM selfsame.\"Contact\"",
        ),
    ] {
        original.execute(by_hand).await;
        let (code, output, error) = original.run(&["check"]);
        assert_eq!((code, error.as_str()), (Some(1), ""), "{by_hand}: {output}");
        faults += &output;
        original.execute(undo).await;
        assert!(original.output(&["check"]).ends_with("all laws hold\n"), "{undo}");
    }
    insta::assert_snapshot!(faults, @r#"
    fault: contact 7 is not what the log adds up to: no event made it
    fault: contact 7 bears an identifier that nobody owns
    checked 3 events, 4 contacts, 3 identities, 5 identifiers: 2 faults, 2 listed
    fault: contact 3 is not what the log adds up to: the log has other identifiers
    fault: contact 3 bears an identifier that nobody owns
    checked 3 events, 3 contacts, 2 identities, 5 identifiers: 2 faults, 2 listed
    fault: contact 2 is not what the log adds up to: the log has another `deletedAt`
    fault: an identifier is owned by contact 2, which is no live contact
    checked 3 events, 3 contacts, 2 identities, 5 identifiers: 2 faults, 2 listed
    fault: the storage engine finds: a table "Contact" stands in schema public where the view should be; its rows are in no log
    checked 3 events, 3 contacts, 2 identities, 5 identifiers: 1 fault, 1 listed
    "#);
}

#[tokio::test]
async fn sqlite_is_no_original_and_contradicting_flags_are_refused() {
    let original = Original::with(CLEAN).await;
    let sqlite = support::original_database::told(&support::process::run(original.folder(), &["adopt"]));
    assert_eq!(sqlite.0, Some(2));
    insta::assert_snapshot!(sqlite.2, @r"
    error: sqlite:selfsame.db is no PostgreSQL database, and the original's data is in one
    hint: set DATABASE_URL to the original's, postgresql://…
    ");
    let mut both: Command = original.command(&["adopt", "--apply", "--dry-run"]);
    let both = support::original_database::told(&both.output().unwrap());
    assert_eq!(both.0, Some(2), "{}", both.2);
}
