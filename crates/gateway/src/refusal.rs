//! One place where a denial becomes an HTTP status and a JSON-RPC error.

use cardea_domain::{Code, Denial};
use cardea_mcp::{Era, Version, reply, reply::code as rpc};
use http::StatusCode;
use serde_json::json;

use crate::access::native;

/// How a denial looks on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) status: StatusCode,
    pub(crate) rpc: i64,
}

/// Status and JSON-RPC code of a denial.
///
/// Refusals of one call on a good connection are JSON-RPC errors with status 200, since clients
/// take other statuses for a failure of the connection and never show them to a model. What
/// concerns the request's form, the token, or the gateway as a whole has its HTTP status.
pub(crate) fn wire(code: Code, era: Era) -> Wire {
    let (status, rpc) = match code {
        Code::TokenMissing
        | Code::TokenInvalid
        | Code::TokenExpired
        | Code::TokenBinding
        | Code::BindingRequired
        | Code::ProofInvalid
        | Code::ProofNonce => (StatusCode::UNAUTHORIZED, rpc::REFUSED),
        Code::ScopeInsufficient
        | Code::OriginForbidden
        | Code::HostForbidden
        | Code::PeerUntrusted => (StatusCode::FORBIDDEN, rpc::REFUSED),
        Code::CertificateInvalid => (StatusCode::BAD_REQUEST, rpc::INVALID_REQUEST),
        Code::HttpMethod => (StatusCode::METHOD_NOT_ALLOWED, rpc::INVALID_REQUEST),
        Code::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, rpc::INVALID_REQUEST),
        Code::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, rpc::INVALID_REQUEST),
        Code::HeadersTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            rpc::INVALID_REQUEST,
        ),
        Code::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, rpc::INVALID_REQUEST),
        Code::BodyIncomplete => (StatusCode::BAD_REQUEST, rpc::INVALID_REQUEST),
        Code::JsonMalformed | Code::JsonDuplicateKey | Code::JsonTooDeep => {
            (StatusCode::BAD_REQUEST, rpc::PARSE)
        }
        Code::EnvelopeInvalid | Code::BatchUnsupported => {
            (StatusCode::BAD_REQUEST, rpc::INVALID_REQUEST)
        }
        Code::ParamsInvalid => (StatusCode::BAD_REQUEST, rpc::INVALID_PARAMS),
        Code::HeaderMismatch => (StatusCode::BAD_REQUEST, rpc::HEADER_MISMATCH),
        Code::VersionUnsupported => (StatusCode::BAD_REQUEST, rpc::UNSUPPORTED_VERSION),
        Code::MethodUnknown => match era {
            Era::Modern => (StatusCode::NOT_FOUND, rpc::METHOD_NOT_FOUND),
            Era::Legacy => (StatusCode::OK, rpc::METHOD_NOT_FOUND),
        },
        Code::SessionMissing => (StatusCode::BAD_REQUEST, rpc::LEGACY_SERVER),
        Code::SessionUnknown => (StatusCode::NOT_FOUND, rpc::LEGACY_SERVER),
        Code::PolicyDenied
        | Code::PolicyError
        | Code::AccessRequired
        | Code::AccessLocked
        | Code::AccessEnded
        | Code::BudgetSpent
        | Code::DefinitionUnapproved
        | Code::TenantArgument => (StatusCode::OK, rpc::REFUSED),
        Code::ArgumentInvalid => (StatusCode::OK, rpc::INVALID_PARAMS),
        Code::UpstreamUnreachable
        | Code::UpstreamIdentity
        | Code::UpstreamTimeout
        | Code::UpstreamMalformed
        | Code::UpstreamTooLarge
        | Code::UpstreamClosed
        | Code::TenantResult
        | Code::SchemaUnusable
        | Code::ResultInvalid => (StatusCode::OK, rpc::BAD_GATEWAY),
        Code::AccessStale
        | Code::IssuerUnreachable
        | Code::AuditUnavailable
        | Code::Overloaded
        | Code::Draining => (StatusCode::SERVICE_UNAVAILABLE, rpc::UNAVAILABLE),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, rpc::INTERNAL),
    };
    Wire { status, rpc }
}

/// The JSON-RPC error of a denial.
///
/// `call` is the record's call id, so that a person who is shown the error can find it again.
pub(crate) fn text(denial: &Denial, era: Era, id: Option<&str>, call: &str) -> String {
    let mut data = json!({"code": denial.code.as_str(), "call": call});
    if let Some(data) = data.as_object_mut() {
        if let Some(help) = &denial.help {
            data.insert("help".into(), json!(help));
        }
        if denial.code.retryable() {
            data.insert("retryable".into(), json!(true));
        }
        if denial.code == Code::VersionUnsupported {
            data.insert("supported".into(), json!(Version::ALL.map(Version::as_str)));
            if let Some(requested) = &denial.detail {
                data.insert("requested".into(), json!(requested));
            }
        }
    }
    let message = match &denial.help {
        Some(help) => format!("{}; {help}", denial.message),
        None => denial.message.to_string(),
    };
    match (denial.code, id) {
        // A model can mend these, and most hosts show it a tool's failure only as a result
        // (MCP 2025-11-25, server/tools, Error Handling).
        (Code::ArgumentInvalid, Some(id)) => {
            let mut result = native::result(&Err(message), era);
            if let Some(result) = result.as_object_mut() {
                result.insert("_meta".to_owned(), json!({ META_KEY: data }));
            }
            reply::result(id, &result.to_string())
        }
        _ => reply::error(id, era, wire(denial.code, era).rpc, &message, Some(data)),
    }
}

/// Where a failed tool's result has what an error has in its `data`.
const META_KEY: &str = "dev.cardea/refusal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_of_ours_is_in_a_reserved_range() {
        for code in Code::ALL {
            for era in [Era::Legacy, Era::Modern] {
                let rpc = wire(code, era).rpc;
                let standard = matches!(rpc, -32700 | -32603..=-32600 | -32020 | -32022 | -32000);
                assert!(
                    standard || !(-32768..=-32000).contains(&rpc),
                    "{code} {rpc}"
                );
            }
        }
    }

    #[test]
    fn every_code_but_a_mistake_of_ours_has_a_place_of_its_own() {
        for code in Code::ALL {
            let status = wire(code, Era::Modern).status;
            assert_eq!(
                status == StatusCode::INTERNAL_SERVER_ERROR,
                code == Code::Internal,
                "{code}"
            );
        }
    }

    #[test]
    fn details_stay_inside() {
        let denial = Denial::new(Code::PolicyDenied, "no").detail("forbidden by secret-rule");
        assert!(!text(&denial, Era::Modern, Some("1"), "c").contains("secret-rule"));
    }
}
