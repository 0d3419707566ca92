//! A body as something that a thread reads, at the pace of its sender and of whoever reads.

use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use axum::body::{Body, Bytes};
use selfsame_bulk::ReadError;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::body::{next_data, too_slow};
use crate::problem::Problem;

/// How many pieces of a body wait to be read.
const PIECES_WAITING: usize = 4;

/// The reading end of a body. Dropped, nothing more of it is taken.
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<Result<Bytes, Problem>>,
    piece: Bytes,
}

impl BodyReader {
    /// Its reading end, and what takes it in, for as long as it is polled. `patience`: how long its sender may take for the next
    /// piece; what it costs to read one doesn't count.
    pub(crate) fn of(mut body: Body, patience: Duration) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        let pumping = async move {
            while let Ok(place) = sender.reserve().await {
                match timeout(patience, next_data(&mut body)).await.unwrap_or_else(|_| Err(too_slow())) {
                    Ok(Some(piece)) => place.send(Ok(piece)),
                    Ok(None) => return,
                    Err(problem) => return place.send(Err(problem)),
                }
            }
        };
        (Self { pieces, piece: Bytes::new() }, pumping)
    }
}

/// A problem of the body's, on its way through whoever reads it.
#[derive(Debug)]
struct Interrupted(Problem);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the body was interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(problem)) => {
                    return Err(io::Error::new(ErrorKind::ConnectionAborted, Interrupted(problem)));
                }
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// What is wrong with the body, where reading ended for that.
pub(crate) fn interrupted(error: &ReadError) -> Option<Problem> {
    let source = match error {
        ReadError::Input { source, .. } | ReadError::Damaged { source, .. } => source,
        ReadError::Truncated { .. } => return None,
    };
    source.get_ref()?.downcast_ref::<Interrupted>().map(|interrupted| interrupted.0.clone())
}
