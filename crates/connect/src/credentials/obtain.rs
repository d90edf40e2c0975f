//! A token where there was none: by a person who logs in, or by a grant that needs nobody.

use std::sync::Arc;

use super::{Credentials, State};
use crate::{
    ConnectError,
    client::Client,
    discovery,
    dpop::Prover,
    login::{self, Done, Site},
    registration,
    store::Record,
    token::Endpoint,
    unattended::{self, Grant},
};

impl Credentials {
    pub(super) async fn acquire(
        &self,
        state: &mut State,
        site: &Site,
        scope: Option<&str>,
        before: Option<&Record>,
    ) -> Result<(), ConnectError> {
        match &self.settings.grant {
            Grant::Stored => Err(ConnectError::LoginNeeded {
                command: self.command(None),
            }),
            Grant::Browser | Grant::Device => {
                self.log_in(state, site, scope, before).await.map(drop)
            }
            grant => {
                let scopes = discovery::scopes(scope, &site.resource, &site.server, &state.asked);
                let asked = (!scopes.is_empty()).then(|| scopes.join(" "));
                let prover = self.process_key(state, site)?;
                let client = self.own_client(site)?;
                let url = site.server.token_endpoint()?;
                let endpoint = Endpoint {
                    http: &self.http,
                    url: &url,
                    issuer: &site.server.issuer,
                    client: &client,
                    prover: prover.as_deref(),
                    clock: &self.settings.clock,
                };
                let resource = &site.resource.resource;
                let tokens = unattended::tokens(grant, endpoint, asked, resource).await?;
                state.asked = scopes;
                self.hold(state, tokens, prover, false);
                Ok(())
            }
        }
    }

    pub(super) async fn log_in(
        &self,
        state: &mut State,
        site: &Site,
        scope: Option<&str>,
        before: Option<&Record>,
    ) -> Result<Record, ConnectError> {
        let scopes = discovery::scopes(scope, &site.resource, &site.server, &state.asked);
        let Done { record, tokens } =
            login::login(&self.http, &self.settings, site, scopes, before).await?;
        self.entry.lock().await?.write(&record)?;
        state.asked.clone_from(&record.scopes);
        state.begun = true;
        let prover = self.stored_prover(&record)?;
        let renewable = record.refresh_token.is_some();
        self.hold(state, tokens, prover, renewable);
        Ok(record)
    }

    /// The client of an unattended grant.
    pub(super) fn own_client(&self, site: &Site) -> Result<Client, ConnectError> {
        let told = registration::told(&self.settings);
        let told = told.ok_or_else(|| ConnectError::Unregistered {
            issuer: crate::error::foreign(&site.server.issuer),
            reason: "pass its id by `--client-id`".into(),
        })?;
        Ok(told.client(&site.server, &self.settings))
    }

    pub(super) fn process_key(
        &self,
        state: &mut State,
        site: &Site,
    ) -> Result<Option<Arc<Prover>>, ConnectError> {
        if !site.server.binds_tokens() {
            return Ok(None);
        }
        if state.key.is_none() {
            let key = login::new_key()?;
            state.key = Some(Arc::new(login::prover(&key, &self.settings)?));
        }
        Ok(state.key.clone())
    }
}
