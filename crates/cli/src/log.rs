//! The log, on standard error: as text for people, or as an object a line for programs. And, beside it, the traces.

use std::io::{self, IsTerminal};

use tracing::{Dispatch, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::settings::LogFormat;

/// What of other crates is said more quietly than `--log` asks for: of migrations, what the greeting says is enough; a lost
/// connection is told by whoever needed it. Spans are
/// for traces alone.
const QUIET: &str = "refinery_core=warn,tokio_postgres=warn,deadpool.postgres=error,selfsame_trace=off";

/// Something that listens beside the log.
pub(crate) type Listener = Box<dyn Layer<Registry> + Send + Sync>;

/// Begins to log for a person, at the level that `filter` names.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    start_as(LogFormat::Text, filter, None)
}

/// What `--log` means.
pub(crate) fn filter(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|_| {
        anyhow::anyhow!("`--log` is no log filter\nhint: try `info`, or `selfsame_service=debug,warn`")
    })
}

/// Begins to log; `beside` hears what no log is for.
pub(crate) fn start_as(format: LogFormat, filter: &str, beside: Option<Listener>) -> anyhow::Result<()> {
    subscriber(format, self::filter(filter)?, beside).init();
    if format == LogFormat::Json {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, panic = panic.payload_as_str().unwrap_or("no text"), "panicked");
        }));
    }
    Ok(())
}

/// Where nothing listens beside it, the log's filter decides for all, and what it turns off is never made. A filter of the
/// log's own, of which there is one for each listener otherwise, does not have that word: the span would be made, and
/// heard by nobody.
fn subscriber(format: LogFormat, filter: EnvFilter, beside: Option<Listener>) -> Dispatch {
    match beside {
        None => Registry::default().with(filter).with(log(format)).into(),
        Some(beside) => Registry::default().with(beside).with(log(format).with_filter(filter)).into(),
    }
}

fn log<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // A log that can't be written (its disk is full, its reader is gone) must cost no answer: told on standard
    // error, which is that log, the failure would be a panic.
    let log = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::dispatcher::with_default;
    use tracing::{Level, info_span};
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::Identity;

    use super::*;

    /// Whether a request makes a span.
    fn makes_spans(filter: &str, beside: Option<Listener>) -> bool {
        let subscriber = subscriber(LogFormat::Text, self::filter(filter).unwrap(), beside);
        with_default(&subscriber, || !info_span!(target: "selfsame_trace", "request").is_disabled())
    }

    #[test]
    fn a_span_is_made_only_where_somebody_listens_beside_the_log() {
        for filter in ["info", "debug", "trace"] {
            assert!(!makes_spans(filter, None), "{filter}");
            let listener =
                Identity::new().with_filter(Targets::new().with_target("selfsame_trace", Level::INFO));
            assert!(makes_spans(filter, Some(listener.boxed())), "{filter}");
        }
    }
}
