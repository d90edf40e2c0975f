//! The console's place on the public listener, and what it is shown of the gateway.

use std::sync::Arc;

use cardea_access::{Access, AccessRequest, Entitlements};
use cardea_console::{BODY_BYTES_MAX, Body, Console, Minute, Rooms, Ruling, Subject};
use cardea_domain::{Target, TenantId, UpstreamId};
use cardea_policy::{Caller, Question};
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::Value;

use crate::{
    Tenant,
    body::ReplyBody,
    peer::Peer,
    whole,
    world::{Gateway, World},
};

/// The console, when there is one and the path is one of its.
pub(crate) fn console_of<'w>(world: &'w World, path: &str) -> Option<&'w Arc<Console>> {
    let console = world.console.as_ref();
    console.filter(|_| Console::has(path))
}

/// Reads the body and hands the request over.
pub(crate) async fn serve(
    gateway: &Gateway,
    world: &World,
    console: &Console,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let request = match whole::read(world, peer, request, BODY_BYTES_MAX).await {
        Ok((_, request)) => request,
        Err(refusal) => return *refusal,
    };
    let shown = Shown { gateway, world };
    let reply = console.serve(request, &shown).await;
    reply.map(|body| match body {
        Body::Whole(text) => ReplyBody::Whole(text),
        Body::Events(events) => ReplyBody::Events(events),
    })
}

/// One world, as the console sees it.
struct Shown<'a> {
    gateway: &'a Gateway,
    world: &'a World,
}

impl Shown<'_> {
    fn tenant(&self, tenant: &TenantId) -> Option<&Arc<Tenant>> {
        self.world.tenants.get(tenant)
    }
}

impl Rooms for Shown<'_> {
    fn access(&self, tenant: &TenantId) -> Option<Arc<Access>> {
        let access = self.tenant(tenant)?.access.as_ref()?;
        Some(Arc::clone(&access.access))
    }

    fn entitlements(&self, tenant: &TenantId) -> Option<Entitlements> {
        let access = self.tenant(tenant)?.access.as_ref()?;
        Some(access.entitlements.clone())
    }

    fn minutes(&self, tenant: &TenantId) -> Vec<Minute> {
        let Some(tenant) = self.tenant(tenant) else {
            return Vec::new();
        };
        let now = self.gateway.clock.unix_s() / 60;
        let minutes = tenant.room.minutes.last_hour(now);
        minutes
            .map(|(calls, denials)| Minute { calls, denials })
            .collect()
    }

    fn policies(&self, tenant: &TenantId) -> [u8; 32] {
        self.tenant(tenant)
            .map_or([0; 32], |tenant| tenant.policies.digest())
    }

    fn ruling(&self, tenant: &TenantId, request: &AccessRequest) -> Ruling {
        let Some(of) = self.tenant(tenant) else {
            return Ruling::Unknown("the tenant is not there".to_owned());
        };
        let caller = Caller {
            tenant,
            subject: &request.subject,
            actor: &request.actor,
            groups: &request.groups,
        };
        let method = request.action.as_str();
        let question = Question::new(
            caller,
            request.action,
            &request.upstream,
            request.target.clone(),
            method.into(),
        );
        let names = |policies: &[Arc<str>]| policies.iter().map(ToString::to_string).collect();
        match of.policies.decide(question) {
            Ok(permit) => Ruling::Permits(names(permit.policies())),
            Err(refusal) if refusal.lacks_a_permit_only() => Ruling::Silent,
            Err(refusal) => {
                let policies = refusal.policies_shared();
                match policies.is_empty() {
                    true => Ruling::Unknown("a policy could not be evaluated".to_owned()),
                    false => Ruling::Forbids(names(&policies)),
                }
            }
        }
    }

    fn subject(&self, tenant: &TenantId, upstream: &UpstreamId, target: &Target) -> Subject {
        let Target::Tool(name) = target else {
            return Subject::default();
        };
        let known = self.world.registry.resolve(tenant, upstream.as_str());
        let Some(definition) = known.and_then(|known| known.definitions().tool(name.as_str()))
        else {
            return Subject::default();
        };
        let raw: Value = serde_json::from_str(&definition.raw).unwrap_or_default();
        let description = raw.get("description").and_then(Value::as_str);
        Subject {
            description: description.map(str::to_owned),
            digest: definition.digest,
        }
    }
}
