//! What is to go from a text, and what is left without it.

use std::ops::Range;

/// Why something may not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is another tenant's.
    Foreign,
    /// It does not say whose it is.
    Unlabelled,
}

/// One row that is to go, with the comma or line end that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// In bytes of the text that was read.
    pub(super) span: Range<usize>,
    pub(super) fault: Fault,
}

/// What came of reading a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// It was read; these rows are to go, in the order of the text and apart from each other.
    Rows(Vec<Cut>),
    /// All of it is one row, and that is to go.
    Whole(Fault),
    /// It has no rows in a form that is known.
    Unreadable(&'static str),
}

/// The text without the cuts.
pub(super) fn without(text: &str, cuts: &[Cut]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for cut in cuts {
        out.push_str(text.get(at..cut.span.start).unwrap_or_default());
        at = cut.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// One element of an array.
#[derive(Debug, Clone)]
pub(super) struct Element {
    pub(super) span: Range<usize>,
    pub(super) fault: Option<Fault>,
}

/// The cuts that take the faulty elements out of an array, each with one comma.
pub(super) fn elements(all: &[Element]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut is_any_kept = false;
    for (n, element) in all.iter().enumerate() {
        let Some(fault) = element.fault else {
            is_any_kept = true;
            continue;
        };
        let before = n.checked_sub(1).and_then(|n| all.get(n));
        let span = match (is_any_kept, before, all.get(n + 1)) {
            (true, Some(before), _) => before.span.end..element.span.end,
            (_, _, Some(next)) => element.span.start..next.span.start,
            (_, _, None) => element.span.clone(),
        };
        cuts.push(Cut { span, fault });
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_without_some_elements_is_an_array() {
        let text = "[10 , 11,12 ,13]";
        let spans = [1..3, 6..8, 9..11, 13..15];
        for mask in 0..16_u32 {
            let all: Vec<_> = spans
                .iter()
                .enumerate()
                .map(|(n, span)| Element {
                    span: span.clone(),
                    fault: (mask >> n & 1 == 1).then_some(Fault::Foreign),
                })
                .collect();
            let left = without(text, &elements(&all));
            let left: Vec<u32> = serde_json::from_str(&left).expect(&left);
            let expected: Vec<u32> = (0..4)
                .filter(|n| mask >> n & 1 == 0)
                .map(|n| 10 + n)
                .collect();
            assert_eq!(left, expected);
        }
    }
}
