//! A small HTTP/1.1 client connection: one request at a time, the answer read whole.
//!
//! It exists because the load generator shares a core with the upstream: every microsecond it spends is one in which the
//! hop under test is not asked. It is no general client: no redirects, no pipelining, no answers without a length.

use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::tls::Tls;

/// Longest head of an answer; real ones are below 1 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest answer; the largest result asked for is 1 MiB, twice that when escaped.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Room made before each read: a 10 KiB result arrives in one.
const READ_BYTES: usize = 32 * 1024;

/// Where an address points to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port.
    pub authority: String,
    /// Path, starting with a slash.
    pub path: String,
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> Result<Self> {
        let (scheme, rest) = match url.split_once("://") {
            Some(("http", rest)) => ("http", rest),
            Some(("https", rest)) => ("https", rest),
            _ => bail!("`{url}` does not start with http:// or https://"),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        ensure!(authority.contains(':'), "`{url}` names no port");
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
            path: format!("/{path}"),
        })
    }
}

/// An answer, borrowed from its connection until the next exchange.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Status code.
    pub status: u16,
    /// Value of `Mcp-Session-Id`.
    pub session: Option<String>,
    /// Whether the body is `text/event-stream`.
    pub is_event_stream: bool,
    /// The body, chunks joined.
    pub body: &'a [u8],
}

/// One keep-alive connection, opened again when the server has announced that it closes.
#[derive(Debug)]
pub struct Connection {
    authority: String,
    tls: Option<Tls>,
    stream: Stream,
    state: State,
    input: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum State {
    Open,
    Closing,
}

impl Connection {
    /// Connects to `authority`, a host and port.
    ///
    /// # Errors
    /// When nothing listens there.
    pub async fn open(authority: &str, tls: Option<&Tls>) -> Result<Self> {
        let stream = connect(authority, tls).await?;
        let (input, body) = (Vec::with_capacity(READ_BYTES), Vec::new());
        Ok(Self {
            authority: authority.to_owned(),
            tls: tls.cloned(),
            stream,
            state: State::Open,
            input,
            body,
        })
    }

    /// Sends one whole request, head and body, and reads one whole answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not HTTP/1.1 with a length.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        if self.state == State::Closing {
            self.stream = connect(&self.authority, self.tls.as_ref()).await?;
        }
        // Until the answer is complete, the connection is of no use to anybody else.
        self.state = State::Closing;
        self.stream
            .write_all(request)
            .await
            .context("sending the request")?;
        self.stream.flush().await.context("sending the request")?;
        self.input.clear();
        let head = self.read_head().await?;
        match head.framing {
            Framing::Length(length) => self.read_length(head.bytes, length).await?,
            Framing::Chunked => self.read_chunks(head.bytes).await?,
        }
        if !head.closes {
            self.state = State::Open;
        }
        let body = match head.framing {
            Framing::Length(_) => &self.input[head.bytes..],
            Framing::Chunked => &self.body[..],
        };
        Ok(Answer {
            status: head.status,
            session: head.session,
            is_event_stream: head.is_event_stream,
            body,
        })
    }

    async fn read_head(&mut self) -> Result<Head> {
        let mut searched = 0;
        loop {
            if let Some(found) = memmem::find(&self.input[searched..], b"\r\n\r\n") {
                let bytes = searched + found + 4;
                return Head::parse(&self.input[..bytes]);
            }
            ensure!(
                self.input.len() < HEAD_BYTES_MAX,
                "the head of the answer is too long"
            );
            searched = self.input.len().saturating_sub(3);
            self.read_more().await?;
        }
    }

    async fn read_length(&mut self, head_bytes: usize, length: usize) -> Result<()> {
        ensure!(
            length <= BODY_BYTES_MAX,
            "the answer is too long: {length} bytes"
        );
        while self.input.len() < head_bytes + length {
            self.read_more().await?;
        }
        ensure!(
            self.input.len() == head_bytes + length,
            "bytes after the end of the answer"
        );
        Ok(())
    }

    async fn read_chunks(&mut self, head_bytes: usize) -> Result<()> {
        loop {
            self.body.clear();
            match join_chunks(&self.input[head_bytes..], &mut self.body)? {
                Some(used) => {
                    ensure!(
                        self.input.len() == head_bytes + used,
                        "bytes after the end of the answer"
                    );
                    return Ok(());
                }
                None => ensure!(self.input.len() <= BODY_BYTES_MAX, "the answer is too long"),
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        self.input.reserve(READ_BYTES);
        let count = self
            .stream
            .read_buf(&mut self.input)
            .await
            .context("reading the answer")?;
        ensure!(
            count > 0,
            "the server closed the connection within an answer"
        );
        Ok(())
    }
}

/// Plain text or TLS.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Wire for S {}

type Stream = Box<dyn Wire>;

async fn connect(authority: &str, tls: Option<&Tls>) -> Result<Stream> {
    let stream = TcpStream::connect(authority)
        .await
        .with_context(|| format!("connecting to `{authority}`"))?;
    stream.set_nodelay(true)?;
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(authority, stream).await?),
    })
}

