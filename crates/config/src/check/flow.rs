//! Files of labels: which tools bring untrusted content, and which can do harm with it.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    path::PathBuf,
};

use cardea_domain::{TenantId, ToolName, UpstreamId};
use serde_json::Value;

use super::{Checker, files::Wanted};
use crate::{
    FlowLabels,
    diagnostic::{Diagnostic, Source, nearest, printable},
    load,
    raw::{FlowLabel, RawConfig, RawUpstream},
    yaml::{self, At, Document},
};

type Tools = BTreeMap<String, BTreeSet<FlowLabel>>;

impl Checker<'_> {
    /// The labels of the tools of every upstream that has a file of them, by tenant.
    pub(super) fn flow_labels(&mut self, raw: &RawConfig) -> Option<FlowLabels> {
        let mut labels = FlowLabels::default();
        // Upstreams may share a file, whose mistakes are told once.
        let mut read = BTreeMap::new();
        let mut is_good = true;
        let root = At::root();
        for (id, upstream) in &raw.upstreams {
            let at = root.key("upstreams").key(id);
            let tenants = upstream.tenants.iter();
            let tenants: Vec<_> = tenants.filter_map(|t| TenantId::parse(t).ok()).collect();
            is_good &= self.labels_of(&at, id, upstream, &tenants, &mut read, &mut labels);
        }
        for (tenant, own) in &raw.tenants {
            let at = root.key("tenants").key(tenant).key("upstreams");
            let tenant: Vec<_> = TenantId::parse(tenant).ok().into_iter().collect();
            for (id, upstream) in &own.upstreams {
                is_good &= self.labels_of(
                    &at.key(id),
                    id,
                    &upstream.0,
                    &tenant,
                    &mut read,
                    &mut labels,
                );
            }
        }
        is_good.then_some(labels)
    }

    fn labels_of(
        &mut self,
        at: &At,
        id: &str,
        raw: &RawUpstream,
        tenants: &[TenantId],
        read: &mut BTreeMap<PathBuf, Option<Tools>>,
        labels: &mut FlowLabels,
    ) -> bool {
        let Some(text) = &raw.labels else {
            return true;
        };
        let Some(path) = self.existing(&at.key("labels"), text, Wanted::File) else {
            return false;
        };
        let found = match read.entry(path.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => new.insert(self.labels_file(text, &path)).clone(),
        };
        let (Some(tools), Ok(id)) = (found, UpstreamId::parse(id)) else {
            return false;
        };
        labels.files.insert(path);
        for tenant in tenants {
            labels
                .tools
                .insert((tenant.clone(), id.clone()), tools.clone());
        }
        true
    }

    /// Reads a file of labels; every mistake in it is told with its place.
    fn labels_file(&mut self, name: &str, path: &std::path::Path) -> Option<Tools> {
        let text = match load::read(path) {
            Ok(text) => text,
            Err(message) => {
                self.diagnostics.push(Diagnostic::of_file(name, message));
                return None;
            }
        };
        let (document, found) = yaml::read(Source::new(name, text));
        let mut is_good = !found.has_errors();
        self.diagnostics.extend(found);
        let document = document?;
        let Value::Object(entries) = &document.value else {
            let error = document.error(&At::root(), "this is no file of labels");
            self.diagnostics
                .push(error.expected("names of tools with lists of labels"));
            return None;
        };
        let mut tools = Tools::new();
        for (tool, words) in entries {
            let at = At::root().key(tool);
            match labels(&document, &at, tool, words) {
                Ok(labels) => drop(tools.insert(tool.clone(), labels)),
                Err(mistakes) => {
                    is_good = false;
                    mistakes
                        .into_iter()
                        .for_each(|mistake| self.diagnostics.push(mistake));
                }
            }
        }
        is_good.then_some(tools)
    }
}

/// The labels of one tool.
fn labels(
    document: &Document,
    at: &At,
    tool: &str,
    words: &Value,
) -> Result<BTreeSet<FlowLabel>, Vec<Diagnostic>> {
    if ToolName::parse(tool).is_err() {
        let message = format!("no tool can be called `{}`", printable(tool));
        return Err(vec![document.error_at_key(at, message)]);
    }
    let Value::Array(words) = words else {
        let error = document.error(
            at,
            format!("the labels of {} are no list", document.name(at)),
        );
        return Err(vec![
            error.expected("a list such as `[untrusted, private, read-only]`"),
        ]);
    };
    let mut labels = BTreeSet::new();
    let mut mistakes = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let shown = word.as_str().unwrap_or_default();
        match FlowLabel::ALL
            .into_iter()
            .find(|label| label.as_str() == shown)
        {
            Some(label) => drop(labels.insert(label)),
            None => {
                let names = FlowLabel::ALL.map(FlowLabel::as_str);
                let error = document.error(
                    &at.index(index),
                    format!("`{}` is no label", printable(shown)),
                );
                let error = error.expected(format!("one of: {}", names.join(", ")));
                mistakes.push(error.suggest(nearest(shown, names)));
            }
        }
    }
    if labels.contains(&FlowLabel::ReadOnly) && labels.contains(&FlowLabel::Destructive) {
        let message = format!("{} cannot be read-only and destructive", document.name(at));
        mistakes.push(document.error(at, message));
    }
    match mistakes.is_empty() {
        true => Ok(labels),
        false => Err(mistakes),
    }
}
