//! Who may send trusted headers: the peers of a connection.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::Deserialize;

/// The peer of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Somebody who may open the Unix socket.
    Unix,
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("a Unix socket (`unix`)"),
            Self::Address(address) => write!(f, "`{}`", address.to_canonical()),
        }
    }
}

/// Peers that are trusted; at least one entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Peers(Vec<Entry>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Unix,
    Network(IpNet),
    Any,
}

/// Why a list of peers is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeers {
    /// It is empty.
    #[error(
        "`peers` is empty: list the gateways that can send the trusted headers, such as `unix` or \
         `10.1.0.0/16`"
    )]
    Empty,
    /// An entry is none.
    #[error("`{0}` is neither `unix` nor an address or a network, such as `10.1.0.0/16`")]
    NotAPeer(String),
    /// An entry is the whole Internet.
    #[error("`{0}` lets anybody choose a user: if you want that, write `any-peer-dangerous`")]
    Everybody(String),
}

impl Peers {
    /// Whether headers of this peer are believed.
    #[must_use]
    pub fn contains(&self, peer: Peer) -> bool {
        self.0.iter().any(|entry| match (entry, peer) {
            (Entry::Any, _) | (Entry::Unix, Peer::Unix) => true,
            // An IPv4 peer of a dual-stack listener has an IPv6 address.
            (Entry::Network(network), Peer::Address(address)) => {
                network.contains(&address.to_canonical())
            }
            (Entry::Unix, Peer::Address(_)) | (Entry::Network(_), Peer::Unix) => false,
        })
    }
}

impl TryFrom<Vec<String>> for Peers {
    type Error = InvalidPeers;

    fn try_from(entries: Vec<String>) -> Result<Self, InvalidPeers> {
        if entries.is_empty() {
            return Err(InvalidPeers::Empty);
        }
        let entries = entries.iter().map(|entry| entry.parse());
        entries.collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Entry {
    type Err = InvalidPeers;

    fn from_str(text: &str) -> Result<Self, InvalidPeers> {
        match text {
            "unix" => return Ok(Self::Unix),
            "any-peer-dangerous" => return Ok(Self::Any),
            _ => {}
        }
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(canonical)
            .map_err(|_| InvalidPeers::NotAPeer(text.to_owned()))?;
        if network.prefix_len() == 0 {
            return Err(InvalidPeers::Everybody(text.to_owned()));
        }
        Ok(Self::Network(network))
    }
}

/// IPv4 addresses that are written as IPv6 ones: peers are compared by their IPv4 address.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let address = mapped.addr().to_ipv4_mapped();
    let length = mapped.prefix_len().checked_sub(96);
    address
        .zip(length)
        .and_then(|(address, length)| IpNet::new(address.into(), length).ok())
        .unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn peers(entries: &[&str]) -> Result<Peers, InvalidPeers> {
        let entries: Vec<_> = entries.iter().map(|it| (*it).to_owned()).collect();
        Peers::try_from(entries)
    }

    #[rstest]
    #[case(&["unix"], "unix", true)]
    #[case(&["unix"], "127.0.0.1", false)]
    #[case(&["10.1.0.0/16"], "10.1.255.255", true)]
    #[case(&["10.1.0.0/16"], "10.2.0.0", false)]
    #[case(&["10.1.0.0/16"], "::ffff:10.1.0.1", true)]
    #[case(&["10.1.0.0/16"], "unix", false)]
    #[case(&["::ffff:10.1.0.0/112"], "10.1.0.1", true)]
    #[case(&["::ffff:10.1.0.0/112"], "10.2.0.1", false)]
    #[case(&["::ffff:10.1.0.1"], "::ffff:10.1.0.1", true)]
    #[case(&["192.0.2.1"], "192.0.2.1", true)]
    #[case(&["192.0.2.1"], "192.0.2.2", false)]
    #[case(&["fd00::/8", "unix"], "fd00::1", true)]
    #[case(&["any-peer-dangerous"], "192.0.2.1", true)]
    #[case(&["any-peer-dangerous"], "unix", true)]
    fn only_named_peers_are_trusted(
        #[case] entries: &[&str],
        #[case] peer: &str,
        #[case] expected: bool,
    ) {
        let peer = peer.parse().map_or(Peer::Unix, Peer::Address);
        assert_eq!(peers(entries).unwrap().contains(peer), expected);
    }

    #[rstest]
    #[case(&[], InvalidPeers::Empty)]
    #[case(&["gateway"], InvalidPeers::NotAPeer("gateway".to_owned()))]
    #[case(&["unix", "10.0.0.0/33"], InvalidPeers::NotAPeer("10.0.0.0/33".to_owned()))]
    #[case(&["0.0.0.0/0"], InvalidPeers::Everybody("0.0.0.0/0".to_owned()))]
    #[case(&["::/0"], InvalidPeers::Everybody("::/0".to_owned()))]
    #[case(&["::ffff:0:0/96"], InvalidPeers::Everybody("::ffff:0:0/96".to_owned()))]
    fn other_lists_are_rejected(#[case] entries: &[&str], #[case] error: InvalidPeers) {
        assert_eq!(peers(entries), Err(error));
    }
}
