//! Texts of strangers, as pages show them.

pub(crate) use cardea_domain::text::{Breaks, visible};
