//! Whose something is that a client brings back: of which principal, with which keys, at which
//! upstream.
//!
//! Not of which run: a session lives on when its token is renewed. But of which key, where the token
//! is bound to one: to whoever comes with another key, or with none, the session is somebody else's.

use cardea_domain::{Principal, UpstreamId};

/// The owner as bytes that no other owner has, and that no other owner's begin with: what follows
/// them cannot be taken for a part of them.
pub(crate) fn owner(principal: &Principal, upstream: &UpstreamId) -> Vec<u8> {
    let mut bytes = Vec::new();
    // No identifier holds a control character, so NUL ends each.
    for name in [
        principal.tenant.as_str(),
        principal.subject.as_str(),
        principal.actor.as_str(),
        upstream.as_str(),
    ] {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    for key in [principal.binding.dpop, principal.binding.certificate] {
        match key {
            None => bytes.push(0),
            Some(key) => {
                bytes.push(1);
                bytes.extend_from_slice(key.as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use cardea_domain::{ActorId, KeyBinding, RunId, RunSource, SubjectId, TenantId, Thumbprint};

    use super::*;

    pub(crate) fn principal(tenant: &str, subject: &str, actor: &str) -> Principal {
        Principal {
            tenant: TenantId::parse(tenant).unwrap(),
            subject: SubjectId::parse(subject).unwrap(),
            actor: ActorId::parse(actor).unwrap(),
            run: RunId::parse("r").unwrap(),
            run_source: RunSource::Token,
            standing: Arc::default(),
            binding: KeyBinding::NONE,
            groups: Arc::from([]),
            task: None,
            chain: Arc::from([]),
        }
    }

    #[test]
    fn no_owner_is_another_nor_the_beginning_of_another() {
        let [files, time] = ["files", "time"].map(|id| UpstreamId::parse(id).unwrap());
        let bound = |dpop: Option<u8>, certificate: Option<u8>| Principal {
            binding: KeyBinding {
                dpop: dpop.map(|byte| Thumbprint::new([byte; 32])),
                certificate: certificate.map(|byte| Thumbprint::new([byte; 32])),
            },
            ..principal("acme", "ada", "bot")
        };
        let owners = [
            owner(&bound(None, None), &files),
            owner(&bound(None, None), &time),
            owner(&bound(Some(1), None), &files),
            owner(&bound(None, Some(1)), &files),
            owner(&bound(Some(2), None), &files),
            owner(&bound(Some(1), Some(1)), &files),
            // As if a key of zeros, or of ones, were the lack of one.
            owner(&bound(Some(0), None), &files),
            owner(&bound(None, Some(0)), &files),
            owner(&principal("globex", "ada", "bot"), &files),
            owner(&principal("acme", "bob", "bot"), &files),
            owner(&principal("acme", "ada", "bot2"), &files),
            owner(&principal("acme", "adab", "ot"), &files),
        ];
        for (index, one) in owners.iter().enumerate() {
            for other in owners.iter().skip(index + 1) {
                assert!(!one.starts_with(other) && !other.starts_with(one));
            }
        }
        let same = Principal {
            run: RunId::parse("another").unwrap(),
            ..principal("acme", "ada", "bot")
        };
        assert_eq!(owner(&same, &files), owners[0]);
    }
}
