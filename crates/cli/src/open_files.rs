//! How many files the process may have open, of which every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections, where nothing else is asked for.
const CONNECTIONS_MAX: u64 = 20_000;

/// The most connections to endpoints of webhooks.
const TO_ENDPOINTS_MAX: u64 = 64;

/// What the database, the log, connections that are just being turned away, and those to endpoints (16 of them only to try one) need.
const OTHERS: u64 = 256 + TO_ENDPOINTS_MAX;

/// Fewer connections than these are soon taken by a shop's browsers, or by somebody who only opens them.
const FEW: u64 = 1_000;

/// Raises the limit of open files as far as it goes; how many connections may then be open, at most `wanted`.
pub(crate) fn connections_max(wanted: Option<u32>) -> usize {
    let limit = raise();
    let wanted = wanted.map(u64::from);
    let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(OTHERS).max(limit / 2));
    let chosen = wanted.unwrap_or(CONNECTIONS_MAX).min(room);
    if chosen < wanted.unwrap_or(FEW) {
        tracing::warn!(
            connections_max = chosen,
            open_files = limit,
            "few connections fit into the limit of open files; raise it (`ulimit -n`, `LimitNOFILE=`)"
        );
    }
    usize::try_from(chosen).unwrap_or(usize::MAX)
}

/// How many connections to endpoints of webhooks may be open: an eighth of all files, where few may be.
pub(crate) fn connections_to_endpoints_max() -> usize {
    let room = raise().map_or(u64::MAX, |limit| (limit / 8).max(1));
    usize::try_from(room.min(TO_ENDPOINTS_MAX)).unwrap_or(usize::MAX)
}

/// Makes the soft limit the hard one, and returns it; nothing, if there is none.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files can't be raised");
            limit.current
        }
    }
}
