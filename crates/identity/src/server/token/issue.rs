//! What a token response says, and what an access token says (RFC 9068).

use ::http::StatusCode;
use cardea_domain::{SubjectId, TenantId};
use cardea_store::RevokedToken;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::server::{
    Desk, Who,
    approval::Approval,
    binding::Confirmation,
    client::Client,
    error::Refusal,
    http::{Reply, json as json_reply},
    secret,
};

/// The claims of an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::server) struct TokenClaims {
    pub(in crate::server) iss: String,
    pub(in crate::server) aud: String,
    pub(in crate::server) sub: SubjectId,
    pub(in crate::server) client_id: String,
    /// RFC 8693 section 4.1: the agent that acts for `sub`.
    pub(in crate::server) act: Actor,
    pub(in crate::server) tenant: TenantId,
    /// The run.
    pub(in crate::server) sid: String,
    pub(in crate::server) jti: String,
    pub(in crate::server) iat: u64,
    pub(in crate::server) exp: u64,
    #[serde(default)]
    pub(in crate::server) scope: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::server) cnf: Option<Confirmation>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::server) struct Actor {
    sub: String,
}

/// What is to be issued, once everything is decided.
pub(super) struct Issue<'a> {
    pub(super) client: &'a Client,
    pub(super) approval: &'a Approval,
    pub(super) family: &'a str,
    pub(super) run: &'a str,
    pub(super) resource: String,
    pub(super) scope: String,
    pub(super) confirmation: Option<Confirmation>,
    /// Whether a person logged in for this.
    pub(super) is_attended: bool,
    /// Until when refresh tokens may come of it; `None` gives none.
    pub(super) refresh_until_s: Option<u64>,
}

impl Desk<'_> {
    /// Issues: remembered, recorded, and only then answered.
    pub(super) async fn issue(&self, issue: Issue<'_>) -> Result<Reply, Refusal> {
        if self.server.resources.is_api(&issue.resource) && issue.confirmation.is_none() {
            return Err(Refusal::new(
                "invalid_dpop_proof",
                "a token for the API is bound to a key; send a DPoP proof",
            ));
        }
        let claims = self.claims(&issue);
        let (of, store) = (issue.approval.tenant(), &self.state().store);
        let is_remembered = store.add_access(of, issue.family, &claims.jti, claims.exp);
        if !is_remembered.await? {
            return Err(Refusal::invalid_grant("it was taken back"));
        }
        let refresh = match issue.refresh_until_s {
            Some(until_s) => {
                let token = secret::random()?;
                let hash = secret::hash(&token);
                store.add_refresh(&hash, of, issue.family, until_s).await?;
                Some(token)
            }
            None => None,
        };
        let token = self.state().keys.sign("at+jwt", &claims).map_err(|error| {
            tracing::error!(%error, "an access token cannot be signed");
            Refusal::unavailable()
        })?;
        let who = Who {
            tenant: of,
            subject: &claims.sub,
            client: Some(&claims.client_id),
            run: Some(issue.run),
        };
        let detail = format!("jti {} for {} until {}", claims.jti, claims.aud, claims.exp);
        self.record("token_issued", Some(who), detail).await?;
        let mut document = json!({
            "access_token": token,
            "token_type": Confirmation::token_type(claims.cnf.as_ref()),
            "expires_in": claims.exp.saturating_sub(claims.iat),
            "scope": claims.scope,
        });
        if let (Some(refresh), Some(document)) = (refresh, document.as_object_mut()) {
            document.insert("refresh_token".into(), json!(refresh));
        }
        Ok(json_reply(StatusCode::OK, &document))
    }

    fn claims(&self, issue: &Issue<'_>) -> TokenClaims {
        let settings = &self.server.settings;
        let now_s = self.now_s();
        let person = &issue.approval.person;
        let client_id = issue.client.id.to_string();
        TokenClaims {
            iss: settings.origin.clone(),
            aud: issue.resource.clone(),
            sub: person.subject.clone(),
            act: Actor {
                sub: client_id.clone(),
            },
            client_id,
            tenant: person.tenant.clone(),
            sid: issue.run.to_owned(),
            jti: Uuid::new_v4().to_string(),
            iat: now_s,
            exp: now_s + settings.access_token_s,
            scope: issue.scope.clone(),
            groups: person.groups.clone(),
            auth_time: issue.is_attended.then_some(person.auth_time_s),
            acr: person.acr.clone().filter(|_| issue.is_attended),
            amr: match issue.is_attended {
                true => person.amr.clone(),
                false => Vec::new(),
            },
            cnf: issue.confirmation.clone(),
        }
    }

    /// Takes back a family and everything that came of it, at once here and in the store.
    pub(in crate::server) async fn revoke_family(
        &self,
        of: &TenantId,
        family: &str,
    ) -> Result<(), Refusal> {
        let ended = self.state().store.revoke_family(of, family, self.now_s());
        self.revoked(ended.await?);
        Ok(())
    }

    /// Ends every family of a person with everything that came of it, at once and for good.
    pub(in crate::server) async fn revoke_person(
        &self,
        of: &TenantId,
        who: &SubjectId,
    ) -> Result<(), Refusal> {
        let ended = self.state().store.revoke_person(of, who, self.now_s());
        self.revoked(ended.await?);
        Ok(())
    }

    fn revoked(&self, ended: Vec<RevokedToken>) {
        self.state()
            .revocations
            .add(ended.into_iter().map(|t| (t.token_id, t.expires_s)));
    }
}
