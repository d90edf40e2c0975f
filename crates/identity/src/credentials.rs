//! What stands in an `Authorization` header.

use cardea_domain::{Code, Denial};

use crate::claims::invalid;

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By whoever has it (RFC 6750).
    Bearer,
    /// With a proof (RFC 9449, section 7.1).
    Dpop,
}

/// A token, and how it is presented.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// How.
    pub scheme: Scheme,
    /// The token's text; not empty.
    pub token: &'a str,
}

impl<'a> Credentials<'a> {
    /// The credentials in the value of the one `Authorization` header.
    ///
    /// # Errors
    /// [`Code::TokenMissing`] when there are none, [`Code::TokenInvalid`] when they are of another
    /// scheme.
    pub fn parse(authorization: Option<&'a [u8]>) -> Result<Self, Denial> {
        let value = authorization.ok_or_else(missing)?;
        let text = std::str::from_utf8(value).map_err(|_| invalid("the header is not text"))?;
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
            _ if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
            _ => return Err(invalid(format!("scheme `{}`", scheme.escape_debug()))),
        };
        let token = token.trim_matches(' ');
        if token.is_empty() {
            return Err(missing());
        }
        Ok(Self { scheme, token })
    }
}

/// The refusal of a request that carries no token.
fn missing() -> Denial {
    Denial::new(Code::TokenMissing, "an access token is needed")
        .help("send `Authorization: Bearer <token>`, or `DPoP <token>` for one that is bound to a key; the challenge names where to get one")
}
