//! A listener of connections that never leave the process: a test dials by handing over the far end.

use std::io;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// Accepts what is dialled.
pub struct Dialled<Io>(pub mpsc::Receiver<Io>);

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Listener for Dialled<Io> {
    type Io = Io;
    type Addr = ();

    async fn accept(&mut self) -> (Io, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            // Nobody can dial any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
