//! A network of IP addresses, as a script writes it: `10.0.0.0/8`, `2001:db8::/32`, or one address.
//!
//! An IPv4 address in the form of IPv6 (`::ffff:10.0.0.1`) is that IPv4 address, and
//! `::ffff:10.0.0.0/104` is `10.0.0.0/8`: the kernel sends IPv4 to both, and the templates see them so.
//! `::/0` is every IPv6 address, and no IPv4 one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Bits before an IPv4 address in its IPv6 form.
const MAPPED_BITS: u8 = 96;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// Its first address.
    address: IpAddr,
    prefix: u8,
}

/// Some networks, as a script holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// Tells whether a text is an address in one of them, or the unspecified one (0.0.0.0, ::) and reaches one of them.
    #[must_use]
    pub fn contain(&self, address: &str) -> bool {
        address.parse().is_ok_and(|address| self.matching().iter().any(|network| network.contains(address)))
    }

    /// Lists the networks of the addresses that reach one of these: whoever connects to 0.0.0.0 or :: gets to the
    /// loopback. So the params that name networks have it (`krsi_reach` of the templates).
    #[must_use]
    pub fn matching(&self) -> Vec<Network> {
        const LOOPBACKS: [(IpAddr, IpAddr); 2] = [
            (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        ];
        let has = |address: IpAddr| self.0.iter().any(|network| network.contains(address));
        let reaching =
            LOOPBACKS.into_iter().filter(|(loopback, unspecified)| has(*loopback) && !has(*unspecified));
        let one = |(_, address): (IpAddr, IpAddr)| Network { address, prefix: longest(address) };
        self.0.iter().copied().chain(reaching.map(one)).collect()
    }
}

/// Gives the prefix length of one address.
fn longest(of: IpAddr) -> u8 {
    if of.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error(
        "`{given}` is no IP address; allowed: an address or a network, such as `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32` (names are not looked up)"
    )]
    NoAddress { given: String },
    #[error("`{given}` has a zone after its `%`, which no network has; write the address without it")]
    Zone { given: String },
    #[error("`{given}` has no prefix length that such an address can have; allowed: /0 to /{longest}")]
    Prefix { given: String, longest: u8 },
    #[error(
        "`{given}` has bits set after its prefix; the network is `{network}`, the one address is `{address}`"
    )]
    HostBits { given: String, network: Network, address: IpAddr },
}

impl Network {
    /// # Errors
    /// If it is not an address, the prefix is longer than one, or bits are set behind it.
    pub fn parse(given: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = given.split_once('/').map_or((given, None), |(a, p)| (a, Some(p)));
        if address.contains('%') {
            return Err(NetworkError::Zone { given: given.to_owned() });
        }
        let address: IpAddr =
            address.parse().map_err(|_| NetworkError::NoAddress { given: given.to_owned() })?;
        let longest = longest(address);
        let prefix = match prefix {
            None => longest,
            // `parse` would take a sign.
            Some(digits) => Some(digits)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|prefix| *prefix <= longest)
                .ok_or_else(|| NetworkError::Prefix { given: given.to_owned(), longest })?,
        };
        let first = first_of(address, prefix);
        let network = Network { address: first, prefix }.canonical();
        if first != address {
            return Err(NetworkError::HostBits { given: given.to_owned(), network, address });
        }
        Ok(network)
    }

    fn canonical(self) -> Self {
        match self.address {
            IpAddr::V6(address) if self.prefix >= MAPPED_BITS => match address.to_ipv4_mapped() {
                Some(v4) => Network { address: v4.into(), prefix: self.prefix - MAPPED_BITS },
                None => self,
            },
            _ => self,
        }
    }

    #[must_use]
    pub fn version(&self) -> u8 {
        if self.address.is_ipv4() { 4 } else { 6 }
    }

    /// The first address, in the 16 bytes that IPv6 has for it.
    #[must_use]
    pub fn octets(&self) -> [u8; 16] {
        octets(self.address)
    }

    /// How many of those 128 bits all its addresses have in common.
    #[must_use]
    pub fn common_bits(&self) -> u8 {
        if self.address.is_ipv4() { MAPPED_BITS + self.prefix } else { self.prefix }
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && first_of(address, self.prefix) == self.address
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address with zeros behind its first bits.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        Network::parse(text).map(|n| n.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(parse("10.0.0.1").unwrap(), "10.0.0.1/32");
        assert_eq!(parse("::1").unwrap(), "::1/128");
        assert_eq!(parse("0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert_eq!(parse("2001:DB8::/32").unwrap(), "2001:db8::/32");
    }

    #[test]
    fn ipv4_in_the_form_of_ipv6_is_ipv4() {
        assert_eq!(parse("::ffff:10.0.0.1").unwrap(), "10.0.0.1/32");
        assert_eq!(parse("::ffff:10.0.0.0/104").unwrap(), "10.0.0.0/8");
        assert_eq!(parse("::ffff:0:0/96").unwrap(), "0.0.0.0/0");
        let all = Network::parse("::/0").unwrap();
        assert!(!all.contains("::ffff:10.0.0.1".parse().unwrap()) && all.contains("::1".parse().unwrap()));
        assert!(Network::parse("10.0.0.0/8").unwrap().contains("::ffff:10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_is() {
        for bad in ["", "10.0.0", "example.com", "10.0.0.0/8/8", "1.2.3.4.5/8", "010.0.0.1", "10.0.0.1 "] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/256"] {
            assert!(parse(bad).unwrap_err().contains("/0 to /32"), "{bad}");
        }
        assert!(parse("::/129").unwrap_err().contains("/0 to /128"));
        assert!(parse("fe80::1%eth0").unwrap_err().contains("zone"));
        let error = parse("10.0.0.1/8").unwrap_err();
        assert!(error.contains("`10.0.0.0/8`") && error.contains("`10.0.0.1`"), "{error}");
        assert!(parse("::ffff:10.0.0.1/8").unwrap_err().contains("`::/8`"));
        assert!(parse("::ffff:10.0.0.1/104").unwrap_err().contains("`10.0.0.0/8`"));
    }

    #[test]
    fn what_reaches_the_loopback_is_in_its_networks() {
        let contains = |networks: &[&str], address: &str| {
            Networks(networks.iter().map(|text| Network::parse(text).unwrap()).collect()).contain(address)
        };
        for (networks, address, inside) in [
            (&["127.0.0.0/8"][..], "0.0.0.0", true),
            (&["127.0.0.1"], "::ffff:0.0.0.0", true),
            (&["127.0.0.0/8"], "::", false),
            (&["::1"], "::", true),
            (&["::1"], "0.0.0.0", false),
            (&["10.0.0.0/8", "::/0"], "0.0.0.0", false),
            (&["0.0.0.0"], "0.0.0.0", true),
            (&["0.0.0.0"], "127.0.0.1", false),
            (&["127.0.0.2"], "0.0.0.0", false),
        ] {
            assert_eq!(contains(networks, address), inside, "{networks:?} {address}");
        }
    }

    #[test]
    fn edges_are_inside_and_their_neighbours_are_not() {
        let network = Network::parse("10.128.0.0/9").unwrap();
        for (address, inside) in [
            ("10.128.0.0", true),
            ("10.255.255.255", true),
            ("10.127.255.255", false),
            ("11.0.0.0", false),
            ("::a80:0", false),
        ] {
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert_eq!((network.common_bits(), network.version()), (105, 4));
        assert_eq!(network.octets()[12..], [10, 128, 0, 0]);
    }
}
