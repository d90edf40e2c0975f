//! What a message says of itself: era, version, and whether header and body agree.

use cardea_domain::{Code, Denial};
use cardea_mcp::{Era, Message, Version, header, header::Presence, meta, method};
use http::{HeaderMap, HeaderName};

/// The era and version under which a request is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) era: Era,
    pub(crate) version: Version,
}

impl Dialect {
    /// The dialect of a request without a message: the GET and DELETE of the legacy era.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Self, Denial> {
        let version = match single(headers, &header::PROTOCOL_VERSION)? {
            Some(text) => known(&text)?,
            None => Version::ASSUMED,
        };
        Ok(Self {
            era: version.era(),
            version,
        })
    }

    /// The dialect of a message; checks that its headers repeat what its body says.
    ///
    /// # Source
    /// MCP 2026-07-28, basic/transports/streamable-http, Protocol Version Header and Server
    /// Validation; 2025-06-18 and 2025-11-25, basic/transports, Protocol Version Header.
    pub(crate) fn of_message(headers: &HeaderMap, message: &Message) -> Result<Self, Denial> {
        let in_header = single(headers, &header::PROTOCOL_VERSION)?;
        let in_body = message.meta_str(meta::PROTOCOL_VERSION);
        if in_body.is_none() && message.meta(meta::PROTOCOL_VERSION).is_some() {
            // A server that reads it more kindly would take the message for one of another era.
            return Err(Denial::new(
                Code::ParamsInvalid,
                format!(
                    "`params._meta` has a `{}` that is no text",
                    meta::PROTOCOL_VERSION
                ),
            ));
        }
        let named_modern = in_header
            .as_deref()
            .and_then(Version::parse)
            .is_some_and(|v| v.era() == Era::Modern);
        let Some(in_body) = in_body else {
            if named_modern && message.id().is_some() && !message.method().is_empty() {
                return Err(missing_meta(meta::PROTOCOL_VERSION));
            }
            return Self::of_headers(headers);
        };
        match in_header {
            Some(in_header) if in_header == *in_body => {}
            Some(in_header) => {
                return Err(mismatch(format!(
                    "`MCP-Protocol-Version` is `{}`, but the body says `{}`",
                    in_header.escape_debug(),
                    in_body.escape_debug()
                )));
            }
            None => return Err(mismatch("the header `MCP-Protocol-Version` is missing")),
        }
        let version = known(&in_body)?;
        if version.era() == Era::Legacy {
            // A version with a handshake cannot be chosen per request.
            return Err(unsupported(&in_body));
        }
        let dialect = Self {
            era: Era::Modern,
            version,
        };
        check_modern(headers, message)?;
        Ok(dialect)
    }
}

fn check_modern(headers: &HeaderMap, message: &Message) -> Result<(), Denial> {
    let in_header = single(headers, &header::METHOD)?;
    match in_header {
        Some(named) if named == message.method() => {}
        Some(_) => return Err(mismatch("`Mcp-Method` does not match the body's method")),
        // A notification's headers are not defined by this version.
        None if message.id().is_none() => {}
        None => return Err(mismatch("the header `Mcp-Method` is missing")),
    }
    if message.id().is_some() && message.meta(meta::CLIENT_CAPABILITIES).is_none() {
        return Err(missing_meta(meta::CLIENT_CAPABILITIES));
    }
    let Some((member, presence)) = header::name_source(message.method()) else {
        return Ok(());
    };
    let in_body = message.body_str(member);
    let in_header = single(headers, &header::NAME)?;
    match (in_header, in_body) {
        (Some(named), Some(is)) if named == is => Ok(()),
        (None, _) if presence == Presence::Optional => Ok(()),
        (None, _) => Err(mismatch("the header `Mcp-Name` is missing")),
        (Some(_), _) => Err(mismatch(format!(
            "`Mcp-Name` does not match the body's `params.{member}`"
        ))),
    }
}

/// The decoded value of a header that may stand once.
fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Denial> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(mismatch(format!("the header `{name}` is there twice")));
    }
    header::decode(value.as_bytes())
        .map(|text| Some(text.into_owned()))
        .ok_or_else(|| {
            mismatch(format!(
                "the header `{name}` holds characters that it must not"
            ))
        })
}

