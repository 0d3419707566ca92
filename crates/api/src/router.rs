//! Every route on one page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post};
use selfsame_rules::Actor;
use selfsame_service::{Admission, Installation, WebhookSettings, Webhooks};
use tokio::sync::{Semaphore, watch};

use crate::batch::create_observations_batch;
use crate::contact_body::ResponseSpelling;
use crate::corrections::{delete_contact, erase_identity, merge_identities, split_identity, undo_event};
use crate::cors::Cors;
use crate::docs::{find_docs, find_docs_file};
use crate::events::list_events;
use crate::export::{EXPORTS_AT_ONCE_MAX, find_export};
use crate::health::{find_health, find_readiness};
use crate::heartbeat::find_heartbeat;
use crate::identify::create_identify;
use crate::identities::{explain_identity, find_identity, find_identity_by_identifier, list_identity_events};
use crate::import::create_import;
use crate::import_events::import_events;
use crate::keys::{create_key, find_current_key, find_key, list_keys, revoke_key};
use crate::measurements::{Measurements, find_metrics};
use crate::metrics::RequestMetrics;
use crate::observations::create_observation;
use crate::openapi::find_openapi;
use crate::pages::{Pages, beside};
use crate::policy::{find_policy, preview_policy, set_policy};
use crate::problem::Problem;
use crate::record::find_record;
use crate::reviews::{decide_review, list_reviews};
use crate::segment::{
    create_segment_alias, create_segment_batch, create_segment_group, create_segment_identify,
    create_segment_page, create_segment_screen, create_segment_track,
};
use crate::shopify::create_shopify_webhook;
use crate::shopify_secrets::ShopifySecrets;
use crate::strangers::Strangers;
use crate::webhooks::{
    create_webhook, find_webhook, list_webhooks, remove_webhook, replay_webhook, rotate_webhook,
    test_webhook, webhooks,
};
use crate::workspaces::{
    create_workspace, erase_workspace, find_workspace, list_workspaces, rename_workspace,
};

/// How the API answers.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// How `POST /identify` spells the key of the primary's id.
    pub response_spelling: ResponseSpelling,
    /// How long a client may take to send a body; of a batch, the next 16 KiB of it.
    pub body_timeout: Duration,
    /// The name that events get as their cause if there is no key.
    pub actor: Actor,
    /// Who needs a key.
    pub admission: Admission,
    /// Which web pages of other machines may come where no key is needed on this one.
    pub cors: Option<Cors>,
    /// What `GET /metrics` tells.
    pub measurements: Measurements,
    /// Where webhooks may lead to, and how long one that is tried may take.
    pub webhooks: WebhookSettings,
    /// With what Shopify signs its webhooks; none are taken without.
    pub shopify_secrets: ShopifySecrets,
    /// Pages for people; none where only programs come.
    pub pages: Option<Pages>,
}

/// The whole HTTP interface of an installation, for [`serve`](crate::serve), which finishes and measures its answers.
#[derive(Clone)]
pub struct Api {
    pub(crate) router: Router,
    pub(crate) metrics: Arc<RequestMetrics>,
    /// Whether the server ends, for answers that would never.
    pub(crate) ending: Arc<watch::Sender<bool>>,
}

/// What every handler can reach.
pub(crate) struct ApiState {
    pub(crate) installation: Installation,
    pub(crate) webhooks: Webhooks,
    pub(crate) strangers: Strangers,
    pub(crate) settings: ApiSettings,
    pub(crate) started: Instant,
    pub(crate) metrics: Arc<RequestMetrics>,
    pub(crate) ending: Arc<watch::Sender<bool>>,
    /// How many exports may begin.
    pub(crate) exports: Arc<Semaphore>,
}

/// How many endpoints of webhooks are tried at once, by requests that ask for it.
const TRIED_AT_ONCE_MAX: usize = 8;

