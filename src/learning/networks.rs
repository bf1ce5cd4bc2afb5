//! Many addresses, said as their network.
//!
//! In: addresses and ports. Out: networks with ports or ranges of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use super::seen::Seen;

/// So many addresses of a network are the network.
const MANY: usize = 4;
/// Ports that the kernel chooses from, unless told otherwise (ip_local_port_range).
const CHOSEN: RangeInclusive<u16> = 32768..=65535;
/// So many of them at one address are all of them.
const MANY_PORTS: usize = 3;

/// Addresses, from this one on, of which so many bits are the same; and ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peers {
    pub first: u16,
    pub last: u16,
    pub network: IpAddr,
    pub bits: u8,
}

/// Makes rules of what was seen.
pub fn peers(seen: &BTreeMap<(IpAddr, u16), Seen>) -> Vec<(Peers, Seen)> {
    let ports = chosen_ports(seen);
    let mut by_ports: BTreeMap<(u16, u16), BTreeMap<IpAddr, Seen>> = BTreeMap::new();
    for ((address, port), seen) in seen {
        let is_chosen = CHOSEN.contains(port) && ports.contains(address);
        let range = if is_chosen { (*CHOSEN.start(), *CHOSEN.end()) } else { (*port, *port) };
        by_ports.entry(range).or_default().entry(*address).or_default().add(seen);
    }
    let mut found = Vec::new();
    for ((first, last), addresses) in by_ports {
        let mut by_network: BTreeMap<(IpAddr, u8), BTreeMap<IpAddr, Seen>> = BTreeMap::new();
        for (address, seen) in addresses {
            by_network.entry(network_of(address)).or_default().insert(address, seen);
        }
        for ((network, bits), addresses) in by_network {
            if addresses.len() < MANY {
                let alone = |(address, seen): (IpAddr, Seen)| {
                    let bits = if address.is_ipv4() { 32 } else { 128 };
                    (Peers { first, last, network: address, bits }, seen)
                };
                found.extend(addresses.into_iter().map(alone));
                continue;
            }
            let mut all = Seen::default();
            addresses.values().for_each(|seen| all.add(seen));
            found.push((Peers { first, last, network, bits }, all));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The addresses with which ports change from one run to the next.
fn chosen_ports(seen: &BTreeMap<(IpAddr, u16), Seen>) -> BTreeSet<IpAddr> {
    let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (address, _) in seen.keys().filter(|(_, port)| CHOSEN.contains(port)) {
        *counts.entry(*address).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count >= MANY_PORTS).map(|(address, _)| address).collect()
}

/// The network that an address is usually routed with: /24, and /64 of IPv6.
fn network_of(address: IpAddr) -> (IpAddr, u8) {
    match address {
        IpAddr::V4(address) => (Ipv4Addr::from_bits(address.to_bits() & !0xff).into(), 24),
        IpAddr::V6(address) => (Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(), 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seen: &[(&str, u16)]) -> Vec<String> {
        let mut all: BTreeMap<(IpAddr, u16), Seen> = BTreeMap::new();
        for (address, port) in seen {
            all.entry((address.parse().unwrap(), *port)).or_default().once("/usr/bin/curl");
        }
        let text = |(peers, _): (Peers, Seen)| {
            format!("{}/{} {}-{}", peers.network, peers.bits, peers.first, peers.last)
        };
        peers(&all).into_iter().map(text).collect()
    }

    #[test]
    fn many_addresses_are_their_network_for_one_port() {
        let four = [("10.0.0.1", 443), ("10.0.0.2", 443), ("10.0.0.3", 443), ("10.0.0.9", 443)];
        assert_eq!(of(&four), ["10.0.0.0/24 443-443"]);
        assert_eq!(of(&four[..3]).len(), 3);
        assert_eq!(of(&[("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.3", 3), ("10.0.0.4", 4)]).len(), 4);
        assert_eq!(
            of(&[
                ("2001:db8::1", 53),
                ("2001:db8::2", 53),
                ("2001:db8::3", 53),
                ("2001:db8::4", 53),
                ("::1", 53)
            ]),
            ["::1/128 53-53", "2001:db8::/64 53-53"]
        );
    }

    #[test]
    fn ports_that_the_kernel_chose_are_all_of_them() {
        assert_eq!(
            of(&[("127.0.0.1", 40001), ("127.0.0.1", 40002), ("127.0.0.1", 51234), ("127.0.0.1", 80)]),
            ["127.0.0.1/32 80-80", "127.0.0.1/32 32768-65535"]
        );
        assert_eq!(of(&[("127.0.0.1", 40001)]), ["127.0.0.1/32 40001-40001"]);
    }
}
