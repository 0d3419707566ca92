//! The TLS handshake of one connection, and a plain answer to who speaks plain HTTP to it.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use crate::problem::Problem;
use crate::request_id::RequestId;

/// A client's first message fits into it, usually, as does what a buffer of rustls takes at once.
const READ_BYTES: usize = 4096;

/// Shakes hands by `config`. The caller bounds the time.
///
/// # Errors
///
/// What the client sent is no TLS that this server takes. It has been told so, in TLS or, where it spoke plain HTTP, in
/// that.
pub(crate) async fn handshake<S>(mut stream: S, config: Arc<ServerConfig>) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // tokio-rustls has the same loop, but answers in TLS before it gives a connection back that speaks none.
    let mut acceptor = Acceptor::default();
    let mut is_first = true;
    loop {
        let mut bytes = [0; READ_BYTES];
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // No message of TLS begins with a letter, and every one of HTTP does.
        if std::mem::take(&mut is_first) && bytes[0].is_ascii_alphabetic() {
            refuse_plain(&mut stream).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP, where TLS is spoken"));
        }
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest)?;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                return StartHandshake::from_parts(accepted, stream).into_stream(config).await;
            }
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                alert.write_all(&mut bytes)?;
                stream.write_all(&bytes).await?;
                stream.shutdown().await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

/// Answers a request that nobody has read, and reads on until the client has seen the answer: closed at once, the
/// connection would be reset under what is still coming in, and the answer lost.
async fn refuse_plain(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let detail = "This port speaks TLS; ask it with `https://` in place of `http://`.";
    let (problem, request_id) = (Problem::bad_request("tls_required", detail), RequestId::new());
    problem.log(request_id);
    let mut body = Vec::new();
    problem.write(request_id, None, &mut body);
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    let mut bytes = [0; READ_BYTES];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}
