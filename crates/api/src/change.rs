//! Requests under `/v1` that change something, read whole; and what they are answered when they come again with the same
//! `Idempotency-Key`.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use selfsame_rules::Actor;
use selfsame_service::{CorrectError, Flight, Keeping, Order, Ordered, Reach, Repeatable};
use selfsame_store::{Kept, KeptAnswer, Once, WorkspaceKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::body::{read_json, refuse_body};
use crate::door::Caller;
use crate::problem::Problem;
use crate::query::Query;
use crate::request_id::RequestId;
use crate::router::ApiState;
use crate::sealed::{SECRET_KEY_BYTES_MIN, Seal};
use crate::write_body::parse_object;

/// Marks a request that is to have its effect once, however often it is sent.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is the one that an earlier request with the same key got.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The longest key.
const KEY_BYTES_MAX: usize = 255;

/// A request that changes something.
pub(crate) struct Change {
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
    route: &'static str,
    /// By what it is known when it comes again; nothing without a key, or of a dry run, which does nothing that could be done twice.
    once: Option<Once>,
    /// What was kept when it came.
    kept: Option<Kept>,
    seal: Option<Seal>,
    request_id: RequestId,
    key: Option<Box<str>>,
    _flight: Option<Flight>,
}

/// An answer that is no problem.
pub(crate) struct Made<B> {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) body: B,
}

impl<B> Made<B> {
    /// 200, and nowhere else to look.
    pub(crate) fn ok(body: B) -> Self {
        Self { status: StatusCode::OK, location: None, body }
    }
}

impl Change {
    /// Reads it. `length_bytes_max`: of a route that takes a body; any other refuses one.
    pub(crate) async fn read<N>(
        caller: &Caller<N>,
        state: &ApiState,
        route: &'static str,
        request: Request,
        length_bytes_max: Option<usize>,
    ) -> Result<Self, Problem> {
        let (uri, key) = (request.uri().clone(), key(request.headers())?.map(Box::<str>::from));
        let timeout = state.settings.body_timeout;
        let body = match length_bytes_max {
            Some(most) => read_json(request, most, timeout, "a JSON object").await?,
            None => refuse_body(request, timeout).await.map(|()| Bytes::new())?,
        };
        let mut change = Self::of(uri, body, route, key);
        let wanted = Query::of(&change.uri).take_flag("dryRun").is_ok_and(|dry_run| !dry_run);
        if let Some(key) = change.key.as_deref().filter(|_| wanted) {
            let (home, reach) = caller.keeps_answers_in(route);
            let about = caller.workspace().key.0.to_le_bytes();
            let query = change.uri.query().unwrap_or_default();
            let parts = [change.uri.path().as_bytes(), query.as_bytes(), &about, reach, &change.body];
            let once = Once::new(home, route, key, parts, state.installation.now());
            change._flight = Some(state.installation.begin(&once).ok_or_else(in_use)?);
            change.kept = state.installation.kept(&once).await?;
            change.once = Some(once);
        }
        Ok(change)
    }

    /// Reads one that only tells what would happen: it has no effect that could come twice.
    pub(crate) async fn read_trial(
        state: &ApiState,
        route: &'static str,
        request: Request,
        length_bytes_max: usize,
    ) -> Result<Self, Problem> {
        let uri = request.uri().clone();
        let timeout = state.settings.body_timeout;
        let body = read_json(request, length_bytes_max, timeout, "a JSON object").await?;
        Ok(Self::of(uri, body, route, None))
    }

    fn of(uri: Uri, body: Bytes, route: &'static str, key: Option<Box<str>>) -> Self {
        let request_id = RequestId::new();
        Self { uri, body, route, once: None, kept: None, seal: None, request_id, key, _flight: None }
    }

    /// Lets what is kept be readable to nobody who hasn't the sender's key: the answer holds a secret.
    pub(crate) fn secret(mut self) -> Result<Self, Problem> {
        let Some(key) = self.key.as_deref().filter(|_| self.once.is_some()) else { return Ok(self) };
        if key.len() < SECRET_KEY_BYTES_MIN {
            let detail = format!(
                "Here `Idempotency-Key` must have at least {SECRET_KEY_BYTES_MIN} characters that nobody can guess, since the \
                 answer, which holds a secret, is kept for who has it; a UUID will do."
            );
            return Err(Problem::bad_request("invalid_idempotency_key", detail));
        }
        self.seal = Some(Seal::of(key)?);
        Ok(self)
    }

