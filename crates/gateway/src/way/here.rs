//! Calls of the gateway's own tools: answered here, recorded like every other.

use std::sync::Arc;

use bytes::Bytes;
use cardea_domain::{Action, Code, Denial, Target};
use cardea_mcp::reply;
use cardea_registry::is_reserved;
use http::StatusCode;

use super::{Ask, OpenCall, Recorded, Refused, Validated};
use crate::{
    access::native::{Call, Tool, result},
    facts::Outcome,
    flow::Begun,
    world::{Gateway, World},
};

impl Validated {
    /// Whether the tool that is called has a name that only the gateway's own have.
    pub(crate) fn is_for_the_gateway(&self) -> bool {
        let name = match &self.resolved.facts.target {
            Some(Target::Tool(name)) => name.as_str(),
            _ => return false,
        };
        is_reserved(name)
    }

    /// Answers a call of one of the gateway's own tools.
    ///
    /// # Errors
    /// The refusal, the same whether there is no such tool or nothing that the caller may ask for here.
    pub(crate) async fn answer_here(
        self,
        gateway: &Arc<Gateway>,
        world: &World,
    ) -> Result<Recorded, Box<Refused>> {
        let refused = |detail: &str| Denial::not_permitted(Code::PolicyDenied).detail(detail);
        let era = self.dialect.era;
        let (known, principal) = (self.known, self.resolved.principal);
        let facts = self.resolved.facts;
        let tool = match &facts.target {
            Some(Target::Tool(name)) => Tool::of_name(name.as_str()),
            _ => None,
        };
        let tenant = world.tenants.get(&principal.tenant);
        let access = tenant.and_then(|tenant| tenant.access.as_ref());
        let (Some(tool), Some(tenant), Some(access)) = (tool, tenant, access) else {
            return Err(Refused::new(refused("the gateway has no such tool"), facts));
        };
        let (Ask::Message(message), Some(id)) = (&self.resolved.ask, facts.id.clone()) else {
            return Err(Refused::new(refused("not a request"), facts));
        };
        if !access.entitlements.reaches(&principal, known.id()) {
            let why = "there is nothing here that the caller may ask for";
            return Err(Refused::new(refused(why), facts));
        }
        let locked = access.check_locks(&principal, Action::Connect, known.id(), &Target::Upstream);
        if let Err(locked) = locked {
            return Err(Refused::new(locked, facts));
        }
        let (model, client) = (facts.model.clone(), facts.client.clone());
        let call = OpenCall::that_only_tells(gateway, facts);
        let said = Call {
            access,
            principal: &principal,
            known: &known,
            message,
            model: model.as_deref(),
            client: client.as_deref().and_then(|c| std::str::from_utf8(c).ok()),
            tenant,
            firewall: world.firewall(&known),
            begun: Begun::of(&self.resolved.life),
            now_ms: gateway.clock.unix_ms(),
        }
        .answer(tool)
        .await;
        let text = Bytes::from(reply::result(&id, &result(&said, era).to_string()));
        let outcome = Outcome {
            word: "result",
            status: StatusCode::OK.as_u16(),
            bytes: text.len(),
            is_error: said.is_err(),
            ..Outcome::default()
        };
        Ok(match call.close(&outcome).await {
            Ok(receipt) => Recorded::whole(&receipt, StatusCode::OK, text),
            Err(denial) => Recorded::unrecordable(&denial, era, Some(&id)),
        })
    }
}
