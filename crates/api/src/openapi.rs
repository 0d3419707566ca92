//! `GET /openapi.json`: the interface described, from the endpoints themselves.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::change::describe_idempotency_keys;
use crate::problem_table::describe_problems;

/// What was seen at a checkout: an e-mail, a phone number, or both.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Observation)]
pub(crate) struct ObservationShape {
    /// An e-mail address.
    #[schema(example = "lorraine@hillvalley.edu")]
    email: Option<String>,
    /// A phone number, as a text or as a whole number.
    #[schema(schema_with = phone_number)]
    phone_number: Option<String>,
}

/// A text, a whole number of any length, or null.
fn phone_number() -> Schema {
    let any = [Type::String, Type::Integer, Type::Null].into_iter().collect();
    let described = ObjectBuilder::new().schema_type(SchemaType::Array(any));
    described
        .description(Some("A phone number, as a text or as a whole number."))
        .minimum(Some(0))
        .examples(["123456"])
        .into()
}

/// The customer that an observation belongs to.
#[derive(Serialize, ToSchema)]
#[schema(as = Identified)]
pub(crate) struct AnswerShape {
    contact: ContactShape,
}

/// A customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Customer)]
pub(crate) struct ContactShape {
    /// The oldest contact of the customer.
    primary_contact_id: i64,
    /// The primary's own first, each once.
    emails: Vec<String>,
    phone_numbers: Vec<String>,
    secondary_contact_ids: Vec<i64>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "selfsame",
        description = "Identity reconciliation: which of your customers is this?\n\nA key is sent as \
            `Authorization: Bearer KEY`, or as the user name of HTTP Basic. Errors are problem details (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        crate::heartbeat::find_heartbeat,
        crate::identify::create_identify,
        crate::observations::create_observation,
        crate::batch::create_observations_batch,
        crate::import::create_import,
        crate::segment::create_segment_identify,
        crate::segment::create_segment_alias,
        crate::segment::create_segment_track,
        crate::segment::create_segment_page,
        crate::segment::create_segment_screen,
        crate::segment::create_segment_group,
        crate::segment::create_segment_batch,
        crate::shopify::create_shopify_webhook,
        crate::identities::find_identity_by_identifier,
        crate::identities::find_identity,
        crate::identities::list_identity_events,
        crate::identities::explain_identity,
        crate::record::find_record,
        crate::corrections::erase_identity,
        crate::corrections::split_identity,
        crate::corrections::merge_identities,
        crate::corrections::undo_event,
        crate::corrections::delete_contact,
        crate::events::list_events,
        crate::export::find_export,
        crate::import_events::import_events,
        crate::reviews::list_reviews,
        crate::reviews::decide_review,
        crate::policy::find_policy,
        crate::policy::set_policy,
        crate::policy::preview_policy,
        crate::health::find_health,
        crate::health::find_readiness,
        crate::measurements::find_metrics,
        crate::keys::create_key,
        crate::keys::list_keys,
        crate::keys::find_current_key,
        crate::keys::find_key,
        crate::keys::revoke_key,
        crate::workspaces::create_workspace,
        crate::workspaces::list_workspaces,
        crate::workspaces::find_workspace,
        crate::workspaces::rename_workspace,
        crate::workspaces::erase_workspace,
        crate::webhooks::create_webhook,
        crate::webhooks::list_webhooks,
        crate::webhooks::find_webhook,
        crate::webhooks::test_webhook,
        crate::webhooks::rotate_webhook,
        crate::webhooks::replay_webhook,
        crate::webhooks::remove_webhook,
        find_openapi,
    ),
    modifiers(&Keys),
    security(("key" = []), ("keyAsUser" = [])),
    tags(
        (name = "observations", description = "What was seen, and whose it is"),
        (name = "identities", description = "Who somebody is or was, and why"),
        (name = "corrections", description = "What people decide: each is one event, and can be tried first"),
        (name = "reviews", description = "What a rule refused, for a person to decide"),
        (name = "events", description = "The log"),
        (name = "files", description = "Everything as a file, and the log of one back in"),
        (name = "policy", description = "What links, and what doesn't"),
        (name = "keys", description = "Who may do what"),
        (name = "workspaces", description = "Closed sets of customers"),
        (name = "files", description = "Many customers at once"),
        (name = "webhooks", description = "Where events are sent to"),
        (name = "operations", description = "For whoever runs the server"),
    )
)]
struct Description;

/// Says how a key is sent.
struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        components.add_security_scheme("keyAsUser", SecurityScheme::Http(basic));
        let described =
            "The base64 of the HMAC-SHA256 of the body, by a secret of Shopify's that the server was given";
        let signature = ApiKey::Header(ApiKeyValue::with_description("X-Shopify-Hmac-Sha256", described));
        components.add_security_scheme("shopifySignature", SecurityScheme::ApiKey(signature));
    }
}

/// The description of the interface, as OpenAPI 3.1 has it.
pub fn description() -> Value {
    let mut description = serde_json::to_value(Description::openapi()).expect("a description is JSON");
    never_null_parameters(&mut description);
    describe_idempotency_keys(&mut description);
    describe_problems(&mut description);
    description
}

/// Takes null from what parameters may be: whoever has nothing to say leaves one out, and a header can't hold it.
fn never_null_parameters(description: &mut Value) {
    let paths = description["paths"].as_object_mut().into_iter().flatten();
    for (_, operation) in paths.flat_map(|(_, operations)| operations.as_object_mut().into_iter().flatten()) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            if let Some(types) = parameter.pointer_mut("/schema/type").and_then(Value::as_array_mut) {
                types.retain(|one| one != "null");
            }
        }
    }
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = HashMap<String, Value>))
)]
pub(crate) async fn find_openapi() -> Response {
    Json(description()).into_response()
}
