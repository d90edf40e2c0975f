//! Requests, decisions and grants as the store keeps them: columns for what is looked for, JSON for
//! the rest.

use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, GrantId, KeyBinding, PromptName, RequestId, ResourceUri, RunSource, SubjectId,
    Target, Thumbprint, ToolName,
};
use cardea_store::{ApprovalRow, GrantRow, RequestRow, StoreError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    EndReason, Grant,
    request::{AccessRequest, Approval, DecidedBy, Owned, Reason, RequestState, Verdict},
    terms::{Narrowing, Terms},
};

#[derive(Serialize, Deserialize)]
struct RequestRecord {
    groups: Vec<String>,
    run: Option<cardea_domain::RunId>,
    #[serde(default)]
    run_source: Option<String>,
    binding: Option<Keys>,
    chain: Vec<ActorId>,
    owners: Vec<SubjectId>,
    #[serde(default)]
    owner_groups: Vec<String>,
    action: String,
    arguments: Option<String>,
    arguments_digest: String,
    constraint: Option<Value>,
    tool_digest: Option<String>,
    policies: String,
    terms: Terms,
    reason: Option<Reason>,
    #[serde(default)]
    justification: Option<Reason>,
    ticket: Option<String>,
    model: Option<String>,
    client: Option<String>,
    extends: Option<GrantId>,
}

#[derive(Serialize, Deserialize)]
struct ApprovalRecord {
    by: DecidedBy,
    #[serde(default)]
    program: Option<ActorId>,
    groups: Vec<String>,
    verdict: Verdict,
    reason: Option<String>,
    narrowing: Narrowing,
}

