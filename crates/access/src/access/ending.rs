//! Ending: by the holder, by somebody else, by a change of the tool, by time.

use std::sync::Arc;

use cardea_domain::{GrantId, ToolName, UpstreamId};

use super::{Access, ChangeError, asking::Holder};
use crate::{
    By, EndReason, Event, cover, entitlement::Entitlements, live::Live, request::RequestState,
    scope::Scope,
};

/// A grant that has ended in memory and has to be written down.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    live: Arc<Live>,
    by: String,
    detail: String,
    at_ms: u64,
    /// Whether the store knows, and only the record is missing.
    is_stored: bool,
}

impl Ending {
    pub(super) fn of(live: &Arc<Live>, by: &str, detail: &str, at_ms: u64) -> Self {
        Self {
            live: Arc::clone(live),
            by: by.to_owned(),
            detail: detail.to_owned(),
            at_ms,
            is_stored: false,
        }
    }

    /// One that was found when the process began.
    pub(super) fn found(live: &Arc<Live>, detail: &str) -> Self {
        Self::of(live, "gateway", detail, live.starts_ms)
    }
}

/// Grants that are ended by one change of the store, whose writers wait for each other.
const AT_ONCE_MAX: usize = 64;

impl Access {
    /// Gives a grant back. Its calls under way are cut.
    ///
    /// # Errors
    /// [`ChangeError`]; `Unknown` also where it is somebody else's, or has ended.
    pub async fn release(&self, id: &GrantId, holder: Holder<'_>) -> Result<(), ChangeError> {
        let live = self.index.read().grant(id).cloned();
        let own = live.filter(|live| holder.has(&live.place.caller()));
        let live = own.ok_or(ChangeError::Unknown("grant"))?;
        self.end(&[live], EndReason::Released, &holder.name(), "");
        self.write_endings().await
    }

