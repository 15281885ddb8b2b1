//! The key file: the private key that signs, and other keys that are only published.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, crypto,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};

use super::pem::{self, Block, BrokenBlock};

/// What a public key looks like before its bytes (RFC 5480 for P-256 in the uncompressed form, RFC 8410
/// for Ed25519). DER has one way to write it.
const PUBLIC_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const PUBLIC_ED25519: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The length of a signature by ES256 or `EdDSA`, in base64.
const SIGNATURE_LENGTH: usize = 86;

/// The keys of a key file: the first private key signs, and the public halves of all are published.
pub struct SigningKeys {
    key: EncodingKey,
    algorithm: Algorithm,
    /// The first part of each token.
    header: String,
    key_set: String,
    key_count: usize,
}

/// Why a key file is rejected. No error repeats text of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyFile {
    /// A block is wrong.
    #[error("the block that begins on line {line} {error}")]
    Block {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        error: BlockError,
    },
    /// Nothing signs.
    #[error("there is no `PRIVATE KEY` block: create a key with `{MAKE_KEY}`")]
    NoPrivateKey,
}

/// What is wrong with a block of the key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It has no end, or the end of another one.
    #[error("is not enclosed in `-----BEGIN …-----` and a matching `-----END …-----`")]
    Broken,
    /// It is a key in the form before PKCS #8.
    #[error(
        "is in an older format: convert it with `openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW`"
    )]
    OlderForm,
    /// It is encrypted.
    #[error("is encrypted: decrypt it with `openssl pkcs8 -in OLD -out NEW`")]
    Encrypted,
    /// It is something else.
    #[error("is neither a `PRIVATE KEY` nor a `PUBLIC KEY`")]
    OtherContent,
    /// Its content cannot be decoded.
    #[error("is not base64")]
    NotBase64,
    /// It is damaged, or of a type that does not sign here.
    #[error("is not a P-256 or Ed25519 key: create one with `{MAKE_KEY}`")]
    OtherKey,
    /// It is there twice.
    #[error("contains the same key as the block that begins on line {first}")]
    Repeated {
        /// The line of the first one.
        first: usize,
    },
}

const MAKE_KEY: &str =
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out identity-key.pem";

/// A key of the file: published, and able to sign where the file has the private key.
struct Key {
    line: usize,
    algorithm: Algorithm,
    jwk: Jwk,
    private: Option<EncodingKey>,
}

impl SigningKeys {
    /// Reads a key file.
    ///
    /// # Errors
    /// A block is not a key, or there is no private key.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyFile> {
        crate::crypto::install();
        let at = |line| move |error| InvalidKeyFile::Block { line, error };
        let broken = |BrokenBlock { line }| at(line)(BlockError::Broken);
        let mut keys: Vec<Key> = Vec::new();
        for block in pem::blocks(text).map_err(broken)? {
            let key = Key::read(&block).map_err(at(block.line))?;
            if let Some(Key { line: first, .. }) = keys.iter().find(|it| it.id() == key.id()) {
                return Err(at(key.line)(BlockError::Repeated { first: *first }));
            }
            keys.push(key);
        }
        Self::of(keys)
    }

    fn of(keys: Vec<Key>) -> Result<Self, InvalidKeyFile> {
        let signer = keys.iter().find(|key| key.private.is_some());
        let signer = signer.ok_or(InvalidKeyFile::NoPrivateKey)?;
        let header = serde_json::json!({
            "alg": signer.algorithm,
            "kid": signer.id(),
            "typ": "JWT",
        });
        let (line, algorithm) = (signer.line, signer.algorithm);
        let key = signer.private.clone();
        let jwks = JwkSet {
            keys: keys.into_iter().map(|key| key.jwk).collect(),
        };
        let unusable = InvalidKeyFile::Block {
            line,
            error: BlockError::OtherKey,
        };
        let keys = Self {
            key: key.ok_or(unusable)?,
            algorithm,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            key_set: serde_json::to_string(&jwks).map_err(|_| unusable)?,
            key_count: jwks.keys.len(),
        };
        // A key that cannot sign is found now, and not by a request.
        keys.sign(b"{}").map(|_| keys).ok_or(unusable)
    }

    /// Returns the key set (RFC 7517): public keys alone.
    pub(super) fn key_set(&self) -> &str {
        &self.key_set
    }

    /// Returns the length of a token with this many bytes of claims.
    pub(super) fn token_length(&self, claims: usize) -> usize {
        let claims = base64::encoded_len(claims, false).unwrap_or(usize::MAX);
        [self.header.len(), 1, claims, 1, SIGNATURE_LENGTH]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// Returns a token of these claims.
    pub(super) fn sign(&self, claims: &[u8]) -> Option<String> {
        let mut token = String::with_capacity(self.token_length(claims.len()));
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = crypto::sign(token.as_bytes(), &self.key, self.algorithm).ok()?;
        token.push('.');
        token.push_str(&signature);
        Some(token)
    }
}

impl Key {
    fn read(block: &Block<'_>) -> Result<Self, BlockError> {
        let read = match block.label {
            "PRIVATE KEY" => private,
            "PUBLIC KEY" => public,
            "EC PRIVATE KEY" | "EC PARAMETERS" => return Err(BlockError::OlderForm),
            "RSA PRIVATE KEY" => return Err(BlockError::OtherKey),
            "ENCRYPTED PRIVATE KEY" => return Err(BlockError::Encrypted),
            _ => return Err(BlockError::OtherContent),
        };
        let der = block.decode().ok_or(BlockError::NotBase64)?;
        let (algorithm, mut jwk, private) = read(&der).ok_or(BlockError::OtherKey)?;
        // RFC 7638: the same key has the same id in every process.
        let id = jwk.thumbprint(ThumbprintHash::SHA256);
        jwk.common.key_id = Some(id.map_err(|_| BlockError::OtherKey)?);
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            line: block.line,
            algorithm,
            jwk,
            private,
        })
    }

    fn id(&self) -> Option<&str> {
        self.jwk.common.key_id.as_deref()
    }
}

type Found = (Algorithm, Jwk, Option<EncodingKey>);

fn private(der: &[u8]) -> Option<Found> {
    let types = [
        (Algorithm::ES256, EncodingKey::from_ec_der(der)),
        (Algorithm::EdDSA, EncodingKey::from_ed_der(der)),
    ];
    types.into_iter().find_map(|(algorithm, key)| {
        let jwk = Jwk::from_encoding_key(&key, algorithm).ok()?;
        Some((algorithm, jwk, Some(key)))
    })
}

fn public(der: &[u8]) -> Option<Found> {
    let (algorithm, key) = if let Some(point) = der.strip_prefix(PUBLIC_P256) {
        (Algorithm::ES256, DecodingKey::from_ec_der(point))
    } else {
        let key = der.strip_prefix(PUBLIC_ED25519)?;
        (Algorithm::EdDSA, DecodingKey::from_ed_der(key))
    };
    let jwk = Jwk::from_decoding_key(&key, Some(algorithm)).ok()?;
    Some((algorithm, jwk, None))
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({} keys)", self.key_count)
    }
}
