//! What of the context a policy reads: nothing else has to be known, or made, to decide by it.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use serde_json::Value;

use crate::arguments::Wanted;

/// The members of `context` that are read, and which of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    members: BTreeMap<String, Wanted>,
    /// The context is looked at as a whole.
    whole: bool,
}

/// The member with the arguments.
pub(crate) const ARGS: &str = "args";
/// The member with the time.
pub(crate) const TIME: &str = "time";
/// The member with what is known of where values come from.
pub(crate) const FLOW: &str = "flow";
/// The member with the method on the wire.
pub(crate) const METHOD: &str = "method";

impl Reads {
    /// What a policy reads. One that cannot be looked into reads everything.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut reads = Self::default();
        match policy.to_json() {
            Ok(json) => reads.look(&json),
            Err(_) => reads.whole = true,
        }
        reads
    }

    /// What an expression reads, in the JSON form of Cedar's policies.
    pub(crate) fn of_expression(json: &Value) -> Self {
        let mut reads = Self::default();
        reads.look(json);
        reads
    }

    /// Whether nothing of the context matters.
    pub(crate) fn is_nothing(&self) -> bool {
        self.members.is_empty() && !self.whole
    }

    /// What is read of a member; `None` where nothing is.
    pub(crate) fn member(&self, name: &str) -> Option<&Wanted> {
        match self.whole {
            true => Some(&Wanted::All),
            false => self.members.get(name),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// The same, and what others read.
    pub(crate) fn with(mut self, others: &Self) -> Self {
        self.whole |= others.whole;
        for (name, wanted) in &others.members {
            match wanted {
                Wanted::All => drop(self.members.insert(name.clone(), Wanted::All)),
                Wanted::These(names) => names.iter().for_each(|of| self.note(name, Some(of))),
            }
            if let Wanted::These(names) = wanted
                && names.is_empty()
            {
                self.members
                    .entry(name.clone())
                    .or_insert_with(|| Wanted::These(BTreeSet::new()));
            }
        }
        self
    }

    fn note(&mut self, member: &str, of: Option<&str>) {
        let nothing = || Wanted::These(BTreeSet::new());
        let known = self.members.entry(member.to_owned());
        match (known.or_insert_with(nothing), of) {
            (Wanted::These(names), Some(of)) => drop(names.insert(of.to_owned())),
            (known, None) => *known = Wanted::All,
            (Wanted::All, Some(_)) => {}
        }
    }

    fn look(&mut self, json: &Value) {
        if let Some((left, name)) = member_of(json) {
            if is_context(left) {
                // As a whole, unless what is around it names a member of it.
                self.note(name, None);
                return;
            }
            if let Some((context, member)) = member_of(left)
                && is_context(context)
            {
                self.note(member, Some(name));
                return;
            }
        }
        if let Some((left, path)) = asked_for_path(json) {
            match (is_context(left), member_of(left), path.as_slice()) {
                (true, _, [member, of, ..]) => self.note(member, Some(of)),
                (false, Some((context, member)), [of, ..]) if is_context(context) => {
                    self.note(member, Some(of));
                }
                _ => self.look(left),
            }
            return;
        }
        // `context has flow` asks for nothing of it but that it is there.
        if let Some((left, name)) = asked(json, "has")
            && is_context(left)
        {
            self.members
                .entry(name.to_owned())
                .or_insert_with(|| Wanted::These(BTreeSet::new()));
            return;
        }
        if is_context(json) {
            self.whole = true;
            return;
        }
        match json {
            Value::Object(members) => members.values().for_each(|value| self.look(value)),
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }
}

impl Wanted {
    pub(crate) fn holds(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}

fn is_context(json: &Value) -> bool {
    json.get("Var").and_then(Value::as_str) == Some("context")
}

/// `left.name`, or whether it is there.
fn member_of(json: &Value) -> Option<(&Value, &str)> {
    asked(json, ".").or_else(|| match asked(json, "has") {
        // Whether the context has it is another matter than what it holds.
        Some((left, _)) if is_context(left) => None,
        has => has,
    })
}

/// `left has one.after.other`
fn asked_for_path(json: &Value) -> Option<(&Value, Vec<&str>)> {
    let operands = json.get("has")?;
    let path = operands.get("attr")?.as_array()?;
    let path = path.iter().map(Value::as_str).collect::<Option<_>>()?;
    Some((operands.get("left")?, path))
}

fn asked<'a>(json: &'a Value, operator: &str) -> Option<(&'a Value, &'a str)> {
    let operands = json.get(operator)?;
    let left = operands.get("left")?;
    Some((left, operands.get("attr")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use cedar_policy::PolicySet;

    use super::*;

    fn reads(condition: &str) -> Reads {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let set = PolicySet::from_str(&text).unwrap();
        Reads::of(set.policies().next().unwrap())
    }

    fn these(names: &[&str]) -> Wanted {
        Wanted::These(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn members_are_found_however_they_are_spelt() {
        assert!(reads("principal has x && \"context\" == \"args\"").is_nothing());
        let args = |condition: &str| reads(condition).member(ARGS).cloned();
        for (condition, wanted) in [
            ("context.args.path == \"x\"", these(&["path"])),
            ("context[\"a\\u{72}gs\"].path == \"x\"", these(&["path"])),
            ("context has args", these(&[])),
            ("context has args.path", these(&["path"])),
            (
                "context.args has path && context.args.to.name == 1",
                these(&["path", "to"]),
            ),
            ("context.args == context.args", Wanted::All),
            (
                "context.args.a == 1 && {x: context.args}.x.b == 1",
                Wanted::All,
            ),
            (
                "(if true then context else context).args.a == 1",
                Wanted::All,
            ),
            ("context == {}", Wanted::All),
        ] {
            assert_eq!(args(condition), Some(wanted), "{condition}");
        }
        assert_eq!(args("context.method == \"args\""), None);
        assert!(reads("context == {}").has(FLOW));
        let both = reads("context.args.a == 1").with(&reads("context.args.b == 1"));
        assert_eq!(both.member(ARGS), Some(&these(&["a", "b"])));
        let more = both
            .with(&reads("context has time"))
            .with(&reads("context == {}"));
        assert_eq!(more.member(ARGS), Some(&Wanted::All));
    }
}
