//! Taking connections from the kernel: what fails on the way costs that connection, and never the server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use selfsame_service::Seldom;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait where none can be taken: a connection that ends gives its descriptor back.
const PAUSE: Duration = Duration::from_millis(50);

/// A TCP listener that goes on, whatever happens, and says seldom that it can't.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
    failures: Seldom,
}

impl TcpAcceptor {
    /// Takes the connections of `listener`.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, failures: Seldom::default() }
    }
}

impl Listener for TcpAcceptor {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // An answer is one write, and is not to wait for the client's word on the one before.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection can't send at once");
                    }
                    return (stream, address);
                }
                Err(error) if is_of_one_connection(&error) => {}
                // No descriptor or no memory is left; the connection stays in the kernel's queue.
                Err(error) => {
                    if let Some(times) = self.failures.times() {
                        tracing::error!(%error, times, "no connection can be taken; raise the limit of open files");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
