//! How deep a policy may nest: what parses it, walks it and drops it recurses.

use std::ops::Range;

/// Brackets within each other.
const NESTING_MAX: usize = 100;
/// Operators and `if`s of one policy: each may nest it one deeper.
const OPERATORS_MAX: usize = 1000;
/// Members, calls and indices one behind the other: `a.b["c"].d(e)` has four.
const CHAIN_MAX: usize = 100;

/// Where a text is too deep to be read, and how so.
pub(super) fn too_deep(text: &str) -> Option<(Range<usize>, String)> {
    // Of each open bracket, and of the policy itself, what hangs together at this place of it.
    let mut chains = vec![0];
    let mut operators = 0;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, byte)| *byte);
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
                continue;
            }
            b'/' if next == Some(b'/') => {
                while bytes.next_if(|(_, byte)| *byte != b'\n').is_some() {}
                continue;
            }
            b';' if chains.len() == 1 => operators = 0,
            b'(' | b'[' | b'{' => {
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                }
                chains.push(0);
            }
            b')' | b']' | b'}' if chains.len() > 1 => drop(chains.pop()),
            b'.' => {
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                }
            }
            b'|' | b'&' if next == Some(byte) => {
                bytes.next();
                operators += 1;
            }
            b'+' | b'-' | b'*' => operators += 1,
            _ if is_if(text, at) => operators += 1,
            _ => {}
        }
        let parts = b",;|&+-*=<>!".contains(&byte) || is_if(text, at);
        if let Some(chain) = chains.last_mut().filter(|_| parts) {
            *chain = 0;
        }
        let what = match () {
            () if chains.len() > NESTING_MAX + 1 => {
                format!("brackets are nested more than {NESTING_MAX} deep")
            }
            () if operators > OPERATORS_MAX => {
                format!("a policy has more than {OPERATORS_MAX} operators")
            }
            () if chains.last().is_some_and(|chain| *chain > CHAIN_MAX) => {
                format!("more than {CHAIN_MAX} members stand one behind the other")
            }
            () => continue,
        };
        return Some((at..at + 1, what));
    }
    None
}

/// Whether the word `if` begins here.
fn is_if(text: &str, at: usize) -> bool {
    let is_of_word =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    bytes.get(at..at + 2) == Some(b"if") && !is_of_word(before) && !is_of_word(bytes.get(at + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(condition: &str) -> String {
        format!("permit(principal, action, resource) when {{ {condition} }};\n")
    }

    #[test]
    fn what_people_write_is_not_too_deep() {
        let members = "context.args.name == \"a.b.c(((\" && ".repeat(400) + "true";
        let names: Vec<String> = (0..5000).map(|n| format!("\"-{n}.{n}\"")).collect();
        let set = format!("[{}].contains(context.method)", names.join(", "));
        for condition in [&members, &set, &"((((true))))".to_owned()] {
            assert_eq!(too_deep(&policy(condition)), None, "{condition:.80}");
        }
        let many = policy("a.b || c.d && e + 1 == 2 // ((((( \" (\n").repeat(2000);
        assert_eq!(too_deep(&many), None);
    }

    #[test]
    fn what_would_take_the_stack_is_told_with_its_place() {
        for (condition, says) in [
            ("(".repeat(3000) + &")".repeat(3000), "nested"),
            ("[".repeat(3000), "nested"),
            ("true || ".repeat(2000) + "true", "operators"),
            ("1 + ".repeat(2000) + "1 == 1", "operators"),
            ("if a then b else ".repeat(2000) + "c", "operators"),
            ("a".to_owned() + &".b".repeat(2000), "one behind the other"),
            (
                "a".to_owned() + &"[\"b\"]".repeat(2000),
                "one behind the other",
            ),
            (
                "a".to_owned() + &".b(c)".repeat(2000),
                "one behind the other",
            ),
        ] {
            let text = policy("true") + &policy(&condition);
            let (place, what) = too_deep(&text).unwrap();
            assert!(what.contains(says), "{what}");
            assert!(place.start > policy("true").len(), "{place:?}");
        }
    }
}
