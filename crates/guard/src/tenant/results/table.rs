//! Rows of a table in text: CSV and its kin, tables of pipes, tables of blanks. The first line
//! names the columns.
//!
//! A line that is not a row of the table (another number of cells, a cell that runs over its
//! column) does not say whose it is. Rulers and empty lines hold nothing and stay.

mod aligned;
mod piped;
mod separated;

use super::{
    super::TenantValue,
    cut::{Fault, Reading},
};
use crate::skeleton::skeleton;

/// Reads a text without blanks around it.
pub(super) fn examine(text: &str, columns: &[String], value: &TenantValue) -> Reading {
    let table = Table { columns, value };
    piped::examine(text, table)
        .or_else(|| separated::examine(text, table))
        .or_else(|| aligned::examine(text, table))
        .unwrap_or(Reading::Unreadable("a text in no known form"))
}

/// What is looked for in a table.
#[derive(Clone, Copy)]
struct Table<'a> {
    /// Skeletons of the columns' names.
    columns: &'a [String],
    value: &'a TenantValue,
}

impl Table<'_> {
    /// The places of the columns that name the tenant; `None` when there are none: this is no
    /// header.
    fn header<'c>(self, cells: impl Iterator<Item = &'c str>) -> Option<Header> {
        let (mut places, mut width) = (Vec::new(), 0);
        for (place, cell) in cells.enumerate() {
            let name = skeleton(cell.trim_matches(is_decoration));
            if self.columns.contains(&name) {
                places.push(place);
            }
            width = place + 1;
        }
        (!places.is_empty()).then_some(Header { places, width })
    }

    /// What is wrong with a row. Cells are compared as they are: where blanks around them mean
    /// nothing, they come without.
    fn row(self, header: &Header, cells: &[&str]) -> Option<Fault> {
        if cells.len() != header.width {
            return Some(Fault::Unlabelled);
        }
        let mut fault = None;
        for place in &header.places {
            match cells.get(*place).copied().unwrap_or_default() {
                cell if cell == self.value.text() => {}
                "" => fault = fault.or(Some(Fault::Unlabelled)),
                _ => fault = Some(Fault::Foreign),
            }
        }
        fault
    }
}

/// Which columns name the tenant, and how many there are.
struct Header {
    places: Vec<usize>,
    width: usize,
}

/// What Markdown and spreadsheets put around a name.
fn is_decoration(c: char) -> bool {
    c.is_whitespace() || matches!(c, '*' | '_' | '`' | '"' | '\'')
}
