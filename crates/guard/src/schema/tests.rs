//! What a hostile server, an honest one and a caller see of the schema firewall.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NESTING_MAX, Schema, SchemaError, UnknownMembers, Unusable, Violation};

fn strict(schema: &Value) -> Schema {
    Schema::compile(&schema.to_string(), UnknownMembers::Refuse).unwrap()
}

fn standard(schema: &Value) -> Schema {
    Schema::compile(&schema.to_string(), UnknownMembers::Allow).unwrap()
}

fn unusable(schema: &Value) -> SchemaError {
    Schema::compile(&schema.to_string(), UnknownMembers::Refuse).unwrap_err()
}

fn violation(schema: &Value, value: &Value) -> Violation {
    strict(schema).check(value).unwrap_err()
}

#[test]
fn a_refusal_says_where_and_what_was_expected_and_repeats_no_value() {
    let schema = json!({"type": "object", "required": ["path"], "properties": {
        "path": {"type": "string"},
        "mode": {"enum": ["r", "w"]},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 1}},
    }});
    for (value, told) in [
        (json!({}), "the whole: a member `path` (`required`)"),
        (json!({"path": 5}), "`/path`: string (`type`)"),
        (
            json!({"path": "p", "mode": "sesame"}),
            r#"`/mode`: one of \"r\", \"w\" (`enum`)"#,
        ),
        (
            json!({"path": "p", "lines": [1, 0]}),
            "`/lines/1`: at least 1 (`minimum`)",
        ),
        (
            json!({"path": "p", "a/b": 1}),
            "`/a~1b`: no member that the schema does not name (`properties`)",
        ),
    ] {
        assert_eq!(violation(&schema, &value).to_string(), told);
    }
    let long = json!({"path": "p", "x".repeat(100_000): 1});
    assert!(violation(&schema, &long).to_string().len() < 400);
}

#[test]
fn members_that_no_schema_names_are_refused_at_every_depth() {
    let schema = json!({"type": "object", "properties": {
        "filter": {"type": "object", "properties": {"org": {"type": "string"}}},
        "rows": {"type": "array", "items": {"properties": {"id": {}}}},
        "labels": {"type": "object"},
        "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": true},
        "typed": {"type": "object", "additionalProperties": {"type": "string"}},
    }});
    let schema = strict(&schema);
    for good in [
        json!({"filter": {"org": "o"}, "rows": [{"id": 1}]}),
        // Nothing is said of its members: it is a map.
        json!({"labels": {"any": 1}}),
        json!({"open": {"a": 1, "b": 2}}),
        json!({"typed": {"any": "s"}}),
    ] {
        assert_eq!(schema.check(&good), Ok(()), "{good}");
    }
    for (bad, at) in [
        (json!({"filter": {"org": "o", "as": "root"}}), "/filter/as"),
        (json!({"rows": [{"id": 1}, {"id": 1, "x": 1}]}), "/rows/1/x"),
        (json!({"Filter": {}}), "/Filter"),
        (json!({"typed": {"any": 1}}), "/typed/any"),
    ] {
        assert_eq!(schema.check(&bad).unwrap_err().pointer, at, "{bad}");
    }
    // A tool that takes nothing takes nothing.
    assert!(
        strict(&json!({"type": "object"}))
            .check(&json!({"x": 1}))
            .is_err()
    );
    assert!(
        standard(&json!({"type": "object"}))
            .check(&json!({"x": 1}))
            .is_ok()
    );
}

