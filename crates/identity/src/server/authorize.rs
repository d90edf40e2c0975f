//! The authorization endpoint (RFC 6749 section 4.1, with PKCE and nothing else).

use super::{
    Desk,
    binding::Confirmation,
    client::{Client, Origin},
    consent,
    cookie::Cookie,
    error::Refusal,
    http::{Reply, see_other},
    next::{NEXT_S, Next, Wanted},
    person, redirect, secret,
};

/// A client's own text comes back unchanged, up to here.
const STATE_BYTES_MAX: usize = 4096;

/// S256 of RFC 7636 section 4.2: 32 bytes in base64url.
const CHALLENGE_CHARS: usize = 43;

/// Where an answer to the client goes, once client and redirect URI are known to belong together.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: Option<&'a str>,
    pub(super) issuer: &'a str,
}

pub(super) async fn answer(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let params = &desk.ask.params;
    // What is wrong up to here is told to the person: the redirect URI may be an attacker's.
    let client = desk
        .client(params.need("client_id")?)
        .await
        .map_err(unknown)?;
    let redirect_uri = redirect_uri(&client, params.find("redirect_uri"))?;
    let state = params.find("state");
    let way = Way {
        redirect_uri: &redirect_uri,
        state: state.filter(|state| state.len() <= STATE_BYTES_MAX),
        issuer: &desk.server.settings.origin,
    };
    // What is wrong from here on is told to the client.
    match wanted(desk, &client, way) {
        Ok(wanted) => proceed(desk, &client, wanted, way).await,
        Err(refusal) => unasked(&client, way, refusal),
    }
}

/// Tells a client what is wrong before any person has seen who it is. Whoever likes can be a client: browsers are not sent on to
/// a site of theirs by an address of this server.
///
/// # Source
/// RFC 9700, section 4.11.2
fn unasked(client: &Client, way: Way<'_>, refusal: Refusal) -> Result<Reply, Refusal> {
    let is_known = client.origin == Origin::Configured;
    match is_known || redirect::leads_to_loopback(way.redirect_uri) {
        true => way.refuse(&refusal),
        false => Err(refusal),
    }
}

/// A person cannot act on "401"; the page is a plain refusal.
fn unknown(refusal: Refusal) -> Refusal {
    match refusal.code {
        "invalid_client" => Refusal::invalid_request(refusal.description),
        _ => refusal,
    }
}

fn redirect_uri(client: &Client, asked: Option<&str>) -> Result<String, Refusal> {
    match (asked, client.redirect_uris.as_slice()) {
        (Some(asked), known) if redirect::matches(known, asked) => Ok(asked.to_owned()),
        (Some(_), _) => Err(Refusal::invalid_request(
            "`redirect_uri` is not one of the client's",
        )),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Refusal::invalid_request("`redirect_uri` is missing")),
    }
}

/// Checks what the client asks for.
fn wanted(desk: &Desk<'_>, client: &Client, way: Way<'_>) -> Result<Wanted, Refusal> {
    let params = &desk.ask.params;
    let now_s = desk.now_s();
    if params.find("state").is_some() && way.state.is_none() {
        return Err(Refusal::invalid_request("`state` is too long"));
    }
    if params.find("request").is_some() || params.find("request_uri").is_some() {
        return Err(Refusal::new(
            "request_not_supported",
            "send plain parameters",
        ));
    }
    if params.need("response_type")? != "code" {
        return Err(Refusal::new(
            "unsupported_response_type",
            "only `code` is supported",
        ));
    }
    if params
        .find("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(Refusal::invalid_request(
            "only the response mode `query` is supported",
        ));
    }
    if !client.grants.code {
        return Err(Refusal::new(
            "unauthorized_client",
            "the client does not use codes",
        ));
    }
    let challenge = params.find("code_challenge").unwrap_or_default();
    let is_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if params.find("code_challenge_method") != Some("S256")
        || challenge.len() != CHALLENGE_CHARS
        || !challenge.bytes().all(is_base64url)
    {
        return Err(Refusal::invalid_request(
            "PKCE is needed: `code_challenge` with `code_challenge_method=S256`",
        ));
    }
    let max_age = match params.find("max_age").map(str::parse::<u64>) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return Err(Refusal::invalid_request("`max_age` is not a number")),
    };
    let prompts: Vec<&str> = params
        .find("prompt")
        .unwrap_or_default()
        .split(' ')
        .collect();
    let asks_login = prompts.contains(&"login") || prompts.contains(&"select_account");
    let login_since_s = match (asks_login, max_age) {
        (true, _) => now_s,
        (false, Some(seconds)) => now_s.saturating_sub(seconds),
        (false, None) => 0,
    };
    let jkt = params.find("dpop_jkt");
    if jkt.is_some_and(|jkt| Confirmation::by_thumbprint(jkt).is_none()) {
        return Err(Refusal::invalid_request("`dpop_jkt` is not a thumbprint"));
    }
    let resource = desk.server.resources.asked(params.find("resource"))?;
    Ok(Wanted {
        id: secret::random()?,
        client: client.id.to_string(),
        redirect_uri: way.redirect_uri.to_owned(),
        redirect_named: params.find("redirect_uri").is_some(),
        state: way.state.map(str::to_owned),
        code_challenge: challenge.to_owned(),
        scope: desk.server.resources.scope(&resource, params.find("scope")),
        resource,
        login_since_s,
        ask_consent: prompts.contains(&"consent"),
        confirmation_jkt: jkt.map(str::to_owned),
        ends_s: now_s + NEXT_S,
    })
}

async fn proceed(
    desk: &Desk<'_>,
    client: &Client,
    wanted: Wanted,
    way: Way<'_>,
) -> Result<Reply, Refusal> {
    let is_silent = desk.ask.params.find("prompt") == Some("none");
    let person = match desk.cookie(Cookie::Session) {
        Some(cookie) => person::find(cookie, desk.server).await?,
        None => None,
    };
    let person = person.filter(|person| person.auth_time_s >= wanted.login_since_s);
    if is_silent {
        let Some(person) = person else {
            let refusal = Refusal::new("login_required", "nobody is logged in");
            return unasked(client, way, refusal);
        };
        return match consent::remembered(desk, client, &wanted, &person).await? {
            true => consent::grant(desk, client, &wanted, person).await,
            false => {
                let refusal = Refusal::new("consent_required", "the person has to be asked");
                unasked(client, way, refusal)
            }
        };
    }
    let page = if person.is_some() {
        "/consent"
    } else {
        "/login"
    };
    let next = desk.seal(&Next::Authorize(Box::new(wanted)))?;
    Ok(desk.onward(page, &next))
}

impl Wanted {
    pub(super) fn way<'a>(&'a self, issuer: &'a str) -> Way<'a> {
        Way {
            redirect_uri: &self.redirect_uri,
            state: self.state.as_deref(),
            issuer,
        }
    }
}

impl Way<'_> {
    /// An answer with `state` as it came, and the issuer (RFC 9207).
    pub(super) fn answer(&self, parameters: &[(&str, &str)]) -> Result<Reply, Refusal> {
        let mut all = parameters.to_vec();
        all.extend(self.state.map(|state| ("state", state)));
        all.push(("iss", self.issuer));
        redirect::with(self.redirect_uri, &all)
            .map(|location| see_other(&location))
            .ok_or_else(|| Refusal::invalid_request("`redirect_uri` is not a URL"))
    }

    pub(super) fn refuse(&self, refusal: &Refusal) -> Result<Reply, Refusal> {
        self.answer(&[
            ("error", refusal.code),
            ("error_description", &refusal.description),
        ])
    }
}