    /// What it was answered before, if it was.
    pub(crate) fn before(&self) -> Result<Option<Response>, Problem> {
        self.kept.as_ref().map(|kept| self.replay(kept)).transpose()
    }

    /// The object that its body is.
    pub(crate) fn object<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse_object(&self.body)
    }

    /// Whom events name as their cause where there is neither key nor command.
    pub(crate) fn actor(&self) -> Actor {
        Actor::named(self.route)
    }

    /// Carries an order out, or tries it, and answers as `body` tells what came of it.
    pub(crate) async fn order<N, B: Serialize>(
        &self,
        caller: &Caller<N>,
        order: Order,
        reason: Option<Box<str>>,
        dry_run: bool,
        body: impl Fn(&Ordered) -> Result<B, Problem> + Clone + Send + 'static,
    ) -> Result<Response, Problem> {
        let tell = move |done: &Result<Ordered, CorrectError>| match done {
            Ok(ordered) => body(ordered).map(Made::ok),
            Err(error) => Err(error.clone().into()),
        };
        let (engine, actor) = (caller.engine(), caller.actor(&self.actor()));
        let done = match self.keeping(tell.clone()).filter(|_| !dry_run) {
            None => engine.correct(order, actor, reason, dry_run).await.map(Repeatable::Now),
            Some(keeping) => engine.correct_once(order, actor, reason, keeping).await,
        };
        self.finish(done, tell)
    }

    /// How the answer to it is kept, if it is.
    pub(crate) fn keeping<T: 'static, B: Serialize>(
        &self,
        tell: impl Fn(&T) -> Result<Made<B>, Problem> + Clone + Send + 'static,
    ) -> Option<Keeping<T>> {
        let once = self.once.clone()?;
        Some(Keeping { once, answer: Box::new(self.keep(tell)) })
    }

    /// By what it is known when it comes again.
    pub(crate) fn once(&self) -> Option<&Once> {
        self.once.as_ref()
    }

    /// The answer as it is kept. One that a moment later may be another isn't.
    pub(crate) fn keep<T, B: Serialize>(
        &self,
        tell: impl Fn(&T) -> Result<Made<B>, Problem> + Clone + Send + 'static,
    ) -> impl Fn(&T) -> Option<KeptAnswer> + Clone + Send + 'static {
        let (request_id, seal) = (self.request_id, self.seal.clone());
        move |done| {
            let (status, location, body) = match tell(done) {
                Ok(made) => {
                    let body = serde_json::to_string(&made.body).expect("it is written as JSON all the time");
                    (made.status, made.location, body)
                }
                Err(problem) if problem.status.is_server_error() || problem.retry_after_seconds.is_some() => {
                    return None;
                }
                Err(problem) => {
                    let mut body = Vec::new();
                    problem.write(request_id, None, &mut body);
                    (problem.status, None, String::from_utf8(body).expect("JSON is UTF-8"))
                }
            };
            let body = if let Some(seal) = &seal { seal.close(body) } else { body };
            Some(KeptAnswer {
                status: status.as_u16(),
                location: location.map(Into::into),
                body: Some(body.into()),
            })
        }
    }

    /// The answer to what came of it: as `tell` does, which told too what was kept; or what it was answered before.
    pub(crate) fn finish<T, E, B: Serialize>(
        &self,
        done: Result<Repeatable<T>, E>,
        tell: impl Fn(&Result<T, E>) -> Result<Made<B>, Problem>,
    ) -> Result<Response, Problem> {
        let done = match done {
            Ok(Repeatable::Before(kept)) => return self.replay(&kept),
            Ok(Repeatable::Now(done)) => Ok(done),
            Err(error) => Err(error),
        };
        // What is kept names this request.
        let known = |problem| Problem { request_id: Some(self.request_id.into()), ..problem };
        let Made { status, location, body } = tell(&done).map_err(known)?;
        let mut response = (status, Json(body)).into_response();
        if let Some(location) = location {
            response.headers_mut().insert(LOCATION, field(&location)?);
        }
        Ok(response)
    }

    /// An answer that is kept, as it was given before.
    fn replay(&self, kept: &Kept) -> Result<Response, Problem> {
        let Some(body) = kept.answer.body.as_deref() else {
            let detail = "The request was carried out before, and somebody in its answer was erased since; ask for what is \
                          there now.";
            return Err(Problem::new(StatusCode::GONE, "answer_erased", detail));
        };
        if self.once.as_ref().is_none_or(|once| *once.request() != *kept.request) {
            let detail = "Another request to this path was sent with that `Idempotency-Key`, and nothing was done; use a new \
                          key for each request that isn't a repeat.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
        }
        let body = if let Some(seal) = &self.seal { seal.open(body)? } else { body.to_owned() };
        let status = StatusCode::from_u16(kept.answer.status).map_err(|_| Problem::internal())?;
        let sort = if status.is_success() { "application/json" } else { "application/problem+json" };
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sort));
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        if let Some(location) = &kept.answer.location {
            headers.insert(LOCATION, field(location)?);
        }
        Ok(response)
    }
}

