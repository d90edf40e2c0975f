//! Passwords: argon2id, a few at a time, and as long for a name that does not exist.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{error::Refusal, settings::ServerError};

/// Hashes and verifies away from the threads that serve calls.
pub(super) struct Passwords {
    /// Each holds 19 MiB and a core for some 20 ms.
    at_once: Semaphore,
    /// The hash of a password that nobody has.
    nobody: String,
}

/// The cores have calls to serve.
const AT_ONCE_MAX: usize = 2;

/// A person would rather hear that there is a crowd than wait longer.
const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// NIST SP 800-63B-4 section 3.1.1.2: 15 characters where the password is all there is.
pub(super) const CHARS_MIN: usize = 15;

/// Anything longer is hashed no better.
pub(super) const BYTES_MAX: usize = 1024;

impl Passwords {
    pub(super) fn new() -> Result<Self, ServerError> {
        let unknown =
            super::secret::random().map_err(|_| ServerError::Hash("no randomness".into()))?;
        Ok(Self {
            at_once: Semaphore::new(AT_ONCE_MAX),
            nobody: hash(&unknown).map_err(ServerError::Hash)?,
        })
    }

    /// The PHC string of a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Refusal> {
        let password = password.to_owned();
        self.away(move || hash(&password)).await?.map_err(|error| {
            tracing::error!(error, "a password cannot be hashed");
            Refusal::unavailable()
        })
    }

    /// Whether the password is the one of this PHC string. Without one the same work is done.
    pub(super) async fn verify(&self, password: &str, phc: Option<&str>) -> Result<bool, Refusal> {
        let exists = phc.is_some();
        let phc = phc.unwrap_or(&self.nobody).to_owned();
        // Cut rather than refused at once: a long one must not answer sooner than others.
        let password = password.get(..BYTES_MAX).unwrap_or(password).to_owned();
        let fits = self
            .away(move || {
                PasswordHash::new(&phc).is_ok_and(|phc| {
                    Argon2::default()
                        .verify_password(password.as_bytes(), &phc)
                        .is_ok()
                })
            })
            .await?;
        Ok(fits && exists)
    }

    async fn away<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let waiting = tokio::time::timeout(WAIT_MAX, self.at_once.acquire());
        let Ok(Ok(_permit)) = waiting.await else {
            return Err(Refusal::unavailable());
        };
        spawn_blocking(work)
            .await
            .map_err(|_| Refusal::unavailable())
    }
}

/// What is wrong with a new password, for the person who chose it.
pub(super) fn mistake(password: &str) -> Option<String> {
    let chars = password.chars().count();
    if chars < CHARS_MIN {
        return Some(format!(
            "The password needs at least {CHARS_MIN} characters."
        ));
    }
    if password.len() > BYTES_MAX {
        return Some(format!("The password may have at most {BYTES_MAX} bytes."));
    }
    let mut kinds: Vec<char> = password.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    (kinds.len() < 5).then(|| "The password repeats itself too much.".to_owned())
}

/// Argon2id with the library's parameters, which are OWASP's: 19 MiB, two passes, one lane.
fn hash(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|phc| phc.to_string())
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_nothing_verifies_for_nobody() {
        let passwords = Passwords::new().unwrap();
        let phc = passwords.hash("correct horse battery").await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let verify = |password, phc| passwords.verify(password, phc);
        assert!(verify("correct horse battery", Some(&phc)).await.unwrap());
        assert!(!verify("correct horse batterY", Some(&phc)).await.unwrap());
        assert!(!verify("correct horse battery", None).await.unwrap());
        assert!(!verify("x", Some("not a hash")).await.unwrap());
    }

    #[test]
    fn what_is_wrong_with_a_password() {
        assert!(mistake("short").is_some());
        assert!(mistake(&"ab".repeat(20)).is_some());
        assert!(mistake(&"abcdefgh".repeat(200)).is_some());
        assert!(mistake("correct horse battery").is_none());
    }
}
