//! What somebody sends who wants a server to stop: each attack goes on for its rounds, and checks what it is answered.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "an attack that is like most others has no line of its own"
)]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::fill;
use crate::random::Random;
use crate::raw::{RawConnection, exchange, provoke};

/// How many exchanges are under way at once, where an attack is a row of them.
const ATTACKERS: u64 = 8;

/// The requests of one write, where they are sent behind each other.
const PIPELINED: u64 = 500;

/// One way to attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Connections that say nothing, or nothing after their first answer.
    Idle,
    /// Slow-loris: heads that come a byte at a time.
    SlowHeads,
    /// The same with bodies.
    SlowBodies,
    /// Clients that ask and never read.
    StalledReaders,
    /// Heads beyond what is read.
    OversizedHeads,
    /// Bodies that are announced as huge, and chunks without end.
    EndlessBodies,
    /// HTTP/2 by prior knowledge, with streams that are opened and reset.
    RapidReset,
    /// Hundreds of requests in one write.
    Pipelining,
    /// Small bodies that would be large when inflated.
    DecompressionBombs,
    /// Connections that end in the middle of a request, or of its answer.
    BrokenOff,
    /// Bytes of any kind.
    Garbage,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Strength {
    /// Connections at once, for attacks that hold them.
    pub connections: usize,
    /// Exchanges, or bytes on each held connection.
    pub rounds: u64,
    /// Between two steps, so that the attackers don't take the processors that the server is on; none when small.
    pub pause: Option<Duration>,
}

impl Attack {
    pub const ALL: [Self; 11] = [
        Self::Idle,
        Self::SlowHeads,
        Self::SlowBodies,
        Self::StalledReaders,
        Self::OversizedHeads,
        Self::EndlessBodies,
        Self::RapidReset,
        Self::Pipelining,
        Self::DecompressionBombs,
        Self::BrokenOff,
        Self::Garbage,
    ];

    /// Attacks the server at `address`, which knows as many people of [`fill`] as are sent in one write.
    pub async fn run(self, address: SocketAddr, strength: Strength, random: &mut Random) {
        match self {
            Self::Idle | Self::SlowHeads | Self::SlowBodies | Self::StalledReaders => {
                drop(self.hold(address, strength).await);
            }
            _ => self.exchange(address, strength, random).await,
        }
    }

