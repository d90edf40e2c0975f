//! Who may see and end everything of a tenant.

use std::collections::BTreeSet;

use cardea_domain::SubjectId;
use cardea_identity::server::Person;

/// The two roles that are configured. Requesters need none, and approvers are named by the stages
/// of entitlements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// They see everything, revoke any grant, and lock. They approve nothing by this role.
    pub administrators: People,
    /// They see everything, and change nothing.
    pub auditors: People,
}

/// People by name and by group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// By name.
    pub subjects: BTreeSet<SubjectId>,
    /// By group, as their login names it.
    pub groups: BTreeSet<String>,
}

impl People {
    pub(crate) fn include(&self, person: &Person) -> bool {
        self.subjects.contains(&person.subject)
            || person
                .groups
                .iter()
                .any(|group| self.groups.contains(group))
    }
}
