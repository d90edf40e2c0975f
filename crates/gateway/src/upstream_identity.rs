//! Who calls, signed for the upstream: a short-lived token in the shape of a transaction token.
//!
//! It is a statement and no credential: it names one call, and the digest of its arguments, so
//! that a server that checks it need not believe the connection. It is of a type (`typ`) of its
//! own, which the gateway itself accepts nowhere.
//!
//! # Source
//! draft-ietf-oauth-transaction-tokens, sections 7 and 8: `typ`, `txn`, `sub`, `scope`, `tctx`,
//! `rctx`; RFC 8693 section 4.1: `act`; RFC 8785: the form that is digested.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Clock, Code, Denial, Principal, Target, UpstreamId};
use cardea_identity::SigningKeys;
use cardea_mcp::{Limits as JsonLimits, Message, canonical};
use http::HeaderName;
use serde::Serialize;

use crate::{facts::Facts, protocol::Dialect};

/// The media type of the token (`typ`).
const TYP: &str = "txntoken+jwt";

/// How one upstream is told who calls.
pub struct UpstreamIdentity {
    issuer: String,
    audience: String,
    ttl_s: u64,
    header: Option<HeaderName>,
    keys: Arc<SigningKeys>,
    clock: Clock,
}

/// The claims. Times in seconds since the Unix epoch.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    txn: &'a str,
    sub: &'a str,
    act: Act<'a>,
    scope: &'a str,
    tctx: TransactionContext<'a>,
    rctx: RequestContext<'a>,
}

#[derive(Serialize)]
struct Act<'a> {
    sub: &'a str,
}

/// What the call is about; what is not there does not apply.
#[derive(Serialize)]
struct TransactionContext<'a> {
    tenant: &'a str,
    upstream: &'a str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args_sha256: Option<String>,
    run: &'a str,
}

/// How the request came.
#[derive(Serialize)]
struct RequestContext<'a> {
    protocol: &'a str,
    run_source: &'a str,
}

impl UpstreamIdentity {
    /// Statements of `issuer` (the gateway's origin) for `audience`, good for `ttl`.
    #[must_use]
    pub fn new(
        issuer: String,
        audience: String,
        ttl: Duration,
        header: Option<HeaderName>,
        keys: Arc<SigningKeys>,
        clock: Clock,
    ) -> Self {
        Self {
            issuer,
            audience,
            ttl_s: ttl.as_secs(),
            header,
            keys,
            clock,
        }
    }

    /// The header that carries it besides the message.
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }

    /// A statement about this request.
    ///
    /// # Errors
    /// A denial when the arguments have no canonical form, or the library refuses to sign.
    pub(crate) fn sign(
        &self,
        principal: &Principal,
        upstream: &UpstreamId,
        dialect: Dialect,
        message: &Message,
        facts: &Facts,
        depth_max: usize,
    ) -> Result<String, Denial> {
        let named = |wanted: fn(&Target) -> bool| {
            let target = facts.target.as_ref().filter(|target| wanted(target));
            target.and_then(Target::name)
        };
        let now_s = self.clock.unix_s();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            iat: now_s,
            exp: now_s.saturating_add(self.ttl_s),
            txn: &facts.call,
            sub: principal.subject.as_str(),
            act: Act {
                sub: principal.actor.as_str(),
            },
            scope: facts.action.map_or("", |action| action.as_str()),
            tctx: TransactionContext {
                tenant: principal.tenant.as_str(),
                upstream: upstream.as_str(),
                method: message.method(),
                tool: named(|target| matches!(target, Target::Tool(_))),
                prompt: named(|target| matches!(target, Target::Prompt(_))),
                resource: named(|target| {
                    matches!(target, Target::Resource(_) | Target::Template(_))
                }),
                args_sha256: arguments_digest(message, depth_max)?,
                run: principal.run.as_str(),
            },
            rctx: RequestContext {
                protocol: dialect.version.as_str(),
                run_source: principal.run_source.as_str(),
            },
        };
        self.keys.sign(TYP, &claims).map_err(|error| {
            Denial::new(Code::Internal, "the call could not be signed").detail(error)
        })
    }
}

/// SHA-256 over the canonical form of `params.arguments`, in base64url; of `{}` where there are
/// none.
fn arguments_digest(message: &Message, depth_max: usize) -> Result<Option<String>, Denial> {
    if !matches!(message.method(), "tools/call" | "prompts/get") {
        return Ok(None);
    }
    let arguments = message.body("arguments").unwrap_or("{}");
    let limits = JsonLimits { depth_max };
    let canonical = canonical::canonical(arguments, &limits).map_err(|error| {
        Denial::new(
            Code::ParamsInvalid,
            format!("the arguments cannot be signed: {error}"),
        )
        .help("send whole numbers up to 2^53 - 1 and valid Unicode; larger numbers as texts")
    })?;
    let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
    Ok(Some(URL_SAFE_NO_PAD.encode(digest)))
}

impl fmt::Debug for UpstreamIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamIdentity")
            .field("audience", &self.audience)
            .field("ttl_s", &self.ttl_s)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
