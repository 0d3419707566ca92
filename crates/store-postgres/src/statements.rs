//! Every statement that the store sends, in one place, so that a test can hold them to what distributed databases
//! also run (DESIGN, "Stores"). Migrations are beside them in `migrations/`. Not in that list are those of a scrub, which an
//! administrator asks for: they are PostgreSQL's own maintenance.
//!
//! They are sent unnamed, each with the types of its parameters: one round trip, and nothing that a pooler in
//! transaction mode could hand to somebody else. The look-up alone has a name, which says all of its text ([`planned`]).

use std::time::Duration;

pub(crate) mod administration;
pub(crate) mod adoption;
pub(crate) mod answers;
pub(crate) mod bulk;
mod citus;
pub(crate) mod history;
pub(crate) mod imports;
pub(crate) mod planned;
pub(crate) mod scrub;
pub(crate) mod webhooks;

pub(crate) use citus::HAS_CITUS;
pub use citus::citus_statements;

macro_rules! begin_write {
    () => {
        "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SELECT set_config('idle_in_transaction_session_timeout', '10s', true), \
         CASE WHEN current_setting('jit', true) = 'on' THEN set_config('jit', 'off', true) END, \
         CASE WHEN current_setting('enable_hashjoin', true) = 'on' THEN set_config('enable_hashjoin', 'off', true) END, \
         CASE WHEN current_setting('enable_mergejoin', true) = 'on' THEN set_config('enable_mergejoin', 'off', true) END"
    };
}

/// Begins a change. What an impatient or vanished replica leaves behind ends by itself, its lock with it. Nothing of ours
/// is worth compiling first: PostgreSQL believes so once some identities are large, and takes up to a second for it. And
/// nothing is worth reading a whole table for: it believes so of the rows that a large merge moves.
pub(crate) const BEGIN_WRITE: &str = begin_write!();

/// As [`BEGIN_WRITE`], where the server's default is to answer before a commit is durable.
pub(crate) const BEGIN_WRITE_DURABLY: &str =
    concat!(begin_write!(), ", set_config('synchronous_commit', 'on', true)");

/// A change's beginning that waits for the lock no longer than whoever asked: a connection that is given up is not
/// seen by a server that waits, and those who wait there for nobody would use up its connections.
pub(crate) fn begin_write(begin: &str, attempt: Duration) -> String {
    // A little sooner, so that the server's word comes in time.
    format!("{begin}; SET LOCAL lock_timeout = '{}ms'", (attempt * 9 / 10).as_millis().max(1))
}

/// Begins a look-up: what is set in it ends with it, and nothing in it can write. As to compiling, see [`BEGIN_WRITE`].
pub(crate) const BEGIN_LOAD: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; \
     SELECT set_config('jit', 'off', true) WHERE current_setting('jit', true) = 'on'";

/// Begins a scan: all its statements see one snapshot.
pub(crate) const BEGIN_SCAN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";

/// The workspace's row: whoever has it writes, the others wait. What is decided on is loaded after it. Of a workspace
/// that was erased while they waited, they get none.
pub(crate) const LOCK: &str = "SELECT workspace FROM selfsame.workspaces
    WHERE workspace = $1 AND erased_at_ms IS NULL FOR UPDATE";

/// Where the workspace's log stands, and what it counts.
pub(crate) const HEAD: &str =
    "SELECT last_sequence, last_contact_id, last_event_at_ms, contact_count, identity_count
    FROM selfsame.workspaces WHERE workspace = $1 AND erased_at_ms IS NULL";

/// How many events the workspace's log has, whichever schema of ours the database is at.
pub(crate) const LAST_SEQUENCE: &str = "SELECT last_sequence FROM selfsame.workspaces WHERE workspace = $1";

