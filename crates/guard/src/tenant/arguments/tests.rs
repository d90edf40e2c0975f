use serde_json::{Value, json};

use super::*;

fn rules(list: &[(&str, Binding)]) -> Vec<ArgumentRule> {
    list.iter()
        .map(|(at, binding)| ArgumentRule {
            at: Pointer::for_arguments(at).unwrap(),
            binding: *binding,
        })
        .collect()
}

fn acme() -> TenantValue {
    TenantValue::of_text("org-17")
}

/// The arguments with one rule applied.
fn apply(at: &str, binding: Binding, arguments: &str) -> Result<String, ArgumentRefused> {
    let shaped = shape(Some(arguments), &rules(&[(at, binding)]), &acme())?;
    Ok(shaped.unwrap_or_else(|| arguments.to_owned()))
}

#[test]
fn a_forced_argument_is_set_whatever_the_caller_wrote() {
    for (before, after) in [
        (r#"{"org":"globex"}"#, r#"{"org":"org-17"}"#),
        (
            r#"{ "org" : 17 , "q":1.0 }"#,
            r#"{ "org" : "org-17" , "q":1.0 }"#,
        ),
        (r#"{"q":1}"#, r#"{"q":1,"org":"org-17"}"#),
        (r#"{ }"#, r#"{"org":"org-17" }"#),
        (r#"{"o\u0072g":{"a":["}"]}}"#, r#"{"o\u0072g":"org-17"}"#),
        (r#"{"org":null}"#, r#"{"org":"org-17"}"#),
        (r#"{"org":"org\u002d17"}"#, r#"{"org":"org\u002d17"}"#),
        (
            r#"{"deep":{"org":"globex"}}"#,
            r#"{"deep":{"org":"globex"},"org":"org-17"}"#,
        ),
    ] {
        assert_eq!(apply("/org", Binding::Force, before).unwrap(), after);
    }
}

#[test]
fn missing_parents_are_made() {
    for (before, after) in [
        ("{}", r#"{"filter":{"by/org":{"id":"org-17"}}}"#),
        (
            r#"{"filter":{"a":1}}"#,
            r#"{"filter":{"a":1,"by/org":{"id":"org-17"}}}"#,
        ),
        (
            r#"{"filter":null,"b":2}"#,
            r#"{"filter":{"by/org":{"id":"org-17"}},"b":2}"#,
        ),
    ] {
        assert_eq!(
            apply("/filter/by~1org/id", Binding::Force, before).unwrap(),
            after
        );
    }
    for shape in [r#"{"filter":"x"}"#, r#"{"filter":[]}"#, r#"{"filter":7}"#] {
        let refused = apply("/filter/org", Binding::Force, shape).unwrap_err();
        assert!(matches!(refused, ArgumentRefused::Shape(_)), "{shape}");
    }
}

#[test]
fn a_checked_argument_must_be_there_and_be_the_tenants() {
    assert!(apply("/org", Binding::Check, r#"{"org":"org-17"}"#).is_ok());
    for missing in ["{}", r#"{"org":null}"#, r#"{"a":{"org":"org-17"}}"#] {
        let refused = apply("/org", Binding::Check, missing).unwrap_err();
        assert!(matches!(refused, ArgumentRefused::Missing(_)), "{missing}");
    }
    for other in [
        r#"{"org":"globex"}"#,
        r#"{"org":"ORG-17"}"#,
        r#"{"org":"org-17 "}"#,
        r#"{"org":"org-17\u0000"}"#,
        r#"{"org":"org\u201117"}"#,
        r#"{"org":["org-17"]}"#,
        r#"{"org":{"$eq":"org-17"}}"#,
        r#"{"org":true}"#,
    ] {
        for binding in [Binding::Check, Binding::Default] {
            let refused = apply("/org", binding, other).unwrap_err();
            assert!(matches!(refused, ArgumentRefused::Differs(_)), "{other}");
        }
    }
}

#[test]
fn a_text_is_not_a_number() {
    let number = TenantValue::of_number(17);
    let check = rules(&[("/org", Binding::Check)]);
    assert_eq!(shape(Some(r#"{"org":17}"#), &check, &number), Ok(None));
    for other in ["\"17\"", "17.0", "1.7e1", "17.00000000000000001"] {
        let arguments = format!(r#"{{"org":{other}}}"#);
        assert!(shape(Some(&arguments), &check, &number).is_err(), "{other}");
    }
    let force = rules(&[("/org", Binding::Force)]);
    assert_eq!(
        shape(Some(r#"{"org":"17"}"#), &force, &number)
            .unwrap()
            .unwrap(),
        r#"{"org":17}"#
    );
}

#[test]
fn a_default_is_set_where_nothing_is() {
    for before in ["{}", r#"{"org":null}"#] {
        assert_eq!(
            apply("/org", Binding::Default, before).unwrap(),
            r#"{"org":"org-17"}"#
        );
    }
}

#[test]
fn every_element_of_a_list_is_looked_at() {
    let at = "/items/*/org";
    assert_eq!(
        apply(
            at,
            Binding::Force,
            r#"{"items":[{"org":"globex"},{},{"x":1}]}"#
        )
        .unwrap(),
        r#"{"items":[{"org":"org-17"},{"org":"org-17"},{"x":1,"org":"org-17"}]}"#
    );
    for none in ["{}", r#"{"items":[]}"#, r#"{"items":null}"#] {
        for binding in [Binding::Force, Binding::Check, Binding::Default] {
            assert_eq!(apply(at, binding, none).unwrap(), none);
        }
    }
    for other in [
        r#"{"items":["globex"]}"#,
        r#"{"items":{"0":{"org":"org-17"}}}"#,
    ] {
        assert!(apply(at, Binding::Force, other).is_err(), "{other}");
    }
    assert_eq!(
        apply("/orgs/*", Binding::Force, r#"{"orgs":["globex",1]}"#).unwrap(),
        r#"{"orgs":["org-17","org-17"]}"#
    );
}

#[test]
fn a_key_that_a_server_could_take_for_the_argument_is_refused() {
    for other in [
        r#"{"org":"org-17","Org":"globex"}"#,
        r#"{"ORG":"globex"}"#,
        r#"{"org\u0000":"globex"}"#,
        r#"{"org\u0000x":"globex"}"#,
        r#"{"\uff4frg":"globex"}"#,
        r#"{"o\u200brg":"globex"}"#,
        r#"{" org":"globex"}"#,
    ] {
        for binding in [Binding::Force, Binding::Check, Binding::Default] {
            let refused = apply("/org", binding, other).unwrap_err();
            assert!(matches!(refused, ArgumentRefused::Lookalike(_)), "{other}");
        }
    }
}

#[test]
fn arguments_that_are_not_there_are_made_and_others_than_objects_refused() {
    let force = rules(&[("/org", Binding::Force)]);
    for none in [None, Some("null")] {
        assert_eq!(
            shape(none, &force, &acme()).unwrap().unwrap(),
            r#"{"org":"org-17"}"#
        );
    }
    for other in ["[]", "\"org-17\"", "7", "true"] {
        assert_eq!(
            shape(Some(other), &force, &acme()),
            Err(ArgumentRefused::NotAnObject)
        );
    }
    assert_eq!(
        shape(None, &rules(&[("/a/*", Binding::Force)]), &acme()),
        Ok(None)
    );
}

#[test]
fn rules_are_applied_one_after_the_other() {
    let both = rules(&[
        ("/filter/org", Binding::Force),
        ("/filter/tenant", Binding::Force),
    ]);
    assert_eq!(
        shape(Some("{}"), &both, &acme()).unwrap().unwrap(),
        r#"{"filter":{"org":"org-17","tenant":"org-17"}}"#
    );
}

proptest::proptest! {
    /// Whatever stands in the arguments, a forced one is the tenant's afterwards, and nothing else
    /// is changed.
    #[test]
    fn force_sets_one_thing_alone(arguments in crate::tenant::results::made::object()) {
        let text = arguments.to_string();
        let shaped = apply("/org", Binding::Force, &text);
        match shaped {
            Ok(shaped) => {
                let mut expected = arguments.clone();
                expected["org"] = json!("org-17");
                let shaped: Value = serde_json::from_str(&shaped).unwrap();
                proptest::prop_assert_eq!(shaped, expected);
            }
            Err(refused) => proptest::prop_assert!(
                matches!(refused, ArgumentRefused::Lookalike(_)), "{}", refused),
        }
    }
}
