//! To which keys a token is bound, by what its request proves.

use ::http::{HeaderName, header};
use cardea_domain::{KeyBinding, Thumbprint};
use serde::{Deserialize, Serialize};

use super::{Desk, error::Refusal, http::Reply};
use crate::{ClientCertificate, ProofError, ProofFor};

/// The `cnf` claim of a token (RFC 7800): the keys without which it is good for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confirmation {
    /// The key of DPoP proofs (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jkt: Option<String>,
    /// The client's certificate (RFC 8705 section 3.1).
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

/// What a request proved, and whether its client should be given a nonce.
pub(super) struct Proven {
    pub(super) confirmation: Option<Confirmation>,
    nonce_is_due: bool,
}

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// RFC 9449 section 8: what a client is told that needs a nonce.
pub(super) const NONCE_NEEDED: &str = "use_dpop_nonce";

impl Confirmation {
    /// By the thumbprint of a DPoP key, as a client announces it (RFC 9449 section 10).
    pub(super) fn by_thumbprint(jkt: &str) -> Option<Self> {
        let thumbprint = Thumbprint::parse(jkt)?;
        Self::of(KeyBinding {
            dpop: Some(thumbprint),
            certificate: None,
        })
    }

    fn of(binding: KeyBinding) -> Option<Self> {
        let text = |thumbprint: Option<Thumbprint>| thumbprint.map(|t| t.to_string());
        (!binding.is_none()).then(|| Self {
            jkt: text(binding.dpop),
            certificate: text(binding.certificate),
        })
    }

    /// Whether a proof's key is named, and whether a certificate is.
    pub(super) fn kinds(&self) -> (bool, bool) {
        (self.jkt.is_some(), self.certificate.is_some())
    }

    /// RFC 6749 section 5.1: `token_type`.
    pub(super) fn token_type(confirmation: Option<&Self>) -> &'static str {
        match confirmation {
            Some(Self { jkt: Some(_), .. }) => "DPoP",
            _ => "Bearer",
        }
    }
}

/// The keys that a token request proves to hold: that of its DPoP proof, and that of the
/// certificate by which its connection was made.
pub(super) fn proven(desk: &Desk<'_>) -> Result<Proven, Refusal> {
    let mut binding = KeyBinding {
        dpop: None,
        certificate: certificate(desk)?.map(ClientCertificate::thumbprint),
    };
    let mut proofs = desk.ask.headers.get_all(DPOP).iter();
    let proof = match (proofs.next(), proofs.next()) {
        (None, _) => None,
        (Some(proof), None) => Some(proof.to_str().map_err(|_| invalid("it is not text"))?),
        (Some(_), Some(_)) => return Err(invalid("there is more than one")),
    };
    let mut nonce_is_due = false;
    if let Some(proof) = proof {
        let uri = format!("{}{}", desk.server.settings.origin, desk.ask.path);
        let request = ProofFor {
            method: desk.ask.method.as_str(),
            uri: &uri,
            token: None,
        };
        let proof = desk.server.dpop.check(proof, &request).map_err(refusal)?;
        binding.dpop = Some(proof.key());
        nonce_is_due = proof.nonce_is_due();
    }
    Ok(Proven {
        confirmation: Confirmation::of(binding),
        nonce_is_due,
    })
}

/// The client's certificate. A connection may outlive it, and a proxy may pass on an old one: what
/// would be bound to it would be good nowhere.
pub(super) fn certificate<'a>(
    desk: &'a Desk<'_>,
) -> Result<Option<&'a ClientCertificate>, Refusal> {
    match desk.certificate.as_deref() {
        Some(shown) if !shown.is_valid_at(desk.now_s()) => Err(Refusal::invalid_client(
            "the client certificate is not valid at this time; renew it",
        )),
        shown => Ok(shown),
    }
}

/// Puts a nonce on an answer whose client needs one.
pub(super) fn offer_nonce(desk: &Desk<'_>, proven: Option<&Proven>, reply: &mut Reply) {
    let is_due = proven.is_none_or(|proven| proven.nonce_is_due);
    if is_due {
        super::http::set(reply, DPOP_NONCE, &desk.server.dpop.nonce());
        super::http::set(reply, header::ACCESS_CONTROL_EXPOSE_HEADERS, "DPoP-Nonce");
    }
}

fn refusal(error: ProofError) -> Refusal {
    match error {
        ProofError::Invalid(reason) => invalid(&reason),
        ProofError::OtherKey => invalid("it is by another key"),
        ProofError::NonceNeeded => {
            Refusal::new(NONCE_NEEDED, "put the nonce of `DPoP-Nonce` into the proof")
        }
        ProofError::Full => Refusal::unavailable(),
    }
}

fn invalid(reason: &str) -> Refusal {
    Refusal::new("invalid_dpop_proof", format!("the DPoP proof: {reason}"))
}
