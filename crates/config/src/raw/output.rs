//! What the results of tools may hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{ByteSize, Quantity as _, bytes, gib};

/// The smallest and the largest bound on a result.
pub(crate) const RESULT_MIN: ByteSize = bytes(256);
pub(crate) const RESULT_MAX: ByteSize = gib(1);

/// What results may hold. Each of a list takes away; what is not given is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Output")]
pub struct Output {
    /// The tools it is for, by their names; without it all tools of the upstream.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub tools: Vec<String>,

    /// The kinds of content: `text`, `image`, `audio`, `resource_link` or `resource`.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "x-default" = "all that the protocol knows"))]
    pub content: Option<Vec<ContentKind>>,

    /// The media types of what is no plain text, such as `image/png` or `image/*`. What has to say its media type and does not
    /// is refused. A server's word: the bytes are not looked into.
    #[schemars(length(min = 1), extend("x-default" = "any", "uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": MEDIA_TYPE,
        "x-expected": "a media type such as `image/png` or `image/*`",
    }))]
    pub media_types: Option<Vec<String>>,

    /// How many bytes a result may have, as the server has spelt it.
    #[schemars(extend(
        "x-minimum" = RESULT_MIN.bound(), "x-maximum" = RESULT_MAX.bound(), "x-default" = "`limits.answer_bytes_max`"
    ))]
    pub(crate) bytes_max: Option<ByteSize>,
}

/// RFC 6838, section 4.2, or all of a type.
const MEDIA_TYPE: &str =
    "^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/(\\*|[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})$";

/// A kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ContentKind {
    /// Text.
    Text,
    /// An image, as data.
    Image,
    /// Sound, as data.
    Audio,
    /// The address of a resource.
    ResourceLink,
    /// A resource, as text or data.
    Resource,
}

impl Output {
    /// How many bytes a result may have.
    #[must_use]
    pub fn bytes_max(&self) -> Option<u64> {
        self.bytes_max.map(|size| size.checked())
    }
}
