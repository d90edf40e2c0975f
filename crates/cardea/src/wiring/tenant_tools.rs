//! The rules for tools that serve several tenants, and how upstreams are told who calls.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context as _;
use cardea_config::{self as config, Config};
use cardea_domain::{Clock, TenantId, UpstreamId};
use cardea_gateway::UpstreamIdentity;
use cardea_guard::tenant::{
    ArgumentRule, Binding, OnForeign, OnUntyped, Pointer, ResultRules, Rules, TenantValue, Tool,
};
use cardea_identity::SigningKeys;
use http::HeaderName;

/// Upstreams are there once for each tenant.
type Key = (TenantId, UpstreamId);

/// The rules of each upstream that has some.
pub(super) fn guards(config: &Config) -> anyhow::Result<HashMap<Key, Rules>> {
    let with_rules = config.upstreams.iter().filter(|(_, u)| !u.tools.is_empty());
    with_rules
        .map(|(key, upstream)| {
            let rules = rules(upstream).with_context(|| format!("upstream `{}`", upstream.id))?;
            Ok((key.clone(), rules))
        })
        .collect()
}

fn rules(upstream: &config::Upstream) -> anyhow::Result<Rules> {
    let value = match &upstream.tenant_value {
        config::TenantValue::Text(text) => TenantValue::of_text(text),
        config::TenantValue::Number(number) => TenantValue::of_number(*number),
    };
    let tools: Vec<_> = upstream
        .tools
        .iter()
        .map(|(name, rules)| {
            let tool = tool(rules).with_context(|| format!("tool `{name}`"))?;
            Ok((name.clone(), tool))
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Rules::new([(upstream.tenant.clone(), value)], tools))
}

fn tool(rules: &config::ToolRules) -> anyhow::Result<Tool> {
    let argument = |rule: &config::ArgumentRule| -> anyhow::Result<ArgumentRule> {
        Ok(ArgumentRule {
            at: Pointer::for_arguments(&rule.at)?,
            binding: match rule.binding {
                config::Binding::Force => Binding::Force,
                config::Binding::Check => Binding::Check,
                config::Binding::Default => Binding::Default,
            },
        })
    };
    Ok(Tool {
        arguments: rules
            .arguments
            .iter()
            .map(argument)
            .collect::<Result<_, _>>()?,
        headers: rules.headers.iter().cloned().collect(),
        results: rules.results.as_ref().map(results).transpose()?,
    })
}

fn results(rules: &config::ResultRules) -> anyhow::Result<ResultRules> {
    let paths = rules.at.iter().map(|at| Pointer::for_results(at));
    Ok(ResultRules::new(
        paths.collect::<Result<_, _>>()?,
        &rules.columns,
        match rules.foreign {
            config::OnForeign::Drop => OnForeign::Drop,
            config::OnForeign::Refuse => OnForeign::Refuse,
        },
        match rules.untyped {
            config::OnUntyped::Refuse => OnUntyped::Refuse,
            config::OnUntyped::Drop => OnUntyped::Drop,
        },
    ))
}

/// Whether any upstream is told who calls: then the keys are published.
pub(super) fn tells(config: &Config) -> bool {
    config.upstreams.values().any(|u| u.identity.is_some())
}

/// How each upstream that is told who calls is told.
pub(super) fn identities(
    config: &Config,
    keys: &Arc<SigningKeys>,
    clock: &Clock,
) -> anyhow::Result<HashMap<Key, UpstreamIdentity>> {
    let mut identities = HashMap::new();
    for (key, upstream) in &config.upstreams {
        let Some(identity) = &upstream.identity else {
            continue;
        };
        let header = identity
            .header
            .as_ref()
            .map(|name| HeaderName::from_bytes(name.as_bytes()))
            .transpose()?;
        let identity = UpstreamIdentity::new(
            config.public_origin(),
            identity.audience.clone(),
            identity.ttl,
            header,
            Arc::clone(keys),
            clock.clone(),
        );
        identities.insert(key.clone(), identity);
    }
    Ok(identities)
}
