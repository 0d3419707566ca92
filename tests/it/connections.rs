//! Connections: how many there may be, what happens when the process can have no more, and how long one lasts whose
//! client takes or gives a byte now and then.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::files::files_with_data;
use support::process::{ServerProcess, clean, program};
use support::raw::{RawConnection, exchange};
use support::server::{ServerOptions, TestServer, sqlite_store};

const ASK: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
const ASK_ONCE: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

async fn start(options: ServerOptions) -> (tempfile::TempDir, TestServer) {
    let (folder, store) = sqlite_store();
    (folder, TestServer::start(store, options).await)
}

fn impatient() -> ServerOptions {
    ServerOptions { receive_timeout: Duration::from_millis(300), ..Default::default() }
}

/// A connection that was answered, and stays open.
async fn answered(server: &TestServer) -> RawConnection {
    let mut connection = RawConnection::open(server.address).await;
    connection.send(ASK).await;
    connection.read_until(r#""status":"ok""#).await;
    connection
}

#[tokio::test]
async fn a_connection_beyond_the_bound_is_told_so_and_closed() {
    let (_folder, server) = start(ServerOptions { connections_max: 3, ..Default::default() }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(answered(&server).await);
    }
    for request in [ASK, "POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"] {
        let answer = exchange(server.address, request).await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains(r#""code":"too_many_connections""#), "{answer}");
        for header in ["retry-after: 1\r\n", "connection: close\r\n", "x-request-id: "] {
            assert!(answer.contains(header), "no {header:?}: {answer}");
        }
    }
    // Those that are open don't notice.
    for connection in &mut open {
        connection.send(ASK_ONCE).await;
    }
    for connection in open {
        let answers = connection.read_to_end().await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answers}");
    }
    // And there is room, as soon as the server has seen their end.
    while !exchange(server.address, ASK_ONCE).await.starts_with("HTTP/1.1 200 OK\r\n") {}
}

#[tokio::test]
async fn more_than_can_be_told_at_once_are_closed_without_a_word() {
    let (_folder, server) = start(ServerOptions { connections_max: 1, ..Default::default() }).await;
    let open = answered(&server).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(RawConnection::open(server.address).await);
    }
    // Also those who are told are told only if they ask, and soon.
    for connection in silent {
        assert_eq!(connection.read_to_end().await, "");
    }
    drop(open);
}

#[tokio::test]
async fn a_server_that_can_open_no_more_files_goes_on_when_it_can() {
    let (_folder, server) = start(ServerOptions::default()).await;
    // They wait in the kernel's queue: the server, on this thread, has no time for them yet.
    let waiting: Vec<_> =
        (0..20).map(|_| std::net::TcpStream::connect(server.address).expect("it listens")).collect();
    let open: Vec<u64> = std::fs::read_dir("/proc/self/fd")
        .expect("Linux tells")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
        .collect();
    // Numbers for three or four more of them.
    let third_free = (0..).filter(|number| !open.contains(number)).nth(2).expect("numbers don't end");
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(third_free + 1), maximum: hard }).unwrap();
    let mut waiting: Vec<RawConnection> = waiting.into_iter().map(RawConnection::of).collect();
    for connection in &mut waiting {
        connection.send(ASK_ONCE).await;
    }
    for connection in waiting {
        let answer = connection.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}

/// A program that may have so few files open says so, and takes as many connections as it can.
#[tokio::test]
async fn the_limit_of_open_files_bounds_the_connections() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = std::process::Command::new("sh");
    // The soft limit is what a login shell has; only the hard one counts.
    let limited = "ulimit -Sn 70 && ulimit -Hn 80 && exec \"$0\" serve --port 0";
    clean(&mut shell, folder.path()).args(["-c", limited]).arg(program());
    let server = ServerProcess::spawn(shell).unwrap_or_else(|said| panic!("{said}"));
    let said = server.said();
    assert!(
        said.contains("few connections fit") && said.contains("connections_max=40 open_files=80"),
        "{said}"
    );
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut connection = RawConnection::open(server.address).await;
        connection.send(ASK).await;
        connection.read_until(r#""status":"ok""#).await;
        open.push(connection);
    }
    let answer = exchange(server.address, ASK).await;
    assert!(answer.contains("too_many_connections"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let (_folder, server) = start(impatient()).await;
    let mut connection = RawConnection::open(server.address).await;
    connection.send_until_cut(ASK.repeat(1_000)).await;
    assert!(exchange(server.address, ASK_ONCE).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// What users could do: a byte now and then, each in time, kept a batch open for years.
#[tokio::test]
async fn a_batch_that_trickles_in_for_ever_is_cut_off() {
    let (folder, server) = start(impatient()).await;
    let before = files_with_data(folder.path());
    let mut connection = RawConnection::open(server.address).await;
    connection
        .send(
            "POST /v1/observations/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
             content-length: 60000\r\n\r\n",
        )
        .await;
    let answer = connection.trickle("\n".repeat(60_000).bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"request_timeout""#), "{answer}");
    assert_eq!(files_with_data(folder.path()), before);
}
