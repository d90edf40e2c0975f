//! A record as one line for people.

use std::fmt::Write;

use crate::view::View;

/// `time tenant subject actor upstream method target -> how it went`, or `None` for a line that is
/// not a record. What is not known is `-`.
///
/// Records hold what attackers sent, so nothing in the text moves a cursor, sets a colour, hides a
/// character or turns the direction of writing: such characters are escaped.
#[must_use]
pub fn render(line: &str) -> Option<String> {
    let view = View::parse(line)?;
    let mut out = String::with_capacity(200);
    for (at, word) in [
        &view.time,
        &view.tenant,
        &view.subject,
        &view.actor,
        &view.upstream,
        &view.method,
        &view.target.name,
    ]
    .into_iter()
    .enumerate()
    {
        if at > 0 {
            out.push(' ');
        }
        push_word(&mut out, word);
    }
    out.push_str(" -> ");
    push_end(&mut out, &view);
    if let Some(us) = view.total_us {
        let _ = write!(out, " {}.{:03} ms", us / 1000, us % 1000);
    }
    Some(out)
}

/// What happened: of an outcome how it ended, of the rest why.
fn push_end(out: &mut String, view: &View<'_>) {
    if let Some(response) = &view.response {
        push_word(out, &response.outcome);
        if response.is_error {
            out.push_str(" (the tool says it failed)");
        }
        if response.status != 0 {
            let _ = write!(out, " {}", response.status);
        }
    } else {
        push_word(out, &view.kind);
    }
    if let Some(denial) = &view.denial {
        out.push(' ');
        push_word(out, &denial.code);
        if !denial.detail.is_empty() {
            out.push_str(": ");
            push_escaped(out, &denial.detail);
        }
    }
    if let Some(event) = &view.event {
        out.push(' ');
        push_word(out, &event.name);
        if !event.detail.is_empty() {
            out.push_str(": ");
            push_escaped(out, &event.detail);
        }
    }
    // A refusal's detail says which policies forbade it.
    if let Some(decision) = &view.decision
        && view.response.is_none()
        && view.denial.is_none()
    {
        out.push(' ');
        push_word(out, &decision.effect);
        out.push_str(" by");
        match &view.access {
            Some(access) if !access.grant.is_empty() => {
                out.push_str(" grant ");
                push_word(out, &access.grant);
            }
            Some(access) if !access.entitlement.is_empty() => {
                out.push_str(" entitlement ");
                push_word(out, &access.entitlement);
            }
            _ if decision.policies.is_empty() => out.push_str(" default"),
            _ => {}
        }
        for policy in &decision.policies {
            out.push(' ');
            push_word(out, policy);
        }
    }
}

/// One word: blanks in it would make it look like several.
fn push_word(out: &mut String, word: &str) {
    if word.is_empty() {
        out.push('-');
        return;
    }
    for char in word.chars() {
        if char.is_whitespace() {
            push_escape(out, char);
        } else {
            push_char(out, char);
        }
    }
}

fn push_escaped(out: &mut String, text: &str) {
    for char in text.chars() {
        push_char(out, char);
    }
}

fn push_char(out: &mut String, char: char) {
    if char.is_control() || is_unseen(char) || (char.is_whitespace() && char != ' ') {
        push_escape(out, char);
    } else if char == '\\' {
        out.push_str("\\\\");
    } else {
        out.push(char);
    }
}

fn push_escape(out: &mut String, char: char) {
    let _ = write!(out, "{}", char.escape_unicode());
}

/// Characters that show nothing, or change how others are shown.
///
/// # Source
/// Unicode 16, general category Cf, and the fillers, variation selectors and other ignorables of
/// `Default_Ignorable_Code_Point`.
fn is_unseen(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_who_what_and_how_it_went() {
        let line = r#"{"seq":7,"prev":"","time":"T","kind":"outcome","tenant":"acme",
            "subject":"ada","actor":"agent","upstream":"files","method":"tools/call",
            "target":{"kind":"Tool","name":"read"},"total_us":1234,
            "decision":{"effect":"permit","policies":["p"],"epoch":1},
            "response":{"outcome":"result","status":200,"bytes":1,"is_error":true}}"#;
        assert_eq!(
            render(line).unwrap(),
            "T acme ada agent files tools/call read -> \
             result (the tool says it failed) 200 1.234 ms"
        );
    }

    #[test]
    fn a_denial_says_why() {
        let line = r#"{"time":"T","kind":"denial","method":"ping",
            "decision":{"effect":"deny","policies":[],"epoch":1},
            "denial":{"code":"E_POLICY_DENIED","message":"no","detail":"tool `x`"}}"#;
        assert_eq!(
            render(line).unwrap(),
            "T - - - - ping - -> denial E_POLICY_DENIED: tool `x`"
        );
    }

    #[test]
    fn an_event_says_what_happened() {
        let line = r#"{"time":"T","kind":"event","event":{"name":"log_opened","detail":"d e"}}"#;
        assert_eq!(
            render(line).unwrap(),
            "T - - - - - - -> event log_opened: d e"
        );
    }

    #[test]
    fn what_an_attacker_sent_cannot_steer_a_terminal() {
        for evil in [
            "\u{1b}]0;owned\u{7}",
            "\u{9b}31m",
            "a\r\nb",
            "\u{202e}txt",
            "\u{200b}",
            "\u{e0041}",
            "\u{feff}",
            "\u{2028}",
        ] {
            let text = serde_json::Value::from(evil);
            let line = format!(
                r#"{{"time":{text},"subject":{text},"target":{{"name":{text}}},
                "denial":{{"code":{text},"detail":{text}}},"event":{{"detail":{text}}}}}"#
            );
            let shown = render(&line).unwrap();
            assert!(shown.contains("\\u{"), "{evil:?}: {shown:?}");
            assert!(
                shown.chars().all(|c| c == ' ' || c.is_ascii_graphic()),
                "{evil:?}: {shown:?}"
            );
        }
    }

    #[test]
    fn a_blank_within_a_word_does_not_make_it_two() {
        let line = r#"{"time":"T","tenant":"a b","subject":"\\u{20}"}"#;
        assert_eq!(render(line).unwrap(), "T a\\u{20}b \\\\u{20} - - - - -> -");
    }

    #[test]
    fn what_is_no_record_is_not_shown() {
        assert_eq!(render("[]"), None);
        assert_eq!(render("{\"time\":"), None);
    }
}
