//! What the arguments and results of tools have to be, from the configuration's words to the guard's.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context as _;
use cardea_config as config;
use cardea_domain::{TenantId, UpstreamId};
use cardea_gateway::{Firewall, Held};
use cardea_guard::constraint::{
    Addresses, Check, Constraint, Dialect, Exact, HostPattern, PathRule, ProgramRule, Range,
    Relative, Selector, SqlRule, TextPattern, UrlRule, Verb, Whose,
};
use cardea_guard::{
    output::{ContentKind, MediaType, OutputRule},
    roots::RootPattern,
    schema::UnknownMembers,
};

/// What the arguments and results of the tools of each upstream have to be.
pub(super) fn firewalls(
    config: &config::Config,
) -> anyhow::Result<HashMap<(TenantId, UpstreamId), Firewall>> {
    let firewalls = config.upstreams.iter().map(|(key, upstream)| {
        let firewall = firewall(upstream).with_context(|| format!("upstream `{}`", upstream.id))?;
        Ok((key.clone(), firewall))
    });
    firewalls.collect()
}

fn firewall(upstream: &config::Upstream) -> anyhow::Result<Firewall> {
    let schemas = upstream.schemas;
    let held = Held {
        arguments: schemas.arguments == config::SchemaCheck::Check,
        results: schemas.results == config::SchemaCheck::Check,
        unknown_members: match schemas.unknown_members {
            config::UnknownMembers::Refuse => UnknownMembers::Refuse,
            config::UnknownMembers::Allow => UnknownMembers::Allow,
        },
    };
    let all = upstream.constraints.iter().map(|raw| {
        let tools: BTreeSet<_> = raw.tools.iter().cloned().collect();
        Ok((tools, constraint(raw)?))
    });
    let outputs = upstream.outputs.iter().map(|raw| {
        let tools: BTreeSet<_> = raw.tools.iter().cloned().collect();
        Ok((tools, output(raw)?))
    });
    let roots = upstream.roots.as_ref().map(|roots| {
        let patterns = roots.iter().map(|root| RootPattern::parse(root));
        patterns.collect::<Result<Vec<_>, _>>()
    });
    let firewall = Firewall::new(
        held,
        &all.collect::<anyhow::Result<Vec<_>>>()?,
        outputs.collect::<anyhow::Result<Vec<_>>>()?,
    );
    Ok(firewall.with_roots(roots.transpose()?))
}

fn output(raw: &config::Output) -> anyhow::Result<OutputRule> {
    let kind = |kind: &config::ContentKind| match kind {
        config::ContentKind::Text => ContentKind::Text,
        config::ContentKind::Image => ContentKind::Image,
        config::ContentKind::Audio => ContentKind::Audio,
        config::ContentKind::ResourceLink => ContentKind::ResourceLink,
        config::ContentKind::Resource => ContentKind::Resource,
    };
    let media_types = raw.media_types.as_ref().map(|types| {
        let types = types.iter().map(|one| MediaType::parse(one));
        types.collect::<Result<Vec<_>, _>>()
    });
    let kinds = raw.content.as_ref();
    Ok(OutputRule {
        kinds: kinds.map(|kinds| kinds.iter().map(kind).collect()),
        media_types: media_types.transpose()?,
        bytes_max: raw.bytes_max().map(usize::try_from).transpose()?,
    })
}

/// What a constraint of the configuration means.
pub(crate) fn constraint(raw: &config::Constraint) -> anyhow::Result<Constraint> {
    let checks = checks(raw).with_context(|| format!("the constraint at `{}`", raw.at))?;
    Ok(Constraint {
        at: Selector::parse(&raw.at)?,
        required: raw.required,
        whose: match (&*raw.groups, &*raw.except_groups) {
            ([], []) => Whose::All,
            ([], but) => Whose::NotIn(but.iter().cloned().collect()),
            (these, _) => Whose::In(these.iter().cloned().collect()),
        },
        checks,
    })
}

