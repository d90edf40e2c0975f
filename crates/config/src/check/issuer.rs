//! Whose tokens are accepted.

use std::collections::{BTreeMap, BTreeSet};

use cardea_domain::TenantId;
use url::Url;

use super::{
    Checker,
    files::Wanted,
    url::{PlainHttp, is_loopback},
};
use crate::{
    ClaimPointer, EmbeddedIssuer, ExternalIssuer, Issuer, KeySource, TenantSource,
    diagnostic::printable,
    raw::{RawConfig, RawIssuer, RawOwnIssuer, RequiredTyp},
    yaml::At,
};

/// The keys by which an entry says whose tenant it speaks for.
pub(super) struct TenantKeys<'a> {
    pub(super) tenant: Option<&'a String>,
    pub(super) claim: Option<&'a ClaimPointer>,
    pub(super) values: Option<&'a BTreeMap<String, String>>,
}

impl Checker<'_> {
    /// Checks the issuers of the gateway, then those of each tenant.
    pub(super) fn issuers(&mut self, raw: &RawConfig) -> Option<Vec<Issuer>> {
        let at = At::root().key("issuers");
        let mut found = Vec::new();
        let mut wanted = raw.issuers.len();
        for (index, raw) in raw.issuers.iter().enumerate() {
            let at = at.index(index);
            let issuer = self.shared_issuer(&at, raw, &found);
            found.extend(issuer.map(|issuer| (at, issuer)));
        }
        for (id, raw) in &raw.tenants {
            let at = At::root().key("tenants").key(id).key("issuers");
            let Ok(owner) = TenantId::parse(id) else {
                continue;
            };
            wanted += raw.issuers.len();
            for (index, RawOwnIssuer(raw)) in raw.issuers.iter().enumerate() {
                let at = at.index(index);
                let issuer = self.external(&at, raw, Some(&owner));
                let issuer = issuer.map(|i| Issuer::External(Box::new(i)));
                found.extend(issuer.map(|issuer| (at.clone(), issuer)));
            }
        }
        if wanted == 0
            && raw.authorization_server.is_none()
            && self.has(&at)
            && !self.document.has_broken(&at)
        {
            let diagnostic = self
                .document
                .error_at_key(&at, "nobody's tokens are accepted")
                .expected("an issuer here, or below a tenant");
            self.report(&at, diagnostic);
            return None;
        }
        self.refuse_twins(&found);
        let mut issuers: Vec<_> = found.into_iter().map(|(_, issuer)| issuer).collect();
        if issuers.len() != wanted {
            return None;
        }
        if raw.authorization_server.is_some() {
            // It speaks for every tenant, by the keys of the embedded issuer.
            issuers.retain(|issuer| !matches!(issuer, Issuer::Embedded(_)));
            let tenants = self.tenants.clone();
            issuers.push(Issuer::Embedded(EmbeddedIssuer { tenants }));
        }
        if !self.document.has_broken(&at) {
            self.warn_of_silent_tenants(&issuers);
        }
        Some(issuers)
    }

    fn shared_issuer(
        &mut self,
        at: &At,
        raw: &RawIssuer,
        before: &[(At, Issuer)],
    ) -> Option<Issuer> {
        let embedded_at = at.key("embedded");
        match raw.embedded {
            // It was reported that this key is wrong, and either may have been meant.
            None if self.has(&embedded_at) => None,
            Some(_) => {
                let is_second = before
                    .iter()
                    .any(|(_, issuer)| matches!(issuer, Issuer::Embedded(_)));
                if is_second {
                    let message = "there is an embedded issuer already";
                    let diagnostic = self.document.error(&embedded_at, message);
                    self.report(&embedded_at, diagnostic.expected("one of them"));
                }
                self.embedded(at, raw).map(Issuer::Embedded)
            }
            None => self
                .external(at, raw, None)
                .map(|i| Issuer::External(Box::new(i))),
        }
    }

    /// Entries of one `iss` must be for different tokens, and of the same keys: what a signature
    /// proves does not depend on the entry.
    fn refuse_twins(&mut self, issuers: &[(At, Issuer)]) {
        for (index, (at, issuer)) in issuers.iter().enumerate() {
            let Issuer::External(issuer) = issuer else {
                continue;
            };
            // What tells them apart may be what is broken.
            let is_whole = |at: &At| !self.document.has_broken(at);
            let others = issuers
                .iter()
                .take(index)
                .filter_map(|(at, other)| match other {
                    Issuer::External(other) if other.issuer == issuer.issuer => Some((at, other)),
                    _ => None,
                })
                .filter(|(other_at, _)| is_whole(at) && is_whole(other_at))
                .map(|(_, other)| other)
                .collect::<Vec<_>>();
            for other in others {
                let at = at.key("issuer");
                if other.keys != issuer.keys || other.ca_file != issuer.ca_file {
                    let message = "another entry for this issuer has its keys elsewhere";
                    let diagnostic = self.document.error(&at, message);
                    self.report(
                        &at,
                        diagnostic
                            .expected("the same `jwks_url`, `discovery_url` and `ca_file` in both"),
                    );
                } else if !excludes(issuer, other) {
                    let message =
                        "there is an entry for this issuer already, and a token can match both";
                    let diagnostic = self.document.error(&at, message);
                    self.report(
                        &at,
                        diagnostic.expected(
                            "one entry for each issuer, or `required_claims` that tell them apart",
                        ),
                    );
                } else {
                    continue;
                }
                break;
            }
        }
    }

    fn embedded(&mut self, at: &At, raw: &RawIssuer) -> Option<EmbeddedIssuer> {
        let given = self.document.get(at).and_then(|value| value.as_object());
        let given = given.into_iter().flat_map(|object| object.keys());
        let others: Vec<_> = given
            .filter(|key| !matches!(key.as_str(), "embedded" | "tenants"))
            .map(|key| at.key(key))
            .collect();
        for other in &others {
            let diagnostic = self
                .document
                .error_at_key(other, "the embedded issuer does not have this key")
                .expected("`embedded` and `tenants` only");
            self.report(other, diagnostic);
        }
        let tenants = match &raw.tenants {
            Some(ids) => self.tenants(&at.key("tenants"), ids),
            None => self.tenants.clone(),
        };
        others.is_empty().then_some(EmbeddedIssuer { tenants })
    }

    fn external(
        &mut self,
        at: &At,
        raw: &RawIssuer,
        owner: Option<&TenantId>,
    ) -> Option<ExternalIssuer> {
        let tenants_at = at.key("tenants");
        if self.has(&tenants_at) {
            let diagnostic = self
                .document
                .error_at_key(&tenants_at, "only the embedded issuer has `tenants`")
                .help("use `tenant`, or `tenant_claim` with `tenant_values`");
            self.report(&tenants_at, diagnostic);
        }
        let keys = self.keys(at, raw);
        let tenant = match owner {
            Some(owner) => Some(TenantSource::Fixed(owner.clone())),
            None => self.tenant_source(
                at,
                &TenantKeys {
                    tenant: raw.tenant.as_ref(),
                    claim: raw.tenant_claim.as_ref(),
                    values: raw.tenant_values.as_ref(),
                },
            ),
        };
        let ca_file = self.optional(raw.ca_file.as_deref(), |checker, text| {
            checker.existing(&at.key("ca_file"), text, Wanted::File)
        });
        let actor_claims = match &raw.actor_claim {
            Some(claim) => vec![claim.clone()],
            None => ["/act/sub", "/client_id", "/azp"]
                .map(ClaimPointer::of_static)
                .to_vec(),
        };
        Some(ExternalIssuer {
            issuer: raw.issuer.clone()?,
            keys: keys?,
            algorithms: raw.algorithms.iter().copied().collect(),
            audiences: raw.audiences.iter().cloned().collect(),
            tenant: tenant?,
            required_claims: raw
                .required_claims
                .iter()
                .map(|(claim, value)| (ClaimPointer::from(claim.clone()), value.clone()))
                .collect(),
            owner: owner.cloned(),
            advertised: raw.advertised.unwrap_or(owner.is_none()),
            subject_claim: raw.subject_claim.clone(),
            actor_claims,
            groups_claim: raw.groups_claim.clone(),
            require_typ: match raw.require_typ {
                RequiredTyp::AtJwt => Some("at+jwt"),
                RequiredTyp::Any => None,
            },
            required_scopes: raw.required_scopes.iter().cloned().collect(),
            ca_file: ca_file?,
        })
    }

    fn keys(&mut self, at: &At, raw: &RawIssuer) -> Option<KeySource> {
        let issuer_at = at.key("issuer");
        let Some(issuer) = &raw.issuer else {
            if !self.has(&issuer_at) && !self.has(&at.key("embedded")) {
                let diagnostic = self
                    .document
                    .error_within(at, "an issuer without a name")
                    .expected("the key `issuer` with the `iss` of its tokens, or `embedded: true`");
                self.report(at, diagnostic);
            }
            return None;
        };
        match (&raw.jwks_url, &raw.discovery_url) {
            (Some(_), Some(_)) => {
                let at = at.key("discovery_url");
                let diagnostic = self
                    .document
                    .error_at_key(
                        &at,
                        "`jwks_url` says where the keys are, so this is not used",
                    )
                    .expected("one of both");
                self.report(&at, diagnostic);
                None
            }
            (Some(text), None) => self
                .url(&at.key("jwks_url"), text, PlainHttp::Refused)
                .map(KeySource::Jwks),
            (None, Some(text)) => self
                .url(&at.key("discovery_url"), text, PlainHttp::Refused)
                .map(KeySource::Metadata),
            (None, None) if self.has(&at.key("jwks_url")) || self.has(&at.key("discovery_url")) => {
                None
            }
            (None, None) => self
                .well_known(&issuer_at, issuer)
                .map(KeySource::WellKnown),
        }
    }

    /// An issuer from whose name its metadata can be found.
    fn well_known(&mut self, at: &At, issuer: &str) -> Option<Url> {
        let url = Url::parse(issuer).ok().filter(|url| {
            let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
            let has_user = !url.username().is_empty() || url.password().is_some();
            is_safe && !has_user && url.query().is_none() && url.fragment().is_none()
        });
        if url.is_none() {
            let diagnostic = self
                .document
                .error(at, "from this name no keys can be found")
                .expected("an `https` URL without query and fragment")
                .help("if this is the exact `iss`, add `jwks_url` or `discovery_url`");
            self.report(at, diagnostic);
        }
        url
    }

    pub(super) fn tenant_source(&mut self, at: &At, raw: &TenantKeys<'_>) -> Option<TenantSource> {
        let (fixed_at, claim_at) = (at.key("tenant"), at.key("tenant_claim"));
        let values_at = at.key("tenant_values");
        let (has_fixed, has_claim) = (self.has(&fixed_at), self.has(&claim_at));
        if has_fixed == has_claim {
            let document = self.document;
            let (at, diagnostic) = if has_fixed {
                let message = "there is a fixed `tenant` as well";
                (&claim_at, document.error_at_key(&claim_at, message))
            } else {
                let message = "an issuer that speaks for no tenant";
                (at, document.error_within(at, message))
            };
            self.report(at, diagnostic.expected("either `tenant` or `tenant_claim`"));
        }
        if self.has(&values_at) && !has_claim {
            let diagnostic = self
                .document
                .error_at_key(&values_at, "values of no claim")
                .expected("`tenant_claim` beside it");
            self.report(&values_at, diagnostic);
        }
        let values = self.optional(raw.values, |checker, values| {
            checker.tenant_values(&values_at, values)
        });
        match (raw.tenant, raw.claim, values?) {
            (Some(id), None, None) => self.tenant(&fixed_at, id).map(TenantSource::Fixed),
            (None, Some(claim), None) => Some(TenantSource::Claim(claim.clone())),
            (None, Some(claim), Some(values)) => {
                Some(TenantSource::ClaimValues(claim.clone(), values))
            }
            _ => None,
        }
    }

    fn tenant_values(
        &mut self,
        at: &At,
        values: &BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, TenantId>> {
        let checked: BTreeMap<_, _> = values
            .iter()
            .filter_map(|(value, id)| Some((value.clone(), self.tenant(&at.key(value), id)?)))
            .collect();
        (checked.len() == values.len()).then_some(checked)
    }

    fn warn_of_silent_tenants(&mut self, issuers: &[Issuer]) {
        let mut silent = self.tenants.clone();
        for issuer in issuers {
            match issuer {
                Issuer::Embedded(embedded) => silent.retain(|t| !embedded.tenants.contains(t)),
                Issuer::External(external) => match &external.tenant {
                    TenantSource::Fixed(tenant) => {
                        silent.remove(tenant);
                    }
                    TenantSource::Claim(_) => silent.clear(),
                    TenantSource::ClaimValues(_, values) => {
                        silent.retain(|t| !values.values().any(|value| value == t));
                    }
                },
            }
        }
        for tenant in silent {
            let at = At::root().key("tenants").key(tenant.as_str());
            let message = format!(
                "no issuer speaks for the tenant `{}`",
                printable(tenant.as_str())
            );
            let diagnostic = self.document.error_at_key(&at, message).warning();
            self.report(&at, diagnostic.help("nobody can call anything there"));
        }
    }
}

/// Whether no token matches both entries: some claim must have a text in one that it must not have
/// in the other.
fn excludes(one: &ExternalIssuer, other: &ExternalIssuer) -> bool {
    let (one, other) = (demands(one), demands(other));
    one.iter()
        .any(|(claim, texts)| other.get(claim).is_some_and(|o| o.is_disjoint(texts)))
}

/// The texts that an entry allows of the claims that it looks at.
fn demands(issuer: &ExternalIssuer) -> BTreeMap<&ClaimPointer, BTreeSet<&str>> {
    let mut demands: BTreeMap<_, _> = issuer
        .required_claims
        .iter()
        .map(|(claim, text)| (claim, BTreeSet::from([text.as_str()])))
        .collect();
    // Any tenant's id may stand in a claim whose values are not listed.
    if let TenantSource::ClaimValues(claim, values) = &issuer.tenant {
        demands
            .entry(claim)
            .or_insert_with(|| values.keys().map(String::as_str).collect());
    }
    demands
}
