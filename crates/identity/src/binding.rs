//! Whether a token is presented by whoever it was issued to.
//!
//! A token that names a key (`cnf`, RFC 7800) is worth nothing without it: [`Holders::confirm`]
//! demands each key that it names, and refuses the way around: such a token as a plain bearer. A
//! proof beside a token that names no key proves nothing and is not looked at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cardea_domain::{Clock, Code, Denial, KeyBinding, TenantId, Thumbprint};
use serde_json::Value;

use crate::{
    BoundToken, ClientCertificate, Dpop, ProofError, ProofFor, Scheme, Verified, claims::invalid,
    verified::Confirmed,
};

/// What a tenant demands of every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredBinding {
    /// To be bound to some key.
    Any,
    /// To be bound to a DPoP key.
    Dpop,
    /// To be bound to a client certificate.
    Certificate,
}

/// What a request shows of its sender's keys.
#[derive(Debug, Clone, Copy)]
pub struct Possession<'a> {
    /// How the token is presented.
    pub scheme: Scheme,
    /// The values of the `DPoP` headers.
    pub proofs: Proofs<'a>,
    /// The HTTP method.
    pub method: &'a str,
    /// The address as seen from outside, without query and fragment.
    pub uri: &'a str,
    /// The certificate of the connection, or the one that a trusted proxy passed on.
    pub certificate: Option<&'a ClientCertificate>,
}

/// The `DPoP` headers of a request.
#[derive(Debug, Clone, Copy)]
pub enum Proofs<'a> {
    /// There is none.
    None,
    /// There is one.
    One(&'a [u8]),
    /// There are more: which one counts is nobody's to guess.
    Several,
}

/// Checks that tokens are presented by those they were issued to.
#[derive(Debug, Clone)]
pub struct Holders {
    dpop: Arc<Dpop>,
    required: HashMap<TenantId, RequiredBinding>,
    clock: Clock,
}

impl Holders {
    /// A check by these proofs and demands; a tenant without one takes plain bearers too.
    #[must_use]
    pub fn new(
        dpop: Arc<Dpop>,
        required: BTreeMap<TenantId, RequiredBinding>,
        clock: Clock,
    ) -> Self {
        Self {
            dpop,
            required: required.into_iter().collect(),
            clock,
        }
    }

    /// The check of proofs, for challenges and nonces.
    #[must_use]
    pub fn dpop(&self) -> &Dpop {
        &self.dpop
    }

    /// Checks that the token is presented as it has to be, with every key that it names.
    ///
    /// # Errors
    /// [`Code::TokenBinding`], [`Code::BindingRequired`], [`Code::ProofInvalid`],
    /// [`Code::ProofNonce`], [`Code::Overloaded`].
    ///
    /// # Source
    /// RFC 9449 sections 7.1 and 7.2, RFC 8705 section 3.
    pub fn confirm(
        &self,
        verified: Verified,
        request: &Possession<'_>,
    ) -> Result<Confirmed, Denial> {
        let binding = verified.binding();
        self.demand(verified.tenant(), binding)?;
        if let Some(wanted) = binding.certificate {
            self.certificate(request, wanted)?;
        }
        let nonce_is_due = match (binding.dpop, request.scheme) {
            (None, Scheme::Bearer) => false,
            (Some(key), Scheme::Dpop) => self.proof(&verified, key, request)?,
            (Some(_), Scheme::Bearer) => {
                return Err(Denial::new(
                    Code::TokenBinding,
                    "this access token is bound to a key and is no bearer token",
                )
                .help("send `Authorization: DPoP <token>` and a `DPoP` header with a proof by that key"));
            }
            (None, Scheme::Dpop) => {
                return Err(Denial::new(
                    Code::TokenBinding,
                    "this access token is not bound to a DPoP key",
                )
                .help("get a token that is (send a proof when you ask for it), or send this one as `Bearer`"));
            }
        };
        Ok(Confirmed::new(verified, nonce_is_due))
    }

