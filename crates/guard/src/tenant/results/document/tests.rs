use super::*;

fn examine_with(paths: &[&str], text: &str) -> Reading {
    let paths: Vec<_> = paths
        .iter()
        .map(|p| Pointer::for_results(p).unwrap())
        .collect();
    examine_unchecked(text, &paths, &TenantValue::of_text("org-17"))
}

/// What is left of a text.
fn left(paths: &[&str], text: &str) -> String {
    match examine_with(paths, text) {
        Reading::Rows(cuts) => cut::without(text, &cuts),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_pointer_that_leads_nowhere_is_not_an_empty_list() {
    assert_eq!(
        left(&["/issues/*/org"], r#"{"issues":[]}"#),
        r#"{"issues":[]}"#
    );
    for text in [
        "{}",
        "[]",
        "7",
        r#"{"issues":{}}"#,
        r#"{"issues":null}"#,
        r#"{"data":[]}"#,
    ] {
        let reading = examine_with(&["/issues/*/org"], text);
        assert!(matches!(reading, Reading::Unreadable(_)), "{text}");
    }
}

#[test]
fn within_a_row_every_step_is_due() {
    let at = ["/teams/*/issues/*/org"];
    for (text, expected) in [
        (
            r#"{"teams":[{"issues":[{"org":"org-17"},{"org":"x"}]},{"issues":[]}]}"#,
            r#"{"teams":[{"issues":[{"org":"org-17"}]},{"issues":[]}]}"#,
        ),
        (
            r#"{"teams":[{},{"issues":7},{"issues":{"org":"x"}},5]}"#,
            r#"{"teams":[]}"#,
        ),
        (
            r#"{"teams":[{"issues":[{"org":null},{"org":["org-17"]},{"org":{}},[]]}]}"#,
            r#"{"teams":[{"issues":[]}]}"#,
        ),
    ] {
        assert_eq!(left(&at, text), expected);
    }
}

#[test]
fn escaped_spellings_are_read() {
    assert_eq!(
        left(
            &["/*/a~1b"],
            r#"[{"a\/b":"org\u002d17"},{"a/b":"glob\u0065x"}]"#
        ),
        r#"[{"a\/b":"org\u002d17"}]"#
    );
}

#[test]
fn beside_a_row_everything_is_one() {
    assert_eq!(
        left(
            &["/**/org"],
            r#"{"rows":[{"org":"org-17","tags":["a","b"]},{"x":1},"y",[]],"tags":[1]}"#
        ),
        r#"{"rows":[{"org":"org-17","tags":["a","b"]}],"tags":[1]}"#
    );
}

#[test]
fn a_value_beside_all_rows_makes_the_document_one_row() {
    let reading = examine_with(
        &["/**/org"],
        r#"{"org":"globex","rows":[{"org":"org-17"}]}"#,
    );
    assert_eq!(reading, Reading::Whole(Fault::Foreign));
}
