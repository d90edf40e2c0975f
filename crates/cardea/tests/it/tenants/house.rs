//! A gateway of one or two tenants that have everything in common but themselves: the names of their upstreams, their
//! people, agents and runs, one identity provider.

use std::fs;

use tempfile::TempDir;

use cardea_testkit::identity_provider::IdentityProvider;

use crate::{
    stdio::{program, python},
    support::*,
};

/// The tenant whose answers are compared.
pub(super) const ACME: &str = "acme";
/// The tenant beside it.
pub(super) const GLOBEX: &str = "globex";

/// Whether the other tenant is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Beside,
}

/// The gateway and what is around it.
pub(super) struct House {
    pub(super) gateway: Gateway,
    pub(super) idp: IdentityProvider,
    /// Opened when those that wait in the other tenant's `hold` may go on.
    pub(super) hold: Gate,
    folder: TempDir,
    config: Value,
    _servers: Vec<Echo>,
}

/// To everybody everything but one tool, and what the tenant's own policy says.
const SHARED_POLICY: &str = r#"
    @id("all") permit(principal, action, resource);
    @id("never") forbid(principal, action, resource) when { resource == Cardea::Tool::"tickets/delete" };
"#;

impl House {
    pub(super) async fn build(company: Company) -> Self {
        let idp = IdentityProvider::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let hold = Gate::closed();
        let tickets = server("tickets", None, &hold).await;
        let mut servers = Vec::new();
        let mut config_of_tenants = json!({});
        let tenants = match company {
            Company::Alone => vec![ACME],
            Company::Beside => vec![ACME, GLOBEX],
        };
        for tenant in &tenants {
            let files = server(&format!("{tenant}-files"), Some(tenant), &hold).await;
            config_of_tenants[*tenant] = own_settings(&folder, tenant, &files.url());
            servers.push(files);
        }
        let setup = setup()
            .set("tenants", config_of_tenants)
            .set("issuers", json!([idp.entry()]))
            .upstream(
                "tickets",
                json!({"tenants": tenants, "http": {"url": tickets.url()}}),
            )
            .upstream(
                "notes",
                json!({"tenants": tenants, "stdio": {"command": python(), "args": [program()]}}),
            )
            .policy(SHARED_POLICY);
        servers.push(tickets);
        for tenant in &tenants {
            write_policy(&folder, tenant, 0);
        }
        let gateway = setup.start().await.unwrap();
        let config = serde_json::from_slice(&fs::read(gateway.config()).unwrap()).unwrap();
        Self {
            gateway,
            idp,
            hold,
            folder,
            config,
            _servers: servers,
        }
    }

    /// A token of Ada's agent, in the same run for both tenants.
    pub(super) fn token(&self, tenant: &str) -> String {
        let audience = format!("http://{}/mcp", self.gateway.address());
        let mut claims = self.idp.claims(tenant, "ada", &audience);
        claims["sid"] = "run-1".into();
        self.idp.token(&claims)
    }

    /// Writes a tenant's own policy anew and waits until it is in place.
    pub(super) async fn change_policy(&self, tenant: &str, edition: usize) {
        self.after_reload(|| write_policy(&self.folder, tenant, edition))
            .await;
    }

    /// Adds a third tenant with upstreams of the same names, or takes it away again.
    pub(super) async fn third_tenant(&self, is_there: bool) {
        let mut config = self.config.clone();
        if is_there {
            let upstream = json!({"files": {"http": {"url": "http://127.0.0.1:9/mcp"}}});
            config["tenants"]["initech"] = json!({"upstreams": upstream});
        }
        let text = config.to_string();
        self.after_reload(|| fs::write(self.gateway.config(), text).unwrap())
            .await;
    }

