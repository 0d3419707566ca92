//! A connection whose client must take what it is sent, at a pace: one that doesn't read would hold its answers in
//! memory for ever.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Whoever sends or takes that much gets its time anew. So a byte now and then is no way to stay for ever.
pub(crate) const PACE_BYTES: usize = 16 * 1024;

/// A connection that breaks when what waits to be sent makes no headway for a while.
pub(crate) struct Paced<S> {
    stream: S,
    timeout: Duration,
    /// Runs while the client has left something untaken. Most never do: their answers fit into the kernel's buffer.
    until: Option<Pin<Box<Sleep>>>,
    taken_bytes: usize,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, until: None, taken_bytes: 0 }
    }

    /// What becomes of an attempt to send: an error, if there were too many like it.
    fn sent(&mut self, context: &mut Context<'_>, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &sent {
            Poll::Ready(Ok(count)) => {
                self.taken_bytes = self.taken_bytes.saturating_add(*count);
                if self.taken_bytes >= PACE_BYTES
                    && let Some(until) = &mut self.until
                {
                    until.as_mut().reset(Instant::now() + self.timeout);
                    self.taken_bytes = 0;
                }
                sent
            }
            Poll::Ready(Err(_)) => sent,
            Poll::Pending => {
                let timeout = self.timeout;
                let until = self.until.get_or_insert_with(|| {
                    self.taken_bytes = 0;
                    Box::pin(sleep(timeout))
                });
                until.as_mut().poll(context).map(|()| Err(too_slow()))
            }
        }
    }

    /// The client has taken all there was.
    fn all_sent(&mut self, context: &mut Context<'_>, sent: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if matches!(sent, Poll::Ready(Ok(()))) {
            self.until = None;
            return sent;
        }
        self.sent(context, sent.map_ok(|()| 0)).map_ok(|_| ())
    }
}

fn too_slow() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the client does not take its answer")
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.sent(context, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.all_sent(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.all_sent(context, ended)
    }
}
