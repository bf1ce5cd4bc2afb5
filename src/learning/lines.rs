//! The lines of a profile that rules are, as they are written and read.

use std::{collections::BTreeMap, net::IpAddr};

use super::{deed::Kind, networks::Peers};

/// Behind this line of a probe stand its rules about addresses.
pub const ANCHOR: &str = "// Addresses and ports.";
/// What the names of a list's directories, and of its patterns, end with; and that of address families.
pub const BELOW: &str = "_below";
pub const LIKE: &str = "_like";
pub const FAMILIES: &str = "_families";
/// How a rule about addresses begins.
pub const PEER: &str = "|| (e.port ";

/// The lines that a profile is made of.
#[derive(Debug, Default)]
pub struct Lines {
    /// By the names of their lists.
    pub lists: BTreeMap<String, Vec<String>>,
    pub addresses: BTreeMap<Kind, Vec<String>>,
}

/// The line of a rule about addresses, without what is said of it.
pub fn peer_line(peers: &Peers) -> String {
    let Peers { first, last, network, bits } = peers;
    let ports = if first == last { format!("== {first}") } else { format!("in {first}..={last}") };
    let whole = match network {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let network = if *bits == whole { network.to_string() } else { format!("{network}/{bits}") };
    format!("{PEER}{ports} && e.address in cidr(\"{network}\"))")
}