#[derive(Serialize, Deserialize)]
struct GrantRecord {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    chain: Vec<ActorId>,
    #[serde(default)]
    run_source: Option<String>,
    binding: Option<Keys>,
    action: String,
    terms: Terms,
    constraints: Vec<Value>,
    arguments_digest: Option<String>,
    tool_digest: Option<String>,
    policies: String,
    approved_by: Vec<DecidedBy>,
    reason: Option<Reason>,
    ticket: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Keys {
    dpop: Option<String>,
    certificate: Option<String>,
}

pub(crate) fn request_row(request: &AccessRequest) -> Result<RequestRow, StoreError> {
    let record = RequestRecord {
        groups: request.groups.iter().map(|g| g.to_string()).collect(),
        run: request.run.clone(),
        run_source: request.run_source.map(|source| source.as_str().to_owned()),
        binding: request.binding.as_ref().map(Keys::of),
        chain: request.chain.clone(),
        owners: request.owners.subjects.clone(),
        owner_groups: request.owners.groups.clone(),
        action: request.action.as_str().to_owned(),
        arguments: request.arguments.clone(),
        arguments_digest: digest(request.arguments_digest),
        constraint: request.constraint.clone(),
        tool_digest: request.tool_digest.map(digest),
        policies: digest(request.policies),
        terms: request.terms.clone(),
        reason: request.reason.clone(),
        justification: request.justification.clone(),
        ticket: request.ticket.clone(),
        model: request.model.clone(),
        client: request.client.clone(),
        extends: request.extends.clone(),
    };
    Ok(RequestRow {
        request: request.id.clone(),
        state: request.state.as_str().to_owned(),
        entitlement: request.entitlement.clone(),
        subject: request.subject.clone(),
        actor: request.actor.clone(),
        upstream: request.upstream.clone(),
        target: target(&request.target),
        record: write(&record)?,
        grant: request.state.grant().cloned(),
        created_ms: request.created_ms,
        expires_ms: request.expires_ms,
    })
}

pub(crate) fn request(
    row: RequestRow,
    approvals: Vec<ApprovalRow>,
) -> Result<AccessRequest, StoreError> {
    let record: RequestRecord = read(&row.record)?;
    let state = match (row.state.as_str(), row.grant) {
        ("pending", _) => RequestState::Pending,
        ("approved", Some(grant)) => RequestState::Approved(grant),
        ("refused", _) => RequestState::Refused,
        ("expired", _) => RequestState::Expired,
        ("cancelled", _) => RequestState::Cancelled,
        ("void", _) => RequestState::Void,
        (other, _) => return Err(corrupt(format!("a request is `{other}`"))),
    };
    Ok(AccessRequest {
        id: row.request,
        entitlement: row.entitlement,
        subject: row.subject,
        groups: record.groups.into_iter().map(Arc::from).collect(),
        actor: row.actor,
        run_source: source(record.run.is_some(), record.run_source)?,
        run: record.run,
        binding: record.binding.map(Keys::binding).transpose()?,
        chain: record.chain,
        owners: Owned {
            subjects: record.owners,
            groups: record.owner_groups,
        },
        action: parse_action(&record.action)?,
        upstream: row.upstream,
        target: parse_target(&row.target)?,
        arguments: record.arguments,
        arguments_digest: parse_digest(&record.arguments_digest)?,
        constraint: record.constraint,
        tool_digest: record
            .tool_digest
            .as_deref()
            .map(parse_digest)
            .transpose()?,
        policies: parse_digest(&record.policies)?,
        terms: record.terms,
        reason: record.reason,
        justification: record.justification,
        ticket: record.ticket,
        model: record.model,
        client: record.client,
        extends: record.extends,
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        state,
        approvals: approvals
            .into_iter()
            .map(approval)
            .collect::<Result<_, _>>()?,
    })
}

pub(crate) fn approval_row(
    request: &RequestId,
    position: usize,
    approval: &Approval,
) -> Result<ApprovalRow, StoreError> {
    let record = ApprovalRecord {
        by: approval.by.clone(),
        program: approval.program.clone(),
        groups: approval.groups.clone(),
        verdict: approval.verdict,
        reason: approval.reason.clone(),
        narrowing: approval.narrowing.clone(),
    };
    Ok(ApprovalRow {
        request: request.clone(),
        approver: approval.by.to_string(),
        position: u64::try_from(position).unwrap_or(u64::MAX),
        record: write(&record)?,
        decided_ms: approval.decided_ms,
    })
}

fn approval(row: ApprovalRow) -> Result<Approval, StoreError> {
    let record: ApprovalRecord = read(&row.record)?;
    Ok(Approval {
        by: record.by,
        program: record.program,
        groups: record.groups,
        verdict: record.verdict,
        reason: record.reason,
        narrowing: record.narrowing,
        decided_ms: row.decided_ms,
    })
}

pub(crate) fn grant_row(grant: &Grant) -> Result<GrantRow, StoreError> {
    let record = GrantRecord {
        groups: grant.groups.iter().map(|g| g.to_string()).collect(),
        chain: grant.chain.clone(),
        run_source: grant.run_source.map(|source| source.as_str().to_owned()),
        binding: grant.binding.as_ref().map(Keys::of),
        action: grant.action.as_str().to_owned(),
        terms: grant.terms.clone(),
        constraints: grant.constraints.clone(),
        arguments_digest: grant.arguments_digest.map(digest),
        tool_digest: grant.tool_digest.map(digest),
        policies: digest(grant.policies),
        approved_by: grant.approved_by.clone(),
        reason: grant.reason.clone(),
        ticket: grant.ticket.clone(),
    };
    Ok(GrantRow {
        grant: grant.id.clone(),
        request: grant.request.clone(),
        entitlement: grant.entitlement.clone(),
        subject: grant.subject.clone(),
        actor: grant.actor.clone(),
        run: grant.run.clone(),
        upstream: grant.upstream.clone(),
        target: target(&grant.target),
        record: write(&record)?,
        calls_max: grant.terms.calls_max,
        calls_used: grant.calls_used,
        bytes_max: grant.terms.bytes_max,
        bytes_used: grant.bytes_used,
        open_calls: 0,
        starts_ms: grant.starts_ms,
        expires_ms: grant.expires_ms,
        ended_ms: grant.ended.map(|(at, _)| at),
        end_reason: grant.ended.map(|(_, reason)| reason.as_str().to_owned()),
    })
}

pub(crate) fn grant(row: GrantRow) -> Result<Grant, StoreError> {
    let record: GrantRecord = read(&row.record)?;
    let ended = match (row.ended_ms, row.end_reason.as_deref()) {
        (None, _) => None,
        (Some(at), reason) => {
            let reason = reason.and_then(EndReason::parse);
            Some((
                at,
                reason.ok_or_else(|| corrupt("a grant ended for no reason"))?,
            ))
        }
    };
    Ok(Grant {
        id: row.grant,
        request: row.request,
        entitlement: row.entitlement,
        subject: row.subject,
        groups: record.groups.into_iter().map(Arc::from).collect(),
        actor: row.actor,
        chain: record.chain,
        run_source: source(row.run.is_some(), record.run_source)?,
        run: row.run,
        binding: record.binding.map(Keys::binding).transpose()?,
        action: parse_action(&record.action)?,
        upstream: row.upstream,
        target: parse_target(&row.target)?,
        terms: record.terms,
        constraints: record.constraints,
        arguments_digest: record
            .arguments_digest
            .as_deref()
            .map(parse_digest)
            .transpose()?,
        tool_digest: record
            .tool_digest
            .as_deref()
            .map(parse_digest)
            .transpose()?,
        policies: parse_digest(&record.policies)?,
        approved_by: record.approved_by,
        reason: record.reason,
        ticket: record.ticket,
        starts_ms: row.starts_ms,
        expires_ms: row.expires_ms,
        calls_used: row.calls_used,
        bytes_used: row.bytes_used,
        ended,
    })
}

impl Keys {
    fn of(binding: &KeyBinding) -> Self {
        Self {
            dpop: binding.dpop.map(|key| key.to_string()),
            certificate: binding.certificate.map(|key| key.to_string()),
        }
    }

