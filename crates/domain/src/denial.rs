//! Every refusal is one type: a stable code, a text for the agent that leaks nothing, and a
//! detail for the record.

use std::{borrow::Cow, fmt};

/// Why a call was refused: stable, documented, safe to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// No token came with the request.
    TokenMissing,
    /// The token's form, signature, issuer, audience or claims are not acceptable.
    TokenInvalid,
    /// The token was good once.
    TokenExpired,
    /// The token is bound to a key that the request does not show, or to none where it shows one.
    TokenBinding,
    /// The tenant takes only tokens that are bound to a key.
    BindingRequired,
    /// There is no DPoP proof where one is needed, or it is not one for this request.
    ProofInvalid,
    /// The DPoP proof has to carry a nonce of the gateway's.
    ProofNonce,
    /// The token is good, but its scope does not cover this gateway.
    ScopeInsufficient,
    /// The `Origin` header names a site that may not use this gateway.
    OriginForbidden,
    /// The `Host` header names a host that this gateway is not.
    HostForbidden,
    /// A header that only a trusted proxy may send came from somebody else.
    PeerUntrusted,
    /// The client certificate that a trusted proxy passed on cannot be read.
    CertificateInvalid,
    /// The HTTP method does not exist here.
    HttpMethod,
    /// The client does not accept what an answer may be made of.
    NotAcceptable,
    /// The body is not JSON by its own declaration.
    ContentType,
    /// The headers together are over the limit.
    HeadersTooLarge,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body did not arrive in time or broke off.
    BodyIncomplete,
    /// The body is not JSON.
    JsonMalformed,
    /// An object of the body has the same key twice.
    JsonDuplicateKey,
    /// The body is nested too deeply.
    JsonTooDeep,
    /// The body is JSON, but not one JSON-RPC message.
    EnvelopeInvalid,
    /// The body is an array of messages.
    BatchUnsupported,
    /// A member that the gateway must read is missing or of the wrong type.
    ParamsInvalid,
    /// Header and body name different things, or a required header is missing.
    HeaderMismatch,
    /// The protocol version is not one that this gateway serves.
    VersionUnsupported,
    /// The method does not exist or may not be used.
    MethodUnknown,
    /// A legacy session is needed and none was named.
    SessionMissing,
    /// The legacy session is not, or no longer, one of this principal.
    SessionUnknown,
    /// The policy does not allow it, or it does not exist: the client cannot tell which.
    PolicyDenied,
    /// The policy could not be evaluated.
    PolicyError,
    /// Nobody has granted it yet; it may be asked for.
    AccessRequired,
    /// A lock stands on the tenant, the person, the agent, the run, the server or the tool.
    AccessLocked,
    /// The grant that the call was made by ended, or a lock was set, while it was under way.
    AccessEnded,
    /// The call rests on a grant, and the store of grants has not been there for too long.
    AccessStale,
    /// As much was used as a budget of the tenant's allows, or as many calls of it are under way.
    BudgetSpent,
    /// What the server says of the tool or prompt is new or has changed, and nobody has approved it.
    DefinitionUnapproved,
    /// An argument that must name the caller's tenant does not.
    TenantArgument,
    /// The arguments are not as the tool's schema or a constraint of the configuration says.
    ArgumentInvalid,
    /// The keys of the token's issuer cannot be had, so nothing can be said of the token.
    IssuerUnreachable,
    /// The record could not be made durable.
    AuditUnavailable,
    /// The gateway is at a limit of its own.
    Overloaded,
    /// The gateway is shutting down.
    Draining,
    /// The upstream could not be reached or started.
    UpstreamUnreachable,
    /// The upstream is not the one that was configured, or not any more.
    UpstreamIdentity,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream's answer is not one that the protocol allows.
    UpstreamMalformed,
    /// The upstream's answer is over the limit.
    UpstreamTooLarge,
    /// The upstream went away in the middle of the call.
    UpstreamClosed,
    /// The upstream's result could not be shown to be the caller's tenant's alone.
    TenantResult,
    /// The schema that the upstream lists for the tool is missing or cannot be used.
    SchemaUnusable,
    /// The upstream's result is not as its own schema says.
    ResultInvalid,
    /// A mistake of the gateway's own.
    Internal,
}

