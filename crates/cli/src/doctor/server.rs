//! The server: whether one listens where the settings say, whether it is ready, and whether it is this version.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;
use tokio::time::timeout;

use super::Check;
use super::finding::{Finding, ok, problem, warning};
use super::installation::Installation;
use crate::healthcheck::{addresses, ask, list, told};
use crate::settings::Settings;

pub(super) const CHECKS: &[Check] =
    &[Check { name: "server", judge: ready }, Check { name: "version", judge: version }];

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long each answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) enum Server {
    /// The settings name no place to ask, and why.
    Nowhere(String),
    /// Nobody listens there.
    Silent {
        place: String,
    },
    /// Somebody does, and isn't ours, or doesn't answer.
    Strange {
        place: String,
        why: String,
    },
    Found {
        place: String,
        version: Option<String>,
        not_ready: Option<String>,
    },
}

impl Server {
    pub(super) async fn look(settings: &Settings) -> Self {
        let host = settings.host.as_deref().unwrap_or("127.0.0.1");
        let addresses = match addresses(host, settings.port.unwrap_or(3000)).await {
            Ok(addresses) => addresses,
            Err(error) => return Self::Nowhere(crate::told(&error)),
        };
        let (place, over_tls) = (list(&addresses), settings.tls.is_on());
        let alive = match answer(&addresses, over_tls, "/healthz").await {
            Ok((StatusCode::OK, body)) => serde_json::from_slice::<Value>(&body).unwrap_or_default(),
            Ok((status, body)) => {
                return Self::Strange {
                    place,
                    why: format!("it answers {} to /healthz", told(status, &body)),
                };
            }
            Err(None) => return Self::Strange { place, why: "it does not answer".to_owned() },
            Err(Some(error)) if is_refused(&error) => return Self::Silent { place },
            Err(Some(error)) => return Self::Strange { place, why: format!("{error:#}") },
        };
        if alive["status"] != "ok" {
            return Self::Strange { place, why: "its answer to /healthz is not selfsame's".to_owned() };
        }
        let version = alive["version"].as_str().map(str::to_owned);
        let not_ready = match answer(&addresses, over_tls, "/readyz").await {
            Ok((StatusCode::OK, _)) => None,
            Ok((status, body)) => Some(told(status, &body)),
            Err(error) => Some(error.map_or("no answer".to_owned(), |error| format!("{error:#}"))),
        };
        Self::Found { place, version, not_ready }
    }
}

/// An answer; no error, if there was none in time.
async fn answer(
    addresses: &[SocketAddr],
    over_tls: bool,
    path: &str,
) -> Result<(StatusCode, Vec<u8>), Option<anyhow::Error>> {
    timeout(PATIENCE, ask(addresses, over_tls, path)).await.map_err(|_| None)?.map_err(Some)
}

fn is_refused(error: &anyhow::Error) -> bool {
    let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    error.downcast_ref().is_some_and(refused)
}

fn ready(installation: &Installation) -> Vec<Finding> {
    vec![match &installation.server {
        // That the address is wrong, where it is, was said before.
        Server::Nowhere(why) => {
            let (why, hint) = why.split_once("\nhint: ").unwrap_or((why, "correct HOST and PORT"));
            warning(format!("nobody can be asked: {why}"), hint)
        }
        Server::Silent { place } => {
            warning(format!("nobody listens at {place}"), "start it: `selfsame serve`")
        }
        Server::Strange { place, why } => problem(
            format!("what listens at {place} is not selfsame: {why}"),
            "end that program, or let selfsame listen elsewhere with --port",
        ),
        Server::Found { place, not_ready: None, .. } => ok(format!("it listens at {place}, and is ready")),
        Server::Found { place, not_ready: Some(why), .. } => problem(
            format!("it listens at {place}, and is not ready: {why}"),
            "its log says more; what is wrong with the database stands above",
        ),
    }]
}

fn version(installation: &Installation) -> Vec<Finding> {
    let Server::Found { version, .. } = &installation.server else { return Vec::new() };
    vec![match version.as_deref() {
        Some(VERSION) => ok(format!("the server is selfsame {VERSION}, as this program is")),
        other => warning(
            format!(
                "the server is selfsame {}, and this program is {VERSION}",
                other.unwrap_or("of an earlier version")
            ),
            "if the program was upgraded, restart the server",
        ),
    }]
}
