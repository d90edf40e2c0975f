//! An entry as the body of a line.

use std::sync::Arc;

use aws_lc_rs::digest;
use cardea_domain::{Denial, KeyBinding, Principal};

use crate::{
    entry::{Access, Decision, Entry, Person, Response},
    json::{is_json, len_u64, push_hex, push_i64, push_raw, push_str, push_time, push_u64},
};

#[cfg(test)]
mod tests;

/// The longest text member; the longest that the domain allows is a resource's URI.
const TEXT_BYTES_MAX: usize = 4096;
/// The longest client description that is kept: name, version, title, icons by reference.
const CLIENT_BYTES_MAX: usize = 1024;
/// The longest JSON-RPC id that is kept.
const ID_BYTES_MAX: usize = 256;
/// The most policies that are named as determining one decision.
const POLICIES_MAX: usize = 32;
/// The most groups, roles and methods of a login that are named.
const NAMES_MAX: usize = 32;

/// Appends the body of the entry's line: everything between `prev` and `hash`.
pub(crate) fn push_body(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    unix_us: u64,
    arguments_bytes_max: usize,
) {
    out.extend_from_slice(b",\"time\":\"");
    push_time(out, unix_us);
    out.push(b'"');
    word(out, ",\"kind\":", entry.kind.as_str());
    if !entry.call.is_empty() {
        text(out, ",\"call\":", Some(entry.call));
    }
    if let Some(principal) = entry.principal {
        push_principal(out, principal);
    }
    if let Some(person) = entry.person {
        push_person(out, person);
    }
    text(out, ",\"model\":", entry.model);
    if let Some(client) = entry.client {
        out.extend_from_slice(b",\"client\":");
        push_bounded_json(out, client, CLIENT_BYTES_MAX);
    }
    if let Some(peer) = entry.peer {
        push_display(out, ",\"peer\":", &peer);
    }
    if let Some(upstream) = entry.upstream {
        word(out, ",\"upstream\":", upstream.as_str());
    }
    text(out, ",\"version\":", entry.version);
    text(out, ",\"era\":", entry.era);
    if !entry.method.is_empty() {
        text(out, ",\"method\":", Some(entry.method));
    }
    if let Some(action) = entry.action {
        word(out, ",\"action\":", action.as_str());
    }
    if let Some(target) = entry.target {
        word(out, ",\"target\":{\"kind\":", target.kind());
        text(out, ",\"name\":", target.name());
        out.push(b'}');
    }
    if let Some(id) = entry.id {
        out.extend_from_slice(b",\"id\":");
        push_bounded_json(out, id, ID_BYTES_MAX);
    }
    if let Some(arguments) = entry.arguments {
        push_arguments(out, arguments, arguments_bytes_max);
    }
    if let Some(decision) = &entry.decision {
        push_decision(out, decision);
    }
    if let Some(access) = &entry.access {
        push_access(out, access);
    }
    if let Some(denial) = entry.denial {
        push_denial(out, denial);
    }
    if let Some(response) = &entry.response {
        push_response(out, response);
    }
    push_timings(out, entry);
    if let Some(trace_id) = entry.trace_id {
        out.extend_from_slice(b",\"trace\":\"");
        push_hex(out, &trace_id);
        out.push(b'"');
    }
    if let Some(event) = entry.event {
        text(out, ",\"event\":{\"name\":", Some(event));
        text(out, ",\"detail\":", entry.detail);
        out.push(b'}');
    }
}

fn push_principal(out: &mut Vec<u8>, principal: &Principal) {
    word(out, ",\"tenant\":", principal.tenant.as_str());
    text(out, ",\"subject\":", Some(principal.subject.as_str()));
    text(out, ",\"actor\":", Some(principal.actor.as_str()));
    text(out, ",\"run\":", Some(principal.run.as_str()));
    word(out, ",\"run_source\":", principal.run_source.as_str());
    push_binding(out, &principal.binding);
    push_standing(out, principal);
    text(out, ",\"task\":", principal.task.as_deref());
}

/// The thumbprints of the keys that the token is bound to; nothing when it is bound to none.
/// What policies may have looked at besides.
fn push_standing(out: &mut Vec<u8>, principal: &Principal) {
    let standing = &principal.standing;
    push_names(out, "groups", &principal.groups);
    push_names(out, "roles", &standing.roles);
    text(out, ",\"acr\":", standing.acr.as_deref());
    push_names(out, "amr", &standing.amr);
    if let Some(at_s) = standing.auth_time_s {
        out.extend_from_slice(b",\"auth_time\":");
        push_u64(out, at_s);
    }
}

/// Nothing where there are none.
fn push_names(out: &mut Vec<u8>, member: &str, names: &[Arc<str>]) {
    for (n, name) in names.iter().take(NAMES_MAX).enumerate() {
        match n {
            0 => out.extend_from_slice(format!(",\"{member}\":[").as_bytes()),
            _ => out.push(b','),
        }
        push_str(out, name, TEXT_BYTES_MAX);
    }
    if !names.is_empty() {
        out.push(b']');
    }
    let more = names.len().saturating_sub(NAMES_MAX);
    if more > 0 {
        out.extend_from_slice(format!(",\"{member}_left_off\":").as_bytes());
        push_u64(out, len_u64(more));
    }
}