impl<N> Caller<N> {
    /// The workspace with whose rows the answers of a route are kept, and who may be told one again. Those of keys and workspaces,
    /// which a request may make or erase, are kept where the caller is at home, and told to nobody who may know of less.
    fn keeps_answers_in(&self, route: &str) -> (WorkspaceKey, &'static [u8]) {
        let administers = [" /v1/keys", " /v1/workspaces"].iter().any(|path| route.contains(path));
        match self.reach() {
            Reach::Everything if administers => (WorkspaceKey::DEFAULT, b"everything"),
            Reach::Workspace(_) if administers => (self.workspace().key, b"one workspace"),
            Reach::Everything | Reach::Workspace(_) => (self.workspace().key, b""),
        }
    }
}

/// Operations that change something, or look so, and take no key: the original's, bodies of lines and files, one that
/// only tells what would be, one that tries, and those of other systems' clients, whose messages have ids of their own.
const WITHOUT_KEY: [&str; 14] = [
    "create_identify",
    "create_observations_batch",
    "create_import",
    "import_events",
    "preview_policy",
    "test_webhook",
    "create_segment_identify",
    "create_segment_alias",
    "create_segment_track",
    "create_segment_page",
    "create_segment_screen",
    "create_segment_group",
    "create_segment_batch",
    "create_shopify_webhook",
];

/// Operations whose answer holds a secret.
const WITH_SECRET: [&str; 3] = ["create_key", "create_webhook", "rotate_webhook"];

/// Says of each operation that takes a key that it does.
pub(crate) fn describe_idempotency_keys(description: &mut Value) {
    let paths = description["paths"].as_object_mut().into_iter().flatten();
    for (_, operations) in paths {
        let changing =
            operations.as_object_mut().into_iter().flatten().filter(|(method, _)| *method != "get");
        for (_, operation) in changing {
            if WITHOUT_KEY.iter().any(|name| operation["operationId"] == *name) {
                continue;
            }
            let holds_secret = WITH_SECRET.iter().any(|name| operation["operationId"] == *name);
            let shortest = if holds_secret { SECRET_KEY_BYTES_MIN } else { 1 };
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let key = json!({
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A text of your own for this request: sent again with it within 24 hours, it has its effect once, \
                                and the same answer",
                "required": false,
                "schema": { "type": "string", "minLength": shortest, "maxLength": KEY_BYTES_MAX, "pattern": "^[!-~]([ -~]*[!-~])?$" },
            });
            operation["parameters"] = parameters.into_iter().chain([key]).collect();
        }
    }
}

/// The sender's key, if there is one.
fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // What that takes for text may hold tabs.
    let text = value.to_str().ok().filter(|text| !text.contains('\t'));
    let text = text.filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len()));
    text.filter(|_| values.next().is_none()).map(Some).ok_or_else(|| {
        let detail = format!(
            "`Idempotency-Key` may be sent once, with 1 to {KEY_BYTES_MAX} characters of ASCII: a new UUID for each request \
             that isn't a repeat."
        );
        Problem::bad_request("invalid_idempotency_key", detail)
    })
}

/// Refuses a key where no answer can be kept.
pub(crate) fn refuse_key(headers: &HeaderMap) -> Result<(), Problem> {
    if key(headers)?.is_none() {
        return Ok(());
    }
    let detail = "A body of lines takes no `Idempotency-Key`: the same line never does anything twice, so send the body again as \
                  it was.";
    Err(Problem::bad_request("invalid_idempotency_key", detail))
}

fn in_use() -> Problem {
    let detail = "The request that came with that `Idempotency-Key` before is still under way; send it again in a moment.";
    Problem {
        retry_after_seconds: Some(1),
        ..Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use", detail)
    }
}

fn field(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| Problem::internal())
}
