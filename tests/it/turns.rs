//! Turns: whoever has sent many requests at once makes nobody else wait for all of them.

use futures_util::FutureExt;
use support::dialled::Dialled;
use support::server::{ServerOptions, TestServer, sqlite_store};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::mpsc;

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn one_request_is_answered_beside_a_connection_full_of_them() {
    let (_folder, store) = sqlite_store();
    let (dial, dialled) = mpsc::channel(2);
    let _server = TestServer::start_taking(|_| Dialled(dialled), store, ServerOptions::default()).await;
    // All in memory: who is ready is the runtime's to say alone.
    let [(mut greedy, first), (mut modest, second)] = [(); 2].map(|()| duplex(1 << 20));
    greedy.write_all(GET.repeat(1_000).as_bytes()).await.expect("there is room");
    modest.write_all(GET.as_bytes()).await.expect("there is room");
    for far in [first, second] {
        dial.send(far).await.expect("the server accepts");
    }
    // A task takes turns with the server's; the test itself is looked at more seldom.
    let reading = tokio::spawn(async move {
        let mut answer = [0; 1024];
        let length = modest.read(&mut answer).await.expect("an answer");
        assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
        let mut answers = Vec::new();
        while let Some(Ok(1..)) = greedy.read_buf(&mut answers).now_or_never() {}
        (greedy, answers)
    });
    let (mut greedy, mut answers) = reading.await.expect("it reads");
    let answered = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 ").count();
    // hyper by itself answers sixteen at a time.
    assert!((1..16).contains(&answered), "{answered} were answered before one of another");
    // All of them are answered in the end.
    while String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 ").count() < 1_000 {
        greedy.read_buf(&mut answers).await.expect("answers");
    }
}
