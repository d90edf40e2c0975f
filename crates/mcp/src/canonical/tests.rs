use super::*;

fn of(text: &str) -> Result<String, CanonicalError> {
    canonical(text, &Limits::default())
}

/// RFC 8785 section 3.2.2 and 3.2.3: the sample object.
#[test]
fn the_rfcs_sample_object_holds() {
    let text = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    assert_eq!(
        of(text).unwrap(),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
}

/// RFC 8785 section 3.2.3: keys are sorted by their UTF-16 code units.
#[test]
fn the_rfcs_sorting_example_holds() {
    let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
        "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(of(text).unwrap(), expected);
}

/// RFC 8785 appendix B, by the bits of the doubles.
#[test]
fn the_rfcs_numbers_hold() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000_u64, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        // With an exponent it is no whole number to the reader, whatever its value.
        let raw = format!("{:e}", f64::from_bits(bits));
        assert_eq!(of(&raw).unwrap(), expected, "{bits:016x}");
    }
}

#[test]
fn what_two_readers_may_read_differently_is_refused() {
    for text in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "123456789012345678901234567890",
        "1e400",
        "-1e400",
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#,
        r#"{"a":"\udfff"}"#,
        r#"{"a":1,"\u0061":2}"#,
        "{",
        "",
        "NaN",
    ] {
        assert!(of(text).is_err(), "{text}");
    }
    assert_eq!(of("9007199254740991").unwrap(), "9007199254740991");
    assert_eq!(of("-9007199254740991").unwrap(), "-9007199254740991");
}

#[test]
fn keys_with_backslashes_are_keys() {
    assert_eq!(of(r#"{"a\\u0041":1}"#).unwrap(), r#"{"a\\u0041":1}"#);
    assert_eq!(of(r#"{"\\ud800":1}"#).unwrap(), r#"{"\\ud800":1}"#);
    assert_eq!(of(r#"{ "\\" : "\/" }"#).unwrap(), r#"{"\\":"/"}"#);
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    assert!(matches!(
        of(&deep),
        Err(CanonicalError::Json(JsonError::TooDeep { .. }))
    ));
}

proptest::proptest! {
    #[test]
    fn spelling_does_not_matter(keys in proptest::collection::btree_set("\\PC{0,6}", 0..6), number in -1_000_000_i64..1_000_000) {
        let spelt = |keys: &mut dyn Iterator<Item = &String>| {
            let members: Vec<_> = keys
                .map(|key| format!("{} : [{number} ,\t\"\\u0041\"]", serde_json::to_string(key).unwrap()))
                .collect();
            format!("{{ {} }}", members.join(" , "))
        };
        let there = of(&spelt(&mut keys.iter())).unwrap();
        let back = of(&spelt(&mut keys.iter().rev())).unwrap();
        proptest::prop_assert_eq!(&there, &back);
        proptest::prop_assert_eq!(of(&there).unwrap(), there);
    }
}
