//! JSON-RPC replies that the gateway writes itself.

use serde::Serialize;

use crate::Era;

/// JSON-RPC error codes.
pub mod code {
    /// The text is not JSON.
    pub const PARSE: i64 = -32700;
    /// Not a JSON-RPC message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// A parameter is missing or wrong.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The receiver failed.
    pub const INTERNAL: i64 = -32603;
    /// Header and body differ (MCP 2026-07-28).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The version is not served (MCP 2026-07-28).
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// The person has to open an address first (MCP 2025-11-25); not of the modern era.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// The generic server error of legacy implementations.
    pub const LEGACY_SERVER: i64 = -32000;
    /// Refused by policy; outside the ranges that JSON-RPC and MCP reserve.
    pub const REFUSED: i64 = -31403;
    /// The upstream did not give a usable answer; outside the reserved ranges.
    pub const BAD_GATEWAY: i64 = -31502;
    /// The gateway itself cannot serve now; outside the reserved ranges.
    pub const UNAVAILABLE: i64 = -31503;
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<serde_json::Value>,
}

/// An error response to the request with this raw id; without one where it could not be read.
///
/// Legacy peers expect `"id":null` then, modern ones no `id` at all.
#[must_use]
pub fn error(
    id: Option<&str>,
    era: Era,
    code: i64,
    message: &str,
    data: Option<serde_json::Value>,
) -> String {
    let body = ErrorBody {
        code,
        message,
        data,
    };
    let body = serde_json::to_string(&body).unwrap_or_else(|_| {
        format!(
            r#"{{"code":{},"message":"internal error"}}"#,
            code::INTERNAL
        )
    });
    let id = match (id, era) {
        (Some(id), _) => format!(r#""id":{id},"#),
        (None, Era::Legacy) => r#""id":null,"#.to_owned(),
        (None, Era::Modern) => String::new(),
    };
    format!(r#"{{"jsonrpc":"2.0",{id}"error":{body}}}"#)
}

/// A successful response with this raw result.
#[must_use]
pub fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}
