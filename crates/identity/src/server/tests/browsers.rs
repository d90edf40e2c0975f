//! Pages: framing, forged forms, guessed passwords, one-time links, devices.

use std::time::Duration;

use ::http::StatusCode;
use cardea_domain::SubjectId;

use super::{
    House, Jar,
    house::{PASSWORD, claims, form, hidden, location, param, request, tenant},
};
use crate::server::cookie::{Cookie, Cookies};

#[tokio::test]
async fn no_page_can_be_framed_kept_or_run_a_script() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let login = location(&jar.get(&house, &request("app", &[])).await);
    let consent = location(&house.log_in(&mut jar, &login, "ada", PASSWORD).await);
    for path in [
        login.as_str(),
        &consent,
        "/device",
        "/authorize?client_id=x",
    ] {
        let page = jar.get(&house, path).await;
        let header = |name: &str| page.headers()[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("script-src") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(
            !std::str::from_utf8(page.body())
                .unwrap()
                .contains("<script")
        );
    }
}

#[tokio::test]
async fn the_consent_page_says_who_asks_for_whom_and_where_the_answer_goes() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let login = location(&jar.get(&house, &request("app", &[])).await);
    let consent = location(&house.log_in(&mut jar, &login, "ada", PASSWORD).await);
    let page = jar.get(&house, &consent).await;
    let text = std::str::from_utf8(page.body()).unwrap();
    for said in [
        "The App",
        "<dd>app</dd>",
        "127.0.0.1",
        "any program",
        "ada",
        "acme",
        "/mcp",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn a_form_that_another_browser_or_site_sends_does_nothing() {
    let house = House::open().await;
    let mut victim = Jar::default();
    let login = location(&victim.get(&house, &request("app", &[])).await);
    let consent = location(&house.log_in(&mut victim, &login, "ada", PASSWORD).await);
    let page = victim.get(&house, &consent).await;
    let mut attacker = Jar::default();
    let foreign = attacker.get(&house, &login).await;
    let fields = |form: String| {
        [
            ("form", form),
            ("next", hidden(&page, "next")),
            ("decision", "allow".to_owned()),
        ]
    };
    // The victim's cookies with a tag of the attacker's, with none, and for another form.
    for tag in [hidden(&foreign, "form"), String::new(), "AAAA".to_owned()] {
        let reply = victim.post(&house, "/consent", &fields(tag)).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    }
    // The attacker's browser with the victim's session alone.
    let session = Cookies::HostOverTls.name(Cookie::Session);
    attacker.take_from(&victim, session);
    let reply = attacker
        .post(&house, "/consent", &fields(hidden(&page, "form")))
        .await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    assert_eq!(house.events("consent_given"), 0);
    // The page itself still works, once.
    let good = fields(hidden(&page, "form"));
    assert_eq!(
        victim.post(&house, "/consent", &good).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        victim.post(&house, "/consent", &good).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(house.events("code_issued"), 1);
}

#[tokio::test]
async fn a_yes_holds_for_exactly_what_it_was_said_to() {
    let house = House::open().await;
    let mut jar = Jar::default();
    house.code(&mut jar, &request("app", &[])).await;
    let silent = |changes: &[(&'static str, &'static str)]| {
        let changes: Vec<_> = changes
            .iter()
            .copied()
            .chain([("prompt", "none")])
            .collect();
        request("app", &changes)
    };
    let again = location(&jar.get(&house, &silent(&[])).await);
    assert!(again.contains("code="), "{again}");
    for changes in [
        [("scope", "mcp")],
        [("resource", "https://gw.example.com/mcp/files")],
        [("redirect_uri", "https://app.example.com/cb")],
    ] {
        let answer = location(&jar.get(&house, &silent(&changes)).await);
        assert!(answer.contains("consent_required"), "{changes:?} {answer}");
    }
}

#[tokio::test]
async fn a_person_who_is_somebody_else_logs_in_anew_and_decides_the_same_request() {
    let house = House::open().await;
    let bob = SubjectId::parse("bob").unwrap();
    let link = house.accounts.add(&tenant("acme"), &bob, &[]).await;
    house.set_up(&link.unwrap(), "bob").await;
    let mut jar = Jar::default();
    let login = location(&jar.get(&house, &request("app", &[])).await);
    let consent = location(&house.log_in(&mut jar, &login, "ada", PASSWORD).await);
    let page = jar.get(&house, &consent).await;
    let before = jar.clone();
    house.clock.advance(Duration::from_secs(1));

    let fields = [("next", hidden(&page, "next"))];
    let login = location(&jar.post(&house, "/logout", &fields).await);
    assert!(login.contains("/login?next="), "{login}");
    // The session is over, also for whoever kept the cookie.
    let again = location(&before.clone().get(&house, &consent).await);
    assert!(again.contains("/login?"), "{again}");
    let consent = location(&house.log_in(&mut jar, &login, "bob", PASSWORD).await);
    let page = jar.get(&house, &consent).await;
    let text = std::str::from_utf8(page.body()).unwrap();
    assert!(text.contains("<dd>bob</dd>"), "{text}");
    let fields = [
        ("form", hidden(&page, "form")),
        ("next", hidden(&page, "next")),
        ("decision", "allow".to_owned()),
    ];
    let answer = location(&jar.post(&house, "/consent", &fields).await);
    let code = param(&answer, "code").unwrap();
    let (_, tokens) = house.redeem(&code, &[]).await;
    assert_eq!(claims(&tokens["access_token"])["sub"], "bob");
}

#[tokio::test]
async fn many_guesses_at_once_are_not_more_than_one_after_the_other() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let login = location(&jar.get(&house, &request("app", &[])).await);
    let page = jar.get(&house, &login).await;
    let fields = [
        ("form", hidden(&page, "form")),
        ("next", hidden(&page, "next")),
        ("tenant", "acme".to_owned()),
        ("subject", "ada".to_owned()),
        ("password", "wrong wrong wrong".to_owned()),
    ];
    let guesses = (0..30).map(|_| async {
        let mut jar = jar.clone();
        jar.post(&house, "/login", &fields).await.status()
    });
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|s| **s == StatusCode::FORBIDDEN);
    assert_eq!(tried.count(), 10, "{answers:?}");
}

