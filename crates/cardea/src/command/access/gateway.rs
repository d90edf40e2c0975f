//! One gateway, as a command uses it.

use std::io::Write as _;

use cardea_connect::{Answer, Api, Grant};
use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::table::Table;
use crate::{
    cli::access::{FilterArgs, GatewayArgs, PageArgs},
    command::{
        failure::{Failure, Status},
        login::{settings, store},
    },
};

/// The gateway's API, and for whom answers are.
pub(super) struct Gateway {
    api: Api,
    json: bool,
}

/// The parameters of a list.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

/// The API pages by 50 rows.
const PAGES_MAX: u32 = 10_000 / 50 + 1;

impl Gateway {
    /// The gateway that was named, or the only one that there is a login for.
    pub(super) fn open(args: &GatewayArgs) -> Result<Self, Failure> {
        let failed = |error: anyhow::Error| Failure::new(Status::Failed, format!("{error:#}"));
        let named = match &args.gateway {
            Some(gateway) => gateway.clone(),
            None => only(store(&args.store).map_err(failed)?.gateways())?,
        };
        let url = cardea_connect::api_url(&named)?;
        let settings = settings(url, &args.store, None, Grant::Stored, false).map_err(failed)?;
        Ok(Self {
            api: Api::new(settings)?,
            json: args.json,
        })
    }

    /// Gets a document.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await
    }

    /// Does something.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let answer: Answer = self.api.send(method, path, body).await?;
        match answer.status.is_success() {
            true => Ok(answer.document),
            false => Err(Failure::of_answer(&answer)),
        }
    }

    /// The rows of a list, of as many pages as it takes.
    pub(super) async fn list(
        &self,
        path: &str,
        query: &Query,
        limit: u32,
    ) -> Result<Vec<Value>, Failure> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut next = Some(query.address(path));
        for _ in 0..PAGES_MAX {
            let Some(address) = next.filter(|_| rows.len() < limit) else {
                break;
            };
            let page = self.get(&address).await?;
            let items = page.get("items").and_then(Value::as_array);
            rows.extend(items.into_iter().flatten().cloned());
            // The API names the next page from its root on.
            let named = page.get("next").and_then(Value::as_str);
            next = named
                .and_then(|next| next.strip_prefix("/api/v1"))
                .map(str::to_owned);
        }
        rows.truncate(limit);
        Ok(rows)
    }

    /// Prints rows: as a table, or as a document for programs.
    pub(super) fn print(&self, rows: &[Value], table: &Table) -> Result<(), Failure> {
        match self.json {
            true => self.say(&json!({ "items": rows }).to_string()),
            false => self.say(table.render(rows).trim_end()),
        }
    }

    /// Prints what something is now: as a text, or as the document itself for programs.
    pub(super) fn tell(&self, document: &Value, text: &str) -> Result<(), Failure> {
        match self.json {
            true => self.say(&document.to_string()),
            false => self.say(text),
        }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        match writeln!(std::io::stdout(), "{text}") {
            // Whoever reads has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::new(Status::Failed, error.to_string())),
            Ok(()) => Ok(()),
        }
    }

    /// Brings a person to a page, by a browser or by its address on standard error.
    pub(super) fn show(&self, page: &str, args: &PageArgs, why: &str) -> Result<(), Failure> {
        let (address, is_open) = match args.no_browser {
            true => (self.address(page), false),
            false => self.api.show(page)?,
        };
        let how = match is_open {
            true => "A browser was asked to open",
            false => "Open",
        };
        // Nobody listens: nobody is told.
        let _ = writeln!(std::io::stderr(), "{how} {address} {why}");
        Ok(())
    }

    /// The address of a page.
    pub(super) fn address(&self, page: &str) -> String {
        format!("{}{page}", self.api.gateway())
    }
}

fn only(gateways: Vec<String>) -> Result<String, Failure> {
    match <[String; 1]>::try_from(gateways) {
        Ok([only]) => Ok(only),
        Err(none) if none.is_empty() => Err(Failure::new(
            Status::Login,
            "not logged in to a gateway; run `cardea login` with its address",
        )),
        Err(several) => Err(Failure::new(
            Status::WrongUse,
            format!(
                "there are logins for several gateways; name one by `--gateway`: {}",
                several.join(", ")
            ),
        )),
    }
}

impl Query {
    pub(super) fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    pub(super) fn filtered(self, filter: &FilterArgs) -> Self {
        self.with("subject", filter.subject.as_deref())
            .with("actor", filter.actor.as_deref())
            .with("upstream", filter.upstream.as_deref())
            .with("tool", filter.tool.as_deref())
    }

    fn address(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0);
        format!("{path}?{}", query.finish())
    }
}
