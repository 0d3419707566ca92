//! A body of lines, read as jobs: so many lines at a time, and nothing of the next before it is asked for.
//!
//! Each line is parsed as it comes, so that no more of a body is kept than the line that isn't whole yet.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use memchr::memchr_iter;
use selfsame_rules::{Actor, Observation, Policy};
use tokio::time::{Instant, timeout_at};

use crate::body::{next_data, too_slow};
use crate::observation::{LENGTH_BYTES_MAX, Place, parse};
use crate::paced::PACE_BYTES;
use crate::problem::Problem;

/// A job with so many bytes of lines takes no further line: long ones, too, are few megabytes in memory.
const JOB_BYTES_MAX: usize = 1024 * 1024;

/// The lines of a body, on their way in.
pub(crate) struct Jobs {
    body: Body,
    limits: JobLimits,
    /// What has come in and was not looked at.
    unread: Bytes,
    /// A line of which the end has not come.
    begun: Vec<u8>,
    /// That line is too long; nothing of it is kept.
    overlong: bool,
    /// How many lines have been read to their end.
    lines: u64,
    ended: bool,
    /// Parts of jobs that were too much at once, the next in turn last.
    put_back: Vec<Job>,
}

/// What bounds a job.
pub(crate) struct JobLimits {
    pub(crate) lines_max: usize,
    /// How long the client may take to send the next [`PACE_BYTES`] of a job, or the rest of it.
    pub(crate) timeout: Duration,
    /// How values are spelt.
    pub(crate) policy: Arc<Policy>,
    /// The name that events get as their cause.
    pub(crate) actor: Actor,
}

/// Lines that are answered together; blank ones are left out.
#[derive(Default)]
pub(crate) struct Job {
    /// What the good lines hold.
    pub(crate) observations: Vec<Observation>,
    /// The number of the line of each observation.
    pub(crate) numbers: Vec<u64>,
    /// The bad lines, by number.
    pub(crate) refused: Vec<(u64, Problem)>,
    length_bytes: usize,
}

/// Why there is no further job: the lines from this one on were not looked at.
pub(crate) struct BrokenOff {
    pub(crate) line: u64,
    pub(crate) problem: Problem,
}

impl Jobs {
    pub(crate) fn of(body: Body, limits: JobLimits) -> Self {
        Self {
            body,
            limits,
            unread: Bytes::new(),
            begun: Vec::new(),
            overlong: false,
            lines: 0,
            ended: false,
            put_back: Vec::new(),
        }
    }

    /// Has a job come next, before all that was not read yet.
    pub(crate) fn put_back(&mut self, job: Job) {
        self.put_back.push(job);
    }

    /// Whether it is known that no line is left.
    pub(crate) fn ended(&self) -> bool {
        self.put_back.is_empty() && self.body_ended()
    }

    fn body_ended(&self) -> bool {
        self.ended
            || (self.unread.is_empty()
                && self.begun.is_empty()
                && !self.overlong
                && self.body.is_end_stream())
    }

    /// The next lines, as many as make a job or as the body still has; nothing after its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Job>, BrokenOff> {
        if let Some(job) = self.put_back.pop() {
            return Ok(Some(job));
        }
        let line = self.lines + 1;
        let mut job = Job::default();
        let (mut deadline, mut arrived_bytes) = (Instant::now() + self.limits.timeout, 0);
        while !self.ended {
            let unread = std::mem::take(&mut self.unread);
            let mut begin = 0;
            for end in memchr_iter(b'\n', &unread) {
                self.end_line(&unread[begin..end], &mut job);
                begin = end + 1;
                if job.is_full(self.limits.lines_max) {
                    self.unread = unread.slice(begin..);
                    return Ok(Some(job));
                }
            }
            self.begin_line(&unread[begin..]);
            let data = timeout_at(deadline, next_data(&mut self.body)).await;
            match data.unwrap_or_else(|_| Err(too_slow())) {
                Ok(Some(data)) => {
                    arrived_bytes += data.len();
                    if arrived_bytes >= PACE_BYTES {
                        (deadline, arrived_bytes) = (Instant::now() + self.limits.timeout, 0);
                    }
                    self.unread = data;
                }
                Ok(None) => {
                    self.ended = true;
                    self.end_line(&[], &mut job);
                }
                Err(problem) => return Err(BrokenOff { line, problem }),
            }
        }
        Ok((!job.is_empty()).then_some(job))
    }

    /// Keeps the first part of a line; of one that is too long already, nothing.
    fn begin_line(&mut self, part: &[u8]) {
        if self.overlong {
            return;
        }
        self.begun.extend_from_slice(part);
        // Its last byte may be the first of a CRLF.
        if self.begun.len() > LENGTH_BYTES_MAX + 1 {
            self.overlong = true;
            self.begun = Vec::new();
        }
    }

    /// Takes the line of which this is the last part.
    fn end_line(&mut self, part: &[u8], job: &mut Job) {
        self.lines += 1;
        if std::mem::take(&mut self.overlong) {
            job.refused.push((self.lines, too_long()));
        } else if self.begun.is_empty() {
            job.take(part, self.lines, &self.limits);
        } else {
            self.begun.extend_from_slice(part);
            job.take(&self.begun, self.lines, &self.limits);
            self.begun.clear();
        }
    }
}

impl Job {
    /// How many lines it answers.
    pub(crate) fn lines(&self) -> usize {
        self.numbers.len() + self.refused.len()
    }

    /// The number of its first line.
    pub(crate) fn first_line(&self) -> u64 {
        let refused = self.refused.first().map(|(line, _)| *line);
        self.numbers.first().copied().into_iter().chain(refused).min().unwrap_or(1)
    }

    /// Takes off the second half of the good lines, and the bad ones behind the first half.
    pub(crate) fn split(&mut self) -> Self {
        let half = self.numbers.len() / 2;
        let (observations, numbers) = (self.observations.split_off(half), self.numbers.split_off(half));
        let first = numbers.first().copied().unwrap_or(u64::MAX);
        let refused = self.refused.split_off(self.refused.partition_point(|(line, _)| *line < first));
        Self { observations, numbers, refused, length_bytes: 0 }
    }

    /// Takes one line, without its line feed. One that is blank is no line: it is what a body ends with.
    fn take(&mut self, line: &[u8], number: u64, limits: &JobLimits) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > LENGTH_BYTES_MAX {
            return self.refused.push((number, too_long()));
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        self.length_bytes += line.len();
        match parse(line, Place::Line, &limits.policy, &limits.actor) {
            Ok(observation) => {
                self.observations.push(observation);
                self.numbers.push(number);
            }
            Err(problem) => self.refused.push((number, problem)),
        }
    }

    fn is_full(&self, lines_max: usize) -> bool {
        self.lines() >= lines_max || self.length_bytes >= JOB_BYTES_MAX
    }

    fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.refused.is_empty()
    }
}

fn too_long() -> Problem {
    let detail = format!("The line is longer than {LENGTH_BYTES_MAX} bytes; send one observation a line.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "line_too_long", detail)
}
