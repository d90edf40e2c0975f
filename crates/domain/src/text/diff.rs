//! What differs between two texts, line by line.

/// One line, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Which of the texts has it.
    pub side: Side,
    /// The line, without its end.
    pub text: &'a str,
}

/// Which of the two texts has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Each of them.
    Both,
    /// Only the earlier one.
    Old,
    /// Only the later one.
    New,
}

/// Two texts of a thousand lines each are compared; of larger ones what differs is shown as
/// replaced as a whole, which is right too, only longer.
const CELLS_MAX: usize = 1_000_000;

/// The lines of both texts, those of the old one before those of the new where they differ.
#[must_use]
pub fn diff<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let alike = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(alike).count();
    let (shared, old) = old.split_at(head);
    let (_, new) = new.split_at(head);
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(alike)
        .count();
    let (old, rest) = old.split_at(old.len() - tail);
    let (new, _) = new.split_at(new.len() - tail);
    let mut lines = Vec::with_capacity(shared.len() + old.len() + new.len() + rest.len());
    lines.extend(all(shared, Side::Both));
    if old.len().saturating_mul(new.len()) > CELLS_MAX {
        lines.extend(all(old, Side::Old));
        lines.extend(all(new, Side::New));
    } else {
        middle(old, new, &mut lines);
    }
    lines.extend(all(rest, Side::Both));
    lines
}

/// All lines of one text on one side.
fn all<'a>(lines: &[&'a str], side: Side) -> impl Iterator<Item = Line<'a>> {
    lines.iter().map(move |text| Line { side, text })
}

/// The longest common subsequence, by dynamic programming.
fn middle<'a>(old: &[&'a str], new: &[&'a str], lines: &mut Vec<Line<'a>>) {
    let width = new.len() + 1;
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    let at = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let best = match a == b {
                true => at(&longest, i + 1, j + 1) + 1,
                false => at(&longest, i + 1, j).max(at(&longest, i, j + 1)),
            };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        let (side, text) = match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => (Side::Both, *a),
            (Some(a), Some(_)) if at(&longest, i + 1, j) >= at(&longest, i, j + 1) => {
                (Side::Old, *a)
            }
            (_, Some(b)) => (Side::New, *b),
            (Some(a), None) => (Side::Old, *a),
            (None, None) => return,
        };
        i += usize::from(side != Side::New);
        j += usize::from(side != Side::Old);
        lines.push(Line { side, text });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let mark = |line: &Line<'_>| match line.side {
            Side::Both => format!(" {}", line.text),
            Side::Old => format!("-{}", line.text),
            Side::New => format!("+{}", line.text),
        };
        diff(old, new)
            .iter()
            .map(mark)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn only_what_differs_is_marked() {
        assert_eq!(
            shown("a\nb\nc\nd", "a\nx\nc\ny\nd"),
            " a\n-b\n+x\n c\n+y\n d"
        );
        assert_eq!(shown("", "a"), "+a");
        assert_eq!(shown("a", "a"), " a");
    }

    #[test]
    fn what_is_too_long_to_compare_is_replaced_as_a_whole() {
        let old: String = (0..1500).map(|n| format!("a{n}\n")).collect();
        let new: String = (0..1500).map(|n| format!("b{n}\n")).collect();
        assert_eq!(diff(&old, &new).len(), 3000);
    }

    proptest! {
        #[test]
        fn each_text_can_be_read_off(old in "([ab]\n){0,12}", new in "([ab]\n){0,12}") {
            let lines = diff(&old, &new);
            let without = |not: Side| {
                let kept = lines.iter().filter(move |line| line.side != not);
                kept.map(|line| format!("{}\n", line.text)).collect::<String>()
            };
            prop_assert_eq!(without(Side::New), old.as_str());
            prop_assert_eq!(without(Side::Old), new.as_str());
        }
    }
}
