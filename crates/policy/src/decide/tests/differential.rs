//! What is left of the policies decides as all of them do: over random sets and questions, against Cedar's own answer to
//! the whole set, with every entity and the whole context.

use std::sync::LazyLock;

use cedar_policy::{Decision, PolicySet, RestrictedExpression};
use proptest::{prelude::*, sample::select};

use super::*;
use crate::{Flow, arguments::Wanted};

/// Conditions of every kind: of who asks, of the context, of both, such that fail, such that are cut in the middle.
const CONDITIONS: [&str; 26] = [
    "true",
    "false",
    "principal in Cardea::Group::\"acme/ops\"",
    "principal in Cardea::Actor::\"acme/bot\" && resource in Cardea::Upstream::\"files\"",
    "resource == Cardea::Tool::\"files/write\"",
    "principal.roles.contains(\"clerk\")",
    "principal has acr && principal.acr == \"high\"",
    "principal.bound_by_dpop",
    "context.flow.doubtful",
    "context.flow.untrusted_values > 0",
    "context.time.hour_utc < 12",
    "context.method == \"tools/call\"",
    "context has args && context.args has size && context.args.size > 10",
    "context has args && context.args has path && context.args.path like \"/public/*\"",
    "context.flow.doubtful && principal.roles.contains(\"clerk\")",
    "principal.roles.contains(\"clerk\") && context.flow.doubtful",
    "principal.tenant == Cardea::Tenant::\"acme\" && context.time.hour_utc < 12 && principal.bound_by_dpop",
    "context.time.hour_utc < 12 || principal.bound_by_dpop",
    "if context.flow.doubtful then principal.bound_by_dpop else principal has acr",
    "(if principal.bound_by_dpop then 9223372036854775807 + 1 else 0) == 0",
    "9223372036854775807 + 1 == 0",
    "principal.bound_by_dpop && 9223372036854775807 + 1 == 0",
    "context.flow.doubtful && 9223372036854775807 + 1 == 0",
    "context.time.unix_s + 9223372036854775807 > 0",
    "context.flow.doubtful && (context has args && context.args has size && context.args.size * 9223372036854775807 > 0)",
    "principal.bound_by_dpop && (principal has acr && (context.flow.doubtful && principal.acr == \"high\"))",
];

const HEADS: [&str; 9] = [
    "principal, action, resource",
    "principal, action == Cardea::Action::\"tools/call\", resource",
    "principal, action in Cardea::Action::\"use\", resource in Cardea::Upstream::\"files\"",
    "principal, action in [Cardea::Action::\"read\", Cardea::Action::\"tools/call\"], resource is Cardea::Tool",
    "principal in Cardea::Group::\"acme/ops\", action in Cardea::Action::\"read\", resource",
    "principal in Cardea::Subject::\"acme/ada\", action, resource == Cardea::Tool::\"files/write\"",
    "principal is Cardea::Principal in Cardea::Actor::\"acme/bot\", action, resource == Cardea::Upstream::\"files\"",
    "principal in Cardea::Tenant::\"other\", action, resource",
    "principal, action == Cardea::Action::\"tools/call\", resource is Cardea::Tool in Cardea::Upstream::\"mail\"",
];

/// The heads and conditions that strict validation accepts together.
static GOOD: LazyLock<Vec<(&str, Vec<&str>)>> = LazyLock::new(|| {
    let is_good = |head: &str, condition: &str| {
        let text = format!("permit ({head}) when {{ {condition} }};");
        Policies::compile(&[file(text)], &all_known(), 1).is_ok()
    };
    let of = |head: &'static str| {
        let conditions = CONDITIONS.into_iter();
        (
            head,
            conditions
                .filter(|condition| is_good(head, condition))
                .collect(),
        )
    };
    HEADS.into_iter().map(of).collect()
});

fn file(text: String) -> PolicyFile {
    PolicyFile {
        name: "all".into(),
        text,
    }
}

fn all_known() -> KnownNames {
    let mut known = known();
    known.upstreams.push("mail".into());
    known.tenants.push("other".into());
    known.tools.add("mail", [("write", WRITE)]);
    known
}

fn policy() -> impl Strategy<Value = String> {
    select(GOOD.clone()).prop_flat_map(|(head, good)| {
        let condition = (select(vec!["when", "unless"]), select(good));
        let conditions = prop::collection::vec(condition, 0..4);
        (any::<bool>(), conditions).prop_map(move |(permits, conditions)| {
            let effect = if permits { "permit" } else { "forbid" };
            let conditions = conditions.into_iter();
            let conditions: String = conditions
                .map(|(kind, body)| format!(" {kind} {{ {body} }}"))
                .collect();
            format!("{effect} ({head}){conditions};")
        })
    })
}

