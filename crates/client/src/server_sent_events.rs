//! Server-sent events, read from pieces of any size: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// What has come of a stream and isn't read yet. It isn't printed: it holds values of people.
#[derive(Default)]
pub(crate) struct ServerSentEvents {
    unread: Vec<u8>,
    /// How much of that is known to hold no end of a line.
    looked_at: usize,
    /// The data of the event that is being read.
    data: Vec<u8>,
    has_data: bool,
}

impl ServerSentEvents {
    /// Takes the next piece of the stream.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// The data of the next event that is there whole. Comments and other fields are passed over.
    pub(crate) fn next_data(&mut self) -> Option<Vec<u8>> {
        while let Some(line) = self.next_line() {
            if line.is_empty() {
                if std::mem::take(&mut self.has_data) {
                    return Some(std::mem::take(&mut self.data));
                }
                continue;
            }
            let Some(value) = line.strip_prefix(b"data:") else { continue };
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
        None
    }

    /// The next line without its end, which is LF or CRLF.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let Some(found) = self.unread[self.looked_at..].iter().position(|byte| *byte == b'\n') else {
            self.looked_at = self.unread.len();
            return None;
        };
        let mut line: Vec<u8> = self.unread.drain(..=self.looked_at + found).collect();
        self.looked_at = 0;
        line.pop();
        line.pop_if(|last| *last == b'\r');
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_wherever_the_pieces_end() {
        let text = b":\n\nid: 1\nevent: created\ndata: {\"a\":1}\n\n: ping\n\nid: 2\r\ndata: x\r\ndata:y\r\n\r\nevent: none\n\ndata: half\n";
        for size in 1..text.len() {
            let (mut events, mut read) = (ServerSentEvents::default(), Vec::new());
            for piece in text.chunks(size) {
                events.push(piece);
                while let Some(data) = events.next_data() {
                    read.push(String::from_utf8(data).unwrap());
                }
            }
            assert_eq!(read, ["{\"a\":1}", "x\ny"], "in pieces of {size}");
        }
    }
}