/// Every identity that owns one of the identifiers ($2 kinds, $3 values), whole, and the head: rows of the sorts 0 (the
/// head, its `linked_id` being 1 in a plain workspace), 1 (the owner of an identifier), 2 (the contact that is an owner), 3 (the secondaries of its identity) and 4
/// (the primary of an owner that is none itself).
///
/// Look-ups into indexes are what it costs, so each owner's row is read once, however many of its identifiers were seen,
/// and a primary's is not read again. The limits keep the inner queries what they are, one look into an index for each
/// identifier and each identity, whatever the planner believes about tables that it has no statistics of. It doesn't see
/// how many identifiers there are, either: a plan for any number is as good as one for this number, and can be kept.
pub(crate) const LOAD: &str = "WITH owners AS (
        SELECT seen.place, owner.contact_id
        FROM (SELECT $2::text[] AS kinds, $3::text[] AS texts OFFSET 0) AS sent
        CROSS JOIN LATERAL unnest(sent.kinds, sent.texts) WITH ORDINALITY AS seen (kind, value, place)
        CROSS JOIN LATERAL (
            SELECT contact_id
            FROM selfsame.identifiers
            WHERE workspace = $1 AND kind = seen.kind AND value = seen.value
            LIMIT 1
        ) AS owner
    ), holders AS (
        SELECT contact.id, contact.email, contact.phone, contact.declared, contact.linked_id,
            contact.created_at_ms, contact.updated_at_ms
        FROM (SELECT DISTINCT contact_id FROM owners) AS owner
        CROSS JOIN LATERAL (
            SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms
            FROM selfsame.contacts
            WHERE workspace = $1 AND id = owner.contact_id AND deleted_at_ms IS NULL
            LIMIT 1
        ) AS contact
    )
    SELECT 0 AS sort, last_sequence AS a, last_contact_id AS b,
        NULL::text AS email, NULL::text AS phone, NULL::text AS declared,
        CASE WHEN is_plain THEN 1::bigint ELSE 0::bigint END AS linked_id, last_event_at_ms AS created_at_ms,
        NULL::bigint AS updated_at_ms
    FROM selfsame.workspaces WHERE workspace = $1 AND erased_at_ms IS NULL
    UNION ALL
    SELECT 1, place, contact_id, NULL, NULL, NULL, NULL, NULL, NULL FROM owners
    UNION ALL
    SELECT 2, id, NULL, email, phone, declared, linked_id, created_at_ms, updated_at_ms FROM holders
    UNION ALL
    SELECT 3, contact.id, NULL, contact.email, contact.phone, contact.declared, contact.linked_id,
        contact.created_at_ms, contact.updated_at_ms
    FROM (SELECT DISTINCT coalesce(linked_id, id) AS primary_id FROM holders) AS touched
    CROSS JOIN LATERAL (
        SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms
        FROM selfsame.contacts
        WHERE workspace = $1 AND linked_id = touched.primary_id AND deleted_at_ms IS NULL
        OFFSET 0
    ) AS contact
    UNION ALL
    SELECT 4, contact.id, NULL, contact.email, contact.phone, contact.declared, contact.linked_id,
        contact.created_at_ms, contact.updated_at_ms
    FROM (SELECT DISTINCT linked_id FROM holders WHERE linked_id IS NOT NULL) AS touched
    CROSS JOIN LATERAL (
        SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms
        FROM selfsame.contacts
        WHERE workspace = $1 AND id = touched.linked_id AND deleted_at_ms IS NULL
        LIMIT 1
    ) AS contact";

/// Appends to the log.
pub(crate) const INSERT_EVENTS: &str = "INSERT INTO selfsame.events
        (workspace, sequence, at_ms, kind, format, caused_by, evidence, outcome, origin)
    SELECT $1, sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS event (sequence, at_ms, kind, format, caused_by, evidence, outcome, origin)";

/// Adds new contacts.
pub(crate) const INSERT_CONTACTS: &str = "INSERT INTO selfsame.contacts
        (workspace, id, email, phone, declared, linked_id, created_at_ms, updated_at_ms, deleted_at_ms, event_sequence)
    SELECT $1, id, email, phone, declared, linked_id, created_at_ms, updated_at_ms, deleted_at_ms, event_sequence
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[])
        AS contact (id, email, phone, declared, linked_id, created_at_ms, updated_at_ms, deleted_at_ms,
            event_sequence)";

/// Gives identifiers their owners.
pub(crate) const INSERT_IDENTIFIERS: &str =
    "INSERT INTO selfsame.identifiers (workspace, kind, value, contact_id)
    SELECT $1, kind, value, contact_id
    FROM unnest($2::text[], $3::text[], $4::bigint[]) AS identifier (kind, value, contact_id)";

