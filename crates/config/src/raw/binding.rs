//! Tokens that are bound to a key of their holder.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    Algorithm,
    quantity::{Quantity, Timespan, mins, secs},
};

/// Proofs of clients that are near and have a right clock arrive well within this.
pub(crate) const IAT_WINDOW_MIN: Timespan = secs(5);

/// Every proof is remembered for this long.
pub(crate) const IAT_WINDOW_MAX: Timespan = mins(5);

/// DPoP: tokens that are worth nothing without a key (RFC 9449). Clients use it or not, unless their
/// tenant has `require_binding`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Dpop")]
pub(crate) struct RawDpop {
    /// Whether each proof must carry a nonce of the gateway's: then none can be made ahead of time by
    /// somebody who has the key for a moment. It costs a client one more request now and then.
    pub(crate) require_nonce: bool,

    /// How old a proof may be. Clocks of clients and gateway may differ by as much.
    #[schemars(extend("x-minimum" = IAT_WINDOW_MIN.bound(), "x-maximum" = IAT_WINDOW_MAX.bound()))]
    pub(crate) iat_window: Timespan,

    /// The algorithms that proofs may be signed with.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) algorithms: Vec<Algorithm>,
}

impl Default for RawDpop {
    fn default() -> Self {
        Self {
            require_nonce: false,
            iat_window: secs(60),
            algorithms: vec![
                Algorithm::ES256,
                Algorithm::ES384,
                Algorithm::EdDSA,
                Algorithm::PS256,
            ],
        }
    }
}

/// What a tenant demands of every token.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawRequiredBinding {
    Whether(bool),
    By(KeyKind),
}

impl Default for RawRequiredBinding {
    fn default() -> Self {
        Self::Whether(false)
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyKind {
    Dpop,
    Certificate,
}

impl JsonSchema for RawRequiredBinding {
    fn schema_name() -> Cow<'static, str> {
        "RequiredBinding".into()
    }

    fn inline_schema() -> bool {
        true
    }

    // By hand and flat: alternatives would be explained as "none of them fits".
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "enum": [false, true, "dpop", "certificate"],
            "x-type": "`true`, `false`, `dpop`, `certificate`",
            "x-expected": "`true`, `dpop`, `certificate` or `false`",
        })
    }
}