    /// Opens connections and keeps them, with a byte on each in every round; the connections.
    pub async fn hold(self, address: SocketAddr, strength: Strength) -> Vec<RawConnection> {
        let (mut steps, mut held) = (Steps::of(strength), Vec::with_capacity(strength.connections));
        for number in 0..strength.connections {
            let mut connection = RawConnection::open(address).await;
            match self {
                Self::Idle if number % 2 == 0 => {}
                Self::Idle => {
                    connection.send(GET).await;
                    connection.read_until(r#""status":"ok""#).await;
                }
                Self::SlowHeads => {
                    connection.send(b"POST /identify HTTP/1.1\r\nhost: localhost\r\nx: ").await;
                }
                Self::SlowBodies => connection.send(post("content-length: 60000", b"{")).await,
                // What the kernels' buffers hold is the reader's that doesn't read.
                _ => connection.send_what_fits(GET.repeat(20_000).as_bytes()),
            }
            held.push(connection);
            if number % 16 == 0 {
                steps.next().await;
            }
        }
        for _ in 0..strength.rounds {
            for (number, connection) in held.iter_mut().enumerate() {
                match self {
                    Self::SlowHeads | Self::SlowBodies => connection.send_what_fits(b"x"),
                    _ => {}
                }
                if number % 16 == 0 {
                    steps.next().await;
                }
            }
        }
        held
    }

    /// One exchange after the other, by several attackers.
    async fn exchange(self, address: SocketAddr, strength: Strength, random: &mut Random) {
        let mut attackers = JoinSet::new();
        for _ in 0..ATTACKERS {
            let mut random = random.fork();
            attackers.spawn(async move {
                let mut steps = Steps::of(strength);
                for round in 0..strength.rounds.div_ceil(ATTACKERS) {
                    steps.next().await;
                    let sent = self.bytes(round, &mut random);
                    let answers = match self {
                        Self::Pipelining => exchange(address, sent).await,
                        Self::BrokenOff => {
                            RawConnection::open(address).await.send_what_fits(&sent);
                            String::new()
                        }
                        _ => provoke(address, sent).await,
                    };
                    self.judge(&answers);
                }
            });
        }
        attackers.join_all().await;
    }

    /// What is sent in a round.
    fn bytes(self, round: u64, random: &mut Random) -> Vec<u8> {
        match self {
            Self::OversizedHeads if round.is_multiple_of(2) => {
                format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}", "x".repeat(80 * 1024)).into_bytes()
            }
            Self::OversizedHeads => {
                format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(200)).into_bytes()
            }
            Self::EndlessBodies if round.is_multiple_of(2) => {
                post("content-length: 9999999999", &[b'x'; 100_000])
            }
            Self::EndlessBodies => {
                let chunk = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
                post("transfer-encoding: chunked", &chunk.repeat(20))
            }
            Self::RapidReset => {
                let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
                for stream in 0..1_000_u32 {
                    let id = (2 * stream + 1).to_be_bytes();
                    // HEADERS with END_STREAM and END_HEADERS, for GET / by http; RST_STREAM with CANCEL.
                    bytes.extend([&[0, 0, 3, 1, 5][..], &id, &[0x82, 0x84, 0x86]].concat());
                    bytes.extend([&[0, 0, 4, 3, 0][..], &id, &[0, 0, 0, 8]].concat());
                }
                bytes
            }
            Self::Pipelining => (0..PIPELINED)
                .flat_map(|person| {
                    let body = format!(r#"{{"email":"{}"}}"#, fill::email(person));
                    let end = if person + 1 == PIPELINED { "close" } else { "keep-alive" };
                    let headers = format!("content-length: {}\r\nconnection: {end}", body.len());
                    post(&headers, body.as_bytes())
                })
                .collect(),
            Self::DecompressionBombs => {
                let encoding = ["gzip", "deflate", "br", "zstd", "gzip, gzip"]
                    [usize::try_from(round % 5).expect("it is small")];
                let bomb = bomb();
                post(&format!("content-encoding: {encoding}\r\ncontent-length: {}", bomb.len()), &bomb)
            }
            Self::BrokenOff => {
                let whole = post("content-length: 24", br#"{"email":"doc@hill.edu"}"#);
                let length = random.below(whole.len() as u64 - 1) + 1;
                whole[..usize::try_from(length).expect("it is short")].to_vec()
            }
            _ => {
                let length = random.below(4_000) + 1;
                let garbage = (0..length).map(|_| u8::try_from(random.below(256)).expect("it is a byte"));
                garbage.chain(*b"\r\n\r\n").collect()
            }
        }
    }

    /// What may be answered in a round.
    fn judge(self, answers: &str) {
        let count = answers.matches("HTTP/1.1 ").count();
        let is = |status: &str| answers.starts_with(&format!("HTTP/1.1 {status} "));
        match self {
            Self::OversizedHeads => assert!(count == 1 && is("431"), "{answers}"),
            // A client that goes on sending may be cut off before it has read its answer.
            Self::EndlessBodies => assert!(count <= 1 && (count == 0 || is("413")), "{answers}"),
            Self::RapidReset => assert_eq!(answers, ""),
            Self::DecompressionBombs => assert!(count == 1 && is("415"), "{answers}"),
            Self::Pipelining => {
                let id = r#""primaryContactId":"#;
                let ids: Vec<u64> = answers
                    .match_indices(id)
                    .filter_map(|(at, _)| answers[at + id.len()..].split(',').next()?.parse().ok())
                    .collect();
                assert!(ids.iter().copied().eq(1..=PIPELINED), "{} answers: {ids:?}", ids.len());
            }
            _ => assert!(count == 0 || (count == 1 && is("400")), "{answers}"),
        }
    }
}

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /identify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// 60 KiB that inflate to ten million zeros, as gzip.
fn bomb() -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    // One block with fixed codes: a zero, then "258 times the last byte" again and again, which is 13 bits each.
    let mut bits = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    while bits.len() < 60 * 1024 * 8 {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bytes.extend(bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | bit)));
    bytes
}

/// The steps of an attack.
struct Steps(Option<Interval>);

impl Steps {
    fn of(strength: Strength) -> Self {
        Self(strength.pause.map(|pause| {
            let mut steps = interval(pause);
            steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
            steps
        }))
    }

    async fn next(&mut self) {
        if let Some(steps) = &mut self.0 {
            steps.tick().await;
        }
    }
}
