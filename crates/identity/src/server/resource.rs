//! What a token may be asked for (RFC 8707): the gateway, or one upstream of it.

use cardea_domain::UpstreamId;

use super::error::Refusal;

/// The resources of one gateway.
pub(super) struct Resources {
    whole: String,
}

impl Resources {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            whole: format!("{origin}/mcp"),
        }
    }

    /// The resource that was asked for. Without one it is the whole gateway. Whether an upstream
    /// of the name exists is not told: the token would be good for nothing.
    pub(super) fn asked(&self, resource: Option<&str>) -> Result<String, Refusal> {
        match resource {
            None => Ok(self.whole.clone()),
            Some(resource) if resource == self.whole || self.is_upstream(resource) => {
                Ok(resource.to_owned())
            }
            Some(_) => Err(Refusal::new(
                "invalid_target",
                "`resource` is not the gateway and not an MCP endpoint of it",
            )),
        }
    }

    /// The resource of a token under an approval: the same, or one upstream of the whole.
    pub(super) fn within(&self, approved: &str, asked: Option<&str>) -> Result<String, Refusal> {
        let Some(asked) = asked else {
            return Ok(approved.to_owned());
        };
        let asked = self.asked(Some(asked))?;
        if asked == approved || approved == self.whole {
            Ok(asked)
        } else {
            Err(Refusal::new(
                "invalid_target",
                "`resource` was not approved",
            ))
        }
    }

    fn is_upstream(&self, resource: &str) -> bool {
        resource
            .strip_prefix(&self.whole)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| UpstreamId::parse(name).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateway_and_its_endpoints_are_resources() {
        let resources = Resources::new("https://gw.example");
        for good in ["https://gw.example/mcp", "https://gw.example/mcp/no-such"] {
            assert_eq!(resources.asked(Some(good)).unwrap(), good);
        }
        for bad in [
            "https://gw.example",
            "https://gw.example/",
            "https://gw.example/mcp/",
            "https://gw.example/mcp/a/b",
            "https://gw.example/mcp/a?x=1",
            "https://gw.example/mcp/a#x",
            "https://gw.example/mcpx",
            "https://gw.example.evil.example/mcp",
            "http://gw.example/mcp",
            "https://other.example/mcp",
        ] {
            assert!(resources.asked(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_for_more_than_was_approved() {
        let resources = Resources::new("https://gw.example");
        let (whole, a, b) = (
            "https://gw.example/mcp",
            "https://gw.example/mcp/a",
            "https://gw.example/mcp/b",
        );
        assert_eq!(resources.within(whole, Some(a)).unwrap(), a);
        assert_eq!(resources.within(a, None).unwrap(), a);
        assert!(resources.within(a, Some(b)).is_err());
        assert!(resources.within(a, Some(whole)).is_err());
    }
}
