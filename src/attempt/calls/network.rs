//! Sockets. They are closed with the process; nothing is sent but what opens a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use super::Answer;
use crate::attempt::arguments::{Arguments, Failure};

/// Families by the names of [`FAMILY_NAMES`]: family, type, protocol.
const FAMILIES: [(i32, i32, i32); FAMILY_NAMES.len()] = [
    (libc::AF_UNIX, libc::SOCK_STREAM, 0),
    (libc::AF_INET, libc::SOCK_STREAM, 0),
    (libc::AF_INET6, libc::SOCK_STREAM, 0),
    (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
    (libc::AF_PACKET, libc::SOCK_RAW, 0),
    (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
    (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT),
    (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    (libc::AF_CAN, libc::SOCK_RAW, 1),
    (libc::AF_BLUETOOTH, libc::SOCK_SEQPACKET, 0),
    (libc::AF_RDS, libc::SOCK_SEQPACKET, 0),
    (libc::AF_TIPC, libc::SOCK_SEQPACKET, 0),
    (libc::AF_XDP, libc::SOCK_RAW, 0),
    (libc::AF_KEY, libc::SOCK_RAW, 2),
];

/// What a socket may be of.
pub const FAMILY_NAMES: &[&str] = &[
    "unix",
    "inet",
    "inet6",
    "raw",
    "packet",
    "netlink",
    "audit",
    "alg",
    "vsock",
    "can",
    "bluetooth",
    "rds",
    "tipc",
    "xdp",
    "key",
];

/// Returns family, type and protocol of a name.
#[must_use]
pub fn family(name: &str) -> Option<(i32, i32, i32)> {
    let at = FAMILY_NAMES.iter().position(|known| *known == name)?;
    FAMILIES.get(at).copied()
}

/// Makes a socket. The kernel may load a module for its family.
pub fn socket(arguments: &Arguments) -> Answer {
    let name = arguments.text(0);
    let (family, kind, protocol) =
        family(name).ok_or_else(|| Failure::NotAttempted(format!("there is no family `{name}`")))?;
    Socket::new(Domain::from(family), Type::from(kind), Some(Protocol::from(protocol)))?;
    Ok(())
}

fn stream(address: IpAddr) -> Result<Socket, Failure> {
    let family = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    Ok(Socket::new(family, Type::STREAM, None)?)
}

fn bound(arguments: &Arguments) -> Result<Socket, Failure> {
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    let socket = stream(address)?;
    let port = u16::try_from(arguments.number(0)).unwrap_or_default();
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(socket)
}

/// Binds a socket to a port of 127.0.0.1.
pub fn bind(arguments: &Arguments) -> Answer {
    bound(arguments).map(drop)
}

/// Listens on a port of 127.0.0.1, for a moment.
pub fn listen(arguments: &Arguments) -> Answer {
    Ok(bound(arguments)?.listen(1)?)
}

/// Begins to connect, and does not wait.
pub fn connect(arguments: &Arguments) -> Answer {
    let address: IpAddr = arguments
        .text(0)
        .parse()
        .map_err(|_| Failure::NotAttempted(format!("`{}` is not an IP address", arguments.text(0))))?;
    let port = u16::try_from(arguments.number(1)).unwrap_or_default();
    let socket = stream(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket.connect(&SocketAddr::new(address, port).into())?)
}
