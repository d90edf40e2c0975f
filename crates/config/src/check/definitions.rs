//! Files of definitions: the tools of servers, for policies that read arguments.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
};

use cardea_domain::{TenantId, ToolName, UpstreamId};
use serde_json::Value;

use super::{Checker, files::Wanted};
use crate::{
    Definitions,
    diagnostic::{Diagnostic, printable},
    load,
    raw::{RawConfig, RawUpstream},
    yaml::At,
};

/// As long as an answer of a server may be by default.
const FILE_BYTES_MAX: u64 = 16 << 20;

type Tools = Arc<BTreeMap<String, String>>;

/// A server that lists more tools than this is not learnt any further by the gateway either.
const TOOLS_MAX: usize = 10_000;

impl Checker<'_> {
    /// The definitions of the tools of every upstream that has a file of them, by tenant.
    pub(super) fn definitions(&mut self, raw: &RawConfig) -> Option<Definitions> {
        let root = At::root();
        let mut upstreams = Vec::new();
        for (id, upstream) in &raw.upstreams {
            let at = root.key("upstreams").key(id);
            let tenants = upstream.tenants.iter();
            let tenants: Vec<_> = tenants.filter_map(|t| TenantId::parse(t).ok()).collect();
            upstreams.push((at, id, upstream, tenants));
        }
        for (tenant, own) in &raw.tenants {
            let at = root.key("tenants").key(tenant).key("upstreams");
            let tenant: Vec<_> = TenantId::parse(tenant).ok().into_iter().collect();
            for (id, upstream) in &own.upstreams {
                upstreams.push((at.key(id), id, &upstream.0, tenant.clone()));
            }
        }
        let mut definitions = Definitions::default();
        // Upstreams may share a file, whose mistakes are told once.
        let mut read = BTreeMap::new();
        let mut is_good = true;
        for (at, id, upstream, tenants) in upstreams {
            let found = self.definitions_of(&at, upstream, &mut read);
            is_good &= found.is_ok();
            if let (Ok(Some((path, tools))), Ok(id)) = (found, UpstreamId::parse(id)) {
                definitions.files.insert(path);
                for tenant in tenants {
                    let key = (tenant, id.clone());
                    definitions.tools.insert(key, Arc::clone(&tools));
                }
            }
        }
        is_good.then_some(definitions)
    }

    /// `Err` where there was a mistake, which is told.
    fn definitions_of(
        &mut self,
        at: &At,
        raw: &RawUpstream,
        read: &mut BTreeMap<PathBuf, Option<Tools>>,
    ) -> Result<Option<(PathBuf, Tools)>, ()> {
        let Some(text) = &raw.definitions else {
            return Ok(None);
        };
        let path = self.existing(&at.key("definitions"), text, Wanted::File);
        let path = path.ok_or(())?;
        let found = match read.entry(path.clone()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let found = load_definitions(&path);
                let told = found.map(Arc::new).map_err(|message| {
                    let diagnostic = Diagnostic::of_file(text.as_str(), message);
                    self.diagnostics.push(diagnostic);
                });
                new.insert(told.ok()).clone()
            }
        };
        found.map(|tools| Some((path, tools))).ok_or(())
    }
}

/// Reads a file of definitions: each tool's raw definition by its name.
///
/// # Errors
/// What is wrong with it.
pub fn load_definitions(path: &Path) -> Result<BTreeMap<String, String>, String> {
    definitions(&load::read_up_to(path, FILE_BYTES_MAX)?)
}

/// Reads an answer to `tools/list`, its result, or the list in it.
///
/// # Errors
/// What is wrong with it.
pub fn definitions(text: &str) -> Result<BTreeMap<String, String>, String> {
    let listed: Value =
        serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
    let tools = ["/result/tools", "/tools", ""];
    let tools = tools
        .iter()
        .find_map(|pointer| listed.pointer(pointer)?.as_array());
    let tools =
        tools.ok_or("this is no answer to `tools/list`: there is no list of tools in it")?;
    if tools.len() > TOOLS_MAX {
        return Err(format!("there are more than {TOOLS_MAX} tools in it"));
    }
    let mut definitions = BTreeMap::new();
    for tool in tools {
        let name = tool.get("name").and_then(Value::as_str);
        let name = name.ok_or("there is a tool without a name in it")?;
        if ToolName::parse(name).is_err() {
            return Err(format!("no tool can be called `{}`", printable(name)));
        }
        if definitions
            .insert(name.to_owned(), tool.to_string())
            .is_some()
        {
            return Err(format!("the tool `{}` is in it twice", printable(name)));
        }
    }
    Ok(definitions)
}
