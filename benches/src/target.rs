//! Whom to ask: a base URL, and requests to it as bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::answer::{Answer, AnswerReader};

/// A server that answers `POST /identify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    address: SocketAddr,
    authority: String,
    /// What comes before every path, without a slash at its end.
    prefix: String,
    /// A line of each request's head that brings a key; empty for none.
    authorization: String,
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!(
                "`{url}` doesn't begin with `http://`\nhint: this generator speaks no TLS; name the server itself"
            );
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host_and_port = if authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let mut addresses = host_and_port.to_socket_addrs().with_context(|| {
            format!("`{authority}` is no address\nhint: for example http://127.0.0.1:3001")
        })?;
        let address = addresses.next().with_context(|| format!("`{authority}` has no address"))?;
        let path = path.trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { address, authority: authority.to_owned(), prefix, authorization: String::new() })
    }
}

impl Target {
    /// A server on a port of loopback.
    pub(crate) fn on_port(port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { address, authority: address.to_string(), prefix: String::new(), authorization: String::new() }
    }

    /// The same, asked with a key.
    #[must_use]
    pub(crate) fn with_key(self, key: &str) -> Self {
        Self { authorization: format!("authorization: Bearer {key}\r\n"), ..self }
    }

    /// A new connection, which sends at once.
    pub(crate) fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)
            .with_context(|| format!("can't connect to {}\nhint: is a server there?", self.authority))?;
        stream.set_nodelay(true).context("a connection can't be told to send at once")?;
        Ok(stream)
    }

    /// A whole request with a body.
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
        let mut request = Vec::with_capacity(body.len() + 256);
        self.write_post(&mut request, path, content_type, body);
        request
    }

    /// Writes the request for a batch over what `buffer` held.
    pub(crate) fn write_batch(&self, buffer: &mut Vec<u8>, body: &[u8]) {
        buffer.clear();
        self.write_post(buffer, "/v1/observations/batch", "application/x-ndjson", body);
    }

    fn write_post(&self, buffer: &mut Vec<u8>, path: &str, content_type: &str, body: &[u8]) {
        let Self { prefix, authority, authorization, .. } = self;
        let length = body.len();
        write!(
            buffer,
            "POST {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\n{authorization}\
             content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        )
        .expect("memory takes everything");
        buffer.extend_from_slice(body);
    }

    /// Asks `GET path` on a connection of its own.
    pub(crate) fn get(&self, path: &str, timeout: Duration) -> anyhow::Result<Answer> {
        let (prefix, authority) = (&self.prefix, &self.authority);
        self.ask(format!("GET {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\n\r\n").as_bytes(), timeout)
    }

    /// Sends one request on a connection of its own and waits for its answer.
    ///
    /// # Errors
    ///
    /// If nobody answers, or not in HTTP, or nothing comes for `timeout`.
    pub(crate) fn ask(&self, request: &[u8], timeout: Duration) -> anyhow::Result<Answer> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(timeout)).context("a connection takes no time limit")?;
        stream.write_all(request).context("a request can't be sent")?;
        let mut reader = AnswerReader::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = stream.read(&mut buffer).context("no answer came")?;
            if length == 0 {
                bail!("{} closed the connection without an answer", self.authority);
            }
            if let Some(answer) = reader.read(&buffer[..length])? {
                return Ok(answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_base_url_may_have_a_path_and_no_port() {
        let target: Target = "http://127.0.0.1/shop/".parse().unwrap();
        assert_eq!(target.address.port(), 80);
        let request = String::from_utf8(target.post("/identify", "application/json", b"{}")).unwrap();
        assert!(request.starts_with("POST /shop/identify HTTP/1.1\r\nhost: 127.0.0.1\r\n"), "{request}");
    }

    #[test]
    fn what_is_no_such_url_is_told() {
        for url in ["127.0.0.1:3000", "https://127.0.0.1", "http://"] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
    }
}
