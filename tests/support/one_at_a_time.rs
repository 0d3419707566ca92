//! A planted fault: a server that takes the next connection when the last one has ended, as a simple one does.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hands out one connection after the other.
pub struct OneAtATime {
    listener: TcpListener,
    turn: Arc<Semaphore>,
}

/// The connection whose turn it is.
pub struct Turn {
    stream: TcpStream,
    _turn: OwnedSemaphorePermit,
}

impl OneAtATime {
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Listener for OneAtATime {
    type Io = Turn;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Turn, SocketAddr) {
        let turn = Arc::clone(&self.turn).acquire_owned().await.expect("nobody closes it");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Turn { stream, _turn: turn }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Turn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Turn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
