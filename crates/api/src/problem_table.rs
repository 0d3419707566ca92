//! Every code of a problem, with its status and the operations that answer it: what the description of the interface says of
//! problems. What each means, and what to do, is in `docs/API.md`.
//!
//! Connections that are refused before a request is read (what isn't HTTP, TLS on a plain port, one connection too many) are no
//! operation's.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// Which operations answer a code.
enum At {
    /// Those that ask for a key.
    Key,
    /// Those that list in pages.
    Pages,
    /// Those that read a body of JSON.
    Json,
    /// Those that read any body.
    Body,
    /// Those that name a contact.
    Contact,
    /// Those that ask for a key or a signature.
    Caller,
    /// Of these, those that change something.
    Change,
    /// Those that can be marked to have their effect once.
    Once,
    /// Those of that name.
    Of(&'static [&'static str]),
}

/// The operations that read values of identifiers.
const VALUES: &[&str] = &["find_identity_by_identifier", "create_observation"];

/// The operations that take a reason.
const REASONS: &[&str] = &["split_identity", "merge_identities", "undo_event", "decide_review"];

/// The operations that name a webhook.
const WEBHOOK: &[&str] =
    &["find_webhook", "test_webhook", "rotate_webhook", "replay_webhook", "remove_webhook"];

/// The operations that refuse any body.
const WITHOUT_BODY: &[&str] = &[
    "delete_contact",
    "erase_identity",
    "erase_workspace",
    "remove_webhook",
    "revoke_key",
    "rotate_webhook",
    "test_webhook",
];

/// Those of Segment's clients.
const SEGMENT: &[&str] = &[
    "create_segment_identify",
    "create_segment_alias",
    "create_segment_track",
    "create_segment_page",
    "create_segment_screen",
    "create_segment_group",
    "create_segment_batch",
];

/// The operation that asks for a signature.
const SHOPIFY: &[&str] = &["create_shopify_webhook"];

/// Status, code, and where.
const CODES: [(u16, &str, At); 88] = [
    (400, "invalid_query", At::Caller),
    (400, "invalid_header", At::Key),
    (400, "invalid_cursor", At::Pages),
    (
        400,
        "invalid_path",
        At::Of(&["find_key", "revoke_key", "find_workspace", "rename_workspace", "erase_workspace"]),
    ),
    (400, "invalid_path", At::Contact),
    (400, "invalid_path", At::Of(WEBHOOK)),
    (400, "invalid_path", At::Of(&["undo_event", "decide_review"])),
    (400, "invalid_idempotency_key", At::Once),
    (
        400,
        "invalid_idempotency_key",
        At::Of(&["create_observations_batch", "create_import", "import_events"]),
    ),
    (400, "empty_body", At::Body),
    (400, "invalid_file", At::Of(&["create_import"])),
    (400, "not_utf8", At::Json),
    (400, "malformed_json", At::Json),
    (400, "malformed_gzip", At::Of(SEGMENT)),
    (400, "not_an_object", At::Json),
    (400, "body_broken_off", At::Body),
    (400, "body_broken_off", At::Of(WITHOUT_BODY)),
    (400, "invalid_body", At::Json),
    (400, "invalid_body", At::Of(WITHOUT_BODY)),
    (400, "nested_too_deeply", At::Of(&["create_identify"])),
    (400, "repeated_member", At::Of(&["create_identify"])),
    (400, "invalid_email", At::Of(&["create_identify"])),
    (400, "invalid_phone_number", At::Of(&["create_identify"])),
    (400, "wrong_type", At::Of(&["create_identify", "create_observation"])),
    (400, "nothing_to_identify", At::Of(&["create_identify", "create_observation"])),
    (400, "unknown_kind", At::Of(&["create_observation"])),
    (400, "invalid_identifier", At::Of(VALUES)),
    (400, "invalid_source", At::Of(&["create_observation"])),
    (400, "invalid_time", At::Of(&["create_observation", "create_key"])),
    (400, "invalid_reason", At::Of(REASONS)),
    (400, "other_identity", At::Of(&["split_identity"])),
    (400, "nothing_left", At::Of(&["split_identity"])),
    (400, "invalid_event", At::Of(&["import_events"])),
    (400, "invalid_policy", At::Of(&["set_policy", "preview_policy"])),
    (400, "invalid_name", At::Of(&["create_key", "create_workspace", "rename_workspace"])),
    (400, "invalid_scopes", At::Of(&["create_key"])),
    (400, "invalid_limit", At::Of(&["create_key"])),
    (400, "invalid_url", At::Of(&["create_webhook"])),
    (400, "not_confirmed", At::Of(&["erase_workspace"])),
    (401, "key_required", At::Key),
    (401, "invalid_key", At::Key),
    (401, "invalid_signature", At::Of(SHOPIFY)),
    (403, "wrong_scope", At::Key),
    (403, "other_workspace", At::Key),
    (403, "foreign_page", At::Key),
    (
        403,
        "needs_every_workspace",
        At::Of(&["create_key", "create_workspace", "rename_workspace", "erase_workspace", "find_metrics"]),
    ),
    (404, "workspace_not_found", At::Caller),
    (404, "shopify_not_set_up", At::Of(SHOPIFY)),
    (404, "contact_not_found", At::Contact),
    (404, "event_not_found", At::Of(&["undo_event", "decide_review", "create_webhook", "replay_webhook"])),
    (404, "nobody", At::Of(&["find_identity_by_identifier"])),
    (404, "no_key", At::Of(&["find_current_key"])),
    (404, "key_not_found", At::Of(&["find_key", "revoke_key"])),
    (404, "webhook_not_found", At::Of(WEBHOOK)),
    (408, "request_timeout", At::Body),
    (408, "request_timeout", At::Of(WITHOUT_BODY)),
    (409, "not_undoable", At::Of(&["undo_event"])),
    (409, "apart_already", At::Of(&["undo_event"])),
    (409, "held_together", At::Of(&["undo_event"])),
    (409, "together_already", At::Of(&["merge_identities", "decide_review"])),
    (409, "forbidden_by_policy", At::Of(&["merge_identities", "decide_review"])),
    (409, "not_open", At::Of(&["decide_review"])),
    (409, "spelt_otherwise", At::Of(&["set_policy"])),
    (409, "name_taken", At::Of(&["create_key", "create_workspace", "rename_workspace"])),
    (409, "name_just_given_up", At::Of(&["create_workspace", "rename_workspace"])),
    (409, "too_many_webhooks", At::Of(&["create_webhook"])),
    (409, "file_changed", At::Of(&["create_import"])),
    (409, "not_empty_any_more", At::Of(&["create_import"])),
    (409, "default_stays", At::Of(&["rename_workspace", "erase_workspace"])),
    (409, "log_differs", At::Of(&["import_events"])),
    (409, "idempotency_key_in_use", At::Once),
    (410, "contact_gone", At::Contact),
    (410, "answer_erased", At::Once),
    (413, "body_too_large", At::Json),
    (413, "line_too_long", At::Of(&["import_events"])),
    (415, "unsupported_media_type", At::Body),
    (415, "unsupported_encoding", At::Body),
    (422, "nothing_links", At::Of(&["create_identify", "create_observation"])),
    (422, "idempotency_key_reused", At::Once),
    (422, "topic_not_taken", At::Of(SHOPIFY)),
    (429, "rate_limited", At::Key),
    (429, "too_many_at_once", At::Key),
    (500, "internal_error", At::Caller),
    (503, "store_unavailable", At::Caller),
    (503, "too_many_exports", At::Of(&["find_export"])),
    (503, "shutting_down", At::Change),
    (503, "no_space", At::Change),
    (503, "outcome_unknown", At::Change),
];

