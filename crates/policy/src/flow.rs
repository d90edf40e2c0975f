//! What policies can read of where a call's arguments come from: `context.flow`.

use cedar_policy::RestrictedExpression;
use serde::Deserialize;

use crate::arguments::Wanted;

/// Facts of one call, flat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flow {
    /// The tool's results are untrusted content.
    pub untrusted_source: bool,
    /// The tool's results are private.
    pub private_source: bool,
    /// A call changes nothing.
    pub read_only: bool,
    /// A call fetches an address that the caller chooses.
    pub outward: bool,
    /// What a call says reaches others.
    pub external_sink: bool,
    /// A call takes away or replaces what is there.
    pub destructive: bool,
    /// Untrusted content is in the run.
    pub untrusted_in_run: bool,
    /// Private data is in the run.
    pub private_in_run: bool,
    /// The person's request is known.
    pub declared: bool,
    /// It asks for this kind of action.
    pub requested: bool,
    /// Untrusted content asks for this kind of action.
    pub asked_by_content: bool,
    /// An approval is open in this run.
    pub contested: bool,
    /// What the run has seen is not known.
    pub doubtful: bool,
    /// Arguments that came only from untrusted content.
    pub untrusted_values: u32,
    /// Arguments that came from a document that the request points to.
    pub delegated_values: u32,
    /// Arguments that nobody has named.
    pub unexplained_values: u32,
}

impl Flow {
    /// Every fact that makes a call more dangerous, and none that makes it less so.
    pub const WORST: Self = Self {
        untrusted_source: true,
        private_source: true,
        read_only: false,
        outward: true,
        external_sink: true,
        destructive: true,
        untrusted_in_run: true,
        private_in_run: true,
        declared: true,
        requested: false,
        asked_by_content: true,
        contested: true,
        doubtful: true,
        untrusted_values: 1,
        delegated_values: 1,
        unexplained_values: 1,
    };

    /// As much of it as is wanted.
    pub(crate) fn expression(&self, wanted: &Wanted) -> Result<RestrictedExpression, String> {
        let flags = [
            ("untrusted_source", self.untrusted_source),
            ("private_source", self.private_source),
            ("read_only", self.read_only),
            ("outward", self.outward),
            ("external_sink", self.external_sink),
            ("destructive", self.destructive),
            ("untrusted_in_run", self.untrusted_in_run),
            ("private_in_run", self.private_in_run),
            ("declared", self.declared),
            ("requested", self.requested),
            ("asked_by_content", self.asked_by_content),
            ("contested", self.contested),
            ("doubtful", self.doubtful),
        ];
        let counts = [
            ("untrusted_values", self.untrusted_values),
            ("delegated_values", self.delegated_values),
            ("unexplained_values", self.unexplained_values),
        ];
        let flags = flags.into_iter().filter(|(name, _)| wanted.holds(name));
        let counts = counts.into_iter().filter(|(name, _)| wanted.holds(name));
        let flags = flags.map(|(name, is)| (name.to_owned(), RestrictedExpression::new_bool(is)));
        let counts =
            counts.map(|(name, n)| (name.to_owned(), RestrictedExpression::new_long(n.into())));
        RestrictedExpression::new_record(flags.chain(counts)).map_err(|e| e.to_string())
    }
}
