//! What is known of a call before it is made.

use std::fmt;

use crate::Labels;

/// Where a value of the arguments came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Only from untrusted content.
    Untrusted,
    /// From a document that the request names, for a place that the request leaves open.
    Delegated,
    /// From nowhere that is known.
    Unexplained,
}

/// One argument that does not come from where it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The argument's name.
    pub argument: String,
    /// Where its value came from.
    pub origin: Origin,
    /// What it is: `an email address`, `a copied text`.
    pub what: &'static str,
}

/// Everything that policies can read of a call's flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The labels of the tool.
    pub labels: Labels,
    /// Untrusted content is in the run.
    pub untrusted_in_run: bool,
    /// Private data is in the run.
    pub private_in_run: bool,
    /// The person's request is known.
    pub declared: bool,
    /// The declared request asks for this kind of action.
    pub requested: bool,
    /// Untrusted content asks for this kind of action, and is not what the request points to.
    pub asked_by_content: bool,
    /// An approval was asked for in this run, and nobody has given it yet.
    pub contested: bool,
    /// What the run has seen is not known, or no longer.
    pub doubtful: bool,
    /// The arguments that do not come from where they should.
    pub findings: Vec<Finding>,
}

impl Facts {
    /// How many arguments have this origin.
    #[must_use]
    pub fn count(&self, origin: Origin) -> usize {
        self.findings.iter().filter(|f| f.origin == origin).count()
    }
}

/// One sentence for people: what speaks against the call.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said: Vec<String> = self
            .findings
            .iter()
            .map(|finding| {
                let name = finding
                    .argument
                    .escape_debug()
                    .take(NAME_CHARS_MAX)
                    .collect::<String>();
                let from = match finding.origin {
                    Origin::Untrusted => "came only from untrusted content",
                    Origin::Delegated => "came from a document that the request names",
                    Origin::Unexplained => "was named by nobody",
                };
                format!("`{name}` ({}) {from}", finding.what)
            })
            .take(FINDINGS_TOLD_MAX)
            .collect();
        let more = [
            (self.asked_by_content, "untrusted content asks for this"),
            (
                self.declared && !self.requested,
                "the declared request does not ask for this",
            ),
            (self.contested, "an approval is open in this run"),
            (self.doubtful, "what the run has seen is not known"),
            (self.untrusted_in_run, "untrusted content is in the run"),
            (self.private_in_run, "private data is in the run"),
            (self.labels.external, "the call reaches others"),
            (self.labels.destructive, "the call can destroy"),
        ];
        said.extend(
            more.iter()
                .filter(|(is, _)| *is)
                .map(|(_, text)| (*text).to_owned()),
        );
        f.write_str(&said.join("; "))
    }
}

const NAME_CHARS_MAX: usize = 64;
const FINDINGS_TOLD_MAX: usize = 4;