/// Of observations, which queue.
const QUEUE: [(u16, &str); 2] = [(503, "queue_full"), (503, "overloaded")];

/// Says of each operation with which statuses and codes it answers a problem. What it says of `default` stays, for what a
/// later version adds.
pub(crate) fn describe_problems(description: &mut Value) {
    let paths = description["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            let told = problems(path, method, operation);
            let responses = operation["responses"].as_object_mut();
            responses.expect("every operation has responses").extend(told);
        }
    }
}

/// The responses of an operation that are problems.
fn problems(path: &str, method: &str, operation: &Value) -> Map<String, Value> {
    let mut statuses: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    let codes = CODES.iter().filter(|(_, _, at)| at.is(path, method, operation));
    for (status, code, _) in codes {
        statuses.entry(*status).or_default().push(code);
    }
    if operation["tags"][0] == "observations" {
        for (status, code) in QUEUE {
            statuses.entry(status).or_default().push(code);
        }
    }
    statuses.into_iter().map(|(status, codes)| (status.to_string(), response(status, &codes))).collect()
}

fn response(status: u16, codes: &[&str]) -> Value {
    let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let listed: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({
        "description": format!("{}: {}", title.unwrap_or("A problem"), listed.join(", ")),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        "x-problem-codes": codes,
    })
}

impl At {
    fn is(&self, path: &str, method: &str, operation: &Value) -> bool {
        let has_parameter = |name: &str| {
            operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|parameter| parameter["name"] == name)
        };
        let has_key = operation["security"].is_null();
        let has_caller = has_key || operation["security"][0]["shopifySignature"].is_array();
        match self {
            Self::Key => has_key,
            Self::Pages => has_parameter("cursor"),
            Self::Json => operation["requestBody"]["content"]["application/json"].is_object(),
            Self::Body => operation["requestBody"].is_object(),
            Self::Contact => {
                path.contains("/{id}")
                    && (path.starts_with("/v1/identities") || path.starts_with("/v1/contacts"))
            }
            Self::Caller => has_caller,
            Self::Change => has_caller && method != "get",
            Self::Once => has_parameter("Idempotency-Key"),
            Self::Of(names) => names.iter().any(|name| operation["operationId"] == *name),
        }
    }
}
