//! Tables of blanks, as command lines print them: every column begins where its name does.

use unicode_width::UnicodeWidthChar as _;

use super::{
    super::{
        cut::{Cut, Fault, Reading},
        text::line_spans,
    },
    Table,
};

/// `None` when the first line does not have the names of at least two columns, two blanks apart,
/// or names no tenant's column.
pub(super) fn examine(text: &str, table: Table<'_>) -> Option<Reading> {
    let mut lines = line_spans(text);
    let first = text.get(lines.next()?)?.trim_end();
    let columns = starts(first);
    if columns.len() < 2 {
        return None;
    }
    let header = table.header(cells(first, &columns)?.into_iter())?;
    let mut cuts = Vec::new();
    for span in lines {
        let line = text.get(span.clone())?.trim_end();
        let is_ruler = line.chars().all(|c| matches!(c, '-' | '=' | ' '));
        if is_ruler {
            continue;
        }
        let fault = match cells(line, &columns) {
            Some(cells) => table.row(&header, &cells),
            None => Some(Fault::Unlabelled),
        };
        cuts.extend(fault.map(|fault| Cut { span, fault }));
    }
    Some(Reading::Rows(cuts))
}

/// The display columns at which the names begin; the first is the line's beginning.
fn starts(line: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let (mut at, mut blanks, mut is_any) = (0, 0, false);
    for c in line.chars() {
        if c == ' ' {
            blanks += 1;
        } else {
            if blanks >= 2 && is_any {
                starts.push(at);
            }
            (blanks, is_any) = (0, true);
        }
        at += width(c);
    }
    starts
}

/// The cells of a line; `None` when one runs over into the next, or the line holds what has no
/// known width.
fn cells<'a>(line: &'a str, columns: &[usize]) -> Option<Vec<&'a str>> {
    if line.contains(char::is_control) {
        return None;
    }
    let mut bounds = vec![0];
    let mut next = columns.iter().skip(1).peekable();
    let (mut at, mut before) = (0, ' ');
    for (byte, c) in line.char_indices() {
        if let Some(start) = next.next_if(|start| **start <= at) {
            if *start < at || before != ' ' {
                return None;
            }
            bounds.push(byte);
        }
        at += width(c);
        before = c;
    }
    // Cells at the end of a short line are empty.
    bounds.resize(columns.len(), line.len());
    bounds.push(line.len());
    let pairs = bounds.iter().zip(bounds.iter().skip(1));
    pairs
        .map(|(from, to)| Some(line.get(*from..*to)?.trim()))
        .collect()
}

fn width(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_where_their_names_do() {
        let header = "ID   ORG NAME  TITLE";
        let columns = starts(header);
        assert_eq!(columns, [0, 5, 15]);
        assert_eq!(
            cells("1    org-17    a b", &columns).unwrap(),
            ["1", "org-17", "a b"]
        );
        assert_eq!(cells("1    org-17", &columns).unwrap(), ["1", "org-17", ""]);
        assert_eq!(
            cells("日本 org-17    x", &columns).unwrap(),
            ["日本", "org-17", "x"]
        );
        for over in [
            "123456 org-17   x",
            "1    much-too-long  x",
            "1   日本   x",
            "1\torg-17",
        ] {
            assert_eq!(cells(over, &columns), None, "{over}");
        }
    }
}