struct Head {
    bytes: usize,
    status: u16,
    session: Option<String>,
    is_event_stream: bool,
    framing: Framing,
    closes: bool,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Head {
    fn parse(head: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(head).context("the head is not text")?;
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 =
            status.with_context(|| format!("unexpected status line `{status_line}`"))?;
        ensure!(status >= 200, "unexpected interim answer `{status_line}`");

        let (mut length, mut chunked, mut closes) = (None, false, false);
        let (mut session, mut is_event_stream) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse().context("content-length is not a number")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("mcp-session-id") {
                session = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("content-type") {
                is_event_stream = value.starts_with("text/event-stream");
            }
        }
        let framing = match (chunked, length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) if matches!(status, 204 | 304) => Framing::Length(0),
            (false, None) => bail!("the answer has no length"),
        };
        Ok(Self {
            bytes: head.len(),
            status,
            session,
            is_event_stream,
            framing,
            closes,
        })
    }
}

/// Joins the chunks at the start of `raw` in `joined`; the bytes used, or nothing while the last chunk is missing.
fn join_chunks(raw: &[u8], joined: &mut Vec<u8>) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let Some(line) = memmem::find(&raw[at..], b"\r\n") else {
            return Ok(None);
        };
        let digits = std::str::from_utf8(&raw[at..at + line])?
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let length = usize::from_str_radix(digits, 16)
            .with_context(|| format!("bad chunk length `{digits}`"))?;
        ensure!(
            length <= BODY_BYTES_MAX,
            "a chunk is too long: {length} bytes"
        );
        let start = at + line + 2;
        let Some(chunk) = raw.get(start..start + length + 2) else {
            return Ok(None);
        };
        ensure!(
            chunk.ends_with(b"\r\n"),
            "a chunk does not end where it should"
        );
        joined.extend_from_slice(&chunk[..length]);
        at = start + length + 2;
        if length == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, join_chunks};

    #[test]
    fn chunks_are_joined_only_when_all_are_there() {
        let raw = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
        for end in 0..raw.len() {
            assert_eq!(
                join_chunks(&raw[..end], &mut Vec::new()).unwrap(),
                None,
                "cut at {end}"
            );
        }
        let mut joined = Vec::new();
        assert_eq!(join_chunks(raw, &mut joined).unwrap(), Some(raw.len()));
        assert_eq!(joined, b"hello world");
    }

    #[test]
    fn an_address_is_split_and_a_port_is_required() {
        let endpoint: Endpoint = "http://127.0.0.1:80/mcp/echo".parse().unwrap();
        assert_eq!(
            (endpoint.authority.as_str(), endpoint.path.as_str()),
            ("127.0.0.1:80", "/mcp/echo")
        );
        assert!("http://localhost/mcp".parse::<Endpoint>().is_err());
        assert!("ftp://localhost:1/mcp".parse::<Endpoint>().is_err());
    }
}
