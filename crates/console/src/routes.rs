//! Every route: how requests find it, who may use it, what it takes, what it is for. Dispatch, the
//! OpenAPI document and the test of who may do what are made from this one table.

mod table;

use cardea_domain::Denial;
use cardea_identity::ApiHolder;
use http::{Method, StatusCode, request::Parts};

use crate::{
    Console, Rooms, acts, api,
    ask::Ask,
    desk::{self, Desk},
    events, explain,
    field::Field,
    openapi, pages,
    refusal::Refusal,
    reply::{self, Reply},
};

pub(crate) use table::ROUTES;

use Handler as H;

/// A method and a path with what they mean.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// `{id}` stands for one segment.
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    pub(crate) token: Token,
    pub(crate) handler: Handler,
    pub(crate) query: &'static [Field],
    pub(crate) body: &'static [Field],
    /// One sentence without full stop.
    pub(crate) what: &'static str,
}

/// Who may use a route; which requests and grants they see there is decided one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody: nothing of a tenant is in it.
    Anyone,
    /// Whoever is logged in.
    Person,
    /// Administrators and auditors.
    Overseer,
    Administrator,
}

/// What a program with a token of the person's may do with a route. It may be an agent that found
/// the login: it may look, ask and take away, and never give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// Use it.
    Good,
    /// Nothing. The person does it on the page of this path; `{id}` is that of the route.
    Page(&'static str),
    /// Nothing: it is for browsers.
    No,
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    Style,
    Script,
    Icon,
    OpenApi,
    Login,
    Overview,
    RequestsPage,
    AskPage,
    RequestPage,
    GrantsPage,
    ReachPage,
    ExplainPage,
    AgentsPage,
    LocksPage,
    ServersPage,
    ServerPage,
    ApproveDefinition,
    RejectDefinition,
    WithdrawDefinition,
    Servers,
    Overall,
    Requests,
    Request,
    Ask,
    Approve,
    Refuse,
    Cancel,
    Justify,
    Grants,
    Revoke,
    Release,
    Extend,
    RevokeAll,
    Reach,
    Explain,
    Agents,
    Locks,
    Lock,
    Unlock,
    Events,
}

/// Answers a request, and makes a refusal what its reader can use.
pub(crate) async fn dispatch(
    console: &Console,
    head: Parts,
    body: &[u8],
    token: Option<Result<ApiHolder, Denial>>,
    rooms: &dyn Rooms,
) -> Reply {
    let path = head.uri.path().to_owned();
    let page = match head.method {
        Method::GET => head
            .uri
            .path_and_query()
            .map_or(path.as_str(), |p| p.as_str())
            .to_owned(),
        // After a login a page is asked for with GET.
        _ => pages::of(&path).to_owned(),
    };
    match answer(console, head, body, token, rooms).await {
        Ok(reply) => reply,
        Err(refusal) if is_api(&path) => refusal.into_problem(&path),
        Err(refusal) => pages::refuse(console, refusal, &page),
    }
}

pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

async fn answer(
    console: &Console,
    head: Parts,
    body: &[u8],
    token: Option<Result<ApiHolder, Denial>>,
    rooms: &dyn Rooms,
) -> Result<Reply, Refusal> {
    let (route, id) = find(&head.method, head.uri.path())?;
    let headers = head.headers.clone();
    let ask = |head| Ask::read(head, body, route.query, route.body);
    if route.who == Who::Anyone {
        return public(console, route, &ask(head)?);
    }
    // Who asks comes before what is asked: a stranger learns nothing of what is wrong with it.
    let (caller, access, entitlements) = desk::enter(console, &headers, token, rooms).await?;
    caller.check(route.who)?;
    if caller.program.is_some() {
        check_token(console, route, &id)?;
    }
    let ask = ask(head)?;
    let desk = Desk {
        console,
        route,
        ask,
        id,
        caller,
        access,
        entitlements,
        rooms,
    };
    if route.method != Method::GET {
        desk.check_sender()?;
    }
    serve(&desk).await
}

/// Refuses a program what needs a person in front of a page.
fn check_token(console: &Console, route: &Route, id: &str) -> Result<(), Refusal> {
    match route.token {
        Token::Good => Ok(()),
        Token::Page(page) => {
            let page = page.replace("{id}", id);
            Err(Refusal::person_needed(&console.settings.origin, &page))
        }
        Token::No => Err(Refusal::browser_needed()),
    }
}

