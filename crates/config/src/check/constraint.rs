//! What the arguments of tools may say.

use super::Checker;
use crate::{
    diagnostic::printable,
    raw::{Constraint, PathConstraint, UrlConstraint},
    yaml::At,
};

impl Checker<'_> {
    /// The constraints of a list, when all of them can be used.
    pub(super) fn constraints(&mut self, at: &At, raws: &[Constraint]) -> Option<Vec<Constraint>> {
        let mut is_good = true;
        for (index, raw) in raws.iter().enumerate() {
            is_good &= self.constraint(&at.index(index), raw);
        }
        is_good.then(|| raws.to_vec())
    }

    fn constraint(&mut self, at: &At, raw: &Constraint) -> bool {
        let mut is_good = true;
        let mut wrong = |checker: &mut Self, at: &At, message: &str, expected: &str| {
            let diagnostic = checker.document.error(at, message);
            checker.report(at, diagnostic.expected(expected));
            is_good = false;
        };
        if raw.at.split('/').any(|step| step == "**") {
            let at = at.key("at");
            wrong(
                self,
                &at,
                "every value has to be found",
                "a pointer without `**`",
            );
        }
        if !asks(raw) {
            let expected =
                "`path`, `url`, `sql`, `program_argument`, `enum`, `pattern`, a bound or a length";
            wrong(self, at, "this constraint asks for nothing", expected);
        }
        if !raw.groups.is_empty() && !raw.except_groups.is_empty() {
            let at = at.key("except_groups");
            wrong(self, &at, "there are `groups` as well", "one of both");
        }
        if is_reversed(raw) {
            let at = at.key("maximum");
            wrong(
                self,
                &at,
                "it is less than `minimum`",
                "a number of at least `minimum`",
            );
        }
        if raw
            .length_min
            .zip(raw.length_max)
            .is_some_and(|(min, max)| min > max)
        {
            let at = at.key("length_max");
            wrong(
                self,
                &at,
                "it is less than `length_min`",
                "a number of at least `length_min`",
            );
        }
        if let Some(pattern) = &raw.pattern {
            is_good &= self.pattern(&at.key("pattern"), pattern);
        }
        if let Some(path) = &raw.path {
            is_good &= self.path_constraint(&at.key("path"), path);
        }
        if let Some(url) = &raw.url {
            is_good &= self.url_constraint(&at.key("url"), url);
        }
        is_good
    }

    fn pattern(&mut self, at: &At, pattern: &str) -> bool {
        let schema = serde_json::json!({ "pattern": pattern });
        let built = jsonschema::draft202012::options()
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(64 * 1024))
            .build(&schema);
        if built.is_ok() {
            return true;
        }
        let diagnostic = self
            .document
            .error(at, "this regular expression cannot be used")
            .expected("one of ECMA-262 without lookaround and backreferences");
        self.report(at, diagnostic);
        false
    }

    fn path_constraint(&mut self, at: &At, raw: &PathConstraint) -> bool {
        let mut is_good = true;
        for (index, root) in raw.roots.iter().enumerate() {
            let is_plain =
                !root.starts_with("//") && !root.split('/').any(|step| step.starts_with(".."));
            if !is_plain {
                let at = at.key("roots").index(index);
                let message = format!("`{}` is no plain path", printable(root));
                let diagnostic = self.document.error(&at, message);
                self.report(&at, diagnostic.expected("an absolute path without `..`"));
                is_good = false;
            }
        }
        is_good
    }

    fn url_constraint(&mut self, at: &At, raw: &UrlConstraint) -> bool {
        let mut is_good = true;
        for (index, network) in raw.networks.iter().enumerate() {
            if network.parse::<ipnet::IpNet>().is_err() {
                let at = at.key("networks").index(index);
                let message = format!("`{}` is no network", printable(network));
                let diagnostic = self.document.error(&at, message);
                self.report(
                    &at,
                    diagnostic.expected("an address and a length, such as `10.20.0.0/16`"),
                );
                is_good = false;
            }
        }
        if !raw.networks.is_empty() && self.has(&at.key("addresses")) {
            let at = at.key("addresses");
            let diagnostic = self.document.error(&at, "there are `networks` as well");
            self.report(&at, diagnostic.expected("one of both"));
            is_good = false;
        }
        is_good
    }
}

fn is_reversed(raw: &Constraint) -> bool {
    let bounds = raw.minimum.as_ref().zip(raw.maximum.as_ref());
    bounds.is_some_and(|(min, max)| min.as_f64() > max.as_f64())
}

fn asks(raw: &Constraint) -> bool {
    let Constraint {
        exact,
        pattern,
        minimum,
        maximum,
        length_min,
        length_max,
        path,
        url,
        sql,
        program_argument,
        required,
        ..
    } = raw;
    *required
        || !exact.is_empty()
        || pattern.is_some()
        || minimum.is_some()
        || maximum.is_some()
        || length_min.is_some()
        || length_max.is_some()
        || path.is_some()
        || url.is_some()
        || sql.is_some()
        || program_argument.is_some()
}
