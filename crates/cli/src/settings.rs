//! Settings: a flag beats the environment, that beats `.env`, that beats the TOML file, that beats the default.
//!
//! Flags and file share one struct, so that they can't drift apart: clap fills it from flags and environment,
//! serde from the file, and [`Settings::or`] lays one over the other.

mod edge;
mod limits;
mod sources;
mod telemetry;
mod webhooks;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use clap::ValueEnum;
use selfsame_api::ResponseSpelling;
use serde::Deserialize;

use self::edge::EdgeSettings;
pub(crate) use self::edge::TlsSettings;
use self::limits::LimitSettings;
use self::sources::SourceSettings;
pub(crate) use self::telemetry::{LogFormat, Ratio, TelemetrySettings};
pub(crate) use self::webhooks::WebhookArguments;

/// Every setting of `serve`, each perhaps not given. The other commands use `database_url` alone.
#[derive(clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) database: DatabaseSettings,
    /// The address to listen on; anything but loopback needs a key (SELFSAME_ADMIN_KEY makes the first), or --insecure-no-auth [default: 127.0.0.1]
    #[arg(long, env = "HOST")]
    pub(crate) host: Option<String>,
    /// The port to listen on; 0 takes a free one [default: 3000]
    #[arg(long, env = "PORT")]
    pub(crate) port: Option<u16>,
    /// Ask nobody for a key, also beyond loopback: whoever reaches the port may read and write everything
    #[arg(long, env = "SELFSAME_INSECURE_NO_AUTH", value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub(crate) insecure_no_auth: Option<bool>,
    /// A key with the scope admin to every workspace. No flag: others on the machine can read those.
    #[arg(skip)]
    pub(crate) admin_key: Option<String>,
    /// How `POST /identify` spells the primary's key: primaryContactId, primaryContatctId or both [default: original]
    #[arg(long, env = "SELFSAME_RESPONSE_SPELLING", value_name = "SPELLING")]
    pub(crate) response_spelling: Option<Spelling>,
    /// Seconds that a client may take to send a request's head, and again its body (of a batch, 16 KiB of it) [default: 30]
    #[arg(long, env = "SELFSAME_RECEIVE_TIMEOUT_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) receive_timeout_seconds: Option<u64>,
    /// Seconds that running requests may take to end after SIGTERM [default: 20]
    #[arg(long, env = "SELFSAME_DRAIN_TIMEOUT_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) drain_timeout_seconds: Option<u64>,
    /// The most changes that wait for their commit; one more is answered 503 [default: 10000]
    #[arg(long, env = "SELFSAME_QUEUE_LENGTH_MAX", value_name = "CHANGES",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) queue_length_max: Option<u32>,
    /// The most changes that are committed together [default: 1000]
    #[arg(long, env = "SELFSAME_BATCH_OBSERVATIONS_MAX", value_name = "CHANGES",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch_observations_max: Option<u32>,
    /// Seconds after which a request is answered, with 503 if the database did not answer [default: 10]
    #[arg(long, env = "SELFSAME_ANSWER_TIMEOUT_SECONDS", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) answer_timeout_seconds: Option<u64>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) limits: LimitSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) tls: TlsSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) edge: EdgeSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) webhooks: WebhookArguments,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) sources: SourceSettings,
    /// Bring the database to this version's schema at the start [default: true]
    #[arg(long, env = "SELFSAME_MIGRATE", value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub(crate) migrate: Option<bool>,
    /// What is logged: error, warn, info, debug, or a filter of tracing's [default: info]
    #[arg(long, env = "SELFSAME_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) telemetry: TelemetrySettings,
}

/// The setting that every command has.
#[derive(Clone, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct DatabaseSettings {
    /// The database, `sqlite:PATH` or `postgresql://…` [default: sqlite:selfsame.db]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
}

/// [`ResponseSpelling`] as a setting.
#[derive(Clone, Copy, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spelling {
    Original,
    Task,
    Both,
}

