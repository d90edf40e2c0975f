use std::time::Duration;

use cardea_domain::{ActorId, SubjectId};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::*;
use crate::{
    ClaimPaths, DpopSettings, Fetcher, IssuerSettings, KeySource, RunHints, TenantRule,
    TrustedIssuer, claims::Claims, verified::Known,
};

const NOW_S: u64 = 1_800_000_000;

fn holders(required: Option<RequiredBinding>) -> Holders {
    let clock = Clock::manual(NOW_S * 1000);
    let settings = DpopSettings {
        require_nonce: false,
        iat_window: Duration::from_secs(60),
        algorithms: vec![Algorithm::ES256],
    };
    let dpop = Dpop::new(settings, &[7; 32], "resource", clock.clone());
    let acme = TenantId::parse("acme").unwrap();
    let required = required.map(|required| (acme, required));
    Holders::new(Arc::new(dpop), required.into_iter().collect(), clock)
}

/// Nobody whose tokens matter here.
fn issuer() -> Arc<TrustedIssuer> {
    let entry = IssuerSettings {
        issuer: "https://id.example.com".into(),
        advertised: true,
        keys: KeySource::Discovery {
            urls: Vec::new(),
            fetcher: Fetcher::new(None).unwrap(),
        },
        algorithms: Vec::new(),
        audiences: Vec::new(),
        tenant: TenantRule::Fixed(TenantId::parse("acme").unwrap()),
        required: Vec::new(),
        claims: ClaimPaths::default(),
        typ: None,
        scopes: Vec::new(),
    };
    let clock = Clock::manual(NOW_S * 1000);
    Arc::new(TrustedIssuer::new(vec![entry], &clock, None).unwrap())
}

fn verified(dpop: Option<u8>, certificate: Option<Thumbprint>) -> Verified {
    let claims = Claims {
        tenant: TenantId::parse("acme").unwrap(),
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        chain: Arc::from([]),
        groups: Arc::from([]),
        session: None,
        task: None,
        audiences: Vec::new(),
        scopes: Vec::new(),
        binding: KeyBinding {
            dpop: dpop.map(|byte| Thumbprint::new([byte; 32])),
            certificate,
        },
        expires_s: NOW_S + 600,
        token_id: None,
        standing: Arc::default(),
    };
    Verified(Arc::new(Known {
        claims,
        issuer: issuer(),
        keys_epoch: 1,
        required_scopes: Vec::new(),
        extra_audiences: Vec::new(),
        sha256: [0; 32],
        short: "0".into(),
        idle: Arc::default(),
        revocations: None,
    }))
}

/// A certificate that is valid from 2020-01-14 to 2021-01-23 (RFC 9440, appendix A).
fn certificate() -> ClientCertificate {
    ClientCertificate::from_field(crate::certificate::RFC_9440.as_bytes()).unwrap()
}

fn bearer(certificate: Option<&ClientCertificate>) -> Possession<'_> {
    Possession {
        scheme: Scheme::Bearer,
        proofs: Proofs::None,
        method: "POST",
        uri: "https://gw.example.com/mcp/files",
        certificate,
    }
}

fn code(result: Result<Confirmed, Denial>) -> Option<Code> {
    result.err().map(|denial| denial.code)
}

#[test]
fn a_token_is_presented_in_its_own_scheme_or_not_at_all() {
    let holders = holders(None);
    let as_dpop = Possession {
        scheme: Scheme::Dpop,
        proofs: Proofs::One(b"a.b.c"),
        ..bearer(None)
    };
    assert_eq!(
        code(holders.confirm(verified(None, None), &bearer(None))),
        None
    );
    for (token, request, wanted) in [
        (verified(Some(1), None), bearer(None), Code::TokenBinding),
        (verified(None, None), as_dpop, Code::TokenBinding),
        (verified(Some(1), None), as_dpop, Code::ProofInvalid),
    ] {
        assert_eq!(code(holders.confirm(token, &request)), Some(wanted));
    }
    for (proofs, why) in [
        (Proofs::None, "no `DPoP` header"),
        (Proofs::Several, "more than one"),
        (Proofs::One(b"\xff"), "not text"),
    ] {
        let request = Possession { proofs, ..as_dpop };
        let denial = holders
            .confirm(verified(Some(1), None), &request)
            .unwrap_err();
        assert_eq!(denial.code, Code::ProofInvalid);
        assert!(denial.message.contains(why), "{denial}");
    }
}

