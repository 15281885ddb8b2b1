//! Failed attempts with unknown keys: counts them by address, limits them, and tags equal keys.
//!
//! A generated key is safe against brute force. The limit protects keys that people chose, and keeps
//! logs small.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, Once, PoisonError},
};

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use keygate_headers::single;

use crate::{Credential, Resolution};

/// The most addresses that are counted in one minute. Later ones are not limited: if addresses shared
/// a counter, an attacker could lock out others.
const MOST_ADDRESSES: usize = 10_000;

/// Counts and limits failed attempts.
#[derive(Debug)]
pub struct FailedKeys {
    client_address_header: Option<HeaderName>,
    limit: Option<NonZeroU32>,
    failures: Mutex<Failures>,
    /// Random, and different in each process.
    tags: RandomState,
    /// Whether the missing address was logged.
    no_address: Once,
}

/// A failed attempt: a request with a text that is not a valid key.
#[derive(Debug, Clone, Copy)]
pub struct FailedAttempt {
    /// The caller's address, if the gateway sends it.
    pub address: Option<IpAddr>,
    /// A tag that is equal for equal texts.
    pub tag: Tag,
}

/// The failed keys of one minute, by address.
#[derive(Debug, Default)]
struct Failures {
    minute: i64,
    by_address: HashMap<IpAddr, u32>,
}

/// Shows whether two attempts presented the same text, and not which one: 24 bits of a hash with a
/// secret of this process. Even with the secret, one in 16 million texts has the same tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(u32);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

impl Default for FailedKeys {
    fn default() -> Self {
        Self::by(HeaderName::from_static("x-keygate-client-address"))
    }
}

impl FailedKeys {
    /// Returns a counter that reads the address from this header, without a limit.
    #[must_use]
    pub fn by(client_address_header: HeaderName) -> Self {
        Self {
            client_address_header: Some(client_address_header),
            ..Self::without_addresses()
        }
    }

    /// Returns a counter for a gateway that does not send addresses.
    #[must_use]
    pub fn without_addresses() -> Self {
        Self {
            client_address_header: None,
            limit: None,
            failures: Mutex::default(),
            tags: RandomState::new(),
            no_address: Once::new(),
        }
    }

    /// Sets the limit of failed keys per address and minute.
    #[must_use]
    pub fn limited(self, limit: Option<NonZeroU32>) -> Self {
        Self { limit, ..self }
    }

    /// Returns the caller's address from the gateway. If there are two different ones, neither is used,
    /// because one may come from the caller.
    #[must_use]
    pub fn address(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let line = single(headers, self.client_address_header.as_ref()?).ok()??;
        line.to_str().ok()?.parse().ok()
    }

    /// Returns the tag of a presented key.
    #[must_use]
    pub fn tag(&self, presented: &[u8]) -> Tag {
        let [_, bytes @ ..] = self.tags.hash_one(presented).to_le_bytes();
        let [a, b, c, ..] = bytes;
        Tag(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Whether the caller's address has reached the limit. Without a limit the address is not read.
    pub(crate) fn is_over(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let Some(limit) = self.limit else {
            return false;
        };
        let Some(address) = self.address(headers) else {
            let header = self.client_address_header.as_ref();
            let header = header.map_or("none is set", HeaderName::as_str);
            self.no_address.call_once(|| {
                tracing::warn!(
                    target: "keygate::resolver",
                    "received a request without the caller's address in exactly one header \
                     `{header}`: failed keys are not limited for such requests"
                );
            });
            return false;
        };
        self.in_minute_of(now, |failures| {
            let count = failures.by_address.get(&network(address));
            count.is_some_and(|count| *count >= limit.get())
        })
    }

    /// Records a failed attempt, and counts it.
    pub(crate) fn notice(
        &self,
        headers: &HeaderMap,
        credential: Credential<'_>,
        resolution: &Resolution<'_>,
        now: Timestamp,
    ) -> Option<FailedAttempt> {
        let (Credential::One(presented), Resolution::Refused(refusal)) = (credential, resolution)
        else {
            return None;
        };
        if !refusal.is_failed_attempt() {
            return None;
        }
        let address = self.address(headers);
        self.count(address, now);
        let tag = self.tag(presented);
        Some(FailedAttempt { address, tag })
    }

    fn count(&self, address: Option<IpAddr>, now: Timestamp) {
        if let (Some(_), Some(address)) = (self.limit, address) {
            self.in_minute_of(now, |failures| failures.count(network(address)));
        }
    }

    fn in_minute_of<T>(&self, now: Timestamp, act: impl FnOnce(&mut Failures) -> T) -> T {
        // The counters stay valid after a panic.
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.as_second().div_euclid(60);
        if failures.minute != minute {
            failures.minute = minute;
            failures.by_address.clear();
        }
        act(&mut failures)
    }
}

impl Failures {
    fn count(&mut self, address: IpAddr) {
        if let Some(count) = self.by_address.get_mut(&address) {
            *count = count.saturating_add(1);
        } else if self.by_address.len() < MOST_ADDRESSES {
            self.by_address.insert(address, 1);
        }
    }
}

/// The network of one subscriber: for IPv6 its 2^64 addresses (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn with_addresses<T>(addresses: &[&str], act: impl FnOnce(&HeaderMap) -> T) -> T {
        let lines: Vec<_> = addresses
            .iter()
            .map(|it| ("x-keygate-client-address", *it))
            .collect();
        act(&crate::request::tests::headers(&lines))
    }

