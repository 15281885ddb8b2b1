//! A new key: generated, or read from standard input.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
    path::PathBuf,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use keygate_keys::{
    ClientType, Digest, Key, KeyId, Scheme,
    generated::{GeneratedKey, Weakness},
    plaintext::{self, PlaintextError},
};
use keygate_keys::{keys_file::Entry, pepper, plaintext::LONGEST_KEY};
use zeroize::Zeroizing;

use super::{KeysError, period::Period, say};

/// The options for digests.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DigestArguments {
    /// Digest scheme [default: hmac-sha256 if a pepper is set, otherwise sha256]
    #[arg(long, value_name = "SCHEME", value_parser = ["sha256", "hmac-sha256"])]
    scheme: Option<String>,
    /// Path to the file with the pepper; alternatively, set `KEYGATE_PEPPER`
    #[arg(long, value_name = "FILE")]
    pepper_file: Option<PathBuf>,
}

/// The options of a new key.
#[derive(Debug, clap::Args)]
pub(super) struct NewKeyArguments {
    /// Time until the key expires, such as `90d`, `12h` or `2w` [default: the key never expires]
    #[arg(long, value_name = "PERIOD", conflicts_with = "expires_at")]
    expires_in: Option<Period>,
    /// Time at which the key expires, such as `2027-11-24T00:00:00Z`
    #[arg(long, value_name = "MOMENT")]
    expires_at: Option<Timestamp>,
    /// Time at which the key becomes valid [default: now]
    #[arg(long, value_name = "MOMENT")]
    not_before: Option<Timestamp>,
    /// Read the key from standard input instead of generating one
    #[arg(long)]
    key_stdin: bool,
    /// Accept a key from standard input even if it is short or easy to guess
    #[arg(long, requires = "key_stdin")]
    allow_weak: bool,
    #[command(flatten)]
    digest: DigestArguments,
}

/// The names of a new key.
pub(super) struct Label {
    pub(super) id: KeyId,
    pub(super) client_type: ClientType,
    pub(super) description: Option<String>,
}

/// A plaintext key.
pub(super) enum NewKey {
    Generated(GeneratedKey),
    Given(Zeroizing<String>),
}

impl DigestArguments {
    /// How a key becomes a digest.
    pub(in crate::cli) fn maker(&self) -> Result<impl Fn(&[u8]) -> Digest + use<>, KeysError> {
        let pepper = pepper::of_command(self.pepper_file.as_deref())?;
        let pepper = match self.scheme.as_deref().map(str::parse) {
            Some(Ok(Scheme::Sha256)) => None,
            Some(Ok(Scheme::HmacSha256)) => Some(pepper.ok_or(KeysError::NoPepper)?),
            Some(Err(_)) | None => pepper,
        };
        Ok(move |key: &[u8]| match &pepper {
            Some(pepper) => Digest::hmac_sha256(key, pepper),
            None => Digest::sha256(key),
        })
    }
}

impl NewKeyArguments {
    /// Whether the expiry is given.
    pub(super) fn has_expiry(&self) -> bool {
        self.expires_in.is_some() || self.expires_at.is_some()
    }

    /// Whether the digest scheme is given by its name.
    pub(super) fn names_scheme(&self) -> bool {
        self.digest.scheme.is_some()
    }

    /// Generates or reads the key.
    pub(super) fn key(&self) -> Result<NewKey, KeysError> {
        if self.key_stdin {
            return read_key(io::stdin().lock(), self.allow_weak).map(NewKey::Given);
        }
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut()).map_err(KeysError::Random)?;
        Ok(NewKey::Generated(GeneratedKey::from_random(&random)))
    }

    /// The entry that stores the key.
    pub(super) fn entry(
        &self,
        key: &NewKey,
        label: Label,
        now: Timestamp,
    ) -> Result<Entry, KeysError> {
        let expires_at = match &self.expires_in {
            Some(period) if period.is_zero() => return Err(KeysError::ExpiresAtOnce),
            Some(period) => Some(period.after(now).ok_or(KeysError::TooFar)?),
            None => self.expires_at,
        };
        if let Some(end) = expires_at.filter(|end| *end <= now) {
            return Err(KeysError::ExpiresInThePast { end, now });
        }
        let digest = self.digest.maker()?;
        Ok(Entry {
            key: Key {
                id: label.id,
                client_type: label.client_type,
                digest: digest(key.expose().as_bytes()),
                active: true,
                not_before: self.not_before,
                expires_at,
            },
            clear: None,
            description: label.description,
            created_at: Some(now),
        })
    }
}

impl NewKey {
    fn expose(&self) -> &str {
        match self {
            Self::Generated(key) => key.expose(),
            Self::Given(key) => key,
        }
    }

    /// Shows a generated key: the only time that it is shown.
    pub(super) fn show(&self, entry: &Entry) -> Result<(), KeysError> {
        let Key {
            id,
            client_type,
            expires_at,
            ..
        } = &entry.key;
        if let Self::Generated(key) = self {
            let mut output = io::stdout().lock();
            writeln!(output, "{}", key.expose())
                .and_then(|()| output.flush())
                .map_err(|error| KeysError::NotShown {
                    id: id.clone(),
                    error,
                })?;
        }
        let end = expires_at.map_or_else(
            || "never expires".to_owned(),
            |end| format!("expires at {end}"),
        );
        say(format_args!(
            "created the key `{id}` of client type `{client_type}`, which {end}"
        ));
        Ok(())
    }
}

