//! JSON laid out for reading, token by token as it was sent.
//!
//! Numbers, escapes and the order of members stay as they are: what a person approves is what the
//! tool gets. Only white space between tokens is new.

/// Lays a JSON text out, two spaces a level. A text that is not JSON comes out with all its
/// tokens too, only less pretty.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                out.push(c);
                string(&mut chars, &mut out);
            }
            '{' | '[' => {
                out.push(c);
                skip_space(&mut chars);
                match chars.peek() {
                    // An empty one stays on its line.
                    Some(close @ ('}' | ']')) => {
                        out.push(*close);
                        chars.next();
                    }
                    _ => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            ' ' | '\t' | '\n' | '\r' => {}
            c => out.push(c),
        }
    }
    out
}

/// A deeper level is indented no further: 64 levels are the most a message has.
const INDENT_LEVELS_MAX: usize = 64;

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth.min(INDENT_LEVELS_MAX) {
        out.push_str("  ");
    }
}

fn skip_space(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars
        .next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
        .is_some()
    {}
}

/// The rest of a string, its closing quote included.
fn string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '"' => return,
            '\\' => out.extend(chars.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn tokens_stay_as_they_were_sent() {
        let sent = r#"{"z":1.0e2,"a":["\u0041\"{", {}],"n":[ ] , "b":-0}"#;
        let expected = "{\n  \"z\": 1.0e2,\n  \"a\": [\n    \"\\u0041\\\"{\",\n    {}\n  ],\n  \"n\": [],\n  \"b\": -0\n}";
        assert_eq!(pretty(sent), expected);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_value_is_the_same(value in json()) {
            let shown = pretty(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }

        #[test]
        fn nothing_but_space_is_added_or_lost(text in any::<String>()) {
            let bare = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')).collect::<String>();
            prop_assert_eq!(bare(&pretty(&text)), bare(&text));
        }
    }
}
