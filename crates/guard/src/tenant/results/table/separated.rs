//! CSV, TSV, and CSV with semicolons.
//!
//! # Source
//! RFC 4180, as the `csv` crate reads it.

use csv::{ReaderBuilder, StringRecord};

use super::{
    super::cut::{Cut, Fault, Reading},
    Table,
};

const DELIMITERS: [u8; 3] = [b'\t', b',', b';'];

/// `None` when the first line names the tenant's column by none of the delimiters.
pub(super) fn examine(text: &str, table: Table<'_>) -> Option<Reading> {
    DELIMITERS
        .iter()
        .find_map(|delimiter| by(text, *delimiter, table))
}

fn by(text: &str, delimiter: u8, table: Table<'_>) -> Option<Reading> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    if !reader.read_record(&mut record).ok()? {
        return None;
    }
    let header = table.header(record.iter())?;
    // A lone name in a line of its own is a heading of prose, unless there is only one column.
    if header.width == 1 && text.lines().any(|line| line.contains(char::is_whitespace)) {
        return None;
    }
    if text.bytes().filter(|b| *b == b'"').count() % 2 != 0 {
        return Some(Reading::Unreadable("a table with an open quote"));
    }
    // Each record ends where the next one begins.
    let mut cuts: Vec<Cut> = Vec::new();
    let mut pending: Option<(usize, Fault)> = None;
    loop {
        let start = record_start(text, reader.position().byte());
        if let Some((from, fault)) = pending.take() {
            cuts.push(Cut {
                span: from..start,
                fault,
            });
        }
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Some(Reading::Rows(cuts)),
            Err(_) => return Some(Reading::Unreadable("a table that breaks off")),
        }
        let cells: Vec<&str> = record.iter().collect();
        pending = table.row(&header, &cells).map(|fault| (start, fault));
    }
}

/// Where the next record begins: the reader stands between the halves of `\r\n`.
fn record_start(text: &str, byte: u64) -> usize {
    let at = usize::try_from(byte).unwrap_or(usize::MAX).min(text.len());
    let is_between = text.get(..at).is_some_and(|before| before.ends_with('\r'))
        && text.get(at..).is_some_and(|rest| rest.starts_with('\n'));
    at + usize::from(is_between)
}
