//! What a handler needs: who asks, what they ask, and the rooms of their tenant.

use std::sync::Arc;

use cardea_access::{Access, AccessRequest, Entitlement, Entitlements};
use cardea_domain::{Denial, RequestId, Target, TenantId, UpstreamId};
use cardea_identity::ApiHolder;
use cardea_registry::DefinitionKind;
use http::{HeaderMap, header};

use crate::{
    Console, Rooms, Subject,
    ask::{Ask, FORM},
    caller::Caller,
    refusal::{Refusal, down},
    routes::{Route, is_api},
};

pub(crate) struct Desk<'a> {
    pub(crate) console: &'a Console,
    pub(crate) route: &'static Route,
    pub(crate) ask: Ask,
    /// What stands for `{id}` in the path.
    pub(crate) id: String,
    pub(crate) caller: Caller,
    pub(crate) access: Arc<Access>,
    pub(crate) entitlements: Entitlements,
    pub(crate) rooms: &'a dyn Rooms,
}

/// All forms of a login have one token: each says in its address what it does, and no other site
/// can read it.
const FORM_NAME: &str = "console";

/// Who asks, and the rooms of their tenant.
pub(crate) async fn enter(
    console: &Console,
    headers: &HeaderMap,
    token: Option<Result<ApiHolder, Denial>>,
    rooms: &dyn Rooms,
) -> Result<(Caller, Arc<Access>, Entitlements), Refusal> {
    let (person, program) = match token {
        // Which of the two counts is nobody's to guess. Programs keep no cookies.
        Some(_) if headers.contains_key(header::COOKIE) => return Err(Refusal::two_logins()),
        Some(token) => {
            let ApiHolder { person, program } = token.map_err(Refusal::token)?;
            (person, Some(program))
        }
        None => {
            let person = console.authorization.person(headers).await;
            let person = person.map_err(|_| Refusal::unavailable())?;
            (person.ok_or_else(Refusal::login_missing)?, None)
        }
    };
    let tenant = &person.tenant;
    let (Some(access), Some(entitlements)) = (rooms.access(tenant), rooms.entitlements(tenant))
    else {
        return Err(Refusal::not_found());
    };
    let roles = console.settings.roles.get(tenant);
    Ok((Caller::new(person, program, roles), access, entitlements))
}

impl Desk<'_> {
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.caller.person.tenant
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.console.clock.unix_ms()
    }

    pub(crate) fn is_api(&self) -> bool {
        is_api(self.route.path)
    }

    /// Since when a login must be to decide with, in seconds since the Unix epoch.
    pub(crate) fn login_since_s(&self) -> u64 {
        self.console.login_since_s()
    }

    /// Refuses a decision by a login that is too old: whoever sits there may be somebody else.
    pub(crate) fn check_login(&self) -> Result<(), Refusal> {
        match self.caller.person.auth_time_s >= self.login_since_s() {
            true => Ok(()),
            false => Err(Refusal::login_old()),
        }
    }

    /// Refuses a change that no page of this origin sent; of a form also one that was not shown
    /// to this login. No browser sends a token by itself, so a program needs no page.
    pub(crate) fn check_sender(&self) -> Result<(), Refusal> {
        if self.caller.program.is_some() {
            return Ok(());
        }
        let is_shown = self.is_api() || {
            let token = self.ask.field(FORM).unwrap_or_default();
            let authorization = &self.console.authorization;
            authorization.is_form_token(&self.ask.headers, FORM_NAME, token)
        };
        match is_shown && self.ask.is_same_origin(&self.console.settings.origin) {
            true => Ok(()),
            false => Err(Refusal::foreign()),
        }
    }

    /// The token of this login's forms.
    pub(crate) fn form_token(&self) -> String {
        let authorization = &self.console.authorization;
        let token = authorization.form_token(&self.ask.headers, FORM_NAME);
        token.unwrap_or_default()
    }

    /// The entitlement of a request, as it is now.
    pub(crate) fn entitlement(&self, request: &AccessRequest) -> Option<&Entitlement> {
        self.entitlements.entitlement(&request.entitlement)
    }

    /// What is known of a tool, resource or prompt: as its server shows it, or as it was approved where the server has
    /// shown nothing yet.
    pub(crate) async fn subject(
        &self,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Result<Subject, Refusal> {
        let shown = self.rooms.subject(self.tenant(), upstream, target);
        let (false, Target::Tool(name)) = (shown.is_shown, target) else {
            return Ok(shown);
        };
        let Some(registrar) = self.rooms.registrar(self.tenant()) else {
            return Ok(shown);
        };
        let kind = DefinitionKind::Tool;
        let approved = registrar.approved(self.tenant(), upstream, kind, name.as_str());
        let Some(pinned) = approved.await.map_err(down)? else {
            return Ok(shown);
        };
        Ok(Subject {
            labels: shown.labels,
            ..Subject::of(&pinned.definition, Some(pinned.digest))
        })
    }

    /// The request that the path names, where it is this person's to see.
    pub(crate) async fn request(&self) -> Result<AccessRequest, Refusal> {
        let id = RequestId::parse(&self.id).map_err(|_| Refusal::not_found())?;
        let found = self.access.request(&id).await.map_err(down)?;
        let may_see =
            |request: &AccessRequest| self.caller.may_see(request, self.entitlement(request));
        found.filter(may_see).ok_or_else(Refusal::not_found)
    }
}

impl Console {
    /// Since when a login must be to decide with, in seconds since the Unix epoch.
    pub(crate) fn login_since_s(&self) -> u64 {
        self.clock
            .unix_s()
            .saturating_sub(self.settings.login_age_max_s)
    }
}
