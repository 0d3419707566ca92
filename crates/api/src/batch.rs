//! `POST /v1/observations/batch`: an observation a line in, its answer a line out, in the order of the lines.
//!
//! A body is read, decided and answered job by job. The next job is read when the client has taken the answers of
//! the last one, so that neither a body nor its answer is ever held as a whole.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use selfsame_rules::Actor;
use selfsame_service::Together;
use tracing::{Instrument, Span};
use utoipa::ToSchema;

use crate::body::{LINES_TYPES, check_encoding, is_utf8_of};
use crate::change::refuse_key;
use crate::contact_body::write_contact;
use crate::door::{Caller, Identifies};
use crate::jobs::{BrokenOff, Job, JobLimits, Jobs};
use crate::problem::{Problem, ProblemBody};
use crate::request_id::RequestId;
use crate::router::ApiState;
use crate::target::no_query;

/// The name that events get as their cause.
const ACTOR: &str = "POST /v1/observations/batch";

/// Room for the answer of a customer with a few contacts.
const ANSWER_BYTES: usize = 160;

/// Lines of JSON: bytes to generators of clients, which read no lines.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(value_type = String, format = Binary)]
pub(crate) struct LinesShape(String);

/// Answers the jobs of one body.
struct Answers {
    caller: Arc<Caller<Identifies>>,
    state: Arc<ApiState>,
    request_id: RequestId,
}

