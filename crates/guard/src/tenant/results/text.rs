//! Rows in a text that a tool gives: JSON, lines of JSON, or a table; also within a code fence.

use std::ops::Range;

use super::{
    super::TenantValue,
    ResultRules,
    cut::{Cut, Fault, Reading},
    document, table,
};

/// Reads a text by what it looks like.
pub(super) fn examine(text: &str, rules: &ResultRules, value: &TenantValue) -> Reading {
    let inside = fenced(text.trim()).unwrap_or(text);
    // Blank lines before a table say nothing; blanks before its first column do.
    let blank: usize = inside
        .split_inclusive('\n')
        .take_while(|line| line.trim().is_empty())
        .map(str::len)
        .sum();
    let body = inside.get(blank..).unwrap_or_default();
    let Some(span) = span_in(text, body) else {
        return Reading::Unreadable("a text in no known form");
    };
    let reading = match body.trim_start().as_bytes().first() {
        None => Reading::Rows(Vec::new()),
        Some(b'{' | b'[') => json(body, rules, value),
        Some(_) => table::examine(body, &rules.columns, value),
    };
    match reading {
        Reading::Rows(cuts) => Reading::Rows(moved(cuts, span.start)),
        other => other,
    }
}

/// One document, or one a line.
fn json(text: &str, rules: &ResultRules, value: &TenantValue) -> Reading {
    match document::examine_unchecked(text, &rules.paths, value) {
        Reading::Unreadable(_) if text.trim().contains('\n') => lines(text, rules, value),
        reading => reading,
    }
}

/// JSON lines: each is a row by itself, or holds some. A line in which no pointer leads anywhere is
/// a row of nobody's, if the others are understood.
fn lines(text: &str, rules: &ResultRules, value: &TenantValue) -> Reading {
    let mut cuts = Vec::new();
    let mut is_understood = false;
    for line in line_spans(text) {
        let whole = text.get(line.clone()).unwrap_or_default();
        if whole.trim().is_empty() {
            continue;
        }
        if let Err(why) = document::check(whole) {
            return Reading::Unreadable(why);
        }
        match document::examine(whole, &rules.paths, value) {
            Reading::Rows(within) => {
                is_understood = true;
                cuts.extend(moved(within, line.start));
            }
            Reading::Whole(fault) => {
                is_understood = true;
                cuts.push(Cut { span: line, fault });
            }
            Reading::Unreadable(_) => cuts.push(Cut {
                span: line,
                fault: Fault::Unlabelled,
            }),
        }
    }
    match is_understood {
        true => Reading::Rows(cuts),
        false => Reading::Unreadable("lines of JSON in which no pointer leads anywhere"),
    }
}

/// The spans of the lines, each with its end.
pub(super) fn line_spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        start..at
    })
}

fn moved(cuts: Vec<Cut>, by: usize) -> Vec<Cut> {
    let moved = |cut: Cut| Cut {
        span: cut.span.start + by..cut.span.end + by,
        ..cut
    };
    cuts.into_iter().map(moved).collect()
}

/// What stands between the fences of a text that is one code block (CommonMark section 4.5).
fn fenced(text: &str) -> Option<&str> {
    let (opening, rest) = text.split_once('\n')?;
    let info = opening.strip_prefix("```")?;
    let inside = rest.strip_suffix("```")?;
    let is_alone = !info.contains('`') && !inside.contains("```");
    (is_alone && (inside.is_empty() || inside.ends_with('\n'))).then_some(inside)
}

/// Where a part of a text stands in it.
fn span_in(text: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let span = start..start.checked_add(part.len())?;
    (text.get(span.clone()) == Some(part)).then_some(span)
}
