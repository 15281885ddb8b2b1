//! The signed hand-off: the resolver signs who the caller is, and the authorizer accepts nobody else's word
//! for it.
//!
//! Without it, a client of the authorizer can claim any client type. The signature covers the client
//! type, the key's id and the time, and not the request: who reads one on its way can use it for ten
//! seconds.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use crate::{Repeated, single};

/// The resolver's signature, from the resolver to the gateway and from there to the authorizer alone.
pub const HAND_OFF: HeaderName = HeaderName::from_static("x-keygate-handoff");

/// The shortest secret, in bytes.
pub const SHORTEST_SECRET: usize = 32;

/// How old a signature may be, and how far ahead the clock that made it may be, in seconds.
pub const MOST_SECONDS: u64 = 10;

/// What the signature begins with, so that another use of the secret signs other bytes.
const VERSION: &str = "v1";

/// The secrets that the resolver and the authorizer share: the first signs, and each one is accepted.
#[derive(Clone)]
pub struct HandOff {
    signs: Hmac<Sha256>,
    others: Vec<Hmac<Sha256>>,
}

/// The caller that the resolver found, as header values; an absent one is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOff<'h> {
    /// The client type.
    pub client_type: &'h [u8],
    /// The id of the key.
    pub key_id: &'h [u8],
}

/// Why a secret is rejected. No error contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// There is none.
    #[error("the file contains no secret: generate one with `openssl rand -base64 32`")]
    Missing,
    /// It is open to brute force.
    #[error(
        "the secret in line {line} is shorter than {SHORTEST_SECRET} bytes: use a random one on a \
         single line, such as the output of `openssl rand -base64 32`"
    )]
    TooShort {
        /// The line, counted from 1.
        line: usize,
    },
}

/// Why the authorizer does not believe who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandOff {
    /// There is none.
    #[error(
        "the resolver did not sign the client type, because the header `{HAND_OFF}` is missing: \
         the request does not come from the gateway, or the resolver has no `handoff-secret-file`"
    )]
    Missing,
    /// There are several.
    #[error(transparent)]
    Repeated(#[from] Repeated),
    /// It is not of this form.
    #[error("the header `{HAND_OFF}` does not consist of `{VERSION}`, a time and a signature")]
    Malformed,
    /// It is of another time.
    #[error(
        "the client type was signed {seconds} seconds ago, but at most {MOST_SECONDS} are \
         accepted: the signature is replayed, or the clocks differ"
    )]
    Expired {
        /// How long ago; negative for the future.
        seconds: i64,
    },
    /// Another secret signed it, or it is about another caller.
    #[error(
        "the signature of the client type is invalid: it belongs to another caller, or the \
         resolver has a different secret in its `handoff-secret-file`"
    )]
    WrongSignature,
}

