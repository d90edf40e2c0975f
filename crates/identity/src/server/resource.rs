//! What a token may be asked for (RFC 8707): the gateway, one upstream of it, or its own API.
//!
//! Agents call the first two in a person's name; programs use the API in it. No token is for both.

use cardea_domain::UpstreamId;

use super::error::Refusal;

/// Where the gateway's own API is.
pub const API_PATH: &str = "/api/v1";

/// To use MCP.
pub(super) const MCP_SCOPE: &str = "mcp";
/// To see, ask for and end access by the gateway's own API.
pub const API_SCOPE: &str = "access";
/// To go on without the person.
pub(super) const OFFLINE_SCOPE: &str = "offline_access";

/// The resources of one gateway.
pub(super) struct Resources {
    whole: String,
    api: String,
}

impl Resources {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            whole: format!("{origin}/mcp"),
            api: format!("{origin}{API_PATH}"),
        }
    }

    /// The resource that was asked for. Without one it is the whole gateway. Whether an upstream
    /// of the name exists is not told: the token would be good for nothing.
    pub(super) fn asked(&self, resource: Option<&str>) -> Result<String, Refusal> {
        match resource {
            None => Ok(self.whole.clone()),
            Some(resource)
                if resource == self.whole
                    || self.is_api(resource)
                    || self.is_upstream(resource) =>
            {
                Ok(resource.to_owned())
            }
            Some(_) => Err(Refusal::new(
                "invalid_target",
                "`resource` is not the gateway, not an MCP endpoint of it, and not its API",
            )),
        }
    }

    /// The resource of a token under an approval: the same, or one upstream of the whole.
    pub(super) fn within(&self, approved: &str, asked: Option<&str>) -> Result<String, Refusal> {
        let Some(asked) = asked else {
            return Ok(approved.to_owned());
        };
        let asked = self.asked(Some(asked))?;
        if asked == approved || (approved == self.whole && self.is_upstream(&asked)) {
            Ok(asked)
        } else {
            Err(Refusal::new(
                "invalid_target",
                "`resource` was not approved",
            ))
        }
    }

    /// Whether it is the gateway's own API, which people use and agents do not.
    pub(super) fn is_api(&self, resource: &str) -> bool {
        resource == self.api
    }

    /// The scopes of a token for a resource: its own one always, and of those that were asked for
    /// what goes with it.
    pub(super) fn scope(&self, resource: &str, asked: Option<&str>) -> String {
        let own = match self.is_api(resource) {
            true => API_SCOPE,
            false => MCP_SCOPE,
        };
        let mut asked = asked.unwrap_or_default().split(' ');
        match asked.any(|scope| scope == OFFLINE_SCOPE) {
            true => format!("{own} {OFFLINE_SCOPE}"),
            false => own.to_owned(),
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
        for good in [
            "https://gw.example/mcp",
            "https://gw.example/mcp/no-such",
            "https://gw.example/api/v1",
        ] {
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
            "https://gw.example/api/v1/",
            "https://gw.example/api/v1/requests",
            "https://gw.example/api/v1?x=1",
            "https://gw.example/api",
            "https://gw.example/api/v2",
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
        let api = "https://gw.example/api/v1";
        assert_eq!(resources.within(whole, Some(a)).unwrap(), a);
        assert_eq!(resources.within(a, None).unwrap(), a);
        assert!(resources.within(a, Some(b)).is_err());
        assert!(resources.within(a, Some(whole)).is_err());
        assert_eq!(resources.within(api, Some(api)).unwrap(), api);
        for mcp in [whole, a] {
            assert!(resources.within(mcp, Some(api)).is_err());
            assert!(resources.within(api, Some(mcp)).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_wish_gives_a_scope_of_another_resource(asked in "((mcp|access|offline_access|admin|[ -~]{0,6})[ \t]?){0,6}") {
            let resources = Resources::new("https://gw.example");
            for (resource, own) in [("https://gw.example/mcp/a", "mcp"), ("https://gw.example/api/v1", "access")] {
                let granted = resources.scope(resource, Some(&asked));
                let is_offline = asked.split(' ').any(|wish| wish == "offline_access");
                let expected = if is_offline { format!("{own} offline_access") } else { own.to_owned() };
                proptest::prop_assert_eq!(granted, expected);
            }
            proptest::prop_assert_eq!(resources.scope("https://gw.example/mcp", None), "mcp");
        }
    }
}
