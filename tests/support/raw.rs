//! Bytes on a TCP connection, for what no HTTP client would send.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// A server that says nothing for so long will say nothing more: the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a trickling client waits for an answer after each byte.
const TRICKLE: Duration = Duration::from_millis(5);

/// A request after which the server closes the connection, and whose answer no other request here has. Answers come in the
/// order of requests: those before it are all that there are. To say that nothing more will be sent would not do
/// instead: a server may take that for a client that is gone.
const LAST: &str = "DELETE /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// How the answer to [`LAST`] begins.
const LAST_ANSWER: &str = "HTTP/1.1 405 ";

/// A connection on which anything can be sent.
pub struct RawConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl RawConnection {
    /// Connects to `address`.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server accepts connections");
        stream.set_nodelay(true).expect("a socket of ours takes options");
        Self { stream, received: Vec::new() }
    }

    /// Sends `bytes`, and waits until the server, which is on this machine, has read them.
    pub async fn send_and_be_read(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(bytes).await;
        let address = |address: std::io::Result<SocketAddr>| match address {
            Ok(SocketAddr::V4(address)) => address,
            other => panic!("the server listens on an address of version 4: {other:?}"),
        };
        let (server, own) = (address(self.stream.peer_addr()), address(self.stream.local_addr()));
        let hex = |address: std::net::SocketAddrV4| {
            format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
        };
        // Local and remote address, state, and how much waits to be sent and to be read.
        let line = format!(": {} {} 01 00000000:00000000 ", hex(server), hex(own));
        let reading = async {
            while !std::fs::read_to_string("/proc/net/tcp").expect("Linux tells").contains(&line) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the server reads what comes");
    }

    /// Takes over a connection that is there already.
    pub fn of(stream: std::net::TcpStream) -> Self {
        stream.set_nonblocking(true).expect("a socket of ours takes options");
        let stream = TcpStream::from_std(stream).expect("the runtime watches sockets");
        Self { stream, received: Vec::new() }
    }

    /// Sends `bytes` again and again and reads nothing, until the server has had enough of it.
    pub async fn send_until_cut(&mut self, bytes: impl AsRef<[u8]>) {
        let sending = async { while self.write_all(bytes.as_ref()).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, sending).await.expect("the server cuts off who doesn't read");
    }

    /// Sends `bytes`, all of them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.write_all(bytes.as_ref()).await.expect("the server still reads");
    }

    /// Sends one byte after the other, waiting a little for an answer after each, until the server says
    /// something or closes the connection; then returns all that came in. A reset is an end too: the server
    /// closed while a byte was on its way.
    pub async fn trickle(mut self, bytes: impl IntoIterator<Item = u8>) -> String {
        for byte in bytes {
            if self.write_all(&[byte]).await.is_err() {
                break;
            }
            if tokio::time::timeout(TRICKLE, self.read_some()).await.is_ok() {
                break;
            }
        }
        while let Ok(1..) = self.read_patiently().await {}
        self.received_text()
    }

    /// Says that nothing more will be sent.
    pub async fn end_sending(&mut self) {
        let shut_down = poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context));
        shut_down.await.expect("the connection still stands");
    }

    /// What has come in, when `text` is in it.
    pub async fn read_until(&mut self, text: &str) -> String {
        while !self.received_text().contains(text) {
            let count = self.read_patiently().await.expect("the connection stands");
            assert_ne!(count, 0, "closed before {text:?}: {}", self.received_text());
        }
        self.received_text()
    }

    /// All that came in, when the server has closed the connection. A reset fails the test: it could have cost
    /// the client the answer.
    pub async fn read_to_end(mut self) -> String {
        loop {
            match self.read_patiently().await {
                Ok(0) => return self.received_text(),
                Ok(_) => {}
                Err(error) => panic!("{error} after {:?}", self.received_text()),
            }
        }
    }

    /// All that came in, when the server has closed the connection; once it has answered something, it is asked to. It may
    /// be cut off at any time.
    pub async fn read_answers(mut self) -> String {
        if let Ok(1..) = self.read_patiently().await {
            // A server that has closed already takes it or not.
            let _ = self.write_all(LAST.as_bytes()).await;
            while let Ok(1..) = self.read_patiently().await {}
        }
        let mut answers = self.received_text();
        answers.truncate(answers.rfind(LAST_ANSWER).unwrap_or(answers.len()));
        answers
    }

    /// Sends as much of `bytes` as the server takes, and waits for nothing.
    pub fn send_what_fits(&mut self, bytes: &[u8]) {
        let _ = self.stream.try_write(bytes);
    }

    async fn read_patiently(&mut self) -> io::Result<usize> {
        match tokio::time::timeout(PATIENCE, self.read_some()).await {
            Ok(result) => result,
            Err(_) => panic!("the server neither answers nor closes: {:?}", self.received_text()),
        }
    }

    async fn read_some(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 8 * 1024];
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut bytes) {
                Ok(count) => {
                    self.received.extend_from_slice(&bytes[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn received_text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// Sends `bytes` on a connection of their own and returns all that comes back until the server closes it.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut connection = RawConnection::open(address).await;
    connection.send(bytes).await;
    connection.read_to_end().await
}

/// Sends as much of `bytes` as the server wants, on a connection of their own, and returns what it answers.
pub async fn provoke(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let connection = RawConnection::open(address).await;
    let _ = connection.write_all(bytes.as_ref()).await;
    connection.read_answers().await
}