fn questions() -> impl Strategy<Value = Question> {
    let who = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let what = select(vec!["files/write", "files/read", "mail/write", "files"]);
    let context = (any::<bool>(), 0..3_u32, 0..24_i8);
    (who, what, context, 0..20_i64, any::<bool>()).prop_map(
        |(who, what, context, size, is_public)| {
            let (in_ops, is_clerk, is_high, is_bound) = who;
            let principal = Principal {
                groups: if in_ops {
                    [Arc::from("ops")].into()
                } else {
                    [].into()
                },
                standing: Arc::new(Standing {
                    roles: if is_clerk {
                        [Arc::from("clerk")].into()
                    } else {
                        [].into()
                    },
                    acr: Some(Arc::from(if is_high { "high" } else { "low" })),
                    ..Standing::default()
                }),
                binding: KeyBinding {
                    dpop: is_bound.then(|| Thumbprint::new([1; 32])),
                    certificate: None,
                },
                ..ada()
            };
            let (upstream, tool) = what.split_once('/').unwrap_or((what, ""));
            let (action, target) = match tool {
                "" => (Action::Connect, Target::Upstream),
                tool => (
                    Action::CallTool,
                    Target::Tool(ToolName::parse(tool).unwrap()),
                ),
            };
            let path = if is_public { "/public/a" } else { "/etc/a" };
            let (doubtful, untrusted_values, hour) = context;
            Question::new(
                &principal,
                action,
                &UpstreamId::parse(upstream).unwrap(),
                target,
                action.as_str().into(),
            )
            .with_flow(Flow {
                doubtful,
                untrusted_values,
                ..Flow::default()
            })
            .at(Moment {
                unix_s: 1,
                utc: (hour, 1),
                local: (hour, 1),
            })
            .with_arguments(Given {
                value: Arc::new(json!({ "path": path, "size": size })),
                definition: None,
            })
        },
    )
}

/// What Cedar says to the whole set; an error is all that is to be said where there is one.
fn whole(
    policies: &Policies,
    set: &PolicySet,
    question: &Question,
) -> Option<(Decision, Vec<String>)> {
    let asked = policies.words.ask(question).unwrap();
    let method = RestrictedExpression::new_string(question.method().to_owned());
    let mut pairs = vec![
        (METHOD.to_owned(), method),
        (
            FLOW.to_owned(),
            question.flow().expression(&Wanted::All).unwrap(),
        ),
        (
            TIME.to_owned(),
            question.moment().unwrap().expression(&Wanted::All).unwrap(),
        ),
    ];
    if question.action() == Action::CallTool {
        let arguments = policies.types.arguments(question, None).unwrap();
        let given = &question.given().unwrap().value;
        pairs.push((
            ARGS.to_owned(),
            arguments::record(&arguments, given).unwrap(),
        ));
    }
    let request = asked.request(Context::from_pairs(pairs).unwrap()).unwrap();
    let response = Authorizer::new().is_authorized(&request, set, &asked.entities);
    if response.diagnostics().errors().next().is_some() {
        return None;
    }
    let mut reasons: Vec<_> = response
        .diagnostics()
        .reason()
        .map(ToString::to_string)
        .collect();
    reasons.sort();
    Some((response.decision(), reasons))
}

fn compiled(texts: &[String]) -> (Policies, PolicySet) {
    let policies = Policies::compile(&[file(texts.concat())], &all_known(), 1).unwrap();
    let set = PolicySet::from_policies(policies.deciding.iter().map(|rule| rule.whole.clone()));
    (policies, set.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_left_decides_as_the_whole(
        texts in prop::collection::vec(policy(), 1..8),
        questions in prop::collection::vec(questions(), 1..12),
    ) {
        let (policies, set) = compiled(&texts);
        for question in questions {
            let expected = whole(&policies, &set, &question);
            // Asked twice: once worked out, once remembered.
            for _ in 0..2 {
                let told = match policies.answer(&question, |known| &known.deciding) {
                    Answer::Allow(by) => Some((Decision::Allow, by)),
                    Answer::Deny(by) => Some((Decision::Deny, by)),
                    Answer::Error(_) => None,
                    Answer::Unfit(unfit) => panic!("{unfit}"),
                };
                let told = told.map(|(decision, by)| {
                    (decision, by.iter().map(ToString::to_string).collect::<Vec<_>>())
                });
                prop_assert_eq!(told, expected.clone(), "{:?}", texts);
            }
            // Nothing that is permitted with arguments is hidden before there are any.
            if let Some((Decision::Allow, _)) = expected {
                prop_assert_eq!(policies.outlook(&question), Outlook::Possible);
            }
        }
    }
}

#[test]
fn what_is_tried_is_of_every_kind() {
    for (head, good) in GOOD.iter() {
        assert!(good.len() >= 15, "{head}: {good:?}");
    }
    let (head, all) = &GOOD[0];
    assert_eq!(all.len(), CONDITIONS.len());
    let all = all
        .iter()
        .map(|condition| format!("permit ({head}) when {{ {condition} }};"));
    let (policies, _) = compiled(&all.collect::<Vec<_>>());
    let tails: Vec<_> = policies
        .deciding
        .iter()
        .map(|rule| rule.tail.as_ref())
        .collect();
    let count = |is: fn(&crate::rules::Tail) -> bool| {
        tails.iter().flatten().filter(|tail| is(tail)).count()
    };
    assert!(tails.iter().filter(|tail| tail.is_none()).count() > 5);
    assert!(count(|tail| tail.needs_entities) > 1 && count(|tail| !tail.needs_entities) > 5);
}
