//! PostgreSQL: its version and what it promises, and what of ours is in the database.

use selfsame_store_postgres::{Examined, OriginalName};

use super::Check;
use super::finding::{Finding, ok, problem, size, warning};
use super::installation::Installation;

pub(super) const CHECKS: &[Check] = &[
    Check { name: "server version", judge: |seen| on_server(seen, version) },
    Check { name: "encoding", judge: |seen| on_server(seen, encoding) },
    Check { name: "durability", judge: |seen| on_server(seen, durability) },
    Check { name: "connections", judge: |seen| on_server(seen, connections) },
    Check { name: "clock", judge: |seen| on_server(seen, clock) },
    Check { name: "statistics", judge: |seen| on_server(seen, statistics) },
    Check { name: "original's name", judge: |seen| on_server(seen, original) },
    Check { name: "original's table", judge: |seen| on_server(seen, kept) },
];

/// Clocks that are set by a time server differ by less.
const CLOCK_DIFFERENCE_MS: i64 = 1_000;
/// From this size on, a plan made without statistics is felt.
const CONTACTS_BYTES_MANY: i64 = 1 << 20;
/// What a server keeps for itself and for whoever looks after it.
const CONNECTIONS_OF_OTHERS: i32 = 3;

fn on_server(installation: &Installation, judge: fn(&Examined) -> Vec<Finding>) -> Vec<Finding> {
    match &installation.postgres {
        Some(Ok(examined)) => judge(examined),
        Some(Err(_)) | None => Vec::new(),
    }
}

fn version(server: &Examined) -> Vec<Finding> {
    let version = server.version;
    vec![if server.version_is_enough {
        ok(format!("PostgreSQL {version}"))
    } else {
        problem(format!("PostgreSQL {version}, and selfsame needs 13 or later"), "upgrade the server")
    }]
}

fn encoding(server: &Examined) -> Vec<Finding> {
    vec![match server.encoding.as_str() {
        "UTF8" | "SQL_ASCII" => ok(&server.encoding),
        other => problem(
            format!("{other} can't hold every customer's values"),
            "make a database with the encoding UTF8, and move the data there with pg_dump and pg_restore",
        ),
    }]
}

fn durability(server: &Examined) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !server.fsync {
        findings.push(problem(
            "the server runs with fsync=off: a power cut may lose or damage what was acknowledged",
            "fsync=on in postgresql.conf, then restart the server",
        ));
    }
    if !server.full_page_writes {
        findings.push(problem(
            "the server runs with full_page_writes=off: a power cut in the middle of a page can't be mended",
            "full_page_writes=on in postgresql.conf, then reload it; off is for file systems that never tear a page",
        ));
    }
    if server.is_standby {
        findings.push(problem(
            "the server is a standby, and takes no changes",
            "let DATABASE_URL name the primary, or several hosts: the one that takes writes is found",
        ));
    }
    if findings.is_empty() {
        let more = match server.synchronous_commit.as_str() {
            "off" => "; synchronous_commit is off, but selfsame's own commits wait for the disk",
            _ => "",
        };
        findings.push(ok(format!("what is acknowledged is on the disk{more}")));
    }
    findings
}

fn connections(server: &Examined) -> Vec<Finding> {
    let (limit, most) = (server.connection_limit, server.connections_max);
    let ours = i32::try_from(limit).unwrap_or(i32::MAX);
    vec![if ours > most - CONNECTIONS_OF_OTHERS {
        problem(
            format!("one replica may open {limit} connections, and the server takes {most} from everybody"),
            "a smaller connection_limit in DATABASE_URL, or a larger max_connections",
        )
    } else if ours > most / 2 {
        warning(
            format!(
                "one replica may open {limit} of the server's {most} connections, so a second one may get none"
            ),
            "a smaller connection_limit in DATABASE_URL, or a larger max_connections",
        )
    } else {
        ok(format!("a replica opens up to {limit} of the server's {most}"))
    }]
}

fn clock(server: &Examined) -> Vec<Finding> {
    let ahead = server.clock_ahead_ms;
    vec![if ahead.abs() > CLOCK_DIFFERENCE_MS {
        let which = if ahead > 0 { "ahead of" } else { "behind" };
        warning(
            format!("PostgreSQL's clock is {} ms {which} this machine's", ahead.abs()),
            "set both by a time server: events are dated by the clock of the replica that wrote them",
        )
    } else {
        ok("PostgreSQL's is this machine's, to within a second")
    }]
}

fn statistics(server: &Examined) -> Vec<Finding> {
    if server.schema == 0 {
        return Vec::new();
    }
    vec![if server.contacts_counted || server.contacts_bytes < CONTACTS_BYTES_MANY {
        ok("PostgreSQL knows how large the tables are")
    } else {
        let bytes = u64::try_from(server.contacts_bytes).unwrap_or(0);
        warning(
            format!(
                "{} of contacts, and PostgreSQL has never counted them: look-ups may be slow",
                size(bytes)
            ),
            "psql \"$DATABASE_URL\" -c ANALYZE; and see that autovacuum is on",
        )
    }]
}

fn original(server: &Examined) -> Vec<Finding> {
    vec![match &server.original {
        OriginalName::View => ok("\"Contact\" is a view, for whatever read the original's table"),
        // Of a new database that is so.
        OriginalName::Free { .. } | OriginalName::Nowhere if server.schema == 0 => return Vec::new(),
        OriginalName::Free { schema } => warning(
            format!(
                "the view \"Contact\" is not in schema {schema}: whatever read the original's table finds nothing"
            ),
            "`selfsame migrate` makes it, with a role that may; selfsame.\"Contact\" has the same rows",
        ),
        OriginalName::Nowhere => warning(
            "there is no schema for the view \"Contact\"",
            "name one with ?schema= in DATABASE_URL; selfsame.\"Contact\" has the same rows",
        ),
        OriginalName::Table { schema } if server.log_is_empty => problem(
            format!(
                "the table \"Contact\" of the original service is in schema {schema}, and was not taken over"
            ),
            "stop the old server, then `selfsame adopt` tells what would be done",
        ),
        OriginalName::Table { schema } => problem(
            format!(
                "a table \"Contact\" is back in schema {schema}: what an old server writes there, selfsame doesn't know"
            ),
            "stop the old server; if the table is a leftover, rename it",
        ),
        OriginalName::SomebodyElses { schema } => warning(
            format!(
                "the table \"Contact\" in schema {schema} is not the original service's, and stands where the view would be"
            ),
            "name another schema with ?schema= in DATABASE_URL, or use selfsame.\"Contact\"",
        ),
    }]
}

fn kept(server: &Examined) -> Vec<Finding> {
    let kept = server.kept_tables.iter().map(|schema| {
        warning(
            format!("\"Contact_before_selfsame\" in schema {schema} still has the customers as they were before adoption"),
            "once you won't go back to the old server, DROP TABLE it: nothing that selfsame erases is erased there",
        )
    });
    kept.collect()
}
