//! The text that results are filled with: made up, always the same, but not repetitive.
//!
//! A line repeated a hundred times would flatter every scanner, cache and compressor on its way, and text without
//! quotes or line breaks would flatter every JSON reader. So it is words, numbers, quotes and line breaks in an order
//! drawn from a fixed seed.

const WORDS: [&str; 64] = [
    "account", "after", "amount", "archive", "before", "branch", "build", "cache", "change",
    "client", "commit", "config", "contract", "copy", "counter", "customer", "date", "default",
    "delivery", "deploy", "details", "device", "disk", "document", "draft", "entry", "error",
    "event", "field", "file", "filter", "folder", "format", "gateway", "header", "image", "index",
    "invoice", "item", "label", "ledger", "length", "level", "limit", "list", "market", "message",
    "metric", "module", "number", "object", "order", "owner", "page", "payment", "person",
    "policy", "project", "quarter", "record", "region", "report", "status", "version",
];

/// Exactly `size` bytes of ASCII text, the same for the same `size`.
pub fn filler(size: usize) -> String {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(size + 32);
    while text.len() < size {
        let number = draw.next();
        let word = WORDS[(number % 64) as usize];
        match (number >> 8) % 16 {
            0 => text.push('\n'),
            1 => text.push_str(&format!("\"{word}\" ")),
            2 => text.push_str(&format!("{word}={}, ", (number >> 16) % 100_000)),
            3 => text.push_str(&format!("{word}. ")),
            _ => text.push_str(&format!("{word} ")),
        }
    }
    text.truncate(size);
    text
}

/// A xorshift generator: enough to shuffle words, and the same on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::filler;

    #[test]
    fn filler_has_the_asked_size_and_is_always_the_same() {
        for size in [0, 1, 7, 10_240] {
            assert_eq!(filler(size).len(), size);
            assert_eq!(filler(size), filler(size));
        }
    }

    #[test]
    fn filler_needs_escapes_and_does_not_repeat_its_lines() {
        let text = filler(10_240);
        assert!(text.contains('"') && text.contains('\n'));
        let mut lines: Vec<_> = text.lines().filter(|line| line.len() > 20).collect();
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all);
    }
}
