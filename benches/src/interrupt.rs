//! Ctrl-C: everything that waits looks here, so that the command ends by its usual way and leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How long a wait may go without looking.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether somebody asked for the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asked for by SIGINT and SIGTERM from now on.
    pub(crate) fn at_signals() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.0))
                .context("Ctrl-C can't be listened to")?;
        }
        Ok(interrupt)
    }

    /// Whether somebody asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error if somebody asked.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.is_asked() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Waits, unless it is interrupted.
    pub(crate) fn pause(&self, duration: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Tries until there is something, every `step`, at most for `limit`.
    ///
    /// # Errors
    ///
    /// If the limit is reached, named by `what`; if a try fails; if interrupted.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        step: Duration,
        limit: Duration,
        mut attempt: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let begin = Instant::now();
        loop {
            if let Some(found) = attempt()? {
                return Ok(found);
            }
            if begin.elapsed() > limit {
                bail!("{what} did not come within {} seconds", limit.as_secs());
            }
            self.pause(step)?;
        }
    }
}