    /// Takes one grant back. Its calls under way are cut.
    ///
    /// # Errors
    /// [`ChangeError`]; after a failure of the store or the record it is in force, and has to be
    /// repeated to be durable.
    pub async fn revoke_grant<'a>(
        &self,
        id: &GrantId,
        by: impl Into<By<'a>>,
        why: &str,
    ) -> Result<(), ChangeError> {
        check_reason(why)?;
        let by = by.into().to_string();
        let live = self.index.read().grant(id).cloned();
        if let Some(live) = live {
            self.end(&[live], EndReason::Revoked, &by, why);
        } else if !self.is_unwritten(id) {
            return Err(ChangeError::Unknown("grant"));
        }
        self.write_endings().await
    }

    /// Takes all grants of a scope back, those too that are being decided. Calls under way are cut.
    /// Returns how many there were.
    ///
    /// # Errors
    /// As [`Self::revoke_grant`].
    pub async fn revoke<'a>(
        &self,
        scope: &Scope,
        by: impl Into<By<'a>>,
        why: &str,
    ) -> Result<usize, ChangeError> {
        check_reason(why)?;
        let by = by.into().to_string();
        let mut count = self.end_scope(scope, &by, why);
        {
            // Whoever had the turn may have made one meanwhile.
            let _turn = self.turn.lock().await;
            count += self.end_scope(scope, &by, why);
        }
        self.write_endings().await?;
        Ok(count)
    }

    /// Ends what was for another definition of a tool: grants, and requests that wait.
    ///
    /// # Errors
    /// As [`Self::revoke_grant`].
    pub async fn void_tool(
        &self,
        upstream: &UpstreamId,
        tool: &ToolName,
        digest: [u8; 32],
    ) -> Result<(), ChangeError> {
        let scope = Scope::Tool(upstream.clone(), tool.clone());
        self.end_where(EndReason::ToolChanged, |live| {
            live.place.caller().is_in(&scope) && live.bound.tool_digest != Some(digest)
        });
        {
            let _turn = self.turn.lock().await;
            let of_tool = |r: &&Arc<crate::AccessRequest>| {
                super::asking::caller(r).is_in(&scope) && r.tool_digest != Some(digest)
            };
            let void: Vec<_> = self
                .pending
                .read()
                .iter()
                .filter(of_tool)
                .cloned()
                .collect();
            for request in void {
                self.end_request(&request, RequestState::Void, "gateway".to_owned())
                    .await?;
            }
            // One of them may have been approved before the turn came.
            self.end_where(EndReason::ToolChanged, |live| {
                live.place.caller().is_in(&scope) && live.bound.tool_digest != Some(digest)
            });
        }
        self.write_endings().await
    }

    /// Ends grants whose entitlement is gone, is not for them any more, or allows less than they give; to be called
    /// when a configuration takes effect.
    ///
    /// # Errors
    /// As [`Self::revoke_grant`].
    pub async fn end_uncovered(&self, entitlements: &Entitlements) -> Result<(), ChangeError> {
        let is_uncovered = |live: &Live| {
            let compiled = entitlements.compiled(&live.origin.entitlement);
            !compiled.is_some_and(|compiled| cover::allows(compiled, live))
        };
        self.end_where(EndReason::NotCovered, is_uncovered);
        {
            // A decision under way may have given one meanwhile.
            let _turn = self.turn.lock().await;
            self.end_where(EndReason::NotCovered, is_uncovered);
        }
        self.write_endings().await
    }

    fn end_scope(&self, scope: &Scope, by: &str, why: &str) -> usize {
        let lives = self.index.read().in_scope(scope);
        self.end(&lives, EndReason::Revoked, by, why);
        lives.len()
    }

    fn end_where(&self, reason: EndReason, is_meant: impl Fn(&Live) -> bool) {
        let lives = self.index.read().filter(is_meant);
        self.end(&lives, reason, "gateway", "");
    }

    /// Ends grants in memory, at once; [`Self::write_endings`] makes it durable.
    pub(super) fn end(&self, lives: &[Arc<Live>], reason: EndReason, by: &str, detail: &str) {
        if lives.is_empty() {
            return;
        }
        let now_ms = self.clock.unix_ms();
        for live in lives {
            live.end(reason);
        }
        let mut index = self.index.write();
        // What somebody else has ended meanwhile, they write down.
        let mut endings: Vec<_> = lives
            .iter()
            .filter(|live| index.remove(&live.id).is_some())
            .map(|live| Ending::of(live, by, detail, now_ms))
            .collect();
        drop(index);
        for ending in &endings {
            self.tell_grant(&ending.live);
        }
        self.endings.lock().append(&mut endings);
    }

    fn is_unwritten(&self, id: &GrantId) -> bool {
        self.unwritten(id).is_some()
    }

    /// When and why a grant has ended that the store takes for active.
    pub(super) fn unwritten(&self, id: &GrantId) -> Option<(u64, EndReason)> {
        let endings = self.endings.lock();
        let ending = endings.iter().find(|e| e.live.id == *id)?;
        Some((ending.at_ms, ending.live.ended()?))
    }

    /// Writes down what has ended; what fails is tried again by the next who comes here.
    pub(super) async fn write_endings(&self) -> Result<(), ChangeError> {
        let _turn = self.turn.lock().await;
        loop {
            let mut some: Vec<_> = {
                let mut endings = self.endings.lock();
                let n = endings.len().min(AT_ONCE_MAX);
                endings.drain(..n).collect()
            };
            if some.is_empty() {
                return Ok(());
            }
            let keep = Unwritten {
                access: self,
                some: &mut some,
            };
            keep.write().await?;
        }
    }
}

/// Endings on their way; those that are left go back, also when this is dropped halfway.
struct Unwritten<'a> {
    access: &'a Access,
    some: &'a mut Vec<Ending>,
}

impl Unwritten<'_> {
    async fn write(self) -> Result<(), ChangeError> {
        let access = self.access;
        let mut change = access.store.change_access(&access.tenant).await?;
        for ending in self.some.iter().filter(|e| !e.is_stored) {
            let reason = ending.live.ended().unwrap_or(EndReason::Revoked);
            change
                .end_grant(&ending.live.id, reason.as_str(), ending.at_ms)
                .await?;
        }
        change.commit().await?;
        for ending in self.some.iter_mut() {
            ending.is_stored = true;
        }
        while let Some(ending) = self.some.last() {
            access.record(&ending.event()).await?;
            self.some.pop();
        }
        Ok(())
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        if !self.some.is_empty() {
            self.access.endings.lock().append(self.some);
        }
    }
}

impl Ending {
    fn event(&self) -> Event<'_> {
        let place = &self.live.place;
        let reason = self.live.ended().unwrap_or(EndReason::Revoked);
        Event {
            name: "access_ended",
            grant: Some(&self.live.id),
            subject: Some(&place.subject),
            actor: Some(&place.actor),
            run: place.run.as_ref(),
            upstream: Some(&place.upstream),
            target: Some(&place.target),
            by: self.by.clone(),
            detail: format!("end={} reason={:?}", reason.as_str(), self.detail),
            ..Event::default()
        }
    }
}

pub(super) fn check_reason(why: &str) -> Result<(), ChangeError> {
    if why.chars().count() > crate::REASON_CHARS_MAX {
        return Err(ChangeError::ReasonLong);
    }
    Ok(())
}