#[tokio::test]
async fn guessing_is_slowed_down_and_says_nothing() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let login = location(&jar.get(&house, &request("app", &[])).await);
    let mut texts = Vec::new();
    for subject in ["ada", "nobody"] {
        let reply = house
            .log_in(&mut jar, &login, subject, "wrong wrong wrong")
            .await;
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        let text = String::from_utf8(reply.body().to_vec()).unwrap();
        // What differs is what was typed, and what is sealed anew.
        texts.push(text.replace(&format!("value=\"{subject}\""), "X"));
    }
    assert_eq!(texts[0], texts[1]);
    for _ in 0..9 {
        house
            .log_in(&mut jar, &login, "ada", "wrong wrong wrong")
            .await;
    }
    let right = house.log_in(&mut jar, &login, "ada", PASSWORD).await;
    assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS);
    // Whoever guesses keeps out nobody who comes from elsewhere.
    let mut elsewhere = Jar::default();
    let login_there = location(&elsewhere.get(&house, &request("app", &[])).await);
    let shown = elsewhere.get(&house, &login_there).await;
    let fields = [
        ("form", hidden(&shown, "form")),
        ("next", hidden(&shown, "next")),
        ("tenant", "acme".to_owned()),
        ("subject", "ada".to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    let fields = fields
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let form = form("/login", &fields, Some(&elsewhere.line()));
    let right = house.send_from([192, 0, 2, 1], form).await;
    assert_eq!(right.status(), StatusCode::SEE_OTHER, "{right:?}");
    house.clock.advance(Duration::from_secs(301));
    let right = house.log_in(&mut jar, &login, "ada", PASSWORD).await;
    assert_eq!(right.status(), StatusCode::SEE_OTHER, "{right:?}");
    assert_eq!(house.events("login_failed"), 11);
}

#[tokio::test]
async fn a_link_works_once_and_not_for_ever_and_weak_passwords_do_not_use_it_up() {
    let house = House::with(|_| {}).await;
    let links = house.accounts.first_links([&tenant("acme")]).await.unwrap();
    let link = links[0].1.clone();
    let mut jar = Jar::default();
    let page = jar.get(&house, &link).await;
    let fields = |password: &str| {
        [
            ("form", hidden(&page, "form")),
            ("link", link.split_once('=').unwrap().1.to_owned()),
            ("subject", "root".to_owned()),
            ("password", password.to_owned()),
            ("again", password.to_owned()),
        ]
    };
    let weak = jar.post(&house, "/setup", &fields("short")).await;
    assert_eq!(weak.status(), StatusCode::BAD_REQUEST);
    let good = jar.post(&house, "/setup", &fields(PASSWORD)).await;
    assert_eq!(good.status(), StatusCode::OK);
    let again = jar.post(&house, "/setup", &fields(PASSWORD)).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert!(
        house
            .accounts
            .first_links([&tenant("acme")])
            .await
            .unwrap()
            .is_empty()
    );

    let links = house
        .accounts
        .first_links([&tenant("globex")])
        .await
        .unwrap();
    house.clock.advance(Duration::from_secs(24 * 3600));
    let late = jar.get(&house, &links[0].1).await;
    assert_eq!(late.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_device_shows_a_code_that_a_person_types() {
    let house = House::open().await;
    let (status, device) = house
        .post("/device_authorization", &[("client_id", "app")])
        .await;
    assert_eq!(status, StatusCode::OK, "{device}");
    assert!(device.get("verification_uri_complete").is_none());
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", "app"),
        ("device_code", device["device_code"].as_str().unwrap()),
    ];
    assert_eq!(
        house.post("/token", &poll).await.1["error"],
        "authorization_pending"
    );
    assert_eq!(house.post("/token", &poll).await.1["error"], "slow_down");

    let mut jar = Jar::default();
    let page = jar.get(&house, "/device").await;
    let typed = |code: &str| {
        [
            ("form", hidden(&page, "form")),
            ("user_code", code.to_owned()),
        ]
    };
    let wrong = jar.post(&house, "/device", &typed("BBBB-BBBB")).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let code = device["user_code"].as_str().unwrap().to_lowercase();
    let consent = location(&jar.post(&house, "/device", &typed(&code)).await);
    let login = location(&jar.get(&house, &consent).await);
    let consent = location(&house.log_in(&mut jar, &login, "ada", PASSWORD).await);
    let page = jar.get(&house, &consent).await;
    let fields = [
        ("form", hidden(&page, "form")),
        ("next", hidden(&page, "next")),
        ("decision", "allow".to_owned()),
    ];
    assert_eq!(
        jar.post(&house, "/consent", &fields).await.status(),
        StatusCode::OK
    );
    house.clock.advance(Duration::from_secs(30));
    let (status, tokens) = house.post("/token", &poll).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(
        house.post("/token", &poll).await.1["error"],
        "expired_token"
    );
}

#[tokio::test]
async fn a_page_of_another_room_gets_its_person_back_with_a_login_as_young_as_it_asks() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let to = house.server.login_address("/console?a=1", 0).unwrap();
    let onward = location(&house.log_in(&mut jar, &to, "ada", PASSWORD).await);
    let back = location(&jar.get(&house, &onward).await);
    assert_eq!(back, "https://gw.example.com/console?a=1");

    house.clock.advance(Duration::from_secs(60));
    let to = house
        .server
        .login_address("//evil.example", house.clock.unix_s());
    let to = to.unwrap();
    let asked = location(&jar.get(&house, &to.replace("/login?", "/consent?")).await);
    assert!(asked.contains("/login?"), "{asked}");
    let onward = location(&house.log_in(&mut jar, &asked, "ada", PASSWORD).await);
    let back = location(&jar.get(&house, &onward).await);
    assert_eq!(back, "https://gw.example.com/");
    // Nobody consents to a page.
    let fields = [("next", onward.split_once("next=").unwrap().1.to_owned())];
    let reply = jar.post(&house, "/consent", &fields).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_form_of_another_room_is_good_for_its_login_and_purpose_alone() {
    let house = House::open().await;
    let log_in = async || {
        let mut jar = Jar::default();
        let to = house.server.login_address("/", 0).unwrap();
        house.log_in(&mut jar, &to, "ada", PASSWORD).await;
        let line = jar.line().parse().unwrap();
        ::http::HeaderMap::from_iter([(::http::header::COOKIE, line)])
    };
    let (one, other) = (log_in().await, log_in().await);
    let server = &house.server;
    let token = server.form_token(&one, "approve 7").unwrap();
    assert!(server.is_form_token(&one, "approve 7", &token));
    assert!(!server.is_form_token(&one, "approve 8", &token));
    assert!(!server.is_form_token(&other, "approve 7", &token));
    let nobody = ::http::HeaderMap::new();
    assert!(!server.is_form_token(&nobody, "approve 7", &token));
    assert_eq!(server.form_token(&nobody, "approve 7"), None);
}
