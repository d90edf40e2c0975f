//! Requests as nobody means them: every route, known names with any values, any bytes.

use ::http::{Request, StatusCode, header};
use bytes::Bytes;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use url::form_urlencoded;

use super::{
    House,
    house::{CHALLENGE, ORIGIN, REDIRECT, VERIFIER},
};
use crate::server::{
    ROUTES,
    cookie::{Cookie, Cookies},
};

const NAMES: [&str; 28] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "code_challenge",
    "code_challenge_method",
    "state",
    "scope",
    "resource",
    "prompt",
    "max_age",
    "dpop_jkt",
    "response_mode",
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "device_code",
    "client_assertion",
    "client_assertion_type",
    "token",
    "user_code",
    "next",
    "form",
    "link",
    "subject",
    "password",
    "tenant",
    "decision",
];

const VALUES: [&str; 20] = [
    "code",
    "app",
    "robot",
    "cardea-cli",
    "https://nobody.example/client.json",
    REDIRECT,
    "http://127.0.0.1:1/callback",
    CHALLENGE,
    VERIFIER,
    "S256",
    "mcp offline_access",
    "https://gw.example.com/mcp",
    "none",
    "18446744073709551616",
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "e30.eyJzdWIiOiJyb2JvdCJ9.AAAA",
];

#[derive(Debug, Clone)]
struct Odd {
    route: usize,
    is_post: bool,
    parameters: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

fn odd() -> impl Strategy<Value = Odd> {
    let value = prop_oneof![
        3 => proptest::sample::select(VALUES.as_slice()).prop_map(str::to_owned),
        1 => "\\PC{0,40}",
    ];
    let pair = (proptest::sample::select(NAMES.as_slice()), value);
    let named = proptest::collection::btree_map(
        pair.clone().prop_map(|p| p.0),
        pair.prop_map(|p| p.1),
        0..9,
    )
    .prop_map(|pairs| {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(pairs).finish().into_bytes()
    });
    // What a query may be made of at all.
    let raw = "[!-\"$-~]{0,60}".prop_map(String::into_bytes);
    let header = (
        proptest::sample::select(["dpop", "cookie", "authorization", "sec-fetch-site"].as_slice()),
        "[ -~]{0,60}",
    );
    (
        0..ROUTES.len(),
        any::<bool>(),
        prop_oneof![4 => named, 1 => raw],
        proptest::collection::vec(header, 0..3),
    )
        .prop_map(|(route, is_post, parameters, headers)| Odd {
            route,
            is_post,
            parameters,
            headers,
        })
}

fn request(odd: &Odd) -> Option<Request<Bytes>> {
    let path = ROUTES[odd.route].path;
    let mut request = match odd.is_post {
        true => {
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        }
        false => Request::get(format!(
            "{path}?{}",
            std::str::from_utf8(&odd.parameters).ok()?
        )),
    };
    for (name, value) in &odd.headers {
        request = request.header(*name, value);
    }
    let body = if odd.is_post {
        odd.parameters.clone()
    } else {
        Vec::new()
    };
    request.body(body.into()).ok()
}

#[test]
fn whatever_is_sent_is_answered_and_gives_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let house = runtime.block_on(House::with(|settings| settings.documents = false));
    let mut runner = TestRunner::new(Config {
        cases: 1500,
        ..Config::default()
    });
    let outcome = runner.run(&odd(), |odd| {
        let Some(request) = request(&odd) else {
            return Ok(());
        };
        let reply = runtime.block_on(house.send(request));
        prop_assert!(!reply.status().is_server_error(), "{reply:?}");
        let text = String::from_utf8_lossy(reply.body());
        prop_assert!(!text.contains("access_token\":"), "{text}");
        if let Some(location) = reply.headers().get(header::LOCATION) {
            let location = location.to_str().unwrap();
            prop_assert!(!location.contains("code="), "{location}");
            let is_known = [ORIGIN, "/", "http://127.0.0.1"];
            prop_assert!(
                is_known.iter().any(|known| location.starts_with(known)),
                "{location}"
            );
        }
        for cookie in reply.headers().get_all(header::SET_COOKIE) {
            let begins = format!("{}=", Cookies::HostOverTls.name(Cookie::Session));
            let cookie = cookie.to_str().unwrap();
            let is_session = cookie.starts_with(&begins) && !cookie.contains("Max-Age=0");
            prop_assert!(!is_session, "{cookie}");
        }
        prop_assert!(reply.status() != StatusCode::NOT_FOUND);
        Ok(())
    });
    outcome.unwrap();
    for event in [
        "token_issued",
        "code_issued",
        "login",
        "consent_given",
        "password_set",
    ] {
        assert_eq!(house.events(event), 0, "{event}");
    }
}
