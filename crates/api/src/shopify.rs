//! `POST /v1/sources/shopify`: webhooks of orders, checkouts and customers. Shopify has no key of ours; it signs what it sends with a
//! secret, which lets it in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use selfsame_rules::Actor;
use selfsame_store::Once;

use crate::body::read_json;
use crate::door::{Caller, Identifies};
use crate::problem::{Problem, ProblemBody};
use crate::router::ApiState;
use crate::shopify_body::{NotTaken, Topic, observation};
use crate::sources::{Message, TakenBody, carry_out, taken};
use crate::target::no_query;

/// The base64 of the HMAC-SHA256 of the body.
const SIGNATURE: HeaderName = HeaderName::from_static("x-shopify-hmac-sha256");
const TOPIC: HeaderName = HeaderName::from_static("x-shopify-topic");
const SHOP: HeaderName = HeaderName::from_static("x-shopify-shop-domain");
/// The same for all webhooks that one thing caused.
const EVENT_ID: HeaderName = HeaderName::from_static("x-shopify-event-id");
/// The same for one webhook, however often it is sent.
const WEBHOOK_ID: HeaderName = HeaderName::from_static("x-shopify-webhook-id");
/// A person made it up, to see what comes of it.
const TEST: HeaderName = HeaderName::from_static("x-shopify-test");

const ROUTE: &str = "POST /v1/sources/shopify";

/// An order of some hundred lines has a few hundred kilobytes.
const LENGTH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Take a webhook of Shopify's.
///
/// It is signed with one of the secrets that the server was given; this says in which workspace it is taken.
#[utoipa::path(
    post, path = "/v1/sources/shopify", tag = "observations", security(("shopifySignature" = [])),
    params(("X-Shopify-Topic" = Option<String>, Header, description = "What it is about: `orders/…`, `checkouts/…`, `customers/create`, `update`, `enable` or `disable`"),
        ("X-Shopify-Event-Id" = Option<String>, Header, description = "By what, with the topic, it is known when it comes again"),
        ("X-Shopify-Webhook-Id" = Option<String>, Header, description = "The same, where there is no event's id")),
    request_body(content = Object, content_type = "application/json", description = "An order, a checkout or a customer"),
    responses((status = 200, description = "It was taken", body = TakenBody),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(crate) async fn create_shopify_webhook(State(state): State<Arc<ApiState>>, request: Request) -> Response {
    take(&state, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn take(state: &ApiState, request: Request) -> Result<Response, Problem> {
    no_query(request.uri())?;
    let secrets = &state.settings.shopify_secrets;
    if secrets.is_empty() {
        let detail = "This server has no secret of Shopify's, so that nobody's webhooks can be taken; set SELFSAME_SHOPIFY_SECRETS.";
        return Err(Problem::new(StatusCode::NOT_FOUND, "shopify_not_set_up", detail));
    }
    let headers = request.headers().clone();
    let signature = header(&headers, &SIGNATURE).and_then(|text| BASE64.decode(text.as_bytes()).ok());
    // Nobody's body is read who doesn't even try.
    let signature = signature.ok_or_else(|| state.strangers.wrong_signature())?;
    let timeout = state.settings.body_timeout;
    let body = read_json(request, LENGTH_BYTES_MAX, timeout, "what Shopify sends").await?;
    let signer = secrets.signer(&body, &signature).ok_or_else(|| state.strangers.wrong_signature())?;
    let caller: Caller<Identifies> = Caller::signed(state, signer.as_str()).await?;

    let topic = header(&headers, &TOPIC).unwrap_or_default();
    let kind = Topic::of(topic).map_err(not_taken)?;
    if header(&headers, &TEST).is_some_and(|test| test.eq_ignore_ascii_case("true")) {
        return Ok(taken());
    }
    let workspace = caller.workspace();
    let reading = (&*workspace.policy, &state.metrics.left_out);
    let actor = caller.actor(&Actor::named(ROUTE));
    let seen = observation(kind, &body, reading, &actor, header(&headers, &SHOP))
        .inspect_err(|_| state.metrics.refused.increment(1))?;
    // Of one thing that happened, each topic tells by itself.
    let id = header(&headers, &EVENT_ID).or_else(|| header(&headers, &WEBHOOK_ID));
    let key = id.filter(|id| !id.is_empty()).map(|id| format!("{topic} {id}"));
    let once = key.map(|key| Once::new(workspace.key, ROUTE, &key, [""; 0], state.installation.now()));
    carry_out(&caller, seen.map(|observation| Message { observation, once }).into_iter().collect()).await
}

/// A field that stands once, and is text.
fn header<'request>(headers: &'request HeaderMap, name: &HeaderName) -> Option<&'request str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn not_taken(why: NotTaken) -> Problem {
    let detail = match why {
        NotTaken::Privacy => {
            "Nothing was done: a webhook erases nobody here, and hands out nothing. Have this topic sent to whoever answers such \
             requests; `DELETE /v1/identities/{id}` erases a person, and `GET /v1/identities/{id}/record` tells what is held."
        }
        NotTaken::Unknown => {
            "`X-Shopify-Topic` must be one that tells of a person: `orders/…`, `checkouts/…`, `customers/create`, \
             `customers/update`, `customers/enable` or `customers/disable`; end the subscription of others."
        }
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "topic_not_taken", detail)
}
