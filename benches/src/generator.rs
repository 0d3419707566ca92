//! The load generator: one thread, because it shares the machine with the server that it measures.
//!
//! A request costs it one write, one read, and its share of a wait. The requests that are due when all connections
//! are busy wait, and their wait is counted: an overloaded server can't hide it by answering slowly.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};

use crate::answer::{Answer, AnswerReader};
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::requests::{Requests, Sent};
use crate::target::Target;

/// One read takes the answer to a batch of a thousand.
const READ_BYTES: usize = 256 * 1024;
/// How long the requests that are under way at the end may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// How often a run that waits looks whether it is interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends as soon as it was answered: how much can be done.
    Closed,
    /// So many a second, evenly, whatever the answers do; latency counts from the moment when one was due.
    Open {
        /// Requests a second.
        per_second: f64,
    },
}

/// Asks one server over some connections.
pub(crate) struct Generator {
    target: Target,
    connections: usize,
    interrupt: Interrupt,
}

impl Generator {
    /// Asks `target` over so many connections.
    pub(crate) fn new(target: &Target, connections: usize, interrupt: &Interrupt) -> Self {
        Self { target: target.clone(), connections, interrupt: interrupt.clone() }
    }

    /// Sends `requests` for `duration`, or until there are no more, and waits for the last answers.
    ///
    /// Connections are new for each run: some servers end those that idle between two.
    pub(crate) fn run(
        &self,
        requests: &mut dyn Requests,
        pace: Pace,
        duration: Duration,
    ) -> anyhow::Result<Outcome> {
        let cpu_before = thread_cpu();
        let mut run = Run::start(self, requests, duration)?;
        match pace {
            Pace::Closed => run.closed()?,
            Pace::Open { per_second } => run.open(per_second)?,
        }
        run.drain()?;
        let mut outcome = run.outcome;
        outcome.exhausted = run.exhausted;
        outcome.generator_cpu = thread_cpu().saturating_sub(cpu_before);
        Ok(outcome)
    }
}

struct Connection {
    stream: TcpStream,
    reader: AnswerReader,
    request: Vec<u8>,
    /// How much of the request was taken by the kernel.
    written: usize,
    /// What is under way, and when it was due.
    asked: Option<(Sent, Instant)>,
}

struct Run<'run> {
    target: &'run Target,
    interrupt: &'run Interrupt,
    requests: &'run mut dyn Requests,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    begin: Instant,
    end: Instant,
    exhausted: bool,
    outcome: Outcome,
}

impl<'run> Run<'run> {
    fn start(
        generator: &'run Generator,
        requests: &'run mut dyn Requests,
        duration: Duration,
    ) -> anyhow::Result<Self> {
        // Else the kernel may wake this thread 50 us late, which would be told as the server's.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))
            .context("the timer slack can't be set")?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll can be made")?;
        let begin = Instant::now();
        let mut run = Self {
            target: &generator.target,
            interrupt: &generator.interrupt,
            requests,
            connections: Vec::with_capacity(generator.connections),
            idle: (0..generator.connections).collect(),
            epoll,
            events: Vec::with_capacity(generator.connections),
            buffer: vec![0; READ_BYTES],
            begin,
            end: begin + duration,
            exhausted: false,
            outcome: Outcome::new(),
        };
        for index in 0..generator.connections {
            let connection = run.connect(index)?;
            run.connections.push(connection);
        }
        run.begin = Instant::now();
        run.end = run.begin + duration;
        Ok(run)
    }

    fn connect(&self, index: usize) -> anyhow::Result<Connection> {
        let stream = self.target.connect()?;
        stream.set_nonblocking(true).context("a connection can't be made non-blocking")?;
        // Edge-triggered: nothing is registered again for each request.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(index as u64), flags)
            .context("a connection can't be watched")?;
        Ok(Connection {
            stream,
            reader: AnswerReader::default(),
            request: Vec::new(),
            written: 0,
            asked: None,
        })
    }

