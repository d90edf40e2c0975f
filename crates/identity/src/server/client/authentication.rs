//! How a client shows who it is (RFC 7591 `token_endpoint_auth_method`). There are no shared secrets.

use std::sync::Arc;

use super::{
    Client, assertion,
    certificate_rule::CertificateRule,
    key_sets::{Keys, Wanted},
};
use crate::{
    ClientCertificate,
    server::{Desk, binding, error::Refusal},
};

/// What a client has to show.
#[derive(Clone)]
pub(in crate::server) enum Authentication {
    /// Nothing: a public client has only its name to give.
    None,
    /// An assertion by one of its keys (RFC 7523 section 2.2).
    PrivateKeyJwt(Keys),
    /// A certificate of an authority, with a name in it (RFC 8705 section 2.1).
    Tls(Arc<CertificateRule>),
    /// A certificate that is in its keys (RFC 8705 section 2.2).
    SelfSignedTls(Keys),
}

/// RFC 8705 sections 2.1.1 and 2.2.1.
pub(in crate::server) const TLS_METHOD: &str = "tls_client_auth";
pub(in crate::server) const SELF_SIGNED_TLS_METHOD: &str = "self_signed_tls_client_auth";

/// Checks that the request comes from this client.
pub(in crate::server) async fn check(
    desk: &Desk<'_>,
    client: &Client,
    audiences: &[&str],
) -> Result<(), Refusal> {
    let has_assertion = desk.ask.params.find("client_assertion").is_some();
    match &client.authentication {
        Authentication::PrivateKeyJwt(keys) => {
            assertion::check(desk, client, keys, audiences).await
        }
        // RFC 6749 section 2.3: one way for each request.
        _ if has_assertion => Err(Refusal::invalid_client(
            "the client does not use assertions",
        )),
        Authentication::None => Ok(()),
        Authentication::Tls(rule) => rule
            .check(shown(desk)?, desk.now_s())
            .map_err(Refusal::invalid_client),
        Authentication::SelfSignedTls(keys) => {
            let thumbprint = shown(desk)?.thumbprint();
            let wanted = Wanted::Certificate(thumbprint);
            let set = desk
                .server
                .key_sets
                .find(keys, &wanted, desk.now_s())
                .await?;
            match set.has_certificate(thumbprint) {
                true => Ok(()),
                false => Err(Refusal::invalid_client(
                    "the certificate is none of the client's",
                )),
            }
        }
    }
}

fn shown<'a>(desk: &'a Desk<'_>) -> Result<&'a ClientCertificate, Refusal> {
    binding::certificate(desk)?
        .ok_or_else(|| Refusal::invalid_client("the client shows who it is by a TLS certificate"))
}
