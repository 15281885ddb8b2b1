//! One key of a set: which signatures it may verify, or why it is ignored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::Key;

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The sizes of an RSA modulus that are accepted, in bits; AWS-LC takes no others.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a key is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// It is not an object with a type.
    #[error("it has no `kty`")]
    NoType,
    /// Its type is none that signatures are verified with here.
    #[error("its `kty` is not `RSA`, `EC` or `OKP`")]
    OtherType,
    /// It is a shared secret, which nobody publishes.
    #[error("it is a shared secret (`oct`), which a set of public keys must not contain")]
    Secret,
    /// It is for encryption.
    #[error("its `use` is not `sig`")]
    NotForSignatures,
    /// Its operations do not include verification.
    #[error("its `key_ops` does not include `verify`")]
    NotForVerification,
    /// It says an algorithm that is not one of this type of key.
    #[error("its `alg` is not a supported signature algorithm for this type of key")]
    OtherAlgorithm,
    /// Its curve is not supported.
    #[error("its `crv` is not `P-256`, `P-384` or `Ed25519`")]
    OtherCurve,
    /// Its id is not a string.
    #[error("its `kid` is not a string")]
    KeyIdNotText,
    /// The numbers that make it up are missing or not valid.
    #[error("its parameters are missing or not valid base64url")]
    InvalidParameters,
    /// An RSA key that is too small, or too large.
    #[error("its modulus has {0} bits, but only 2048 to 8192 are accepted")]
    RsaSize(usize),
}

/// Reads a key of a set.
pub(super) fn read(jwk: &Value) -> Result<Key, UnusableKey> {
    let kind = text(jwk, "kty").ok_or(UnusableKey::NoType)?;
    if kind == "oct" {
        return Err(UnusableKey::Secret);
    }
    check_purpose(jwk)?;
    let (algorithms, decoding) = match kind {
        "RSA" => rsa(jwk)?,
        "EC" => elliptic(jwk)?,
        "OKP" => edwards(jwk)?,
        _ => return Err(UnusableKey::OtherType),
    };
    Ok(Key {
        id: id(jwk)?,
        algorithms: narrowed(jwk, algorithms)?,
        decoding,
    })
}

fn text<'j>(jwk: &'j Value, name: &str) -> Option<&'j str> {
    jwk.get(name).and_then(Value::as_str)
}

fn id(jwk: &Value) -> Result<Option<String>, UnusableKey> {
    match jwk.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err(UnusableKey::KeyIdNotText),
    }
}

fn check_purpose(jwk: &Value) -> Result<(), UnusableKey> {
    if jwk.get("use").is_some_and(|it| it.as_str() != Some("sig")) {
        return Err(UnusableKey::NotForSignatures);
    }
    let verifies = |operations: &Value| {
        let list = operations.as_array();
        list.is_some_and(|list| list.iter().any(|it| it.as_str() == Some("verify")))
    };
    if jwk.get("key_ops").is_some_and(|it| !verifies(it)) {
        return Err(UnusableKey::NotForVerification);
    }
    Ok(())
}

/// The algorithm that the key names; many issuers name none.
fn narrowed(jwk: &Value, of_type: Vec<Algorithm>) -> Result<Vec<Algorithm>, UnusableKey> {
    let Some(named) = jwk.get("alg") else {
        return Ok(of_type);
    };
    let named = named.as_str().and_then(|name| name.parse().ok());
    named
        .filter(|named| of_type.contains(named))
        .map(|named| vec![named])
        .ok_or(UnusableKey::OtherAlgorithm)
}

fn bytes(jwk: &Value, name: &str) -> Result<Vec<u8>, UnusableKey> {
    text(jwk, name)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or(UnusableKey::InvalidParameters)
}

fn rsa(jwk: &Value) -> Result<(Vec<Algorithm>, DecodingKey), UnusableKey> {
    let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let modulus = without_zeros(&modulus);
    let exponent = without_zeros(&exponent);
    let bits = bits(modulus);
    if !RSA_BITS.contains(&bits) {
        return Err(UnusableKey::RsaSize(bits));
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    // 1 would make every message its own signature; AWS-LC takes at most 33 bits.
    if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
        return Err(UnusableKey::InvalidParameters);
    }
    let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
    Ok((RSA.to_vec(), key))
}

fn elliptic(jwk: &Value) -> Result<(Vec<Algorithm>, DecodingKey), UnusableKey> {
    let (algorithm, size) = match text(jwk, "crv") {
        Some("P-256") => (Algorithm::ES256, 32),
        Some("P-384") => (Algorithm::ES384, 48),
        _ => return Err(UnusableKey::OtherCurve),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != size || y.len() != size {
        return Err(UnusableKey::InvalidParameters);
    }
    // An uncompressed point (SEC 1, section 2.3.3).
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    Ok((vec![algorithm], DecodingKey::from_ec_der(&point)))
}

fn edwards(jwk: &Value) -> Result<(Vec<Algorithm>, DecodingKey), UnusableKey> {
    if text(jwk, "crv") != Some("Ed25519") {
        return Err(UnusableKey::OtherCurve);
    }
    let x = bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err(UnusableKey::InvalidParameters);
    }
    Ok((vec![Algorithm::EdDSA], DecodingKey::from_ed_der(&x)))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| {
        usize::try_from(first.leading_zeros()).unwrap_or(0)
    });
    number.len().saturating_mul(8).saturating_sub(unused)
}