/// Links former primaries ($2), and whatever linked to them, to their survivors ($3).
///
/// The rows are looked up first, behind a limit: joined directly, the planner may read all
/// secondaries of a workspace that it has no statistics of.
pub(crate) const RELINK: &str = "UPDATE selfsame.contacts
    SET linked_id = moved.survivor, updated_at_ms = moved.at_ms
    FROM (
        SELECT contact.id, former.survivor, former.at_ms
        FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS former (id, survivor, at_ms)
        CROSS JOIN LATERAL (
            SELECT id FROM selfsame.contacts WHERE workspace = $1 AND id = former.id
            UNION ALL
            SELECT id FROM selfsame.contacts WHERE workspace = $1 AND linked_id = former.id
            OFFSET 0
        ) AS contact
    ) AS moved
    WHERE contacts.workspace = $1 AND contacts.id = moved.id";

/// Moves the workspace's counters to where the log now stands, and counts what came and went.
pub(crate) const ADVANCE: &str = "UPDATE selfsame.workspaces
    SET last_sequence = $2, last_event_at_ms = $3, last_contact_id = greatest(last_contact_id, $4::bigint),
        contact_count = contact_count + $5, identity_count = identity_count + $6
    WHERE workspace = $1";

pub(crate) const SCAN_EVENTS: &str =
    "SELECT sequence, at_ms, kind, format, caused_by, evidence, outcome, origin
    FROM selfsame.events WHERE workspace = $1 ORDER BY sequence";

pub(crate) const SCAN_CONTACTS: &str =
    "SELECT id, email, phone, declared, linked_id, created_at_ms, updated_at_ms,
        deleted_at_ms
    FROM selfsame.contacts WHERE workspace = $1 ORDER BY id";

pub(crate) const SCAN_MADE: &str = "SELECT id, event_sequence FROM selfsame.contacts WHERE workspace = $1";

pub(crate) const SCAN_CONCERNED: &str =
    "SELECT contact_id, sequence FROM selfsame.event_contacts WHERE workspace = $1";

pub(crate) const SCAN_APART: &str =
    "SELECT contact_id, sequence FROM selfsame.kept_apart WHERE workspace = $1";

pub(crate) const SCAN_REFUSALS: &str =
    "SELECT sequence, evidence, settled_sequence FROM selfsame.refusals WHERE workspace = $1";

pub(crate) const SCAN_OWNERS: &str =
    "SELECT kind, value, contact_id FROM selfsame.identifiers WHERE workspace = $1";

/// What the server promises of its commits, and which version it is.
pub(crate) const SERVER: &str = "SELECT current_setting('server_version_num')::int AS version,
        current_setting('synchronous_commit') AS synchronous_commit,
        coalesce(current_setting('fsync', true), 'on') AS fsync,
        current_setting('server_encoding') AS encoding";

/// What else decides how a server fares with us, and its clock.
pub(crate) const CIRCUMSTANCES: &str =
    "SELECT coalesce(current_setting('full_page_writes', true), 'on') AS full_page_writes,
        current_setting('max_connections')::int AS connections_max,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
        pg_is_in_recovery() AS is_standby";

/// How large the contacts are, and how many rows PostgreSQL believes there to be: none or fewer, where it never counted.
pub(crate) const STATISTICS: &str = "SELECT pg_relation_size(pg_class.oid) AS size_bytes,
        pg_class.reltuples::float8 AS rows
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_namespace.nspname = 'selfsame' AND pg_class.relname = 'contacts'";

/// The schemas in which adoption has kept an original's table.
pub(crate) const KEPT_TABLES: &str = "SELECT pg_namespace.nspname::text AS schema
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_class.relname = 'Contact_before_selfsame' AND pg_class.relkind IN ('r', 'p')";

/// Whether the schema `selfsame` and the history of its migrations are there. Asked of the catalogue itself: the
/// information schema shows a role only what it may use.
pub(crate) const SCHEMA_PRESENT: &str = "SELECT
        EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'selfsame') AS has_schema,
        EXISTS (SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
            WHERE nspname = 'selfsame' AND relname = 'refinery_schema_history') AS has_history";

