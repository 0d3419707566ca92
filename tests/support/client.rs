//! An HTTP client on one keep-alive connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A connection to a server.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
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
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| NoReply)?;
        // Ends with the connection, one way or the other; a broken one is told by `send`.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { sender })
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, NoReply> {
        self.sender.ready().await.map_err(|_| NoReply)?;
        let response = self.sender.send_request(request).await.map_err(|_| NoReply)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| NoReply)?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
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
