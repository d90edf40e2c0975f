//! Rows for people.

use cardea_domain::text::{Breaks, visible};

/// Beyond this a cell is cut; `--json` has all of it.
const CELL_CHARS_MAX: usize = 160;

/// Rows as lines with a head; the last column is as wide as it likes.
pub(super) fn lines(head: &[&str], rows: &[Vec<String>]) -> String {
    let shown = |cell: &String| visible(cell, CELL_CHARS_MAX, Breaks::Shown);
    let mut lines = vec![
        head.iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    ];
    lines.extend(rows.iter().map(|row| row.iter().map(shown).collect()));
    let width = |place: usize| {
        let cells = lines.iter().filter_map(|line| line.get(place));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths);
        let padded = padded.map(|(cell, &width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
