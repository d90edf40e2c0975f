//! `application/x-www-form-urlencoded`, as OAuth's endpoints take it.

use bytes::Bytes;
use url::form_urlencoded;

/// Fields in the order they were added.
#[derive(Clone, Default)]
pub(crate) struct Form(Vec<(&'static str, String)>);

/// What a form's body is.
pub(crate) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

impl Form {
    pub(crate) fn new(grant_type: &str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn with_some(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            out.append_pair(name, value);
        }
        out.finish().into()
    }
}

/// One value, encoded as in a form (RFC 6749, section 2.3.1 and appendix B).
pub(crate) fn escape(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
