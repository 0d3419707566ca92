//! Settings of what the server says about itself.

use clap::ValueEnum;
use serde::Deserialize;

/// What is said, and where to.
#[derive(Clone, Copy, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct TelemetrySettings {
    /// How the log is written: text for people, json for programs, an object a line [default: text]
    #[arg(long, env = "SELFSAME_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl TelemetrySettings {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self { log_format: self.log_format.or(below.log_format) }
    }
}
