use cardea_testkit::{
    certificates::{Authority, Leaf, Wanted},
    tls_front::TlsFront,
};

use super::*;

const SPIFFE: &str = "spiffe://example.org/crm";

/// A gateway in front of an HTTPS server that shows this certificate.
struct House {
    stage: Stage,
    _front: TlsFront,
}

impl House {
    async fn new(
        authority: &Authority,
        leaf: &Leaf,
        clients: Option<&Authority>,
        own: Option<&Leaf>,
        settings: Value,
    ) -> Self {
        let echo = Echo::start().await.unwrap();
        let front = TlsFront::start(leaf, clients, echo.address())
            .await
            .unwrap();
        let mut http = json!({ "url": front.url("/mcp"), "ca_file": "authority.pem" });
        for (member, value) in settings.as_object().unwrap() {
            http[member] = value.clone();
        }
        let mut setup = setup()
            .file("authority.pem", authority.pem())
            .upstream(UPSTREAM, json!({ "tenants": [TENANT], "http": http }))
            .policy(PERMIT_ALL);
        if let Some(own) = own {
            setup = setup
                .file("own.pem", &own.certificate)
                .file("own.key", &own.key);
        }
        let gateway = setup.start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        Self {
            stage: Stage {
                echo,
                gateway,
                token,
            },
            _front: front,
        }
    }

    /// The call goes through, or is refused with this code and word in the record.
    async fn calls(&self, refused: Option<(&str, &str)>) {
        let answer = self.stage.call(&tool_call("a", json!({ "a": 1 }))).await;
        let Some((code, word)) = refused else {
            assert_eq!(refusal(&answer), None, "{}", answer.text());
            assert_eq!(self.stage.echo.seen_of("tools/call").len(), 1);
            return;
        };
        assert_eq!(refusal(&answer).as_deref(), Some(code), "{}", answer.text());
        assert!(self.stage.echo.seen().is_empty(), "nothing reached it");
        let outcome = self.stage.record("outcome", &call_id(&answer)).await;
        let detail = outcome["denial"]["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{detail}");
        assert!(
            !answer.text().contains(word),
            "it is the record's: {}",
            answer.text()
        );
    }
}

const STRANGER: &str = "E_UPSTREAM_IDENTITY";

#[tokio::test]
async fn a_server_of_another_authority_is_not_called() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let none = json!({});
    House::new(&ours, &ours.server(), None, None, none.clone())
        .await
        .calls(None)
        .await;
    let rogue = House::new(&ours, &theirs.server(), None, None, none).await;
    rogue.calls(Some((STRANGER, "UnknownIssuer"))).await;
}

#[tokio::test]
async fn a_server_with_another_key_than_the_pinned_ones_is_not_called() {
    let authority = Authority::new("ours");
    let (good, other) = (authority.server(), authority.server());
    let pins = json!({ "spki_pins": [good.spki_pin(), Authority::new("x").server().spki_pin()] });
    House::new(&authority, &good, None, None, pins.clone())
        .await
        .calls(None)
        .await;
    let rogue = House::new(&authority, &other, None, None, pins).await;
    let detail = other.spki_pin();
    rogue.calls(Some((STRANGER, &detail))).await;
}

#[tokio::test]
async fn a_server_with_another_spiffe_id_is_not_called() {
    let authority = Authority::new("example.org");
    let leaf = |uris| {
        authority.client(Wanted {
            uris,
            is_for_servers: true,
            ..Wanted::default()
        })
    };
    let wanted = json!({ "spiffe_id": SPIFFE });
    // Its certificate names no host at all.
    House::new(&authority, &leaf(&[SPIFFE]), None, None, wanted.clone())
        .await
        .calls(None)
        .await;
    for uris in [
        &["spiffe://example.org/other"][..],
        &[SPIFFE, "spiffe://example.org/other"],
        &[],
    ] {
        let rogue = House::new(&authority, &leaf(uris), None, None, wanted.clone()).await;
        rogue.calls(Some((STRANGER, "SPIFFE ID"))).await;
    }
    let theirs = Authority::new("elsewhere");
    let forged = theirs.client(Wanted {
        uris: &[SPIFFE],
        is_for_servers: true,
        ..Wanted::default()
    });
    let rogue = House::new(&authority, &forged, None, None, wanted).await;
    rogue.calls(Some((STRANGER, "UnknownIssuer"))).await;
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_where_the_server_asks() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let own = clients.client(Wanted::default());
    let shown = json!({ "client_certificate": { "certificate": "own.pem", "key": "own.key" } });
    let leaf = servers.server();
    let good = House::new(&servers, &leaf, Some(&clients), Some(&own), shown).await;
    good.calls(None).await;
    let without = House::new(&servers, &leaf, Some(&clients), None, json!({})).await;
    let answer = without.stage.call(&tool_call("a", json!({}))).await;
    assert!(refusal(&answer).is_some(), "{}", answer.text());
    assert!(without.stage.echo.seen().is_empty());
}
