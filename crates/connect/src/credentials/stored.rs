//! What an earlier login left: taken up, renewed, written back.

use std::sync::Arc;

use super::{Credentials, State, Token, held, union};
use crate::{
    ConnectError,
    client::{Client, Proof, Secret},
    dpop::Prover,
    form::Form,
    login,
    store::{ClientRecord, Origin, Record},
    token::{Endpoint, Scheme, Tokens},
    unattended::Grant,
};

impl Credentials {
    /// Takes up what an earlier login left.
    pub(super) async fn begin(&self, state: &mut State) -> Result<(), ConnectError> {
        let Some(record) = self.stored()? else {
            return Ok(());
        };
        state.asked = union(&state.asked, &record.scopes.join(" "));
        if record.refresh_token.is_some() {
            // Every launch is a run of its own, so it begins with a token of its own.
            return match self.refresh(state).await {
                Ok(_) => Ok(()),
                Err(ConnectError::LoginNeeded { .. })
                    if !matches!(self.settings.grant, Grant::Stored) =>
                {
                    Ok(())
                }
                Err(error) => Err(error),
            };
        }
        if let Some(access) = &record.access_token {
            let prover = match record.bound {
                true => self.stored_prover(&record)?,
                false => None,
            };
            state.held = Some(Arc::new(Token {
                access: access.expose().to_owned(),
                expires_at_s: record.expires_at_s,
                prover,
                renewable: false,
            }));
        }
        Ok(())
    }

    /// The login in the store, for grants that use one.
    pub(super) fn stored(&self) -> Result<Option<Record>, ConnectError> {
        match self.settings.grant.is_attended() {
            true => self.entry.read(),
            false => Ok(None),
        }
    }

    /// Uses up the stored refresh token for a new access token; false when there is none.
    ///
    /// The lock is held from reading the old refresh token to writing the new one, so that no
    /// two processes use one up.
    pub(super) async fn refresh(&self, state: &mut State) -> Result<bool, ConnectError> {
        let locked = self.entry.lock().await?;
        let Some(mut record) = locked.read()? else {
            return Ok(false);
        };
        let Some(refresh) = record.refresh_token.clone() else {
            return Ok(false);
        };
        let prover = self.stored_prover(&record)?;
        let url = crate::address::named(&record.token_endpoint, &self.settings.server)?;
        let client = self.stored_client(&record);
        let endpoint = Endpoint {
            http: &self.http,
            url: &url,
            issuer: &record.issuer,
            client: &client,
            prover: prover.as_deref(),
            clock: &self.settings.clock,
        };
        let form = Form::new("refresh_token")
            .with("refresh_token", refresh.expose())
            .with("resource", &record.resource)
            // Known to Cardea's authorization server; others ignore it (RFC 6749, section 3.2).
            .with("cardea_run", state.run.as_deref().unwrap_or("new"));
        let tokens = match endpoint.tokens(&form).await {
            Ok(tokens) => tokens,
            Err(ConnectError::Refused { error, .. }) if error == "invalid_grant" => {
                record.refresh_token = None;
                locked.write(&record)?;
                state.held = None;
                return Err(ConnectError::LoginNeeded {
                    command: self.command(None),
                });
            }
            Err(error) => return Err(error),
        };
        if let Some(rotated) = &tokens.refresh {
            record.refresh_token = Some(Secret::new(rotated));
        }
        locked.write(&record)?;
        drop(locked);
        self.hold(state, tokens, prover, true);
        Ok(true)
    }

    pub(super) fn hold(
        &self,
        state: &mut State,
        tokens: Tokens,
        prover: Option<Arc<Prover>>,
        renewable: bool,
    ) {
        state.run = held::run(&tokens.access);
        let bound = tokens.scheme == Scheme::Dpop;
        state.held = Some(Arc::new(Token {
            access: tokens.access,
            expires_at_s: tokens.expires_at_s,
            prover: prover.filter(|_| bound),
            renewable,
        }));
    }

    /// The client of a stored login, without asking its server again.
    pub(super) fn stored_client(&self, record: &Record) -> Client {
        let ClientRecord {
            id,
            origin,
            secret,
            auth_method,
            ..
        } = &record.client;
        let proof = match (
            &self.settings.client_key,
            origin,
            secret,
            auth_method.as_deref(),
        ) {
            (Some(key), Origin::Told, _, _) => Proof::Key(Arc::clone(key)),
            (_, _, Some(secret), Some("client_secret_post")) => Proof::Post(secret.clone()),
            (_, _, None, _) | (_, _, _, Some("none")) => Proof::None,
            (_, _, Some(secret), _) => Proof::Basic(secret.clone()),
        };
        Client {
            id: id.clone(),
            proof,
        }
    }

    pub(super) fn stored_prover(
        &self,
        record: &Record,
    ) -> Result<Option<Arc<Prover>>, ConnectError> {
        let key = record.key.as_ref();
        key.map(|key| login::prover(key, &self.settings).map(Arc::new))
            .transpose()
    }
}