fn public(console: &Console, route: &Route, ask: &Ask) -> Result<Reply, Refusal> {
    match route.handler {
        H::Style => Ok(reply::asset("text/css; charset=utf-8", pages::STYLE)),
        H::Script => Ok(reply::asset(
            "text/javascript; charset=utf-8",
            pages::SCRIPT,
        )),
        H::Icon => Ok(reply::asset("image/svg+xml", pages::ICON)),
        H::OpenApi => Ok(reply::json(StatusCode::OK, &openapi::document())),
        H::Login => pages::log_in(console, ask),
        _ => Err(Refusal::not_found()),
    }
}

async fn serve(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    match desk.route.handler {
        H::Overview => pages::overview::page(desk).await,
        H::RequestsPage => pages::requests::page(desk).await,
        H::AskPage => pages::ask::page(desk),
        H::RequestPage => pages::request::page(desk).await,
        H::GrantsPage => pages::grants::page(desk).await,
        H::ReachPage => pages::reach::page(desk).await,
        H::ExplainPage => pages::explain::page(desk),
        H::AgentsPage => pages::agents::page(desk).await,
        H::LocksPage => pages::locks::page(desk),
        H::ServersPage => pages::servers::list(desk).await,
        H::ServerPage => pages::servers::page(desk).await,
        H::ApproveDefinition => acts::servers::approve(desk).await,
        H::RejectDefinition => acts::servers::reject(desk).await,
        H::WithdrawDefinition => acts::servers::withdraw(desk).await,
        H::Servers => pages::servers::documents(desk).await,
        H::Overall => api::overview(desk).await,
        H::Requests => api::requests(desk).await,
        H::Request => api::request(desk).await,
        H::Ask => acts::ask(desk).await,
        H::Approve => acts::approve(desk).await,
        H::Refuse => acts::refuse(desk).await,
        H::Cancel => acts::cancel(desk).await,
        H::Grants => api::grants(desk).await,
        H::Justify => acts::justify(desk).await,
        H::Extend => acts::extend(desk).await,
        H::RevokeAll => acts::revoke_all(desk).await,
        H::Revoke => acts::revoke(desk).await,
        H::Release => acts::release(desk).await,
        H::Reach => api::reach(desk).await,
        H::Explain => explain::document(desk),
        H::Agents => api::agents(desk).await,
        H::Locks => api::locks(desk),
        H::Lock => acts::lock(desk).await,
        H::Unlock => acts::unlock(desk).await,
        H::Events => events::stream(desk),
        H::Style | H::Script | H::Icon | H::OpenApi | H::Login => Err(Refusal::not_found()),
    }
}

/// The route of a method and a path, and what stands for `{id}`.
fn find(method: &Method, path: &str) -> Result<(&'static Route, String), Refusal> {
    let mut others = Vec::new();
    for route in ROUTES {
        match matched(route.path, path) {
            Some(id) if route.method == *method => return Ok((route, id.to_owned())),
            Some(_) => others.push(route.method.as_str()),
            None => {}
        }
    }
    if others.is_empty() {
        return Err(Refusal::not_found());
    }
    Err(Refusal::method(others))
}

/// What stands for `{id}`, or nothing where there is none, when the path fits.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_path_finds_its_route() {
        let found =
            |method: &Method, path| find(method, path).map(|(route, id)| (route.handler, id));
        assert_eq!(
            found(&Method::GET, "/console"),
            Ok((H::Overview, String::new()))
        );
        assert_eq!(
            found(&Method::GET, "/console/requests/new"),
            Ok((H::AskPage, String::new()))
        );
        assert_eq!(
            found(&Method::GET, "/api/v1/requests/7"),
            Ok((H::Request, "7".into()))
        );
        assert_eq!(
            found(&Method::POST, "/api/v1/requests/7/approve"),
            Ok((H::Approve, "7".into()))
        );
        assert_eq!(
            found(&Method::GET, "/api/v1/requests/7/approve")
                .unwrap_err()
                .code,
            "E_METHOD"
        );
        for path in [
            "/console/",
            "/api/v1/requests/",
            "/api/v1/requests/7/8/approve",
            "/console/x",
            "/api/v2/requests",
        ] {
            assert_eq!(
                found(&Method::GET, path).unwrap_err().code,
                "E_NOT_FOUND",
                "{path}"
            );
        }
    }

    #[test]
    fn no_route_is_there_twice_and_nothing_changes_by_get() {
        let mut seen = std::collections::BTreeSet::new();
        for route in ROUTES {
            assert!(
                seen.insert((route.method.as_str(), route.path)),
                "{}",
                route.path
            );
            assert!(Console::has(route.path));
            assert!(
                route.method == Method::GET || route.who != Who::Anyone,
                "{}",
                route.path
            );
            // A page is for browsers, whatever it says of itself.
            assert!(
                is_api(route.path) || route.token == Token::No,
                "{}",
                route.path
            );
        }
    }
}
