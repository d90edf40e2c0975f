//! Where in a document.

use std::fmt;

/// A JSON pointer (RFC 6901) to a value of the document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct At(String);

impl At {
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// A pointer that is one already.
    pub(crate) fn from_pointer(pointer: &str) -> Self {
        Self(pointer.to_owned())
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self(format!("{}/{key}", self.0))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// What holds it, and the key or index by which it does; `None` at the root.
    pub(crate) fn split(&self) -> Option<(Self, String)> {
        let (parent, last) = self.0.rsplit_once('/')?;
        let last = last.replace("~1", "/").replace("~0", "~");
        Some((Self(parent.to_owned()), last))
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        self.split().map(|(parent, _)| parent)
    }

    /// Whether it is `other` or lies below it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&other.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_a_pointer_as_they_went_in() {
        let at = At::root().key("a/b~c").index(2).key("~1");
        assert_eq!(at.as_str(), "/a~1b~0c/2/~01");
        assert_eq!(
            at.split(),
            Some((At::root().key("a/b~c").index(2), "~1".into()))
        );
        assert!(at.is_within(&At::root().key("a/b~c")));
        assert!(!At::root().key("ab").is_within(&At::root().key("a")));
        assert_eq!(At::root().split(), None);
    }
}
