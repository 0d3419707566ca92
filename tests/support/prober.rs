//! Known customers who ask all the while, on a connection and a thread of their own: what an attack or an overload must
//! not be noticed by.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::fill;

/// How long after an answer the next one asks.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks for known customers until it is told to end.
pub struct Prober {
    stop: Sender<()>,
    asking: JoinHandle<Result<Waits, String>>,
}

/// How long the answers took, the shortest first.
#[derive(Debug, Default)]
pub struct Waits(Vec<Duration>);

impl Prober {
    /// Asks for the first `people` of [`fill`], whose contacts have their numbers. Each answer must be theirs, and come
    /// within `patience`.
    pub fn start(address: SocketAddr, people: u64, patience: Duration) -> Self {
        let (stop, stopped) = channel::<()>();
        let asking = std::thread::spawn(move || {
            let mut connection = connect(address, patience).map_err(|error| error.to_string())?;
            let mut waits = Vec::new();
            for person in (0..people).cycle() {
                let begun = Instant::now();
                let answer = ask(&mut connection, person).map_err(|error| format!("no answer: {error}"))?;
                waits.push(begun.elapsed());
                if !answer.contains(&format!(r#"{{"contact":{{"primaryContactId":{},"#, person + 1)) {
                    return Err(format!("a wrong answer: {answer}"));
                }
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            waits.sort_unstable();
            Ok(Waits(waits))
        });
        Self { stop, asking }
    }

    /// How long they waited; what went wrong, if anything did.
    pub fn end(self) -> Result<Waits, String> {
        drop(self.stop);
        self.asking.join().expect("a prober does not panic")
    }
}

impl Waits {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The wait that 99 in a hundred did not exceed.
    pub fn p99(&self) -> Duration {
        self.0[(self.0.len() * 99 / 100).min(self.0.len() - 1)]
    }
}

fn connect(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(patience))?;
    Ok(connection)
}

/// One request and its whole answer.
fn ask(connection: &mut TcpStream, person: u64) -> io::Result<String> {
    let body = format!(r#"{{"email":"{}"}}"#, fill::email(person));
    let request = format!(
        "POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    // A customer's answer is the only JSON of this server that ends so.
    while !answer.ends_with(b"}}") {
        match connection.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&piece[..count]),
        }
        if answer.ends_with(b"}") && !answer.starts_with(b"HTTP/1.1 200 ") {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