#[test]
fn composition_names_members_together() {
    let schema = json!({
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}},
        "allOf": [{"properties": {"common": {}}}, {"$ref": "#/$defs/paged"}],
        "oneOf": [
            {"properties": {"kind": {"const": "a"}, "of_a": {}}, "required": ["of_a"]},
            {"properties": {"kind": {"const": "b"}, "of_b": {}}, "required": ["of_b"]},
        ],
        "if": {"required": ["page"]}, "then": {"properties": {"sort": {}}},
        "not": {"properties": {"smuggled": {}}, "required": ["smuggled"]},
        "$defs": {"paged": {"properties": {"page": {"type": "integer"}}}},
    });
    let strict = strict(&schema);
    let all = json!({"kind": "a", "of_a": 1, "common": 1, "page": 1, "sort": 1});
    assert_eq!(strict.check(&all), Ok(()));
    for (bad, at) in [
        // What only an alternative that does not hold speaks of is unknown.
        (json!({"kind": "a", "of_a": 1, "of_b": 1}), "/of_b"),
        (json!({"kind": "a", "of_a": 1, "sort": 1}), "/sort"),
        (json!({"kind": "a", "of_a": 1, "else": 1}), "/else"),
    ] {
        let bad = strict.check(&bad);
        assert_eq!(bad.unwrap_err().pointer, at);
    }
}

#[test]
fn strict_is_never_wider_than_the_standard() {
    // Closing the first alternative would leave one that fits, where the standard has two.
    let schema = json!({"oneOf": [
        {"properties": {"a": {"properties": {"x": {}}}}},
        {"properties": {"a": {"properties": {"x": {}, "y": {}}}}},
    ]});
    let value = json!({"a": {"x": 1, "y": 1}});
    assert!(standard(&schema).check(&value).is_err());
    assert!(strict(&schema).check(&value).is_err());
}

#[test]
fn nothing_outside_of_the_schema_is_looked_at() {
    for reference in [
        "https://example.com/schema.json",
        "file:///etc/passwd",
        "other.json",
        "#/$defs/none",
        "#none",
        "https://json-schema.org/draft/2020-12/schema",
        "http://[",
    ] {
        let error = unusable(&json!({"$ref": reference}));
        assert!(
            matches!(error.why, Unusable::Reference(_)),
            "{reference}: {error}"
        );
    }
    let error = unusable(&json!({"properties": {"a": {"items": {"$ref": "x.json"}}}}));
    assert_eq!(error.pointer, "/properties/a/items");
}

#[test]
fn a_draft_is_respected_or_refused() {
    let seven = "http://json-schema.org/draft-07/schema#";
    let tuple = json!({"$schema": seven, "items": [{"type": "string"}], "additionalItems": false});
    assert!(standard(&tuple).check(&json!(["a"])).is_ok());
    assert!(standard(&tuple).check(&json!(["a", 1])).is_err());
    // What stands beside a reference does not count in draft-07.
    let beside = json!({"$schema": seven, "definitions": {"any": {}}, "$ref": "#/definitions/any", "type": "string"});
    assert!(standard(&beside).check(&json!(1)).is_ok());
    for draft in [
        json!("http://json-schema.org/draft-04/schema#"),
        json!("https://json-schema.org/draft/2019-09/schema"),
        json!("urn:x"),
        json!(7),
    ] {
        let error = unusable(&json!({"$schema": draft}));
        assert!(matches!(error.why, Unusable::Draft(_)), "{draft}");
    }
    assert!(matches!(
        unusable(&json!({"items": [{}]})).why,
        Unusable::NotASchema
    ));
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (schema, pointer) in [
        (
            json!({"properties": {"a": {"type": "strnig"}}}),
            "/properties/a",
        ),
        (json!({"properties": {"a": 1}}), "/properties/a"),
        (json!({"anyOf": []}), ""),
        (json!({"required": "a"}), ""),
        (json!({"minLength": -1}), ""),
        (json!({"minLength": 1.5}), ""),
        (json!({"multipleOf": 0}), ""),
        (json!({"pattern": "(?=a)"}), ""),
        (json!(1), ""),
    ] {
        assert_eq!(unusable(&schema).pointer, pointer, "{schema}");
    }
    for text in ["", "{", r#"{"a":1,"a":2}"#, "nul"] {
        let error = Schema::compile(text, UnknownMembers::Refuse).unwrap_err();
        assert!(matches!(error.why, Unusable::Json(_)), "{text}");
    }
}

fn within<T>(limit: Duration, what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    assert!(
        started.elapsed() < limit,
        "{what} took {:?}",
        started.elapsed()
    );
    done
}