/// Who has to act for the refusal to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client, its token or its message.
    Downstream,
    /// The server behind the gateway.
    Upstream,
    /// The gateway or whoever runs it.
    Internal,
}

impl Code {
    /// Every code, for tables and documentation.
    pub const ALL: [Self; 53] = [
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TokenBinding,
        Self::BindingRequired,
        Self::ProofInvalid,
        Self::ProofNonce,
        Self::ScopeInsufficient,
        Self::OriginForbidden,
        Self::HostForbidden,
        Self::PeerUntrusted,
        Self::CertificateInvalid,
        Self::HttpMethod,
        Self::NotAcceptable,
        Self::ContentType,
        Self::HeadersTooLarge,
        Self::BodyTooLarge,
        Self::BodyIncomplete,
        Self::JsonMalformed,
        Self::JsonDuplicateKey,
        Self::JsonTooDeep,
        Self::EnvelopeInvalid,
        Self::BatchUnsupported,
        Self::ParamsInvalid,
        Self::HeaderMismatch,
        Self::VersionUnsupported,
        Self::MethodUnknown,
        Self::SessionMissing,
        Self::SessionUnknown,
        Self::PolicyDenied,
        Self::PolicyError,
        Self::AccessRequired,
        Self::AccessLocked,
        Self::AccessEnded,
        Self::AccessStale,
        Self::BudgetSpent,
        Self::DefinitionUnapproved,
        Self::TenantArgument,
        Self::ArgumentInvalid,
        Self::IssuerUnreachable,
        Self::AuditUnavailable,
        Self::Overloaded,
        Self::Draining,
        Self::UpstreamUnreachable,
        Self::UpstreamIdentity,
        Self::UpstreamTimeout,
        Self::UpstreamMalformed,
        Self::UpstreamTooLarge,
        Self::UpstreamClosed,
        Self::TenantResult,
        Self::SchemaUnusable,
        Self::ResultInvalid,
        Self::Internal,
    ];

