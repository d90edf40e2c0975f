//! From claims to a tenant, a subject, an actor.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cardea_domain::{ActorId, Code, Denial, KeyBinding, RunId, Standing, SubjectId, TenantId};
use serde_json::Value;

use crate::binding::confirmation;

/// Where an issuer's tokens carry what; JSON Pointers (RFC 6901) into the claims.
#[derive(Debug, Clone)]
pub struct ClaimPaths {
    /// The person.
    pub subject: String,
    /// The agent: the first pointer that leads to a string.
    pub actor: Vec<String>,
    /// Group names: an array of strings, or one string.
    pub groups: Option<String>,
}

impl Default for ClaimPaths {
    /// RFC 9068 and RFC 8693: `sub`; `act.sub`, else `client_id`, else `azp`.
    fn default() -> Self {
        Self {
            subject: "/sub".into(),
            actor: vec!["/act/sub".into(), "/client_id".into(), "/azp".into()],
            groups: None,
        }
    }
}

/// How a token's tenant is found.
#[derive(Debug, Clone)]
pub enum TenantRule {
    /// Every token of the issuer belongs to one tenant.
    Fixed(TenantId),
    /// A claim names the tenant.
    Claim {
        /// JSON Pointer to the claim.
        pointer: String,
        /// Claim values and their tenants; values that are not listed are refused.
        tenants: BTreeMap<String, TenantId>,
    },
}

/// The claims as far as the gateway uses them.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub(crate) tenant: TenantId,
    pub(crate) subject: SubjectId,
    pub(crate) actor: ActorId,
    /// Everybody else in `act`, and other names of the agent.
    pub(crate) chain: Arc<[ActorId]>,
    pub(crate) groups: Arc<[Arc<str>]>,
    pub(crate) session: Option<RunId>,
    pub(crate) task: Option<Arc<str>>,
    pub(crate) audiences: Vec<String>,
    pub(crate) scopes: Vec<String>,
    /// The keys without which the token is worth nothing.
    pub(crate) binding: KeyBinding,
    pub(crate) expires_s: u64,
    pub(crate) token_id: Option<Arc<str>>,
    /// Roles, and how the person logged in; no time of it where nobody did.
    pub(crate) standing: Arc<Standing>,
}

/// Clocks of issuer and gateway may differ by this much when a token is brand new. Nothing is
/// added to an expiry: a token ends when it says.
const CLOCK_SKEW_S: u64 = 60;

/// Delegations behind one token; more is a loop, or somebody who wants to be overlooked.
const ACT_DEPTH_MAX: usize = 8;

/// A declared task is context for people, not a document.
const TASK_BYTES_MAX: usize = 2048;

/// Group lists are capped by issuers at about 200 (`groups` overage); more is a mistake.
const GROUPS_MAX: usize = 512;

/// Methods of one login (RFC 8176 has 21); more is a mistake.
const METHODS_MAX: usize = 64;

impl Claims {
    /// Reads and checks the claims of a token whose signature is good.
    pub(crate) fn read(
        claims: &Value,
        tenant: TenantId,
        paths: &ClaimPaths,
        now_s: u64,
    ) -> Result<Self, Denial> {
        let expires_s = seconds(claims, "exp")?.ok_or_else(|| invalid("`exp` is missing"))?;
        if now_s >= expires_s {
            return Err(expired(now_s - expires_s));
        }
        if seconds(claims, "nbf")?.is_some_and(|nbf| nbf > now_s + CLOCK_SKEW_S) {
            return Err(invalid("`nbf` is in the future"));
        }
        if seconds(claims, "iat")?.is_some_and(|iat| iat > now_s + CLOCK_SKEW_S) {
            return Err(invalid("`iat` is in the future"));
        }
        let subject = string(claims, &paths.subject)
            .ok_or_else(|| invalid(format!("no string at `{}` (subject)", paths.subject)))?;
        let actor = paths
            .actor
            .iter()
            .find_map(|path| string(claims, path))
            .ok_or_else(|| invalid(format!("no string at {} (actor)", paths.actor.join(", "))))?;
        let actor = ActorId::parse(actor).map_err(invalid)?;
        Ok(Self {
            tenant,
            subject: SubjectId::parse(subject).map_err(invalid)?,
            chain: chain(claims, paths, &actor)?,
            actor,
            groups: groups(claims, paths.groups.as_deref())?,
            session: string(claims, "/sid")
                .map(RunId::parse)
                .transpose()
                .map_err(invalid)?,
            task: string(claims, "/task")
                .filter(|task| task.len() <= TASK_BYTES_MAX)
                .map(Arc::from),
            audiences: strings(claims.get("aud")),
            scopes: string(claims, "/scope")
                .map(|s| s.split(' ').map(str::to_owned).collect())
                .unwrap_or_default(),
            binding: confirmation(claims)?,
            expires_s,
            token_id: string(claims, "/jti").map(Arc::from),
            standing: Arc::new(standing(claims)?),
        })
    }
}

