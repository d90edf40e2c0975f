use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema::{arguments_text, text_of};

fn text(schema: &Value) -> String {
    let text = arguments_text(&Arguments::of_schema(schema)).unwrap();
    let text = text.replace("__cedar::", "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn holds(schema: &Value, attribute: &str) {
    let text = text(schema);
    let spelt = attribute.replace('"', "");
    assert!(
        text.replace('"', "").contains(&spelt),
        "{attribute} is not in {text}"
    );
}

fn one(property: &Value) -> Value {
    json!({ "type": "object", "properties": { "x": property }, "required": ["x"] })
}

#[test]
fn each_kind_of_value_has_its_type() {
    for (property, attribute) in [
        (json!({ "type": "string" }), "x: String"),
        (json!({ "type": "integer" }), "x: Long"),
        (json!({ "type": "boolean" }), "x: Bool"),
        (json!({ "type": "number" }), "x: decimal"),
        (json!({ "type": ["integer", "number"] }), "x: decimal"),
        (json!({ "enum": ["a", "b"] }), "x: String"),
        (json!({ "const": 7 }), "x: Long"),
        (
            json!({ "type": "array", "items": { "type": "string" } }),
            "x: Set<String>",
        ),
        (json!({ "type": ["string", "null"] }), "x?: String"),
        (
            json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
            "x?: Long",
        ),
        (json!({ "enum": ["a", null] }), "x?: String"),
        (
            json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
            "x: {long?: Long, text?: String}",
        ),
        (
            json!({ "type": "object", "properties": { "y": { "type": "string" } } }),
            "x: {y?: String}",
        ),
        (
            json!({ "allOf": [{ "type": "string" }, { "minLength": 1 }] }),
            "x: String",
        ),
        (
            json!({ "allOf": [
                { "properties": { "y": { "type": "string" } } },
                { "properties": { "z": { "type": "integer" } }, "required": ["z"] },
            ] }),
            "x: {y?: String, z: Long}",
        ),
    ] {
        let text = text(&one(&property)).replace(['"', ' '], "");
        let wanted = attribute.replace(' ', "");
        assert!(
            text.contains(&wanted),
            "{property}: no `{wanted}` in {text}"
        );
    }
    holds(
        &json!({ "properties": { "x": { "type": "string" } } }),
        "x?: String",
    );
}

#[test]
fn what_cannot_be_said_is_left_out_and_told() {
    for (property, why) in [
        (json!({}), Opaque::Untyped),
        (json!(true), Opaque::Untyped),
        (json!(false), Opaque::Never),
        (json!({ "type": "null" }), Opaque::Untyped),
        (json!({ "not": { "type": "string" } }), Opaque::Untyped),
        (json!({ "type": "object" }), Opaque::Open),
        (
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            Opaque::Open,
        ),
        (json!({ "type": "array" }), Opaque::Loose),
        (
            json!({ "type": "array", "items": { "type": ["string", "null"] } }),
            Opaque::Loose,
        ),
        (
            json!({ "type": "array", "prefixItems": [{}], "items": { "type": "string" } }),
            Opaque::Loose,
        ),
        (json!({ "$ref": "#" }), Opaque::Recursive),
        (json!({ "$ref": "#/$defs/nowhere" }), Opaque::Unresolved),
        (
            json!({ "$ref": "https://elsewhere.example/schema" }),
            Opaque::Unresolved,
        ),
        (json!({ "enum": [{}] }), Opaque::Untyped),
        (
            json!({ "anyOf": [
                { "type": "object", "properties": { "a": { "type": "string" } } },
                { "type": "object", "properties": { "b": { "type": "string" } } },
            ] }),
            Opaque::Untyped,
        ),
    ] {
        let arguments = Arguments::of_schema(&one(&property));
        assert_eq!(arguments.why_unreadable("x"), Some(why), "{property}");
        assert_eq!(arguments.unreadable().len(), 1, "{property}");
        assert!(text_of(&arguments).is_ok());
    }
}

#[test]
fn references_are_followed_and_circles_end() {
    let schema = json!({
        "type": "object",
        "properties": { "x": { "$ref": "#/$defs/name" }, "node": { "$ref": "#/$defs/node" } },
        "$defs": {
            "name": { "type": "string" },
            "node": { "type": "object", "properties": {
                "value": { "type": "string" }, "next": { "$ref": "#/$defs/node" },
            } },
        },
    });
    let arguments = Arguments::of_schema(&schema);
    assert_eq!(
        arguments.unreadable(),
        ["node.next: its schema refers to itself"]
    );
    holds(&schema, "x?: String");
}

#[test]
fn a_schema_of_a_million_references_is_cut_off() {
    // Each doubles what the one before has: 2^60 in all.
    let mut defs = Map::new();
    for n in 0..60 {
        let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
        let twice = json!({ "type": "object", "properties": { "a": next, "b": next } });
        defs.insert(format!("d{n}"), twice);
    }
    let schema = json!({ "properties": { "x": { "$ref": "#/$defs/d0" } }, "$defs": defs });
    let arguments = Arguments::of_schema(&schema);
    assert!(arguments.to_cedar_json().to_string().len() < 1 << 20);
    assert!(text_of(&arguments).is_ok());
}

#[test]
fn names_of_arguments_cannot_break_out_of_the_schema() {
    let name = "x\": Bool}; type Flow = {\"y";
    let schema = json!({ "properties": { name: { "type": "string" }, "if": { "type": "string" }, "": { "type": "string" }, "é\n": { "type": "string" } } });
    assert!(text_of(&Arguments::of_schema(&schema)).is_ok());
    assert!(text(&schema).contains("type Flow = {"), "as a quoted name");
    let again = crate::schema::of(&crate::schema::About::Calls(&Arguments::of_schema(&schema)));
    assert!(again.is_ok());
}

fn shown(schema: &Value, value: &Value) -> Result<(), String> {
    record(&Arguments::of_schema(schema), value)
        .map(drop)
        .map_err(|unfit| unfit.to_string())
}

#[test]
fn a_value_is_shown_only_if_it_is_what_was_promised() {
    for (property, good, bad) in [
        (json!({ "type": "string" }), json!("a"), json!(1)),
        (json!({ "type": "integer" }), json!(1.0), json!(1.5)),
        (
            json!({ "type": "integer" }),
            json!(i64::MAX),
            json!(9_223_372_036_854_775_808_u64),
        ),
        (
            json!({ "type": "integer" }),
            json!(9_007_199_254_740_992.0_f64),
            json!(1e19),
        ),
        (json!({ "type": "number" }), json!(1.2345), json!(1.23456)),
        (json!({ "type": "number" }), json!(-3), json!(1e300)),
        (
            json!({ "type": "number" }),
            json!(99_999_999_999.5_f64),
            json!(100_000_000_000.5_f64),
        ),
        (
            json!({ "type": "array", "items": { "type": "string" } }),
            json!(["a"]),
            json!(["a", null]),
        ),
        (json!({ "type": ["string", "null"] }), json!(null), json!(7)),
        (
            json!({ "type": ["string", "integer"] }),
            json!(7),
            json!(true),
        ),
        (
            json!({ "type": ["string", "integer"] }),
            json!(7),
            json!(null),
        ),
        (
            json!({ "type": "object", "properties": { "y": { "type": "string" } }, "required": ["y"] }),
            json!({ "y": "a", "z": "what the schema does not name" }),
            json!({}),
        ),
    ] {
        let schema = one(&property);
        assert_eq!(
            shown(&schema, &json!({ "x": good })),
            Ok(()),
            "{property} {good}"
        );
        assert!(
            shown(&schema, &json!({ "x": bad })).is_err(),
            "{property} {bad}"
        );
    }
    let missing = shown(&one(&json!({ "type": "string" })), &json!({}));
    assert_eq!(missing, Err("`x` is missing".to_owned()));
    assert!(shown(&json!({}), &json!([])).is_err());
}

/// Schemas as servers write them, and as nobody should.
fn schemas() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "x y", "", "__cedar", "in", "\"", "é"]);
    let leaf = prop_oneof![
        Just(json!({})),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![
            "string", "integer", "number", "boolean", "null", "object", "array", "other"
        ])
        .prop_map(|kind| json!({ "type": kind })),
        Just(json!({ "enum": ["a", 1, null, 1.5] })),
        Just(json!({ "$ref": "#" })),
        Just(json!({ "$ref": "#/properties/a" })),
        Just(json!({ "type": ["string", 7] })),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let members = prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner.clone(), 0..4);
        prop_oneof![
            (members, prop::collection::vec(name.clone(), 0..3)).prop_map(
                |(properties, required)| json!({ "type": "object", "properties": properties, "required": required })
            ),
            inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            (prop::sample::select(vec!["anyOf", "oneOf", "allOf"]), prop::collection::vec(inner, 0..3))
                .prop_map(|(word, schemas)| json!({ word: schemas })),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_server_writes_yields_a_valid_schema(schema in schemas()) {
        let arguments = Arguments::of_schema(&schema);
        prop_assert!(text_of(&arguments).is_ok());
        prop_assert!(arguments_text(&arguments).is_ok());
    }
}