    /// The stable name, as it stands in answers, records and documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenMissing => "E_TOKEN_MISSING",
            Self::TokenInvalid => "E_TOKEN_INVALID",
            Self::TokenExpired => "E_TOKEN_EXPIRED",
            Self::TokenBinding => "E_TOKEN_BINDING",
            Self::BindingRequired => "E_BINDING_REQUIRED",
            Self::ProofInvalid => "E_PROOF_INVALID",
            Self::ProofNonce => "E_PROOF_NONCE",
            Self::ScopeInsufficient => "E_SCOPE_INSUFFICIENT",
            Self::OriginForbidden => "E_ORIGIN_FORBIDDEN",
            Self::HostForbidden => "E_HOST_FORBIDDEN",
            Self::PeerUntrusted => "E_PEER_UNTRUSTED",
            Self::CertificateInvalid => "E_CERTIFICATE_INVALID",
            Self::HttpMethod => "E_HTTP_METHOD",
            Self::NotAcceptable => "E_NOT_ACCEPTABLE",
            Self::ContentType => "E_CONTENT_TYPE",
            Self::HeadersTooLarge => "E_HEADERS_TOO_LARGE",
            Self::BodyTooLarge => "E_BODY_TOO_LARGE",
            Self::BodyIncomplete => "E_BODY_INCOMPLETE",
            Self::JsonMalformed => "E_JSON_MALFORMED",
            Self::JsonDuplicateKey => "E_JSON_DUPLICATE_KEY",
            Self::JsonTooDeep => "E_JSON_TOO_DEEP",
            Self::EnvelopeInvalid => "E_ENVELOPE_INVALID",
            Self::BatchUnsupported => "E_BATCH_UNSUPPORTED",
            Self::ParamsInvalid => "E_PARAMS_INVALID",
            Self::HeaderMismatch => "E_HEADER_MISMATCH",
            Self::VersionUnsupported => "E_VERSION_UNSUPPORTED",
            Self::MethodUnknown => "E_METHOD_UNKNOWN",
            Self::SessionMissing => "E_SESSION_MISSING",
            Self::SessionUnknown => "E_SESSION_UNKNOWN",
            Self::PolicyDenied => "E_POLICY_DENIED",
            Self::PolicyError => "E_POLICY_ERROR",
            Self::AccessRequired => "E_ACCESS_REQUIRED",
            Self::AccessLocked => "E_ACCESS_LOCKED",
            Self::AccessEnded => "E_ACCESS_ENDED",
            Self::AccessStale => "E_ACCESS_STALE",
            Self::BudgetSpent => "E_BUDGET_SPENT",
            Self::DefinitionUnapproved => "E_DEFINITION_UNAPPROVED",
            Self::TenantArgument => "E_TENANT_ARGUMENT",
            Self::ArgumentInvalid => "E_ARGUMENT_INVALID",
            Self::IssuerUnreachable => "E_ISSUER_UNREACHABLE",
            Self::AuditUnavailable => "E_AUDIT_UNAVAILABLE",
            Self::Overloaded => "E_OVERLOADED",
            Self::Draining => "E_DRAINING",
            Self::UpstreamUnreachable => "E_UPSTREAM_UNREACHABLE",
            Self::UpstreamIdentity => "E_UPSTREAM_IDENTITY",
            Self::UpstreamTimeout => "E_UPSTREAM_TIMEOUT",
            Self::UpstreamMalformed => "E_UPSTREAM_MALFORMED",
            Self::UpstreamTooLarge => "E_UPSTREAM_TOO_LARGE",
            Self::UpstreamClosed => "E_UPSTREAM_CLOSED",
            Self::TenantResult => "E_TENANT_RESULT",
            Self::SchemaUnusable => "E_SCHEMA_UNUSABLE",
            Self::ResultInvalid => "E_RESULT_INVALID",
            Self::Internal => "E_INTERNAL",
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::PolicyError
            | Self::AccessStale
            | Self::IssuerUnreachable
            | Self::AuditUnavailable
            | Self::Overloaded
            | Self::Draining
            | Self::Internal => Side::Internal,
            Self::UpstreamUnreachable
            | Self::UpstreamIdentity
            | Self::UpstreamTimeout
            | Self::UpstreamMalformed
            | Self::UpstreamTooLarge
            | Self::UpstreamClosed
            | Self::TenantResult
            | Self::SchemaUnusable
            | Self::ResultInvalid
            | Self::DefinitionUnapproved => Side::Upstream,
            _ => Side::Downstream,
        }
    }

    /// Whether the same request can succeed later without anybody changing anything.
    #[must_use]
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::AccessStale
                | Self::BudgetSpent
                | Self::IssuerUnreachable
                | Self::AuditUnavailable
                | Self::Overloaded
                | Self::Draining
                | Self::UpstreamUnreachable
                | Self::UpstreamTimeout
                | Self::UpstreamClosed
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One refusal on its way to the client and into the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The stable code.
    pub code: Code,
    /// What the client is told: lower case, no full stop, nothing about hidden things.
    pub message: Cow<'static, str>,
    /// What the client can do next.
    pub help: Option<Cow<'static, str>>,
    /// What only the record says.
    pub detail: Option<String>,
}

impl Denial {
    /// A refusal with its external text.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            detail: None,
        }
    }

    /// The one text for what is forbidden, what does not exist and what is another tenant's, so
    /// that nobody can tell them apart; `code` says whether policies said no or could not say.
    #[must_use]
    pub fn not_permitted(code: Code) -> Self {
        Self::new(code, "not permitted, or it does not exist").help(
            "list what you may use, or ask whoever runs the gateway for a policy that permits it",
        )
    }

    /// Adds the next step for the client.
    #[must_use]
    pub fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what only the record says.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Denial {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