    fn binding(self) -> Result<KeyBinding, StoreError> {
        let key = |text: Option<String>| match text {
            None => Ok(None),
            Some(text) => Thumbprint::parse(&text)
                .map(Some)
                .ok_or_else(|| corrupt("a key is no thumbprint")),
        };
        Ok(KeyBinding {
            dpop: key(self.dpop)?,
            certificate: key(self.certificate)?,
        })
    }
}

/// What names a run; where it was not written down, the strongest, which the others are not.
fn source(has_run: bool, text: Option<String>) -> Result<Option<RunSource>, StoreError> {
    let Some(text) = text else {
        return Ok(has_run.then_some(RunSource::Token));
    };
    let mut all = RunSource::ALL.into_iter();
    let source = all.find(|source| source.as_str() == text);
    Ok(Some(source.ok_or_else(|| {
        corrupt(format!("`{text}` names no run"))
    })?))
}

/// A kind and a name: `Tool read_file`.
pub(crate) fn target(target: &Target) -> String {
    format!("{} {}", target.kind(), target.name().unwrap_or_default())
}

/// Everything of this name that can be granted.
pub(crate) fn targets(name: &str) -> Vec<String> {
    let kinds = ["Tool", "Resource", "Prompt"];
    kinds.map(|kind| format!("{kind} {name}")).to_vec()
}

fn parse_target(text: &str) -> Result<Target, StoreError> {
    match text.split_once(' ') {
        Some(("Tool", name)) => Ok(Target::Tool(ToolName::parse(name)?)),
        Some(("Resource", uri)) => Ok(Target::Resource(ResourceUri::parse(uri)?)),
        Some(("Prompt", name)) => Ok(Target::Prompt(PromptName::parse(name)?)),
        _ => Err(corrupt(format!("`{text}` is nothing that can be granted"))),
    }
}

fn parse_action(text: &str) -> Result<Action, StoreError> {
    let mut all = Action::ALL.into_iter();
    all.find(|action| action.as_str() == text)
        .ok_or_else(|| corrupt(format!("`{text}` is no action")))
}

/// Spelt as thumbprints are.
fn digest(digest: [u8; 32]) -> String {
    Thumbprint::new(digest).to_string()
}

fn parse_digest(text: &str) -> Result<[u8; 32], StoreError> {
    let read = Thumbprint::parse(text).ok_or_else(|| corrupt("a digest is none"))?;
    Ok(*read.as_bytes())
}

fn write(record: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(corrupt)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(corrupt)
}

fn corrupt(what: impl ToString) -> StoreError {
    StoreError::Corrupt(what.to_string())
}
