//! What is known of a tool: what its results are, and what its calls can do.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The labels of one tool, as an administrator has confirmed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Others than the tenant's people can write what the results hold.
    pub untrusted: bool,
    /// The results hold what outsiders must not have.
    pub private: bool,
    /// The results are records that the server itself put together, as JSON or YAML: ids and addresses in their fields are
    /// references, and no content.
    pub records: bool,
    /// A call changes nothing.
    pub read_only: bool,
    /// What a call is about leads outside: it fetches an address that the caller chooses.
    pub outward: bool,
    /// What a call says reaches others.
    pub external: bool,
    /// A call takes away or replaces what is there.
    pub destructive: bool,
}

/// A word that is no label.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no label")]
pub struct UnknownLabel(pub String);

impl Labels {
    /// Every label that makes a call or its result more dangerous, and none that makes it less: what holds for a tool that nobody
    /// has labelled.
    pub const WORST: Self = Self {
        untrusted: true,
        private: true,
        records: false,
        read_only: false,
        outward: true,
        external: true,
        destructive: true,
    };

    /// A tool of which nothing is said.
    pub const NONE: Self = Self {
        untrusted: false,
        private: false,
        records: false,
        read_only: false,
        outward: false,
        external: false,
        destructive: false,
    };

    /// The words for labels, in the order in which they are written.
    pub const WORDS: [&'static str; 7] = [
        "untrusted",
        "private",
        "records",
        "read-only",
        "outward",
        "external",
        "destructive",
    ];

    /// The labels that these words name.
    ///
    /// # Errors
    /// [`UnknownLabel`] of the first word that is none.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownLabel> {
        let mut labels = Self::NONE;
        for word in words {
            *labels
                .flag(word)
                .ok_or_else(|| UnknownLabel(word.to_owned()))? = true;
        }
        Ok(labels)
    }

    /// The words that name these labels.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let mut labels = self;
        Self::WORDS
            .into_iter()
            .filter(move |word| labels.flag(word).is_some_and(|flag| *flag))
    }

    /// Whether a call may do harm by what its arguments say.
    #[must_use]
    pub fn is_watched(self) -> bool {
        !self.read_only || self.outward
    }

    fn flag(&mut self, word: &str) -> Option<&mut bool> {
        Some(match word {
            "untrusted" => &mut self.untrusted,
            "private" => &mut self.private,
            "records" => &mut self.records,
            "read-only" => &mut self.read_only,
            "outward" => &mut self.outward,
            "external" => &mut self.external,
            "destructive" => &mut self.destructive,
            _ => return None,
        })
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(", "))
    }
}

impl FromStr for Labels {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        Self::of_words(text.split(',').map(str::trim).filter(|w| !w.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_labels_are_the_same_thing() {
        for word in Labels::WORDS {
            let labels: Labels = word.parse().unwrap();
            assert_eq!(labels.words().collect::<Vec<_>>(), [word]);
        }
        let both = Labels::of_words(["private", "untrusted"]).unwrap();
        assert_eq!(both.to_string(), "untrusted, private");
        assert_eq!(
            "untrusted, nice".parse::<Labels>(),
            Err(UnknownLabel("nice".into()))
        );
    }
}
