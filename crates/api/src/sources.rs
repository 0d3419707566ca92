//! What other systems' clients send in formats of their own: the identifiers that are good in each of their messages, and such
//! messages carried out, each once.
//!
//! Deliberately absent: the formats, in a file each.

use std::collections::HashSet;

use axum::Json;
use axum::response::{IntoResponse, Response};
use metrics::Counter;
use selfsame_rules::{Actor, IdentifierKind, Observation, Origin, Policy, SeenIdentifier, Timestamp};
use selfsame_service::{Together, international};
use selfsame_store::Once;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::door::Caller;
use crate::problem::Problem;

/// The longest name of a place that is kept with an event.
const PLACE_BYTES_MAX: usize = 150;

/// What such a client is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Taken)]
pub(crate) struct TakenBody {
    /// Always true.
    success: bool,
}

/// What somebody's message told of a person.
pub(crate) struct Message {
    pub(crate) observation: Observation,
    /// By what it is known when it comes again.
    pub(crate) once: Option<Once>,
}

/// Gathers the identifiers of one message, at most one of a kind.
pub(crate) struct Gathering<'policy> {
    format: &'static str,
    policy: &'policy Policy,
    left_out: &'policy Counter,
    seen: Vec<SeenIdentifier>,
}

impl<'policy> Gathering<'policy> {
    /// `format`: whose message it is, for the log; `left_out` counts values that can't be used.
    pub(crate) fn new(format: &'static str, policy: &'policy Policy, left_out: &'policy Counter) -> Self {
        Self { format, policy, left_out, seen: Vec::new() }
    }

    /// Takes the first of these values that is good: not blank, and one that the kind allows. A value that it doesn't allow is left
    /// out, and counted; of a kind that the policy doesn't declare, all are.
    pub(crate) fn take<'text>(
        &mut self,
        kind: &str,
        values: impl IntoIterator<Item = Option<&'text RawValue>>,
    ) {
        let kind = IdentifierKind::from_name(kind).expect("it is a name that a policy may declare");
        if !self.policy.knows(&kind) {
            return;
        }
        let read = values.into_iter().flatten().find_map(|value| self.read(&kind, value));
        self.seen.extend(read);
    }

    fn read(&self, kind: &IdentifierKind, value: &RawValue) -> Option<SeenIdentifier> {
        if value.get() == "null" {
            return None;
        }
        let Some(text) = text(value) else {
            self.leave_out(kind.name(), "it is neither a text nor a whole number");
            return None;
        };
        self.policy.parse(kind, &text, international).unwrap_or_else(|rule| {
            self.leave_out(kind.name(), &rule.to_string());
            None
        })
    }

    /// The members of an object. What is none, or has one of them twice, has none and is left out.
    pub(crate) fn members<'text, T: Deserialize<'text> + Default>(
        &self,
        what: &str,
        value: Option<&'text RawValue>,
    ) -> T {
        let Some(value) = value.filter(|value| value.get() != "null") else { return T::default() };
        object(value).unwrap_or_else(|| {
            self.leave_out(what, "it is no object that has each member once");
            T::default()
        })
    }

    /// Counts something that can't be used, and says so without its value.
    pub(crate) fn leave_out(&self, what: &str, why: &str) {
        self.left_out.increment(1);
        tracing::debug!(format = self.format, what, why, "a value of a message was left out");
    }

    /// What was seen; nothing if there is no identifier.
    pub(crate) fn observation(
        self,
        actor: &Actor,
        place: Option<&str>,
        at: Option<Timestamp>,
    ) -> Option<Observation> {
        let place = place.filter(|place| {
            !place.is_empty()
                && place.len() <= PLACE_BYTES_MAX
                && place.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let source = place.map_or(self.format.to_owned(), |place| format!("{}:{place}", self.format));
        let origin = Origin { observed_at: at, source: Some(source.into()), imported: false };
        let observation = Observation::new(actor.clone(), self.seen).ok()?;
        Some(observation.with_origin(origin).read_by(self.policy.spelling(international)))
    }
}

/// The object that a value is, if it is one, and has each member once.
pub(crate) fn object<'text, T: Deserialize<'text>>(value: &'text RawValue) -> Option<T> {
    // Serde would also read the members from an array, in their order.
    value.get().starts_with('{').then(|| serde_json::from_str(value.get()).ok()).flatten()
}

/// The text of a value that is a string or a whole number of any length.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    let raw = value.get();
    let is_number = raw.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Some(raw.to_owned()) } else { serde_json::from_str(raw).ok() }
}

/// Carries messages out in their order, as few transactions as they fit into. Of those that are known by the same key, only the
/// first counts.
pub(crate) async fn carry_out<N>(
    caller: &Caller<N>,
    mut messages: Vec<Message>,
) -> Result<Response, Problem> {
    let mut known = HashSet::new();
    messages.retain(|message| message.once.as_ref().is_none_or(|once| known.insert(once.key().to_owned())));
    let engine = caller.engine();
    let mut together = engine.job_observations_max();
    while !messages.is_empty() {
        let others = messages.split_off(together.min(messages.len()));
        let each = messages.iter().map(|message| (message.observation.clone(), message.once.clone()));
        let (observations, once) = each.unzip();
        match engine.identify_all_once(observations, once).await? {
            // Whom they belong to is nobody's question here, nor that a policy lets nothing of one link.
            Together::Answered(_) => messages = others,
            Together::TooMuch(_) => {
                together = (messages.len() / 2).max(1);
                messages.extend(others);
            }
        }
    }
    Ok(taken())
}

/// The answer to what was taken, whether it changed something or not.
pub(crate) fn taken() -> Response {
    Json(TakenBody { success: true }).into_response()
}