fn known(text: &str) -> Result<Version, Denial> {
    Version::parse(text).ok_or_else(|| unsupported(text))
}

fn unsupported(requested: &str) -> Denial {
    let shown: String = requested.chars().take(32).collect();
    Denial::new(
        Code::VersionUnsupported,
        "this protocol version is not served",
    )
    .help("use one of the supported versions")
    .detail(shown)
}

pub(crate) fn mismatch(message: impl Into<std::borrow::Cow<'static, str>>) -> Denial {
    Denial::new(Code::HeaderMismatch, message).help("headers must repeat what the body says")
}

fn missing_meta(member: &str) -> Denial {
    Denial::new(
        Code::ParamsInvalid,
        format!("`params._meta` lacks `{member}`"),
    )
    .help("every request of this version carries it")
}

/// The refusal of a method that the era does not have.
pub(crate) fn unknown_method(name: &str, era: Era) -> Denial {
    let shown: String = name.chars().take(128).collect();
    let denial = Denial::new(
        Code::MethodUnknown,
        format!("method `{}` is not found", shown.escape_debug()),
    );
    if method::is_core(name) {
        denial.detail(format!("not a method of the {} era", era.as_str()))
    } else {
        denial
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cardea_mcp::Limits;

    use super::*;

    fn message(method: &str, params: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Message::parse(Bytes::from(text), &Limits::default()).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (k, v) in pairs {
            map.append(*k, v.parse().unwrap());
        }
        map
    }

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    #[test]
    fn header_and_body_must_agree() {
        let call = message("tools/call", &format!(r#"{{"name":"echo",{META}}}"#));
        let good = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ];
        assert_eq!(
            Dialect::of_message(&headers(&good), &call).unwrap().era,
            Era::Modern
        );
        for (name, value) in [
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-method", "tools/list"),
            ("mcp-method", "Tools/Call"),
            ("mcp-name", "other"),
            ("mcp-name", "=?base64?!?="),
        ] {
            let changed: Vec<_> = good
                .iter()
                .map(|(k, v)| (*k, if *k == name { value } else { *v }))
                .collect();
            let denial = Dialect::of_message(&headers(&changed), &call).unwrap_err();
            assert_eq!(denial.code, Code::HeaderMismatch, "{name}: {value}");
            let missing: Vec<_> = good.iter().copied().filter(|(k, _)| *k != name).collect();
            let denial = Dialect::of_message(&headers(&missing), &call).unwrap_err();
            assert_eq!(denial.code, Code::HeaderMismatch, "{name}");
            let mut twice = good.to_vec();
            twice.push((name, value));
            assert!(Dialect::of_message(&headers(&twice), &call).is_err());
        }
        let encoded = [good[0], good[1], ("mcp-name", "=?base64?ZWNobw==?=")];
        assert!(Dialect::of_message(&headers(&encoded), &call).is_ok());
    }

    #[test]
    fn versions_that_are_not_served_are_named_back() {
        let params = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}}}"#;
        let call = message("tools/list", params);
        let denial = Dialect::of_message(
            &headers(&[
                ("mcp-protocol-version", "2099-01-01"),
                ("mcp-method", "tools/list"),
            ]),
            &call,
        )
        .unwrap_err();
        assert_eq!(denial.code, Code::VersionUnsupported);
        assert_eq!(denial.detail.as_deref(), Some("2099-01-01"));
    }

    #[test]
    fn a_message_without_either_is_of_the_first_http_version() {
        let call = message("tools/list", "{}");
        let dialect = Dialect::of_message(&headers(&[]), &call).unwrap();
        assert_eq!(dialect.version, Version::V2025_03_26);
    }

    #[test]
    fn a_modern_header_without_modern_metadata_is_refused() {
        let call = message("tools/list", "{}");
        let denial =
            Dialect::of_message(&headers(&[("mcp-protocol-version", "2026-07-28")]), &call)
                .unwrap_err();
        assert_eq!(denial.code, Code::ParamsInvalid);
    }
}
