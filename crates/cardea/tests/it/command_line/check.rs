//! `cardea check`.

use super::*;

const BAD: &str = "\
listen: 127.0.0.1
public_ulr: https://mcp.example.com
tenants:
  acme: {}
  globex: {}
issuers:
  - embedded: true
    tenants: [acmee]
upstreams:
  files:
    tenants: [acme]
    http:
      url: http://files.example.com/mcp
  Bad_Name:
    tenants: [acme]
    http:
      url: https://b.example.com/mcp
policies: [policies, nothere]
limits:
  body_bytes_max: 12 parsecs
  call_timeout: 3d
telemetry:
  log_format: xml
";

const BAD_POLICIES: &str = r#"@id("one")
permit(principal in Cardea::Tenant::"acm", action, resource);

@id("one")
permit(principal, action == Cardea::Action::"tools/cal", resource in Cardea::Upstream::"flies");
@id("two")
forbid(principal, action == Cardea::Action::"tools/call", resource) when { resource.nme == "x" };
"#;

#[test]
fn a_good_configuration_is_counted_and_ends_with_success() {
    let ended = Desk::good()
        .run(&["check", "--config", "cardea.yaml"])
        .succeeded();
    assert_eq!(
        ended.out,
        "ok: 2 tenants, 2 issuers, 2 upstreams, 1 policies\n"
    );
    assert_eq!(ended.err, "");
}

#[test]
fn the_configuration_is_looked_for_where_the_command_is_typed() {
    Desk::good().run(&["check"]).succeeded();
    let nowhere = tempfile::tempdir().unwrap();
    run_in(nowhere.path(), &["check"]).refused(&["cardea.yaml", "there is no such file"]);
}

