//! `cardea policy explain`: one call, by which policies it is permitted or not, what is missing, who could approve.

use std::io::Write as _;

use anyhow::anyhow;
use cardea_access::{Entitlement, Need, Stage};
use cardea_policy::{Considered, Explanation, Outcome, Said};
use serde_json::{Value, json};

use super::{
    Failure, House,
    asking::{Asked, Described},
    table,
};
use crate::{cli::ExplainArgs, command::failure::Status, wiring};

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let house = House::open(&args.config.config)?;
    let wrong = |error: anyhow::Error| Failure::wrong_use(&error);
    let described = Described::of(args).map_err(wrong)?;
    let (tenant, set) = house.tenant(args.tenant.as_deref()).map_err(wrong)?;
    let Asked {
        principal,
        question,
    } = described.ask(&house.config, tenant).map_err(wrong)?;
    let explanation = set.policies.explain(&question);
    let own = house.config.tenants.get(tenant);
    let own = own.ok_or_else(|| anyhow!("the tenant `{tenant}` is not there"))?;
    let entitlements = wiring::entitlements(tenant, own, &house.config.flow_labels)?;
    let (action, upstream) = (question.action(), question.upstream());
    let entitlement = entitlements.covering(&principal, action, upstream, question.target());
    let entitlement = entitlement.filter(|_| could_be_granted(&explanation));
    let mut out = std::io::stdout().lock();
    match args.json {
        true => writeln!(out, "{:#}", document(&explanation, entitlement))?,
        false => writeln!(out, "{}", text(&explanation, entitlement))?,
    }
    out.flush()?;
    match (&explanation.said, explanation.approval.is_empty()) {
        (Said::Permitted, true) => Ok(()),
        (said, _) => {
            let word = match said {
                Said::Permitted => "needs an approval",
                said => said.word(),
            };
            Err(Failure::new(Status::Failed, format!("the call is not made: {word}")).into())
        }
    }
}

/// Whether somebody's approval would help.
fn could_be_granted(explanation: &Explanation) -> bool {
    match explanation.said {
        Said::NotPermitted | Said::Depends => true,
        Said::Permitted => !explanation.approval.is_empty(),
        Said::Forbidden | Said::Failed(_) => false,
    }
}

fn text(explanation: &Explanation, entitlement: Option<&Entitlement>) -> String {
    let by = match explanation.by.is_empty() {
        true => String::new(),
        false => format!(" by {}", explanation.by.join(", ")),
    };
    let mut lines = vec![match &explanation.said {
        Said::Failed(error) => format!("denied: it could not be decided: {error}"),
        Said::NotPermitted => "not permitted: no policy permits it, and none forbids it".to_owned(),
        said => format!("{}{by}", said.word()),
    }];
    if !explanation.approval.is_empty() {
        let held_by = explanation.approval.join(", ");
        lines.push(format!("needs an approval of this one call by {held_by}"));
    }
    if could_be_granted(explanation) {
        lines.push(match entitlement {
            Some(entitlement) => format!(
                "can be asked for under `{}` as {}; {}",
                entitlement.id,
                kinds(entitlement).join(" or "),
                deciders(entitlement)
            ),
            None => "nobody can approve it: no entitlement covers it".to_owned(),
        });
    }
    if explanation.policies.is_empty() {
        lines.push("no policy is about this".to_owned());
        return lines.join("\n");
    }
    let rows = explanation.policies.iter().map(row).collect::<Vec<_>>();
    lines.push(String::new());
    lines.push(table::lines(&["POLICY", "EFFECT", "OUTCOME"], &rows));
    lines.join("\n")
}

fn row(policy: &Considered) -> Vec<String> {
    let (word, detail) = outcome(&policy.outcome);
    let told = match detail {
        Some(detail) => format!("{word}: {detail}"),
        None => word.to_owned(),
    };
    vec![policy.id.clone(), effect(policy).to_owned(), told]
}

fn effect(policy: &Considered) -> &'static str {
    match (policy.permits, policy.asks_for_approval) {
        (true, _) => "permit",
        (false, true) => "ask",
        (false, false) => "forbid",
    }
}

/// A word for what came of a policy, and the condition or mistake.
fn outcome(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Applies => ("applies", None),
        Outcome::Elsewhere => ("about others", None),
        Outcome::Unmet(condition) => ("not met", Some(condition)),
        Outcome::Depends(condition) => ("depends on arguments", Some(condition)),
        Outcome::Fails(error) => ("fails", Some(error)),
    }
}

fn kinds(entitlement: &Entitlement) -> Vec<&'static str> {
    entitlement.kinds.iter().map(|kind| kind.as_str()).collect()
}

fn deciders(entitlement: &Entitlement) -> String {
    let stages: Vec<_> = entitlement.stages.iter().map(stage).collect();
    match stages.is_empty() {
        true => "rules decide, and nobody else".to_owned(),
        false => format!("decided by {}", stages.join(", then ")),
    }
}

fn stage(stage: &Stage) -> String {
    let need = match stage.need {
        Need::Any => "one of".to_owned(),
        Need::N(number) => format!("{number} of"),
        Need::All => "all of".to_owned(),
    };
    format!("{need} {}", people(stage).join(", "))
}

fn people(stage: &Stage) -> Vec<String> {
    let people = stage.users.iter().map(ToString::to_string);
    let groups = stage.groups.iter().map(|group| format!("group {group}"));
    people.chain(groups).collect()
}

fn document(explanation: &Explanation, entitlement: Option<&Entitlement>) -> Value {
    let policies: Vec<_> = explanation
        .policies
        .iter()
        .map(|policy| {
            let (word, detail) = outcome(&policy.outcome);
            json!({"id": policy.id, "effect": effect(policy), "outcome": word, "detail": detail})
        })
        .collect();
    let error = match &explanation.said {
        Said::Failed(error) => Some(error),
        _ => None,
    };
    json!({
        "decision": explanation.said.word(),
        "by": explanation.by,
        "error": error,
        "needs_approval_by": explanation.approval,
        "policies": policies,
        "can_be_asked_for": entitlement.map(|entitlement| json!({
            "entitlement": entitlement.id.as_str(),
            "kinds": kinds(entitlement),
            "stages": entitlement.stages.iter().map(people).collect::<Vec<_>>(),
            "decided": deciders(entitlement),
        })),
    })
}
