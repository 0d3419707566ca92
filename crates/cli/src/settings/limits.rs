//! What bounds the server's patience with its clients, and how many it takes on.

use std::time::Duration;

use serde::Deserialize;

/// The limits of `serve`, each perhaps not given.
#[derive(Clone, Copy, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct LimitSettings {
    /// The most connections that are open; one more is answered 503. Less, if fewer files may be open [default: 20000]
    #[arg(long, env = "SELFSAME_CONNECTIONS_MAX", value_name = "CONNECTIONS",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections_max: Option<u32>,
    /// Seconds that a client may take to read the next 16 KiB of its answer [default: 30]
    #[arg(long, env = "SELFSAME_SEND_TIMEOUT_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    send_timeout_seconds: Option<u64>,
    /// Seconds that a change may have to wait for its turn; one that would wait longer is answered 503 [default: 2]
    #[arg(long, env = "SELFSAME_QUEUE_WAIT_MAX_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    queue_wait_max_seconds: Option<u64>,
}

impl LimitSettings {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            connections_max: self.connections_max.or(below.connections_max),
            send_timeout_seconds: self.send_timeout_seconds.or(below.send_timeout_seconds),
            queue_wait_max_seconds: self.queue_wait_max_seconds.or(below.queue_wait_max_seconds),
        }
    }

    pub(crate) fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.send_timeout_seconds.unwrap_or(30))
    }

    pub(crate) fn queue_wait_max(&self) -> Duration {
        Duration::from_secs(self.queue_wait_max_seconds.unwrap_or(2))
    }
}
