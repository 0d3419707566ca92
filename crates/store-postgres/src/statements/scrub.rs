//! The statements of a scrub, which an administrator asks for: PostgreSQL's own maintenance, and reading its files.

use super::quoted;

/// Waits for a lock no longer than that; a rewrite takes as long as it takes.
pub(crate) fn begin_scrub(lock_timeout_ms: u128) -> String {
    format!(
        "SET lock_timeout = '{lock_timeout_ms}ms'; SET statement_timeout = 0; \
         SELECT CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL \
             THEN set_config('transaction_timeout', '0', false) END"
    )
}

/// The number of a transaction that begins after all that was committed until now.
pub(crate) const THIS_TRANSACTION: &str = "SELECT (txid_current() % 4294967296)::text AS number";

/// Those who still see what was before that transaction ($1): PostgreSQL removes nothing that they may read.
pub(crate) const OLDER_THAN: &str = "SELECT count(*) AS held
    FROM (
        SELECT backend_xmin AS oldest FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
            AND (datname IS NULL OR datname = current_database())
        UNION ALL
        SELECT xmin FROM pg_replication_slots
        UNION ALL
        SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()
    ) AS others
    WHERE oldest IS NOT NULL AND age(oldest) >= age($1::text::xid)";

/// Others in this database whose state this role may not see, and so not what they see either.
pub(crate) const UNSEEN: &str = "SELECT count(*) AS unseen FROM pg_stat_activity
    WHERE datname = current_database() AND query = '<insufficient privilege>'";

/// The tables of ours, and what PostgreSQL has gathered of their values.
pub(crate) const SCRUBBED_TABLES: &str =
    "SELECT namespace.nspname::text AS schema, relation.relname::text AS name,
        pg_relation_filenode(relation.oid)::bigint AS file
    FROM pg_class AS relation
    JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    WHERE (namespace.nspname = 'selfsame' AND relation.relkind IN ('r', 'm'))
        OR relation.oid = 'pg_catalog.pg_statistic'::regclass
    ORDER BY namespace.nspname DESC, relation.relname";

/// Writes a table and its indexes anew. What was gathered of its values is gathered anew, too.
pub(crate) fn rewrite(schema: &str, table: &str) -> String {
    // PostgreSQL gathers nothing of its own tables in here.
    let how = if schema == "pg_catalog" { "FULL" } else { "FULL, ANALYZE" };
    format!("VACUUM ({how}) {}.{}", quoted(schema), quoted(table))
}

pub(crate) const CHECKPOINT: &str = "CHECKPOINT";

/// The files of those tables, of their indexes, and of what they keep elsewhere because it is long.
pub(crate) const SCRUBBED_FILES: &str = "WITH tables AS (
        SELECT relation.oid
        FROM pg_class AS relation
        JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
        WHERE (namespace.nspname = 'selfsame' AND relation.relkind IN ('r', 'm'))
            OR relation.oid = 'pg_catalog.pg_statistic'::regclass
    ), stored AS (
        SELECT oid FROM tables
        UNION
        SELECT reltoastrelid FROM pg_class WHERE oid IN (SELECT oid FROM tables) AND reltoastrelid <> 0
    )
    SELECT oid::regclass::text AS name, pg_relation_filepath(oid) AS path
    FROM pg_class
    WHERE oid IN (SELECT oid FROM stored UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM stored))
    ORDER BY 1";

/// How long a file ($1) is; nothing, if there is none.
pub(crate) const FILE_BYTES: &str = "SELECT (pg_stat_file($1, true)).size AS bytes";

/// Bytes of a file ($1) from a place on ($2), so many at most ($3).
pub(crate) const READ_FILE: &str = "SELECT pg_read_binary_file($1, $2, $3, true) AS bytes";

/// The columns of ours that hold text, table by table.
pub(crate) const TEXT_COLUMNS: &str = "SELECT relation.relname::text AS name,
        array_agg(columns.attname::text ORDER BY columns.attnum) AS columns
    FROM pg_class AS relation
    JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    JOIN pg_attribute AS columns ON columns.attrelid = relation.oid
    WHERE namespace.nspname = 'selfsame' AND relation.relkind IN ('r', 'p', 'm')
        AND columns.attnum > 0 AND NOT columns.attisdropped
        AND columns.atttypid IN ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype, 'json'::regtype)
    GROUP BY relation.relname
    ORDER BY relation.relname";

/// All texts of a table, a row at a time.
pub(crate) fn texts_of(table: &str, columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    format!("SELECT concat_ws(E'\\n', {}) AS texts FROM selfsame.{}", columns.join(", "), quoted(table))
}
