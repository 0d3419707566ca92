//! Reading answers of HTTP/1.1 as they come, piece by piece, and judging what is in them without keeping it.

use anyhow::{Context, anyhow, bail};
use memchr::{memchr, memmem};

/// How every result begins, in the answer to one request and in each line of the answer to a batch.
const RESULT_START: &[u8] = b"{\"contact\"";
/// A head or the size of a chunk that is longer than this is a fault.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How much of an answer that isn't as expected is kept, to be shown.
const SAMPLE_BYTES_MAX: usize = 300;
/// The most headers that an answer may have.
const HEADERS_MAX: usize = 64;

/// An answer that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status, 200 if all is well.
    pub(crate) status: u16,
    /// The lines of the body that are results.
    pub(crate) results: u64,
    /// The lines of the body that are anything else.
    pub(crate) other_lines: u64,
    /// All bytes of the body.
    pub(crate) body_bytes: u64,
    /// Whether the server closes the connection now.
    pub(crate) closes: bool,
    /// The beginning of the body, if the status is not 200.
    pub(crate) sample: String,
}

/// Reads one answer after the other of one connection.
#[derive(Debug, Default)]
pub(crate) struct AnswerReader {
    state: State,
    /// The beginning of a head or of a chunk's size whose end has not come.
    pending: Vec<u8>,
    status: u16,
    closes: bool,
    body: Body,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of a body of known length are left.
    Sized(u64),
    ChunkSize,
    /// So many bytes of a chunk are left, its closing line break included.
    Chunk(u64),
    Trailer,
}

/// What is kept of a body.
#[derive(Debug, Default)]
struct Body {
    bytes: u64,
    results: u64,
    other_lines: u64,
    /// How much of the current line's beginning was compared, and whether it was that of a result so far.
    compared: usize,
    differs: bool,
    keep_sample: bool,
    sample: Vec<u8>,
}

impl AnswerReader {
    /// Reads on with what came; the answer, if this was its end.
    ///
    /// # Errors
    ///
    /// If this is not HTTP, or more came than was asked for: this generator never asks twice at once.
    pub(crate) fn read(&mut self, mut input: &[u8]) -> anyhow::Result<Option<Answer>> {
        while !input.is_empty() {
            let ended = match self.state {
                State::Head => self.head(&mut input)?,
                State::Sized(left) => {
                    let left = left - self.take(&mut input, left, 0);
                    self.state = State::Sized(left);
                    left == 0
                }
                State::ChunkSize => {
                    self.chunk_size(&mut input)?;
                    false
                }
                State::Chunk(left) => {
                    let left = left - self.take(&mut input, left, 2);
                    self.state = if left == 0 { State::ChunkSize } else { State::Chunk(left) };
                    false
                }
                State::Trailer => self.trailer(&mut input)?,
            };
            if ended {
                if !input.is_empty() {
                    bail!("the server sent {} bytes that nobody asked for", input.len());
                }
                return Ok(Some(self.finish()));
            }
        }
        Ok(None)
    }

