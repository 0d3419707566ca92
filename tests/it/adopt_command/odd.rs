//! Tables that are not quite as the original makes them, and what stands beside them in a company's database.

use support::original_database::{Original, TABLE, insert};
use support::process::ServerProcess;

const ROWS: &str = "
    1 lorraine@hill.edu 1 - primary 1 1 -
    2 mcfly@hill.edu    1 1 secondary 2 2 -
";

#[tokio::test]
async fn who_read_the_table_reads_the_view_and_what_hangs_on_the_table_is_told() {
    let original = Original::with(ROWS).await;
    original
        .execute(
            "CREATE ROLE shop; CREATE ROLE \"re-porter\"; CREATE ROLE stranger;
            ALTER TABLE \"Contact\" OWNER TO shop;
            GRANT SELECT, INSERT ON \"Contact\" TO \"re-porter\";
            CREATE TABLE orders (contact INTEGER REFERENCES \"Contact\" (id));
            CREATE VIEW primaries AS SELECT id FROM \"Contact\" WHERE \"linkPrecedence\" = 'primary'",
        )
        .await;
    let report = original.output(&["adopt", "--apply"]);
    let told: Vec<&str> =
        report.lines().filter(|line| line.contains("goes on with")).map(str::trim).collect();
    assert_eq!(
        told,
        [
            "a foreign key of orders goes on with the kept table, not with the view",
            "the view public.primaries goes on with the kept table, not with the view"
        ]
    );
    for (role, reads) in [("shop", true), ("re-porter", true), ("stranger", false)] {
        let client = original.connect().await;
        client.batch_execute(&format!("SET ROLE \"{role}\"")).await.unwrap();
        assert_eq!(client.batch_execute("TABLE \"Contact\"").await.is_ok(), reads, "{role}");
        assert!(client.batch_execute("DELETE FROM \"Contact\"").await.is_err(), "{role}");
    }
}

#[tokio::test]
async fn the_schema_that_prisma_s_url_names_is_the_one_adopted() {
    let mut original = Original::without_table();
    original
        .execute(&format!(
            "CREATE SCHEMA \"crm two\"; SET search_path TO \"crm two\"; {TABLE}{}",
            insert(ROWS)
        ))
        .await;
    let elsewhere = original.run(&["adopt"]);
    assert_eq!(elsewhere.0, Some(2));
    insta::assert_snapshot!(elsewhere.2, @r#"
    error: there is no table "Contact" of the original service to adopt
    hint: check DATABASE_URL; `?schema=NAME` at its end names the schema if it isn't the first of the search path
    "#);
    original.url += "?schema=crm%20two";
    let report = original.output(&["adopt", "--apply"]);
    assert!(report.starts_with("found in \"crm two\".\"Contact\"\n"), "{report}");
    assert_eq!(original.query("SELECT count(*) FROM \"crm two\".\"Contact\"").await, "2\n");
    assert_eq!(original.query("SELECT count(*) FROM \"crm two\".\"Contact_before_selfsame\"").await, "2\n");
    assert!(original.output(&["check"]).ends_with("all laws hold\n"));
    let _server = ServerProcess::spawn(original.command(&["serve", "--port", "0"])).unwrap();
}

#[tokio::test]
async fn somebody_else_s_table_of_that_name_is_left_alone() {
    let original = Original::without_table();
    original.execute("CREATE TABLE \"Contact\" (id INTEGER, email TEXT, street TEXT)").await;
    let (code, _, error) = original.run(&["adopt", "--apply"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(error, @r#"
    error: there is no table "Contact" of the original service to adopt
    hint: check DATABASE_URL; `?schema=NAME` at its end names the schema if it isn't the first of the search path
    "#);
    let mut server = ServerProcess::spawn(original.command(&["serve", "--port", "0"])).unwrap();
    server.terminate();
    assert!(server.said().contains("the table \"Contact\""), "{}", server.said());
    assert!(original.output(&["check"]).ends_with("all laws hold\n"));
}

/// Each alone in a table whose columns are as wide as PostgreSQL has them: what the view shows, or why not.
#[tokio::test]
async fn odd_rows_are_adopted_or_refused_in_a_sentence() {
    let mut original = Original::without_table();
    let mut told = String::new();
    for (number, (what, values)) in [
        ("ids far apart", "(1, '1', 'a@b.c', NULL, 'primary', 'epoch', 'epoch', NULL, 7), (2000000000, '1', 'b@b.c', 1, 'secondary', '2001-01-01Z', '2001-01-01Z', NULL, 7)"),
        ("before 1970", "(1, '1', NULL, NULL, 'primary', '1969-07-20 20:17:40.5Z', '1969-07-20 20:17:40.5Z', '1969-07-21Z', 7)"),
        ("less than a millisecond", "(1, '1', NULL, NULL, 'primary', '2026-01-01 00:00:00.000400Z', '2026-01-01 00:00:00.000499Z', NULL, 7)"),
        ("a very long text", "(1, repeat('1', 100000), repeat('a', 100000) || '@b.c', NULL, repeat('p', 100000), '2026-01-01Z', '2026-01-01Z', NULL, 7)"),
        ("a time without end", "(1, '1', NULL, NULL, 'primary', 'infinity', '2026-01-01Z', NULL, 7)"),
        ("a time after the year 9999", "(1, '1', NULL, NULL, 'primary', '12026-01-01Z', '12026-01-01Z', NULL, 7)"),
        ("an id of 0", "(0, '1', NULL, NULL, 'primary', '2026-01-01Z', '2026-01-01Z', NULL, 7)"),
        ("an id below it", "(-5, '1', NULL, NULL, 'primary', '2026-01-01Z', '2026-01-01Z', NULL, 7)"),
        ("an id beyond 31 bits", "(3000000000, '1', NULL, NULL, 'primary', '2026-01-01Z', '2026-01-01Z', NULL, 7)"),
    ]
    .into_iter()
    .enumerate()
    {
        let database = format!("odd{number}");
        original.url = original.cluster.create_database(&database).await;
        let table = format!(
            r#"CREATE TABLE "Contact" (id BIGINT PRIMARY KEY, "phoneNumber" VARCHAR, email VARCHAR, "linkedId" BIGINT,
                "linkPrecedence" VARCHAR NOT NULL, "createdAt" TIMESTAMPTZ(6) NOT NULL, "updatedAt" TIMESTAMPTZ(6) NOT NULL,
                "deletedAt" TIMESTAMPTZ(6), shop INTEGER); SET timezone = 'Asia/Tokyo'; INSERT INTO "Contact" VALUES {values}"#
        );
        original.cluster.execute(&database, &table).await;
        let (code, _, error) = original.run(&["adopt", "--apply"]);
        told += &format!("{what}: {}\n", error.trim_end().replace('\n', "\n    "));
        if code != Some(0) {
            let client = original.cluster.connect(&database).await;
            assert!(client.query("TABLE \"Contact\"", &[]).await.unwrap().len() == 1, "{what}");
            continue;
        }
        let checked = original.output(&["check"]);
        assert!(checked.ends_with("all laws hold\n"), "{what}: {checked}");
        for row in original.output(&["export"]).lines() {
            // It may be the moment of adoption.
            let (before, rest) = row.split_once("\"updatedAt\":\"").unwrap();
            let (_, after) = rest.split_once("Z\",").unwrap();
            told += &format!("    {before}{after}\n");
        }
        let client = original.cluster.connect(&database).await;
        client.query("TABLE \"Contact\"", &[]).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    }
    insta::assert_snapshot!(told, @r#"
    ids far apart: hint: `selfsame check` proves it; `selfsame serve` serves it
        {"id":1,"phoneNumber":"1","email":"a@b.c","linkedId":null,"linkPrecedence":"primary","createdAt":"1970-01-01T00:00:00.000Z","deletedAt":null}
        {"id":2000000000,"phoneNumber":"1","email":"b@b.c","linkedId":1,"linkPrecedence":"secondary","createdAt":"2001-01-01T00:00:00.000Z","deletedAt":null}
    before 1970: hint: `selfsame check` proves it; `selfsame serve` serves it
        {"id":1,"phoneNumber":"1","email":null,"linkedId":null,"linkPrecedence":"primary","createdAt":"1969-07-20T20:17:40.500Z","deletedAt":"1969-07-21T00:00:00.000Z"}
    less than a millisecond: hint: `selfsame check` proves it; `selfsame serve` serves it
        {"id":1,"phoneNumber":"1","email":null,"linkedId":null,"linkPrecedence":"primary","createdAt":"2026-01-01T00:00:00.000Z","deletedAt":null}
    a very long text: hint: `selfsame check` proves it; `selfsame serve` serves it
        {"id":1,"phoneNumber":null,"email":null,"linkedId":null,"linkPrecedence":"primary","createdAt":"2026-01-01T00:00:00.000Z","deletedAt":null}
    a time without end: error: 1 rows have a time that is infinite or outside the years 1 to 9999, or no `createdAt`, and the first of them has id 1
        hint: give them other times first
    a time after the year 9999: error: 1 rows have a time that is infinite or outside the years 1 to 9999, or no `createdAt`, and the first of them has id 1
        hint: give them other times first
    an id of 0: error: 1 rows have an id below 1, and the first of them is 0
        hint: give them ids of their own first
    an id below it: error: 1 rows have an id below 1, and the first of them is -5
        hint: give them ids of their own first
    an id beyond 31 bits: error: 1 rows have an id above 2147483647, and the first of them is 3000000000
        hint: give them ids of their own first
    "#);
}

/// What users saw: a null where Prisma allows none ended the adoption with a word about the connection; an adoption
/// that could not be left a schema behind.
#[tokio::test]
async fn nulls_are_healed_and_a_refused_adoption_leaves_nothing_behind() {
    let original = Original::with(ROWS).await;
    original
        .execute(
            "ALTER TABLE \"Contact\" ALTER \"linkPrecedence\" DROP NOT NULL, ALTER \"updatedAt\" DROP NOT NULL;
            UPDATE \"Contact\" SET \"linkPrecedence\" = NULL, \"updatedAt\" = NULL WHERE id = 2;
            INSERT INTO \"Contact\" (id, \"updatedAt\") VALUES (0, now())",
        )
        .await;
    let before = original.dump().await;
    for arguments in [&["adopt"][..], &["adopt", "--apply"]] {
        let (code, _, error) = original.run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(
            error.starts_with("error: 1 rows have an id below 1, and the first of them is 0\n"),
            "{error}"
        );
    }
    assert_eq!(original.dump().await, before);
    original.execute("DELETE FROM \"Contact\" WHERE id = 0").await;
    original.output(&["adopt", "--apply"]);
    let shown =
        original.query("SELECT id, \"linkedId\", \"linkPrecedence\" FROM \"Contact\" ORDER BY id").await;
    assert_eq!(shown, "1 - primary\n2 1 secondary\n");
    assert!(original.output(&["check"]).ends_with("all laws hold\n"));
}
