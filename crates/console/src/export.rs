//! Lists as files for spreadsheets.

use crate::refusal::Refusal;

/// Rows of one file: more are asked for with a filter.
pub(crate) const ROWS_MAX: usize = 10_000;

/// RFC 4180, with a line of names first.
pub(crate) fn csv(
    names: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<Vec<u8>, Refusal> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let broken = |_| Refusal::unavailable();
    writer.write_record(names).map_err(broken)?;
    for row in rows {
        writer
            .write_record(row.iter().map(|cell| inert(cell)))
            .map_err(broken)?;
    }
    writer.into_inner().map_err(|_| Refusal::unavailable())
}

/// A cell that no spreadsheet takes for a formula, nor a part of it where another sign divides cells.
fn inert(cell: &str) -> String {
    const DIVIDES: [char; 5] = [';', '\t', '\n', '\r', '|'];
    const BEGINS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let mut inert = String::with_capacity(cell.len() + 1);
    let mut is_begin = true;
    for c in cell.chars() {
        if is_begin && (BEGINS.contains(&c) || c == '\t' || c == '\r' || c == '\n') {
            inert.push('\'');
        }
        inert.push(c);
        // A blank or a quote at a begin is skipped by some.
        is_begin = DIVIDES.contains(&c) || (is_begin && matches!(c, ' ' | '"' | '\''));
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_formulas() {
        let rows = [
            vec!["=1+1".to_owned(), "a,\"b\"\nc".to_owned()],
            vec!["-2".into(), "@x".into()],
            vec!["x;=1+1".into(), "a; \"＝HYPERLINK(1)".into()],
        ];
        let text = csv(&["one", "two"], rows.into_iter()).unwrap();
        let expected = "one,two\r\n'=1+1,\"a,\"\"b\"\"\nc\"\r\n'-2,'@x\r\nx;'=1+1,\"a; \"\"'＝HYPERLINK(1)\"\r\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