#[test]
fn a_certificate_has_to_be_the_one_and_to_be_valid() {
    let shown = certificate();
    let bound = || verified(None, Some(shown.thumbprint()));
    let at = |unix_s: u64| Holders {
        clock: Clock::manual(unix_s * 1000),
        ..holders(None)
    };
    let valid = at(1_600_000_000);
    let confirmed = valid.confirm(bound(), &bearer(Some(&shown))).unwrap();
    let principal = confirmed.principal(RunHints::default(), 0).unwrap();
    assert_eq!(principal.binding.certificate, Some(shown.thumbprint()));
    let other = verified(None, Some(Thumbprint::new([1; 32])));
    for (holders, token, certificate) in [
        (&valid, bound(), None),
        (&valid, other, Some(&shown)),
        (&at(1_700_000_000), bound(), Some(&shown)),
    ] {
        let refused = holders.confirm(token, &bearer(certificate));
        assert_eq!(code(refused), Some(Code::TokenBinding));
    }
}

#[test]
fn a_token_that_names_two_keys_needs_both() {
    let shown = certificate();
    let holders = Holders {
        clock: Clock::manual(1_600_000_000_000),
        ..holders(None)
    };
    let both = || verified(Some(1), Some(shown.thumbprint()));
    let with_certificate = bearer(Some(&shown));
    assert_eq!(
        code(holders.confirm(both(), &with_certificate)),
        Some(Code::TokenBinding)
    );
    let with_proof = Possession {
        scheme: Scheme::Dpop,
        proofs: Proofs::One(b"a.b.c"),
        ..bearer(None)
    };
    assert_eq!(
        code(holders.confirm(both(), &with_proof)),
        Some(Code::TokenBinding)
    );
    let with_both = Possession {
        certificate: Some(&shown),
        ..with_proof
    };
    // The certificate is right, so that now the proof is looked at.
    assert_eq!(
        code(holders.confirm(both(), &with_both)),
        Some(Code::ProofInvalid)
    );
}

#[test]
fn a_tenant_takes_what_it_demands() {
    let shown = certificate();
    let tokens = [
        verified(None, None),
        verified(Some(1), None),
        verified(None, Some(shown.thumbprint())),
    ];
    for (required, refused) in [
        (RequiredBinding::Any, [true, false, false]),
        (RequiredBinding::Dpop, [true, false, true]),
        (RequiredBinding::Certificate, [true, true, false]),
    ] {
        let holders = holders(Some(required));
        for (token, refused) in tokens.iter().zip(refused) {
            let code = code(holders.confirm(token.clone(), &bearer(Some(&shown))));
            assert_eq!(
                code == Some(Code::BindingRequired),
                refused,
                "{required:?} {token:?}"
            );
        }
    }
}

#[test]
fn a_claim_that_names_no_known_key_is_refused() {
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let read = |cnf: Value| confirmation(&json!({ "cnf": cnf }));
    assert_eq!(confirmation(&json!({})).unwrap(), KeyBinding::NONE);
    let thumbprint = Thumbprint::parse(jkt);
    let bound = read(json!({ "jkt": jkt, "x5t#S256": jkt })).unwrap();
    assert_eq!((bound.dpop, bound.certificate), (thumbprint, thumbprint));
    assert_eq!(cnf(&bound), Some(json!({ "jkt": jkt, "x5t#S256": jkt })));
    assert_eq!(cnf(&KeyBinding::NONE), None);
    for wrong in [
        Value::Null,
        json!(jkt),
        json!([]),
        json!({}),
        json!({ "jkt": null }),
        json!({ "jkt": "" }),
        json!({ "jkt": [jkt] }),
        json!({ "jkt": &jkt[1..] }),
        json!({ "jkt": format!("{jkt}=") }),
        json!({ "kid": "a" }),
        json!({ "jkt": jkt, "kid": jkt }),
        json!({ "jwk": { "kty": "EC" } }),
        json!({ "x5t": jkt }),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}
