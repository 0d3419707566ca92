//! Every statement that the PostgreSQL store can send stays within what distributed databases also run: DESIGN's
//! list, a rule for each line of it.

use std::path::Path;

use selfsame_store_postgres::{citus_statements, statements};
use support::sql::portable::{RULES, refused};
use support::sql::{self, normalised};

/// What the list forbids and is sent all the same: the statement's name, the rules, and why.
const EXCEPTIONS: [(&str, &[&str], &str); 10] = [
    (
        "schema version",
        &["stranger"],
        "refinery's own table, which is not distributed: a row for each migration",
    ),
    ("count the original's rows", &["stranger"], "adoption, by hand and once: the original's table"),
    ("read the original's table", &["stranger"], "adoption, by hand and once: the original's table"),
    (
        "lock the original's table",
        &["engine"],
        "adoption, by hand and once, and before tables are distributed",
    ),
    (
        "keep the original's table",
        &["engine"],
        "adoption, by hand and once, and before tables are distributed",
    ),
    ("analyze", &["workspace", "engine"], "statistics after adoption; where they fail it is a warning"),
    (
        "access",
        &["workspace"],
        "who may do what anywhere: a key is looked for before anybody knows whose it is. Two small tables, joined by \
         workspace; what has to be right to a snapshot of it is read under the default workspace's lock",
    ),
    (
        "webhooks",
        &["workspace"],
        "a replica looks for endpoints of any workspace that nobody delivers to: a small table, and who gets one is decided \
         by its row alone",
    ),
    ("unfit rows", &["stranger"], "the original's table, read before it is taken over"),
    ("citus", &["engine"], "sent by `migrate --citus`, to Citus only"),
];

/// What migrations do all the same, once: their file, the rules, and why.
const MIGRATING: [(&str, &[&str], &str); 1] = [(
    "V4__history.sql",
    &["workspace", "new rows"],
    "what the log says of rows that are there already, of all workspaces: each row's from events of its own",
)];

