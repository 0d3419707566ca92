//! TLS of the server: who is answered over it, what a renewed certificate does, and what a client that never finishes
//! its handshake costs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use selfsame_api::Edge;
use support::client::Client;
use support::deadline::{run_to_end, wait_for};
use support::process::{ServerProcess, command};
use support::raw::{RawConnection, exchange};
use support::server::{ServerOptions, TestServer, sqlite_store};
use support::tls::Authority;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

const ASK_ONCE: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// With what a command is told of the two files.
const FILES: [&str; 2] = ["--tls-certificate=server.crt", "--tls-key=server.key"];

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn serve(folder: &Path) -> Command {
    command(folder, &["serve", "--port", "0", FILES[0], FILES[1]])
}

fn start(folder: &Path) -> ServerProcess {
    ServerProcess::spawn(serve(folder)).unwrap_or_else(|said| panic!("{said}"))
}

/// The exit code and all that a command said of the server on that port.
fn asked(folder: &Path, command: &str, server: &ServerProcess, files: &[&str]) -> (Option<i32>, String) {
    let port = format!("--port={}", server.address.port());
    let output = run_to_end(folder, &[&[command, &port], files].concat());
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn who_trusts_the_authority_is_answered_by_http_1_and_nobody_else() {
    let (folder, authority) = (folder(), Authority::default());
    authority.sign().write(folder.path());
    let server = start(folder.path());
    let greeting = format!("address   https://{}\n", server.address);
    assert!(server.said().contains(&greeting), "{}", server.said());

    let stream = authority.connect(server.address, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut client = Client::on(stream).await.unwrap();
    for _ in 0..2 {
        let reply = client.identify(Some("doc@hill.edu"), Some("1985")).await.unwrap();
        assert_eq!(reply.json()["contact"]["primaryContactId"], 1);
    }

    let stranger = Authority::default().connect(server.address, &["http/1.1"]).await;
    assert!(stranger.unwrap_err().to_string().contains("invalid peer certificate"));
    let later = authority.connect(server.address, &["h2"]).await;
    assert!(later.unwrap_err().to_string().contains("NoApplicationProtocol"));
    let plain = exchange(server.address, ASK_ONCE).await;
    assert!(plain.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{plain}");
    assert!(plain.contains(r#""code":"tls_required""#), "{plain}");
    assert!(client.get("/healthz").await.unwrap().status.is_success(), "none of them was in the way");
}

#[test]
fn commands_ask_over_tls_whatever_the_certificate_is() {
    let folder = folder();
    Authority::default().sign().write(folder.path());
    let server = start(folder.path());
    assert_eq!(asked(folder.path(), "healthcheck", &server, &FILES), (Some(0), "ready\n".to_owned()));
    let (code, said) = asked(folder.path(), "healthcheck", &server, &[]);
    assert!(code == Some(1) && said.contains("answered 400 Bad Request: This port speaks TLS;"), "{said}");

    let (_, said) = asked(folder.path(), "doctor", &server, &FILES);
    let found = format!("ok       server: it listens at {}, and is ready\n", server.address);
    assert!(said.contains(&found) && said.contains("tls: everybody may use the private key"), "{said}");
    let (_, said) = asked(folder.path(), "doctor", &server, &[]);
    assert!(said.contains("is not selfsame: it answers 400 Bad Request: This port speaks TLS;"), "{said}");
}

#[tokio::test]
async fn a_renewed_certificate_is_served_at_once_and_a_bad_one_never() {
    let (folder, authority) = (folder(), Authority::default());
    let (old, new) = (authority.sign(), authority.sign());
    old.write(folder.path());
    let server = start(folder.path());
    let mut client = Client::on(authority.connect(server.address, &[]).await.unwrap()).await.unwrap();
    assert!(client.get("/healthz").await.unwrap().status.is_success());

    // A renewal that was broken off between its two files.
    std::fs::write(folder.path().join("server.crt"), &new.certificate_pem).unwrap();
    let told = "the last good one is kept";
    wait_for("a word about the bad pair", || server.said().contains(told).then_some(()));
    assert!(server.said().contains("`server.key` doesn't belong to the certificate `server.crt`"));
    assert_eq!(authority.shown(server.address).await, old.certificate);

    std::fs::write(folder.path().join("server.key"), &new.key_pem).unwrap();
    wait_for("the good pair", || server.said().contains("the certificate has changed").then_some(()));
    assert_eq!(authority.shown(server.address).await, new.certificate);
    assert_eq!(server.said().matches(told).count(), 1, "{}", server.said());
    assert!(client.get("/healthz").await.unwrap().status.is_success(), "who was connected stays so");
}

#[test]
fn files_that_make_no_tls_are_refused_with_a_sentence() {
    let (folder, authority) = (folder(), Authority::default());
    let (one, other) = (authority.sign(), authority.sign());
    one.write(folder.path());
    for (name, text) in
        [("other.key", other.key_pem.as_str()), ("empty", ""), ("damaged", &one.key_pem[..99])]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (arguments, want) in [
        (&["--tls-certificate=server.crt"][..], "`--tls-certificate` is given without `--tls-key`\nhint: "),
        (&["--tls-key=server.key"], "`--tls-key` is given without `--tls-certificate`\nhint: "),
        (
            &[FILES[0], "--tls-key=none"],
            "the file `none` can't be read: No such file or directory (os error 2)\nhint: ",
        ),
        (
            &[FILES[0], "--tls-key=other.key"],
            "the private key `other.key` doesn't belong to the certificate `server.crt`\nhint: ",
        ),
        (&[FILES[0], "--tls-key=empty"], "the file `empty` has no private key in it\nhint: "),
        (&[FILES[0], "--tls-key=damaged"], "the private key `damaged` is damaged\nhint: "),
        (
            &["--tls-certificate=server.key", FILES[1]],
            "the file `server.key` has no certificate in it\nhint: ",
        ),
    ] {
        let output = run_to_end(folder.path(), &[&["serve", "--port=0"], arguments].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.starts_with(&format!("error: {want}")), "{arguments:?}: {error}");
        assert!(!folder.path().join("selfsame.db").exists(), "{arguments:?}: refused before a file is made");
    }
}

/// A server within this process that speaks TLS, and the authority that vouches for it.
async fn start_here(options: ServerOptions) -> (TempDir, TestServer, Authority) {
    let authority = Authority::default();
    let tls = Some(watch::Sender::new(authority.sign().server()).subscribe());
    let (folder, store) = sqlite_store();
    let options = ServerOptions { edge: Edge { tls, ..Edge::default() }, ..options };
    (folder, TestServer::start(store, options).await, authority)
}

/// The beginning of what a client says first: a head that promises 512 bytes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01";

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_off_and_holds_up_nobody() {
    let options = ServerOptions { receive_timeout: Duration::from_millis(500), ..Default::default() };
    let (_folder, server, authority) = start_here(options).await;
    let mut stalled = Vec::new();
    for bytes in [&b""[..], HALF_A_HELLO].repeat(10) {
        let mut connection = RawConnection::open(server.address).await;
        connection.send(bytes).await;
        stalled.push(connection);
    }
    let mut client = Client::on(authority.connect(server.address, &[]).await.unwrap()).await.unwrap();
    assert!(client.get("/healthz").await.unwrap().status.is_success());
    for connection in stalled {
        assert_eq!(connection.read_to_end().await, "");
    }
    let trickling = RawConnection::open(server.address).await;
    assert_eq!(trickling.trickle([HALF_A_HELLO, &[0; 600]].concat()).await, "", "nor by a byte now and then");
}

#[tokio::test]
async fn who_shakes_hands_counts_and_who_is_one_too_many_is_told_over_tls() {
    let options = ServerOptions { connections_max: 2, ..Default::default() };
    let (_folder, server, authority) = start_here(options).await;
    let mut shaking = Vec::new();
    for _ in 0..2 {
        shaking.push(RawConnection::open(server.address).await);
    }
    let mut client = Client::on(authority.connect(server.address, &[]).await.unwrap()).await.unwrap();
    let reply = client.get("/healthz").await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (503, &"too_many_connections".into()));
    drop(shaking);
    // There is room, as soon as the server has seen their end.
    loop {
        let mut client = Client::on(authority.connect(server.address, &[]).await.unwrap()).await.unwrap();
        if client.get("/healthz").await.unwrap().status.is_success() {
            break;
        }
    }
}

#[tokio::test]
async fn a_server_that_ends_waits_for_no_handshake() {
    let (_folder, server, authority) = start_here(ServerOptions::default()).await;
    let mut shaking = RawConnection::open(server.address).await;
    shaking.send(HALF_A_HELLO).await;
    // Accepted after it, so the server knows of both.
    let mut client = Client::on(authority.connect(server.address, &[]).await.unwrap()).await.unwrap();
    assert!(client.get("/healthz").await.unwrap().status.is_success());
    // Neither the time of a handshake nor that of a drain.
    tokio::time::timeout(Duration::from_secs(10), server.drain()).await.expect("it ends at once");
    assert_eq!(shaking.read_to_end().await, "");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_over_tls_too() {
    let options = ServerOptions { receive_timeout: Duration::from_millis(300), ..Default::default() };
    let (_folder, server, authority) = start_here(options).await;
    let mut stream = authority.connect(server.address, &[]).await.unwrap();
    let asks = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    let sending = async { while stream.write_all(asks.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), sending)
        .await
        .expect("the server cuts off who doesn't read");
}