/// Generous for a debug build on a loaded machine; without bounds these take longer than anybody waits.
const SOON: Duration = Duration::from_secs(20);

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}true{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn hostile_schemas_are_refused_in_bounded_time() {
    let many: Vec<_> = (0..20_000)
        .map(|i| format!("\"p{i}\":{{\"a\":1}}"))
        .collect();
    let patterns: Vec<_> = (0..1000)
        .map(|i| format!("\"^(a|b){{1,{}}}$\":{{}}", 1 + i % 99))
        .collect();
    for (what, text) in [
        ("a deep one", nested("{\"not\":", "}", 10_000)),
        (
            "a large one",
            format!("{{\"title\":\"{}\"}}", "x".repeat(300_000)),
        ),
        (
            "a wide one",
            format!("{{\"properties\":{{{}}}}}", many.join(",")),
        ),
        (
            "one of many patterns",
            format!("{{\"patternProperties\":{{{}}}}}", patterns.join(",")),
        ),
        ("one that is itself", json!({"$ref": "#"}).to_string()),
        (
            "one that is itself by turns",
            json!({"$defs": {
            "a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}
        }, "$ref": "#/$defs/a"})
            .to_string(),
        ),
        (
            "one that is not itself",
            json!({"not": {"$ref": "#"}}).to_string(),
        ),
        (
            "a large pattern",
            json!({"pattern": "((a{1,100}){1,100}){1,100}"}).to_string(),
        ),
    ] {
        let compiled = within(SOON, what, || {
            Schema::compile(&text, UnknownMembers::Refuse)
        });
        assert!(compiled.is_err(), "{what}");
    }
}

#[test]
fn schemas_that_double_are_compiled_once_and_checked_within_the_budget() {
    let mut defs = json!({"d40": {"type": "string"}});
    for i in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs[format!("d{i}")] = json!({"allOf": [next, next]});
    }
    let schema = json!({"$defs": defs, "$ref": "#/$defs/d0"});
    let schema = within(SOON, "compiling", || standard(&schema));
    let refused = within(SOON, "checking", || schema.check(&json!("x"))).unwrap_err();
    assert_eq!(refused.keyword, "steps");
}

#[test]
fn values_that_blow_up_a_recursive_schema_are_refused() {
    let tree = json!({"$ref": "#/$defs/t", "$defs": {"t": {"anyOf": [
        {"properties": {"x": {"$ref": "#/$defs/t"}}},
        {"properties": {"x": {"$ref": "#/$defs/t"}}, "minProperties": 1},
        {"type": "string"},
    ]}}});
    let mut value = json!(1);
    for _ in 0..40 {
        value = json!({ "x": value });
    }
    let refused = within(SOON, "checking", || standard(&tree).check(&value)).unwrap_err();
    assert_eq!(refused.keyword, "steps");
}