/// Identify many customers: lines of JSON in, lines of JSON out.
///
/// Each line is what `POST /identify` takes, and each line of the answer what it answers, or a problem with its `line`.
#[utoipa::path(
    post, path = "/v1/observations/batch", tag = "observations",
    params(("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    request_body(content = inline(LinesShape), content_type = "application/x-ndjson", description = "An observation a line"),
    responses((status = 200, description = "An answer a line", body = inline(LinesShape), content_type = "application/x-ndjson"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_observations_batch(
    caller: Caller<Identifies>,
    State(state): State<Arc<ApiState>>,
    request: Request,
) -> Response {
    // The lines of bad observations bear it.
    let request_id = RequestId::new();
    // Under way until its last line is sent.
    let caller = Arc::new(caller);
    let mut response = caller.answer(answer(Arc::clone(&caller), state, request, request_id).await);
    response.extensions_mut().insert(request_id);
    response
}

/// The answer, once the first job is done: as long as nothing was sent, its problem can be that of the whole request.
async fn answer(
    caller: Arc<Caller<Identifies>>,
    state: Arc<ApiState>,
    request: Request,
    request_id: RequestId,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    no_query(&parts.uri)?;
    refuse_key(&parts.headers)?;
    check_encoding(&parts.headers)?;
    let content_type = parts.headers.get(CONTENT_TYPE);
    if !content_type.is_some_and(|content_type| is_utf8_of(content_type, |own| LINES_TYPES.contains(&own))) {
        let detail =
            "The body must be lines of JSON in UTF-8; send it with `Content-Type: application/x-ndjson`.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let limits = JobLimits {
        lines_max: caller.engine().job_observations_max(),
        timeout: state.settings.body_timeout,
        policy: Arc::clone(&caller.workspace().policy),
        actor: caller.actor(&Actor::named(ACTOR)),
    };
    let mut jobs = Jobs::of(body, limits);
    let Some(job) = jobs.next().await.map_err(|broken_off| broken_off.problem)? else {
        let detail =
            "The body is empty; send a JSON object with `email`, `phoneNumber` or both on each line.";
        return Err(Problem::bad_request("empty_body", detail));
    };
    let answers = Answers { caller, state, request_id };
    // The first line was paid for at the door.
    answers.caller.pay(job.lines().saturating_sub(1)).await;
    let first = answers.results(job, &mut jobs).await.map_err(|(_, problem)| problem)?;
    let lines_type = HeaderValue::from_static("application/x-ndjson");
    let body = if jobs.ended() { Body::from(first) } else { stream(first, jobs, answers) };
    Ok(([(CONTENT_TYPE, lines_type)], body).into_response())
}

/// The first job's answers, and those of the jobs after it, each read and done as the client takes them.
fn stream(first: Vec<u8>, jobs: Jobs, answers: Answers) -> Body {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(first))]);
    // The request goes on for as long as its body comes.
    let span = Span::current();
    let others = stream::unfold(Some((jobs, answers)), move |rest| next(rest).instrument(span.clone()));
    Body::from_stream(first.chain(others))
}

/// What of a body has not been answered.
type Rest = Option<(Jobs, Answers)>;

/// The next job's answers, and what is left.
async fn next(rest: Rest) -> Option<(Result<Bytes, Infallible>, Rest)> {
    let (mut jobs, answers) = rest?;
    match jobs.next().await {
        Ok(None) => None,
        Ok(Some(job)) => {
            if let Err(problem) = answers.caller.still_welcome(&answers.state).await {
                let broken_off = BrokenOff { line: job.first_line(), problem };
                return Some((Ok(Bytes::from(answers.end_early(&broken_off))), None));
            }
            answers.caller.pay(job.lines()).await;
            let lines = match answers.results(job, &mut jobs).await {
                Ok(lines) => lines,
                Err((job, problem)) => answers.refusals(&job, &problem),
            };
            Some((Ok(Bytes::from(lines)), Some((jobs, answers))))
        }
        Err(broken_off) => Some((Ok(Bytes::from(answers.end_early(&broken_off))), None)),
    }
}

impl Answers {
    /// The lines that answer a job, or as much of its beginning as can be answered at once: the rest is put back. The
    /// job and its problem, if the store does not do it.
    async fn results(&self, mut job: Job, jobs: &mut Jobs) -> Result<Vec<u8>, (Job, Problem)> {
        let answers = loop {
            let observations = std::mem::take(&mut job.observations);
            if observations.is_empty() {
                break Vec::new();
            }
            match self.caller.engine().identify_all(observations).await {
                Ok(Together::Answered(answers)) => break answers,
                Ok(Together::TooMuch(observations)) => {
                    job.observations = observations;
                    jobs.put_back(job.split());
                }
                Err(error) => return Err((job, error.into())),
            }
        };
        let spelling = self.state.settings.response_spelling;
        let mut answers = answers.iter();
        Ok(self.write(&job, |line, into| {
            let answer = answers.next().expect("each observation has its answer");
            match &answer.identity {
                Some(view) => write_contact(view, spelling, into),
                None => Problem::nothing_links().write(self.request_id, Some(line), into),
            }
        }))
    }

    /// The lines that tell one problem of every good line of a job.
    fn refusals(&self, job: &Job, problem: &Problem) -> Vec<u8> {
        problem.log(self.request_id);
        self.write(job, |line, into| problem.write(self.request_id, Some(line), into))
    }

    /// A line for each of a job's lines, in their order: `good` writes those that held an observation.
    fn write(&self, job: &Job, mut good: impl FnMut(u64, &mut Vec<u8>)) -> Vec<u8> {
        self.state.metrics.refused.increment(job.refused.len() as u64);
        let mut lines = Vec::with_capacity((job.numbers.len() + job.refused.len()) * ANSWER_BYTES);
        let mut refused = job.refused.iter().peekable();
        for number in &job.numbers {
            while let Some((line, problem)) = refused.next_if(|(line, _)| line < number) {
                problem.write(self.request_id, Some(*line), &mut lines);
                lines.push(b'\n');
            }
            good(*number, &mut lines);
            lines.push(b'\n');
        }
        for (line, problem) in refused {
            problem.write(self.request_id, Some(*line), &mut lines);
            lines.push(b'\n');
        }
        lines
    }

    /// The line that ends the answer to a body that did not come to its end.
    fn end_early(&self, BrokenOff { line, problem }: &BrokenOff) -> Vec<u8> {
        problem.log(self.request_id);
        let mut last = Vec::new();
        problem.write(self.request_id, Some(*line), &mut last);
        last.push(b'\n');
        last
    }
}
