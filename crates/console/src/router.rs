//! Every page on one page.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get};
use selfsame_service::{Admission, Installation};

use crate::assets::find_asset;
use crate::customer::show_customer;
use crate::failure::{Failure, finish};
use crate::find::show_find;
use crate::sign_in::{show_sign_in, sign_in, sign_out};

/// The path of the first page.
pub(crate) const HOME: &str = "/console";

/// How the console answers.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleSettings {
    /// Who needs a key.
    pub admission: Admission,
    /// How long a browser may take to send a form.
    pub body_timeout: Duration,
}

/// The pages of an installation, for a server that gives them request ids, log lines and numbers.
#[derive(Clone, Debug)]
pub struct Console {
    /// What answers. It takes a request's id from `X-Request-Id`, and tells of what it refuses by
    /// [`Refused`](selfsame_service::Refused) among the extensions of its answer.
    pub router: Router,
    /// The templates of its paths.
    pub templates: &'static [&'static str],
    /// The path of the first page.
    pub home: &'static str,
}

/// What every page can reach.
pub(crate) struct ConsoleState {
    pub(crate) installation: Installation,
    pub(crate) settings: ConsoleSettings,
}

/// Each path, in the order of [`routes`].
const TEMPLATES: &[&str] = &[
    "/console",
    "/console/customers/{id}",
    "/console/sign-in",
    "/console/sign-out",
    "/console/assets/{file}",
    "/console/{*rest}",
];

/// What answers at each path.
fn routes() -> [MethodRouter<Arc<ConsoleState>>; TEMPLATES.len()] {
    [
        get(show_find),
        get(show_customer),
        get(show_sign_in).post(sign_in),
        get(async || Failure::method_not_allowed()).post(sign_out),
        get(find_asset),
        get(async || Failure::not_found()),
    ]
}

/// The pages of `installation`.
pub fn console(installation: Installation, settings: ConsoleSettings) -> Console {
    let state = Arc::new(ConsoleState { installation, settings });
    let mut router = Router::new();
    for (template, methods) in TEMPLATES.iter().zip(routes()) {
        router = router.route(template, methods);
    }
    let router = router
        .method_not_allowed_fallback(async || Failure::method_not_allowed())
        .layer(from_fn_with_state(Arc::clone(&state), finish))
        .with_state(state);
    Console { router, templates: TEMPLATES, home: HOME }
}