    fn limited(limit: u32) -> FailedKeys {
        FailedKeys::default().limited(NonZeroU32::new(limit))
    }

    fn fail(failed_keys: &FailedKeys, address: &str, times: u32) {
        for _ in 0..times {
            let address = with_addresses(&[address], |headers| failed_keys.address(headers));
            failed_keys.count(address, at(60));
        }
    }

    #[rstest]
    #[case::v4(&["192.0.2.1"], Some("192.0.2.1"))]
    #[case::v6(&["2001:db8::1"], Some("2001:db8::1"))]
    #[case::none(&[], None)]
    #[case::twice_the_same(&["192.0.2.1", "192.0.2.1"], Some("192.0.2.1"))]
    #[case::two(&["192.0.2.1", "192.0.2.2"], None)]
    #[case::a_list(&["192.0.2.1, 192.0.2.2"], None)]
    #[case::a_name(&["localhost"], None)]
    #[case::a_socket(&["unix:"], None)]
    fn only_one_valid_client_address_is_counted(
        #[case] lines: &[&str],
        #[case] address: Option<&str>,
    ) {
        let address = address.map(|it| it.parse().unwrap());
        let failed_keys = FailedKeys::default();
        assert_eq!(
            with_addresses(lines, |headers| failed_keys.address(headers)),
            address
        );
    }

    #[test]
    fn the_failed_key_limit_is_per_address_and_minute() {
        let failed_keys = limited(3);
        let is_over =
            |address, now| with_addresses(&[address], |headers| failed_keys.is_over(headers, now));
        fail(&failed_keys, "192.0.2.1", 2);
        assert!(!is_over("192.0.2.1", at(60)));
        fail(&failed_keys, "192.0.2.1", 1);
        assert!(is_over("192.0.2.1", at(119)));
        assert!(!is_over("192.0.2.2", at(119)));
        assert!(!with_addresses(&[], |headers| failed_keys.is_over(headers, at(119))));
        assert!(!is_over("192.0.2.1", at(120)));
    }

    #[test]
    fn addresses_of_one_subscriber_count_as_one() {
        let failed_keys = limited(2);
        fail(&failed_keys, "2001:db8:0:1::1", 1);
        fail(&failed_keys, "2001:db8:0:1:ffff::2", 1);
        fail(&failed_keys, "::ffff:192.0.2.1", 2);
        let is_over =
            |address| with_addresses(&[address], |headers| failed_keys.is_over(headers, at(60)));
        assert!(is_over("2001:db8:0:1::3"));
        assert!(!is_over("2001:db8:0:2::1"));
        assert!(is_over("192.0.2.1") && !is_over("192.0.2.2"));
    }

    #[test]
    fn a_full_table_is_bounded_and_blocks_no_new_address() {
        let failed_keys = limited(1);
        for n in 0..20_000_u32 {
            failed_keys.count(Some(IpAddr::from(n.to_be_bytes())), at(60));
        }
        let counted = failed_keys.failures.lock().unwrap().by_address.len();
        assert_eq!(counted, MOST_ADDRESSES);
        fail(&failed_keys, "192.0.2.1", 5);
        let is_over =
            |address| with_addresses(&[address], |headers| failed_keys.is_over(headers, at(60)));
        assert!(!is_over("192.0.2.1"));
        assert!(is_over("0.0.0.1"));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let failed_keys = FailedKeys::default();
        fail(&failed_keys, "192.0.2.1", 5);
        assert!(failed_keys.failures.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn a_tag_identifies_a_text_within_one_process_only() {
        let (one, other) = (FailedKeys::default(), FailedKeys::default());
        assert_eq!(one.tag(b"key"), one.tag(b"key"));
        assert_ne!(one.tag(b"key"), one.tag(b"kez"));
        assert_ne!(one.tag(b"key"), other.tag(b"key"));
        assert_eq!(Tag(0xa1).to_string(), "0000a1");
        assert_eq!(one.tag(b"key").to_string().len(), 6);
    }
}
