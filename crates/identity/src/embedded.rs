//! Development tokens: access tokens of the gateway's own, without a login.

use std::sync::Arc;

use cardea_domain::{ActorId, Clock, KeyBinding, SubjectId, TenantId};
use serde_json::json;
use uuid::Uuid;

use crate::{SigningKeys, SigningKeysError, binding::cnf};

/// Makes tokens by the gateway's own keys.
#[derive(Debug)]
pub struct EmbeddedIssuer {
    issuer: String,
    keys: Arc<SigningKeys>,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct MintRequest {
    /// The tenant.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// The agent.
    pub actor: ActorId,
    /// The person's groups.
    pub groups: Vec<String>,
    /// The task, in the person's words.
    pub task: Option<String>,
    /// The keys that it is bound to.
    pub binding: KeyBinding,
    /// The resource it is for (RFC 8707).
    pub audience: String,
    /// How long it is good for, in seconds; at most a day, which is what retired keys wait for.
    pub ttl_s: u64,
}

impl EmbeddedIssuer {
    /// An issuer of this name.
    #[must_use]
    pub fn new(issuer: &str, keys: Arc<SigningKeys>) -> Self {
        Self {
            issuer: issuer.to_owned(),
            keys,
        }
    }

    /// Signs an access token (RFC 9068); each one is a new run.
    ///
    /// # Errors
    /// [`SigningKeysError::Crypto`] when the library refuses.
    pub fn mint(&self, request: &MintRequest, clock: &Clock) -> Result<String, SigningKeysError> {
        let now = clock.unix_s();
        let mut claims = json!({
            "iss": self.issuer,
            "aud": request.audience,
            "sub": request.subject,
            "client_id": request.actor,
            "act": {"sub": request.actor},
            "tenant": request.tenant,
            "sid": Uuid::now_v7().to_string(),
            "jti": Uuid::new_v4().to_string(),
            "iat": now,
            "exp": now.saturating_add(request.ttl_s),
        });
        if let Some(claims) = claims.as_object_mut() {
            let groups = (!request.groups.is_empty()).then(|| json!(request.groups));
            let optional = [
                ("groups", groups),
                ("task", request.task.as_ref().map(|task| json!(task))),
                ("cnf", cnf(&request.binding)),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    claims.insert(name.into(), value);
                }
            }
        }
        self.keys.sign("at+jwt", &claims)
    }
}
