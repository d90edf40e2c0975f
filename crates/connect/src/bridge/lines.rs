//! Messages as lines, each way (MCP, basic/transports, stdio).

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
};

/// One line of the host.
pub(super) enum Line {
    Text(Bytes),
    /// Its end is not known yet; it is skipped.
    TooLong,
}

/// Larger than what gateways take, small enough to be held a few times.
pub(super) const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Cuts `input` into lines until it ends or nobody takes them.
pub(super) async fn read(mut input: impl AsyncRead + Unpin, inbox: mpsc::Sender<Line>) {
    let mut buffer = BytesMut::new();
    let mut skipping = false;
    let mut scanned = 0;
    loop {
        let unseen = buffer.get(scanned..).unwrap_or_default();
        if let Some(found) = memchr::memchr(b'\n', unseen) {
            let mut line = buffer.split_to(scanned + found + 1);
            scanned = 0;
            line.truncate(line.len() - 1);
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            let blank = line.iter().all(u8::is_ascii_whitespace);
            if !std::mem::take(&mut skipping)
                && !blank
                && inbox.send(Line::Text(line.freeze())).await.is_err()
            {
                return;
            }
            continue;
        }
        scanned = buffer.len();
        if scanned > LINE_BYTES_MAX {
            buffer.clear();
            scanned = 0;
            if !std::mem::replace(&mut skipping, true) && inbox.send(Line::TooLong).await.is_err() {
                return;
            }
        }
        buffer.reserve(CHUNK_BYTES);
        match input.read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    // A host may leave out the last line's end.
    if !skipping && !buffer.iter().all(u8::is_ascii_whitespace) {
        let _ = inbox.send(Line::Text(buffer.freeze())).await;
    }
}

/// Writes lines until nobody sends any more.
pub(super) async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Bytes>,
) -> std::io::Result<()> {
    while let Some(line) = lines.recv().await {
        output.write_all(&on_one_line(line)).await?;
        output.write_all(b"\n").await?;
        output.flush().await?;
    }
    Ok(())
}

/// The text without line ends, which in JSON are white space between values.
fn on_one_line(text: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &text).is_none() {
        return text;
    }
    let blank = |b: &u8| if matches!(b, b'\n' | b'\r') { b' ' } else { *b };
    text.iter().map(blank).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(input: &'static [u8]) -> Vec<String> {
        let (inbox, mut lines) = mpsc::channel(64);
        let reading = tokio::spawn(read(input, inbox));
        let mut seen = Vec::new();
        while let Some(line) = lines.recv().await {
            seen.push(match line {
                Line::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Line::TooLong => "too long".into(),
            });
        }
        reading.await.unwrap();
        seen
    }

    #[tokio::test]
    async fn lines_end_with_or_without_carriage_return_and_the_last_needs_no_end() {
        assert_eq!(lines_of(b"a\r\n\n  \nb\nc").await, ["a", "b", "c"]);
        assert!(lines_of(b"").await.is_empty());
    }

    #[tokio::test]
    async fn a_line_without_end_is_told_once_and_skipped() {
        static LONG: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            let mut text = vec![b'x'; 2 * LINE_BYTES_MAX + 10];
            text.extend_from_slice(b"\nnext\n");
            text
        });
        assert_eq!(lines_of(&LONG).await, ["too long", "next"]);
    }

    #[tokio::test]
    async fn a_message_of_several_lines_is_written_as_one() {
        let (outbox, lines) = mpsc::channel(2);
        outbox
            .send(Bytes::from_static(b"{\n  \"a\": 1\r\n}"))
            .await
            .unwrap();
        drop(outbox);
        let mut out = Vec::new();
        write(&mut out, lines).await.unwrap();
        assert_eq!(out, b"{   \"a\": 1  }\n");
    }
}
