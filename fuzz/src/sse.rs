//! Server-sent events: however the stream is cut, it is read alike, and no event is too large.

use bytes::Bytes;
use cardea_mcp::sse::{Event, Parser, SseError};

use super::Dice;

/// What a stream gave: its events and what ended it.
type Read = (Vec<Event>, Option<SseError>);

/// Reads `data` as a stream.
pub fn sse(data: &[u8]) {
    let mut dice = Dice::of(data);
    let ample = 4 * data.len() + 64;
    let whole = read([data], ample);
    assert_eq!(whole, reference(data, ample));
    for max in [ample, 24 + dice.below(100)] {
        let expected = reference(data, max);
        assert_eq!(read([data], max), expected, "in one piece, up to {max}");
        assert_eq!(read(data.chunks(1), max), expected, "by bytes, up to {max}");
        for _ in 0..3 {
            let pieces = cut(data, &mut dice);
            assert_eq!(
                read(pieces.iter().copied(), max),
                expected,
                "{pieces:?}, up to {max}"
            );
        }
        for event in &expected.0 {
            assert!(event.data.as_ref().map_or(0, Bytes::len) <= max);
        }
    }
    written_is_read_back(&whole.0, ample);
    any_data_survives(data);
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Read {
    let mut parser = Parser::new(max);
    let mut events = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn cut<'a>(data: &'a [u8], dice: &mut Dice) -> Vec<&'a [u8]> {
    let longest = 1 + dice.below(40);
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        // An empty piece now and then: an HTTP frame may be one.
        let (piece, after) = rest.split_at(rest.len().min(dice.below(longest + 1)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn written_is_read_back(events: &[Event], max: usize) {
    let mut stream = Vec::new();
    for event in events {
        let written = event.encode();
        assert!(!written.contains(&b'\r') && written.ends_with(b"\n\n"));
        assert_eq!(read([&written[..]], max), (vec![event.clone()], None));
        stream.extend_from_slice(&written);
    }
    assert_eq!(read([&stream[..]], max), (events.to_vec(), None));
}

/// Data that never was an event's: its carriage returns become line feeds, the rest stays.
fn any_data_survives(data: &[u8]) {
    let event = Event::message(Bytes::copy_from_slice(data));
    let lines = data.iter().map(|b| if *b == b'\r' { b'\n' } else { *b });
    let lines = Event::message(lines.collect());
    let max = 8 * data.len() + 64;
    assert_eq!(read([&event.encode()[..]], max), (vec![lines], None));
}

/// The standard's algorithm on the whole stream (WHATWG HTML, section 9.2.6), with what a proxy
/// does otherwise: an event without data is one when it has an `id` or `retry`, and one whose
/// data are over `max` ends the stream. The bound of the other lines is out of reach here.
fn reference(stream: &[u8], max: usize) -> Read {
    let mut events = Vec::new();
    let mut lines: Vec<&[u8]> = Vec::new();
    let (complete, open) = lines_of(stream);
    let too_large = |lines: &[&[u8]], line: &[u8]| {
        let of = |line: &[u8]| {
            let value = match line.strip_prefix(b"data")? {
                b"" => b"",
                rest => rest.strip_prefix(b":")?,
            };
            Some(value.strip_prefix(b" ").unwrap_or(value).len())
        };
        let before: usize = lines.iter().filter_map(|l| of(l)).map(|len| len + 1).sum();
        of(line).is_some_and(|len| before + len > max)
    };
    for line in complete {
        if too_large(&lines, line) {
            return (events, Some(SseError::TooLarge(max)));
        }
        if line.is_empty() {
            match event(&lines) {
                Ok(event) => events.extend(event),
                Err(error) => return (events, Some(error)),
            }
            lines.clear();
        } else if line[0] != b':' {
            lines.push(line);
            // What is not text ends the stream at once, not only with its event.
            if let Err(error) = event(&[line]) {
                return (events, Some(error));
            }
        }
    }
    let is_open = open != b"data" && too_large(&lines, open);
    (events, is_open.then_some(SseError::TooLarge(max)))
}

/// The lines that have an end, and what comes after the last one.
fn lines_of(stream: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut rest = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut lines = Vec::new();
    while let Some(end) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        lines.push(&rest[..end]);
        let pair = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + 1 + usize::from(pair)..];
    }
    (lines, rest)
}

fn event(lines: &[&[u8]]) -> Result<Option<Event>, SseError> {
    let mut event = Event::default();
    let mut data: Option<Vec<u8>> = None;
    for line in lines {
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (*line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8(value.to_vec()).map_err(|_| SseError::NotText);
        match name {
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"event" => event.name = text()?,
            b"id" if !value.contains(&0) => event.id = Some(text()?),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                event.retry_ms = text()?.parse().ok().or(event.retry_ms);
            }
            _ => {}
        }
    }
    let carries = data.is_some() || event.id.is_some() || event.retry_ms.is_some();
    event.data = data.map(Bytes::from);
    Ok(carries.then_some(event))
}