/// What the rules say of a text of statements, each rule once.
fn judged(text: &str) -> Vec<&'static str> {
    let mut names: Vec<_> = sql::statements(text).iter().flat_map(|statement| refused(statement)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn every_statement_keeps_to_the_list_or_is_an_exception_with_a_reason() {
    let mut all = statements();
    all.extend(citus_statements().into_iter().map(|statement| ("citus", statement)));
    let mut used = Vec::new();
    for (name, text) in &all {
        let mut names = judged(text);
        if let Some((exception, rules, _)) = EXCEPTIONS.iter().find(|(exception, _, _)| exception == name) {
            used.push(*exception);
            for rule in *rules {
                assert!(names.contains(rule), "`{name}` needs no exception from `{rule}`");
            }
            names.retain(|rule| !rules.contains(rule));
        }
        assert_eq!(names, [""; 0], "{name}: {text}");
    }
    let unused: Vec<_> = EXCEPTIONS.iter().filter(|(name, _, _)| !used.contains(name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn every_migration_keeps_to_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store-postgres/migrations");
    let (mut seen, mut used) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let exempt: Vec<&str> = MIGRATING
            .iter()
            .filter(|(file, ..)| path.ends_with(file))
            .flat_map(|(_, rules, _)| *rules)
            .copied()
            .collect();
        for statement in sql::statements(&text) {
            seen += 1;
            let mut names = refused(&statement);
            used.extend(names.iter().filter(|name| exempt.contains(name)).copied());
            names.retain(|name| !exempt.contains(name));
            assert_eq!(names, [""; 0], "{}: {statement:?}", path.display());
            if let [create, table, schema, _, name, ..] = &statement[..]
                && create.is("create")
                && table.is("table")
                && schema.is("selfsame")
            {
                let own = format!("'selfsame.{}', 'workspace'", name.word());
                assert!(citus_statements().iter().any(|text| text.contains(&own)), "Citus lacks {own}");
            }
        }
    }
    assert!(seen >= 8, "the migrations are found");
    for (file, rules, _) in MIGRATING {
        assert!(rules.iter().all(|rule| used.contains(rule)), "{file} needs no exception: {used:?}");
    }
}

/// What each rule must refuse, by that rule alone or with others.
const PLANTED: [(&str, &str); 62] = [
    ("advisory lock", "SELECT pg_advisory_xact_lock(1)"),
    ("advisory lock", "SELECT pg_try_advisory_lock($1)"),
    ("notify", "NOTIFY changes"),
    ("notify", "listen changes"),
    ("notify", "UNLISTEN *"),
    ("notify", "SELECT pg_notify('changes', '')"),
    ("trigger", "CREATE TRIGGER t AFTER INSERT ON selfsame.contacts EXECUTE PROCEDURE f()"),
    ("procedure", "DO $$ BEGIN END $$"),
    ("procedure", "CREATE OR REPLACE FUNCTION f() RETURNS INT LANGUAGE sql AS 'SELECT 1'"),
    ("procedure", "CALL f()"),
    ("deferrable", "CREATE TABLE t (workspace BIGINT PRIMARY KEY DEFERRABLE)"),
    ("deferrable", "SET CONSTRAINTS ALL DEFERRED"),
    ("serializable", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
    ("serializable", "SET default_transaction_isolation = 'serializable'"),
    ("key", "CREATE TABLE t (id BIGINT PRIMARY KEY, workspace BIGINT)"),
    ("key", "CREATE TABLE t (workspace BIGINT, id BIGINT, PRIMARY KEY (id, workspace))"),
    ("key", "CREATE TABLE t (workspace BIGINT, email TEXT UNIQUE)"),
    ("key", "CREATE TABLE t (workspace BIGINT, email TEXT, UNIQUE (email))"),
    ("key", "CREATE INDEX i ON selfsame.contacts (email)"),
    ("key", "CREATE UNIQUE INDEX i ON selfsame.contacts (lower(email), workspace)"),
    ("key", "ALTER TABLE selfsame.contacts ADD UNIQUE (id)"),
    ("foreign key", "CREATE TABLE t (workspace BIGINT PRIMARY KEY REFERENCES selfsame.workspaces)"),
    ("foreign key", "ALTER TABLE t ADD FOREIGN KEY (workspace) REFERENCES u (workspace)"),
    ("sequence", "CREATE TABLE t (workspace BIGINT, id BIGSERIAL)"),
    ("sequence", "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY)"),
    ("sequence", "CREATE SEQUENCE ids"),
    ("sequence", "SELECT nextval('ids')"),
    ("workspace changed", "UPDATE selfsame.contacts SET email = '', workspace = 2 WHERE workspace = $1"),
    ("workspace changed", "UPDATE selfsame.contacts SET (id, workspace) = (1, 2) WHERE workspace = $1"),
    (
        "workspace changed",
        "INSERT INTO selfsame.contacts (workspace) VALUES ($1) ON CONFLICT (workspace) DO UPDATE SET workspace = 2",
    ),
    ("workspace", "SELECT id FROM selfsame.contacts"),
    ("workspace", "SELECT id FROM selfsame.contacts WHERE workspace = $2"),
    ("workspace", "SELECT id FROM selfsame.contacts WHERE workspace = $1 OR true"),
    ("workspace", "SELECT id FROM selfsame.contacts WHERE NOT workspace = $1"),
    ("workspace", "SELECT id FROM selfsame.contacts WHERE workspace > $1"),
    ("workspace", "DELETE FROM selfsame.contacts WHERE id = $1"),
    (
        "workspace",
        "UPDATE selfsame.contacts SET email = $2 FROM unnest($3::int[]) AS m (id) WHERE contacts.id = m.id",
    ),
    (
        "workspace",
        "SELECT 1 FROM selfsame.contacts JOIN selfsame.identifiers ON identifiers.contact_id = contacts.id WHERE contacts.workspace = $1",
    ),
    (
        "workspace",
        "SELECT 1 FROM selfsame.contacts AS a LEFT JOIN selfsame.contacts AS b ON a.workspace = $1 AND b.workspace = $1",
    ),
    (
        "workspace",
        "SELECT (SELECT count(*) FROM selfsame.events) FROM selfsame.contacts WHERE workspace = $1",
    ),
    (
        "workspace",
        "SELECT id FROM selfsame.contacts WHERE workspace = $1 UNION ALL SELECT sequence FROM selfsame.events",
    ),
    ("workspace", "CREATE VIEW v AS SELECT id FROM selfsame.contacts"),
    ("new rows", "INSERT INTO selfsame.contacts (id, workspace) VALUES ($2, $1)"),
    ("new rows", "INSERT INTO selfsame.contacts (workspace, id) SELECT $2, $1"),
    ("new rows", "COPY selfsame.contacts FROM STDIN"),
    ("stranger", "SELECT id FROM contacts WHERE workspace = $1"),
    ("stranger", "SELECT id FROM selfsame.a_table_that_no_rule_knows"),
    ("stranger", "SELECT id FROM public.\"Contact\""),
    ("arbiter", "INSERT INTO selfsame.contacts (workspace) VALUES ($1) ON CONFLICT DO NOTHING"),
    ("arbiter", "INSERT INTO selfsame.contacts (workspace) VALUES ($1) ON CONFLICT (id) DO NOTHING"),
    (
        "arbiter",
        "INSERT INTO selfsame.contacts (workspace) VALUES ($1) ON CONFLICT ON CONSTRAINT c DO NOTHING",
    ),
    (
        "function in SET",
        "INSERT INTO selfsame.workspaces (workspace) VALUES ($1) ON CONFLICT (workspace) DO UPDATE SET at = now()",
    ),
    ("returning", "INSERT INTO selfsame.contacts (workspace, email) SELECT $1, 'e' RETURNING email"),
    ("row lock", "SELECT id FROM selfsame.contacts WHERE workspace = $1 FOR UPDATE"),
    ("row lock", "SELECT workspace FROM selfsame.workspaces WHERE workspace = $1 FOR SHARE"),
    ("row lock", "SELECT workspace FROM selfsame.workspaces WHERE workspace = $1 FOR UPDATE SKIP LOCKED"),
    ("row lock", "SELECT workspace FROM selfsame.workspaces WHERE workspace = $1 AND name = $2 FOR UPDATE"),
    ("workspace", "SELECT id FROM selfsame.keys WHERE id = $1"),
    ("returning", "INSERT INTO selfsame.keys (workspace, id) SELECT $1, 'k' RETURNING name"),
    ("engine", "ALTER TABLE selfsame.contacts ADD COLUMN at BIGINT, DROP COLUMN email"),
    ("engine", "ALTER TABLE selfsame.contacts ADD COLUMN at BIGINT DEFAULT now()"),
    ("division", "SELECT at_ms / 1000 FROM selfsame.events WHERE workspace = $1"),
];

/// What looks like something forbidden and is not.
const NEAR_MISSES: [&str; 19] = [
    "SELECT 'pg_advisory_lock(1); NOTIFY x; a / b' AS told -- a trigger / DEFERRABLE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "CREATE TABLE selfsame.t (workspace BIGINT NOT NULL PRIMARY KEY, sequence BIGINT, id BIGINT)",
    "CREATE TABLE selfsame.t (a NUMERIC(4, 2), workspace BIGINT, PRIMARY KEY (workspace, a), UNIQUE (workspace))",
    "CREATE UNIQUE INDEX i ON selfsame.contacts (workspace, id) WHERE linked_id IS NOT NULL",
    "UPDATE selfsame.contacts SET email = $2 WHERE workspace = $1 AND id = 3",
    "UPDATE selfsame.workspaces SET name = coalesce($2, name) WHERE workspace = $1",
    "SELECT a.id FROM selfsame.contacts AS a JOIN selfsame.identifiers AS b ON b.workspace = a.workspace WHERE a.workspace = $1",
    "SELECT 1 FROM selfsame.contacts AS a JOIN selfsame.events AS b ON a.workspace = $1 AND b.workspace = $1",
    "SELECT 1 FROM selfsame.contacts AS a LEFT JOIN selfsame.events AS b ON b.workspace = $1 WHERE a.workspace = $1",
    "DELETE FROM selfsame.identifiers WHERE workspace = $1 AND (kind = $2 OR kind = $3)",
    "INSERT INTO selfsame.contacts (workspace, id) VALUES ($1, 2) ON CONFLICT (workspace, id) DO UPDATE SET email = excluded.email",
    "INSERT INTO selfsame.contacts (workspace, id) SELECT $1, 2 RETURNING id, email",
    "SELECT workspace FROM selfsame.workspaces WHERE workspace = $1 FOR UPDATE",
    "SELECT workspace FROM selfsame.workspaces WHERE workspace = $1 AND erased_at_ms IS NULL FOR UPDATE",
    "ALTER TABLE selfsame.contacts ADD COLUMN at BIGINT NOT NULL DEFAULT 0, ADD COLUMN note TEXT",
    "COPY selfsame.events (workspace, sequence) FROM STDIN BINARY",
    "WITH some AS (SELECT id FROM selfsame.contacts WHERE workspace = $1) SELECT id FROM some",
    "SELECT extract(epoch FROM at) FROM unnest($2::timestamp[]) AS t (at) WHERE at IS DISTINCT FROM $3",
];

#[test]
fn each_rule_refuses_what_the_list_forbids_and_accepts_what_only_looks_like_it() {
    for (rule, statement) in PLANTED {
        assert!(judged(statement).contains(&rule), "{rule}: {statement}: {:?}", judged(statement));
    }
    for (rule, _) in RULES {
        assert!(PLANTED.iter().any(|(planted, _)| *planted == rule), "nothing is planted for `{rule}`");
    }
    for statement in NEAR_MISSES {
        assert_eq!(judged(statement), [""; 0], "{statement}");
    }
}

#[test]
fn no_statement_is_written_elsewhere_than_in_the_list() {
    const VERBS: [&str; 20] = [
        "ALTER", "ANALYZE", "BEGIN", "COMMIT", "COPY", "CREATE", "DELETE", "DO", "DROP", "GRANT", "INSERT",
        "LISTEN", "LOCK", "NOTIFY", "ROLLBACK", "SELECT", "SET", "TRUNCATE", "UPDATE", "WITH",
    ];
    let begins = |line: &str| {
        line.split('"').skip(1).any(|text| {
            let word = text.trim_start().split(|c: char| !c.is_alphanumeric()).next();
            word.is_some_and(|word| VERBS.contains(&word))
        })
    };
    // The check could fail.
    assert!(begins("client.batch_execute(\"SET LOCAL a = 1\")") && !begins("\"select\", \"SETTINGS\""));
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store-postgres/src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("src/statements.rs") || path.ends_with("src/statements") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                assert!(!begins(line), "{}: {}", path.display(), normalised(line));
            }
        }
    }
    assert!(seen > 20, "the files are found");
}