/// Who else acts than `actor`: what the other pointers to an agent lead to, and the chain of `act`.
///
/// # Source
/// RFC 8693 section 4.1: the outermost actor is the current one, those within it came before.
fn chain(claims: &Value, paths: &ClaimPaths, actor: &ActorId) -> Result<Arc<[ActorId]>, Denial> {
    let mut names: Vec<_> = paths
        .actor
        .iter()
        .filter_map(|p| string(claims, p))
        .collect();
    let mut act = acting(claims);
    for _ in 0..ACT_DEPTH_MAX {
        let Some(of) = act else { break };
        let before = names.len();
        names.extend(["/sub", "/client_id"].iter().filter_map(|p| string(of, p)));
        if names.len() == before {
            return Err(invalid("an actor in `act` has no name"));
        }
        act = acting(of);
    }
    if act.is_some() {
        return Err(invalid(format!(
            "more than {ACT_DEPTH_MAX} actors in `act`"
        )));
    }
    let mut chain = Vec::new();
    for name in names {
        let name = ActorId::parse(name).map_err(invalid)?;
        if name != *actor && !chain.contains(&name) {
            chain.push(name);
        }
    }
    Ok(chain.into())
}

/// Who acts for whom the claims are of.
fn acting(claims: &Value) -> Option<&Value> {
    claims.get("act").filter(|act| !act.is_null())
}

/// Why claims do not name a tenant by a rule.
pub(crate) enum Mismatch {
    /// They name none that the rule knows.
    Not(String),
    /// They name more than one: whoever is in two tenants is, with this token, in neither.
    Several(String),
}

/// The one tenant that the claims name by a rule. Of a list, the values that the rule does not
/// know do not count; two that it knows are one too many.
pub(crate) fn tenant_of(claims: &Value, rule: &TenantRule) -> Result<TenantId, Mismatch> {
    let (pointer, tenants) = match rule {
        TenantRule::Fixed(tenant) => return Ok(tenant.clone()),
        TenantRule::Claim { pointer, tenants } => (pointer, tenants),
    };
    let is_text = |value: &Value| value.is_string();
    let values = match claims.pointer(pointer) {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) if many.iter().all(is_text) => {
            many.iter().filter_map(Value::as_str).collect()
        }
        _ => {
            return Err(Mismatch::Not(format!("no string at `{pointer}` (tenant)")));
        }
    };
    let known: BTreeSet<&TenantId> = values.iter().filter_map(|v| tenants.get(*v)).collect();
    let mut known = known.into_iter();
    match (known.next(), known.next()) {
        (Some(tenant), None) => Ok(tenant.clone()),
        (None, _) => Err(Mismatch::Not(format!(
            "`{}` at `{pointer}` is not a known tenant",
            values.join(", ").escape_debug()
        ))),
        (Some(one), Some(other)) => Err(Mismatch::Several(format!(
            "more than one tenant at `{pointer}`: `{one}` and `{other}`"
        ))),
    }
}

pub(crate) fn groups(claims: &Value, path: Option<&str>) -> Result<Arc<[Arc<str>]>, Denial> {
    if path.is_some_and(|path| leaves_out(claims, path)) {
        return Err(invalid(
            "the person's groups are not in the token but elsewhere, since there are too many",
        )
        .help("have the issuer put in only the groups that are assigned to this application"));
    }
    let names = path.and_then(|path| claims.pointer(path));
    sorted(names, GROUPS_MAX, "groups")
}

/// # Source
/// RFC 9068 section 2.2.1 for `acr`, `amr` and `auth_time`, section 2.2.3.1 for `roles`.
fn standing(claims: &Value) -> Result<Standing, Denial> {
    Ok(Standing {
        roles: sorted(claims.get("roles"), GROUPS_MAX, "roles")?,
        acr: string(claims, "/acr").map(Arc::from),
        amr: sorted(claims.get("amr"), METHODS_MAX, "methods in `amr`")?,
        auth_time_s: claims.get("auth_time").and_then(Value::as_u64),
    })
}

fn sorted(names: Option<&Value>, max: usize, what: &str) -> Result<Arc<[Arc<str>]>, Denial> {
    let mut names = strings(names);
    if names.len() > max {
        return Err(invalid(format!("more than {max} {what}")));
    }
    names.sort();
    names.dedup();
    Ok(names.into_iter().map(Arc::from).collect())
}

