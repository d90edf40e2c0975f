//! Every route with every method, by somebody who has nothing.

use std::collections::BTreeMap;

use ::http::{Method, Request, StatusCode};
use bytes::Bytes;

use super::House;
use crate::server::{ROUTES, routes::Reader};

/// What a GET and a POST without anything get.
fn expected() -> BTreeMap<&'static str, (u16, u16)> {
    BTreeMap::from([
        ("/.well-known/oauth-authorization-server", (200, 405)),
        ("/.well-known/openid-configuration", (200, 405)),
        ("/authorize", (400, 405)),
        ("/login", (400, 400)),
        ("/login/start", (400, 405)),
        ("/login/callback", (400, 405)),
        ("/logout", (405, 200)),
        ("/consent", (400, 400)),
        ("/setup", (400, 400)),
        ("/device", (200, 400)),
        ("/device_authorization", (405, 401)),
        ("/token", (405, 400)),
        ("/revoke", (405, 401)),
        ("/introspect", (405, 401)),
        ("/register", (405, 403)),
    ])
}

#[tokio::test]
async fn every_route_is_here_and_gives_nothing_to_somebody_who_has_nothing() {
    let house = House::open().await;
    let expected = expected();
    for route in ROUTES {
        let (get, post) = *expected
            .get(route.path)
            .unwrap_or_else(|| panic!("{} is not in the table", route.path));
        for (method, status) in [
            (Method::GET, get),
            (Method::POST, post),
            (Method::PUT, 405),
            (Method::DELETE, 405),
            (Method::PATCH, 405),
            (Method::HEAD, 405),
        ] {
            let request = Request::builder().method(&method).uri(route.path);
            let reply = house.send(request.body(Bytes::new()).unwrap()).await;
            assert_eq!(reply.status().as_u16(), status, "{method} {}", route.path);
            let headers = reply.headers();
            assert!(
                !headers.contains_key("set-cookie") || status == 200,
                "{method} {}",
                route.path
            );
            if status == 405 {
                assert!(headers.contains_key("allow"), "{method} {}", route.path);
            }
            // Pages are read by nobody else; documents by everybody.
            let is_open = headers.contains_key("access-control-allow-origin");
            assert_eq!(
                is_open,
                route.reader == Reader::Program,
                "{method} {}",
                route.path
            );
        }
    }
    assert_eq!(expected.len(), ROUTES.len());
}

#[tokio::test]
async fn a_path_that_is_none_is_not_found() {
    let house = House::open().await;
    for path in ["/token/", "/Token", "/authorize/x", "/"] {
        let reply = house
            .send(Request::get(path).body(Bytes::new()).unwrap())
            .await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