#[test]
fn checking_leaves_nothing_behind() {
    let desk = Desk::good();
    desk.run(&["check"]).succeeded();
    let mut names: Vec<_> = fs::read_dir(desk.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["cardea.yaml", "policies"]);
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once_with_place_and_nearest_name() {
    let ended = Desk::with(BAD).run(&["check"]).refused(&[
        "--> cardea.yaml:1:9",
        "did you mean `127.0.0.1:8808`?",
        "--> cardea.yaml:2:1",
        "unknown key `public_ulr`",
        "did you mean `public_url`?",
        "--> cardea.yaml:8:15 in issuers[0].tenants",
        "did you mean `acme`?",
        "--> cardea.yaml:13:12 in upstreams.files.http",
        "--> cardea.yaml:14:3 in upstreams",
        "did you mean `bad-name`?",
        "--> cardea.yaml:18:22 in policies",
        "there is no `nothere`",
        "--> cardea.yaml:20:19 in limits",
        "--> cardea.yaml:21:17 in limits",
        "--> cardea.yaml:23:15 in telemetry",
        "expected one of: text, json",
    ]);
    assert_eq!(ended.err.matches("error: ").count(), 9, "{}", ended.err);
}

#[test]
fn every_mistake_of_the_policies_is_told_at_once_with_place_and_nearest_name() {
    let desk = Desk::good();
    desk.policy("a", BAD_POLICIES);
    desk.policy("b", "permit(principal, action, resource");
    let ended = desk.run(&["check"]).refused(&[
        "policy id `one` is used twice",
        "--> policies/a.cedar:2:37",
        "unknown tenant `acm`",
        "did you mean `acme`?",
        "--> policies/a.cedar:5:29",
        "--> policies/a.cedar:5:88",
        "did you mean `files`?",
        "--> policies/a.cedar:7:76",
        "did you mean `name`?",
        "--> policies/b.cedar:1:35",
    ]);
    assert_eq!(ended.err.matches("error: ").count(), 6, "{}", ended.err);
}

#[test]
fn mistakes_of_the_configuration_do_not_hide_those_of_the_policies() {
    let desk = Desk::with(&GOOD.replace(
        "policies: [policies]",
        "policies: [policies]\nlisten: nowhere",
    ));
    desk.policy("a", "permit(principal, action, resource");
    desk.run(&["check"])
        .refused(&["--> cardea.yaml:19:9", "--> policies/a.cedar:1:35"]);
}

#[test]
fn an_action_that_does_not_exist_has_the_nearest_one_as_help() {
    let desk = Desk::good();
    desk.policy(
        "a",
        r#"permit(principal, action == Cardea::Action::"tools/cal", resource);"#,
    );
    desk.run(&["check"])
        .refused(&["--> policies/a.cedar:1:29", "tools/call"]);
}

#[test]
fn one_mistake_is_told_once_however_many_actions_it_concerns() {
    let desk = Desk::good();
    desk.policy(
        "a",
        r#"forbid(principal, action, resource) when { context.user == "x" };"#,
    );
    let ended = desk
        .run(&["check"])
        .refused(&["--> policies/a.cedar:1:44", "did you mean"]);
    assert_eq!(ended.err.matches("error: ").count(), 1, "{}", ended.err);
}

#[test]
fn a_policy_is_called_by_its_id_and_not_by_its_number() {
    let desk = Desk::good();
    desk.policy("a", BAD_POLICIES);
    let ended = desk.run(&["check"]).refused(&["`two`"]);
    assert!(!ended.err.contains("policy2"), "{}", ended.err);
}

#[test]
fn an_id_that_is_used_twice_is_shown_where_it_is_used_again() {
    let desk = Desk::good();
    desk.policy("a", BAD_POLICIES);
    desk.run(&["check"]).refused(&["--> policies/a.cedar:4:5"]);
}

#[test]
fn the_last_line_counts_the_mistakes_once() {
    let last = |ended: Ended| ended.err.trim_end().lines().last().unwrap().to_owned();
    let nine = last(Desk::with(BAD).run(&["check"]));
    assert!(
        ["9 errors, 2 warnings", "9 mistakes found"].contains(&&*nine),
        "{nine}"
    );
    let desk = Desk::good();
    desk.policy("b", "permit(principal, action, resource");
    let one = last(desk.run(&["check"]));
    assert!(["1 error", "1 mistake found"].contains(&&*one), "{one}");
}

#[test]
fn a_warning_is_shown_and_does_not_refuse() {
    let desk = Desk::good();
    fs::remove_file(desk.folder().join("policies/all.cedar")).unwrap();
    let ended = desk.run(&["check"]).succeeded();
    assert!(
        ended.out.contains("warning: there is no `*.cedar` file"),
        "{}",
        ended.out
    );
    let last = ended.out.lines().last().unwrap();
    assert_eq!(last, "ok: 2 tenants, 2 issuers, 2 upstreams, 0 policies");
}

#[test]
fn a_secret_of_the_configuration_is_never_shown() {
    let secret = "hunter2-hunter2-hunter2";
    let config = GOOD.replace(
        "      url: http://127.0.0.1:9/mcp\n",
        &format!("      url: http://127.0.0.1:9/mcp\n      headers: {{ authorization: Bearer {secret}, x: [] }}\n"),
    );
    let ended = Desk::with(&config).run(&["check"]);
    assert_eq!(ended.status, 1, "{}", ended.out);
    assert!(!ended.err.contains(secret), "{}", ended.err);
}

#[test]
fn nothing_is_served_with_a_mistake() {
    let ended = Desk::with(BAD)
        .run(&["serve"])
        .refused(&["cardea.yaml:1:9", "cardea.yaml:23:15"]);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    let desk = Desk::good();
    desk.policy("a", BAD_POLICIES);
    desk.run(&["serve"])
        .refused(&["policies/a.cedar:2:37", "policies/a.cedar:5:88"]);
}

/// With an entitlement whose requests a file of rules decides first.
fn ruled(file: &str) -> Desk {
    let entitlement = format!(
        "authorization_server: {{}}\nentitlements:\n  all:\n    resources: [{{ upstream: files, tools: ['*'] }}]\n    \
         approval: [{{ groups: [leads] }}]\n    automatic: {file}\n"
    );
    Desk::with(&format!("{GOOD}{entitlement}"))
}

#[test]
fn mistakes_of_rules_about_requests_are_told_with_their_place() {
    let desk = ruled("rules.cedar");
    let rules = desk.folder().join("rules.cedar");
    let text = "permit(principal, action, resource)\nwhen { context.reason like \"*please*\" };\n\
                forbid(principal in Cardea::Tenant::\"acm\", action, resource);";
    fs::write(&rules, text).unwrap();
    desk.run(&["check"]).refused(&[
        "--> rules.cedar:2:8",
        "--> rules.cedar:3:37",
        "did you mean `acme`?",
    ]);
    fs::write(&rules, "permit(principal, action, resource);").unwrap();
    let good = desk.run(&["check"]).succeeded();
    assert!(
        good.out.contains("requests are decided by 1 rules of "),
        "{}",
        good.out
    );
}

#[test]
fn a_file_of_rules_is_no_file_of_policies_by_whatever_name() {
    let desk = ruled("policies/all.cedar");
    desk.run(&["check"])
        .refused(&["is a file of `policies` too", "in entitlements.all"]);
    let desk = ruled("link.cedar");
    std::os::unix::fs::symlink("policies/all.cedar", desk.folder().join("link.cedar")).unwrap();
    desk.run(&["check"])
        .refused(&["is a file of `policies` too"]);
}

/// With a receiver in the tenant `acme`.
fn notified(receiver: &str) -> Desk {
    let config = GOOD.replace(
        "  acme: {}\n",
        &format!("  acme:\n    notifications:\n      ops: {receiver}\n"),
    );
    let desk = Desk::with(&format!("{config}authorization_server: {{}}\n"));
    for (name, text) in [
        ("good", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
        ("short", "whsec_c2hvcnQ="),
        ("slack", "https://hooks.slack.example/services/T0/B0/hidden"),
        ("plain", "http://hooks.slack.example/services/T0/B0/hidden"),
    ] {
        fs::write(desk.folder().join(name), text).unwrap();
    }
    desk
}

#[test]
fn receivers_of_notifications_are_checked_and_their_secrets_are_not_shown() {
    for good in [
        "{ webhook: { url: 'https://hooks.example/x', secret: { file: good } } }",
        "{ slack: { secret_url: { file: slack } }, events: [requests] }",
        "{ teams: { secret_url: { file: slack } } }",
    ] {
        notified(good).run(&["check"]).succeeded();
    }
    for (wrong, told) in [
        (
            "{ webhook: { url: 'https://hooks.example/x', secret: { file: short } } }",
            "tenants.acme.notifications.ops",
        ),
        (
            "{ webhook: { url: 'http://hooks.example/x', secret: { file: good } } }",
            "`http` to a host that is not loopback",
        ),
        (
            "{ webhook: { url: 'https://hooks.example/x', secret: whsec_hidden } }",
            "looks like a secret",
        ),
        (
            "{ slack: { secret_url: 'https://hooks.slack.example/hidden' } }",
            "looks like a secret",
        ),
        (
            "{ slack: { secret_url: { file: plain } } }",
            "no address of a webhook",
        ),
        ("{ events: [requests] }", "exactly one of"),
        (
            "{ slack: { secret_url: { file: slack } }, teams: { secret_url: { file: slack } } }",
            "exactly one of",
        ),
        (
            "{ slack: { secret_url: { file: slack } }, events: [all] }",
            "requests",
        ),
    ] {
        let ended = notified(wrong).run(&["check"]).refused(&[told]);
        assert!(!ended.err.contains("hidden"), "{}", ended.err);
    }
}
