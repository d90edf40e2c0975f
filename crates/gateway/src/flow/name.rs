//! Which run a call belongs to, as far as flow control goes.
//!
//! A run that its agent can begin anew would be washed by whoever steers the agent. So a run by itself is only what somebody
//! else than the agent names: an issuer of tokens (`sid`), a person who has logged in, or a host that an administrator
//! trusts. Everything else of one person and agent is one run, across sessions, servers and renewed tokens.

use cardea_domain::{Principal, RunSource};
use cardea_identity::TokenLife;

use super::{TenantFlow, runs::RunKey};

/// A run of flow control, within its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunName {
    pub(super) key: RunKey,
    /// Until when the token that names it is good, in seconds since the Unix epoch. `None` where nothing ends the run: what
    /// is old in it is forgotten instead.
    pub(super) ends_s: Option<u64>,
}

/// Who began the token's own run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Whether the token is of the gateway's own authorization server, which begins a run whenever the client says so.
    pub(super) by_client: bool,
    /// When the person logged in, where the token says so.
    pub(super) login_s: Option<u64>,
    /// When the token ends.
    pub(super) expires_s: u64,
}

impl Begun {
    pub(crate) fn of(life: &TokenLife) -> Self {
        Self {
            by_client: life.is_own(),
            login_s: life.login_s(),
            expires_s: life.expires_s(),
        }
    }
}

impl RunName {
    pub(super) fn of(flow: &TenantFlow, principal: &Principal, begun: Begun) -> Self {
        let is_trusted = flow.trusted_hosts.contains(&principal.actor);
        let is_a_run = match principal.run_source {
            RunSource::Token => is_trusted || !begun.by_client,
            RunSource::Host => is_trusted,
            RunSource::Session | RunSource::Idle => false,
        };
        let login = begun.login_s.map(|at| at.to_string()).unwrap_or_default();
        let (source, run) = match is_a_run {
            true => (principal.run_source.as_str(), principal.run.as_str()),
            false => ("agent", &*login),
        };
        let key = RunKey::of([
            principal.subject.as_str(),
            principal.actor.as_str(),
            source,
            run,
        ]);
        Self {
            key,
            ends_s: is_a_run.then_some(begun.expires_s),
        }
    }

    /// Whether what is old in it is forgotten.
    pub(super) fn ages(&self) -> bool {
        self.ends_s.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::call::tests::{flow, principal};

    fn begun(by_client: bool, login_s: Option<u64>) -> Begun {
        Begun {
            by_client,
            login_s,
            expires_s: 1_800_000_600,
        }
    }

    #[test]
    fn only_others_than_the_agent_begin_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let (nobody, bot) = (flow(folder.path(), &[]), flow(folder.path(), &["bot"]));
        let issuers = begun(false, None);
        let own = begun(true, Some(7));
        let same = |flow: &TenantFlow, source, begun| {
            let of = |run| RunName::of(flow, &principal(run, source), begun);
            of("r1") == of("r2")
        };
        // An issuer names a run by itself; a client of the gateway's own server may ask for a new one at any time.
        assert!(!same(&nobody, RunSource::Token, issuers));
        assert!(same(&nobody, RunSource::Token, own));
        assert!(same(&nobody, RunSource::Host, issuers));
        assert!(same(&nobody, RunSource::Session, issuers));
        assert!(same(&nobody, RunSource::Idle, issuers));
        // A host that an administrator trusts.
        assert!(!same(&bot, RunSource::Token, own));
        assert!(!same(&bot, RunSource::Host, issuers));
        assert!(same(&bot, RunSource::Session, issuers));
    }

    #[test]
    fn ways_to_call_are_no_runs_and_people_are() {
        let folder = tempfile::tempdir().unwrap();
        let flow = flow(folder.path(), &[]);
        let of = |source, begun| RunName::of(&flow, &principal("r", source), begun);
        let one = of(RunSource::Session, begun(false, None));
        assert_eq!(one, of(RunSource::Idle, begun(false, None)));
        assert_eq!(one, of(RunSource::Host, begun(false, None)));
        assert!(one.ages());
        // Somebody has logged in.
        let login = of(RunSource::Token, begun(true, Some(7)));
        assert_ne!(login, of(RunSource::Token, begun(true, Some(8))));
        assert_eq!(login, of(RunSource::Session, begun(true, Some(7))));
        let mut other = principal("r", RunSource::Idle);
        other.subject = cardea_domain::SubjectId::parse("bob").unwrap();
        assert_ne!(one, RunName::of(&flow, &other, begun(false, None)));
    }
}
