//! A proxy before a server, of which a test says what becomes of the next requests: one is turned away, or the answer of one is
//! lost. It carries one request for each connection, and leads to another server when it is told to.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// An answer of a server that has too much to do.
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 0\r\n\
    connection: close\r\n\r\n{\"type\":\"urn:selfsame:problem:overloaded\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"Later.\",\"code\":\"overloaded\",\"requestId\":\"r\",\"error\":\"Service Unavailable\"}";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered 503, and the server hears nothing of it.
    TurnedAway,
    /// The server carries it out, and its answer is lost with the connection.
    AnswerLost,
}

/// The proxy, on a port of its own. It ends with the test.
pub struct Front {
    pub address: SocketAddr,
    leads: Arc<Mutex<Leads>>,
}

struct Leads {
    to: SocketAddr,
    fates: VecDeque<Fate>,
    requests: u64,
}

impl Front {
    /// A way to the server at that address.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let leads = Arc::new(Mutex::new(Leads { to: server, fates: VecDeque::new(), requests: 0 }));
        let front = Self { address, leads: Arc::clone(&leads) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let leads = Arc::clone(&leads);
                // A connection that breaks is what its client sees of it.
                tokio::spawn(async move { drop(carry(client, &leads).await) });
            }
        });
        front
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What becomes of the next requests, one after the other. Those behind them are carried as they should be.
    pub fn next(&self, fates: &[Fate]) {
        self.leads().fates = fates.iter().copied().collect();
    }

    /// Leads to another server from the next request on.
    pub fn lead_to(&self, server: SocketAddr) {
        self.leads().to = server;
    }

    /// How many requests came so far.
    pub fn requests(&self) -> u64 {
        self.leads().requests
    }

    fn leads(&self) -> std::sync::MutexGuard<'_, Leads> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn carry(mut client: TcpStream, leads: &Mutex<Leads>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let request = read_request(&mut client).await?;
    let (to, fate) = {
        let mut leads = leads.lock().unwrap_or_else(PoisonError::into_inner);
        leads.requests += 1;
        (leads.to, leads.fates.pop_front())
    };
    if fate == Some(Fate::TurnedAway) {
        return client.write_all(BUSY.as_bytes()).await;
    }
    let mut server = TcpStream::connect(to).await?;
    server.set_nodelay(true)?;
    server.write_all(&request).await?;
    if fate == Some(Fate::AnswerLost) {
        server.read_to_end(&mut Vec::new()).await?;
        return Ok(());
    }
    copy(&mut server, &mut client).await?;
    Ok(())
}

/// A whole request, made the last of its connection.
async fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let end_of_head = loop {
        if let Some(found) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break found + 2;
        }
        if client.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&request[..end_of_head]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let body: usize = length.map_or(0, |length| length.trim().parse().expect("clients send a number"));
    while request.len() < end_of_head + 2 + body {
        if client.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    request.splice(end_of_head..end_of_head, *b"connection: close\r\n");
    Ok(request)
}
