//! Rows for people: columns as wide as what is in them, and no text of a stranger that could draw on
//! the terminal.

use cardea_domain::text::{Breaks, visible};
use serde_json::Value;

/// What a table shows of documents.
pub(super) struct Table {
    pub(super) columns: &'static [Column],
    /// Said where there is no row.
    pub(super) none: &'static str,
}

/// A column: its head, and what of a row is in it.
pub(super) type Column = (&'static str, fn(&Value) -> String);

/// Beyond this a cell is cut; `--json` has all of it.
const CELL_CHARS_MAX: usize = 60;

impl Table {
    /// The rows as lines, with a head.
    pub(super) fn render(&self, rows: &[Value]) -> String {
        if rows.is_empty() {
            return self.none.to_owned();
        }
        let head = self.columns.iter().map(|(name, _)| (*name).to_owned());
        let mut lines = vec![head.collect::<Vec<_>>()];
        for row in rows {
            lines.push(self.columns.iter().map(|(_, cell)| cell(row)).collect());
        }
        let width = |place: usize| {
            let cells = lines.iter().filter_map(|line| line.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&widths);
            let padded = padded.map(|(cell, &width)| format!("{cell:<width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A member of a document, as a cell.
pub(super) fn text(row: &Value, member: &str) -> String {
    shown(row.get(member).and_then(Value::as_str).unwrap_or("-"))
}

/// A text of whoever, as a cell.
pub(super) fn shown(text: &str) -> String {
    visible(text, CELL_CHARS_MAX, Breaks::Shown)
}

/// `files/write_file`.
pub(super) fn target(row: &Value) -> String {
    let part = |name| row.get(name).and_then(Value::as_str);
    let upstream = part("upstream").unwrap_or("-");
    match part("name") {
        Some(name) => shown(&format!("{upstream}/{name}")),
        None => shown(upstream),
    }
}

/// `one call in 10m`, `5 calls in 1h`, `10m`.
pub(super) fn terms(row: &Value) -> String {
    let Some(terms) = row.get("terms") else {
        return "-".to_owned();
    };
    let number = |name| terms.get(name).and_then(Value::as_u64);
    let time = time(number("duration_s").unwrap_or(0));
    match (
        terms.get("kind").and_then(Value::as_str),
        number("calls_max"),
    ) {
        (Some("once"), _) => format!("one call in {time}"),
        (_, Some(calls)) => format!("{calls} calls in {time}"),
        (_, None) => time,
    }
}

/// `90s`, `10m`, `2h`, `1d`: in the largest unit that it is whole in.
fn time(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let whole = units
        .iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    match whole {
        Some((length, unit)) => format!("{}{unit}", seconds / length),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: Table = Table {
        columns: &[
            ("ID", |row| text(row, "id")),
            ("WHAT", target),
            ("TERMS", terms),
        ],
        none: "nothing",
    };

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [
            json!({"id": "1", "upstream": "files", "name": "read",
                "terms": {"kind": "once", "duration_s": 600, "calls_max": 1}}),
            json!({"id": "22222", "upstream": "files", "name": null,
                "terms": {"kind": "time", "duration_s": 90, "calls_max": null}}),
        ];
        let expected =
            "ID     WHAT        TERMS\n1      files/read  one call in 10m\n22222  files       90s";
        assert_eq!(TABLE.render(&rows), expected);
        assert_eq!(TABLE.render(&[]), "nothing");
    }

    #[test]
    fn what_strangers_wrote_does_not_draw_on_the_terminal() {
        let rows = [json!({"id": "\u{1b}[2J\u{202e}\n", "upstream": "x".repeat(100), "terms": {}})];
        let table = TABLE.render(&rows);
        assert!(table.contains("\\u{1b}[2J\\u{202e}\\n"), "{table}");
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.contains("characters more"), "{table}");
    }
}