pub(crate) const CREATE_SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS selfsame";

pub(crate) const SCHEMA_VERSION: &str =
    "SELECT coalesce(max(version), 0) AS version FROM selfsame.refinery_schema_history";

/// What stands under the original's name: in the schema named ($1), or in the first of the search path. Its sort is
/// PostgreSQL's `relkind`; `columns` counts those of the original's eight that it has.
pub(crate) const ORIGINAL: &str = "SELECT schema.name AS schema, relation.relkind::text AS sort,
        (SELECT count(*) FROM pg_attribute
            WHERE pg_attribute.attrelid = relation.oid AND NOT pg_attribute.attisdropped
                AND pg_attribute.attname IN ('id', 'phoneNumber', 'email', 'linkedId', 'linkPrecedence',
                    'createdAt', 'updatedAt', 'deletedAt')) AS columns
    FROM (SELECT coalesce($1::text, current_schema()::text) AS name) AS schema
    LEFT JOIN pg_namespace ON pg_namespace.nspname = schema.name
    LEFT JOIN pg_class AS relation ON relation.relnamespace = pg_namespace.oid AND relation.relname = 'Contact'
        AND relation.relkind IN ('r', 'p', 'f', 'v', 'm')";

/// Indexes of ours that PostgreSQL itself holds for broken.
pub(crate) const INVALID_INDEXES: &str = "SELECT pg_class.relname::text AS name
    FROM pg_index
    JOIN pg_class ON pg_class.oid = pg_index.indexrelid
    JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_namespace.nspname = 'selfsame' AND NOT pg_index.indisvalid";

/// The view under the original's name, in the schema that has no such thing yet.
pub(crate) fn create_view(schema: &str) -> String {
    format!("CREATE VIEW {}.\"Contact\" AS SELECT * FROM selfsame.\"Contact\"", quoted(schema))
}

/// A name as SQL has it, whatever characters it has.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Every statement that the store sends, by name; of those with a schema in them, one for the schema `public`.
pub fn statements() -> Vec<(&'static str, String)> {
    let fixed = [
        ("begin load", BEGIN_LOAD),
        ("begin scan", BEGIN_SCAN),
        ("commit", COMMIT),
        ("rollback", ROLLBACK),
        ("lock", LOCK),
        ("head", HEAD),
        ("last sequence", LAST_SEQUENCE),
        ("load", LOAD),
        ("insert events", INSERT_EVENTS),
        ("insert contacts", INSERT_CONTACTS),
        ("insert identifiers", INSERT_IDENTIFIERS),
        ("relink", RELINK),
        ("advance", ADVANCE),
        ("scan events", SCAN_EVENTS),
        ("scan contacts", SCAN_CONTACTS),
        ("scan owners", SCAN_OWNERS),
        ("scan made", SCAN_MADE),
        ("scan concerned", SCAN_CONCERNED),
        ("scan apart", SCAN_APART),
        ("scan refusals", SCAN_REFUSALS),
        ("server", SERVER),
        ("circumstances", CIRCUMSTANCES),
        ("statistics", STATISTICS),
        ("kept tables", KEPT_TABLES),
        ("schema present", SCHEMA_PRESENT),
        ("create schema", CREATE_SCHEMA),
        ("schema version", SCHEMA_VERSION),
        ("original", ORIGINAL),
        ("invalid indexes", INVALID_INDEXES),
        ("has citus", HAS_CITUS),
    ];
    let mut all: Vec<(&'static str, String)> =
        fixed.into_iter().map(|(name, text)| (name, text.to_owned())).collect();
    for (name, begin) in [("begin write", BEGIN_WRITE), ("begin write durably", BEGIN_WRITE_DURABLY)] {
        all.push((name, begin_write(begin, Duration::from_secs(1))));
    }
    all.push(("create view", create_view("public")));
    all.extend(planned::all());
    all.extend(administration::all());
    all.extend(adoption::all());
    all.extend(bulk::all());
    all.extend(history::all());
    all.extend(answers::all());
    all.extend(webhooks::all());
    all.extend(imports::all());
    all
}
