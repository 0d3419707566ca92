//! How messages get to endpoints: HTTP/1.1, by TLS, to addresses that were looked at before they are connected to.
//!
//! Written here and not taken from a client library: those resolve names behind one's back, follow redirects, and keep pools;
//! an endpoint gets one message at a time, so one connection is all that it needs. It is kept for the next message for a while
//! only, and given up to whoever waits for a [turn](crate::webhook_turns): most endpoints have nothing to get most of the time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use selfsame_service::{Channel, Message, PostError, Transport, WebhookSettings};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::public_address::is_public;
use crate::tls_client::tls_connector;
use crate::webhook_turns::{Turn, Turns};
use crate::webhook_url::{UnfitUrl, WebhookUrl};

/// How much of an answer's body is read, so that the connection can be used again. Nobody looks at it.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How long it may take to come, once the status is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long one of several addresses may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The way to endpoints of webhooks.
pub(crate) struct WebhookTransport(Ways);

/// What all channels have.
#[derive(Clone)]
struct Ways {
    /// Whether addresses may be private, and TLS be left out.
    allow_private: bool,
    /// How long a connection is kept for the next message.
    idle_timeout: Duration,
    turns: Turns,
}

struct WebhookChannel {
    ways: Ways,
    /// Or why it isn't fit: the setting may be another than when it was added.
    url: Result<WebhookUrl, PostError>,
    /// Until the endpoint has answered.
    trial: Option<Turn>,
    has_answered: bool,
    /// What allows a connection that isn't open yet.
    turn: Option<Turn>,
    /// The connection that the message before came by.
    kept: Option<Connection>,
}

/// A connection that takes requests. It is closed when it is dropped, or was only kept for too long.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    is_used: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl WebhookTransport {
    pub(crate) fn new(settings: WebhookSettings) -> Self {
        let WebhookSettings { allow_private, idle_timeout, connections_max, .. } = settings;
        Self(Ways { allow_private, idle_timeout, turns: Turns::new(connections_max) })
    }
}

impl Transport for WebhookTransport {
    fn channel(&self, url: &str) -> Box<dyn Channel> {
        let ways = self.0.clone();
        let url = WebhookUrl::parse(url, ways.allow_private).map_err(|unfit| match unfit {
            UnfitUrl::NotHttps => PostError::NotHttps,
            UnfitUrl::PrivateAddress => PostError::PrivateAddress,
            UnfitUrl::TooLong
            | UnfitUrl::NoUrl
            | UnfitUrl::NoHost
            | UnfitUrl::NotHttp
            | UnfitUrl::UserInfo
            | UnfitUrl::Fragment => PostError::InvalidUrl,
        });
        Box::new(WebhookChannel { ways, url, trial: None, has_answered: false, turn: None, kept: None })
    }
}

#[async_trait]
impl Channel for WebhookChannel {
    async fn ready(&mut self) {
        if self.url.is_err() {
            return;
        }
        if let Some(kept) = self.kept.as_ref().filter(|kept| !kept.sender.is_closed()) {
            kept.is_used.send_replace(true);
        } else if self.turn.is_none() {
            self.kept = None;
            self.turn = Some(self.take_turn().await);
        }
    }

    async fn post(&mut self, message: &Message) -> Result<u16, PostError> {
        let url = self.url.clone()?;
        // One that was kept may have been closed meanwhile, which shows only when it is used.
        if let Some(kept) = self.kept.take()
            && !kept.sender.is_closed()
            && let Ok(status) = self.exchange(kept, &url, message).await
        {
            return Ok(status);
        }
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.take_turn().await,
        };
        let connection = self.ways.connect(&url, turn).await?;
        self.exchange(connection, &url, message).await
    }
}

impl WebhookChannel {
    async fn take_turn(&mut self) -> Turn {
        if !self.has_answered && self.trial.is_none() {
            self.trial = Some(self.ways.turns.trial().await);
        }
        self.ways.turns.take().await
    }

