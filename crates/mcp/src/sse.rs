//! Server-sent events (WHATWG HTML, section 9.2): an incremental parser and a writer.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// One event, dispatched by its blank line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty means `message`.
    pub name: String,
    /// The `data` lines joined by line feeds; `None` when there was no `data` field.
    pub data: Option<Bytes>,
    /// The `id` field; `Some("")` resets the client's position.
    pub id: Option<String>,
    /// The `retry` field in milliseconds.
    pub retry_ms: Option<u64>,
}

/// The stream is not one that this gateway passes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SseError {
    /// The data of one event, or its other lines together, are over this limit.
    #[error("one event is over {0} bytes")]
    TooLarge(usize),
    /// A field that must be text is not UTF-8.
    #[error("an event's `id` or `event` field is not UTF-8")]
    NotText,
}

/// Cuts a byte stream into events, whatever the chunks.
#[derive(Debug)]
pub struct Parser {
    buffer: BytesMut,
    /// Bytes of `buffer` known to hold no line end.
    scanned: usize,
    event: Event,
    data: BytesMut,
    has_data: bool,
    has_fields: bool,
    /// The last line ended in CR: a leading LF belongs to it.
    skip_lf: bool,
    started: bool,
    /// The longest data of one event.
    data_bytes_max: usize,
    /// Bytes of the other lines of the event that is being read.
    fields_size: usize,
}

/// All lines of one event but its data, and a comment: positions and names, as long as a head.
const FIELDS_BYTES_MAX: usize = 64 * 1024;

