//! Tables of pipes: Markdown's, psql's, mysql's.
//!
//! # Source
//! GitHub Flavored Markdown, section 4.10; a ruler may be of `+`, `-`, `=` and `:` as well.

use super::{
    super::{
        cut::{Cut, Fault, Reading},
        text::line_spans,
    },
    Table,
};

/// `None` when this is no such table: they have pipes in the header and a ruler below it.
pub(super) fn examine(text: &str, table: Table<'_>) -> Option<Reading> {
    let mut header = None;
    let mut is_ruled = false;
    let mut cuts = Vec::new();
    for span in line_spans(text) {
        let line = text.get(span.clone())?.trim();
        if line.is_empty() {
            continue;
        }
        if is_ruler(line) {
            is_ruled |= header.is_some();
            continue;
        }
        let Some(header) = &header else {
            if !line.contains('|') {
                return None;
            }
            header = Some(table.header(cells(line).into_iter())?);
            continue;
        };
        if !is_ruled {
            return None;
        }
        let fault = match line.contains('|') || header.width == 1 {
            true => table.row(header, &cells(line)),
            false => Some(Fault::Unlabelled),
        };
        cuts.extend(fault.map(|fault| Cut { span, fault }));
    }
    is_ruled.then_some(Reading::Rows(cuts))
}

fn is_ruler(line: &str) -> bool {
    line.contains(['-', '='])
        && line
            .chars()
            .all(|c| matches!(c, '-' | '=' | '+' | '|' | ':' | ' ' | '\t'))
}

/// The cells between pipes that are not escaped; those at the edges are no cells' ends.
fn cells(line: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let (mut start, mut is_escaped) = (0, false);
    for (at, c) in line.char_indices() {
        if c == '|' && !is_escaped {
            cells.push(line.get(start..at).unwrap_or_default());
            start = at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    cells.push(line.get(start..).unwrap_or_default());
    if line.starts_with('|') {
        cells.remove(0);
    }
    if cells.len() > 1 && cells.last().is_some_and(|cell| cell.trim().is_empty()) {
        cells.pop();
    }
    cells.into_iter().map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_stands_between_pipes() {
        assert_eq!(cells("| a | b |"), ["a", "b"]);
        assert_eq!(cells("a | b"), ["a", "b"]);
        assert_eq!(cells(r"| a \| b | c |"), [r"a \| b", "c"]);
        assert_eq!(cells(r"| a \\| b |"), [r"a \\", "b"]);
        assert_eq!(cells("| a | | b |"), ["a", "", "b"]);
    }
}
