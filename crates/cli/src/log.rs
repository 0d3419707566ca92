//! The log, on standard error: as text for people, or as an object a line for programs.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// What of other crates is said more quietly than `--log` asks for: of migrations, what the greeting says is enough; a lost
/// connection is told by whoever needed it.
const QUIET: &str = "refinery_core=warn,tokio_postgres=warn,deadpool.postgres=error";

/// Begins to log for a person, at the level that `filter` names.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    start_as(LogFormat::Text, filter)
}

/// What `--log` means.
pub(crate) fn filter(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|_| {
        anyhow::anyhow!("`--log` is no log filter\nhint: try `info`, or `selfsame_service=debug,warn`")
    })
}

/// Begins to log.
pub(crate) fn start_as(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = self::filter(filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A log that can't be written (its disk is full, its reader is gone) must cost no answer: told on standard
        // error, which is that log, the failure would be a panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
            std::panic::set_hook(Box::new(|panic| {
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                tracing::error!(place, panic = panic.payload_as_str().unwrap_or("no text"), "panicked");
            }));
        }
    }
    Ok(())
}
