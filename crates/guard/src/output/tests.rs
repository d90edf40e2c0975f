use serde_json::{Value, json};

use super::*;

fn rule(kinds: &[ContentKind], media_types: &[&str]) -> OutputRule {
    let media_types = media_types.iter().map(|one| MediaType::parse(one).unwrap());
    OutputRule {
        kinds: (!kinds.is_empty()).then(|| kinds.iter().copied().collect()),
        media_types: (media_types.len() > 0).then(|| media_types.collect()),
        bytes_max: None,
    }
}

fn passes(rules: &[OutputRule], block: &Value) -> bool {
    check(rules, &json!({ "content": [block] }).to_string()).is_ok()
}

fn resource(inner: Value) -> Value {
    json!({"type": "resource", "resource": inner})
}

#[test]
fn what_the_protocol_knows_passes_without_rules_and_nothing_else() {
    for good in [
        json!({"type": "text", "text": "a"}),
        json!({"type": "image", "mimeType": "image/png", "data": "AA=="}),
        json!({"type": "audio", "mimeType": "audio/wav", "data": "AA=="}),
        json!({"type": "resource_link", "uri": "file:///a", "name": "a"}),
        resource(json!({"uri": "file:///a", "text": "a"})),
        json!({"type": "text", "text": "a", "annotations": {"Type": 1}, "_meta": {"x": {}}}),
    ] {
        assert!(passes(&[], &good), "{good}");
    }
    for bad in [
        json!({"type": "video", "data": "AA=="}),
        json!({"type": "Text", "text": "a"}),
        json!({"type": ["text"], "text": "a"}),
        json!({"type": "text", "Type": "image", "text": "a"}),
        json!({"type": "text", "MIMETYPE": "text/html", "text": "a"}),
        json!({"type": "image", "mimeType": 7}),
        json!({"text": "a"}),
        json!({"type": "resource"}),
        json!({"type": "resource", "resource": "a"}),
        json!("a"),
        json!(null),
    ] {
        assert!(!passes(&[], &bad), "{bad}");
    }
    assert!(check(&[], r#"{"content": {"type": "text"}}"#).is_err());
    assert!(check(&[], r#"{"content": [], "Content": [{"type": "video"}]}"#).is_err());
    assert!(check(&[], r#"{"content": [], "structuredcontent": 1}"#).is_err());
    assert!(check(&[], r#"{"structuredContent": {"type": "video"}}"#).is_ok());
}

#[test]
fn rules_admit_kinds_and_media_types_and_all_of_them_hold() {
    let text = [rule(&[ContentKind::Text], &[])];
    assert!(passes(&text, &json!({"type": "text", "text": "a"})));
    assert!(!passes(
        &text,
        &json!({"type": "image", "mimeType": "image/png"})
    ));
    let images = [rule(&[], &["image/*", "application/pdf"])];
    for (said, is_admitted) in [
        (json!("image/png"), true),
        (json!("IMAGE/PNG; charset=x"), true),
        (json!("application/pdf"), true),
        (json!("image/svg+xml"), true),
        (json!("application/pdfx"), false),
        (json!("image"), false),
        (json!("image/"), false),
        (json!("text/html;image/png"), false),
        (json!("text/html"), false),
        (json!(""), false),
    ] {
        for block in [
            json!({"type": "image", "mimeType": said}),
            resource(json!({"uri": "a:b", "blob": "AA==", "mimeType": said})),
            resource(json!({"uri": "a:b", "text": "a", "mimeType": said})),
            json!({"type": "resource_link", "uri": "a:b", "mimeType": said}),
        ] {
            assert_eq!(passes(&images, &block), is_admitted, "{block}");
        }
    }
    // What has to say what it is says so.
    assert!(!passes(&images, &json!({"type": "image"})));
    assert!(!passes(
        &images,
        &resource(json!({"uri": "a:b", "blob": "AA=="}))
    ));
    assert!(passes(
        &images,
        &resource(json!({"uri": "a:b", "text": "a"}))
    ));
    assert!(passes(&images, &json!({"type": "text", "text": "a"})));
    let both = [
        rule(&[ContentKind::Image], &["image/*"]),
        rule(&[], &["image/png"]),
    ];
    assert!(passes(
        &both,
        &json!({"type": "image", "mimeType": "image/png"})
    ));
    assert!(!passes(
        &both,
        &json!({"type": "image", "mimeType": "image/gif"})
    ));
}

#[test]
fn the_smallest_of_the_bounds_holds() {
    let bound = |bytes_max| OutputRule {
        bytes_max: Some(bytes_max),
        ..OutputRule::default()
    };
    let result = r#"{"content":[]}"#;
    assert!(check(&[bound(14), bound(20)], result).is_ok());
    assert_eq!(
        check(&[bound(20), bound(13)], result),
        Err(OutputRefused::Bytes {
            bytes: 14,
            bytes_max: 13
        })
    );
}

#[test]
fn media_types_are_names_and_nothing_else() {
    for bad in [
        "",
        "image",
        "*/*",
        "image/*png",
        "image/png; a=b",
        "a b/c",
        "/png",
    ] {
        assert!(MediaType::parse(bad).is_err(), "{bad}");
    }
}
