//! A client of `GET /v1/events` as server-sent events, which takes nothing that a browser would not.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::client::Client;

/// A server that says nothing for so long, not even that nothing happens, fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(40);

/// An open stream.
pub struct EventStream {
    _client: Client,
    body: Incoming,
    unread: String,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// An event of the log, its number, its kind and its JSON.
    Event(i64, String, Value),
    /// A word that says nothing.
    Heartbeat,
}

impl EventStream {
    /// Opens one with that query, as a client that comes back where it has seen an event; the status of a refusal.
    pub async fn open(
        address: SocketAddr,
        key: &str,
        query: &str,
        last_event: Option<&str>,
    ) -> Result<Self, StatusCode> {
        let mut client = Client::connect(address).await.expect("the server accepts connections");
        let request = Request::get(format!("/v1/events{query}"))
            .header(HOST, "localhost")
            .header(ACCEPT, "text/event-stream")
            .header(AUTHORIZATION, format!("Bearer {key}"));
        let request = match last_event {
            None => request,
            Some(last_event) => request.header("last-event-id", last_event),
        };
        let request = request.body(Full::<Bytes>::default()).expect("a plain request");
        let (head, body) = client.begin(request).await.expect("the server answers").into_parts();
        if head.status != StatusCode::OK {
            return Err(head.status);
        }
        assert_eq!(head.headers[CONTENT_TYPE], "text/event-stream");
        Ok(Self { _client: client, body, unread: String::new() })
    }

    /// What is sent next; nothing when the server has ended the stream as it should.
    pub async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let sent = read(block);
                self.unread = rest.to_owned();
                return Some(sent);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("the server says something");
            let Some(frame) = frame else {
                assert_eq!(self.unread, "", "the stream ends between two events");
                return None;
            };
            let data =
                frame.expect("the stream isn't broken off").into_data().expect("there are no trailers");
            self.unread.push_str(std::str::from_utf8(&data).expect("events are UTF-8"));
        }
    }

    /// The next event: its number and its JSON.
    pub async fn next_event(&mut self) -> Option<(i64, Value)> {
        loop {
            if let Sent::Event(number, _, event) = self.next().await? {
                return Some((number, event));
            }
        }
    }
}

fn read(block: &str) -> Sent {
    if block == ":" {
        return Sent::Heartbeat;
    }
    let lines: Vec<&str> = block.lines().collect();
    let [id, kind, data] = lines[..] else { panic!("no event: {block:?}") };
    let field = |line: &str, name: &str| {
        line.strip_prefix(name).unwrap_or_else(|| panic!("no {name}: {block:?}")).to_owned()
    };
    let event: Value = serde_json::from_str(&field(data, "data: ")).expect("its data is JSON");
    let id = field(id, "id: ").parse().expect("its id is a number");
    let kind = field(kind, "event: ");
    assert_eq!((event["sequence"].as_i64(), event["kind"].as_str()), (Some(id), Some(kind.as_str())));
    Sent::Event(id, kind, event)
}
