//! A client without a person at hand (RFC 6749 section 4.4), for whom a person answers.

use cardea_store::NewFamily;
use uuid::Uuid;

use super::issue::Issue;
use crate::server::{
    Desk, approval::Approval, binding::Confirmation, client::Client, error::Refusal, http::Reply,
    person::Person, resource::MCP_SCOPE,
};

pub(super) async fn exchange(
    desk: &Desk<'_>,
    client: &Client,
    confirmation: Option<Confirmation>,
) -> Result<Reply, Refusal> {
    let unattended = client
        .unattended
        .as_ref()
        .filter(|_| client.is_confidential());
    let Some((tenant, subject)) = unattended else {
        return Err(Refusal::new(
            "unauthorized_client",
            "the client acts for people who are there",
        ));
    };
    if !desk.server.settings.tenants.contains(tenant) {
        return Err(Refusal::new(
            "unauthorized_client",
            "the client's tenant is gone",
        ));
    }
    let params = &desk.ask.params;
    let resource = desk.server.resources.asked(params.find("resource"))?;
    if desk.server.resources.is_api(&resource) {
        return Err(Refusal::new(
            "invalid_target",
            "the API is for people, and nobody has logged in for this grant",
        ));
    }
    let approval = Approval {
        client: client.id.to_string(),
        redirect_uri: None,
        redirect_named: false,
        code_challenge: None,
        resource: resource.clone(),
        scope: MCP_SCOPE.to_owned(),
        person: Person {
            tenant: tenant.clone(),
            subject: subject.clone(),
            groups: Vec::new(),
            auth_time_s: desk.now_s(),
            acr: None,
            amr: Vec::new(),
            provider: None,
        },
        confirmation: confirmation.clone(),
    };
    let (family, run) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
    let text = serde_json::to_string(&approval).map_err(|_| Refusal::unavailable())?;
    let now_s = desk.now_s();
    let new = NewFamily {
        tenant,
        family: &family,
        subject,
        client: client.id.as_str(),
        approval: &text,
        run: &run,
        now_s,
        expires_s: now_s + desk.server.settings.access_token_s,
    };
    if !desk.state().store.begin_family(&new).await? {
        return Err(Refusal::invalid_grant("it was taken back"));
    }
    let issue = Issue {
        client,
        approval: &approval,
        family: &family,
        run: &run,
        resource,
        scope: approval.scope.clone(),
        confirmation,
        is_attended: false,
        refresh_until_s: None,
    };
    desk.issue(issue).await
}
