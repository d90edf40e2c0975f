//! Isolated stdio servers: what one may see, reach and use up.
//!
//! What it is: [`plan`] turns a [`Profile`] and a command into a [`Spec`], which names everything that the server will have.
//! [`Launcher::start`] puts it up, from the outside in: a process of the gateway's own program ([`Stage`]) leaves the host's
//! namespaces, makes a root with the view in it, gives every right away and executes the server. [`Egress`] is the only way out, where
//! there is one: listeners within the box, answered by the gateway. [`missing`] says which layers a host does not have.
//! What it is not: no container engine, no image, no daemon, no set-user-id helper. It decides neither which server runs nor for whom.
//!
//! The data's path: configuration -> [`Profile`] -> [`plan`] -> [`Spec`] -> socket -> `init` (outer, inner) -> server.
//!
//! Nothing is put on by half: a [`Layer`] that cannot be put on fails the start. Which layers there are is the [`Spec`]'s, so that
//! `best-effort` is a spec with the fewer [`Layers`] that were found to work, and never a failure that was passed over.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod cgroup;
mod control;
mod doctor;
mod egress;
mod init;
mod launch;
mod layer;
mod plan;
mod profile;
mod spec;

pub use cardea_domain::Destination;
pub use cgroup::Cgroup;
pub use doctor::{Missing, missing};
pub use egress::{Egress, Refusal};
pub use init::Stage;
pub use launch::{Control, Ended, Launcher, Sandboxed, StartError};
pub use layer::{Layer, Layers};
pub use plan::{PlanError, plan};
pub use profile::{Mode, Preset, Profile, Program};
pub use spec::{Doors, Limits, Spec, View};
