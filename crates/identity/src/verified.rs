//! The proof that a token was verified.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cardea_domain::{Code, Denial, Principal, RunId, RunSource};

use crate::claims::{Claims, invalid};

/// A verified token. Made by [`crate::Authenticator::verify`] alone.
#[derive(Debug, Clone)]
#[must_use = "a verified token is what an identified call is built from"]
pub struct Verified(pub(crate) Arc<Known>);

/// What is remembered of a verified token.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) claims: Claims,
    /// Index of the issuer within the authenticator.
    pub(crate) issuer: usize,
    /// The generation of the issuer's keys that verified it.
    pub(crate) keys_epoch: u64,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) extra_audiences: Vec<String>,
    /// The first half of the token's hash in hex: names idle runs, never the token.
    pub(crate) short: String,
    pub(crate) idle: IdleRun,
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
    /// When the token ends, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_s(&self) -> u64 {
        self.0.claims.expires_s
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

    /// The principal, with its run from the strongest source at hand.
    ///
    /// # Errors
    /// [`Code::ParamsInvalid`] when the host's run id is not one.
    pub fn principal(&self, hints: RunHints<'_>, now_ms: u64) -> Result<Principal, Denial> {
        let claims = &self.0.claims;
        let started_ms = self.0.idle.touch(now_ms);
        let (run, run_source) = if let Some(session) = &claims.session {
            (session.clone(), RunSource::Token)
        } else if let Some(host) = hints.host {
            let run = RunId::parse(host)
                .map_err(|e| Denial::new(Code::ParamsInvalid, format!("`_meta`: {e}")))?;
            (run, RunSource::Host)
        } else if let Some(run) = hints.session.and_then(|s| RunId::parse(s).ok()) {
            (run, RunSource::Session)
        } else {
            let run = RunId::parse(&format!("{}-{started_ms}", self.0.short)).map_err(invalid)?;
            (run, RunSource::Idle)
        };
        Ok(Principal {
            tenant: claims.tenant.clone(),
            subject: claims.subject.clone(),
            actor: claims.actor.clone(),
            run,
            run_source,
            groups: Arc::clone(&claims.groups),
            task: claims.task.clone(),
        })
    }
}
