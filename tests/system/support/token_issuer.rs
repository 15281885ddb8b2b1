//! The keys of an issuer, as files and settings have them.

use jiff::Timestamp;

use crate::tokens::issuer::set_of;
pub(crate) use crate::tokens::issuer::{ISSUER, OTHER_RSA, P256, RSA, TestKey};

/// The set of these keys, as an issuer publishes it.
pub(crate) fn jwks(keys: &[&TestKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    String::from_utf8(set_of(&keys)).unwrap()
}

/// Seconds since 1970, some seconds from now.
pub(crate) fn in_seconds(seconds: i64) -> i64 {
    Timestamp::now().as_second() + seconds
}
