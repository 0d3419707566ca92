//! Webhooks as JSON, and what their messages hold.

use selfsame_rules::{Event, Sequence, Timestamp};
use selfsame_service::{NewWebhook, Tested};
use selfsame_store::WebhookRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event_body::EventBody;
use crate::problem::Problem;
use crate::times;
use crate::webhook_url::WebhookUrl;
use crate::words::{EVENT_KINDS, EventWord, WebhookStateWord};

/// An endpoint that is to be added.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct NewWebhookBody {
    /// Where to: `https://…`, without a user name and without a fragment.
    #[schema(max_length = 2048, example = "https://shop.example/selfsame")]
    url: String,
    /// The kinds of events that it gets; all, if none is named.
    #[schema(value_type = Option<Vec<EventWord>>)]
    kinds: Option<Vec<String>>,
    /// The event behind which it begins, 0 for the first; if it isn't said, it gets those that come from now on.
    #[schema(minimum = 0)]
    after: Option<i64>,
}

/// Where a webhook is to deliver from.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object", deny_unknown_fields)]
#[schema(as = WebhookReplay)]
pub(crate) struct ReplayBody {
    /// The event behind which it begins, 0 for the first.
    #[schema(minimum = 0)]
    after: i64,
}

/// An endpoint, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
pub(crate) struct WebhookBody {
    id: String,
    url: String,
    /// The kinds of events that it gets; all, if there are none.
    #[schema(value_type = Vec<EventWord>)]
    kinds: Vec<String>,
    /// `delivering`; `failing`: it is tried again; `parked`: it failed for too long or is gone, and nothing is sent until it is
    /// replayed.
    #[schema(value_type = WebhookStateWord)]
    state: &'static str,
    /// The last event that was delivered to it, or is of a kind that it doesn't get.
    after: i64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// How many attempts have failed since the last that didn't.
    failures: u32,
    /// When the first of these was.
    #[schema(format = DateTime, required = true)]
    failing_since: Option<String>,
    #[schema(format = DateTime, required = true)]
    last_attempt_at: Option<String>,
    /// What the last attempt was answered, if it was.
    #[schema(required = true)]
    last_status: Option<u16>,
    /// Why the last attempt failed, if it did.
    #[schema(required = true)]
    last_problem: Option<String>,
    #[schema(format = DateTime, required = true)]
    next_attempt_at: Option<String>,
    /// Until when the secret before the last rotation signs besides.
    #[schema(format = DateTime, required = true)]
    former_secret_until: Option<String>,
}

/// An endpoint that was just added, or has a new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(crate) struct WebhookWithSecretBody {
    /// What its messages are signed with. It is shown here and never again.
    pub(crate) secret: String,
    #[serde(flatten)]
    pub(crate) about: WebhookBody,
}

/// A page of webhooks, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookPage)]
pub(crate) struct WebhooksBody {
    pub(crate) webhooks: Vec<WebhookBody>,
    /// Leads to the next page; null after the last.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

/// What came of a message that was to try an endpoint.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookTested)]
pub(crate) struct TestedBody {
    /// Whether an event would have been delivered.
    delivered: bool,
    /// What was answered, if something was.
    #[schema(required = true)]
    status: Option<u16>,
    milliseconds: u64,
    /// Why it was not delivered, if it wasn't.
    #[schema(required = true)]
    problem: Option<String>,
}

impl NewWebhookBody {
    pub(crate) fn read(self, allow_private: bool) -> Result<NewWebhook, Problem> {
        if let Err(unfit) = WebhookUrl::parse(&self.url, allow_private) {
            return Err(Problem::bad_request("invalid_url", format!("`url` {unfit}.")));
        }
        let mut kinds: Vec<Box<str>> = Vec::new();
        for (place, kind) in self.kinds.iter().flatten().enumerate() {
            if !EVENT_KINDS.contains(&&**kind) {
                let known = EVENT_KINDS.join("`, `");
                let detail = format!("`kinds`, entry {}, is no kind of event: one of `{known}`.", place + 1);
                return Err(Problem::bad_request("invalid_body", detail));
            }
            if !kinds.iter().any(|known| **known == **kind) {
                kinds.push(kind.as_str().into());
            }
        }
        Ok(NewWebhook { url: self.url.into(), kinds, after: self.after.map(sequence).transpose()? })
    }
}

impl ReplayBody {
    pub(crate) fn read(&self) -> Result<Sequence, Problem> {
        sequence(self.after)
    }
}

fn sequence(after: i64) -> Result<Sequence, Problem> {
    let negative = || Problem::bad_request("invalid_body", "`after` must be the number of an event, or 0.");
    (after >= 0).then_some(Sequence(after)).ok_or_else(negative)
}

impl WebhookBody {
    pub(crate) fn of(row: &WebhookRow) -> Self {
        let progress = &row.progress;
        let state = match (progress.is_parked, progress.failures) {
            (true, _) => "parked",
            (false, 0) => "delivering",
            (false, _) => "failing",
        };
        let time = |time: Option<Timestamp>| time.map(times::write);
        Self {
            id: row.id.to_string(),
            url: row.url.to_string(),
            kinds: row.kinds.iter().map(ToString::to_string).collect(),
            state,
            after: progress.position.0,
            created_at: times::write(row.created_at),
            failures: progress.failures,
            failing_since: time(progress.failing_since),
            last_attempt_at: time(progress.last_attempt_at),
            last_status: progress.last_status,
            last_problem: progress.last_problem.as_deref().map(str::to_owned),
            next_attempt_at: time(progress.next_attempt_at),
            former_secret_until: time(row.former_secret.as_ref().map(|(_, until)| *until)),
        }
    }
}

impl TestedBody {
    pub(crate) fn of(tested: Tested) -> Self {
        Self {
            delivered: tested.problem.is_none(),
            status: tested.status,
            milliseconds: u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX),
            problem: tested.problem,
        }
    }
}

/// An event as its message has it: as `GET /v1/events` does.
pub(crate) fn event_text(event: &Event) -> String {
    serde_json::to_string(&EventBody::of(event)).expect("an event is JSON")
}

/// What a message holds that is no event's.
pub(crate) fn test_text(now: Timestamp) -> String {
    serde_json::json!({ "kind": "test", "at": times::write(now) }).to_string()
}
