//! An HTTP client on one keep-alive connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection to a server.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// A request to any route.
#[derive(Clone, Debug, Default)]
pub struct Ask<'request> {
    pub method: &'request str,
    pub path: &'request str,
    /// Sent as a bearer's.
    pub key: Option<&'request str>,
    pub workspace: Option<&'request str>,
    /// Sent as its `Idempotency-Key`.
    pub once: Option<&'request str>,
    /// JSON; lines of it where the path is that of a batch, and a file where it is that of an import.
    pub body: Option<&'request str>,
    /// A field of the head besides those.
    pub header: Option<(&'request str, &'request str)>,
}

impl<'request> Ask<'request> {
    /// A request without a body.
    pub fn new(method: &'request str, path: &'request str) -> Self {
        Self { method, path, ..Self::default() }
    }

    pub fn key(self, key: &'request str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub fn workspace(self, workspace: &'request str) -> Self {
        Self { workspace: Some(workspace), ..self }
    }

    pub fn once(self, once: &'request str) -> Self {
        Self { once: Some(once), ..self }
    }

    pub fn body(self, body: &'request str) -> Self {
        Self { body: Some(body), ..self }
    }

    pub fn header(self, name: &'request str, value: &'request str) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there was no answer: the connection broke.
#[derive(Debug)]
pub struct NoReply;

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// Each line of the body as JSON; a batch's answer ends each with a line feed.
    pub fn json_lines(&self) -> Vec<Value> {
        assert!(self.body.ends_with(b"\n"), "{:?}", self.body);
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.text().lines().map(line).collect()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("answers are UTF-8")
    }
}

impl Client {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> Result<Self, NoReply> {
        let stream = TcpStream::connect(address).await.map_err(|_| NoReply)?;
        stream.set_nodelay(true).map_err(|_| NoReply)?;
        Self::on(stream).await
    }

    /// Takes over a connection that stands already, perhaps with TLS on it.
    pub async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, NoReply> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| NoReply)?;
        // Ends with the connection, one way or the other; a broken one is told by `send`.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { sender })
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, NoReply> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = body.collect().await.map_err(|_| NoReply)?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    /// Sends a request and waits for the head of the answer; the body comes as it is read.
    pub async fn begin(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, NoReply> {
        self.sender.ready().await.map_err(|_| NoReply)?;
        self.sender.send_request(request).await.map_err(|_| NoReply)
    }

    /// Sends any request, and waits for the whole answer, which a server that goes on gives.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Reply {
        self.try_ask(ask).await.expect("the server answers")
    }

    /// Sends any request, and waits for the whole answer.
    pub async fn try_ask(&mut self, ask: Ask<'_>) -> Result<Reply, NoReply> {
        let mut request = Request::builder().method(ask.method).uri(ask.path).header(HOST, "localhost");
        if let Some(key) = ask.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        if let Some(workspace) = ask.workspace {
            request = request.header("selfsame-workspace", workspace);
        }
        if let Some(once) = ask.once {
            request = request.header("idempotency-key", once);
        }
        if let Some((name, value)) = ask.header {
            request = request.header(name, value);
        }
        if ask.body.is_some() {
            let content_type = match ask.path {
                path if path.ends_with("/observations/batch") => "application/x-ndjson",
                path if path.starts_with("/v1/import") => "text/csv",
                _ => "application/json",
            };
            request = request.header(CONTENT_TYPE, content_type);
        }
        let body = Full::new(Bytes::from(ask.body.unwrap_or_default().to_owned()));
        self.send(request.body(body).expect("a plain request")).await
    }

    /// `POST /identify` with any body, as JSON by its type.
    pub async fn post_identify(&mut self, body: impl Into<Bytes>) -> Result<Reply, NoReply> {
        let request =
            Request::post("/identify").header(HOST, "localhost").header(CONTENT_TYPE, "application/json");
        self.send(request.body(Full::new(body.into())).expect("a plain request")).await
    }

    /// `POST /v1/observations/batch` with any body, as lines of JSON by its type.
    pub async fn post_batch(&mut self, body: impl Into<Bytes>) -> Result<Reply, NoReply> {
        let request = Request::post("/v1/observations/batch").header(HOST, "localhost");
        let request = request.header(CONTENT_TYPE, "application/x-ndjson");
        self.send(request.body(Full::new(body.into())).expect("a plain request")).await
    }

    /// `POST /identify` with these values; one that is `None` is sent as null.
    pub async fn identify(&mut self, email: Option<&str>, phone: Option<&str>) -> Result<Reply, NoReply> {
        self.post_identify(json!({ "email": email, "phoneNumber": phone }).to_string()).await
    }

    /// `GET` of a path.
    pub async fn get(&mut self, path: &str) -> Result<Reply, NoReply> {
        let request = Request::get(path).header(HOST, "localhost").body(Full::default());
        self.send(request.expect("a plain request")).await
    }
}
