//! Paths under roots, decided by their text.
//!
//! What is decided here: which file a POSIX system would look for, if no step of the path were a
//! link. Whether one is, only the file system knows: see [`PathRule::follow_links`] for what can be asked of it.

use super::{Expected, Look, text};

/// Paths under roots.
///
/// # Source
/// POSIX.1-2024, 4.16 pathname resolution.
#[derive(Debug, Clone)]
pub struct PathRule {
    roots: Vec<Root>,
    /// What becomes of paths that are not absolute.
    pub relative: Relative,
    /// Whether steps may begin with a dot, as those of hidden files do.
    pub hidden: bool,
    /// Endings of the last step, in lower case and without the dot; none means any.
    pub extensions: Vec<String>,
    /// Whether links are followed, on the gateway's own file system, to see where they lead.
    pub follow_links: bool,
}

/// What becomes of paths that are not absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Relative {
    /// They are refused: what they mean depends on the server's folder.
    #[default]
    Refuse,
    /// They are admitted: the server's folder is the only root, or below it.
    Admit,
}

/// A folder, as its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root(Vec<String>);

/// Why a text is no root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no root: it is an absolute path without `..`, such as `/srv/files`")]
pub struct InvalidRoot(pub String);

/// As long as a path may be (Linux, `PATH_MAX`), its end included.
const PATH_BYTES_MAX: usize = 4095;
/// As long as one step may be (`NAME_MAX`).
const STEP_BYTES_MAX: usize = 255;

impl PathRule {
    /// Paths under these roots: absolute, of any extension, with no hidden step below the root.
    ///
    /// # Errors
    /// [`InvalidRoot`] for a root that is no absolute path, or none at all.
    pub fn under<'a>(roots: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidRoot> {
        let roots: Vec<_> = roots
            .into_iter()
            .map(Root::parse)
            .collect::<Result<_, _>>()?;
        if roots.is_empty() {
            return Err(InvalidRoot(String::new()));
        }
        Ok(Self {
            roots,
            relative: Relative::Refuse,
            hidden: false,
            extensions: Vec::new(),
            follow_links: false,
        })
    }

    pub(super) fn check(&self, path: &str) -> Result<Option<Look>, Expected> {
        let steps = steps(path)?;
        let below = match path.starts_with('/') {
            true => self.below(&steps).ok_or_else(|| self.expected())?,
            false if self.relative == Relative::Admit => &steps,
            false => return Err(self.expected()),
        };
        if !self.hidden && below.iter().any(|step| step.starts_with('.')) {
            return Err(Expected::of("no step that begins with a dot"));
        }
        if !self.extensions.is_empty() {
            let extension = below.last().and_then(|name| name.rsplit_once('.'));
            let extension = extension.filter(|(stem, _)| !stem.is_empty());
            let is_one =
                extension.is_some_and(|(_, e)| self.extensions.contains(&e.to_lowercase()));
            if !is_one || path.ends_with('/') {
                return Err(Expected(format!(
                    "a file of a kind among {}",
                    self.extensions.join(", ")
                )));
            }
        }
        Ok(self.follow_links.then(|| Look::Path {
            path: match path.starts_with('/') {
                true => format!("/{}", steps.join("/")),
                false => steps.join("/"),
            },
            roots: self.roots.iter().map(Root::text).collect(),
        }))
    }

    /// The steps below the root that the path is under.
    fn below<'s, 'p>(&self, steps: &'s [&'p str]) -> Option<&'s [&'p str]> {
        self.roots.iter().find_map(|Root(root)| {
            let (head, below) = steps.split_at_checked(root.len())?;
            head.iter()
                .zip(root)
                .all(|(a, b)| *a == b.as_str())
                .then_some(below)
        })
    }

    fn expected(&self) -> Expected {
        let roots: Vec<_> = self.roots.iter().map(Root::text).collect();
        Expected(format!("a path under {}", roots.join(" or ")))
    }
}

impl Root {
    fn parse(text: &str) -> Result<Self, InvalidRoot> {
        let wrong = || InvalidRoot(text.to_owned());
        if !text.starts_with('/') {
            return Err(wrong());
        }
        let steps = steps(text).map_err(|_| wrong())?;
        Ok(Self(steps.into_iter().map(str::to_owned).collect()))
    }

    fn text(&self) -> String {
        format!("/{}", self.0.join("/"))
    }
}

/// The steps of a path that every reader reads alike, without `.` and empty ones.
fn steps(path: &str) -> Result<Vec<&str>, Expected> {
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return Err(Expected(format!("a path of 1 to {PATH_BYTES_MAX} bytes")));
    }
    text::plain(&with_plain_blanks(path), "./\\~:%")?;
    if path.contains('\\') || is_drive(path) {
        return Err(Expected::of(
            "a path with `/` between its steps, as POSIX has it",
        ));
    }
    if path.starts_with("//") {
        return Err(Expected::of("one `/` at the beginning"));
    }
    if path.starts_with('~') {
        return Err(Expected::of("no `~`: it is another folder for each user"));
    }
    if text::is_percent_encoded(path) {
        return Err(Expected::of("a path that is not encoded"));
    }
    if has_scheme(path) {
        return Err(Expected::of("a path, and no URL"));
    }
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => continue,
            // Some readers fold `...` or cut at what follows `..`: nobody needs such names.
            step if step.starts_with("..") => {
                return Err(Expected::of("no step that begins with `..`"));
            }
            step if step.len() > STEP_BYTES_MAX => {
                return Err(Expected(format!("steps of at most {STEP_BYTES_MAX} bytes")));
            }
            step => steps.push(step),
        }
    }
    Ok(steps)
}

/// `C:` at the beginning, or behind a `/`.
/// Blanks of other widths between words are those of people, and of systems: macOS has one in the name of each screenshot.
fn with_plain_blanks(path: &str) -> String {
    const BLANKS: [char; 3] = ['\u{a0}', '\u{202f}', '\u{3000}'];
    let of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut before = None;
    let mut chars = path.chars().peekable();
    let mut plain = String::with_capacity(path.len());
    while let Some(c) = chars.next() {
        let is_between = of_word(before) && of_word(chars.peek().copied());
        plain.push(match is_between && BLANKS.contains(&c) {
            true => ' ',
            false => c,
        });
        before = Some(c);
    }
    plain
}

fn is_drive(path: &str) -> bool {
    let path = path.trim_start_matches('/').as_bytes();
    matches!(path, [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// `file:` and the like, which some readers open as a URL.
fn has_scheme(path: &str) -> bool {
    let Some((scheme, _)) = path.split_once(':') else {
        return false;
    };
    let mut bytes = scheme.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}
