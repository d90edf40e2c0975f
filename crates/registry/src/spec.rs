//! What a server is added by: a package at one version, a program, or an address.

use std::{fmt, path::PathBuf};

use thiserror::Error;
use url::Url;

/// Where a server comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `npm:NAME@VERSION`.
    Npm {
        /// The package, with its scope.
        name: String,
        /// One version.
        version: String,
    },
    /// `pypi:NAME==VERSION`.
    PyPi {
        /// The package.
        name: String,
        /// One version.
        version: String,
    },
    /// `exec:PATH`, absolute.
    Exec(PathBuf),
    /// `https:URL`, or the URL alone.
    Https(Url),
}

/// What was given names no server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{given}` names no server: {why}; give `npm:NAME@VERSION`, `pypi:NAME==VERSION`, `exec:PATH` or `https://…`"
)]
pub struct InvalidSpec {
    given: String,
    why: &'static str,
}

/// Longer names are none of a registry.
const NAME_CHARS_MAX: usize = 214;

impl Spec {
    /// Reads what was given. A version must be one version: a range would be another server tomorrow.
    ///
    /// # Errors
    /// [`InvalidSpec`].
    pub fn parse(given: &str) -> Result<Self, InvalidSpec> {
        let invalid = |why| InvalidSpec {
            given: given.escape_debug().to_string(),
            why,
        };
        let (kind, rest) = given
            .split_once(':')
            .ok_or_else(|| invalid("there is no `:` in it"))?;
        match kind {
            "npm" => {
                let (name, version) = rest
                    .rsplit_once('@')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| invalid("a version is missing"))?;
                if !is_npm_name(name) {
                    return Err(invalid("that is no name of an npm package"));
                }
                if !is_semver(version) {
                    return Err(invalid("the version must be one version, such as `1.2.3`"));
                }
                Ok(Self::Npm {
                    name: name.to_owned(),
                    version: version.to_owned(),
                })
            }
            "pypi" => {
                let (name, version) = rest
                    .split_once("==")
                    .ok_or_else(|| invalid("a version is missing"))?;
                if !is_word(name, &['-', '_', '.']) {
                    return Err(invalid("that is no name of a Python package"));
                }
                if !is_word(version, &['.', '!', '+', '-']) {
                    return Err(invalid("the version must be one version, such as `1.2.3`"));
                }
                Ok(Self::PyPi {
                    name: name.to_owned(),
                    version: version.to_owned(),
                })
            }
            "exec" => {
                let path = PathBuf::from(rest);
                match path.is_absolute() {
                    true => Ok(Self::Exec(path)),
                    false => Err(invalid("the path must be absolute")),
                }
            }
            "https" => {
                let address = match rest.starts_with("//") {
                    true => given,
                    false => rest,
                };
                let url = Url::parse(address).map_err(|_| invalid("that is no URL"))?;
                let is_plain = url.username().is_empty()
                    && url.password().is_none()
                    && url.fragment().is_none()
                    && url.has_host();
                match url.scheme() == "https" && is_plain {
                    true => Ok(Self::Https(url)),
                    false => Err(invalid("it must be https, without user and fragment")),
                }
            }
            _ => Err(invalid("that is none of the kinds that there are")),
        }
    }

    /// What a server of it is called unless somebody says otherwise: letters, digits and `-`.
    #[must_use]
    pub fn default_name(&self) -> String {
        let text = match self {
            Self::Npm { name, .. } => name.rsplit('/').next().unwrap_or(name).to_owned(),
            Self::PyPi { name, .. } => name.clone(),
            Self::Exec(path) => {
                let name = path.file_stem().map(|stem| stem.to_string_lossy());
                name.unwrap_or_default().into_owned()
            }
            Self::Https(url) => url.host_str().unwrap_or_default().to_owned(),
        };
        let lower = text.to_lowercase();
        let slug: String = (lower.chars())
            .map(|c| match c.is_ascii_alphanumeric() {
                true => c,
                false => '-',
            })
            .take(63)
            .collect();
        slug.trim_matches('-').to_owned()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npm { name, version } => write!(f, "npm:{name}@{version}"),
            Self::PyPi { name, version } => write!(f, "pypi:{name}=={version}"),
            Self::Exec(path) => write!(f, "exec:{}", path.display()),
            Self::Https(url) => write!(f, "{url}"),
        }
    }
}

/// # Source
/// The rules of package.json for `name`.
fn is_npm_name(name: &str) -> bool {
    let part =
        |part: &str| is_word(part, &['-', '_', '.', '~']) && !part.starts_with(['.', '_', '-']);
    let is_good = match name.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    };
    is_good && name.chars().count() <= NAME_CHARS_MAX && name.to_lowercase() == name
}

/// Three numbers, and what may follow.
fn is_semver(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    let is_number = |text: &&str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    numbers.len() == 3 && numbers.iter().all(is_number) && is_word(version, &['.', '-', '+'])
}

fn is_word(text: &str, others: &[char]) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && chars.all(|c| c.is_ascii_alphanumeric() || others.contains(&c))
        && text.len() <= NAME_CHARS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_one_server_is_read() {
        for (given, name) in [
            (
                "npm:@modelcontextprotocol/server-filesystem@2026.7.1",
                "server-filesystem",
            ),
            ("npm:left-pad@1.3.0-beta.1", "left-pad"),
            ("pypi:mcp-server-git==2026.1.14", "mcp-server-git"),
            ("exec:/usr/local/bin/my_server.sh", "my-server"),
            ("https://mcp.example.com/mcp", "mcp-example-com"),
        ] {
            let spec = Spec::parse(given).unwrap();
            assert_eq!(spec.default_name(), name);
            assert_eq!(Spec::parse(&spec.to_string()), Ok(spec), "{given}");
        }
        let spelt = Spec::parse("https:https://mcp.example.com/mcp").unwrap();
        assert_eq!(spelt.to_string(), "https://mcp.example.com/mcp");
    }

    #[test]
    fn whatever_could_mean_another_server_tomorrow_or_a_command_is_not() {
        for given in [
            "npm:left-pad",
            "npm:left-pad@latest",
            "npm:left-pad@^1.3.0",
            "npm:left-pad@1.x",
            "npm:@scope@1.0.0",
            "npm:../evil@1.0.0",
            "npm:Left-Pad@1.0.0",
            "npm:--ignore@1.0.0",
            "npm:a@git+https://x/y",
            "npm:a@npm:b@1.0.0",
            "pypi:mcp-server-git",
            "pypi:mcp-server-git>=1",
            "pypi:-r/etc/passwd==1",
            "pypi:a @ https://x/y==1",
            "exec:relative/path",
            "exec:sh -c x",
            "http://mcp.example.com/mcp",
            "https://user:secret@mcp.example.com/",
            "https://",
            "sh:rm",
            "",
        ] {
            assert!(Spec::parse(given).is_err(), "{given}");
        }
    }
}
