//! Which era a server is of, as its probes have shown.

use std::time::{Duration, Instant};

use cardea_mcp::Era;

use super::process::PROBE_TIMEOUT;

/// A server that says nothing to a probe is of the legacy era, or starts slowly: so long nobody waits for it anew.
const SILENCE_REMEMBERED: Duration = Duration::from_secs(300);

/// What the probes of one server have found.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// By the first probe that was answered; a server does not change its era while it is configured.
    era: Option<Era>,
    /// Until when a server that answered no probe is taken for one of the legacy era.
    silent_until: Option<Instant>,
}

impl Probed {
    /// Who probes a server that has been silent once is alone: the others are answered as before meanwhile.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.silent_until.is_some() {
            self.silent_until = Some(now + PROBE_TIMEOUT);
        }
    }

    /// Notes what a probe has found at this moment; `None` is silence.
    pub(super) fn learn(&mut self, era: Option<Era>, now: Instant) {
        self.era = era.or(self.era);
        self.silent_until = match era {
            Some(_) => None,
            None => Some(now + SILENCE_REMEMBERED),
        };
    }

    /// A server that has answered once is what it was then, however slow it is to start for somebody else.
    pub(super) fn is_legacy(&self, now: Instant) -> bool {
        let is_silent = self.silent_until.is_some_and(|until| now < until);
        self.era.map_or(is_silent, |era| era == Era::Legacy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_started_slowly_once_is_not_of_an_earlier_era_for_good() {
        let mut probed = Probed::default();
        let start = Instant::now();
        assert!(!probed.is_legacy(start));
        probed.learn(None, start);
        assert!(probed.is_legacy(start));
        assert!(!probed.is_legacy(start + SILENCE_REMEMBERED));
        probed.begin(start + SILENCE_REMEMBERED);
        assert!(probed.is_legacy(start + SILENCE_REMEMBERED), "one asks");
        probed.learn(Some(Era::Modern), start);
        assert!(!probed.is_legacy(start), "it has answered since");
        probed.learn(None, start);
        assert!(!probed.is_legacy(start), "it is slow for one of them");
        probed.learn(Some(Era::Legacy), start);
        assert!(probed.is_legacy(start + SILENCE_REMEMBERED));
    }
}
