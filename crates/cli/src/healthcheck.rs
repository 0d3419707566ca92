//! `selfsame healthcheck`: asks the server on this machine whether it is ready, for containers and scripts, which
//! then need no `curl`.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::settings::{TlsSettings, load_file};
use crate::{CommonArguments, Outcome, any_certificate, put, say};

#[derive(clap::Args)]
pub(crate) struct HealthcheckArguments {
    /// The address that the server was told to listen on [default: 127.0.0.1]
    #[arg(long, env = "HOST")]
    host: Option<String>,
    /// The port that the server was told to listen on [default: 3000]
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// Seconds that the answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_seconds: u64,
    #[command(flatten)]
    tls: TlsSettings,
    #[command(flatten)]
    common: CommonArguments,
}

/// Settings that name no server are an error; a server that isn't there is a no like any other. (Docker reserves
/// the exit code of an error.)
pub(crate) async fn run(arguments: HealthcheckArguments) -> anyhow::Result<Outcome> {
    let file = load_file(arguments.common.config.as_deref())?;
    let host = arguments.host.or(file.host).unwrap_or_else(|| "127.0.0.1".to_owned());
    let addresses = addresses(&host, arguments.port.or(file.port).unwrap_or(3000)).await?;
    let over_tls = arguments.tls.or(file.tls).is_on();
    let patience = Duration::from_secs(arguments.timeout_seconds);
    let answer = tokio::time::timeout(patience, ask(&addresses, over_tls, "/readyz")).await;
    let why = match answer {
        Ok(Ok((StatusCode::OK, _))) => {
            put("ready")?;
            return Ok(Outcome::Done);
        }
        Ok(Ok((status, body))) => {
            format!("the server at {} answered {}", list(&addresses), told(status, &body))
        }
        Ok(Err(error)) => format!("no server answers at {}: {error:#}", list(&addresses)),
        Err(_) => format!("no answer from {} within {} s", list(&addresses), arguments.timeout_seconds),
    };
    say(&format!("not ready: {why}"));
    Ok(Outcome::No)
}

/// Where to ask. A server that listens on every address of the machine is asked on loopback.
pub(crate) async fn addresses(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    if port == 0 {
        bail!(
            "PORT is 0, so the server took a port that nobody here knows\nhint: --port with the one in its greeting"
        );
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .with_context(|| format!("HOST `{host}` is no address\nhint: for example 127.0.0.1"))?;
    let reachable = |ip: IpAddr| match ip {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Ok(addresses.map(|address| SocketAddr::new(reachable(address.ip()), address.port())).collect())
}

/// The status and body that the server answers to `GET` of a path; over TLS, whatever its certificate is.
pub(crate) async fn ask(
    addresses: &[SocketAddr],
    over_tls: bool,
    path: &str,
) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let stream = TcpStream::connect(addresses).await?;
    if over_tls {
        ask_on(any_certificate::shake_hands(stream).await?, path).await
    } else {
        ask_on(stream, path).await
    }
}

async fn ask_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes().into()))
}

/// The status, and the server's own sentence where it gave one.
pub(crate) fn told(status: StatusCode, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => format!("{status}: {detail}"),
        None => status.to_string(),
    }
}

pub(crate) fn list(addresses: &[impl Display]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
