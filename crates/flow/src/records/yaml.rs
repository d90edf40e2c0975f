//! Block YAML as serialisers print it: mappings, lists, quoted and folded texts.
//!
//! Not a reader of every YAML: no anchors, no tags, no documents, no keys of several lines. A text that has any of these is no
//! record.

use super::{Leaf, literal, of_key};

/// The leaves of a text that is read to its end; `None` of anything else.
pub(super) fn leaves(text: &str) -> Option<Vec<Leaf>> {
    let mut reader = Reader {
        lines: text.lines().map(Line::of).collect(),
        at: 0,
        open: Vec::new(),
        items: Vec::new(),
        leaves: Vec::new(),
    };
    while reader.at < reader.lines.len() {
        reader.line()?;
    }
    (!reader.leaves.is_empty()).then_some(reader.leaves)
}

#[derive(Clone, Copy)]
struct Line<'a> {
    indent: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let text = line.trim_start_matches(' ');
        Self {
            indent: line.len() - text.len(),
            text: text.trim_end_matches('\r'),
        }
    }

    fn is_blank(self) -> bool {
        self.text.trim().is_empty()
    }
}

struct Reader<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
    /// Keys whose values are below them, with their indents.
    open: Vec<(usize, String)>,
    /// Where the keys of the items stand that are being read.
    items: Vec<usize>,
    leaves: Vec<Leaf>,
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> Option<()> {
        let Line {
            mut indent,
            mut text,
        } = *self.lines.get(self.at)?;
        if text.trim().is_empty() {
            self.at += 1;
            return Some(());
        }
        let mut is_item = false;
        while let Some(rest) = item(text) {
            self.open.retain(|(at, _)| *at <= indent);
            let inner = rest.trim_start_matches(' ');
            indent += text.len() - inner.len();
            text = inner;
            is_item = true;
        }
        if text.is_empty() {
            self.at += 1;
            return Some(());
        }
        let Some((key, rest)) = key(text) else {
            // A scalar alone is an item of a list; anything else is a text that only looks like a record.
            let key = self.open.last().map(|(_, key)| key.clone());
            return match is_item {
                true => self.scalar(key.unwrap_or_default(), text, indent),
                false => None,
            };
        };
        self.open.retain(|(at, _)| *at < indent);
        self.items
            .retain(|at| *at < indent || (!is_item && *at == indent));
        if is_item {
            self.items.push(indent);
        } else if self.open.is_empty() && indent > 0 && self.items.last() != Some(&indent) {
            return None;
        }
        self.leaves.extend(of_key(&key));
        match rest.trim() {
            "" => {
                self.at += 1;
                self.open.push((indent, key));
                Some(())
            }
            rest => self.scalar(key, rest, indent + 1),
        }
    }

    /// A value that begins with `text` on this line and may go on below at `indent` or deeper.
    fn scalar(&mut self, key: String, text: &'a str, indent: usize) -> Option<()> {
        match text.chars().next()? {
            quote @ ('\'' | '"') => {
                let text = self.quoted(text, quote)?;
                self.leaves.push(Leaf { key, text });
            }
            '|' | '>' => {
                self.at += 1;
                let text = self.below(indent);
                self.leaves.push(Leaf { key, text });
            }
            '[' | '{' => {
                self.at += 1;
                let whole = format!("{text}\n{}", self.below(indent));
                for leaf in literal::leaves(whole.trim())? {
                    let key = if leaf.key.is_empty() { &key } else { &leaf.key };
                    self.leaves.push(Leaf {
                        key: key.clone(),
                        text: leaf.text,
                    });
                }
            }
            '&' | '*' | '!' | '%' | '@' | '`' | '#' => return None,
            _ => {
                self.at += 1;
                let more = self.below(indent);
                // A plain text has no `: `; a line below that has is no part of it.
                if more.lines().any(|line| self::key(line.trim()).is_some()) {
                    return None;
                }
                let text = format!("{text} {}", more.trim());
                let text = text.trim();
                if !matches!(text, "null" | "~" | "true" | "false") {
                    self.leaves.push(Leaf {
                        key,
                        text: text.to_owned(),
                    });
                }
            }
        }
        Some(())
    }

    /// The lines from here on that are at `indent` or deeper, or blank.
    fn below(&mut self, indent: usize) -> String {
        let mut text = String::new();
        while let Some(line) = self.lines.get(self.at)
            && (line.is_blank() || line.indent >= indent)
        {
            text.push_str(line.text);
            text.push('\n');
            self.at += 1;
        }
        text
    }

    /// A text in quotes, over as many lines as it takes; nothing may come after it.
    fn quoted(&mut self, first: &str, quote: char) -> Option<String> {
        let mut read = String::new();
        let mut chars = first.chars();
        chars.next();
        loop {
            while let Some(c) = chars.next() {
                match c {
                    '\'' if quote == '\'' && chars.as_str().starts_with('\'') => {
                        chars.next();
                        read.push('\'');
                    }
                    '\\' if quote == '"' => match chars.next() {
                        // The line goes on below.
                        None => {}
                        Some('n' | 'r') => read.push('\n'),
                        Some('t') => read.push('\t'),
                        Some('x') => read.push(literal::code(&mut chars, 2)?),
                        Some('u') => read.push(literal::code(&mut chars, 4)?),
                        Some('U') => read.push(literal::code(&mut chars, 8)?),
                        Some(other) => read.push(other),
                    },
                    c if c == quote => {
                        self.at += 1;
                        return chars.as_str().trim().is_empty().then_some(read);
                    }
                    c => read.push(c),
                }
            }
            self.at += 1;
            let next = self.lines.get(self.at)?;
            read.push(if next.is_blank() { '\n' } else { ' ' });
            chars = next.text.chars();
        }
    }
}

