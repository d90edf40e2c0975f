//! A code becomes tokens, once (RFC 6749 section 4.1.3, RFC 7636 section 4.5).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_store::{Code, NewFamily};
use uuid::Uuid;

use super::issue::Issue;
use crate::server::{
    Desk,
    approval::Approval,
    binding::Confirmation,
    client::Client,
    error::Refusal,
    http::{Params, Reply},
    person, secret,
};

pub(super) async fn exchange(
    desk: &Desk<'_>,
    client: &Client,
    confirmation: Option<Confirmation>,
) -> Result<Reply, Refusal> {
    let params = &desk.ask.params;
    let hash = secret::hash(params.need("code")?);
    let (approval, family) = match desk.state().store.use_code(&hash, desk.now_s()).await? {
        Code::Good {
            approval, family, ..
        } => (approval, family),
        Code::Reused { tenant, family } => {
            // RFC 6749 section 4.1.2: two have the code, and one of them is a thief.
            desk.revoke_family(&tenant, &family).await?;
            desk.record("code_reused", None, format!("family {family} ended"))
                .await?;
            return Err(Refusal::invalid_grant("the code was used before"));
        }
        Code::Unknown => return Err(Refusal::invalid_grant("the code is not known or has ended")),
    };
    let approval: Approval = serde_json::from_str(&approval).map_err(|_| Refusal::unavailable())?;
    check(params, client, &approval, confirmation.as_ref())?;
    begin(desk, client, approval, family, confirmation).await
}

/// Whether code, client, way back and verifier belong together. The code is used up either way.
fn check(
    params: &Params,
    client: &Client,
    approval: &Approval,
    confirmation: Option<&Confirmation>,
) -> Result<(), Refusal> {
    if approval.client != client.id.as_str() {
        return Err(Refusal::invalid_grant("the code is another client's"));
    }
    match (params.find("redirect_uri"), &approval.redirect_uri) {
        (Some(named), Some(known)) if named == known => {}
        (None, _) if !approval.redirect_named => {}
        _ => {
            return Err(Refusal::invalid_grant(
                "`redirect_uri` is not that of the request",
            ));
        }
    }
    let verifier = params.need("code_verifier")?;
    if !verifies(verifier, approval.code_challenge.as_deref()) {
        return Err(Refusal::invalid_grant(
            "`code_verifier` does not fit the challenge",
        ));
    }
    match &approval.confirmation {
        // RFC 9449 section 10: the code was asked for with a key.
        Some(wanted) if confirmation.and_then(|c| c.jkt.as_ref()) != wanted.jkt.as_ref() => {
            Err(Refusal::invalid_grant("the code is bound to another key"))
        }
        _ => Ok(()),
    }
}

/// RFC 7636 section 4.1: 43 to 128 unreserved characters, whose SHA-256 is the challenge.
fn verifies(verifier: &str, challenge: Option<&str>) -> bool {
    let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(is_unreserved)
        && challenge.is_some_and(|c| secret::same(c, &URL_SAFE_NO_PAD.encode(hash)))
}

/// Begins a family: a new authorization is a new run.
pub(super) async fn begin(
    desk: &Desk<'_>,
    client: &Client,
    mut approval: Approval,
    family: String,
    confirmation: Option<Confirmation>,
) -> Result<Reply, Refusal> {
    if !person::is_current(&approval.person, desk.server).await?
        || !client.serves(approval.tenant())
    {
        return Err(Refusal::invalid_grant(
            "the person's login does not hold any more",
        ));
    }
    let params = &desk.ask.params;
    let resources = &desk.server.resources;
    let resource = resources.within(&approval.resource, params.find("resource"))?;
    approval.confirmation = confirmation.clone();
    let text = serde_json::to_string(&approval).map_err(|_| Refusal::unavailable())?;
    let now_s = desk.now_s();
    let settings = &desk.server.settings;
    let may_refresh = client.grants.refresh || approval.has_scope("offline_access");
    let expires_s = now_s + settings.grant_s.max(settings.access_token_s);
    let run = Uuid::now_v7().to_string();
    let new = NewFamily {
        tenant: approval.tenant(),
        family: &family,
        subject: &approval.person.subject,
        client: client.id.as_str(),
        approval: &text,
        run: &run,
        now_s,
        expires_s,
    };
    if !desk.state().store.begin_family(&new).await? {
        return Err(Refusal::invalid_grant("it was taken back"));
    }
    let issue = Issue {
        client,
        approval: &approval,
        family: &family,
        run: &run,
        resource,
        scope: approval.scope.clone(),
        confirmation,
        is_attended: true,
        refresh_until_s: may_refresh.then_some(expires_s),
    };
    desk.issue(issue).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    #[test]
    fn the_verifier_of_the_specification_fits_its_challenge() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(verifies(verifier, challenge));
        assert!(!verifies(&verifier.to_lowercase(), challenge));
        assert!(!verifies(verifier, None));
        assert!(!verifies(
            "short",
            Some("_x0sj3SrkLBtkVp5WGeYVGjOHKq7OCqjZLW6Qyuuk9I")
        ));
    }

    proptest::proptest! {
        /// RFC 7636 section 4.1: `43*128unreserved`, whatever its hash is.
        #[test]
        fn a_verifier_is_what_the_grammar_says(verifier in "[A-Za-z0-9._~-]{30,140}|[ -é]{43,50}|\\PC{0,130}") {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            let challenge = URL_SAFE_NO_PAD.encode(hash);
            let is_unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            let is_one = (43..=128).contains(&verifier.chars().count()) && verifier.chars().all(is_unreserved);
            proptest::prop_assert_eq!(verifies(&verifier, Some(&challenge)), is_one);
            proptest::prop_assert!(!verifies(&verifier, Some(&challenge.to_lowercase())) || challenge == challenge.to_lowercase());
        }
    }
}