    /// One request and its answer. The connection is kept if it can be used again.
    async fn exchange(
        &mut self,
        mut connection: Connection,
        url: &WebhookUrl,
        message: &Message,
    ) -> Result<u16, PostError> {
        connection.sender.ready().await.map_err(|error| broken(&error))?;
        let answer = connection.sender.send_request(request(url, message)?);
        let answer = answer.await.map_err(|error| broken(&error))?;
        (self.has_answered, self.trial) = (true, None);
        let status = answer.status().as_u16();
        let rest = timeout(ANSWER_WITHIN, Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect());
        if matches!(rest.await, Ok(Ok(_))) {
            connection.is_used.send_replace(false);
            self.kept = Some(connection);
        }
        Ok(status)
    }
}

/// Why there is no answer.
fn broken(error: &hyper::Error) -> PostError {
    if error.is_parse() { PostError::NoHttp } else { PostError::Broken }
}

fn request(url: &WebhookUrl, message: &Message) -> Result<Request<Full<Bytes>>, PostError> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url.path_and_query)
        .header(HOST, &url.authority)
        .header(USER_AGENT, concat!("selfsame/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", message.timestamp)
        .header("webhook-signature", &message.signature)
        .body(Full::new(Bytes::from(message.body.clone())));
    request.map_err(|_| PostError::InvalidUrl)
}

impl Ways {
    /// A new connection, to an address that was looked at.
    async fn connect(&self, url: &WebhookUrl, turn: Turn) -> Result<Connection, PostError> {
        let found = lookup_host((url.host.as_str(), url.port)).await.map_err(|_| PostError::UnknownHost)?;
        let found: Vec<SocketAddr> = found.collect();
        if found.is_empty() {
            return Err(PostError::UnknownHost);
        }
        let fit: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.allow_private || is_public(address.ip())).collect();
        if fit.is_empty() {
            return Err(PostError::PrivateAddress);
        }
        let stream = connect_to_one(&fit).await.ok_or(PostError::NoConnection)?;
        if !url.is_tls {
            return self.begin(stream, turn).await;
        }
        let name = ServerName::try_from(url.host.clone()).map_err(|_| PostError::InvalidUrl)?;
        let stream = tls_connector().connect(name, stream).await.map_err(|error| untrusted(&error))?;
        self.begin(stream, turn).await
    }

    async fn begin<S>(&self, stream: S, turn: Turn) -> Result<Connection, PostError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        let (is_used, using) = watch::channel(true);
        let ways = self.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                // Its error reaches whoever waits for the answer.
                _ = connection => {}
                () = ways.kept_for_too_long(using) => {}
            }
            drop(turn);
        });
        Ok(Connection { sender, is_used, task })
    }

    /// Returns when a connection was only kept for as long as it may be, or its turn is wanted.
    async fn kept_for_too_long(&self, mut is_used: watch::Receiver<bool>) {
        while is_used.wait_for(|is_used| !is_used).await.is_ok() {
            tokio::select! {
                biased;
                _ = is_used.wait_for(|is_used| *is_used) => {}
                () = self.turns.wanted() => return,
                () = sleep(self.idle_timeout) => return,
            }
        }
    }
}

/// Why a handshake failed.
fn untrusted(error: &io::Error) -> PostError {
    use rustls::CertificateError as Invalid;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(invalid)) = inner else { return PostError::NoTls };
    if matches!(invalid, Invalid::NotValidForName | Invalid::NotValidForNameContext { .. }) {
        PostError::WrongName
    } else if matches!(invalid, Invalid::UnknownIssuer | Invalid::BadSignature) {
        // The latter is of an authority that only has the name of one that is trusted: it was made anew, say.
        PostError::Untrusted
    } else if matches!(
        invalid,
        Invalid::Expired
            | Invalid::ExpiredContext { .. }
            | Invalid::NotValidYet
            | Invalid::NotValidYetContext { .. }
    ) {
        PostError::Expired
    } else {
        PostError::NoTls
    }
}

async fn connect_to_one(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            // A message is one write; where it can't be set, it is only slower.
            let _ = stream.set_nodelay(true);
            return Some(stream);
        }
    }
    None
}