#[test]
fn large_values_are_checked_in_bounded_time() {
    let unique = standard(&json!({"uniqueItems": true}));
    let numbers: Value = (0..200_000).collect::<Vec<_>>().into();
    assert_eq!(
        within(SOON, "unique numbers", || unique.check(&numbers)),
        Ok(())
    );
    let alike: Vec<_> = (0..3000).map(|_| json!({"a": vec![1; 1000]})).collect();
    assert!(within(SOON, "large elements", || unique.check(&alike.into())).is_err());

    let slow = standard(&json!({"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}));
    let text = json!("a".repeat(3_000_000));
    assert!(
        within(SOON, "a pattern that explodes elsewhere", || slow
            .check(&text))
        .is_err()
    );
    let heavy = standard(&json!({"pattern": "[01]*1[01]{400}$"}));
    let text = json!("01".repeat(1_000_000));
    assert!(within(SOON, "a pattern of many states", || heavy.check(&text)).is_err());

    let choice: Vec<_> = (0..2000).map(|i| json!([i, i, i])).collect();
    let choice = standard(&json!({"items": {"enum": choice}}));
    let rows: Vec<_> = (0..10_000).map(|_| json!([1, 1, 2])).collect();
    assert!(within(SOON, "a long enum", || choice.check(&rows.into())).is_err());
}

#[test]
fn a_chain_of_references_does_not_eat_the_stack() {
    let length = 4000;
    let mut defs = serde_json::Map::new();
    for i in 0..length {
        defs.insert(
            format!("d{i}"),
            json!({"$ref": format!("#/$defs/d{}", i + 1)}),
        );
    }
    defs.insert(format!("d{length}"), json!(true));
    let schema = standard(&json!({"$defs": defs, "$ref": "#/$defs/d0"}));
    assert!(schema.check(&json!(1)).is_err(), "over {NESTING_MAX} deep");
}

#[test]
fn recursion_that_follows_the_value_is_fine() {
    let schema = json!({"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    }}});
    let mut value = json!({});
    for _ in 0..30 {
        value = json!({ "children": [value] });
    }
    assert_eq!(strict(&schema).check(&value), Ok(()));
    value["children"][0]["children"][0]["x"] = json!(1);
    assert_eq!(
        violation(&schema, &value).pointer,
        "/children/0/children/0/x"
    );
}

/// Schemas over few words, so that they and values meet.
fn schemas() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "string", "integer", "number", "object", "array", "null"
        ])
        .prop_map(|t| json!({ "type": t })),
        any::<bool>().prop_map(Value::from),
        (0..4_u32).prop_map(|n| json!({"minimum": n})),
        (0..3_u32).prop_map(|n| json!({"maxLength": n, "minItems": n})),
        name.clone().prop_map(|n| json!({"required": [n]})),
        Just(json!({"const": 1.0})),
        Just(json!({"enum": ["ab", 2, [1], {"a": 1}]})),
        Just(json!({"pattern": "^[ab]+$"})),
        Just(json!({"uniqueItems": true})),
        Just(json!({"multipleOf": 0.5})),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let list = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            (name.clone(), inner.clone(), any::<bool>()).prop_map(|(n, s, closed)| match closed {
                true => json!({"properties": {n: s}, "additionalProperties": false}),
                false => json!({"properties": {n: s}}),
            }),
            (name.clone(), inner.clone(), inner.clone())
                .prop_map(|(n, s, u)| json!({"properties": {n: s}, "unevaluatedProperties": u})),
            (list.clone(), inner.clone())
                .prop_map(|(l, s)| json!({"allOf": l, "unevaluatedItems": s})),
            list.clone().prop_map(|l| json!({ "anyOf": l })),
            list.clone().prop_map(|l| json!({ "oneOf": l })),
            inner.clone().prop_map(|s| json!({ "not": s })),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(i, t, e)| json!({"if": i, "then": t, "else": e})),
            (list, inner.clone()).prop_map(|(l, s)| json!({"prefixItems": l, "items": s})),
            inner
                .clone()
                .prop_map(|s| json!({"contains": s, "maxContains": 1})),
            inner
                .clone()
                .prop_map(|s| json!({"patternProperties": {"^[ab]": s}})),
            inner.clone().prop_map(|s| json!({ "propertyNames": s })),
            (name.clone(), inner).prop_map(|(n, s)| json!({"dependentSchemas": {n: s}})),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (-1..4_i32).prop_map(Value::from),
        prop::sample::select(vec![
            json!(1.0),
            json!(0.75),
            json!("ab"),
            json!("c"),
            json!(true)
        ]),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn decisions_are_those_of_another_implementation(schema in schemas(), values in prop::collection::vec(values(), 8)) {
        let ours = standard(&schema);
        let theirs = jsonschema::draft202012::new(&schema).unwrap();
        let strict = strict(&schema);
        for value in &values {
            let holds = ours.check(value).is_ok();
            prop_assert_eq!(holds, theirs.is_valid(value), "{} against {}", value, schema);
            prop_assert!(holds || strict.check(value).is_err(), "{} against {}", value, schema);
        }
    }

    #[test]
    fn no_text_is_a_panic(text in r#"[{}\[\]":,a-c$#/]{0,40}"#) {
        let _ = Schema::compile(&text, UnknownMembers::Refuse);
    }
}
