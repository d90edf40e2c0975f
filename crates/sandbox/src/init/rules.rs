//! Landlock: which files may be read, written and executed, which ports connected to, and nothing outside the box signalled.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetStatus, Scope,
};

use super::{Failure, at, mounts};
use crate::{Layer, Spec};

/// What the rules are written for. An older kernel enforces what it knows of it, the first version at least, and a newer one no more.
const VERSION: ABI = ABI::V6;

/// Puts the rules on this process and on all that come from it.
pub(super) fn apply(spec: &Spec) -> Result<(), Failure> {
    let ruleset = ruleset(spec).map_err(at(Layer::Landlock, "the rules cannot be made"))?;
    let status = ruleset
        .no_new_privs(false)
        .restrict_self()
        .map_err(at(Layer::Landlock, "the rules cannot be put on"))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(at(Layer::Landlock, "Landlock")(
            "this kernel does not enforce any rule",
        )),
        _ => Ok(()),
    }
}

fn ruleset(spec: &Spec) -> Result<RulesetCreated, landlock::RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(VERSION)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(VERSION))?
        .create()?;
    for path in &spec.view.read {
        rules = add(rules, path, read)?;
    }
    for path in &spec.view.exec {
        rules = add(rules, path, read | AccessFs::Execute)?;
    }
    for path in &spec.view.write {
        rules = add(rules, path, write)?;
    }
    // Without a root of its own these would be the host's.
    if spec.layers.has(Layer::Mount) {
        for path in mounts::OWN_WRITABLE {
            rules = add(rules, Path::new(path), write)?;
        }
        for path in mounts::OWN_READABLE {
            rules = add(rules, Path::new(path), read)?;
        }
    }
    for name in mounts::DEVICES {
        let path = PathBuf::from("/dev").join(name);
        rules = add(rules, &path, AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    for door in &spec.network.listeners {
        rules = rules.add_rule(NetPort::new(door.port(), AccessNet::ConnectTcp))?;
    }
    Ok(rules)
}

/// Adds a rule; a path that is gone needs none.
fn add(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    let Ok(opened) = PathFd::new(path) else {
        return Ok(rules);
    };
    // Rights over a folder mean nothing for a file, and are refused there.
    let access = match path.is_dir() {
        true => access,
        false => access & AccessFs::from_file(VERSION),
    };
    rules.add_rule(PathBeneath::new(opened, access))
}
