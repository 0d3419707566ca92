//! The steps of a change, for traces: its wait in the queue, then its write, which it shares with others. Where nobody
//! listens, nothing is made.

use tracing::field::Empty;
use tracing::{Span, info_span};

/// A change that waits.
pub(crate) struct WaitingStep {
    request: Span,
    span: Span,
}

/// A change that is being written.
pub(crate) struct WritingStep(Span);

impl WaitingStep {
    /// Begins below the span that is current.
    pub(crate) fn begin(observations: usize) -> Self {
        let span = info_span!(target: "selfsame_trace", "queue wait", observations);
        let request = if span.is_disabled() { Span::none() } else { Span::current() };
        Self { request, span }
    }

    /// Ends the wait, and begins the write.
    pub(crate) fn write(self) -> WritingStep {
        drop(self.span);
        WritingStep(
            info_span!(target: "selfsame_trace", parent: &self.request, "write", batch.observations = Empty),
        )
    }
}

impl WritingStep {
    /// Ends it; so many observations were written together.
    pub(crate) fn end(self, batch_observations: usize) {
        self.0.record("batch.observations", batch_observations);
    }
}