impl Parser {
    /// A parser at the start of a stream; an event whose data are over `data_bytes_max` ends it.
    #[must_use]
    pub fn new(data_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            event: Event::default(),
            data: BytesMut::new(),
            has_data: false,
            has_fields: false,
            skip_lf: false,
            started: false,
            data_bytes_max,
            fields_size: 0,
        }
    }

    /// Takes the next chunk of the stream.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event, or `None` until more is fed.
    ///
    /// Comments and unknown fields are dropped; an event without `data` is returned when it
    /// carries an `id` or `retry`, since a proxy must hand these on.
    ///
    /// # Errors
    /// [`SseError`]; the stream cannot be read on after it.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(line) = self.next_line() {
            self.check_size(&line)?;
            if line.first() == Some(&b':') {
                continue;
            }
            if line.is_empty() {
                self.fields_size = 0;
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
                continue;
            }
            self.field(&line)?;
        }
        let open = match self.buffer.first() {
            Some(b'\n') if self.skip_lf => self.buffer.get(1..).unwrap_or_default(),
            _ => &self.buffer,
        };
        // As long as it may become data, it is no other field.
        if !b"data".starts_with(open) {
            self.check_size(open)?;
        }
        Ok(None)
    }

    /// Whether there is room for a line, or what came of it so far.
    fn check_size(&self, line: &[u8]) -> Result<(), SseError> {
        let (size, max) = match field_of(line) {
            (b"data", value) => {
                let before = if self.has_data {
                    self.data.len() + 1
                } else {
                    0
                };
                (before + value.len(), self.data_bytes_max)
            }
            // A comment is no part of the event.
            (b"", _) => (line.len(), FIELDS_BYTES_MAX),
            _ => (self.fields_size + line.len(), FIELDS_BYTES_MAX),
        };
        if size > max {
            return Err(SseError::TooLarge(max));
        }
        Ok(())
    }

    fn next_line(&mut self) -> Option<Bytes> {
        if !self.started {
            self.skip_byte_order_mark()?;
        }
        if self.skip_lf && !self.buffer.is_empty() {
            if self.buffer.first() == Some(&b'\n') {
                let _ = self.buffer.split_to(1);
            }
            self.skip_lf = false;
        }
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'\n', b'\r', unseen) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.scanned + found).freeze();
        self.scanned = 0;
        self.skip_lf = self.buffer.split_to(1).first() == Some(&b'\r');
        Some(line)
    }

    /// `None` while it is open whether the stream starts with one.
    fn skip_byte_order_mark(&mut self) -> Option<()> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if self.buffer.len() < MARK.len() && MARK.starts_with(&self.buffer) {
            return None;
        }
        if self.buffer.starts_with(MARK) {
            let _ = self.buffer.split_to(MARK.len());
        }
        self.started = true;
        Some(())
    }

    fn field(&mut self, line: &Bytes) -> Result<(), SseError> {
        let (name, value) = field_of(line);
        if name != b"data" {
            self.fields_size += line.len();
        }
        match name {
            b"data" => {
                if self.has_data {
                    self.data.put_u8(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event.name = text(value)?,
            b"id" if !value.contains(&0) => {
                self.event.id = Some(text(value)?);
                self.has_fields = true;
            }
            b"retry" => {
                if let Some(ms) = text(value)
                    .ok()
                    .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|t| t.parse().ok())
                {
                    self.event.retry_ms = Some(ms);
                    self.has_fields = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut event = std::mem::take(&mut self.event);
        let (has_data, has_fields) = (self.has_data, self.has_fields);
        (self.has_data, self.has_fields) = (false, false);
        if has_data {
            event.data = Some(self.data.split().freeze());
        }
        (has_data || has_fields).then_some(event)
    }
}

/// Name and value of a line; the name of a comment is empty.
fn field_of(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let name = line.get(..colon).unwrap_or_default();
    let value = line.get(colon + 1..).unwrap_or_default();
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

fn text(value: &[u8]) -> Result<String, SseError> {
    std::str::from_utf8(value)
        .map(str::to_owned)
        .map_err(|_| SseError::NotText)
}

impl Event {
    /// A message event with this data.
    #[must_use]
    pub fn message(data: Bytes) -> Self {
        Self {
            data: Some(data),
            ..Self::default()
        }
    }

    /// The event as it goes over the wire, its blank line included.
    ///
    /// Data that holds line ends is written as several `data` lines; a carriage return, which
    /// the format cannot carry inside a line, ends a line like a line feed (in JSON both are
    /// white space).
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let size = self.data.as_ref().map_or(0, Bytes::len) + self.name.len() + 64;
        let mut out = BytesMut::with_capacity(size);
        if let Some(id) = &self.id {
            line(&mut out, b"id", id.as_bytes());
        }
        if let Some(ms) = self.retry_ms {
            line(&mut out, b"retry", ms.to_string().as_bytes());
        }
        if !self.name.is_empty() {
            line(&mut out, b"event", self.name.as_bytes());
        }
        if let Some(data) = &self.data {
            let mut rest: &[u8] = data;
            while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
                line(&mut out, b"data", rest.get(..end).unwrap_or_default());
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            line(&mut out, b"data", rest);
        }
        out.put_u8(b'\n');
        out.freeze()
    }
}

fn line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.put_u8(b'\n');
}

/// A comment that keeps an idle stream open.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::new(1 << 16);
        let mut found = Vec::new();
        for chunk in chunks {
            parser.feed(chunk);
            while let Some(event) = parser.next_event().unwrap() {
                found.push(event);
            }
        }
        found
    }

    #[test]
    fn every_line_end_and_every_cut_gives_the_same_events() {
        let plain = b"id: 7\nevent: message\ndata: {\"a\":\ndata: 1}\n\n: note\n\nid: 8\ndata:\n\n";
        let whole = events(&[plain]);
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[0].data.as_deref(), Some(&b"{\"a\":\n1}"[..]));
        assert_eq!(whole[1].data.as_deref(), Some(&b""[..]));
        for end in ["\r\n", "\r"] {
            let text = String::from_utf8_lossy(plain).replace('\n', end);
            for cut in 0..text.len() {
                let (a, b) = text.as_bytes().split_at(cut);
                // A final CR alone cannot dispatch before the next byte; nothing here ends so.
                assert_eq!(events(&[a, b]), whole, "{end:?} {cut}");
            }
        }
    }

    #[test]
    fn a_priming_event_with_empty_data_survives() {
        let found = events(&[b"id: 1_0\nretry: 500\ndata: \n\n"]);
        assert_eq!(found[0].id.as_deref(), Some("1_0"));
        assert_eq!(found[0].retry_ms, Some(500));
        assert_eq!(&found[0].encode()[..], b"id: 1_0\nretry: 500\ndata: \n\n");
    }

    #[test]
    fn an_endless_event_is_cut_off() {
        let mut parser = Parser::new(100);
        let mut fed = 0;
        let error = loop {
            parser.feed(b"data: xxxxxxxxxxxxxxxxxxxx\n");
            fed += 1;
            match parser.next_event() {
                Ok(_) => assert!(fed < 20),
                Err(error) => break error,
            }
        };
        assert_eq!(error, SseError::TooLarge(100));
    }

    #[test]
    fn the_limit_is_that_of_the_data_however_the_event_is_written() {
        for (lines, room) in [
            ("data: {}\n\n", 1),
            ("data:{}\r\n\r\n", 1),
            ("id: 7\nevent: message\nretry: 1\ndata: {}\n\n", 1),
            // The line feed between two lines is part of the data.
            ("data: {}\ndata: x\n\n", 3),
        ] {
            let of = |len: usize| lines.replace("{}", &"x".repeat(len));
            let mut parser = Parser::new(100);
            parser.feed(of(101 - room).as_bytes());
            let event = parser.next_event().unwrap().unwrap();
            assert_eq!(event.data.unwrap().len(), 100, "{lines:?}");
            parser.feed(of(102 - room).as_bytes());
            assert_eq!(parser.next_event(), Err(SseError::TooLarge(100)));
        }
    }

    #[test]
    fn fields_are_bounded_apart_from_the_data() {
        let id = "x".repeat(FIELDS_BYTES_MAX - "id: ".len());
        for (line, fits) in [(format!("id: {id}"), true), (format!("id: {id}x"), false)] {
            for text in [format!("{line}\ndata: 1\n\n"), line.clone()] {
                let mut parser = Parser::new(100);
                parser.feed(text.as_bytes());
                assert_eq!(parser.next_event().is_ok(), fits);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(id in "[a-zA-Z0-9_-]{0,12}", data in "[ -~\n]{0,60}") {
            let event = Event { id: Some(id), data: Some(data.into_bytes().into()), ..Event::default() };
            proptest::prop_assert_eq!(events(&[&event.encode()]), vec![event]);
        }
    }
}