/// Whether a token says that its groups are to be fetched from elsewhere. Taken for none, whatever holds for the members of a
/// group would not hold.
///
/// # Source
/// OpenID Connect Core 1.0, section 5.6.2 (`_claim_names`); Microsoft Entra, groups overage claim (`hasgroups`).
fn leaves_out(claims: &Value, path: &str) -> bool {
    let name = path.split('/').nth(1).unwrap_or_default();
    let elsewhere = claims.get("_claim_names").and_then(|all| all.get(name));
    elsewhere.is_some() || claims.get("hasgroups").is_some_and(|is| *is == true)
}

/// A NumericDate (RFC 7519, section 2), rounded down, which ends a token early rather than late.
pub(crate) fn seconds(claims: &Value, name: &str) -> Result<Option<u64>, Denial> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let whole = value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|s| *s >= 0.0 && *s < 1e15)
            .map(|s| s as u64)
    });
    match whole {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(invalid(format!("`{name}` is not a time"))),
    }
}

pub(crate) fn string<'a>(claims: &'a Value, pointer: &str) -> Option<&'a str> {
    claims.pointer(pointer).and_then(Value::as_str)
}

pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// The one external text for every token that is not acceptable; only the record says why.
pub(crate) fn invalid(detail: impl std::fmt::Display) -> Denial {
    Denial::new(Code::TokenInvalid, "the access token is not valid here")
        .help("get a new access token for this resource")
        .detail(detail)
}

/// Nothing is said against the token: a client that took this for the end of it would send its person to log in again. Of an
/// issuer that is not `advertised` the text is that of one that nobody knows.
pub(crate) fn unreachable(issuer: &str, advertised: bool) -> Denial {
    let detail = format!("the keys of `{issuer}` cannot be had");
    if !advertised {
        return invalid(detail);
    }
    Denial::new(
        Code::IssuerUnreachable,
        "the access token cannot be checked now",
    )
    .help("keep it, and try again in a moment")
    .detail(detail)
}

pub(crate) fn expired(ago_s: u64) -> Denial {
    Denial::new(Code::TokenExpired, "the access token has expired")
        .help("get a new access token")
        .detail(format!("expired {ago_s} s ago"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn read(more: &Value) -> Result<Claims, Denial> {
        let mut claims = json!({ "sub": "ada", "client_id": "bot", "exp": NOW_S + 60 });
        for (key, value) in more.as_object().unwrap() {
            claims[key] = value.clone();
        }
        let tenant = TenantId::parse("acme").unwrap();
        Claims::read(&claims, tenant, &ClaimPaths::default(), NOW_S)
    }

    #[test]
    fn everybody_who_acts_is_known_by_name() {
        let nested =
            json!({ "sub": "outer", "act": { "sub": "inner", "act": { "client_id": "first" } } });
        for (claims, actor, chain) in [
            (json!({}), "bot", &[][..]),
            (json!({ "azp": "bot" }), "bot", &[]),
            (json!({ "azp": "other" }), "bot", &["other"]),
            (json!({ "act": { "sub": "bot" } }), "bot", &[]),
            (
                json!({ "act": nested }),
                "outer",
                &["bot", "inner", "first"],
            ),
            (
                json!({ "act": { "sub": "bot", "act": { "sub": "ada" } } }),
                "bot",
                &["ada"],
            ),
        ] {
            let read = read(&claims).unwrap();
            let names: Vec<_> = read.chain.iter().map(ActorId::as_str).collect();
            assert_eq!(
                (read.actor.as_str(), &names[..]),
                (actor, chain),
                "{claims}"
            );
        }
    }

    #[test]
    fn groups_that_are_elsewhere_are_not_taken_for_none() {
        for claims in [
            json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": {} }),
            json!({ "hasgroups": true }),
            json!({ "hasgroups": true, "groups": ["a"] }),
        ] {
            assert!(groups(&claims, Some("/groups")).is_err(), "{claims}");
            assert!(groups(&claims, None).is_ok(), "nobody asks for them");
        }
        for claims in [
            json!({ "_claim_names": { "email": "src1" }, "groups": ["a"] }),
            json!({ "hasgroups": false }),
            json!({}),
        ] {
            assert!(groups(&claims, Some("/groups")).is_ok(), "{claims}");
        }
    }

    #[test]
    fn a_chain_with_somebody_unnamed_or_without_end_is_refused() {
        let deep = (0..ACT_DEPTH_MAX).fold(
            json!({ "sub": "x" }),
            |inner, _| json!({ "sub": "x", "act": inner }),
        );
        for act in [
            json!("bot"),
            json!({}),
            json!({ "sub": 7 }),
            json!({ "sub": "bot", "act": { "iss": "https://elsewhere.example" } }),
            json!({ "sub": "bot", "act": { "sub": "" } }),
            deep,
        ] {
            let refused = read(&json!({ "act": act })).unwrap_err();
            assert_eq!(refused.code, Code::TokenInvalid, "{act}");
        }
    }
}
