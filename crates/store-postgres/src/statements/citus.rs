//! The statements that spread the tables over a Citus cluster, by workspace. Each does nothing where it was done.

/// Every table of ours that rows are kept in. The first is distributed by itself, the others beside it.
const TABLES: [&str; 11] = [
    "workspaces",
    "contacts",
    "identifiers",
    "events",
    "keys",
    "event_contacts",
    "kept_apart",
    "refusals",
    "answers",
    "webhooks",
    "imports",
];

/// The statements, in the order in which they must run.
///
/// A workspace's rows of all tables lie on one shard, its row in `workspaces` with them: so its lock, its look-ups
/// and its changes need no other.
pub fn citus_statements() -> Vec<String> {
    let distribute = TABLES.iter().enumerate().map(|(place, table)| {
        let beside = if place == 0 { "none" } else { "selfsame.workspaces" };
        format!(
            "SELECT create_distributed_table('selfsame.{table}', 'workspace', colocate_with => '{beside}') \
             WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'selfsame.{table}'::regclass)"
        )
    });
    distribute.collect()
}

/// Whether the extension is there.
pub(crate) const HAS_CITUS: &str =
    "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus') AS present";
