//! Tighter arguments, as a person chooses them in a form: for each argument exactly one value, or what lies below one
//! folder. Out comes a JSON Schema (2020-12), which the access room checks like any other.

use serde_json::{Map, Value, json};

use crate::refusal::Refusal;

/// Arguments that a page offers to tighten; what has more is tightened by a schema.
pub(crate) const OFFERED_MAX: usize = 8;

/// How an argument can be tightened.
pub(crate) const RULES: &[&str] = &["exactly", "under"];

/// The names of the fields of one argument.
pub(crate) struct Names {
    /// Which argument, by its name.
    pub(crate) argument: &'static str,
    /// Which of [`RULES`]; absent where any value will do.
    pub(crate) rule: &'static str,
    /// The value, or the folder.
    pub(crate) value: &'static str,
}

macro_rules! names {
    ($($number:literal),*) => {
        [$(Names {
            argument: concat!("argument_", $number),
            rule: concat!("rule_", $number),
            value: concat!("value_", $number),
        }),*]
    };
}

/// The fields of each argument that is offered.
pub(crate) const FIELDS: [Names; OFFERED_MAX] = names!(1, 2, 3, 4, 5, 6, 7, 8);

/// An argument that a page offers to tighten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) name: String,
    /// Its value in the example, as it is typed.
    pub(crate) value: String,
}

/// The first arguments of an example, and then those that the tool's schema names besides.
pub(crate) fn offers(example: Option<&str>, schema_names: &[String]) -> Vec<Offer> {
    let example: Map<String, Value> = example
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let typed = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let shown = example.iter().filter_map(|(name, value)| {
        let (name, value) = (name.clone(), typed(value)?);
        Some(Offer { name, value })
    });
    let others = schema_names
        .iter()
        .filter(|name| !example.contains_key(*name));
    let others = others.map(|name| Offer {
        name: name.clone(),
        value: String::new(),
    });
    shown.chain(others).take(OFFERED_MAX).collect()
}

