//! The Unix socket beside the database, through which commands write while a server runs.
//!
//! It speaks the same HTTP as the port. Only the owner of the file may use it (mode 0600).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

/// Listens at `path`. The caller holds the database's lock, so whatever stands there is left from a process
/// that ended.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = Path::new(&unfinished);
    match std::fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(unfinished)?;
    std::fs::set_permissions(unfinished, std::fs::Permissions::from_mode(0o600))?;
    // Only now under its name, so that nobody else could connect in between.
    std::fs::rename(unfinished, path)?;
    Ok(listener)
}

/// Succeeds if a server listens at `path`.
///
/// # Errors
///
/// Of kind `NotFound` or `ConnectionRefused` if none does.
pub(crate) async fn listens(path: &Path) -> io::Result<()> {
    UnixStream::connect(path).await.map(drop)
}

/// Sends one request to the server that listens at `path`.
///
/// # Errors
///
/// Of kind `NotFound` or `ConnectionRefused` if none does.
pub(crate) async fn send(path: &Path, request: Request<Body>) -> io::Result<Response<Incoming>> {
    let stream = UnixStream::connect(path).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(io::Error::other)
}