fn checks(raw: &config::Constraint) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::new();
    if !raw.exact.is_empty() {
        checks.push(Check::Exact(Exact::of(raw.exact.clone())));
    }
    if raw.length_min.is_some() || raw.length_max.is_some() {
        checks.push(Check::Range(Range::Length {
            min: raw.length_min,
            max: raw.length_max,
        }));
    }
    if let Some(pattern) = &raw.pattern {
        checks.push(Check::Pattern(TextPattern::parse(pattern)?));
    }
    if raw.minimum.is_some() || raw.maximum.is_some() {
        let float = |number: &serde_json::Number| {
            number
                .as_f64()
                .with_context(|| format!("`{number}` is no number"))
        };
        checks.push(Check::Range(Range::Number {
            min: raw.minimum.as_ref().map(float).transpose()?,
            max: raw.maximum.as_ref().map(float).transpose()?,
        }));
    }
    if let Some(raw) = &raw.path {
        checks.push(Check::Path(path(raw)?));
    }
    if let Some(raw) = &raw.url {
        checks.push(Check::Url(url(raw)?));
    }
    if let Some(raw) = &raw.sql {
        checks.push(Check::Sql(sql(raw)));
    }
    if let Some(raw) = &raw.program_argument {
        checks.push(Check::Program(ProgramRule {
            leading_dash: raw.leading_dash,
            commands: raw.commands,
            blanks: raw.blanks,
        }));
    }
    Ok(checks)
}

fn path(raw: &config::PathConstraint) -> anyhow::Result<PathRule> {
    let mut rule = PathRule::under(raw.roots.iter().map(String::as_str))?;
    rule.relative = match raw.relative {
        true => Relative::Admit,
        false => Relative::Refuse,
    };
    rule.hidden = raw.hidden;
    rule.extensions.clone_from(&raw.extensions);
    rule.follow_links = raw.follow_links;
    Ok(rule)
}

fn url(raw: &config::UrlConstraint) -> anyhow::Result<UrlRule> {
    let hosts = raw.hosts.iter().map(|host| HostPattern::parse(host));
    let networks = raw.networks.iter().map(|network| network.parse());
    Ok(UrlRule {
        schemes: raw.schemes.iter().cloned().collect(),
        hosts: hosts.collect::<Result<_, _>>()?,
        ports: raw.ports.iter().copied().collect(),
        addresses: match (raw.networks.is_empty(), raw.addresses) {
            (false, _) => Addresses::In(networks.collect::<Result<_, _>>()?),
            (true, config::AddressClass::Public) => Addresses::Public,
            (true, config::AddressClass::Any) => Addresses::Any,
        },
    })
}

fn sql(raw: &config::SqlConstraint) -> SqlRule {
    let verb = |verb: &config::SqlVerb| match verb {
        config::SqlVerb::Select => Verb::Select,
        config::SqlVerb::Insert => Verb::Insert,
        config::SqlVerb::Update => Verb::Update,
        config::SqlVerb::Delete => Verb::Delete,
    };
    let tables = raw.tables.as_ref();
    SqlRule {
        dialect: match raw.dialect {
            config::SqlDialect::Generic => Dialect::Generic,
            config::SqlDialect::Ansi => Dialect::Ansi,
            config::SqlDialect::Postgresql => Dialect::Postgresql,
            config::SqlDialect::Mysql => Dialect::Mysql,
            config::SqlDialect::Sqlite => Dialect::Sqlite,
            config::SqlDialect::Mssql => Dialect::Mssql,
            config::SqlDialect::Duckdb => Dialect::Duckdb,
        },
        verbs: raw.statements.iter().map(verb).collect(),
        tables: tables.map(|tables| tables.iter().cloned().collect::<BTreeSet<_>>()),
        functions: raw.functions.iter().cloned().collect(),
        set_operations: raw.set_operations,
        constant_conditions: raw.constant_conditions,
    }
}
