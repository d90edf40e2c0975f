//! What an attacker writes into arguments, and what an honest caller does.

mod sql;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn one(check: Check) -> Constraints {
    Constraints::new(vec![Constraint {
        at: Selector::parse("/v").unwrap(),
        required: true,
        whose: Whose::All,
        checks: vec![check],
    }])
}

fn admits(check: &Check, value: impl Into<Value>) -> bool {
    one(check.clone())
        .check(&json!({"v": value.into()}), [])
        .is_ok()
}

fn under(roots: &[&str]) -> PathRule {
    PathRule::under(roots.iter().copied()).unwrap()
}

fn orders() -> SqlRule {
    SqlRule {
        tables: Some(["orders".to_owned(), "shop.customers".to_owned()].into()),
        ..SqlRule::default()
    }
}

#[test]
fn paths_stay_under_their_roots() {
    let rule = Check::Path(under(&["/srv/files", "/var/shared/"]));
    for good in [
        "/srv/files",
        "/srv/files/",
        "/srv/files/a.txt",
        "/srv/files/./a//b.txt",
        "/srv/files/a b/été.txt",
        "/srv/files/v1..v2.diff",
        "/srv/files/100% sure.txt",
        "/srv/files/a:b",
        "/var/shared/x",
        "/srv/files/Screenshot 2026-11-26 at 3.14\u{202f}PM.png",
        "/srv/files/O'Brien.txt",
    ] {
        assert!(admits(&rule, good), "{good}");
    }
    for bad in [
        "/srv/files/..\u{202f}/etc",
        "/srv/files/\u{a0}../etc",
        "/srv/files/a\u{202f}",
        "",
        "/",
        "/srv",
        "/srv/files2/a",
        "/srv/filesystem",
        "/srv/Files/a",
        "srv/files/a",
        "a.txt",
        "./a",
        "/srv/files/../../etc/passwd",
        "/srv/files/..",
        "/srv/files/a/../b",
        "/srv/files/.../b",
        "/srv/files/....//b",
        "/srv/files/..;/b",
        "/srv/files/..2fb",
        "/srv/files/%2e%2e/b",
        "/srv/files/%252e%252e/b",
        "/srv/files/%u2216b",
        "/srv/files/%%32%65b",
        "/srv/files\\..\\b",
        "\\srv\\files",
        "C:/srv/files",
        "C:\\srv",
        "/C:/srv/files",
        "c:a",
        "\\\\host\\share",
        "//host/share",
        "//srv/files/a",
        "\\\\?\\C:\\a",
        "file:///srv/files/a",
        "FILE:/srv/files/a",
        "http://srv/files",
        "~/files",
        "~root/x",
        "/srv/files/a\0.txt",
        "/srv/files/a\nb",
        "/srv/files/\u{ff0e}\u{ff0e}/b",
        "/srv/files/\u{2025}/b",
        "/srv/files\u{2215}..\u{2215}b",
        "/srv/files/a\u{200b}b",
        "/srv/files/\u{202e}b",
        "/srv/files/.ssh/id_rsa",
        "/srv/files/.env",
        "/srv/\u{ff46}iles\u{ff0f}x",
        "/etc/passwd",
    ] {
        assert!(!admits(&rule, bad), "{bad:?}");
    }
    assert!(!admits(&rule, "/srv/files/".to_owned() + &"a".repeat(256)));
    assert!(!admits(
        &rule,
        "/srv/files/".to_owned() + &"a/".repeat(4000)
    ));
    for other in [
        json!(5),
        json!(null),
        json!(["/srv/files/a"]),
        json!({"path": "/srv/files"}),
    ] {
        assert!(!admits(&rule, other));
    }
}

