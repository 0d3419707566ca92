//! Webhooks: the log, sent on to endpoints of a workspace's own, event by event and in order.
//!
//! What people do with them is in `administration`; who delivers where, in `supervisor`; one endpoint, in `delivery`.
//! Nothing of an event is kept: each is read from the log when it is sent, so that what was erased is sent by nobody.
//!
//! Deliberately absent: HTTP and JSON. How a message is carried ([`Transport`]) and how an event is written come from `api`.

mod administration;
mod back_off;
mod delivery;
mod message;
mod metrics;
mod secret;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use selfsame_rules::Event;

use crate::Installation;
use metrics::WebhookMetrics;

pub use administration::{KeepingWebhook, NewWebhook, Tested, WEBHOOKS_MAX, WebhookError};
pub use message::Message;
pub use secret::NewSecret;

/// How webhooks are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Whether endpoints may be on this machine or in a private network, and be asked without TLS.
    pub allow_private: bool,
    /// How long an endpoint may take to answer.
    pub attempt_timeout: Duration,
    /// How long it may fail until nothing more is sent to it.
    pub parked_after: Duration,
    /// How long a connection to it is kept for the next message.
    pub idle_timeout: Duration,
    /// How many connections to endpoints may be open at once.
    pub connections_max: usize,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            allow_private: false,
            attempt_timeout: Duration::from_secs(15),
            parked_after: Duration::from_secs(3 * 24 * 60 * 60),
            idle_timeout: Duration::from_secs(5),
            connections_max: 64,
        }
    }
}

/// The way to endpoints.
pub trait Transport: Send + Sync + 'static {
    /// The way to that one. Nothing is asked yet.
    fn channel(&self, url: &str) -> Box<dyn Channel>;
}

/// The way to one endpoint; it may keep a connection.
#[async_trait]
pub trait Channel: Send {
    /// Waits until a message can be posted: as many connections may be open as there may be. It may be dropped at any time.
    async fn ready(&mut self);

    /// Posts a message, and returns the status that it was answered, whatever that is.
    ///
    /// It may be dropped at any time, and then knows not whether the message came.
    async fn post(&mut self, message: &Message) -> Result<u16, PostError>;
}

/// Why a message got no answer. Nothing of it is the endpoint's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It is no URL that a message can be posted to.
    #[error("its URL can't be used")]
    InvalidUrl,
    /// It begins with `http://`, and must not.
    #[error("its URL begins with `http://`, and --webhooks-allow-private isn't set")]
    NotHttps,
    /// The host has no address.
    #[error("its host can't be found")]
    UnknownHost,
    /// All addresses are of this machine or of a private network.
    #[error("its address is not a public one, and --webhooks-allow-private isn't set")]
    PrivateAddress,
    /// No address takes a connection.
    #[error("it takes no connection")]
    NoConnection,
    /// It shows a certificate that doesn't name it.
    #[error("its certificate is for another name")]
    WrongName,
    /// It shows a certificate of an authority that the system doesn't trust.
    #[error("its certificate is of nobody who is trusted here")]
    Untrusted,
    /// It shows a certificate that has expired, or isn't valid yet.
    #[error("its certificate has expired, or is not valid yet")]
    Expired,
    /// It has no certificate that can be used, or speaks no TLS that is good enough.
    #[error("TLS could not be agreed on: is its certificate valid?")]
    NoTls,
    /// What it answered can't be read.
    #[error("what it answered is no HTTP/1.1, or its head is too large")]
    NoHttp,
    /// The connection ended before there was an answer.
    #[error("the connection ended before a whole answer had come")]
    Broken,
    /// [`WebhookSettings::attempt_timeout`] is over.
    #[error("it did not answer in time")]
    TooSlow,
    /// Nothing was sent.
    #[error("nothing was sent: this server has as many connections to endpoints open as it may; try again")]
    NoTurn,
}

/// The webhooks of an installation. Clones are handles on the same ones.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    installation: Installation,
    transport: Box<dyn Transport>,
    /// An event as its message has it.
    written: fn(&Event) -> String,
    settings: WebhookSettings,
    metrics: WebhookMetrics,
}

impl Webhooks {
    /// Those of that installation. Nothing is delivered before [`Webhooks::deliver`].
    pub fn new(
        installation: Installation,
        transport: Box<dyn Transport>,
        written: fn(&Event) -> String,
        settings: WebhookSettings,
    ) -> Self {
        let metrics = WebhookMetrics::new();
        Self(Arc::new(Inner { installation, transport, written, settings, metrics }))
    }
}

/// Why a message is not delivered, though it was answered; nothing where it is.
fn refusal(status: u16) -> Option<String> {
    match status {
        200..=299 => None,
        300..=399 => Some(format!("it answered {status}, and redirects aren't followed")),
        _ => Some(format!("it answered {status}")),
    }
}
