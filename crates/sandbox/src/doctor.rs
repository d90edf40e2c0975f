//! Which layers a host has: found out by putting them on.

use std::collections::BTreeMap;

use crate::{Doors, Launcher, Layer, Layers, Limits, Spec, StartError, View};

/// A layer that this host does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What was tried, and what the host said.
    pub what: String,
}

/// Puts up boxes without a server, with one layer less each time that one cannot be put on. Gives the layers that this host lacks for
/// this user.
///
/// # Errors
/// [`StartError`] when not even the rest can be put up; nothing can be said of the host then.
pub async fn missing(launcher: &Launcher) -> Result<BTreeMap<Layer, Missing>, StartError> {
    let mut missing = BTreeMap::new();
    loop {
        let spec = Spec {
            program: "/".into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            view: View::default(),
            network: Doors::default(),
            limits: Limits::default(),
            layers: Layers::all().without(missing.keys().copied()),
        };
        match launcher.try_out(&spec).await {
            Ok(()) => return Ok(missing),
            Err(StartError::Layer { layer, what }) if !missing.contains_key(&layer) => {
                missing.insert(layer, Missing { what });
            }
            Err(error) => return Err(error),
        }
    }
}
