use bytes::Bytes;
use cardea_mcp::Limits;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    made::{self, Row, rows},
    *,
};

fn rules(paths: &[&str], foreign: OnForeign, untyped: OnUntyped) -> ResultRules {
    let paths = paths
        .iter()
        .map(|p| Pointer::for_results(p).unwrap())
        .collect();
    ResultRules::new(paths, &[], foreign, untyped)
}

fn issues() -> ResultRules {
    rules(
        &["/issues/*/org", "/*/org", "/**/org"],
        OnForeign::Drop,
        OnUntyped::Refuse,
    )
}

fn message(result: &Value) -> Message {
    let text = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    Message::parse(Bytes::from(text), &Limits { depth_max: 256 }).unwrap()
}

fn run(result: &Value, rules: &ResultRules) -> Result<(Value, Filtered), ResultRefused> {
    let message = message(result);
    let filtered = filter(&message, rules, &TenantValue::of_text("org-17"))?;
    let text = filtered
        .text
        .clone()
        .unwrap_or_else(|| message.text().to_vec());
    let left: Value = serde_json::from_slice(&text).unwrap();
    Ok((left["result"].clone(), filtered))
}

/// What is left of one text.
fn text(text: &str, rules: &ResultRules) -> Result<String, ResultRefused> {
    let (left, _) = run(&json!({"content": [{"type": "text", "text": text}]}), rules)?;
    Ok(left["content"][0]["text"]
        .as_str()
        .unwrap_or("(gone)")
        .to_owned())
}

