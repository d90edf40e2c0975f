//! Lists and mappings in brackets, as languages print them: JSON with other quotes, bare words allowed.

use super::{DEPTH_MAX, Leaf, of_key};

/// The leaves of a literal that is read to its end; `None` of anything else.
pub(super) fn leaves(text: &str) -> Option<Vec<Leaf>> {
    let mut reader = Reader {
        rest: text,
        leaves: Vec::new(),
    };
    reader.value("", 0)?;
    reader.blank();
    reader.rest.is_empty().then_some(reader.leaves)
}

struct Reader<'a> {
    rest: &'a str,
    leaves: Vec<Leaf>,
}

impl Reader<'_> {
    fn value(&mut self, key: &str, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blank();
        match self.rest.chars().next()? {
            '[' => self.list(key, ']', depth),
            '(' => self.list(key, ')', depth),
            '{' => self.mapping(depth),
            _ => {
                let text = self.scalar()?;
                self.leaf(key, text);
                Some(())
            }
        }
    }

    fn list(&mut self, key: &str, end: char, depth: usize) -> Option<()> {
        self.skip();
        loop {
            self.blank();
            if self.take(end) {
                return Some(());
            }
            self.value(key, depth + 1)?;
            self.blank();
            if !self.take(',') {
                return self.take(end).then_some(());
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Option<()> {
        self.skip();
        loop {
            self.blank();
            if self.take('}') {
                return Some(());
            }
            let key = self.scalar()?;
            self.leaves.extend(of_key(&key));
            self.blank();
            if !self.take(':') {
                return None;
            }
            self.value(&key, depth + 1)?;
            self.blank();
            if !self.take(',') {
                return self.take('}').then_some(());
            }
        }
    }

    fn scalar(&mut self) -> Option<String> {
        let (text, rest) = match self.rest.chars().next()? {
            quote @ ('\'' | '"') => quoted(self.rest, quote)?,
            _ => {
                let end = self
                    .rest
                    .find([',', ':', ']', '}', ')', '[', '{', '(', '\'', '"', '\n'])?;
                let (text, rest) = self.rest.split_at_checked(end)?;
                (text.trim().to_owned(), rest)
            }
        };
        self.rest = rest;
        Some(text)
    }

    fn leaf(&mut self, key: &str, text: String) {
        if !matches!(
            text.as_str(),
            "None" | "null" | "True" | "False" | "true" | "false"
        ) {
            self.leaves.push(Leaf {
                key: key.to_owned(),
                text,
            });
        }
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// A text in quotes, with backslashes, and what comes after it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut chars = text.chars();
    chars.next();
    let mut read = String::new();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Some((read, chars.as_str())),
            '\\' => match chars.next()? {
                'n' | 'r' => read.push('\n'),
                't' => read.push('\t'),
                'x' => read.push(code(&mut chars, 2)?),
                'u' => read.push(code(&mut chars, 4)?),
                'U' => read.push(code(&mut chars, 8)?),
                other => read.push(other),
            },
            c => read.push(c),
        }
    }
    None
}

pub(super) fn code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let hex: String = chars.by_ref().take(digits).collect();
    char::from_u32(u32::from_str_radix(&hex, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Vec<(String, String)>> {
        let leaves = leaves(text)?;
        Some(leaves.into_iter().map(|l| (l.key, l.text)).collect())
    }

    #[test]
    fn literals_are_read_to_their_end_or_not_at_all() {
        let read =
            of(r#"{'id': 7, 'to': ['a@b.org', "it's"], 'x': None, 'note': 'a\nb'}"#).unwrap();
        let wanted = [
            ("id", "7"),
            ("to", "a@b.org"),
            ("to", "it's"),
            ("note", "a\nb"),
        ];
        assert_eq!(read, wanted.map(|(k, v)| (k.to_owned(), v.to_owned())));
        for bad in ["{'a': 1} and more", "{'a'", "['a", "{a b}", "[1 2", "{"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert_eq!(of(&deep), None);
    }

    #[test]
    fn a_quoted_text_cannot_leave_its_field() {
        let read = of(r#"{'note': '\', \'to\': \'evil', 'to': 'a'}"#).unwrap();
        assert_eq!(read[0], ("note".into(), "', 'to': 'evil".into()));
        assert_eq!(read[1], ("to".into(), "a".into()));
    }
}
