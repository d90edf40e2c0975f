//! The tokens for one server: had from the store or an authorization server, renewed before they
//! end, replaced when the server says so.

mod held;
mod obtain;
mod send;
mod stored;

use std::sync::Arc;

use tokio::sync::Mutex;

pub(crate) use self::held::Token;
use crate::{
    ConnectError, Settings,
    challenge::Wanted,
    dpop::Prover,
    form::Form,
    http::Http,
    login::{self, Outcome, Site},
    store::Entry,
    token::Endpoint,
    unattended::Grant,
};

/// Whoever launched this program, towards one server.
pub struct Credentials {
    pub(crate) settings: Settings,
    pub(crate) http: Http,
    entry: Entry,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The store was looked into.
    begun: bool,
    held: Option<Arc<Token>>,
    /// The scopes that were asked for.
    asked: Vec<String>,
    /// The run that a renewed token goes on with.
    run: Option<String>,
    /// The key of an unattended grant, which lives as long as the process.
    key: Option<Arc<Prover>>,
    /// Times that more scopes were asked for.
    step_ups: usize,
}

/// A token is replaced this long before it ends: longer than a call takes to be sent.
const RENEW_BEFORE_S: u64 = 30;

/// Each may be a window for somebody to answer; a server that asks for more asks without end.
const STEP_UPS_MAX: usize = 3;

