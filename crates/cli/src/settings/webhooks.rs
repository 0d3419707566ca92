//! Settings of what is sent to webhooks.

use std::time::Duration;

use selfsame_service::WebhookSettings;
use serde::Deserialize;

/// Where webhooks may lead to, and how patient the server is with them, each perhaps not given.
#[derive(Clone, Copy, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct WebhookArguments {
    /// Let webhooks lead to this machine and to private networks, and go without TLS: whoever may add one reaches what is there. A command that asks a running server goes by that one's setting
    #[arg(long, env = "SELFSAME_WEBHOOKS_ALLOW_PRIVATE", value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    webhooks_allow_private: Option<bool>,
    /// Seconds that an endpoint of a webhook may take to answer [default: 15]
    #[arg(long, env = "SELFSAME_WEBHOOKS_TIMEOUT_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=300))]
    webhooks_timeout_seconds: Option<u64>,
    /// Seconds for which an endpoint may fail until it is parked, and nothing more is sent to it [default: 259200]
    #[arg(long, env = "SELFSAME_WEBHOOKS_PARKED_AFTER_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    webhooks_parked_after_seconds: Option<u64>,
}

impl WebhookArguments {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            webhooks_allow_private: self.webhooks_allow_private.or(below.webhooks_allow_private),
            webhooks_timeout_seconds: self.webhooks_timeout_seconds.or(below.webhooks_timeout_seconds),
            webhooks_parked_after_seconds: self
                .webhooks_parked_after_seconds
                .or(below.webhooks_parked_after_seconds),
        }
    }

    /// These settings, and the defaults where one is not given.
    pub(crate) fn settings(self) -> WebhookSettings {
        let default = WebhookSettings::default();
        let seconds = |given: Option<u64>, default| given.map_or(default, Duration::from_secs);
        WebhookSettings {
            allow_private: self.webhooks_allow_private.unwrap_or(default.allow_private),
            attempt_timeout: seconds(self.webhooks_timeout_seconds, default.attempt_timeout),
            parked_after: seconds(self.webhooks_parked_after_seconds, default.parked_after),
            ..default
        }
    }
}