#[test]
fn rows_of_others_go_from_both_forms() {
    let rows = json!({"issues": [
        {"id": 1, "org": "org-17"}, {"id": 2, "org": "globex"}, {"id": 3}, {"id": 4, "org": "org-17"}]});
    let result = json!({
        "structuredContent": rows,
        "content": [{"type": "text", "text": rows.to_string()}],
    });
    let (left, filtered) = run(&result, &issues()).unwrap();
    let expected = json!({"issues": [{"id": 1, "org": "org-17"}, {"id": 4, "org": "org-17"}]});
    assert_eq!(left["structuredContent"], expected);
    let text: Value = serde_json::from_str(left["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, expected);
    assert_eq!(
        (filtered.foreign, filtered.unlabelled, filtered.untyped),
        (2, 2, 0)
    );
}

#[test]
fn a_refusing_rule_gives_nothing() {
    let refuse = rules(&["/issues/*/org"], OnForeign::Refuse, OnUntyped::Refuse);
    let of = |rows: Value| run(&json!({"structuredContent": {"issues": rows}}), &refuse).map(drop);
    assert_eq!(of(json!([{"org": "org-17"}])), Ok(()));
    assert_eq!(of(json!([])), Ok(()));
    assert!(matches!(
        of(json!([{"org": "globex"}])),
        Err(ResultRefused::Foreign(_))
    ));
    assert!(matches!(
        of(json!([{"id": 1}])),
        Err(ResultRefused::Unlabelled(_))
    ));
    let block = json!({"content": [{"type": "text", "text": "{\"org\":\"globex\"}"}]});
    let one = rules(&["/org"], OnForeign::Refuse, OnUntyped::Drop);
    assert!(matches!(run(&block, &one), Err(ResultRefused::Foreign(_))));
}

#[test]
fn rows_hide_neither_deep_nor_under_other_names() {
    let nested = json!({"structuredContent": {"issues": [], "more": {"pages": [[
        {"org": "org-17", "title": "own"},
        {"org": "globex", "title": "foreign"},
        {"title": "nobody's"},
        "a mere text",
    ]], "last": {"org": "org-17"}}}});
    let (left, _) = run(&nested, &issues()).unwrap();
    assert_eq!(
        left["structuredContent"]["more"]["pages"],
        json!([[{"org": "org-17", "title": "own"}]])
    );
    let within = json!({"structuredContent": {"issues": [
        {"org": "org-17", "parent": {"org": "globex"}}, {"org": "org-17", "parent": {"org": "org-17"}}]}});
    let (left, _) = run(&within, &issues()).unwrap();
    assert_eq!(
        left["structuredContent"]["issues"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_dropped_row_takes_what_was_in_it_along() {
    let result = json!({"structuredContent": {"issues": [
        {"org": "globex", "comments": [{"org": "org-17"}, {"org": "initech"}]},
        {"org": "org-17", "comments": [{"org": "initech"}, {"org": "org-17", "n": 1}]}]}});
    let (left, filtered) = run(&result, &issues()).unwrap();
    assert_eq!(
        left["structuredContent"],
        json!({"issues": [{"org": "org-17", "comments": [{"org": "org-17", "n": 1}]}]})
    );
    assert_eq!(filtered.foreign, 2);
}

#[test]
fn an_object_that_is_one_row_is_refused_or_its_block_dropped() {
    let of_one = rules(&["/org"], OnForeign::Drop, OnUntyped::Refuse);
    let foreign = json!({"structuredContent": {"org": "globex"}});
    assert!(matches!(
        run(&foreign, &of_one),
        Err(ResultRefused::Foreign(_))
    ));
    let blocks = json!({"content": [
        {"type": "text", "text": "{\"org\":\"org-17\",\"n\":1}"},
        {"type": "text", "text": "{\"org\":\"globex\",\"n\":2}"},
        {"type": "text", "text": "{\"org\":\"org-17\",\"n\":3}"}]});
    let (left, filtered) = run(&blocks, &of_one).unwrap();
    assert_eq!(left["content"].as_array().unwrap().len(), 2);
    assert!(!left.to_string().contains("globex"));
    assert_eq!(filtered.foreign, 1);
}

#[test]
fn what_cannot_be_read_is_refused_or_dropped() {
    let unreadable = [
        json!({"type": "text", "text": "Found 2 issues of globex."}),
        json!({"type": "text", "text": "{\"data\":[{\"name\":\"x\"}]}"}),
        json!({"type": "text", "text": "{\"org\":\"org-17\",\"org\":\"globex\"}"}),
        json!({"type": "text", "text": "org: org-17\ntitle: x"}),
        json!({"type": "text"}),
        json!({"type": "image", "data": "AAAA", "mimeType": "image/png"}),
        json!({"type": "resource_link", "uri": "issue://globex/1", "name": "x"}),
        json!({"type": "resource", "resource": {"uri": "a:b", "blob": "AAAA"}}),
        json!("text"),
        json!({"text": "{\"issues\":[]}"}),
    ];
    let drop = rules(
        &["/issues/*/org", "/**/org"],
        OnForeign::Drop,
        OnUntyped::Drop,
    );
    for block in unreadable {
        let result = json!({"content": [block, {"type": "text", "text": "{\"issues\":[]}"}]});
        let refused = run(&result, &issues()).unwrap_err();
        assert!(matches!(refused, ResultRefused::Untyped(_)), "{block}");
        let (left, filtered) = run(&result, &drop).unwrap();
        assert_eq!(left["content"].as_array().unwrap().len(), 1, "{block}");
        assert_eq!(filtered.untyped, 1);
    }
    let structured = json!({"structuredContent": {"data": [{"name": "x"}]}});
    assert!(matches!(
        run(&structured, &drop),
        Err(ResultRefused::Untyped(_))
    ));
}

#[test]
fn nothing_comes_by_another_way() {
    for result in [
        json!({"resultType": "task", "taskId": "1"}),
        json!({"resultType": "input_required", "inputRequests": {}}),
        json!({"resultType": 7, "content": []}),
        json!({"task": {"taskId": "1"}}),
        json!({"content": [], "rows": [{"org": "org-17"}]}),
    ] {
        let refused = run(&result, &issues()).unwrap_err();
        assert!(matches!(refused, ResultRefused::OtherWay(_)), "{result}");
    }
    for result in [
        json!({"content": [], "_meta": {"x": {"org": "globex"}}}),
        json!({"content": [{"type": "text", "text": "", "_meta": {"org": "globex"}}]}),
    ] {
        let left = run(&result, &issues());
        assert!(
            left.is_err() || left.unwrap().0["content"] == json!([]),
            "{result}"
        );
    }
}

#[test]
fn a_text_within_structured_content_is_read_as_one() {
    let csv = "id,org\n1,org-17\n2,globex\n";
    let result =
        json!({"structuredContent": {"result": csv}, "content": [{"type": "text", "text": csv}]});
    let (left, _) = run(&result, &issues()).unwrap();
    assert_eq!(left["structuredContent"]["result"], "id,org\n1,org-17\n");
    assert_eq!(left["content"][0]["text"], "id,org\n1,org-17\n");
    let prose = json!({"structuredContent": {"result": "two issues"}});
    assert!(run(&prose, &issues()).is_err());
}

#[test]
fn embedded_resources_are_read_as_texts() {
    let result = json!({"content": [{"type": "resource", "resource": {
        "uri": "issues://all", "mimeType": "text/csv", "text": "org;id\nglobex;1\norg-17;2"}}]});
    let (left, _) = run(&result, &issues()).unwrap();
    assert_eq!(left["content"][0]["resource"]["text"], "org;id\norg-17;2");
}

#[test]
fn tables_lose_the_rows_of_others() {
    for (before, after) in [
        // CSV, its line ends, quotes, blanks and broken rows.
        (
            "id,org,title\r\n1,org-17,a\r\n2,globex,b\r\n",
            "id,org,title\r\n1,org-17,a\r\n",
        ),
        (
            "org,t\norg-17,\"a\nglobex,b\"\nglobex,\"x\ny\"\n",
            "org,t\norg-17,\"a\nglobex,b\"\n",
        ),
        (
            "org, t\n org-17 ,a\n,b\norg-17\norg-17,a,b\n\"org-17\",c",
            "org, t\n\"org-17\",c",
        ),
        ("Org\tt\nglobex\ta", "Org\tt\n"),
        // Two columns with the tenant: both count.
        (
            "org,ORG\norg-17,org-17\norg-17,globex\n",
            "org,ORG\norg-17,org-17\n",
        ),
        // Markdown, with and without outer pipes, decorated.
        (
            "| id | **Org** |\n|---|:--:|\n| 1 | org-17 |\n| 2 | globex |\n| 3 | org-17 | x |\nTotal 3\n",
            "| id | **Org** |\n|---|:--:|\n| 1 | org-17 |\n",
        ),
        (
            "id | org\n--|--\n1 | globex\n2 | org-17",
            "id | org\n--|--\n2 | org-17",
        ),
        ("| org |\n|---|\n| globex |\n", "| org |\n|---|\n"),
        // psql and mysql.
        (
            " id |  org   \n----+--------\n  1 | org-17\n  2 | globex\n(2 rows)",
            " id |  org   \n----+--------\n  1 | org-17\n",
        ),
        (
            "+----+--------+\n| id | org    |\n+----+--------+\n|  1 | globex |\n|  2 | org-17 |\n+----+--------+",
            "+----+--------+\n| id | org    |\n+----+--------+\n|  2 | org-17 |\n+----+--------+",
        ),
        // Aligned by blanks.
        (
            "ID  ORG       TITLE\n1   org-17    Broken\n2   globex    Secret\n3   too-long-name Secret\n4   org-17",
            "ID  ORG       TITLE\n1   org-17    Broken\n4   org-17",
        ),
        // Lines of JSON, and in a fence.
        (
            "{\"org\":\"org-17\"}\n{\"org\":\"globex\"}\n\n{\"issues\":[{\"org\":\"globex\"}]}\n",
            "{\"org\":\"org-17\"}\n\n{\"issues\":[]}\n",
        ),
        ("```json\n[{\"org\":\"globex\"}]\n```", "```json\n[]\n```"),
        ("```\norg,id\nglobex,1\n```\n", "```\norg,id\n```\n"),
    ] {
        let one = rules(
            &["/org", "/issues/*/org", "/*/org"],
            OnForeign::Drop,
            OnUntyped::Refuse,
        );
        assert_eq!(text(before, &one).as_deref(), Ok(after), "{before}");
    }
}

#[test]
fn tables_without_the_tenants_column_are_not_understood() {
    for unreadable in [
        "id,title\n1,globex\n",
        "| id |\n|---|\n| 1 |\n",
        "| org | t |\n| globex | a |\n",
        "id  title\n1   globex\n",
        "Issues of all orgs:\norg,t\nglobex,a",
        "org\nThe issue of globex is open.",
        "org,t\norg-17,\"open\nglobex,a\n",
    ] {
        let refused = text(unreadable, &issues()).unwrap_err();
        assert!(matches!(refused, ResultRefused::Untyped(_)), "{unreadable}");
    }
}

#[test]
fn numbers_and_texts_of_one_look_are_one_tenant() {
    let number = TenantValue::of_number(17);
    let result = json!({"structuredContent": {"issues": [{"org": 17}, {"org": "17"}, {"org": 17.5}, {"org": "017"}]}});
    let filtered = filter(&message(&result), &issues(), &number).unwrap();
    assert_eq!(filtered.foreign, 2);
}

#[test]
fn depth_and_width_are_bounded() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    assert!(text(&deep, &issues()).is_err());
    let wide = format!("[{}0]", "0,".repeat(1_000_001));
    assert!(text(&wide, &issues()).is_err());
}

/// Forms in which a server may answer. Those that cannot carry a title get it without what they
/// cannot carry.
fn forms(rows: &[Row]) -> Vec<(&'static str, String)> {
    let flat = |row: &Row, bad: &[char]| row.title.replace(bad, " ");
    let owner = |row: &Row| row.owner.unwrap_or_default();
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let lines = |header: &str, line: &dyn Fn(&Row) -> String| {
        let lines: Vec<_> = rows.iter().map(line).collect();
        format!("{header}\n{}", lines.join("\n"))
    };
    let json: Vec<_> = rows.iter().map(Row::json).collect();
    let mut forms = vec![
        ("array", Value::from(json.clone()).to_string()),
        (
            "object",
            json!({"total": rows.len(), "issues": json}).to_string(),
        ),
        (
            "pretty",
            serde_json::to_string_pretty(&json!({"issues": json})).unwrap(),
        ),
        (
            "nested",
            json!({"issues": [], "a": {"b": [json]}}).to_string(),
        ),
        (
            "csv",
            lines("org,title", &|r| {
                format!("{},{}", owner(r), quoted(&r.title))
            }),
        ),
        (
            "tsv",
            lines("title\torg", &|r| {
                format!("{}\t{}", flat(r, &['\t', '\n', '"']), owner(r))
            }),
        ),
        (
            "markdown",
            lines("| title | org |\n|---|---|", &|r| {
                format!(
                    "| {} | {} |",
                    flat(r, &['\n']).replace('|', "\\|"),
                    owner(r)
                )
            }),
        ),
        (
            "aligned",
            lines("ORG         TITLE", &|r| {
                format!("{:<12}{}", owner(r), flat(r, &['\n', '\t']))
            }),
        ),
    ];
    if json.len() > 1 {
        let json_lines: Vec<_> = json.iter().map(Value::to_string).collect();
        forms.push(("lines", json_lines.join("\n")));
    }
    forms
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Nothing of another is left, in no form; everything own is.
    #[test]
    fn no_row_of_another_survives(rows in rows()) {
        let rules = rules(&["/issues/*/org", "/*/org", "/org", "/**/org"], OnForeign::Drop, OnUntyped::Refuse);
        for (form, before) in forms(&rows) {
            let after = match text(&before, &rules) {
                Ok(after) => after,
                // Without an own row nothing tells a nested list of rows from any other.
                Err(ResultRefused::Untyped(_)) if rows.iter().all(|r| !r.is_own()) => continue,
                Err(refused) => return Err(TestCaseError::fail(format!("{form}: {refused}: {before}"))),
            };
            for (n, row) in rows.iter().enumerate() {
                let is_there = after.contains(&format!("#{n}#"));
                let nested_alone = form == "nested" && rows.iter().all(|r| !r.is_own());
                if row.owner.is_some() || !nested_alone {
                    prop_assert_eq!(is_there, row.is_own(), "{} row {}: {}\n->\n{}", form, n, before, after);
                }
            }
        }
    }

    /// What is all the tenant's passes byte for byte.
    #[test]
    fn an_own_result_is_not_touched(mut rows in rows()) {
        rows.iter_mut().for_each(|row| row.owner = Some("org-17"));
        for (form, text) in forms(&rows) {
            let result = json!({"content": [{"type": "text", "text": text}], "isError": false});
            match run(&result, &issues()) {
                Ok((_, filtered)) => prop_assert_eq!(filtered, Filtered::default(), "{}: {}", form, text),
                Err(refused) => prop_assert!(false, "{}: {}: {}", form, refused, text),
            }
        }
    }

    /// Whatever a document holds: no value at a pointer's place is another's, and what is left is JSON.
    #[test]
    fn no_foreign_value_is_left_at_a_pointer(document in made::value()) {
        let deep = rules(&["/**/org"], OnForeign::Drop, OnUntyped::Refuse);
        let result = json!({"structuredContent": document});
        if let Ok((left, _)) = run(&result, &deep) {
            prop_assert!(only_own(&left["structuredContent"]), "{} -> {}", document, left);
        }
    }
}

/// Whether every member `org`, however deep, is the tenant's.
fn only_own(value: &Value) -> bool {
    match value {
        Value::Object(map) => map
            .iter()
            .all(|(key, value)| (key != "org" || value == "org-17") && only_own(value)),
        Value::Array(items) => items.iter().all(only_own),
        _ => true,
    }
}
