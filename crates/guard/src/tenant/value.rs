//! What a tenant is called upstream.

use cardea_mcp::json;

/// A tenant's name or number there. Compared byte for byte: no case, no normalisation, no blanks
/// are forgiven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantValue {
    text: Box<str>,
    raw: Box<str>,
}

impl TenantValue {
    /// A text.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self {
            raw: serde_json::Value::from(text).to_string().into(),
            text: text.into(),
        }
    }

    /// A whole number.
    #[must_use]
    pub fn of_number(number: i64) -> Self {
        let text: Box<str> = number.to_string().into();
        Self {
            raw: text.clone(),
            text,
        }
    }

    /// As it stands in a header or a table.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As it stands in JSON.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Whether a JSON value is this one, of the same type: `"17"` is not `17`, nor is `17.0`.
    pub(super) fn is(&self, raw: &str) -> bool {
        match raw.starts_with('"') == self.raw.starts_with('"') {
            true => *self.raw == *raw || json::as_str(raw).is_some_and(|text| *text == *self.text),
            false => false,
        }
    }

    /// Whether a JSON value has this text, as a string or as a number: no two tenants of an
    /// upstream have one text, so `"17"` is whoever `17` is.
    pub(super) fn reads(&self, raw: &str) -> bool {
        match raw.starts_with('"') {
            true => json::as_str(raw).is_some_and(|text| *text == *self.text),
            false => *raw == *self.text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_of_its_type_and_a_result_of_its_text() {
        let number = TenantValue::of_number(17);
        let text = TenantValue::of_text("17");
        assert!(number.is("17") && !number.is("\"17\"") && !number.is("17.0"));
        assert!(text.is("\"17\"") && text.is(r#""\u00317""#) && !text.is("17"));
        assert!(!text.is("\"17") && !number.is("true"));
        for value in [number, text] {
            assert!(value.reads("17") && value.reads("\"17\""));
            for other in [
                "17.0",
                "1.7e1",
                "\"17 \"",
                "\"017\"",
                "017",
                "null",
                "\"\\ud8001\"",
            ] {
                assert!(!value.reads(other), "{other}");
            }
        }
    }
}