impl Credentials {
    /// Credentials by `settings`; nothing is read or asked yet.
    ///
    /// # Errors
    /// [`ConnectError::File`] when the CA file cannot be used.
    pub fn new(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self {
            http: Http::new(settings.ca_file.as_deref())?,
            entry: settings.store.entry(&settings.server),
            state: Mutex::new(State {
                asked: settings.scopes.clone(),
                ..State::default()
            }),
            settings,
        })
    }

    /// Has a person log in, and keeps the login.
    ///
    /// # Errors
    /// [`ConnectError`]; an earlier login stays then.
    pub async fn login(&self) -> Result<Outcome, ConnectError> {
        let wanted = login::probe(&self.http, &self.settings.server).await?;
        let wanted = wanted.unwrap_or_default();
        let before = self.entry.read()?;
        let issuer = before.as_ref().map(|record| record.issuer.as_str());
        let site = Site::find(&self.http, &self.settings.server, &wanted, issuer).await?;
        let mut state = self.state.lock().await;
        let record = self
            .log_in(&mut state, &site, wanted.scope.as_deref(), before.as_ref())
            .await?;
        Ok(Outcome {
            issuer: record.issuer,
            scopes: record.scopes,
            bound: record.bound,
            renewable: record.refresh_token.is_some(),
            file: self.entry.path().to_owned(),
        })
    }

    /// Ends the login at the authorization server and forgets it; false when there was none.
    ///
    /// # Errors
    /// [`ConnectError`] when it could not be ended there; it is forgotten here all the same.
    pub async fn logout(&self) -> Result<bool, ConnectError> {
        let Some(record) = self.entry.read()? else {
            return Ok(false);
        };
        let locked = self.entry.lock().await?;
        let record = locked.read()?.unwrap_or(record);
        locked.remove()?;
        drop(locked);
        let token = record
            .refresh_token
            .as_ref()
            .or(record.access_token.as_ref());
        if let (Some(url), Some(token)) = (&record.revocation_endpoint, token) {
            let url = crate::address::named(url, &self.settings.server)?;
            let client = self.stored_client(&record);
            let endpoint = Endpoint {
                http: &self.http,
                url: &url,
                issuer: &record.issuer,
                client: &client,
                prover: None,
                clock: &self.settings.clock,
            };
            let form = Form::default().with("token", token.expose());
            endpoint.send(&form).await?;
        }
        Ok(true)
    }

    /// The token to send now; none before the server asked for one.
    pub(crate) async fn token(&self) -> Result<Option<Arc<Token>>, ConnectError> {
        let mut state = self.state.lock().await;
        if !state.begun {
            self.begin(&mut state).await?;
            state.begun = true;
        }
        let now = self.settings.clock.unix_s();
        let ends = state.held.as_ref().is_some_and(|token| {
            let end = token.expires_at_s.unwrap_or(u64::MAX);
            token.renewable && end <= now.saturating_add(RENEW_BEFORE_S)
        });
        if ends {
            self.refresh(&mut state).await?;
        }
        Ok(state.held.clone())
    }

    /// Replaces a token that the server did not take, or gets the first one.
    ///
    /// # Errors
    /// [`ConnectError::LoginNeeded`] where only a person could help and nobody may be asked.
    pub(crate) async fn rejected(
        &self,
        sent: Option<&Arc<Token>>,
        wanted: &Wanted,
    ) -> Result<(), ConnectError> {
        let mut state = self.state.lock().await;
        if is_replaced(&state, sent) {
            return Ok(());
        }
        let renewable = sent.is_some_and(|token| token.renewable);
        if matches!(self.settings.grant, Grant::Stored) && !renewable {
            return Err(ConnectError::LoginNeeded {
                command: self.command(None),
            });
        }
        let before = self.stored()?;
        let issuer = before.as_ref().map(|record| record.issuer.as_str());
        let site = Site::find(&self.http, &self.settings.server, wanted, issuer).await?;
        let same = before
            .as_ref()
            .is_some_and(|record| record.issuer == site.server.issuer);
        if renewable && same {
            match self.refresh(&mut state).await {
                Ok(true) => return Ok(()),
                Ok(false)
                | Err(ConnectError::Refused { .. } | ConnectError::LoginNeeded { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let scope = wanted.scope.as_deref();
        self.acquire(&mut state, &site, scope, before.as_ref())
            .await
    }

    /// Gets a token for `scope` too, which the one that was sent lacks.
    ///
    /// # Errors
    /// [`ConnectError::ScopeNeeded`] when it was asked for already or nobody may be asked.
    pub(crate) async fn step_up(
        &self,
        sent: Option<&Arc<Token>>,
        wanted: &Wanted,
    ) -> Result<(), ConnectError> {
        let scope = wanted.scope.as_deref().unwrap_or_default();
        let mut state = self.state.lock().await;
        if is_replaced(&state, sent) {
            return Ok(());
        }
        let missing = scope
            .split_ascii_whitespace()
            .any(|scope| !state.asked.iter().any(|asked| asked == scope));
        let needed = union(&state.asked, scope);
        let refused = ConnectError::ScopeNeeded {
            command: self.command(Some(&needed.join(" "))),
            scope: needed.join(" "),
        };
        if !missing
            || state.step_ups >= STEP_UPS_MAX
            || matches!(self.settings.grant, Grant::Stored)
        {
            return Err(refused);
        }
        state.step_ups += 1;
        let before = self.stored()?;
        let issuer = before.as_ref().map(|record| record.issuer.as_str());
        let site = Site::find(&self.http, &self.settings.server, wanted, issuer).await?;
        self.acquire(&mut state, &site, Some(scope), before.as_ref())
            .await
    }

    /// What a person runs to log in.
    fn command(&self, scope: Option<&str>) -> String {
        let server = &self.settings.server;
        let mut command = match crate::address::gateway_of(server) {
            Some(gateway) => format!("cardea login {gateway}"),
            None => format!("cardea login --url {server}"),
        };
        if let Some(scope) = scope.filter(|scope| !scope.is_empty()) {
            command.push_str(&format!(" --scope '{}'", crate::error::foreign(scope)));
        }
        command
    }
}

/// Whether another request has replaced the token meanwhile.
fn is_replaced(state: &State, sent: Option<&Arc<Token>>) -> bool {
    match (&state.held, sent) {
        (Some(held), Some(sent)) => !Arc::ptr_eq(held, sent),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn union(scopes: &[String], more: &str) -> Vec<String> {
    let mut all = scopes.to_vec();
    for scope in more.split_ascii_whitespace() {
        if !all.iter().any(|s| s == scope) {
            all.push(scope.to_owned());
        }
    }
    all
}