impl HandOff {
    /// Reads the secrets of a file: one a line.
    ///
    /// To change the secret, add the next one as the last line in both services, then move it to the first
    /// line, then remove the former one.
    ///
    /// # Errors
    /// There is none, or one is too short.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let lines = (1..).zip(text.lines().map(str::trim_ascii));
        let secrets = lines.filter(|(_, secret)| !secret.is_empty());
        let mut macs = secrets.map(|(line, secret)| {
            let mac = Hmac::new_from_slice(secret.as_bytes()).ok();
            mac.filter(|_| secret.len() >= SHORTEST_SECRET)
                .ok_or(InvalidSecret::TooShort { line })
        });
        Ok(Self {
            signs: macs.next().ok_or(InvalidSecret::Missing)??,
            others: macs.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the header value for a caller at a time, in seconds since 1970.
    #[must_use]
    pub fn sign(&self, caller: HandedOff<'_>, now: i64) -> HeaderValue {
        let mac = caller.mac(&self.signs, now).finalize().into_bytes();
        let value = format!("{VERSION}.{now}.{}", URL_SAFE_NO_PAD.encode(mac));
        // It is visible ASCII.
        let mut value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// Checks that the resolver named this caller within the last seconds.
    ///
    /// # Errors
    /// It did not, or this cannot be verified.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        caller: HandedOff<'_>,
        now: i64,
    ) -> Result<(), InvalidHandOff> {
        let value = single(headers, &HAND_OFF)?.ok_or(InvalidHandOff::Missing)?;
        let (at, signature) = parts(value.as_bytes()).ok_or(InvalidHandOff::Malformed)?;
        if now.abs_diff(at) > MOST_SECONDS {
            let seconds = now.saturating_sub(at);
            return Err(InvalidHandOff::Expired { seconds });
        }
        let mut secrets = std::iter::once(&self.signs).chain(&self.others);
        // It compares in constant time.
        if secrets.any(|it| caller.mac(it, at).verify_slice(&signature).is_ok()) {
            Ok(())
        } else {
            Err(InvalidHandOff::WrongSignature)
        }
    }
}

impl HandedOff<'_> {
    /// The length makes sure that no part of one value is taken for the other one's.
    fn mac(self, secret: &Hmac<Sha256>, at: i64) -> Hmac<Sha256> {
        let length = u64::try_from(self.client_type.len()).unwrap_or(u64::MAX);
        let mut mac = secret.clone();
        mac.update(HAND_OFF.as_str().as_bytes());
        mac.update(VERSION.as_bytes());
        mac.update(&at.to_be_bytes());
        mac.update(&length.to_be_bytes());
        mac.update(self.client_type);
        mac.update(self.key_id);
        mac
    }
}

fn parts(value: &[u8]) -> Option<(i64, Vec<u8>)> {
    let text = std::str::from_utf8(value).ok()?;
    let (seconds, signature) = text
        .strip_prefix(VERSION)?
        .strip_prefix('.')?
        .split_once('.')?;
    if !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((
        seconds.parse().ok()?,
        URL_SAFE_NO_PAD.decode(signature).ok()?,
    ))
}

/// It shows nothing: the secrets are credentials.
impl fmt::Debug for HandOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandOff(…)")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_800_000_000;
    const CALLER: HandedOff<'_> = HandedOff {
        client_type: b"partner",
        key_id: b"acme",
    };

    fn hand_off(text: &str) -> HandOff {
        HandOff::parse(text).unwrap()
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HAND_OFF, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn verify(value: &str, caller: HandedOff<'_>, now: i64) -> Result<(), InvalidHandOff> {
        hand_off(SECRET).verify(&headers(&[value]), caller, now)
    }

    fn signed() -> String {
        let value = hand_off(SECRET).sign(CALLER, NOW);
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_value_is_the_same_in_every_release() {
        // python3 -c 'import hmac, base64; print(base64.urlsafe_b64encode(hmac.digest(
        //   b"0123456789abcdef" * 2, b"x-keygate-handoffv1" + (1800000000).to_bytes(8, "big")
        //   + (7).to_bytes(8, "big") + b"partneracme", "sha256")))'
        let expected = "v1.1800000000.WcjrO-n0zGVCiGj4qFnOU-3y1fGJWZfT4ZZUmStgWX4";
        assert_eq!(signed(), expected);
    }

    #[rstest]
    #[case(0)]
    #[case(10)]
    #[case(-10)]
    fn a_signature_of_the_last_seconds_is_accepted(#[case] seconds: i64) {
        assert_eq!(verify(&signed(), CALLER, NOW + seconds), Ok(()));
    }

    #[rstest]
    #[case(11)]
    #[case(-11)]
    #[case(86400)]
    fn a_replayed_signature_is_rejected(#[case] seconds: i64) {
        let now = NOW + seconds;
        let expired = Err(InvalidHandOff::Expired { seconds });
        assert_eq!(verify(&signed(), CALLER, now), expired);
    }

    #[rstest]
    #[case(b"admin", b"acme")]
    #[case(b"partner", b"other")]
    #[case(b"partner", b"")]
    #[case(b"", b"")]
    #[case(b"partnera", b"cme")]
    #[case(b"partne", b"racme")]
    fn a_signature_is_for_one_caller(#[case] client_type: &[u8], #[case] key_id: &[u8]) {
        let caller = HandedOff {
            client_type,
            key_id,
        };
        assert_eq!(
            verify(&signed(), caller, NOW),
            Err(InvalidHandOff::WrongSignature)
        );
    }

    #[test]
    fn the_time_is_signed_too() {
        let later = signed().replacen("1800000000", "1800000005", 1);
        let verified = verify(&later, CALLER, NOW + 12);
        assert_eq!(verified, Err(InvalidHandOff::WrongSignature));
    }

    #[rstest]
    #[case("")]
    #[case("v1")]
    #[case("v1.1800000000")]
    #[case("v1..AAAA")]
    #[case("v1.+1800000000.AAAA")]
    #[case("v1.-1.AAAA")]
    #[case("v1.99999999999999999999.AAAA")]
    #[case("v1.1800000000.AAAA.")]
    #[case("v1.1800000000.AA=")]
    #[case("v1.1800000000.A A")]
    #[case("v2.1800000000.AAAA")]
    #[case("V1.1800000000.AAAA")]
    fn another_form_is_malformed(#[case] value: &str) {
        assert_eq!(verify(value, CALLER, NOW), Err(InvalidHandOff::Malformed));
    }

    #[rstest]
    #[case("v1.1800000000.")]
    #[case("v1.1800000000.AAAA")]
    fn a_part_of_a_signature_is_wrong(#[case] value: &str) {
        let wrong = Err(InvalidHandOff::WrongSignature);
        assert_eq!(verify(value, CALLER, NOW), wrong);
    }

    #[test]
    fn one_signature_must_be_there() {
        let hand_off = hand_off(SECRET);
        let verify = |values: &[&str]| hand_off.verify(&headers(values), CALLER, NOW);
        assert_eq!(verify(&[]), Err(InvalidHandOff::Missing));
        assert_eq!(verify(&[&signed(), &signed()]), Ok(()));
        let repeated = Repeated(HAND_OFF);
        assert_eq!(verify(&[&signed(), "v1"]), Err(repeated.into()));
    }

    #[test]
    fn a_secret_is_changed_without_an_outage() {
        let next = SECRET.to_uppercase();
        let steps = [
            SECRET.to_owned(),
            format!("{SECRET}\n{next}\n"),
            format!("{next}\r\n{SECRET}"),
            format!("\n {next} \n"),
        ];
        let steps = steps.map(|text| hand_off(&text));
        for pair in steps.windows(2) {
            for (signs, verifies) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let value = signs.sign(CALLER, NOW);
                let headers = headers(&[value.to_str().unwrap()]);
                assert_eq!(verifies.verify(&headers, CALLER, NOW), Ok(()));
            }
        }
    }

    #[test]
    fn a_weak_secret_is_rejected_and_not_quoted() {
        let error = |text: &str| HandOff::parse(text).unwrap_err();
        assert_eq!(error(""), InvalidSecret::Missing);
        assert_eq!(error(" \n\n"), InvalidSecret::Missing);
        let short = "0123456789abcdef0123456789abcde";
        assert_eq!(error(short), InvalidSecret::TooShort { line: 1 });
        let second = error(&format!("{SECRET}\n\nshort"));
        assert_eq!(second, InvalidSecret::TooShort { line: 3 });
        assert!(!error(short).to_string().contains("0123"));
        assert_eq!(format!("{:?}", hand_off(SECRET)), "HandOff(…)");
    }
}