#[test]
fn paths_may_be_widened_in_named_ways_only() {
    let mut rule = under(&["/srv"]);
    rule.hidden = true;
    assert!(admits(&Check::Path(rule.clone()), "/srv/.git/config"));
    assert!(!admits(&Check::Path(rule.clone()), "/srv/..git"));
    rule.relative = Relative::Admit;
    assert!(admits(&Check::Path(rule.clone()), "docs/a.md"));
    assert!(!admits(&Check::Path(rule.clone()), "docs/../../a.md"));
    assert!(!admits(&Check::Path(rule.clone()), "/etc/passwd"));
    rule.extensions = vec!["md".into()];
    for (path, is_good) in [
        ("a.md", true),
        ("a.MD", true),
        ("a.sh", false),
        ("md", false),
        (".md", false),
        ("a.md/", false),
        ("a.md/b", false),
    ] {
        assert_eq!(admits(&Check::Path(rule.clone()), path), is_good, "{path}");
    }
    for root in ["", "srv", "/srv/..", "C:\\", "//x", "~"] {
        assert!(PathRule::under([root]).is_err(), "{root}");
    }
    assert!(PathRule::under([]).is_err());
}

#[test]
fn links_are_left_to_whoever_has_the_file_system() {
    let mut rule = under(&["/srv/files"]);
    rule.follow_links = true;
    let pending = one(Check::Path(rule))
        .check(&json!({"v": "/srv/files/./a//b"}), [])
        .unwrap();
    assert_eq!(
        pending,
        [Pending {
            pointer: "/v".into(),
            look: Look::Path {
                path: "/srv/files/a/b".into(),
                roots: vec!["/srv/files".into()]
            },
        }]
    );
}

fn to(hosts: &[&str]) -> UrlRule {
    UrlRule {
        hosts: hosts
            .iter()
            .map(|host| HostPattern::parse(host).unwrap())
            .collect(),
        ..UrlRule::default()
    }
}

#[test]
fn urls_go_where_they_seem_to_go() {
    let rule = Check::Url(to(&["api.example.com", "*.example.org"]));
    for good in [
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com:443/a?b=c@d#e",
        "HTTPS://API.EXAMPLE.COM/x",
        "https://a.example.org/%2e%2e",
        "https://a.b.example.org/?u=https://x.test/",
    ] {
        assert!(admits(&rule, good), "{good}");
    }
    for bad in [
        "",
        "api.example.com",
        "//api.example.com/",
        "http://api.example.com/",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:/api.example.com",
        "https:api.example.com",
        "https://example.com/",
        "https://example.org/",
        "https://.example.org/",
        "https://evilexample.org/",
        "https://api.example.com.evil.test/",
        "https://evil.test/api.example.com",
        "https://evil.test#api.example.com",
        "https://evil.test?@api.example.com",
        "https://api.example.com@evil.test/",
        "https://user:p@api.example.com/",
        "https://@api.example.com/",
        "https://evil.test\\@api.example.com/",
        "https://api.example.com\\.evil.test/",
        "https://api.example.com:8443/",
        "https://api.example.com:/",
        "https://api.example.com:0443/",
        "https://api.example.com./",
        "https://api%2eexample.com/",
        "https://api.example.com%00.evil.test/",
        "https://ａpi.example.com/",
        "https://api。example.com/",
        " https://api.example.com/",
        "https://api.example.com/ ",
        "https://api.example.com/\n",
        "https://api.exam\tple.com/",
        "https://api.example.com/a b",
        "https:///api.example.com/",
    ] {
        assert!(!admits(&rule, bad), "{bad:?}");
    }
}

#[test]
fn addresses_are_known_in_every_spelling() {
    let rule = Check::Url(UrlRule {
        schemes: ["http".to_owned(), "https".to_owned(), "gopher".to_owned()].into(),
        ..UrlRule::default()
    });
    for bad in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:8.8.8.8]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://0/",
        "http://①②⑦.0.0.1/",
        "http://10.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://0x08080808/",
        "http://8.8.2056/",
        "http://010.8.8.8/",
        "gopher://127.0.0.1/",
        "gopher://127.1/",
        "gopher://0x7f000001/",
    ] {
        assert!(!admits(&rule, bad), "{bad}");
    }
    assert!(admits(&rule, "http://8.8.8.8/") && admits(&rule, "https://[2606:4700::1]/"));
    let any = Check::Url(UrlRule {
        addresses: Addresses::Any,
        ..to(&["10.0.0.1"])
    });
    assert!(
        admits(&any, "https://10.0.0.1/")
            && !admits(&any, "https://10.1/")
            && !admits(&any, "https://0xa.0.0.1/")
    );
}

