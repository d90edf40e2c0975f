//! What a server asked of a client, and the client's answer to it.
//!
//! A client may answer what it was asked, and nothing else: otherwise it could answer in place of
//! the refusal of a request that no policy permits, since the ids of servers are easy to guess.
//! So a permitted request reaches the client under an id that only the gateway can make, bound to
//! the principal with its key, the upstream and the session, and an answer is taken under such an id alone.
//! The gateway keeps no table of open requests, so any replica can take the answer.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Principal, UpstreamId};
use cardea_mcp::json;

use crate::{SealError, owner::owner, way::Session};

/// Makes and recognises the ids under which clients see the requests of servers.
pub struct Asked(hmac::Key);

/// A request that a client answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// Its method.
    pub(crate) method: String,
    /// The server's own id, as raw JSON.
    pub(crate) id: String,
}

/// Half of an HMAC-SHA256, which is more than anybody can guess (RFC 2104, section 5).
const TAG_BYTES: usize = 16;
/// Servers count or make UUIDs; a longer id would only make each answer longer.
const ID_BYTES_MAX: usize = 1024;

impl Asked {
    /// Its key is derived from `secret`; the same secret recognises what it made before.
    ///
    /// # Errors
    /// [`SealError`] when the secret is too short.
    pub fn new(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < 32 {
            return Err(SealError);
        }
        let mut bytes = [0; 32];
        Salt::new(HKDF_SHA256, b"cardea")
            .extract(secret)
            .expand(&[b"ids of servers' requests v2"], hmac::HMAC_SHA256)
            .and_then(|okm| okm.fill(&mut bytes))
            .map_err(|_| SealError)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The id for the client, as raw JSON; always the same for the same request, so that a stream
    /// that is resumed repeats it. `None` when the server's is too long.
    pub(crate) fn mark(
        &self,
        to: &Principal,
        upstream: &UpstreamId,
        session: &Session,
        method: &str,
        id: &str,
    ) -> Option<String> {
        if id.len() > ID_BYTES_MAX {
            return None;
        }
        let question = format!("{method}\n{id}");
        let tag = self.tag(to, upstream, session, &question);
        let tag = URL_SAFE_NO_PAD.encode(tag.as_ref().get(..TAG_BYTES)?);
        Some(format!("\"{tag}.{}\"", URL_SAFE_NO_PAD.encode(question)))
    }

    /// What an answer under this id (raw JSON) answers; `None` when it is nothing that this
    /// principal was asked.
    pub(crate) fn question(
        &self,
        of: &Principal,
        upstream: &UpstreamId,
        session: &Session,
        marked: &str,
    ) -> Option<Question> {
        let text = json::as_str(marked)?;
        let (tag, question) = text.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let question = String::from_utf8(URL_SAFE_NO_PAD.decode(question).ok()?).ok()?;
        let is_ours = |session: &Session| {
            let right = self.tag(of, upstream, session, &question);
            let right = right.as_ref().get(..TAG_BYTES).unwrap_or_default();
            verify_slices_are_equal(right, &tag).is_ok()
        };
        // What a server asks while it opens the session was asked without one.
        if !is_ours(session) && !is_ours(&Session::None) {
            return None;
        }
        let (method, id) = question.split_once('\n')?;
        Some(Question {
            method: method.to_owned(),
            id: id.to_owned(),
        })
    }

    fn tag(
        &self,
        principal: &Principal,
        upstream: &UpstreamId,
        session: &Session,
        question: &str,
    ) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&owner(principal, upstream));
        let session = match session {
            Session::None => "",
            Session::Named(id) => id,
        };
        // No session's id holds a control character.
        context.update(session.as_bytes());
        context.update(&[0]);
        context.update(question.as_bytes());
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::tests::principal;

    #[test]
    fn an_answer_is_taken_from_whom_was_asked_and_for_what_was_asked_only() {
        let asked = Asked::new(&[7; 32]).unwrap();
        let ada = principal("acme", "ada", "bot");
        let files = UpstreamId::parse("files").unwrap();
        let time = UpstreamId::parse("time").unwrap();
        let session = Session::Named("s".into());
        let marked = asked
            .mark(&ada, &files, &session, "roots/list", r#""a\n""#)
            .unwrap();
        let question = asked.question(&ada, &files, &session, &marked).unwrap();
        assert_eq!(
            (&*question.method, &*question.id),
            ("roots/list", r#""a\n""#)
        );
        for (who, at, session) in [
            (principal("globex", "ada", "bot"), &files, &session),
            (principal("acme", "bob", "bot"), &files, &session),
            (principal("acme", "ada", "bot2"), &files, &session),
            (ada.clone(), &time, &session),
            (ada.clone(), &files, &Session::Named("t".into())),
            (ada.clone(), &files, &Session::None),
        ] {
            assert_eq!(asked.question(&who, at, session, &marked), None);
        }
        let other = Asked::new(&[8; 32]).unwrap();
        assert_eq!(other.question(&ada, &files, &session, &marked), None);
        for forged in ["0", "\"0\"", "\"\"", "\".\"", "\"AAAA.cm9vdHMvbGlzdAow\""] {
            assert_eq!(asked.question(&ada, &files, &session, forged), None);
        }
        let another = URL_SAFE_NO_PAD.encode("roots/list\n1");
        let (tag, _) = marked.split_once('.').unwrap();
        let moved = format!("{tag}.{another}\"");
        assert_eq!(asked.question(&ada, &files, &session, &moved), None);
    }

    #[test]
    fn what_was_asked_before_the_session_had_an_id_is_answered_within_it() {
        let asked = Asked::new(&[7; 32]).unwrap();
        let ada = principal("acme", "ada", "bot");
        let files = UpstreamId::parse("files").unwrap();
        let marked = asked
            .mark(&ada, &files, &Session::None, "ping", "1")
            .unwrap();
        let session = Session::Named("s".into());
        assert!(asked.question(&ada, &files, &session, &marked).is_some());
        let long = format!("\"{}\"", "x".repeat(ID_BYTES_MAX));
        assert_eq!(asked.mark(&ada, &files, &session, "ping", &long), None);
    }
}