impl From<Spelling> for ResponseSpelling {
    fn from(spelling: Spelling) -> Self {
        match spelling {
            Spelling::Original => Self::Original,
            Spelling::Task => Self::Task,
            Spelling::Both => Self::Both,
        }
    }
}

impl Settings {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            database: self.database.or(below.database),
            host: self.host.or(below.host),
            port: self.port.or(below.port),
            insecure_no_auth: self.insecure_no_auth.or(below.insecure_no_auth),
            admin_key: self.admin_key.or(below.admin_key),
            response_spelling: self.response_spelling.or(below.response_spelling),
            receive_timeout_seconds: self.receive_timeout_seconds.or(below.receive_timeout_seconds),
            drain_timeout_seconds: self.drain_timeout_seconds.or(below.drain_timeout_seconds),
            queue_length_max: self.queue_length_max.or(below.queue_length_max),
            batch_observations_max: self.batch_observations_max.or(below.batch_observations_max),
            answer_timeout_seconds: self.answer_timeout_seconds.or(below.answer_timeout_seconds),
            limits: self.limits.or(below.limits),
            tls: self.tls.or(below.tls),
            edge: self.edge.or(below.edge),
            webhooks: self.webhooks.or(below.webhooks),
            sources: self.sources.or(below.sources),
            migrate: self.migrate.or(below.migrate),
            log: self.log.or(below.log),
            telemetry: self.telemetry.or(below.telemetry),
        }
    }
}

impl DatabaseSettings {
    /// This setting, or that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self { database_url: self.database_url.or(below.database_url) }
    }
}

/// What `.env` of the current folder says, by name; nothing if there is none.
pub(crate) fn load_dotenv() -> anyhow::Result<HashMap<String, String>> {
    let read = dotenvy::from_path_iter(".env").and_then(Iterator::collect);
    match read {
        Ok(settings) => Ok(settings),
        Err(error) if error.not_found() => Ok(HashMap::new()),
        // The error holds the line, and the line may hold a password.
        Err(dotenvy::Error::LineParse(_, position)) => {
            bail!(
                "`.env` has a line that can't be read (at its character {position})\nhint: each line is NAME=value"
            )
        }
        Err(_) => bail!("`.env` can't be read\nhint: check its permissions, and that it is UTF-8 text"),
    }
}

/// Variables by name: the environment's, and where that has none, those of `.env`. An empty one is none.
pub(crate) fn variable() -> anyhow::Result<impl Fn(&str) -> Option<String>> {
    let dotenv = load_dotenv()?;
    Ok(move |name: &str| {
        let given = std::env::var(name).ok().filter(|value| !value.is_empty());
        given.or_else(|| dotenv.get(name).filter(|value| !value.is_empty()).cloned())
    })
}

/// The settings of the TOML file: the one named, or `selfsame.toml` where that exists.
pub(crate) fn load_file(named: Option<&Path>) -> anyhow::Result<Settings> {
    let path = named.unwrap_or(Path::new("selfsame.toml"));
    if named.is_none() && !path.exists() {
        return Ok(Settings::default());
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the settings file `{}` can't be read", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        // Not `error` itself: it quotes the line, and the line may hold a password.
        let line = |span: std::ops::Range<usize>| 1 + text[..span.start].matches('\n').count();
        // An unknown name has the whole file for its place.
        let place = error
            .span()
            .filter(|span| span.start > 0)
            .map(|span| format!(", line {}", line(span)))
            .unwrap_or_default();
        anyhow::anyhow!("the settings file `{}`{place}: {}", path.display(), without_value(error.message()))
    })
}

/// Of a value of another type than its setting's, the message quotes the value, which may be a key without its quotes.
fn without_value(message: &str) -> String {
    let parts = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    let Some((found, expected)) = parts else { return message.to_owned() };
    let sort = found.split(['`', '"']).next().unwrap_or_default().trim_end();
    format!("invalid type: {sort}, expected {expected}")
}
