//! Whether requests should be sent here now, and if not, why: in fixed words, for whoever routes and for the dashboard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Gauge, Unit, describe_gauge, gauge};
use selfsame_store::{Store, StoreError};

const READY: &str = "selfsame_ready";
const REASON: &str = "selfsame_readiness_reason";
const STORE_UP: &str = "selfsame_store_up";
const LAST_ANSWER: &str = "selfsame_store_last_answer_timestamp_seconds";

/// How often the gauges are brought up to date while nobody asks.
pub(crate) const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What keeps requests away, or bears on those that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The server was told to end.
    ShuttingDown,
    /// The store can't be reached, or is busy with something else.
    StoreUnavailable,
    /// A later version has brought the database to its schema.
    SchemaNewer,
    /// The store answers with an error that no wait would mend.
    StoreFailed,
    /// The last change found no space. Known customers are answered all the same, so this alone keeps nobody away.
    NoSpace,
}

impl Reason {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::ShuttingDown, Self::StoreUnavailable, Self::SchemaNewer, Self::StoreFailed, Self::NoSpace];

    /// Its fixed word.
    pub fn code(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::StoreUnavailable => "store_unavailable",
            Self::SchemaNewer => "schema_newer",
            Self::StoreFailed => "store_failed",
            Self::NoSpace => "no_space",
        }
    }

    fn keeps_away(self) -> bool {
        self != Self::NoSpace
    }

    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::NoSpace => Self::NoSpace,
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => Self::StoreUnavailable,
            StoreError::NotWritable => Self::ShuttingDown,
            StoreError::NewerSchema { .. } => Self::SchemaNewer,
            StoreError::NoWorkspace(_) | StoreError::Incoherent(_) | StoreError::Failed(_) => {
                Self::StoreFailed
            }
        }
    }
}

/// How things stand at one moment.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// What is to be said, each once, what keeps requests away first.
    pub reasons: Vec<Reason>,
    /// What the store said, for the log.
    pub cause: Option<StoreError>,
}

impl Readiness {
    /// The first reason to send no requests here; nothing if they may come.
    pub fn not_ready(&self) -> Option<Reason> {
        self.reasons.iter().copied().find(|reason| reason.keeps_away())
    }

    /// Tells the log that it is so now.
    pub(crate) fn log(&self) {
        let reasons: Vec<&str> = self.reasons.iter().map(|reason| reason.code()).collect();
        let cause = self.cause.as_ref().map(tracing::field::display);
        match self.not_ready() {
            None => tracing::info!(?reasons, "requests may come"),
            // Told by whoever ends it.
            Some(Reason::ShuttingDown) => {}
            Some(_) => tracing::warn!(?reasons, cause, "requests should go elsewhere"),
        }
    }
}

/// What readiness is judged by, and the gauges that tell it.
pub(crate) struct Standing {
    retired: AtomicBool,
    no_space: AtomicBool,
    ready: Gauge,
    store_up: Gauge,
    last_answer: Gauge,
    reasons: [Gauge; Reason::ALL.len()],
}

impl Standing {
    pub(crate) fn new() -> Self {
        describe();
        Self {
            retired: AtomicBool::new(false),
            no_space: AtomicBool::new(false),
            ready: gauge!(READY),
            store_up: gauge!(STORE_UP),
            last_answer: gauge!(LAST_ANSWER),
            reasons: Reason::ALL.map(|reason| gauge!(REASON, "reason" => reason.code())),
        }
    }

    /// Requests should go elsewhere from here on. Those that come are answered as before.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Notes what became of a change.
    pub(crate) fn written(&self, result: Result<(), &StoreError>) {
        match result {
            Ok(()) => self.no_space.store(false, Ordering::Relaxed),
            Err(StoreError::NoSpace) => self.no_space.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }

    /// Asks the store, and tells the gauges.
    pub(crate) async fn judge(&self, store: &dyn Store) -> Readiness {
        let answered = store.ready().await;
        let mut reasons = Vec::new();
        if self.retired.load(Ordering::Acquire) {
            reasons.push(Reason::ShuttingDown);
        }
        reasons.extend(answered.as_ref().err().map(Reason::of).filter(|reason| !reasons.contains(reason)));
        if self.no_space.load(Ordering::Relaxed) && !reasons.contains(&Reason::NoSpace) {
            reasons.push(Reason::NoSpace);
        }
        let readiness = Readiness { reasons, cause: answered.err() };
        self.tell(&readiness);
        readiness
    }

    fn tell(&self, readiness: &Readiness) {
        let number = |holds: bool| if holds { 1.0 } else { 0.0 };
        self.ready.set(number(readiness.not_ready().is_none()));
        // A store that is newer answers.
        let up = matches!(readiness.cause, None | Some(StoreError::NewerSchema { .. }));
        self.store_up.set(number(up));
        if up {
            self.last_answer.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        }
        for (reason, gauge) in Reason::ALL.iter().zip(&self.reasons) {
            gauge.set(number(readiness.reasons.contains(reason)));
        }
    }
}

fn describe() {
    describe_gauge!(READY, "1 if requests may be sent here, as /readyz says; otherwise 0.");
    describe_gauge!(REASON, "1 for each reason that /readyz gives; otherwise 0.");
    describe_gauge!(STORE_UP, "1 if the store answered when it was last asked; otherwise 0.");
    describe_gauge!(LAST_ANSWER, Unit::Seconds, "When the store last answered that question, since 1970.");
}