    async fn after_reload(&self, change: impl FnOnce()) {
        let accepted = [r#"result="accepted""#];
        let count = async || metric(&self.gateway, "cardea_reloads_total", &accepted).await;
        let before = count().await;
        change();
        until("the new configuration", async || {
            (count().await > before).then_some(())
        })
        .await;
    }
}

/// What a tenant has of its own; the ids are those of the other's.
fn own_settings(folder: &TempDir, tenant: &str, files: &str) -> Value {
    let mut upstreams = json!({"files": {"http": {"url": files}}});
    if tenant == GLOBEX {
        upstreams["vault"] = upstreams["files"].clone();
    }
    json!({
        "upstreams": upstreams,
        "policies": [folder.path().join(format!("{tenant}.cedar"))],
        // The neighbour has room for what it holds all the time, and the other has less than that.
        "limits": match tenant {
            ACME => json!({"calls_max": 6, "streams_max": 3, "streams_per_principal_max": 2}),
            _ => json!({"calls_max": 12, "streams_max": 8, "streams_per_principal_max": 7}),
        },
    })
}

/// Each tenant forbids another tool.
fn write_policy(folder: &TempDir, tenant: &str, edition: usize) {
    let tool = if tenant == ACME { "secret" } else { "progress" };
    let policy = format!(
        "// Edition {edition}\n@id(\"own\") forbid(principal in Cardea::Tenant::\"{tenant}\", action, resource == Cardea::Tool::\"tickets/{tool}\");\n"
    );
    fs::write(folder.path().join(format!("{tenant}.cedar")), policy).unwrap();
}

/// A server whose answers follow from the request and its own name alone.
async fn server(name: &str, owner: Option<&str>, hold: &Gate) -> Echo {
    let echo = Echo::start().await.unwrap();
    let (label, hold_streams, hold) = (name.to_owned(), hold.clone(), hold.clone());
    echo.on("tools/call", move |seen| tool(seen, &label, &hold));
    // The owner's own definition of one tool, or none at all.
    let mirrors = owner == Some(ACME);
    echo.on("tools/list", move |seen| tools(seen, mirrors));
    let label = name.to_owned();
    echo.on("resources/read", move |seen| {
        let uri = seen.message()["params"]["uri"].clone();
        let result = json!({"contents": [{"uri": uri, "text": label}], "resultType": "complete"});
        Reply::result(seen, &result)
    });
    if owner == Some(GLOBEX) {
        echo.on("subscriptions/listen", move |seen| {
            let answer = Reply::result(seen, &json!({"resultType": "complete"}));
            match seen.message()["params"]["hold"].as_bool() {
                Some(true) => answer.after(&hold_streams),
                _ => answer,
            }
        });
    } else {
        echo.on("subscriptions/listen", |seen| {
            Reply::result(seen, &json!({"resultType": "complete"}))
        });
    }
    let label = name.to_owned();
    echo.on("GET", move |seen| {
        let after = seen.header("last-event-id");
        let told = |n: u8| {
            let about = json!({"level": "info", "data": format!("{label} {n} after {after:?}")});
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": about})
        };
        let event = |n: u8| format!("id: e{n}\ndata: {}\n\n", told(n));
        let text: String = (1..=3).map(event).collect();
        Reply::bytes(200, "text/event-stream", text)
    });
    echo
}

fn tool(seen: &Seen, label: &str, hold: &Gate) -> Reply {
    let message = seen.message();
    let params = &message["params"];
    let session = seen.header("mcp-session-id");
    let said = json!({"server": label, "session": session, "arguments": params["arguments"]});
    let mut result = json!({"content": [{"type": "text", "text": said.to_string()}]});
    if seen.is_modern() {
        result["resultType"] = "complete".into();
    }
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    match params["name"].as_str().unwrap_or_default() {
        "fail" => {
            let error = json!({"code": -32001, "message": format!("{label} failed")});
            Reply::json(
                200,
                &json!({"jsonrpc": "2.0", "id": message["id"], "error": error}),
            )
        }
        "progress" => {
            let progress = |n: u8| {
                let token = &params["_meta"]["progressToken"];
                let step = json!({"progressToken": token, "progress": n, "message": label});
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": step})
            };
            Reply::stream(&[progress(1), progress(2), answer])
        }
        "hold" => Reply::result(seen, &result).after(hold),
        _ => Reply::result(seen, &result),
    }
}

/// Two pages of tools; one of them may mirror an argument.
fn tools(seen: &Seen, mirrors: bool) -> Reply {
    let schema = match mirrors {
        true => {
            json!({"type": "object", "properties": {"name": {"type": "string", "x-mcp-header": "Region"}}})
        }
        false => json!({"type": "object"}),
    };
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let mut result = match seen.message()["params"]["cursor"].as_str() {
        Some("page-2") => json!({"tools": [tool("secret"), tool("delete"), tool("fail")]}),
        _ => json!({
            "tools": [tool("echo"), {"name": "region", "inputSchema": schema}, tool("progress")],
            "nextCursor": "page-2",
        }),
    };
    if seen.is_modern() {
        result["resultType"] = "complete".into();
    }
    Reply::result(seen, &result)
}
