//! The proofs that a token was verified, and that whoever presents it is its holder.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cardea_domain::{ActorId, Code, Denial, KeyBinding, Principal, RunId, RunSource, TenantId};

use crate::{
    Revocations, TrustedIssuer,
    claims::{Claims, invalid},
    server::{API_SCOPE, Person},
};

/// A verified token. Made by [`crate::Authenticator::verify`] alone.
///
/// It names nobody yet: whose request it is follows once its holder is [`Confirmed`].
#[derive(Debug, Clone)]
#[must_use = "a verified token says nothing about who presents it"]
pub struct Verified(pub(crate) Arc<Known>);

/// A verified token whose sender has shown every key that it is bound to. Made by
/// [`crate::Holders::confirm`] alone.
#[derive(Debug, Clone)]
#[must_use = "a confirmed token is what an identified call is built from"]
pub struct Confirmed {
    verified: Verified,
    nonce_is_due: bool,
}

/// A person, and the program that uses the gateway's own API with their login.
///
/// The program may be an agent that found the login: what needs a person is not done by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiHolder {
    /// The person, as they logged in for this program.
    pub person: Person,
    /// The program.
    pub program: ActorId,
}

/// What is remembered of a verified token.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) claims: Claims,
    /// The issuer as it was configured when the token was verified.
    pub(crate) issuer: Arc<TrustedIssuer>,
    /// The generation of the issuer's keys that verified it.
    pub(crate) keys_epoch: u64,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) extra_audiences: Vec<String>,
    pub(crate) sha256: [u8; 32],
    /// The first half of the token's hash in hex: names idle runs, never the token.
    pub(crate) short: String,
    /// Kept when the token is verified again, since the run is the token's.
    pub(crate) idle: Arc<IdleRun>,
    /// Where it would be found taken back; of the gateway's own tokens only.
    pub(crate) revocations: Option<Arc<Revocations>>,
}

impl Known {
    /// The `jti` of a token of the gateway's own.
    pub(crate) fn own_id(&self) -> Option<&str> {
        self.revocations.as_ref()?;
        self.claims.token_id.as_deref()
    }
}

/// How long a token is good for, for whoever holds on to a call.
#[derive(Debug, Clone)]
pub struct TokenLife(Arc<Known>);

impl TokenLife {
    /// When it ends, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_s(&self) -> u64 {
        self.0.claims.expires_s
    }

    /// Whether the gateway's own authorization server has issued it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.0.revocations.is_some()
    }

    /// When the person logged in for it, in seconds since the Unix epoch; `None` where its issuer does not say, or nobody did.
    #[must_use]
    pub fn login_s(&self) -> Option<u64> {
        self.0.claims.standing.auth_time_s
    }

    /// Ready when the token was taken back before its end; never, when it was not.
    pub async fn revoked(&self) {
        match (&self.0.revocations, self.0.own_id()) {
            (Some(revocations), Some(id)) => revocations.revoked(id).await,
            _ => std::future::pending().await,
        }
    }
}

/// What else can name a run, weaker than the token's `sid`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunHints<'a> {
    /// `dev.cardea/run` in `_meta`.
    pub host: Option<&'a str>,
    /// The legacy session, already bound to this principal.
    pub session: Option<&'a str>,
}

/// A token that stays silent this long begins a new run.
const IDLE_GAP_MS: u64 = 30 * 60 * 1000;

#[derive(Debug, Default)]
pub(crate) struct IdleRun {
    started_ms: AtomicU64,
    seen_ms: AtomicU64,
}

impl IdleRun {
    pub(crate) fn touch(&self, now_ms: u64) -> u64 {
        let seen = self.seen_ms.swap(now_ms, Ordering::Relaxed);
        if now_ms.saturating_sub(seen) > IDLE_GAP_MS {
            self.started_ms.store(now_ms, Ordering::Relaxed);
        }
        self.started_ms.load(Ordering::Relaxed)
    }
}

impl Verified {
    /// The keys that it is bound to.
    #[must_use]
    pub fn binding(&self) -> KeyBinding {
        self.0.claims.binding
    }

    /// The one tenant that the token is for.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.claims.tenant
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// Checks that the token was issued for one of these resources (RFC 8707, RFC 9068 section 4).
    ///
    /// # Errors
    /// [`Code::TokenInvalid`] when its audience is another.
    pub fn for_audience(&self, resources: &[&str]) -> Result<(), Denial> {
        let known = &self.0;
        let fits = known.claims.audiences.iter().any(|audience| {
            resources.contains(&audience.as_str()) || known.extra_audiences.contains(audience)
        });
        if fits {
            Ok(())
        } else {
            Err(invalid(format!(
                "issued for {:?}, not for {resources:?}",
                known.claims.audiences
            )))
        }
    }

