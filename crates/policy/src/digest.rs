//! What a set says, in 32 bytes.

use aws_lc_rs::digest;
use cedar_policy::PolicySet;

/// SHA-256 over the ids and texts of all policies, in the order of their ids.
pub(crate) fn of(set: &PolicySet) -> [u8; 32] {
    let mut policies: Vec<_> = set
        .policies()
        .map(|policy| (policy.id().to_string(), policy.to_string()))
        .collect();
    policies.sort();
    let mut context = digest::Context::new(&digest::SHA256);
    for (id, text) in policies {
        for part in [id, text] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
