//! The public key that a proof brings along.

use std::borrow::Cow;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::Thumbprint;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::{ProofError, invalid, name};

/// A public key for one algorithm.
pub(super) struct ProofKey {
    thumbprint: Thumbprint,
    material: Material,
}

enum Material {
    /// A point of the curve, uncompressed, or an Ed25519 key.
    Curve(&'static dyn VerificationAlgorithm, Vec<u8>),
    Rsa(&'static RsaParameters, RsaPublicKeyComponents<Vec<u8>>),
}

/// The members that say which key it is, and those that must not be there.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Cow<'a, str>,
    #[serde(borrow)]
    alg: Option<Cow<'a, str>>,
    #[serde(borrow)]
    crv: Option<Cow<'a, str>>,
    #[serde(borrow)]
    x: Option<Cow<'a, str>>,
    #[serde(borrow)]
    y: Option<Cow<'a, str>>,
    #[serde(borrow)]
    n: Option<Cow<'a, str>>,
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
    #[serde(default)]
    d: Present,
    #[serde(default)]
    p: Present,
    #[serde(default)]
    q: Present,
    #[serde(default)]
    dp: Present,
    #[serde(default)]
    dq: Present,
    #[serde(default)]
    qi: Present,
    #[serde(default)]
    oth: Present,
    #[serde(default)]
    k: Present,
}

/// That a member is there, whatever its value.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

impl ProofKey {
    /// The key of a `jwk` header member, for this algorithm.
    ///
    /// # Source
    /// RFC 7518 section 6, RFC 8037 section 2; the thumbprint: RFC 7638 section 3.
    pub(super) fn read(jwk: &str, algorithm: Algorithm) -> Result<Self, ProofError> {
        let jwk: Jwk<'_> =
            serde_json::from_str(jwk).map_err(|error| invalid(format!("`jwk`: {error}")))?;
        let private = [
            &jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi, &jwk.oth, &jwk.k,
        ];
        if private.iter().any(|member| member.0) {
            return Err(invalid(
                "`jwk` holds a private or shared key, which is no secret any more",
            ));
        }
        if jwk.alg.as_ref().is_some_and(|alg| *alg != name(&algorithm)) {
            return Err(invalid("`jwk` is for another algorithm than `alg`"));
        }
        match algorithm {
            Algorithm::ES256 => curve(&jwk, "P-256", 32, &ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => curve(&jwk, "P-384", 48, &ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => edwards(&jwk),
            Algorithm::RS256 => rsa(&jwk, &RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&jwk, &RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&jwk, &RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&jwk, &RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&jwk, &RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&jwk, &RSA_PSS_2048_8192_SHA512),
            _ => Err(invalid("`alg` is not asymmetric")),
        }
    }

    pub(super) fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), ProofError> {
        let verified = match &self.material {
            Material::Curve(algorithm, key) => {
                UnparsedPublicKey::new(*algorithm, key).verify(signed, signature)
            }
            Material::Rsa(parameters, key) => key.verify(parameters, signed, signature),
        };
        verified.map_err(|_| invalid("the signature is not by the key in `jwk`"))
    }
}

fn curve(
    jwk: &Jwk<'_>,
    name: &str,
    coordinate_bytes: usize,
    algorithm: &'static dyn VerificationAlgorithm,
) -> Result<ProofKey, ProofError> {
    let (Some(x), Some(y)) = (&jwk.x, &jwk.y) else {
        return Err(wrong_kind());
    };
    if jwk.kty != "EC" || jwk.crv.as_deref() != Some(name) {
        return Err(wrong_kind());
    }
    let (of_x, of_y) = (decode(x)?, decode(y)?);
    if of_x.len() != coordinate_bytes || of_y.len() != coordinate_bytes {
        return Err(wrong_kind());
    }
    // An uncompressed point (SEC 1, section 2.3.3).
    let point = [&[0x04], &*of_x, &*of_y].concat();
    let canonical = format!(r#"{{"crv":"{name}","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Ok(ProofKey {
        thumbprint: sha256(&canonical),
        material: Material::Curve(algorithm, point),
    })
}

fn edwards(jwk: &Jwk<'_>) -> Result<ProofKey, ProofError> {
    let Some(x) = &jwk.x else {
        return Err(wrong_kind());
    };
    let key = decode(x)?;
    if jwk.kty != "OKP" || jwk.crv.as_deref() != Some("Ed25519") || key.len() != 32 {
        return Err(wrong_kind());
    }
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    Ok(ProofKey {
        thumbprint: sha256(&canonical),
        material: Material::Curve(&ED25519, key),
    })
}

fn rsa(jwk: &Jwk<'_>, parameters: &'static RsaParameters) -> Result<ProofKey, ProofError> {
    let (Some(n), Some(e)) = (&jwk.n, &jwk.e) else {
        return Err(wrong_kind());
    };
    if jwk.kty != "RSA" {
        return Err(wrong_kind());
    }
    let components = RsaPublicKeyComponents {
        n: decode(n)?,
        e: decode(e)?,
    };
    // A second spelling of the same number would be a second thumbprint of the same key.
    if components.n.first() == Some(&0) || components.e.first() == Some(&0) {
        return Err(invalid("`n` and `e` must not begin with a zero"));
    }
    let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    Ok(ProofKey {
        thumbprint: sha256(&canonical),
        material: Material::Rsa(parameters, components),
    })
}

/// Strict: what decodes has one spelling only, and nothing that JSON would escape.
fn decode(text: &str) -> Result<Vec<u8>, ProofError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| invalid("`jwk` is not base64url"))
}

fn wrong_kind() -> ProofError {
    invalid("`jwk` is not a public key for `alg`")
}

fn sha256(text: &str) -> Thumbprint {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    Thumbprint::new(hash)
}
