//! The cryptography under `jsonwebtoken`: AWS-LC, installed explicitly.
//!
//! Without this, `jsonwebtoken` picks a provider by its own features, and panics where a crate elsewhere
//! in the build turns on a second one.

use std::sync::Once;

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

/// The example of RFC 7515, appendix A.3: a key, a message and its signature by ES256.
const KEY: (&str, &str) = (
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
);
const MESSAGE: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// The error for cryptography that does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature verification does not work: the example in RFC 7515 fails")]
pub struct SelfTestFailed;

/// Installs the provider, once in a process.
///
/// Every key of this crate does so as it is made, so that no signature is verified before.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // If the process already uses another provider, it stays; `self_test` detects a broken one.
        let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

/// Verifies a known signature, and that a changed message is rejected.
///
/// # Errors
/// The cryptography does not work: no service that verifies tokens may start.
pub fn self_test() -> Result<(), SelfTestFailed> {
    install();
    let key = DecodingKey::from_ec_components(KEY.0, KEY.1).map_err(|_| SelfTestFailed)?;
    let verifies = |message: &[u8]| crypto::verify(SIGNATURE, message, &key, Algorithm::ES256);
    match (verifies(MESSAGE), verifies(b"another message")) {
        (Ok(true), Ok(false)) => Ok(()),
        _ => Err(SelfTestFailed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_installed_and_works() {
        assert_eq!(self_test(), Ok(()));
        assert_eq!(self_test(), Ok(()));
        assert!(
            crypto::aws_lc::DEFAULT_PROVIDER.install_default().is_err(),
            "it was not installed"
        );
    }
}