#[test]
fn names_are_looked_up_before_they_count_as_public() {
    let pending = one(Check::Url(UrlRule::default()))
        .check(&json!({"v": "https://Rebind.test/"}), [])
        .unwrap();
    let [
        Pending {
            look: Look::Host { host, addresses },
            ..
        },
    ] = &*pending
    else {
        panic!("not looked up")
    };
    assert_eq!((&**host, addresses), ("rebind.test", &Addresses::Public));
    let any = UrlRule {
        addresses: Addresses::Any,
        ..UrlRule::default()
    };
    assert_eq!(
        one(Check::Url(any)).check(&json!({"v": "https://a.test/"}), []),
        Ok(vec![])
    );
    for bad in [
        "",
        "*",
        "*.",
        "*.*",
        "a b",
        "EXAMPLE.com",
        "example.com.",
        "https://example.com",
        "*.10.0.0.1",
        "é.test",
        "a/b",
        "a:1",
        "a@b",
    ] {
        assert!(HostPattern::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn words_for_programs_are_words() {
    let rule = Check::Program(ProgramRule::default());
    for good in [
        "report.pdf",
        "feature/login-fix",
        "user@example.com",
        "2026-11-26",
        "hello world",
        "main",
        "a=b",
        "été",
        "docs/Write once.md",
        "find the best hotel",
        "test results of Monday",
        "time flies",
        "192.0.2.7",
        "v1.2.3",
        "Write an answer to Ada, please",
        "make it so",
        "at noon",
        "C: drive",
        "x+y",
        "10 km/h",
        "HEAD",
        "HEAD~1",
    ] {
        assert!(admits(&rule, good), "{good}");
    }
    for bad in [
        "",
        " ",
        "a;id",
        "a|id",
        "a&id",
        "a&&id",
        "$(id)",
        "`id`",
        "a>b",
        "a<b",
        "a\nid",
        "a\rid",
        "a\0",
        "'a'",
        "\"a\"",
        "a\\b",
        "*",
        "a?",
        "[a]",
        "{a,b}",
        "~",
        "~root",
        "!1",
        "^a",
        "a # b",
        "%PATH%",
        "%0aid",
        "-rf",
        "--help",
        "+x",
        "@file",
        "id",
        "ls -l /etc/",
        "cat /etc/passwd",
        "/bin/sh",
        "/usr/bin/id",
        "sleep 5",
        "DIR",
        "net view",
        "which perl",
        "PATH=x ls",
        "nc -lvvp 4444 -e /bin/sh",
        "a\u{ff1b}id",
        "a\u{200b}b",
        "\u{2212}rf",
        "time /t",
        "date",
        "cmd.exe /c dir",
        "ping 127.0.0.1",
        "python3 x.py",
        "a --exec=x",
        "\u{ff49}\u{ff44}",
        "Get-Process",
        "git status",
        "head",
        "HEAD /etc/passwd",
    ] {
        assert!(!admits(&rule, bad), "{bad:?}");
    }
}

#[test]
fn plain_values_are_of_a_few_of_a_pattern_or_within_bounds() {
    let exact = Check::Exact(Exact::of(vec![json!("r"), json!(2), json!(null)]));
    assert!(admits(&exact, "r") && admits(&exact, 2.0) && admits(&exact, Value::Null));
    assert!(!admits(&exact, "R") && !admits(&exact, 3) && !admits(&exact, json!(["r"])));
    let id = 1_234_567_890_123_456_789_u64;
    let one_id = Check::Exact(Exact::of(vec![json!(id)]));
    assert!(admits(&one_id, id) && !admits(&one_id, id - 1));
    let pattern = Check::Pattern(TextPattern::parse("[a-z]+|x").unwrap());
    assert!(
        admits(&pattern, "abc")
            && !admits(&pattern, "abc1")
            && !admits(&pattern, "1x")
            && !admits(&pattern, "a\n")
    );
    assert!(!admits(&pattern, 5));
    assert!(TextPattern::parse("a)(b").is_err() && TextPattern::parse("(?=a)").is_err());
    let range = Check::Range(Range::Number {
        min: Some(0.0),
        max: Some(10.0),
    });
    assert!(
        admits(&range, 0)
            && admits(&range, 10)
            && !admits(&range, 10.5)
            && !admits(&range, -1)
            && !admits(&range, "5")
    );
    assert!(!admits(
        &Check::Range(Range::Number {
            min: Some(0.0),
            max: None
        }),
        u64::MAX
    ));
    let least = Check::Range(Range::Number {
        min: Some(0.0),
        max: None,
    });
    assert!(admits(&least, 1_700_000_000_000_000_000_u64) && !admits(&least, i64::MIN));
    let length = Check::Range(Range::Length {
        min: None,
        max: Some(3),
    });
    assert!(
        admits(&length, "äöü")
            && !admits(&length, "abcd")
            && admits(&length, json!([1]))
            && !admits(&length, 1)
    );
}

#[test]
fn selectors_find_every_value_and_nothing_by_another_name() {
    let of = |at: &str, required| {
        Constraints::new(vec![Constraint {
            at: Selector::parse(at).unwrap(),
            required,
            whose: Whose::All,
            checks: vec![Check::Path(under(&["/srv"]))],
        }])
    };
    let files = of("/files/*/path", false);
    let check = |value: Value| files.check(&value, []).map_err(|refused| refused.pointer);
    assert_eq!(
        check(json!({"files": [{"path": "/srv/a"}, {"path": "/srv/b"}]})),
        Ok(vec![])
    );
    assert_eq!(check(json!({})), Ok(vec![]));
    assert_eq!(
        check(json!({"files": [{"path": "/srv/a"}, {"path": "/etc/b"}]})),
        Err("/files/1/path".into())
    );
    // A value of another shape may mean to the server what the constraint is about.
    assert_eq!(
        check(json!({"files": {"path": "/etc/b"}})),
        Err("/files".into())
    );
    assert_eq!(check(json!({"files": "/etc/b"})), Err("/files".into()));
    assert_eq!(
        check(json!({"files": [{"path": "/srv/a", "Path": "/etc/b"}]})),
        Err("/files/0/Path".into())
    );
    assert_eq!(
        check(json!({"files ": [{"path": "/etc/b"}]})),
        Err("/files ".into())
    );
    assert!(of("/path", true).check(&json!({}), []).is_err());
    assert!(of("/path", false).check(&json!([1]), []).is_err());
}

#[test]
fn a_constraint_may_be_for_some_people() {
    let of = |whose| {
        Constraints::new(vec![Constraint {
            at: Selector::parse("/v").unwrap(),
            required: false,
            whose,
            checks: vec![Check::Exact(Exact::of(vec![json!(1)]))],
        }])
    };
    let two = json!({"v": 2});
    let interns = || ["interns".to_owned()].into();
    assert!(
        of(Whose::In(interns()))
            .check(&two, ["interns", "staff"])
            .is_err()
    );
    assert!(of(Whose::In(interns())).check(&two, ["staff"]).is_ok());
    assert!(of(Whose::NotIn(interns())).check(&two, ["interns"]).is_ok());
    assert!(of(Whose::NotIn(interns())).check(&two, []).is_err());
}

#[test]
fn refusals_repeat_no_values() {
    let rules = [
        Check::Path(under(&["/srv"])),
        Check::Url(to(&["a.test"])),
        Check::Sql(SqlRule::default()),
        Check::Program(ProgramRule::default()),
        Check::Pattern(TextPattern::parse("a").unwrap()),
    ];
    for check in rules {
        let refused = one(check)
            .check(&json!({"v": "-sesame://sesame/../sesame;"}), [])
            .unwrap_err();
        assert!(!refused.to_string().contains("sesame"), "{refused}");
    }
}

fn checks() -> impl Strategy<Value = Check> {
    prop_oneof![
        prop::sample::subsequence(vec!["/", "/srv", "/srv/files", "/var"], 1..3)
            .prop_map(|roots| Check::Path(under(&roots))),
        prop::sample::subsequence(vec!["a.test", "*.b.test"], 0..3)
            .prop_map(|hosts| Check::Url(to(&hosts))),
        any::<bool>().prop_map(|set_operations| Check::Sql(SqlRule {
            set_operations,
            ..orders()
        })),
        any::<(bool, bool)>().prop_map(|(leading_dash, commands)| Check::Program(ProgramRule {
            leading_dash,
            commands,
            blanks: true
        })),
        Just(Check::Range(Range::Length {
            min: Some(2),
            max: Some(12)
        })),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "(/|srv|files|var|\\.|\\.\\.|a|%2e|\\\\|~){0,8}",
        "(https|http)://(a|x|c)(\\.b)?\\.test(:443)?(/a)?",
        "(SELECT|DELETE) (\\*|id) FROM (orders|users)( WHERE id = [12])?( UNION SELECT 1)?",
        "[a-z -;|$]{0,12}",
    ]
}

proptest! {
    #[test]
    fn more_constraints_never_admit_more(all in prop::collection::vec(checks(), 1..4), text in texts()) {
        let constraint = |checks: Vec<Check>| Constraint {
            at: Selector::parse("/v").unwrap(), required: true, whose: Whose::All, checks,
        };
        let value = json!({"v": text});
        let fewer = all[..all.len() - 1].to_vec();
        let together = Constraints::new(vec![constraint(all.clone())]).check(&value, []).is_ok();
        let apart = Constraints::new(vec![constraint(fewer.clone()), constraint(vec![all[all.len() - 1].clone()])]);
        prop_assert!(!together || Constraints::new(vec![constraint(fewer)]).check(&value, []).is_ok());
        prop_assert_eq!(together, apart.check(&value, []).is_ok());
    }

    #[test]
    fn narrower_settings_never_admit_more(text in texts(), hosts in prop::sample::subsequence(vec!["a.test", "*.b.test"], 1..3)) {
        let wide = || {
            let mut rule = under(&["/srv", "/var"]);
            (rule.hidden, rule.relative) = (true, Relative::Admit);
            rule
        };
        let pairs = [
            (Check::Path(under(&["/srv/files"])), Check::Path(under(&["/srv"]))),
            (Check::Path(under(&["/srv"])), Check::Path(wide())),
            (Check::Url(to(&hosts)), Check::Url(UrlRule::default())),
            (Check::Url(to(&hosts)), Check::Url(UrlRule { addresses: Addresses::Any, ports: [443, 80].into(), ..to(&hosts) })),
            (Check::Sql(orders()), Check::Sql(SqlRule::default())),
            (Check::Sql(orders()), Check::Sql(SqlRule { set_operations: true, constant_conditions: true, verbs: [Verb::Select, Verb::Delete].into(), ..orders() })),
            (Check::Program(ProgramRule { blanks: false, ..ProgramRule::default() }), Check::Program(ProgramRule::default())),
            (Check::Program(ProgramRule::default()), Check::Program(ProgramRule { leading_dash: true, commands: true, blanks: true })),
        ];
        for (narrow, wide) in pairs {
            prop_assert!(!admits(&narrow, text.clone()) || admits(&wide, text.clone()), "{:?} {}", narrow, text);
        }
    }

    #[test]
    fn whatever_path_is_admitted_resolves_below_the_root(text in "/srv/files(/|\\.|\\.\\.|a|\\\\|%2e|~| |;){0,10}") {
        if admits(&Check::Path(under(&["/srv/files"])), text.clone()) {
            let mut depth = 0_i32;
            for step in text.split('/') {
                match step { "" | "." => {} ".." => depth -= 1, _ => depth += 1 }
                prop_assert!(depth >= 0);
            }
            prop_assert!(depth >= 2 && !text.contains("/.."));
        }
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,60}") {
        for check in [Check::Path(under(&["/"])), Check::Url(UrlRule::default()), Check::Sql(SqlRule::default()), Check::Program(ProgramRule::default())] {
            admits(&check, text.clone());
        }
    }
}