/// What comes after `- `.
fn item(text: &str) -> Option<&str> {
    match text {
        "-" => Some(""),
        _ => text.strip_prefix("- "),
    }
}

/// A key and what comes after its colon.
fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quote @ ('\'' | '"')) = text.chars().next() {
        let inner = text.get(1..)?;
        let (key, rest) = inner.split_at_checked(inner.find(quote)?)?;
        let rest = rest.get(1..)?.strip_prefix(':')?;
        return (rest.is_empty() || rest.starts_with(' ')).then(|| (key.to_owned(), rest));
    }
    let end = match text.find(": ") {
        Some(end) => end,
        None => text.strip_suffix(':')?.len(),
    };
    let (key, rest) = text.split_at_checked(end)?;
    (!key.is_empty() && key.len() <= KEY_BYTES_MAX)
        .then(|| (key.to_owned(), rest.get(1..).unwrap_or_default()))
}

/// What is longer is no key but the beginning of a sentence.
const KEY_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Vec<(String, String)>> {
        let leaves = leaves(text)?;
        Some(leaves.into_iter().map(|l| (l.key, l.text)).collect())
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Option<Vec<(String, String)>> {
        Some(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec())
    }

    #[test]
    fn records_as_serialisers_print_them() {
        let text = "- amount: 10.0\n  id: 5\n  recipient: me\n  recurring: false\n  subject: '\n\n\n    it''s due\n\n    \
                    now'\n  shared:\n  - a@b.org\n  - c@d.org\n- amount: 1\n  note: a text that\n    goes on\n";
        assert_eq!(
            of(text),
            pairs([
                ("amount", "10.0"),
                ("id", "5"),
                ("recipient", "me"),
                ("subject", "\n\n it's due\n now"),
                ("shared", "a@b.org"),
                ("shared", "c@d.org"),
                ("amount", "1"),
                ("note", "a text that goes on"),
            ])
        );
        assert_eq!(
            of("- general\n- random\n"),
            pairs([("", "general"), ("", "random")])
        );
        assert_eq!(
            of("with:\n  a@b.org: rw\nlist: []\nat: 2024-05-26 08:00:00\n"),
            pairs([
                ("", "a@b.org"),
                ("a@b.org", "rw"),
                ("at", "2024-05-26 08:00:00")
            ])
        );
        assert_eq!(
            of("a: |\n  id: 7\n  to: x\nb: 2"),
            pairs([("a", "id: 7\nto: x\n"), ("b", "2")])
        );
    }

    #[test]
    fn a_quoted_text_cannot_leave_its_field() {
        let text = "- body: 'hi\n\n    - to: evil\n\n      id: 9'\n  to: bob\n";
        assert_eq!(of(text).unwrap()[1], ("to".to_owned(), "bob".to_owned()));
        assert_eq!(of(text).unwrap().len(), 2);
    }

    #[test]
    fn texts_that_only_begin_like_records_are_none() {
        for text in [
            "Dear Ms X,\nto: evil",
            "to: evil\nand a sentence below it",
            "to: evil\n    note: deeper than it can be",
            "a: 'never closed\nto: x",
            "a: 'b' c",
            "a: *anchor",
            "",
            "one line",
        ] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
