//! What an answer tells a client about tokens: challenges, and nonces for its next proofs.

use cardea_domain::Denial;
use cardea_identity::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{edge::MCP_PATH, way::Recorded, world::World};

/// RFC 9449, section 8.1.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What was learnt of a request's token that its answer has to take up.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    /// How the token was presented.
    pub(crate) scheme: Option<Scheme>,
    /// A nonce for the next proof.
    pub(crate) nonce: Option<String>,
}

impl Offer {
    /// Adds the nonce, if one is due.
    pub(crate) fn give(self, recorded: &mut Recorded) {
        if let Some(nonce) = self.nonce() {
            recorded.header(DPOP_NONCE, nonce);
        }
    }

    /// Adds the nonce, if one is due, to an answer of the gateway's own API.
    pub(crate) fn give_api(self, headers: &mut HeaderMap) {
        if let Some(nonce) = self.nonce() {
            headers.insert(DPOP_NONCE, nonce);
        }
    }

    fn nonce(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.nonce?).ok()
    }
}

/// Adds one challenge for each way of presenting a token. The error stands at the way that was used.
pub(crate) fn challenge(
    recorded: &mut Recorded,
    world: &World,
    denial: &Denial,
    upstream: &str,
    used: Option<Scheme>,
) {
    let path = format!("{MCP_PATH}/{upstream}");
    // The path is a client's text: what does not fit a header gets the whole gateway's metadata.
    let path = match HeaderValue::from_str(&path) {
        Ok(_) if !upstream.contains(['"', '\\']) => path.as_str(),
        _ => MCP_PATH,
    };
    let used = used.unwrap_or(Scheme::Bearer);
    for scheme in [Scheme::Bearer, Scheme::Dpop] {
        let code = (scheme == used).then_some(denial.code);
        let challenge = world.edge.challenge(scheme, code, path);
        if let Ok(value) = HeaderValue::try_from(challenge) {
            recorded.add_header(header::WWW_AUTHENTICATE, value);
        }
    }
}
