//! `/v1/identities`: who somebody is or was, their events, and why two contacts are the same person.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use selfsame_rules::{ContactId, Identifier, IdentifierKind, Link, Moment, Policy, Sequence};
use selfsame_service::{AskError, Whom};
use serde::Serialize;
use utoipa::ToSchema;

use crate::door::{Caller, Reads};
use crate::event_body::{EventBody, EvidenceBody};
use crate::identity_body::{CONTACTS, IdentityBody, age_before};
use crate::observations::seen_as;
use crate::page::{Page, PageQuery};
use crate::problem::{Problem, ProblemBody};
use crate::query::{Query, invalid};
use crate::target::Named;
use crate::times;

/// A page of events, in the order of the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventPage)]
pub(crate) struct EventsBody {
    pub(crate) events: Vec<EventBody>,
    /// Leads to the next page; null after the last.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

/// Why two contacts are the same person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Why)]
pub(crate) struct WhyBody {
    /// Whether they are.
    same_person: bool,
    /// The shortest chain of steps from the one to the other; empty where they aren't, or are one contact.
    steps: Vec<StepBody>,
}

/// A step of a chain: what makes two contacts the same person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Step)]
pub(crate) struct StepBody {
    from_contact_id: i64,
    to_contact_id: i64,
    /// The event that links them.
    sequence: i64,
    /// What that event observed; empty for a person's decision.
    evidence: Vec<EvidenceBody>,
}

/// Find a person by an identifier.
///
/// The query names one: `email`, `phone`, or a kind that the policy declares.
#[utoipa::path(
    get, path = "/v1/identities", tag = "identities",
    params(PageQuery,
        ("email" = Option<String>, Query, description = "An e-mail address"),
        ("phone" = Option<String>, Query, description = "A phone number"),
        ("at" = Option<String>, Query, description = "As they were after that event, or at that time (RFC 3339)"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The person", body = IdentityBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_identity_by_identifier(caller: Caller<Reads>, uri: Uri) -> Response {
    let find = async {
        let mut query = Query::of(&uri);
        let (page, at) = (Page::take(&mut query, CONTACTS)?, moment(&mut query)?);
        let identifier = identifier(&mut query, &caller.engine().policy().await?)?;
        query.end("one identifier, `at`, `limit` and `cursor`")?;
        answer(&caller, &Whom::Identifier(identifier), at, &page).await
    };
    caller.answer(find.await)
}

/// Tell of the person that a contact belongs to: any number that was ever answered.
#[utoipa::path(
    get, path = "/v1/identities/{id}", tag = "identities",
    params(PageQuery, ("id" = i64, Path, description = "A contact's number"),
        ("at" = Option<String>, Query, description = "As they were after that event, or at that time (RFC 3339)"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The person", body = IdentityBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn find_identity(caller: Caller<Reads>, path: Named, uri: Uri) -> Response {
    let find = async {
        let mut query = Query::of(&uri);
        let (page, at) = (Page::take(&mut query, CONTACTS)?, moment(&mut query)?);
        query.end("`at`, `limit` and `cursor`")?;
        answer(&caller, &Whom::Contact(contact(&path)?), at, &page).await
    };
    caller.answer(find.await)
}

async fn answer(
    caller: &Caller<Reads>,
    whom: &Whom,
    at: Option<Moment>,
    page: &Page,
) -> Result<Json<IdentityBody>, Problem> {
    let found = caller.engine().page(whom, at, age_before(page)?, page.limit()).await?;
    Ok(Json(IdentityBody::of(&found, page)))
}

/// List the events of the person that a contact belongs to, and of everybody who was ever one with them.
#[utoipa::path(
    get, path = "/v1/identities/{id}/events", tag = "identities",
    params(PageQuery, ("id" = i64, Path, description = "A contact's number"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "A page of them", body = EventsBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn list_identity_events(caller: Caller<Reads>, path: Named, uri: Uri) -> Response {
    let list = async {
        let page = Page::asked(&uri, "identity-events")?;
        let events = caller.engine().history(contact(&path)?).await?;
        let (events, next_cursor) = page.of(&events, |event| (event.sequence.0, String::new()));
        let events = events.into_iter().map(EventBody::of).collect();
        Ok(Json(EventsBody { events, next_cursor }))
    };
    caller.answer(list.await)
}

/// Tell why two contacts are the same person.
#[utoipa::path(
    get, path = "/v1/identities/{id}/why", tag = "identities",
    params(("id" = i64, Path, description = "A contact's number"),
        ("other" = i64, Query, description = "Another contact's number"),
        ("Selfsame-Workspace" = Option<String>, Header, description = "The workspace, for a key to every one")),
    responses((status = 200, description = "The shortest chain between them", body = WhyBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn explain_identity(caller: Caller<Reads>, path: Named, uri: Uri) -> Response {
    let explain = async {
        let mut query = Query::of(&uri);
        let other = query.take("other")?.and_then(|text| text.parse().ok()).map(ContactId);
        let other = other.ok_or_else(|| invalid("`other` must be the number of a contact."))?;
        query.end("`other`")?;
        let steps = caller.engine().why(contact(&path)?, other).await?;
        let same_person = steps.is_some();
        Ok(Json(WhyBody { same_person, steps: steps.unwrap_or_default().iter().map(step).collect() }))
    };
    caller.answer(explain.await)
}

fn step(link: &Link) -> StepBody {
    StepBody {
        from_contact_id: link.from.0,
        to_contact_id: link.to.0,
        sequence: link.event.0,
        evidence: link.evidence.iter().map(EvidenceBody::of).collect(),
    }
}

/// The contact that a path names.
pub(crate) fn contact(path: &Named) -> Result<ContactId, Problem> {
    path.text()?.parse().map(ContactId).map_err(|_| Problem::no_contact())
}

/// The moment that `at` names: the number of an event, or a time.
fn moment(query: &mut Query) -> Result<Option<Moment>, Problem> {
    let Some(text) = query.take("at")? else { return Ok(None) };
    let sequence = text.parse().ok().map(|number| Moment::Sequence(Sequence(number)));
    let moment = sequence.or_else(|| times::read(&text).map(Moment::Time));
    let wanted = "`at` must be the number of an event, or a time as RFC 3339 has it, for example 2030-01-01T00:00:00Z.";
    moment.map(Some).ok_or_else(|| invalid(wanted))
}

/// The one identifier that a query names.
fn identifier(query: &mut Query, policy: &Policy) -> Result<Identifier, Problem> {
    let Some((kind, text)) = query.take_other() else {
        return Err(invalid("Name one identifier: `email`, `phone`, or a kind that the policy declares."));
    };
    let known = IdentifierKind::from_name(&kind).ok().filter(|kind| policy.knows(kind));
    let known = known.ok_or_else(|| {
        invalid("The query names a kind of identifier that isn't known; it takes `email`, `phone` and what the policy declares.")
    })?;
    let seen = seen_as(policy, &known, &text)?;
    let blank = || invalid("The identifier is blank; send its value.");
    Ok(seen.ok_or_else(blank)?.identifier().clone())
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoContact(_) => Self::no_contact(),
            AskError::Gone(_) => Self::contact_gone(),
            AskError::Nobody => {
                let detail = "Nobody owns that identifier; an observation makes it somebody's.";
                Self::new(StatusCode::NOT_FOUND, "nobody", detail)
            }
            AskError::Store(error) => error.into(),
        }
    }
}