fn push_binding(out: &mut Vec<u8>, binding: &KeyBinding) {
    let keys = [
        ("\"dpop\":", binding.dpop),
        ("\"certificate\":", binding.certificate),
    ];
    let mut before = ",\"binding\":{";
    for (name, thumbprint) in keys {
        let Some(thumbprint) = thumbprint else {
            continue;
        };
        out.extend_from_slice(before.as_bytes());
        push_display(out, name, &thumbprint);
        before = ",";
    }
    if !binding.is_none() {
        out.push(b'}');
    }
}

fn push_person(out: &mut Vec<u8>, person: Person<'_>) {
    word(out, ",\"tenant\":", person.tenant.as_str());
    text(out, ",\"subject\":", Some(person.subject.as_str()));
    text(out, ",\"actor\":", person.actor);
    text(out, ",\"run\":", person.run);
}

/// `{"bytes":N,"sha256":"…"}`, and the arguments as `json` when they are not too long, or as
/// `text` when they are not JSON.
fn push_arguments(out: &mut Vec<u8>, arguments: &str, bytes_max: usize) {
    out.extend_from_slice(b",\"arguments\":{\"bytes\":");
    push_u64(out, len_u64(arguments.len()));
    out.extend_from_slice(b",\"sha256\":\"");
    let digest = digest::digest(&digest::SHA256, arguments.as_bytes());
    push_hex(out, digest.as_ref());
    out.push(b'"');
    if arguments.len() <= bytes_max {
        if is_json(arguments) {
            out.extend_from_slice(b",\"json\":");
            push_raw(out, arguments);
        } else {
            text(out, ",\"text\":", Some(arguments));
        }
    }
    out.push(b'}');
}

fn push_decision(out: &mut Vec<u8>, decision: &Decision<'_>) {
    word(out, ",\"decision\":{\"effect\":", decision.effect.as_str());
    out.extend_from_slice(b",\"policies\":[");
    for (at, policy) in decision.policies.iter().take(POLICIES_MAX).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_str(out, policy, TEXT_BYTES_MAX);
    }
    out.push(b']');
    let left_off = decision.policies.len().saturating_sub(POLICIES_MAX);
    if left_off > 0 {
        number(out, ",\"policies_left_off\":", Some(len_u64(left_off)));
    }
    number(out, ",\"epoch\":", Some(decision.epoch));
    out.push(b'}');
}

fn push_access(out: &mut Vec<u8>, access: &Access<'_>) {
    let members = [
        ("\"entitlement\":", access.entitlement),
        ("\"request\":", access.request),
        ("\"grant\":", access.grant),
    ];
    out.extend_from_slice(b",\"access\":{");
    let mut comma = "";
    for (name, value) in members {
        if value.is_some() {
            text(out, &format!("{comma}{name}"), value);
            comma = ",";
        }
    }
    out.push(b'}');
}

fn push_denial(out: &mut Vec<u8>, denial: &Denial) {
    word(out, ",\"denial\":{\"code\":", denial.code.as_str());
    text(out, ",\"message\":", Some(&denial.message));
    text(out, ",\"detail\":", denial.detail.as_deref());
    out.push(b'}');
}

fn push_response(out: &mut Vec<u8>, response: &Response<'_>) {
    text(out, ",\"response\":{\"outcome\":", Some(response.word));
    if response.status != 0 {
        number(out, ",\"status\":", Some(u64::from(response.status)));
    }
    number(out, ",\"bytes\":", Some(len_u64(response.bytes)));
    if let Some(code) = response.rpc_code {
        out.extend_from_slice(b",\"rpc_code\":");
        push_i64(out, code);
    }
    if response.is_error {
        out.extend_from_slice(b",\"is_error\":true");
    }
    if response.events > 0 {
        number(out, ",\"events\":", Some(len_u64(response.events)));
    }
    for (member, count) in [
        (",\"hidden\":", response.hidden),
        (",\"rows_foreign\":", response.rows_foreign),
        (",\"rows_unlabelled\":", response.rows_unlabelled),
        (",\"blocks_untyped\":", response.blocks_untyped),
        (",\"held_back\":", response.held_back),
    ] {
        if count > 0 {
            number(out, member, Some(len_u64(count)));
        }
    }
    out.push(b'}');
}

fn push_timings(out: &mut Vec<u8>, entry: &Entry<'_>) {
    number(out, ",\"total_us\":", entry.total_us);
    number(out, ",\"upstream_us\":", entry.upstream_us);
    number(out, ",\"decision_us\":", entry.decision_us);
}

/// JSON text within bounds; text that is not JSON becomes a string.
fn push_bounded_json(out: &mut Vec<u8>, json: &str, bytes_max: usize) {
    if json.len() <= bytes_max && is_json(json) {
        push_raw(out, json);
    } else {
        push_str(out, json, bytes_max);
    }
}

fn text(out: &mut Vec<u8>, member: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(member.as_bytes());
        push_str(out, value, TEXT_BYTES_MAX);
    }
}

/// A text of the gateway's own, which needs no escapes.
fn word(out: &mut Vec<u8>, member: &str, value: &str) {
    out.extend_from_slice(member.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, member: &str, value: Option<u64>) {
    if let Some(value) = value {
        out.extend_from_slice(member.as_bytes());
        push_u64(out, value);
    }
}

/// A value whose display text needs no escapes.
fn push_display(out: &mut Vec<u8>, member: &str, value: &impl std::fmt::Display) {
    use std::io::Write;
    out.extend_from_slice(member.as_bytes());
    out.push(b'"');
    // Writing to a `Vec` does not fail.
    let _ = write!(out, "{value}");
    out.push(b'"');
}