/// The schema of what was chosen, by `field`; `None` where nothing was.
///
/// # Errors
/// [`Refusal`] with the field that cannot be used.
pub(crate) fn chosen<'a>(
    field: impl Fn(&str) -> Option<&'a str>,
) -> Result<Option<Value>, Refusal> {
    let mut properties = Map::new();
    for names in &FIELDS {
        let Some(rule) = field(names.rule) else {
            continue;
        };
        let Some(argument) = field(names.argument) else {
            let what = "there is a rule, and no argument that it is for";
            return Err(Refusal::field(
                names.argument,
                what.to_owned(),
                "name the argument",
            ));
        };
        let value = field(names.value).unwrap_or_default();
        let schema = match rule {
            "under" => json!({ "type": "string", "pattern": below(names.value, value)? }),
            _ => exactly(value),
        };
        if properties.insert(argument.to_owned(), schema).is_some() {
            let what = "this argument has a rule already".to_owned();
            return Err(Refusal::field(
                names.argument,
                what,
                "send one rule for each",
            ));
        }
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    Ok((!required.is_empty())
        .then(|| json!({ "type": "object", "properties": properties, "required": required })))
}

/// What was typed, as text or as the number or truth value that it may also be.
fn exactly(typed: &str) -> Value {
    let other = serde_json::from_str::<Value>(typed).ok();
    match other.filter(|value| value.is_number() || value.is_boolean()) {
        Some(other) => json!({ "enum": [typed, other] }),
        None => json!({ "const": typed }),
    }
}

/// A pattern for paths below a folder, none of whose parts leads up or is hidden in an empty one.
fn below(field: &'static str, folder: &str) -> Result<String, Refusal> {
    let folder = folder.trim_end_matches('/');
    let mut parts = folder.split('/');
    let is_absolute = parts.next() == Some("");
    if folder.is_empty()
        || !is_absolute
        || folder.contains(char::is_control)
        || parts.any(|part| matches!(part, "" | "." | ".."))
    {
        let what = "this is no absolute path of a folder".to_owned();
        return Err(Refusal::field(field, what, "send one such as /srv/reports"));
    }
    // Each part begins with something else than a dot, or with a dot and then something, or with two and then something.
    let part = r"([^/.\\][^/\\]*|\.[^/.\\][^/\\]*|\.\.[^/\\]+)";
    Ok(format!("^{}(/{part})+$", escaped(folder)))
}

/// The text as a pattern that means itself (ECMA-262 and the linear-time engines alike).
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if r"\^$.|?*+()[]{}-/".contains(c) && c != '/' && c != '-' {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, &str)]) -> Option<Value> {
        chosen(|name| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)).unwrap()
    }

    fn admits(schema: &Value, arguments: &Value) -> bool {
        let options = jsonschema::draft202012::options()
            .with_pattern_options(jsonschema::PatternOptions::regex());
        options.build(schema).unwrap().is_valid(arguments)
    }

    #[test]
    fn a_folder_admits_what_is_below_it_and_nothing_else() {
        let schema = schema(&[
            ("argument_1", "path"),
            ("rule_1", "under"),
            ("value_1", "/srv/re.ports/"),
        ])
        .unwrap();
        for (path, is_admitted) in [
            ("/srv/re.ports/a", true),
            ("/srv/re.ports/a/b.txt", true),
            ("/srv/re.ports/.hidden/..x/...", true),
            ("/srv/re.ports", false),
            ("/srv/re.ports/", false),
            ("/srv/reXports/a", false),
            ("/srv/re.portsx/a", false),
            ("/srv/re.ports/../a", false),
            ("/srv/re.ports/a/..", false),
            ("/srv/re.ports/a/./b", false),
            ("/srv/re.ports//etc", false),
            ("/srv/re.ports/..\\..\\etc", false),
            ("/srv/re.ports/a\n/../x", false),
            ("x/srv/re.ports/a", false),
            ("/etc/passwd", false),
        ] {
            assert_eq!(
                admits(&schema, &json!({ "path": path })),
                is_admitted,
                "{path}"
            );
        }
        assert!(!admits(&schema, &json!({})));
        assert!(!admits(&schema, &json!({ "path": ["/srv/re.ports/a"] })));
    }

    #[test]
    fn exactly_is_exactly_whatever_its_type() {
        let schema = schema(&[
            ("argument_1", "id"),
            ("rule_1", "exactly"),
            ("value_1", "7"),
            ("argument_2", "to"),
            ("rule_2", "exactly"),
            ("value_2", "ada@example.org"),
            ("argument_3", "any"),
        ])
        .unwrap();
        for (arguments, is_admitted) in [
            (json!({ "id": 7, "to": "ada@example.org", "any": 1 }), true),
            (json!({ "id": "7", "to": "ada@example.org" }), true),
            (json!({ "id": 8, "to": "ada@example.org" }), false),
            (json!({ "id": 7, "to": "eve@example.org" }), false),
            (json!({ "id": 7 }), false),
        ] {
            assert_eq!(admits(&schema, &arguments), is_admitted, "{arguments}");
        }
        assert_eq!(schema_of_nothing(), None);
    }

    fn schema_of_nothing() -> Option<Value> {
        schema(&[("argument_1", "id"), ("value_1", "7")])
    }

    #[test]
    fn what_is_no_folder_and_what_has_two_rules_is_refused() {
        for folder in [
            "",
            "/",
            "srv",
            "/srv/../etc",
            "/srv//x",
            "/srv/./x",
            "/a\nb",
        ] {
            let fields = [
                ("argument_1", "p"),
                ("rule_1", "under"),
                ("value_1", folder),
            ];
            let chosen = chosen(|name| fields.iter().find(|(n, _)| *n == name).map(|(_, v)| *v));
            assert!(chosen.is_err(), "{folder}");
        }
        let twice = [
            ("argument_1", "p"),
            ("rule_1", "exactly"),
            ("argument_2", "p"),
            ("rule_2", "exactly"),
        ];
        assert!(chosen(|name| twice.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)).is_err());
    }

    #[test]
    fn what_is_offered_is_what_can_be_typed() {
        let example = r#"{"path":"/a","deep":{"x":1},"count":3}"#;
        let schema = ["path", "mode"].map(str::to_owned);
        let offer = |name: &str, value: &str| Offer {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        assert_eq!(
            offers(Some(example), &schema),
            [offer("path", "/a"), offer("count", "3"), offer("mode", "")]
        );
        let many: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(offers(None, &many).len(), OFFERED_MAX);
    }
}
