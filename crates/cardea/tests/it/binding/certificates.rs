//! Client certificates in the handshake, and tokens that are bound to them (RFC 8705).

use std::{net::SocketAddr, process::Command};

use cardea_testkit::{
    certificates::{Authority, Leaf, Wanted},
    tls_client::TlsClient,
};

use super::*;

/// A gateway with TLS, and all who sign: for the server, for clients, and for two trust domains.
pub(super) struct Wards {
    pub(super) bound: Bound,
    pub(super) server: Authority,
    pub(super) clients: Authority,
    pub(super) ours: Authority,
    pub(super) theirs: Authority,
}

/// The workload of most tests.
pub(super) const OURS: &str = "spiffe://example.org/agent/a1";

impl Wards {
    pub(super) async fn start() -> Self {
        Self::with(json!({ "required": false })).await
    }

    async fn with(clients: Value) -> Self {
        let [server, of_clients, ours, theirs] =
            ["server", "clients", "example.org", "example.net"].map(Authority::new);
        let own = server.server();
        let mut trusted = json!({
            "ca_file": "clients.pem",
            "spiffe": { "example.org": "ours.pem", "example.net": "theirs.pem" },
        });
        trusted["required"] = clients["required"].clone();
        let bound = Bound::with(|setup| {
            setup
                .set("tls", json!({ "certificate": "server.pem", "key": "server.key", "client_certificates": trusted }))
                .file("server.pem", &own.certificate)
                .file("server.key", &own.key)
                .file("clients.pem", of_clients.pem())
                .file("ours.pem", ours.pem())
                .file("theirs.pem", theirs.pem())
        })
        .await;
        Self {
            bound,
            server,
            clients: of_clients,
            ours,
            theirs,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.bound.gateway.address()
    }

    /// A call over a connection of its own with this certificate; an error when there is no connection.
    pub(super) async fn try_call(&self, own: Option<&Leaf>, token: &str) -> anyhow::Result<Answer> {
        let client = TlsClient::new(&self.server, own);
        client.send(self.address(), call().bearer(token)).await
    }

    async fn call(&self, own: Option<&Leaf>, token: &str) -> Answer {
        self.try_call(own, token).await.unwrap()
    }

    async fn is_let_in(&self, own: &Leaf) -> bool {
        match self
            .try_call(Some(own), &self.bound.token(Value::Null))
            .await
        {
            Ok(answer) => {
                assert!(is_served(&answer), "{}", answer.text());
                true
            }
            Err(_) => false,
        }
    }

    fn token_for(&self, leaf: &Leaf) -> String {
        self.bound.token(json!({ "x5t#S256": leaf.thumbprint() }))
    }
}

fn of(uris: &[&'static str]) -> Vec<&'static str> {
    uris.to_vec()
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_needs_a_connection_with_it() {
    let wards = Wards::start().await;
    let own = wards.clients.client(Wanted::default());
    let other = wards.clients.client(Wanted::default());
    let token = wards.token_for(&own);
    let answer = wards.call(Some(&own), &token).await;
    assert!(is_served(&answer), "{}", answer.text());
    let recorded = records(&wards.bound.gateway);
    let binding = json!({ "certificate": own.thumbprint() });
    assert_eq!(recorded.last().unwrap()["binding"], binding);
    for certificate in [None, Some(&other)] {
        let answer = wards.call(certificate, &token).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.json()["error"]["data"]["code"], "E_TOKEN_BINDING");
    }
    // Behind no proxy, a header shows nothing.
    let client = TlsClient::new(&wards.server, Some(&other));
    let claimed = call().bearer(&token).set("client-cert", own.field());
    let answer = client.send(wards.address(), claimed).await.unwrap();
    assert_eq!(answer.json()["error"]["data"]["code"], "E_PEER_UNTRUSTED");
    // A plain token is good with and without.
    let plain = wards.bound.token(Value::Null);
    for certificate in [None, Some(&other)] {
        assert!(is_served(&wards.call(certificate, &plain).await));
    }
}

#[tokio::test]
async fn a_token_that_names_both_keys_needs_both() {
    let wards = Wards::start().await;
    let own = wards.clients.client(Wanted::default());
    let prover = &wards.bound.prover;
    let token = wards
        .bound
        .token(json!({ "x5t#S256": own.thumbprint(), "jkt": prover.thumbprint() }));
    let url = wards.bound.url();
    let send = async |leaf: Option<&Leaf>, proof: Option<String>| {
        let client = TlsClient::new(&wards.server, leaf);
        let proofs: Vec<&str> = proof.iter().map(String::as_str).collect();
        let ask = match proofs.is_empty() {
            true => call().bearer(&token),
            false => call_with(&token, &proofs),
        };
        client.send(wards.address(), ask).await.unwrap()
    };
    let asked = send(
        Some(&own),
        Some(prover.proof("POST", &url, &token, Some("none"))),
    )
    .await;
    let nonce = asked.header("dpop-nonce").expect("a nonce");
    let proof = || Some(prover.proof("POST", &url, &token, Some(&nonce)));
    assert!(is_served(&send(Some(&own), proof()).await));
    for (leaf, proof) in [(None, proof()), (Some(&own), None), (None, None)] {
        let answer = send(leaf, proof).await;
        assert_eq!(answer.json()["error"]["data"]["code"], "E_TOKEN_BINDING");
    }
}

#[tokio::test]
async fn only_a_good_certificate_of_a_known_authority_gets_in() {
    let wards = Wards::start().await;
    assert!(
        wards
            .is_let_in(&wards.clients.client(Wanted::default()))
            .await
    );
    let stranger = Authority::new("clients");
    let wrong = |wanted: Wanted<'_>| wards.clients.client(wanted);
    for (what, leaf) in [
        (
            "of an unknown authority with a known name",
            stranger.client(Wanted::default()),
        ),
        (
            "expired",
            wrong(Wanted {
                is_expired: true,
                ..Wanted::default()
            }),
        ),
        (
            "for servers only",
            wrong(Wanted {
                is_for_servers: true,
                ..Wanted::default()
            }),
        ),
        (
            "an authority itself",
            wrong(Wanted {
                is_authority: true,
                ..Wanted::default()
            }),
        ),
        (
            "signed by the server's authority",
            wards.server.client(Wanted::default()),
        ),
        (
            "signed by a trust domain, without an id of it",
            wards.ours.client(Wanted::default()),
        ),
    ] {
        assert!(!wards.is_let_in(&leaf).await, "{what}");
    }
    // Counted once the alert has been sent.
    until("all failures are counted", async || {
        let name = "cardea_tls_handshake_failures_total";
        (metric(&wards.bound.gateway, name, &[]).await >= 6.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_workload_gets_in_by_the_bundle_of_its_own_trust_domain_alone() {
    let wards = Wards::start().await;
    let named = |authority: &Authority, uris: Vec<&str>| {
        authority.client(Wanted {
            uris: &uris,
            ..Wanted::default()
        })
    };
    let good = named(&wards.ours, of(&[OURS]));
    assert!(wards.is_let_in(&good).await);
    assert!(
        wards
            .is_let_in(&named(&wards.theirs, of(&["spiffe://example.net/agent"])))
            .await
    );
    for (what, leaf) in [
        (
            "signed by the other domain",
            named(&wards.theirs, of(&[OURS])),
        ),
        (
            "signed by the plain authority",
            named(&wards.clients, of(&[OURS])),
        ),
        (
            "two URIs",
            named(&wards.ours, of(&[OURS, "https://example.org/a"])),
        ),
        (
            "two ids",
            named(&wards.ours, of(&[OURS, "spiffe://example.net/agent"])),
        ),
        (
            "an unknown domain",
            named(&wards.ours, of(&["spiffe://example.com/agent"])),
        ),
        ("no path", named(&wards.ours, of(&["spiffe://example.org"]))),
        (
            "a domain in capitals",
            named(&wards.ours, of(&["spiffe://EXAMPLE.org/agent"])),
        ),
        (
            "a scheme in capitals",
            named(&wards.ours, of(&["SPIFFE://example.org/agent"])),
        ),
        (
            "no id, by a plain URI",
            named(&wards.ours, of(&["https://example.org/agent"])),
        ),
        (
            "an authority",
            wards.ours.client(Wanted {
                uris: &[OURS],
                is_authority: true,
                ..Wanted::default()
            }),
        ),
    ] {
        assert!(!wards.is_let_in(&leaf).await, "{what}");
    }
    let token = wards.token_for(&good);
    assert!(is_served(&wards.call(Some(&good), &token).await));
}

/// What another tool makes, with the extensions in another order and a critical name.
#[tokio::test]
async fn a_workload_certificate_that_openssl_made_gets_in() {
    let wards = Wards::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(folder.path())
            .output();
        let output = output.expect("`openssl` is installed");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    openssl(
        &[
            &[
                "req",
                "-x509",
                "-subj",
                "/O=Example",
                "-days",
                "30",
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
            ][..],
            &key,
        ]
        .concat(),
    );
    std::fs::write(
        path("svid.ext"),
        format!("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=critical,URI:{OURS}\n"),
    )
    .unwrap();
    openssl(
        &[
            &[
                "req", "-subj", "/", "-keyout", "svid.key", "-out", "svid.csr",
            ][..],
            &key,
        ]
        .concat(),
    );
    openssl(&[
        "x509",
        "-req",
        "-in",
        "svid.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "1",
        "-extfile",
        "svid.ext",
        "-out",
        "svid.pem",
    ]);
    openssl(&[
        "x509", "-in", "svid.pem", "-outform", "DER", "-out", "svid.der",
    ]);
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    let leaf = Leaf {
        certificate: text("svid.pem"),
        key: text("svid.key"),
        der: std::fs::read(path("svid.der")).unwrap(),
        spki: Vec::new(),
    };
    assert!(
        !wards.is_let_in(&leaf).await,
        "its authority is not known yet"
    );
    std::fs::write(
        wards.bound.gateway.folder().join("ours.pem"),
        text("ca.pem"),
    )
    .unwrap();
    until("the new bundle is read", async || {
        wards.is_let_in(&leaf).await.then_some(())
    })
    .await;
    assert!(is_served(
        &wards.call(Some(&leaf), &wards.token_for(&leaf)).await
    ));
}

#[tokio::test]
async fn where_a_certificate_is_required_nobody_gets_in_without() {
    let wards = Wards::with(json!({ "required": true })).await;
    let plain = wards.bound.token(Value::Null);
    assert!(wards.try_call(None, &plain).await.is_err());
    assert!(
        wards
            .is_let_in(&wards.clients.client(Wanted::default()))
            .await
    );
}

#[tokio::test]
async fn metadata_says_that_tokens_can_be_bound_to_certificates() {
    let wards = Wards::start().await;
    let client = TlsClient::new(&wards.server, None);
    let ask = Ask::get("/.well-known/oauth-protected-resource/mcp/echo");
    let document = client.send(wards.address(), ask).await.unwrap().json();
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(document["resource"], wards.bound.url());
    assert!(wards.bound.url().starts_with("https://"));
}

#[tokio::test]
async fn plain_text_gets_no_answer_where_there_is_tls() {
    let wards = Wards::start().await;
    let plain = wards.bound.token(Value::Null);
    let sent = call().bearer(&plain).try_send(wards.address()).await;
    assert!(sent.is_err(), "{sent:?}");
    assert!(wards.bound.echo.seen().is_empty());
}