/// The whole HTTP interface of `installation`.
pub fn router(installation: Installation, settings: ApiSettings) -> Api {
    // They take no turn from deliveries, and no delivery takes theirs.
    let tried = WebhookSettings { connections_max: TRIED_AT_ONCE_MAX, ..settings.webhooks };
    let routes = Routes::default()
        .route("/", get(find_heartbeat))
        .route("/identify", post(create_identify))
        .route("/identify/", post(create_identify))
        .route("/v1/observations", post(create_observation))
        .route("/v1/observations/batch", post(create_observations_batch))
        .route("/v1/import", post(create_import))
        .route("/v1/identify", post(create_segment_identify))
        .route("/v1/alias", post(create_segment_alias))
        .route("/v1/track", post(create_segment_track))
        .route("/v1/page", post(create_segment_page))
        .route("/v1/screen", post(create_segment_screen))
        .route("/v1/group", post(create_segment_group))
        .route("/v1/batch", post(create_segment_batch))
        .route("/v1/sources/shopify", post(create_shopify_webhook))
        .route("/v1/identities", get(find_identity_by_identifier))
        .route("/v1/identities/{id}", get(find_identity).delete(erase_identity))
        .route("/v1/identities/{id}/events", get(list_identity_events))
        .route("/v1/identities/{id}/why", get(explain_identity))
        .route("/v1/identities/{id}/record", get(find_record))
        .route("/v1/identities/{id}/split", post(split_identity))
        .route("/v1/identities/{id}/merge", post(merge_identities))
        .route("/v1/contacts/{id}", delete(delete_contact))
        .route("/v1/events", get(list_events))
        .route("/v1/events/{sequence}/undo", post(undo_event))
        .route("/v1/export", get(find_export))
        .route("/v1/import/events", post(import_events))
        .route("/v1/reviews", get(list_reviews))
        .route("/v1/reviews/{sequence}", post(decide_review))
        .route("/v1/policy", get(find_policy).put(set_policy))
        .route("/v1/policy/preview", post(preview_policy))
        .route("/healthz", get(find_health))
        .route("/health", get(find_health))
        .route("/readyz", get(find_readiness))
        .route("/metrics", get(find_metrics))
        .route("/v1/keys", get(list_keys).post(create_key))
        .route("/v1/keys/current", get(find_current_key))
        .route("/v1/keys/{id}", get(find_key).delete(revoke_key))
        .route("/v1/workspaces", get(list_workspaces).post(create_workspace))
        .route("/v1/workspaces/{name}", get(find_workspace).patch(rename_workspace).delete(erase_workspace))
        .route("/v1/webhooks", get(list_webhooks).post(create_webhook))
        .route("/v1/webhooks/{id}", get(find_webhook).delete(remove_webhook))
        .route("/v1/webhooks/{id}/test", post(test_webhook))
        .route("/v1/webhooks/{id}/rotate", post(rotate_webhook))
        .route("/v1/webhooks/{id}/replay", post(replay_webhook))
        .route("/openapi.json", get(find_openapi))
        .route("/docs", get(find_docs))
        .route("/docs/", get(find_docs))
        .route("/docs/{file}", get(find_docs_file));
    let pages = settings.pages.clone();
    let paged = pages.iter().flat_map(|pages| pages.templates).copied();
    let templates: Vec<&'static str> = routes.templates.iter().copied().chain(paged).collect();
    let metrics = Arc::new(RequestMetrics::new(&templates));
    let ending = Arc::new(watch::Sender::new(false));
    let state = Arc::new(ApiState {
        webhooks: webhooks(&installation, tried),
        installation,
        settings,
        strangers: Strangers::default(),
        started: Instant::now(),
        metrics: Arc::clone(&metrics),
        ending: Arc::clone(&ending),
        exports: Arc::new(Semaphore::new(EXPORTS_AT_ONCE_MAX)),
    });
    let router = routes
        .router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .with_state(Arc::clone(&state));
    let router = match pages {
        Some(pages) => router.merge(beside(pages, &state)),
        None => router,
    };
    Api { router, metrics, ending }
}

/// Routes, and the templates of their paths, by which requests are measured.
#[derive(Default)]
struct Routes {
    router: Router<Arc<ApiState>>,
    templates: Vec<&'static str>,
}

impl Routes {
    fn route(mut self, template: &'static str, methods: MethodRouter<Arc<ApiState>>) -> Self {
        self.templates.push(template);
        Self { router: self.router.route(template, methods), ..self }
    }
}