    fn closed(&mut self) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            // At first all are idle; later only those whose connection broke.
            while !self.exhausted
                && let Some(index) = self.idle.pop_front()
            {
                self.send(index, now)?;
            }
            if now >= self.end || (self.exhausted && self.is_quiet()) {
                break;
            }
            self.interrupt.check()?;
            self.wait(Some((self.end - now).min(LOOK_EVERY)))?;
            self.answers(true)?;
        }
        self.close_window();
        Ok(())
    }

    fn open(&mut self, per_second: f64) -> anyhow::Result<()> {
        let step = Duration::from_secs_f64(1.0 / per_second);
        let mut due = self.begin;
        while due < self.end && !self.exhausted {
            while due <= Instant::now() && due < self.end && !self.exhausted {
                let Some(index) = self.idle.pop_front() else { break };
                self.send(index, due)?;
                due += step;
            }
            self.interrupt.check()?;
            // With every connection busy, only an answer lets anything happen.
            let patience = if self.idle.is_empty() {
                LOOK_EVERY
            } else {
                due.saturating_duration_since(Instant::now()).min(LOOK_EVERY)
            };
            self.wait_exactly(patience)?;
            self.answers(false)?;
        }
        self.close_window();
        Ok(())
    }

    /// Waits for the requests that are under way.
    fn drain(&mut self) -> anyhow::Result<()> {
        let limit = Instant::now() + DRAIN_LIMIT;
        while !self.is_quiet() {
            self.interrupt.check()?;
            if Instant::now() > limit {
                bail!("requests were not answered within {} seconds", DRAIN_LIMIT.as_secs());
            }
            self.wait(Some(LOOK_EVERY))?;
            self.answers(false)?;
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.idle.len() == self.connections.len()
    }

    fn close_window(&mut self) {
        self.end = Instant::now().min(self.end);
        self.outcome.elapsed = self.end - self.begin;
    }

    /// Sends the next request, if there is one.
    fn send(&mut self, index: usize, due: Instant) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        let Some(sent) = self.requests.write(&mut connection.request) else {
            self.exhausted = true;
            self.idle.push_back(index);
            return Ok(());
        };
        connection.asked = Some((sent, due));
        connection.written = 0;
        self.write_on(index)
    }

    fn write_on(&mut self, index: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        while connection.written < connection.request.len() {
            match connection.stream.write(&connection.request[connection.written..]) {
                Ok(length) => connection.written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.broke(index, &format!("a request can't be sent: {error}")),
            }
        }
        Ok(())
    }

    fn wait(&mut self, patience: Option<Duration>) -> anyhow::Result<()> {
        let timeout = patience.map(timespec);
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("connections can't be waited for"),
        }
    }

    /// As `wait`, but to the microsecond: epoll itself only counts milliseconds.
    fn wait_exactly(&mut self, patience: Duration) -> anyhow::Result<()> {
        if !patience.is_zero() {
            let mut sources = [PollFd::from_borrowed_fd(self.epoll.as_fd(), PollFlags::IN)];
            match rustix::event::poll(&mut sources, Some(&timespec(patience))) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("connections can't be waited for"),
            }
        }
        self.wait(Some(Duration::ZERO))
    }

    /// Takes what came; where an answer is whole, sends the next request if `go_on` and there is time.
    fn answers(&mut self, go_on: bool) -> anyhow::Result<()> {
        for at in 0..self.events.len() {
            let event = self.events[at];
            let (flags, data) = (event.flags, event.data);
            let index = usize::try_from(data.u64()).context("a connection's number came back changed")?;
            if flags.contains(epoll::EventFlags::OUT) {
                self.write_on(index)?;
            }
            if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                continue;
            }
            if let Some(answer) = self.read_on(index)? {
                let now = Instant::now();
                self.record(index, &answer, now);
                self.outcome.must_make_sense()?;
                if answer.closes {
                    self.connections[index] = self.connect(index)?;
                }
                if go_on && now < self.end && !self.exhausted {
                    self.send(index, now)?;
                } else {
                    self.idle.push_back(index);
                }
            }
        }
        Ok(())
    }

    fn read_on(&mut self, index: usize) -> anyhow::Result<Option<Answer>> {
        let mut answer = None;
        loop {
            let connection = &mut self.connections[index];
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => {
                    self.broke(index, "the server closed the connection")?;
                    return Ok(None);
                }
                Ok(length) => {
                    if let Some(whole) = connection.reader.read(&self.buffer[..length])? {
                        answer = Some(whole);
                    }
                    // Less than there was room for: that was all, and asking again would cost a call.
                    if length < self.buffer.len() {
                        return Ok(answer);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answer),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broke(index, &format!("the connection broke: {error}"))?;
                    return Ok(None);
                }
            }
        }
    }

    /// Counts a broken connection, and makes a new one in its place.
    fn broke(&mut self, index: usize, why: &str) -> anyhow::Result<()> {
        let busy = self.connections[index].asked.is_some();
        self.connections[index] = self.connect(index)?;
        if busy {
            self.outcome.fail(why.to_owned());
            self.idle.push_back(index);
        }
        self.outcome.must_make_sense()
    }

    fn record(&mut self, index: usize, answer: &Answer, now: Instant) {
        let Some((sent, due)) = self.connections[index].asked.take() else { return };
        let outcome = &mut self.outcome;
        outcome.answered_ever += 1;
        outcome.body_bytes += answer.body_bytes;
        let (status, results) = (answer.status, answer.results);
        if status != 200 || results != u64::from(sent.records) || answer.other_lines > 0 {
            let (asked, other) = (sent.records, answer.other_lines);
            let sample = &answer.sample;
            outcome.fail(format!(
                "status {status}, {results} results and {other} other lines for {asked} records {sample}"
            ));
            return;
        }
        let latency = u64::try_from((now - due).as_micros()).unwrap_or(u64::MAX);
        outcome.records_ever += u64::from(sent.records);
        outcome.latencies[sent.kind as usize].saturating_record(latency);
        if now <= self.end {
            outcome.answered += 1;
            outcome.records += u64::from(sent.records);
            let second = usize::try_from((now - self.begin).as_secs()).unwrap_or(usize::MAX);
            if outcome.by_second.len() <= second {
                outcome.by_second.resize(second + 1, 0);
            }
            outcome.by_second[second] += u64::from(sent.records);
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// The processor time that this thread has used.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