    /// Reads the head, or a part of it; whether the answer ends with it.
    fn head(&mut self, input: &mut &[u8]) -> anyhow::Result<bool> {
        let before = self.pending.len();
        if before > 0 {
            self.pending.extend_from_slice(input);
        }
        let came: &[u8] = input;
        let text = if before > 0 { self.pending.as_slice() } else { came };
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) =
            response.parse(text).context("the answer is not HTTP/1.1")?
        else {
            return self.wait_for_more(input, before);
        };
        self.status = response.code.context("the answer has no status")?;
        self.closes = response.version == Some(0);
        let (mut content_length, mut chunked) = (None, false);
        for header in response.headers.iter() {
            let value = header.value.trim_ascii();
            if header.name.eq_ignore_ascii_case("content-length") {
                let text = std::str::from_utf8(value).context("`content-length` is no text")?;
                content_length = Some(text.parse().context("`content-length` is no number")?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case(b"chunked");
            } else if header.name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        self.body.keep_sample = self.status != 200;
        self.state = match content_length {
            _ if chunked => State::ChunkSize,
            Some(length) => State::Sized(length),
            None => bail!("the answer says neither `content-length` nor `transfer-encoding: chunked`"),
        };
        self.go_on_after(input, length - before);
        Ok(self.state == State::Sized(0))
    }

    fn chunk_size(&mut self, input: &mut &[u8]) -> anyhow::Result<()> {
        let before = self.pending.len();
        if before > 0 {
            self.pending.extend_from_slice(input);
        }
        let came: &[u8] = input;
        let text = if before > 0 { self.pending.as_slice() } else { came };
        match httparse::parse_chunk_size(text).map_err(|_| anyhow!("the size of a chunk is no number"))? {
            httparse::Status::Partial => {
                self.wait_for_more(input, before)?;
            }
            httparse::Status::Complete((length, size)) => {
                self.state = if size == 0 { State::Trailer } else { State::Chunk(size + 2) };
                self.go_on_after(input, length - before);
            }
        }
        Ok(())
    }

    /// Reads what follows the last chunk: nothing, or header lines; then an empty line.
    fn trailer(&mut self, input: &mut &[u8]) -> anyhow::Result<bool> {
        let before = self.pending.len();
        self.pending.extend_from_slice(input);
        let length = if self.pending.starts_with(b"\r\n") {
            Some(2)
        } else {
            memmem::find(&self.pending, b"\r\n\r\n").map(|at| at + 4)
        };
        let Some(length) = length else { return self.wait_for_more(input, before) };
        self.go_on_after(input, length - before);
        Ok(true)
    }

    /// Keeps the whole input, because the end of what is being read has not come.
    fn wait_for_more(&mut self, input: &mut &[u8], before: usize) -> anyhow::Result<bool> {
        if self.pending.len() == before {
            self.pending.extend_from_slice(input);
        }
        if self.pending.len() > LINE_BYTES_MAX {
            bail!("the head of an answer is longer than {LINE_BYTES_MAX} bytes");
        }
        *input = &[];
        Ok(false)
    }

    fn go_on_after(&mut self, input: &mut &[u8], length: usize) {
        self.pending.clear();
        *input = &input[length..];
    }

    /// Reads up to `left` bytes, of which the last `extra` are no part of the body; how many it read.
    fn take(&mut self, input: &mut &[u8], left: u64, extra: u64) -> u64 {
        let (length, read) = match usize::try_from(left) {
            Ok(left) if left <= input.len() => (left, left as u64),
            _ => (input.len(), input.len() as u64),
        };
        let of_body = read.min(left.saturating_sub(extra));
        self.body.read(&input[..usize::try_from(of_body).unwrap_or(length)]);
        *input = &input[length..];
        read
    }

    fn finish(&mut self) -> Answer {
        self.state = State::Head;
        self.pending.clear();
        let mut body = std::mem::take(&mut self.body);
        body.end_line();
        Answer {
            status: self.status,
            results: body.results,
            other_lines: body.other_lines,
            body_bytes: body.bytes,
            closes: self.closes,
            sample: String::from_utf8_lossy(&body.sample).into_owned(),
        }
    }
}

impl Body {
    fn read(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.keep_sample {
            let room = SAMPLE_BYTES_MAX.saturating_sub(self.sample.len()).min(bytes.len());
            self.sample.extend_from_slice(&bytes[..room]);
        }
        let mut rest = bytes;
        while let Some(at) = memchr(b'\n', rest) {
            self.compare(&rest[..at]);
            self.end_line();
            rest = &rest[at + 1..];
        }
        self.compare(rest);
    }

    fn compare(&mut self, part: &[u8]) {
        let expected = &RESULT_START[self.compared..];
        let length = expected.len().min(part.len());
        self.differs |= part[..length] != expected[..length];
        self.compared += length;
    }

    fn end_line(&mut self) {
        if self.compared == RESULT_START.len() && !self.differs {
            self.results += 1;
        } else if self.compared > 0 {
            self.other_lines += 1;
        }
        (self.compared, self.differs) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, AnswerReader};

    const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"contact\":1}\r\n";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        10\r\n{\"contact\":1}\n{\"\r\n13\r\ncontact\":2}\n{\"err\":\r\n4\r\n 3}\n\r\n0\r\n\r\n";

    fn read(pieces: &[&[u8]]) -> Vec<Answer> {
        let mut reader = AnswerReader::default();
        pieces.iter().filter_map(|piece| reader.read(piece).unwrap()).collect()
    }

    fn answer(results: u64, other_lines: u64, body_bytes: u64) -> Answer {
        Answer { status: 200, results, other_lines, body_bytes, closes: false, sample: String::new() }
    }

    #[test]
    fn a_body_of_known_length_is_read_to_its_end() {
        assert_eq!(read(&[SIZED]), [answer(1, 0, 15)]);
    }

    #[test]
    fn one_answer_follows_the_other() {
        assert_eq!(read(&[SIZED, CHUNKED, SIZED]).len(), 3);
    }

    #[test]
    fn chunks_are_read_and_lines_across_them_counted() {
        assert_eq!(read(&[CHUNKED]), [answer(2, 1, 39)]);
    }

    #[test]
    fn an_answer_may_come_in_any_two_pieces_or_byte_by_byte() {
        for (text, expected) in [(SIZED, answer(1, 0, 15)), (CHUNKED, answer(2, 1, 39))] {
            for at in 0..text.len() {
                assert_eq!(read(&[&text[..at], &text[at..]]), std::slice::from_ref(&expected), "cut at {at}");
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(read(&bytes), [expected]);
        }
    }

    #[test]
    fn an_error_keeps_what_it_said() {
        let text = b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy";
        let answers = read(&[text]);
        assert_eq!((answers[0].status, answers[0].closes), (503, true));
        assert_eq!((answers[0].results, answers[0].sample.as_str()), (0, "busy"));
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        assert_eq!(read(&[b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]), [answer(0, 0, 0)]);
    }

    #[test]
    fn what_nobody_asked_for_is_a_fault() {
        let mut reader = AnswerReader::default();
        assert!(reader.read(&[SIZED, SIZED].concat()).is_err());
        assert!(AnswerReader::default().read(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
