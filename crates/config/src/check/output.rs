//! What the results of tools may hold, and which folders of clients servers may see.

use url::Url;

use super::Checker;
use crate::{
    diagnostic::printable,
    raw::{Output, RESULT_MAX, RESULT_MIN},
    yaml::At,
};

impl Checker<'_> {
    /// The rules of a list, when all of them can be used.
    pub(super) fn outputs(&mut self, at: &At, raws: &[Output]) -> Option<Vec<Output>> {
        let mut is_good = true;
        for (index, raw) in raws.iter().enumerate() {
            let at = at.index(index);
            if raw.content.is_none() && raw.media_types.is_none() && raw.bytes_max.is_none() {
                let diagnostic = self.document.error(&at, "this asks for nothing");
                self.report(
                    &at,
                    diagnostic.expected("`content`, `media_types` or `bytes_max`"),
                );
                is_good = false;
            }
            if let Some(size) = raw.bytes_max {
                self.range(&at.key("bytes_max"), size, RESULT_MIN, RESULT_MAX);
            }
        }
        is_good.then(|| raws.to_vec())
    }

    /// The roots of a list, when all of them can be.
    pub(super) fn roots(&mut self, at: &At, raws: &[String]) -> Option<Vec<String>> {
        let mut is_good = true;
        for (index, raw) in raws.iter().enumerate() {
            if !is_folder(raw) {
                let at = at.index(index);
                let message = format!("`{}` is no address of a folder", printable(raw));
                let diagnostic = self.document.error(&at, message);
                self.report(
                    &at,
                    diagnostic.expected("one such as `file:///srv/work` or `file:///home/*/work`"),
                );
                is_good = false;
            }
        }
        is_good.then(|| raws.to_vec())
    }
}

/// What `cardea_guard::roots` can compare; a test of the binary holds both together.
fn is_folder(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let Some(mut steps) = url.path_segments() else {
        return false;
    };
    !text.contains(['\\', '%', '?', '#'])
        && !text.contains(char::is_control)
        && steps.all(|step| step == "*" || !step.contains('*'))
}