/// Reads a key up to the end of its line; nothing may follow.
fn read_key(input: impl Read, allow_weak: bool) -> Result<Zeroizing<String>, KeysError> {
    // Room for one byte too many and a line end, so that it never moves and leaves a copy behind.
    let longest = LONGEST_KEY + 3;
    let mut key = Zeroizing::new(String::with_capacity(longest));
    let limit = u64::try_from(longest).unwrap_or(u64::MAX);
    let read = input.take(limit).read_to_string(&mut key);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeysError::NotAKey(PlaintextError::NotVisibleAscii));
        }
        read => read.map_err(KeysError::Input)?,
    };
    let length = key.strip_suffix('\n').unwrap_or(&key);
    let length = length.strip_suffix('\r').unwrap_or(length).len();
    key.truncate(length);
    plaintext::check(key.as_bytes()).map_err(KeysError::NotAKey)?;
    match Weakness::of(&key) {
        Some(weakness) if !allow_weak => Err(KeysError::Weak(weakness)),
        _ => Ok(key),
    }
}

/// Returns an unused id: the name and the day, and a number if necessary.
pub(in crate::cli) fn free_id<'e>(
    name: &str,
    now: Timestamp,
    taken: impl Iterator<Item = &'e Entry>,
) -> Result<KeyId, KeysError> {
    let day: Date = now.to_zoned_datetime(TimeZone::UTC).date();
    let name = without_day(name);
    let taken: HashSet<_> = taken.map(|entry| entry.key.id.as_str()).collect();
    let mut ids = (1..).map(|n| match n {
        1 => format!("{name}-{day}"),
        n => format!("{name}-{day}-{n}"),
    });
    ids.find(|id| !taken.contains(id.as_str()))
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| KeysError::NoId(name.to_owned()))
}

/// Removes the numbers at the end of a name: `cms-2026-11` becomes `cms`.
fn without_day(name: &str) -> &str {
    let mut short = name;
    while let Some((before, last)) = short.rsplit_once('-')
        && !before.is_empty()
        && last.bytes().all(|byte| byte.is_ascii_digit())
    {
        short = before;
    }
    short
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::strong("q7LmZ2xVb9KtR4wNc6Yp\n", Ok("q7LmZ2xVb9KtR4wNc6Yp"))]
    #[case::windows("q7LmZ2xVb9KtR4wNc6Yp\r\n", Ok("q7LmZ2xVb9KtR4wNc6Yp"))]
    #[case::no_line_end("q7LmZ2xVb9KtR4wNc6Yp", Ok("q7LmZ2xVb9KtR4wNc6Yp"))]
    #[case::nothing("", Err("it is empty"))]
    #[case::an_empty_line("\n", Err("it is empty"))]
    #[case::two_lines("q7LmZ2xVb9KtR4wNc6Yp\nx\n", Err("other than visible ASCII"))]
    #[case::a_blank("q7LmZ2xVb9 KtR4wNc6Yp\n", Err("other than visible ASCII"))]
    #[case::not_ascii("q7LmZ2xVb9èKtR4wNc6Yp\n", Err("other than visible ASCII"))]
    #[case::short("q7LmZ2xVb9\n", Err("shorter than 20 characters"))]
    #[case::placeholder(
        "your-api-key-here-your-api-key-here\n",
        Err("a well-known placeholder")
    )]
    #[case::variable("${SHOP_KEY}\n", Err("a template variable"))]
    #[case::simple("aaaaaaaaaaaaaaaaaaaaaaaaa\n", Err("easy to guess"))]
    fn a_key_from_standard_input(#[case] input: &str, #[case] expected: Result<&str, &str>) {
        match (read_key(input.as_bytes(), false), expected) {
            (Ok(key), Ok(expected)) => assert_eq!(key.as_str(), expected),
            (Err(error), Err(expected)) => {
                let error = error.to_string();
                assert!(error.contains(expected), "{error}");
                assert!(!error.contains("q7L") && !error.contains("aaaa"), "{error}");
            }
            (Ok(_), Err(expected)) => panic!("taken, not refused because {expected}"),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_weak_key_needs_a_flag_and_an_overlong_key_is_rejected() {
        assert_eq!(read_key(&b"weak"[..], true).unwrap().as_str(), "weak");
        assert!(read_key(&b"changeme"[..], true).is_err());
        let long = "Zq".repeat(LONGEST_KEY / 2);
        assert!(read_key(long.as_bytes(), true).is_ok());
        assert!(read_key(format!("{long}\r\n").as_bytes(), true).is_ok());
        assert!(read_key(format!("{long}x").as_bytes(), true).is_err());
        assert!(read_key(format!("{long}\r\nmore").as_bytes(), true).is_err());
        assert!(read_key(&b"\xff\xfe"[..], true).is_err());
    }

    #[rstest]
    #[case("cms", "cms")]
    #[case("cms-2026-11", "cms")]
    #[case("cms-2026-11-24-2", "cms")]
    #[case("app-v2", "app-v2")]
    #[case("2026-11", "2026")]
    #[case("-7", "-7")]
    #[case("a-", "a")]
    fn a_day_at_the_end_of_a_name_is_removed(#[case] name: &str, #[case] short: &str) {
        assert_eq!(without_day(name), short);
    }
}
