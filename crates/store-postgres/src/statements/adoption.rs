//! The statements with which the original's table is taken over. Each names the table's schema, whatever that is.

use std::time::Duration;

use super::quoted;

/// What the original's table is called from then on.
pub(crate) const KEPT_AS: &str = "Contact_before_selfsame";

/// Begins a look at the original's table: one snapshot, and no change.
pub(crate) const BEGIN_LOOK: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Begins the takeover. A server that still writes holds it up, and ends it after a while. The limits that a host sets
/// on statements are for a web server's; the rows are written in one statement a table, and decided on in between.
pub(crate) fn begin_takeover(lock_timeout: Duration) -> String {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{}ms'; \
         SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
        lock_timeout.as_millis()
    )
}

/// Follows [`begin_takeover`] where the server's default is to answer before a commit is durable.
pub(crate) const DURABLY: &str = "SET LOCAL synchronous_commit = 'on'";

/// How many rows the table has; a progress bar wants to know.
pub(crate) fn count(schema: &str) -> String {
    format!("SELECT count(*) AS rows FROM {}.\"Contact\"", quoted(schema))
}

/// Keeps everybody else away from the table until the transaction ends.
pub(crate) fn lock_table(schema: &str) -> String {
    format!("LOCK TABLE {}.\"Contact\" IN ACCESS EXCLUSIVE MODE", quoted(schema))
}

/// Rows that selfsame, or whoever reads its view, has no room for: how many, and the first of them. Ids of the view
/// are as wide as the original's; times are those of a calendar that everybody writes alike.
pub(crate) fn unfit(schema: &str) -> String {
    let time =
        |column: &str| format!("\"{column}\" NOT BETWEEN TIMESTAMP '0001-01-02' AND TIMESTAMP '9999-12-30'");
    let times = ["createdAt", "updatedAt", "deletedAt"].map(time).join(" OR ") + " OR \"createdAt\" IS NULL";
    format!(
        "SELECT count(*) FILTER (WHERE {times}) AS times, CAST(min(\"id\") FILTER (WHERE {times}) AS BIGINT) AS time,
        count(*) FILTER (WHERE \"id\" > 2147483647) AS ids,
        CAST(min(\"id\") FILTER (WHERE \"id\" > 2147483647) AS BIGINT) AS id,
        count(*) FILTER (WHERE \"id\" < 1) AS low_ids, CAST(min(\"id\") FILTER (WHERE \"id\" < 1) AS BIGINT) AS low_id
    FROM {}.\"Contact\"",
        quoted(schema)
    )
}

/// The whole table, its times as Unix milliseconds.
pub(crate) fn read_table(schema: &str) -> String {
    format!(
        "SELECT CAST(\"id\" AS BIGINT) AS id, CAST(\"phoneNumber\" AS TEXT) AS phone, CAST(\"email\" AS TEXT) AS email,
        CAST(\"linkedId\" AS BIGINT) AS linked_id, coalesce(CAST(\"linkPrecedence\" AS TEXT), '') AS precedence,
        CAST(round(extract(epoch FROM \"createdAt\") * 1000) AS BIGINT) AS created_at_ms,
        CAST(round(extract(epoch FROM coalesce(\"updatedAt\", \"createdAt\")) * 1000) AS BIGINT) AS updated_at_ms,
        CAST(round(extract(epoch FROM \"deletedAt\") * 1000) AS BIGINT) AS deleted_at_ms
    FROM {}.\"Contact\"",
        quoted(schema)
    )
}

/// The views over the table ($1 schema) and the foreign keys to it: they go on with the table that is kept.
pub(crate) const DEPENDENTS: &str = "SELECT DISTINCT 'the view ' || view_schema || '.' || view_name AS name
    FROM information_schema.view_table_usage WHERE table_schema = $1 AND table_name = 'Contact'
    UNION
    SELECT 'a foreign key of ' || referencing.relname
    FROM pg_constraint
    JOIN pg_class AS referencing ON referencing.oid = pg_constraint.conrelid
    JOIN pg_class AS referenced ON referenced.oid = pg_constraint.confrelid
    JOIN pg_namespace ON pg_namespace.oid = referenced.relnamespace
    WHERE pg_constraint.contype = 'f' AND pg_namespace.nspname = $1 AND referenced.relname = 'Contact'
        AND referencing.oid <> referenced.oid
    ORDER BY name";

/// Whether the name under which the table is to be kept is free in its schema ($1), given that name ($2).
pub(crate) const NAME_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
        WHERE nspname = $1 AND relname = $2) AS taken";

/// Who may read the table ($1 schema), its owner too, beside the role that adopts: they may read the view, too.
pub(crate) const READERS: &str =
    "SELECT DISTINCT grantee::text AS grantee FROM information_schema.table_privileges
    WHERE table_schema = $1 AND table_name = 'Contact' AND privilege_type = 'SELECT' AND grantee <> current_user";

/// Gives the table its new name, under which its indexes and its sequence stay as they are.
pub(crate) fn keep_table(schema: &str) -> String {
    format!("ALTER TABLE {}.\"Contact\" RENAME TO {}", quoted(schema), quoted(KEPT_AS))
}

/// Lets a reader of the table read the view that stands in its place.
pub(crate) fn grant_view(schema: &str, reader: &str) -> String {
    let reader = if reader == "PUBLIC" { reader.to_owned() } else { quoted(reader) };
    format!("GRANT SELECT ON {}.\"Contact\" TO {reader}", quoted(schema))
}

/// Statistics, without which the planner takes the tables for empty for a while.
pub(crate) const ANALYZE: [&str; 3] =
    ["ANALYZE selfsame.contacts", "ANALYZE selfsame.identifiers", "ANALYZE selfsame.events"];

/// The name, and the text for the schema `public`, of each statement here.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("begin look", BEGIN_LOOK.to_owned()),
        ("begin takeover", begin_takeover(Duration::from_secs(10))),
        ("durably", DURABLY.to_owned()),
        ("count the original's rows", count("public")),
        ("lock the original's table", lock_table("public")),
        ("unfit rows", unfit("public")),
        ("read the original's table", read_table("public")),
        ("dependents", DEPENDENTS.to_owned()),
        ("name taken", NAME_TAKEN.to_owned()),
        ("readers", READERS.to_owned()),
        ("keep the original's table", keep_table("public")),
        ("grant the view", grant_view("public", "reader")),
    ];
    all.extend(ANALYZE.map(|text| ("analyze", text.to_owned())));
    all
}