    fn demand(&self, tenant: &TenantId, binding: KeyBinding) -> Result<(), Denial> {
        let (missing, help) = match self.required.get(tenant) {
            None => return Ok(()),
            Some(RequiredBinding::Any) => (
                binding.is_none(),
                "get a token that is bound to a key: send a DPoP proof (RFC 9449) or use a client certificate (RFC 8705) when you ask for it",
            ),
            Some(RequiredBinding::Dpop) => (
                binding.dpop.is_none(),
                "get a token that is bound to a key: send a DPoP proof (RFC 9449) when you ask for it",
            ),
            Some(RequiredBinding::Certificate) => (
                binding.certificate.is_none(),
                "get a token that is bound to your client certificate (RFC 8705)",
            ),
        };
        if !missing {
            return Ok(());
        }
        Err(Denial::new(
            Code::BindingRequired,
            "this access token can be used by whoever has it, which is not accepted here",
        )
        .help(help))
    }

    fn certificate(&self, request: &Possession<'_>, wanted: Thumbprint) -> Result<(), Denial> {
        let refused = |detail: String| {
            Denial::new(
                Code::TokenBinding,
                "this access token is bound to a client certificate that this connection does not have",
            )
            .help("connect with the certificate that the token was issued for, or get a new token with this one")
            .detail(detail)
        };
        let Some(certificate) = request.certificate else {
            return Err(refused("the connection has none".into()));
        };
        if certificate.thumbprint() != wanted {
            return Err(refused(format!("it has {}", certificate.thumbprint())));
        }
        if !certificate.is_valid_at(self.clock.unix_s()) {
            return Err(refused("it is not valid at this time".into()));
        }
        Ok(())
    }

    fn proof(
        &self,
        verified: &Verified,
        key: Thumbprint,
        request: &Possession<'_>,
    ) -> Result<bool, Denial> {
        let token = BoundToken {
            sha256: verified.sha256(),
            key,
        };
        let wanted = ProofFor {
            method: request.method,
            uri: request.uri,
            token: Some(token),
        };
        request
            .proofs
            .one()
            .and_then(|proof| self.dpop.check(proof, &wanted))
            .map(|proof| proof.nonce_is_due())
            .map_err(|error| error.denial())
    }
}

impl<'a> Proofs<'a> {
    /// The proofs in these header values.
    pub fn of(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            (Some(_), Some(_)) => Self::Several,
        }
    }

    /// The one proof (RFC 9449, section 4.3, check 1).
    ///
    /// # Errors
    /// [`ProofError::Invalid`] when there is none or more than one.
    pub fn one(self) -> Result<&'a str, ProofError> {
        match self {
            Self::None => Err(ProofError::Invalid("there is no `DPoP` header".into())),
            Self::Several => Err(ProofError::Invalid(
                "there is more than one `DPoP` header".into(),
            )),
            Self::One(value) => {
                std::str::from_utf8(value).map_err(|_| ProofError::Invalid("it is not text".into()))
            }
        }
    }
}

/// The `cnf` claim of a token that is bound to these keys; `None` when it is bound to none.
#[must_use]
pub fn cnf(binding: &KeyBinding) -> Option<Value> {
    let members = [("jkt", binding.dpop), ("x5t#S256", binding.certificate)];
    let named = members.into_iter().filter_map(|(name, thumbprint)| {
        let thumbprint = thumbprint?.to_string();
        Some((name.to_owned(), Value::from(thumbprint)))
    });
    let named: serde_json::Map<_, _> = named.collect();
    (!named.is_empty()).then_some(Value::Object(named))
}

/// The keys that a token names.
///
/// A way of naming one that is not known here is a condition that cannot be checked, so the token
/// is refused (RFC 7800, section 3.1, leaves that to the application).
pub(crate) fn confirmation(claims: &Value) -> Result<KeyBinding, Denial> {
    let Some(cnf) = claims.get("cnf") else {
        return Ok(KeyBinding::NONE);
    };
    let members = cnf.as_object().filter(|members| !members.is_empty());
    let members = members.ok_or_else(|| invalid("`cnf` names no key"))?;
    let mut binding = KeyBinding::NONE;
    for (name, value) in members {
        let thumbprint = value
            .as_str()
            .and_then(Thumbprint::parse)
            .ok_or_else(|| invalid(format!("`cnf.{}` is no thumbprint", name.escape_debug())));
        match name.as_str() {
            "jkt" => binding.dpop = Some(thumbprint?),
            "x5t#S256" => binding.certificate = Some(thumbprint?),
            _ => {
                return Err(invalid(format!(
                    "`cnf.{}` is not known here",
                    name.escape_debug()
                )));
            }
        }
    }
    Ok(binding)
}

#[cfg(test)]
mod tests;
