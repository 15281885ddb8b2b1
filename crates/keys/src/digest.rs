//! The stored form of keys: digests, which cannot be reversed.
//!
//! A generated key has 256 random bits, so its plain SHA-256 is safe against brute force; a pepper
//! (HMAC, RFC 2104) protects keys that people chose, as long as the pepper is stored elsewhere.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The digest of a key, and its scheme.
#[derive(Clone, Copy)]
pub struct Digest {
    scheme: Scheme,
    bytes: [u8; 32],
}

/// How a digest was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// SHA-256 of the key's bytes: `sha256:` in a keys file.
    Sha256,
    /// HMAC-SHA-256 of the key's bytes under the pepper: `hmac-sha256:` in a keys file.
    HmacSha256,
}

/// The secret of keyed digests; it is stored apart from the keys file.
///
/// It is held as an initialized HMAC state, so that a lookup does not initialize it again.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

/// The error for a text that is not a digest. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon, or an unknown scheme before it.
    #[error("a digest is `sha256:` or `hmac-sha256:`, followed by 64 hexadecimal digits")]
    UnknownScheme,
    /// The part after the scheme is not 32 bytes in hexadecimal.
    #[error("`{0}:` must be followed by exactly 64 hexadecimal digits")]
    NotHexadecimal(Scheme),
}

impl Digest {
    /// Returns the digest of a presented key: SHA-256.
    #[must_use]
    pub fn sha256(key: &[u8]) -> Self {
        Self {
            scheme: Scheme::Sha256,
            bytes: Sha256::digest(key).into(),
        }
    }

    /// Returns the digest of a presented key with a pepper: HMAC-SHA-256.
    #[must_use]
    pub fn hmac_sha256(key: &[u8], pepper: &Pepper) -> Self {
        let mut mac = pepper.0.clone();
        mac.update(key);
        Self {
            scheme: Scheme::HmacSha256,
            bytes: mac.finalize().into_bytes().into(),
        }
    }

    /// Returns how it was computed.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns its first bits, for a hash table: digests are already uniform. The operator writes the
    /// keys file, so no attacker can choose colliding digests.
    pub(crate) fn prefix(&self) -> u64 {
        self.bytes
            .first_chunk()
            .map_or(0, |first| u64::from_ne_bytes(*first))
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (scheme, digits) = text.split_once(':').ok_or(DigestError::UnknownScheme)?;
        let scheme = scheme.parse()?;
        let bytes = from_hexadecimal(digits).ok_or(DigestError::NotHexadecimal(scheme))?;
        Ok(Self { scheme, bytes })
    }
}

/// The form of a keys file.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The debug form hides the digest, because it allows off-line attacks on weak keys.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.scheme)
    }
}

/// Compares in constant time.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.bytes.ct_eq(&other.bytes).into()
    }
}

impl Eq for Digest {}

/// The name in a keys file and on a command line.
impl std::str::FromStr for Scheme {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "hmac-sha256" => Ok(Self::HmacSha256),
            _ => Err(DigestError::UnknownScheme),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
        })
    }
}

impl Pepper {
    /// The shortest pepper, in bytes: a shorter one is open to brute force.
    pub const SHORTEST: usize = 16;

    /// Returns a pepper from its bytes; `None` if they are fewer than [`Pepper::SHORTEST`].
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < Self::SHORTEST {
            return None;
        }
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

fn from_hexadecimal(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let mut value = 0;
        for digit in pair {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        *byte = u8::try_from(value).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_parses_and_prints_as_in_a_keys_file() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(Digest::sha256(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse(), Ok(Digest::sha256(b"abc")));
        // RFC 4231, test case 7 (a key longer than the block).
        let pepper = Pepper::new(vec![0xaa; 131]).unwrap();
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            Digest::hmac_sha256(text, &pepper).to_string(),
            "hmac-sha256:60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_debug_print_shows_neither_digest_nor_pepper() {
        assert_eq!(format!("{:?}", Digest::sha256(b"abc")), "sha256:…");
        assert_eq!(format!("{:?}", Pepper::new(vec![7; 16])), "Some(Pepper(…))");
    }

    #[test]
    fn anything_else_is_not_a_digest() {
        let unknown = Err(DigestError::UnknownScheme);
        let odd = Err(DigestError::NotHexadecimal(Scheme::Sha256));
        assert_eq!("".parse::<Digest>(), unknown);
        assert_eq!("md5:00".parse::<Digest>(), unknown);
        assert_eq!("sha256:".parse::<Digest>(), odd);
        assert_eq!(ABC.get(..70).unwrap().parse::<Digest>(), odd);
        assert_eq!(format!("{ABC}0").parse::<Digest>(), odd);
        assert_eq!(ABC.replace('f', "+").parse::<Digest>(), odd);
        assert_eq!(ABC.replace("ff", "è").parse::<Digest>(), odd);
    }
}
