//! Settings of what the server says about itself.

use std::num::ParseFloatError;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Deserialize;

/// What is said, and where to.
#[derive(Clone, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct TelemetrySettings {
    /// How the log is written: text for people, json for programs, an object a line [default: text]
    #[arg(long, env = "SELFSAME_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Send traces to this collector, by OTLP over HTTP; the other `OTEL_` variables count too
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    pub(crate) otlp_endpoint: Option<String>,
    /// The share of requests, from 0 to 1, of which traces are kept where the caller doesn't say [default: 1]
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO")]
    pub(crate) trace_ratio: Option<Ratio>,
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
        Self {
            log_format: self.log_format.or(below.log_format),
            otlp_endpoint: self.otlp_endpoint.or(below.otlp_endpoint),
            trace_ratio: self.trace_ratio.or(below.trace_ratio),
        }
    }
}

/// A share: from 0, nothing, to 1, all.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Ratio(f64);

/// A number that is no [`Ratio`].
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum InvalidRatio {
    #[error("it is no number")]
    NoNumber(#[from] ParseFloatError),
    #[error("it is not between 0 and 1")]
    OutOfRange,
}

impl Ratio {
    pub(crate) const ALL: Self = Self(1.0);

    /// From 0 to 1.
    pub(crate) fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Ratio {
    type Error = InvalidRatio;

    fn try_from(value: f64) -> Result<Self, InvalidRatio> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(InvalidRatio::OutOfRange) }
    }
}

impl FromStr for Ratio {
    type Err = InvalidRatio;

    fn from_str(text: &str) -> Result<Self, InvalidRatio> {
        Self::try_from(text.parse::<f64>()?)
    }
}