    /// Checks that the token carries the scopes that its issuer's entry asks for.
    ///
    /// # Errors
    /// [`Code::ScopeInsufficient`] with all the scopes needed, space-separated, as its message's
    /// tail.
    pub fn with_scopes(&self) -> Result<(), Denial> {
        let known = &self.0;
        let held = &known.claims.scopes;
        if known.required_scopes.iter().all(|s| held.contains(s)) {
            return Ok(());
        }
        Err(Denial::new(
            Code::ScopeInsufficient,
            format!(
                "the access token lacks a scope of: {}",
                known.required_scopes.join(" ")
            ),
        )
        .help("authorise again with all of these scopes"))
    }

    /// The scopes that the token's issuer entry asks for.
    #[must_use]
    pub fn required_scopes(&self) -> &[String] {
        &self.0.required_scopes
    }
}

impl Confirmed {
    /// The one tenant that the token is for.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        self.verified.tenant()
    }

    pub(crate) fn new(verified: Verified, nonce_is_due: bool) -> Self {
        Self {
            verified,
            nonce_is_due,
        }
    }

    /// The token that its holder sent.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Whether the answer should offer a fresh nonce for DPoP proofs.
    #[must_use]
    pub fn nonce_is_due(&self) -> bool {
        self.nonce_is_due
    }

    /// The person and the program that use the gateway's API at `resource`.
    ///
    /// The token must be of the gateway's own authorization server, for this resource and no
    /// other, bound to a key, and of a person who logged in. No token that agents call tools with
    /// is one.
    ///
    /// # Errors
    /// [`Code::TokenInvalid`], [`Code::BindingRequired`], [`Code::ScopeInsufficient`].
    pub fn api_holder(&self, resource: &str) -> Result<ApiHolder, Denial> {
        let known = &self.verified.0;
        let claims = &known.claims;
        if known.revocations.is_none() {
            return Err(invalid("it is of another issuer than the gateway"));
        }
        match claims.audiences.as_slice() {
            [only] if only == resource => {}
            others => {
                return Err(invalid(format!(
                    "issued for {others:?}, not for `{resource}`"
                )));
            }
        }
        if claims.binding.is_none() {
            return Err(Denial::new(
                Code::BindingRequired,
                "this access token can be used by whoever has it, which is not accepted here",
            )
            .help("send a DPoP proof (RFC 9449) when you ask for it"));
        }
        if !claims.scopes.iter().any(|scope| scope == API_SCOPE) {
            return Err(Denial::new(
                Code::ScopeInsufficient,
                format!("the access token lacks the scope `{API_SCOPE}`"),
            )
            .help("authorise again with this scope"));
        }
        let auth_time_s = claims.standing.auth_time_s;
        Ok(ApiHolder {
            person: Person {
                tenant: claims.tenant.clone(),
                subject: claims.subject.clone(),
                groups: claims.groups.iter().map(ToString::to_string).collect(),
                auth_time_s: auth_time_s.ok_or_else(|| invalid("nobody logged in for it"))?,
                acr: None,
                amr: Vec::new(),
                provider: None,
            },
            program: claims.actor.clone(),
        })
    }

    /// How long the token is good for.
    #[must_use]
    pub fn life(&self) -> TokenLife {
        TokenLife(Arc::clone(&self.verified.0))
    }

    /// The principal, with its run from the strongest source at hand.
    ///
    /// # Errors
    /// [`Code::ParamsInvalid`] when the host's run id is not one.
    pub fn principal(&self, hints: RunHints<'_>, now_ms: u64) -> Result<Principal, Denial> {
        let known = &self.verified.0;
        let claims = &known.claims;
        let started_ms = known.idle.touch(now_ms);
        let (run, run_source) = if let Some(session) = &claims.session {
            (session.clone(), RunSource::Token)
        } else if let Some(host) = hints.host {
            let run = RunId::parse(host)
                .map_err(|e| Denial::new(Code::ParamsInvalid, format!("`_meta`: {e}")))?;
            (run, RunSource::Host)
        } else if let Some(run) = hints.session.and_then(|s| RunId::parse(s).ok()) {
            (run, RunSource::Session)
        } else {
            let run = RunId::parse(&format!("{}-{started_ms}", known.short)).map_err(invalid)?;
            (run, RunSource::Idle)
        };
        Ok(Principal {
            tenant: claims.tenant.clone(),
            subject: claims.subject.clone(),
            actor: claims.actor.clone(),
            chain: Arc::clone(&claims.chain),
            run,
            run_source,
            binding: claims.binding,
            groups: Arc::clone(&claims.groups),
            standing: Arc::clone(&claims.standing),
            task: claims.task.clone(),
        })
    }
}
