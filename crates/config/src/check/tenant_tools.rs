//! What holds for the tools of an upstream that serves several tenants, and who calls it.

use std::collections::{BTreeMap, BTreeSet};

use cardea_domain::{TenantId, UpstreamId};

use super::{Checker, upstream::is_own_header};
use crate::{
    ArgumentRule, ResultRules, TenantValue, ToolRules, Transport, UpstreamIdentity,
    diagnostic::printable,
    quantity::Quantity as _,
    raw::{IDENTITY_TTL_MAX, IDENTITY_TTL_MIN, RawIdentity, RawResults, RawTenantValue, RawTool},
    yaml::At,
};

impl Checker<'_> {
    /// What each of `tenants` is called upstream: as given, or by its id. No two are called alike.
    pub(super) fn names_of_tenants(
        &mut self,
        at: &At,
        raws: &BTreeMap<String, RawTenantValue>,
        tenants: &BTreeSet<TenantId>,
    ) -> Option<BTreeMap<TenantId, TenantValue>> {
        let mut values: BTreeMap<TenantId, TenantValue> = BTreeMap::new();
        let mut is_good = true;
        for (id, raw) in raws {
            let at = at.key(id);
            let Some(tenant) = self.tenant(&at, id) else {
                is_good = false;
                continue;
            };
            if !tenants.contains(&tenant) {
                let message = format!("the upstream does not exist for tenant `{tenant}`");
                let diagnostic = self.document.error_at_key(&at, message);
                self.report(&at, diagnostic.help("add it to `tenants` of the upstream"));
                is_good = false;
                continue;
            }
            match self.tenant_value(&at, raw) {
                Some(value) => drop(values.insert(tenant, value)),
                None => is_good = false,
            }
        }
        for tenant in tenants {
            let by_id = || TenantValue::Text(tenant.to_string());
            values.entry(tenant.clone()).or_insert_with(by_id);
        }
        is_good &= self.are_told_apart(at, &values);
        is_good.then_some(values)
    }

    fn tenant_value(&mut self, at: &At, raw: &RawTenantValue) -> Option<TenantValue> {
        let text = match raw {
            RawTenantValue::Number(number) => return Some(TenantValue::Number(*number)),
            RawTenantValue::Text(text) => text,
        };
        if text.trim() != text || text.chars().any(char::is_control) {
            let message =
                "a tenant is not called by blanks around a name, or by control characters";
            let diagnostic = self.document.error(at, message);
            self.report(at, diagnostic);
            return None;
        }
        Some(TenantValue::Text(text.clone()))
    }

    /// Results are compared by text: a number and a text of one look would be one tenant.
    fn are_told_apart(&mut self, at: &At, values: &BTreeMap<TenantId, TenantValue>) -> bool {
        let mut seen: BTreeMap<String, &TenantId> = BTreeMap::new();
        let mut is_good = true;
        for (tenant, value) in values {
            let Some(other) = seen.insert(value.text(), tenant) else {
                continue;
            };
            let text = value.text();
            let message = format!(
                "tenants `{other}` and `{tenant}` are both called `{}` upstream",
                printable(&text)
            );
            // The one of both that stands in the file.
            let given = [tenant, other].map(|tenant| at.key(tenant.as_str()));
            let at = given.iter().find(|at| self.has(at)).unwrap_or(at).clone();
            let diagnostic = self
                .document
                .error(&at, message)
                .expected("a value of its own for each tenant");
            self.report(&at, diagnostic);
            is_good = false;
        }
        is_good
    }

    pub(super) fn tools(
        &mut self,
        at: &At,
        raws: &BTreeMap<String, RawTool>,
        values: &BTreeMap<TenantId, TenantValue>,
        transport: &Transport,
    ) -> Option<BTreeMap<String, ToolRules>> {
        let mut tools = BTreeMap::new();
        for (name, raw) in raws {
            let at = at.key(name);
            let arguments = self.arguments(&at.key("arguments"), raw);
            let headers = self.tool_headers(&at.key("headers"), raw, values, transport);
            let results = self.optional(raw.results.as_ref(), |checker, raw| {
                checker.results(&at.key("results"), raw)
            });
            if let (Some(arguments), Some(headers), Some(results)) = (arguments, headers, results) {
                let rules = ToolRules {
                    arguments,
                    headers,
                    results,
                };
                tools.insert(name.clone(), rules);
            }
        }
        (tools.len() == raws.len()).then_some(tools)
    }

    fn arguments(&mut self, at: &At, raw: &RawTool) -> Option<Vec<ArgumentRule>> {
        let mut is_good = true;
        for (index, argument) in raw.arguments.iter().enumerate() {
            let at = at.index(index).key("at");
            if argument.at.split('/').any(|step| step == "**") {
                let diagnostic = self
                    .document
                    .error(&at, "nothing can be set at any depth")
                    .expected("a pointer without `**`");
                self.report(&at, diagnostic);
                is_good = false;
            }
            let earlier = raw.arguments.iter().take(index);
            let within = |a: &str, b: &str| {
                a.strip_prefix(b)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let overlaps = |other: &str| within(&argument.at, other) || within(other, &argument.at);
            if let Some(other) = earlier.map(|e| &e.at).find(|other| overlaps(other)) {
                let message = format!("this argument and `{}` overlap", printable(other));
                let diagnostic = self.document.error(&at, message);
                self.report(&at, diagnostic);
                is_good = false;
            }
        }
        let rules = raw.arguments.iter().map(|argument| ArgumentRule {
            at: argument.at.clone(),
            binding: argument.tenant,
        });
        is_good.then(|| rules.collect())
    }

    fn tool_headers(
        &mut self,
        at: &At,
        raw: &RawTool,
        values: &BTreeMap<TenantId, TenantValue>,
        transport: &Transport,
    ) -> Option<BTreeSet<String>> {
        let mut headers = BTreeSet::new();
        for name in raw.headers.keys() {
            let at = at.key(name);
            let lower = name.to_ascii_lowercase();
            let is_text =
                |value: &TenantValue| value.text().bytes().all(|b| (0x20..0x7f).contains(&b));
            let message = match transport {
                Transport::Stdio(_) => {
                    "a server on its standard streams gets no headers".to_owned()
                }
                Transport::Http(http) if http.headers.contains_key(&lower) => {
                    format!("`{}` is in `http.headers` as well", printable(name))
                }
                Transport::Http(_) if is_own_header(&lower) => {
                    format!("the gateway sets `{}` itself", printable(name))
                }
                Transport::Http(_) if !headers.insert(lower) => {
                    format!(
                        "`{}` stands here twice: case does not count",
                        printable(name)
                    )
                }
                Transport::Http(_) if !values.values().all(is_text) => {
                    "a tenant's value has characters that a header cannot carry".to_owned()
                }
                Transport::Http(_) => continue,
            };
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic);
            return None;
        }
        Some(headers)
    }

    fn results(&mut self, at: &At, raw: &RawResults) -> Option<ResultRules> {
        let mut is_good = true;
        for (index, pointer) in raw.at.iter().enumerate() {
            let mut steps = pointer.split('/').skip(1);
            let is_deep = steps.next() == Some("**");
            let rest: Vec<_> = steps.collect();
            let is_understood = match is_deep {
                true => !rest.is_empty() && !rest.iter().any(|s| matches!(*s, "*" | "**")),
                false => !rest.contains(&"**"),
            };
            if !is_understood {
                let at = at.key("at").index(index);
                let diagnostic = self
                    .document
                    .error(
                        &at,
                        "`**` stands at the beginning, with only names behind it",
                    )
                    .expected("a pointer such as `/**/org`");
                self.report(&at, diagnostic);
                is_good = false;
            }
        }
        is_good.then(|| ResultRules {
            at: raw.at.clone(),
            columns: raw.columns.clone(),
            foreign: raw.foreign,
            untyped: raw.untyped,
        })
    }

    pub(super) fn identity(
        &mut self,
        at: &At,
        raw: &RawIdentity,
        id: &UpstreamId,
        transport: &Transport,
        tools: &BTreeMap<String, RawTool>,
    ) -> Option<UpstreamIdentity> {
        self.range(&at.key("ttl"), raw.ttl, IDENTITY_TTL_MIN, IDENTITY_TTL_MAX);
        let header_at = at.key("header");
        let lower = raw.header.to_ascii_lowercase();
        let header = match transport {
            Transport::Stdio(_) if self.has(&header_at) => {
                let message = "a server on its standard streams gets no headers";
                let diagnostic = self.document.error_at_key(&header_at, message);
                self.report(&header_at, diagnostic);
                return None;
            }
            Transport::Stdio(_) => None,
            Transport::Http(http) => {
                let of_tools = tools.values().flat_map(|tool| tool.headers.keys());
                let is_taken = http.headers.contains_key(&lower)
                    || is_own_header(&lower)
                    || of_tools
                        .into_iter()
                        .any(|name| name.eq_ignore_ascii_case(&lower));
                if is_taken {
                    let message =
                        format!("`{}` has another meaning already", printable(&raw.header));
                    let diagnostic = self.document.error(&header_at, message);
                    self.report(&header_at, diagnostic);
                    return None;
                }
                Some(lower)
            }
        };
        let audience = match (&raw.audience, transport) {
            (Some(audience), _) => audience.clone(),
            (None, Transport::Http(http)) => http.url.to_string(),
            (None, Transport::Stdio(_)) => id.to_string(),
        };
        Some(UpstreamIdentity {
            audience,
            ttl: raw.ttl.checked(),
            header,
        })
    }
}
