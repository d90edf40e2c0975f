//! Every route of the server, and what it answers when it refuses.

use ::http::{Method, StatusCode, header};
use serde_json::json;

use super::{
    Desk, authorize, consent, device,
    error::Refusal,
    http::{self, Reply},
    introspect, login, metadata, oidc, pages, register, revoke, setup, token,
};

/// A path and the methods it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The exact path.
    pub path: &'static str,
    /// `GET`, `POST`, or both.
    pub methods: &'static [&'static str],
    /// Who reads the answers.
    pub reader: Reader,
}

/// Who reads a route's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A program, which gets JSON and may be a script of any web page.
    Program,
    /// A person, who gets pages.
    Person,
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const BOTH: &[&str] = &["GET", "POST"];

const fn program(path: &'static str, methods: &'static [&'static str]) -> Route {
    let reader = Reader::Program;
    Route {
        path,
        methods,
        reader,
    }
}

const fn person(path: &'static str, methods: &'static [&'static str]) -> Route {
    let reader = Reader::Person;
    Route {
        path,
        methods,
        reader,
    }
}

/// All of them.
pub const ROUTES: [Route; 15] = [
    program(metadata::OAUTH_PATH, GET),
    program(metadata::OPENID_PATH, GET),
    person("/authorize", GET),
    person("/login", BOTH),
    person("/login/start", GET),
    person("/login/callback", GET),
    person("/logout", POST),
    person("/consent", BOTH),
    person("/setup", BOTH),
    person("/device", BOTH),
    program("/device_authorization", POST),
    program("/token", POST),
    program("/revoke", POST),
    program("/introspect", POST),
    program("/register", POST),
];

pub(super) fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

/// Answers a request to one of [`ROUTES`].
pub(super) async fn dispatch(desk: &Desk<'_>, route: &Route) -> Reply {
    let ask = &desk.ask;
    if route.reader == Reader::Program && ask.method == Method::OPTIONS {
        return preflight(route);
    }
    if !route.methods.contains(&ask.method.as_str()) {
        return route.wrong_method();
    }
    let is_get = ask.method == Method::GET;
    let answered = match route.path {
        metadata::OAUTH_PATH | metadata::OPENID_PATH => Ok(metadata::answer(desk)),
        "/authorize" => authorize::answer(desk).await,
        "/login" if is_get => login::page(desk).await,
        "/login" => login::submit(desk).await,
        "/login/start" => oidc::start(desk).await,
        "/login/callback" => oidc::callback(desk).await,
        "/logout" => login::logout(desk).await,
        "/consent" if is_get => consent::page(desk).await,
        "/consent" => consent::submit(desk).await,
        "/setup" if is_get => setup::page(desk).await,
        "/setup" => setup::submit(desk).await,
        "/device" if is_get => device::page(desk),
        "/device" => device::submit(desk).await,
        "/device_authorization" => device::authorize(desk).await,
        "/token" => token::answer(desk).await,
        "/revoke" => revoke::answer(desk).await,
        "/introspect" => introspect::answer(desk).await,
        "/register" => register::answer(desk).await,
        _ => Ok(http::empty(StatusCode::NOT_FOUND)),
    };
    answered.unwrap_or_else(|refusal| route.refuse(refusal))
}

impl Route {
    /// A refusal for whoever reads this route's answers.
    pub(super) fn refuse(&self, refusal: Refusal) -> Reply {
        match self.reader {
            Reader::Program => refusal.into_json(),
            Reader::Person => pages::refusal(&refusal),
        }
    }

    fn wrong_method(&self) -> Reply {
        let mut reply = match self.reader {
            Reader::Program => {
                let document = json!({"error": "invalid_request",
                    "error_description": "this is not the method of this endpoint"});
                http::json(StatusCode::METHOD_NOT_ALLOWED, &document)
            }
            Reader::Person => http::empty(StatusCode::METHOD_NOT_ALLOWED),
        };
        http::set(&mut reply, header::ALLOW, &self.methods.join(", "));
        reply
    }
}

/// What a browser asks before a script of another page may send a form or a registration.
fn preflight(route: &Route) -> Reply {
    let mut reply = http::empty(StatusCode::NO_CONTENT);
    http::set(&mut reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    let methods = route.methods.join(", ");
    http::set(&mut reply, header::ACCESS_CONTROL_ALLOW_METHODS, &methods);
    let headers = "content-type, dpop, mcp-protocol-version";
    http::set(&mut reply, header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
    http::set(&mut reply, header::ACCESS_CONTROL_MAX_AGE, "86400");
    reply
}
