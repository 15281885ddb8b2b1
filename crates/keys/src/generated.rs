//! Key generation, and the strength of keys that people chose.
//!
//! A generated key is 52 characters: `kg_`, 43 digits in base 62 that are 256 random bits (a
//! number, most significant digit first, padded with `0`), and 6 digits in base 62 that are the CRC-32
//! (ISO-HDLC, as in zip) of the first 46 characters. The digits are `0-9A-Za-z` in this order. A
//! scanner for leaked secrets can recognize keys by prefix and checksum without false alarms.

use std::collections::{HashMap, HashSet};

use zeroize::Zeroizing;

const PREFIX: &str = "kg_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 62^43 > 2^256 > 62^42.
const RANDOM_DIGITS: usize = 43;

/// 62^6 > 2^32 > 62^5.
const CHECKSUM_DIGITS: usize = 6;

/// A new plaintext key; its memory is cleared when dropped. It has no `Debug`.
pub struct GeneratedKey(Zeroizing<String>);

impl GeneratedKey {
    /// Returns the key for these random bytes.
    #[must_use]
    pub fn from_random(random: &Zeroizing<[u8; 32]>) -> Self {
        let length = PREFIX.len() + RANDOM_DIGITS + CHECKSUM_DIGITS;
        let mut key = Zeroizing::new(String::with_capacity(length));
        key.push_str(PREFIX);
        push_base62(&mut key, random.clone(), RANDOM_DIGITS);
        let mut checksum = Zeroizing::new([0; 32]);
        for (byte, of_sum) in checksum
            .iter_mut()
            .skip(28)
            .zip(crc32(key.as_bytes()).to_be_bytes())
        {
            *byte = of_sum;
        }
        push_base62(&mut key, checksum, CHECKSUM_DIGITS);
        Self(key)
    }

    /// Returns the plaintext key.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Returns whether a text has the form of a generated key, including the checksum.
#[must_use]
pub fn is_generated(text: &str) -> bool {
    let Some((body, checksum)) = text.split_at_checked(PREFIX.len() + RANDOM_DIGITS) else {
        return false;
    };
    let value = checksum.bytes().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        Some(value * 62 + u64::try_from(digit).ok()?)
    });
    body.starts_with(PREFIX)
        && checksum.len() == CHECKSUM_DIGITS
        && value == Some(crc32(body.as_bytes()).into())
}

/// Appends the lowest digits of a big-endian number, most significant first.
fn push_base62(text: &mut String, mut number: Zeroizing<[u8; 32]>, digits: usize) {
    let mut written = Zeroizing::new([b'0'; RANDOM_DIGITS]);
    for digit in written.iter_mut().take(digits).rev() {
        let mut rest = 0_u16;
        for byte in number.iter_mut() {
            let value = (rest << 8) | u16::from(*byte);
            // `rest` is below 62, so the quotient fits in a byte.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS.get(usize::from(rest)).copied().unwrap_or(b'0');
    }
    text.extend(written.iter().take(digits).map(|digit| char::from(*digit)));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// The reason why a key that a person chose is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// It is shorter than [`Weakness::SHORTEST`].
    #[error("it is shorter than {} characters", Weakness::SHORTEST)]
    TooShort,
    /// It repeats itself, or uses too few distinct characters.
    #[error(
        "it is easy to guess: about {bits} bits, but at least {} are required",
        Weakness::FEWEST_BITS
    )]
    TooSimple {
        /// Its estimated strength in bits.
        bits: u32,
    },
}

impl Weakness {
    /// The fewest characters of a strong key.
    pub const SHORTEST: usize = 20;

    /// The lowest estimated strength of a strong key, in bits.
    pub const FEWEST_BITS: u32 = 64;

    /// Returns why a key is weak; `None` for a strong key.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        let bits = estimated_bits(key.as_bytes());
        if key.chars().count() < Self::SHORTEST {
            Some(Self::TooShort)
        } else if bits < Self::FEWEST_BITS {
            Some(Self::TooSimple { bits })
        } else {
            None
        }
    }
}

/// An upper bound of the brute-force effort, in bits.
///
/// It is Shannon's entropy of the characters, or of the differences between them if that is lower
/// (`abcd…`), counted only for as many characters as are not repetitions (`passwordpassword`). It
/// uses no dictionary.
fn estimated_bits(key: &[u8]) -> u32 {
    let steps: Zeroizing<Vec<u8>> = key
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.wrapping_sub(*pair.first()?)))
        .collect::<Vec<_>>()
        .into();
    let each = entropy(key).min(entropy(&steps));
    let different: HashSet<_> = key.windows(3).collect();
    // The entropy of 256 symbols is at most 8 bits, and the length is that of an input line.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "small, positive, and an estimate"
    )]
    let bits = (each * (different.len() + 2).min(key.len()) as f64) as u32;
    bits
}

/// Shannon's entropy of one symbol, in bits.
fn entropy(symbols: &[u8]) -> f64 {
    let mut counts = HashMap::new();
    for symbol in symbols {
        *counts.entry(symbol).or_insert(0_u32) += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let share = |count: &u32| f64::from(*count) / symbols.len() as f64;
    let terms = counts
        .values()
        .map(share)
        .map(|share| -share * share.log2());
    terms.sum()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn generated(random: [u8; 32]) -> String {
        GeneratedKey::from_random(&Zeroizing::new(random))
            .expose()
            .to_owned()
    }

    #[test]
    fn a_generated_key_has_a_prefix_and_a_checksum() {
        // The catalogue of parametrised CRC algorithms, CRC-32/ISO-HDLC, gives this check value.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        // Computed with another program: Python's `int` and `zlib.crc32`.
        assert_eq!(
            generated([0; 32]),
            "kg_00000000000000000000000000000000000000000003j9wpc"
        );
        assert_eq!(
            generated([0xff; 32]),
            "kg_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp11l6iTA"
        );
        let mut one = [0; 32];
        one[31] = 61;
        assert!(generated(one).starts_with("kg_000000000000000000000000000000000000000000z"));
    }

    #[test]
    fn a_checksum_detects_typos_in_a_key() {
        let key = generated(std::array::from_fn(|n| u8::try_from(n * 7).unwrap()));
        assert!(is_generated(&key));
        assert!(!is_generated(&key.replace('k', "K")));
        for index in 0..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            assert!(!is_generated(std::str::from_utf8(&bytes).unwrap()));
        }
        assert!(!is_generated(""));
        assert!(!is_generated(&format!("{key}0")));
        assert!(!is_generated("kg_èèèèèèèèèèèèèèèèèèèèèèèèèè"));
    }

    #[rstest]
    #[case::short("Zq8#mP2!vL5@xR9", true)]
    #[case::one_letter("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true)]
    #[case::alphabet("abcdefghijklmnopqrstuvwxyz", true)]
    #[case::digits("01234567890123456789012345", true)]
    #[case::repeated("Tr0ub4dor&3Tr0ub4dor&3Tr0ub4dor&3", true)]
    #[case::few_letters("abababbabaabbabaababbaba", true)]
    #[case::random_letters("q7LmZ2xVb9KtR4wNc6Yp", false)]
    #[case::uuid("0b9f8c1e-3d47-4a52-9e66-7f1c2ab4d805", false)]
    #[case::hexadecimal("9f86d081884c7d659a2feaa0c55ad015", false)]
    fn a_weak_key_is_detected(#[case] key: &str, #[case] weak: bool) {
        assert_eq!(Weakness::of(key).is_some(), weak, "{:?}", Weakness::of(key));
    }
}
