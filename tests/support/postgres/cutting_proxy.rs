//! A way to PostgreSQL that is cut exactly where a commit goes by, so that its answer is lost.
//!
//! It reads the protocol without TLS, and only as far as it must: messages, and which of them is a commit.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A simple query, as the store sends its commits.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// What the server says when it has committed.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The commit does not reach the server.
    BeforeCommit,
    /// The commit is sent on, and nobody waits for what becomes of it.
    WithCommit,
    /// The commit is made, and its answer is lost.
    AfterCommit,
}

/// The proxy, on a port of its own. It ends with the test.
pub struct CuttingProxy {
    pub address: SocketAddr,
    next: Arc<Mutex<Option<Cut>>>,
    cuts: Arc<AtomicU64>,
}

impl CuttingProxy {
    /// A way to the server that listens on a port of loopback.
    pub async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (next, cuts) = (Arc::<Mutex<Option<Cut>>>::default(), Arc::<AtomicU64>::default());
        let proxy = Self { address, next: Arc::clone(&next), cuts: Arc::clone(&cuts) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (next, cuts) = (Arc::clone(&next), Arc::clone(&cuts));
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
                    if carry(client, server, &next).await.is_ok_and(|was_cut| was_cut) {
                        cuts.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        proxy
    }

    /// Cuts the connection on which the next commit goes by.
    pub fn cut_next(&self, cut: Cut) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// Carries one connection to its end; whether that was a cut.
async fn carry(mut client: TcpStream, mut server: TcpStream, next: &Mutex<Option<Cut>>) -> io::Result<bool> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered, mut begun) = (Vec::new(), Vec::new(), false);
    loop {
        tokio::select! {
            read = client.read_buf(&mut asked) => {
                if read? == 0 {
                    return Ok(false);
                }
                while let Some(message) = take_message(&mut asked, &mut begun) {
                    let is_commit = message == COMMIT;
                    let cut = is_commit.then(|| next.lock().unwrap_or_else(PoisonError::into_inner).take());
                    match cut.flatten() {
                        None => server.write_all(&message).await?,
                        Some(cut) => return end(cut, server).await.map(|()| true),
                    }
                }
            }
            read = server.read_buf(&mut answered) => {
                if read? == 0 {
                    return Ok(false);
                }
                client.write_all(&answered).await?;
                answered.clear();
            }
        }
    }
}

/// Does with the commit what the cut says. The client's connection is closed after it.
async fn end(cut: Cut, mut server: TcpStream) -> io::Result<()> {
    if cut == Cut::BeforeCommit {
        return Ok(());
    }
    server.write_all(COMMIT).await?;
    let mut answered = Vec::new();
    while cut == Cut::AfterCommit && !answered.windows(COMMITTED.len()).any(|words| words == COMMITTED) {
        assert_ne!(server.read_buf(&mut answered).await?, 0, "the server went away instead of committing");
    }
    Ok(())
}

/// Takes the first message from what was read, if it is there as a whole. The first of a connection has no letter.
fn take_message(read: &mut Vec<u8>, begun: &mut bool) -> Option<Vec<u8>> {
    let letter = usize::from(*begun);
    let length = read.get(letter..letter + 4)?;
    let length = u32::from_be_bytes(length.try_into().expect("it is four bytes")) as usize + letter;
    if read.len() < length {
        return None;
    }
    *begun = true;
    Some(read.drain(..length).collect())
}
