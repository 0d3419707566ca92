//! A receiver of webhooks: a server on loopback that keeps what comes, and can fail in every way that receivers do.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::LOCATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Nothing here takes longer; a receiver that waits so long in vain fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message that came, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: String,
    pub status: u16,
}

impl Delivered {
    /// The event that it holds.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("a message is JSON")
    }

    /// Its number in the log.
    pub fn sequence(&self) -> i64 {
        self.event()["sequence"].as_i64().expect("an event has a number")
    }
}

/// How a receiver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With that status.
    Answers(u16),
    /// Never.
    Hangs,
    /// By leading elsewhere.
    Redirects(String),
}

/// What a receiver does with a message before it answers: the status.
pub type Take = Box<dyn FnMut(&Delivered) -> u16 + Send>;

/// A running receiver. Dropped, or shut, it takes no connection and has none.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
    tls: Option<TlsAcceptor>,
}

struct Shared {
    mood: watch::Sender<Mood>,
    take: Mutex<Option<Take>>,
    kept: Mutex<Vec<Delivered>>,
    /// How many messages came.
    came: watch::Sender<usize>,
    /// How many have begun to be answered.
    begun: watch::Sender<usize>,
    /// How many connections were taken.
    connections: Mutex<usize>,
    /// How many of them are open.
    open: watch::Sender<usize>,
}

impl Receiver {
    /// On a free port, answering 204.
    pub async fn start() -> Self {
        let mut receiver = Self::shut_at(free_address().await);
        receiver.open().await;
        receiver
    }

    /// One that speaks TLS so.
    pub async fn over_tls(config: Arc<ServerConfig>) -> Self {
        let mut receiver = Self::shut_at(free_address().await);
        receiver.tls = Some(config.into());
        receiver.open().await;
        receiver
    }

    /// One that does something with each message.
    pub async fn taking(take: Take) -> Self {
        let receiver = Self::start().await;
        *receiver.shared.take.lock().expect("nothing panics while it holds this") = Some(take);
        receiver
    }

    fn shut_at(address: SocketAddr) -> Self {
        let shared = Shared {
            mood: watch::Sender::new(Mood::Answers(204)),
            take: Mutex::default(),
            kept: Mutex::default(),
            came: watch::Sender::new(0),
            begun: watch::Sender::new(0),
            connections: Mutex::default(),
            open: watch::Sender::new(0),
        };
        Self { address, shared: Arc::new(shared), serving: None, tls: None }
    }

    /// Listens, where it was before.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the address is free again");
        self.serving = Some(tokio::spawn(serve(listener, self.tls.clone(), Arc::clone(&self.shared))));
    }

    /// Takes no connection any more, and closes those that there are.
    pub async fn shut(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            drop(serving.await);
        }
    }

    /// Answers so from now on.
    pub fn set(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
    }

    /// Its URL: by its address, or over TLS by the name `localhost`.
    pub fn url(&self) -> String {
        match self.tls {
            None => format!("http://{}/hook?token=not-for-the-log", self.address),
            Some(_) => format!("https://localhost:{}/hook", self.address.port()),
        }
    }

    /// What came, in the order in which it was answered.
    pub fn came(&self) -> Vec<Delivered> {
        self.shared.kept.lock().expect("nothing panics while it holds this").clone()
    }

    /// What came and was taken.
    pub fn taken(&self) -> Vec<Delivered> {
        self.came().into_iter().filter(|message| (200..300).contains(&message.status)).collect()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().expect("nothing panics while it holds this")
    }

    /// Returns when none of them is open.
    pub async fn until_left_alone(&self) {
        let mut open = self.shared.open.subscribe();
        let none = open.wait_for(|open| *open == 0);
        timeout(PATIENCE, none).await.expect("they are closed").expect("the receiver keeps the sender");
    }

    /// Returns when so many messages have come, those included that are never answered.
    pub async fn until(&self, count: usize) {
        let mut came = self.shared.came.subscribe();
        let enough = came.wait_for(|came| *came >= count);
        timeout(PATIENCE, enough).await.expect("as many come").expect("the receiver keeps the sender");
    }

    /// Returns when so many messages have come, answered or not.
    pub async fn until_begun(&self, count: usize) {
        let mut begun = self.shared.begun.subscribe();
        let enough = begun.wait_for(|begun| *begun >= count);
        timeout(PATIENCE, enough).await.expect("as many come").expect("the receiver keeps the sender");
    }

    /// Returns when a message of the event of that number was taken.
    pub async fn until_taken(&self, sequence: i64) {
        let mut came = self.shared.came.subscribe();
        let enough = came.wait_for(|_| self.taken().iter().any(|message| message.sequence() == sequence));
        timeout(PATIENCE, enough).await.expect("it is taken").expect("the receiver keeps the sender");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// An address at which nobody listens.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // They end with it.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("it takes connections");
        *shared.connections.lock().expect("nothing panics while it holds this") += 1;
        shared.open.send_modify(|open| *open += 1);
        let (answers, closed) = (Arc::clone(&shared), Arc::clone(&shared));
        let answering = service_fn(move |request| answer(request, Arc::clone(&answers)));
        let tls = tls.clone();
        connections.spawn(async move {
            let server = http1::Builder::new();
            let served = match tls {
                None => server.serve_connection(TokioIo::new(stream), answering).await,
                // Whoever doesn't trust it goes away.
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => server.serve_connection(TokioIo::new(stream), answering).await,
                    Err(_) => Ok(()),
                },
            };
            drop(served);
            closed.open.send_modify(|open| *open -= 1);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let header = |name: &str| text(&head.headers, name);
    let (id, timestamp, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    assert_eq!(head.headers["content-type"], "application/json");
    // Of a server that was killed while it sent, half may come.
    let Ok(body) = body.collect().await else { std::future::pending().await };
    let body = String::from_utf8(body.to_bytes().into()).expect("a message is UTF-8");
    let mood = shared.mood.borrow().clone();
    let mut response = Response::new(Full::new(Bytes::from_static(b"thank you")));
    shared.begun.send_modify(|begun| *begun += 1);
    let mut message = Delivered { id, timestamp, signature, body, status: 0 };
    match mood {
        Mood::Hangs => {
            shared.came.send_modify(|came| *came += 1);
            return std::future::pending().await;
        }
        Mood::Answers(status) => message.status = status,
        Mood::Redirects(to) => {
            message.status = 302;
            response.headers_mut().insert(LOCATION, to.parse().expect("a URL fits into a header"));
        }
    }
    if let Some(take) = &mut *shared.take.lock().expect("nothing panics while it holds this") {
        message.status = take(&message);
    }
    *response.status_mut() = StatusCode::from_u16(message.status).expect("a status");
    if message.status == 204 {
        *response.body_mut() = Full::default();
    }
    shared.kept.lock().expect("nothing panics while it holds this").push(message);
    shared.came.send_modify(|came| *came += 1);
    Ok(response)
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().expect("it is ASCII").to_owned()
}
