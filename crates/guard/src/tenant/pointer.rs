//! Where a tenant's value stands in arguments or results.

use std::fmt;

use thiserror::Error;

/// A JSON pointer with wildcards: `/issues/*/org`, and in results `/**/org`.
///
/// `*` is every element of an array. `**`, at the beginning, is any depth, none included. Members
/// of these names cannot be pointed to; array indices are not: what is at the third place of a
/// list says nothing of the fourth.
///
/// # Source
/// RFC 6901, for everything but the wildcards.
#[derive(Clone, PartialEq, Eq)]
pub struct Pointer {
    text: Box<str>,
    segments: Vec<Segment>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// To the member of this name.
    Name(Box<str>),
    /// To every element.
    Elements,
    /// To everything below, however deep, and what one is at.
    AnyDepth,
}

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{pointer}` is not such a pointer: {reason}")]
pub struct InvalidPointer {
    /// The text.
    pub pointer: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Steps of one pointer: tool arguments and rows are not nested deeper.
const SEGMENTS_MAX: usize = 32;

impl Pointer {
    /// A pointer into arguments.
    ///
    /// # Errors
    /// [`InvalidPointer`]; `**` is one of the reasons, since nothing can be set at any depth.
    pub fn for_arguments(text: &str) -> Result<Self, InvalidPointer> {
        let pointer = Self::parse(text)?;
        match pointer.is_deep() {
            true => Err(invalid(text, "`**` is for results")),
            false => Ok(pointer),
        }
    }

    /// A pointer into results.
    ///
    /// # Errors
    /// [`InvalidPointer`]
    pub fn for_results(text: &str) -> Result<Self, InvalidPointer> {
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, InvalidPointer> {
        let Some(steps) = text.strip_prefix('/') else {
            return Err(invalid(text, "it begins with `/`"));
        };
        let segments: Vec<_> = steps
            .split('/')
            .map(segment)
            .collect::<Option<_>>()
            .ok_or_else(|| invalid(text, "`~` is followed by 0 or 1"))?;
        if segments.len() > SEGMENTS_MAX {
            return Err(invalid(text, "it has too many steps"));
        }
        let behind_first = segments.iter().skip(1);
        if behind_first.clone().any(|s| *s == Segment::AnyDepth) {
            return Err(invalid(text, "`**` stands only at the beginning"));
        }
        let is_deep = segments.first() == Some(&Segment::AnyDepth);
        if is_deep && behind_first.clone().any(|s| *s == Segment::Elements) {
            return Err(invalid(text, "behind `**` there are only names"));
        }
        if is_deep && segments.len() == 1 {
            return Err(invalid(text, "behind `**` there is a name"));
        }
        Ok(Self {
            text: text.into(),
            segments,
        })
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it looks at any depth.
    pub(super) fn is_deep(&self) -> bool {
        self.segments.first() == Some(&Segment::AnyDepth)
    }

    /// Whether the step at `index` is taken within an element of an array, which then is a row.
    pub(super) fn is_in_row(&self, index: usize) -> bool {
        self.segments
            .iter()
            .take(index)
            .any(|s| *s == Segment::Elements)
    }
}

fn segment(text: &str) -> Option<Segment> {
    match text {
        "*" => return Some(Segment::Elements),
        "**" => return Some(Segment::AnyDepth),
        _ => {}
    }
    let mut name = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        name.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(Segment::Name(name.into()))
}

fn invalid(pointer: &str, reason: &'static str) -> InvalidPointer {
    InvalidPointer {
        pointer: pointer.to_owned(),
        reason,
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pointer({:?})", &*self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_the_rfc_says() {
        let pointer = Pointer::for_results("/a~1b/~0~01//*").unwrap();
        let name = |s: &str| Segment::Name(s.into());
        assert_eq!(
            pointer.segments(),
            [name("a/b"), name("~~1"), name(""), Segment::Elements]
        );
        assert!(!pointer.is_in_row(3) && pointer.is_in_row(4));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in [
            "",
            "org",
            "/a~2",
            "/a~",
            "/**",
            "/a/**/b",
            "/**/*/a",
            "/**/**",
            &"/a".repeat(33),
        ] {
            assert!(Pointer::for_results(bad).is_err(), "{bad}");
        }
        assert!(Pointer::for_results("/**/a/b").is_ok());
        assert!(Pointer::for_arguments("/**/a").is_err());
    }
}
