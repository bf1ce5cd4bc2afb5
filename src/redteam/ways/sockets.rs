//! Ways to a connection, and to a socket.

use std::{
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use nix::{errno::Errno, libc};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{Deed, Scene, cannot};
use crate::{
    attempt::family,
    redteam::{
        child::{Answer, Trouble},
        gates::{self, Low},
        ring::{self, Entry, Ring},
    },
};

/// The connection was permitted: it is under way, or there is nobody, or no way there.
fn permitted(answer: Result<(), Errno>) -> Answer {
    match answer {
        Ok(())
        | Err(
            Errno::EINPROGRESS
            | Errno::ECONNREFUSED
            | Errno::ENETUNREACH
            | Errno::EHOSTUNREACH
            | Errno::ETIMEDOUT
            | Errno::EADDRNOTAVAIL,
        ) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// A socket that waits for nothing, of the address' family.
fn stream(address: IpAddr, protocol: Option<Protocol>) -> Result<Socket, Trouble> {
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn target(deed: &Deed) -> Result<(IpAddr, u16), Trouble> {
    match deed {
        Deed::Connect { address, port } => Ok((*address, *port)),
        _ => Err(Trouble::Cannot("it is no connection".into())),
    }
}

fn sockaddr(address: IpAddr, port: u16) -> SockAddr {
    SocketAddr::new(address, port).into()
}

/// Begins to connect, and does not wait.
///
/// # Errors
/// What the kernel says.
pub fn connect(address: IpAddr, port: u16, protocol: Option<Protocol>) -> Answer {
    let socket = stream(address, protocol)?;
    permitted(socket.connect(&sockaddr(address, port)).map_err(|error| errno(&error)))
}

pub fn mapped(deed: &Deed, _: &Scene) -> Answer {
    match target(deed)? {
        (IpAddr::V4(v4), port) => connect(v4.to_ipv6_mapped().into(), port, None),
        (IpAddr::V6(_), _) => cannot("it is no address of IPv4"),
    }
}

pub fn unspecified(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    match address {
        _ if !address.is_loopback() => cannot("it is not the host's own loopback"),
        IpAddr::V4(_) => connect(Ipv4Addr::UNSPECIFIED.into(), port, None),
        IpAddr::V6(_) => connect(Ipv6Addr::UNSPECIFIED.into(), port, None),
    }
}

pub fn other_family(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    match address {
        _ if !address.is_loopback() => cannot("of the loopback alone it is known which the other one is"),
        IpAddr::V4(_) => connect(Ipv6Addr::LOCALHOST.into(), port, None),
        IpAddr::V6(_) => connect(Ipv4Addr::LOCALHOST.into(), port, None),
    }
}

pub fn fast_open(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    let socket = stream(address, None)?;
    let to = sockaddr(address, port);
    let flags = libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL;
    permitted(socket.send_to_with_flags(b"", &to, flags).map(drop).map_err(|error| errno(&error)))
}

pub fn multipath(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    connect(address, port, Some(Protocol::from(libc::IPPROTO_MPTCP)))
}

pub fn ring_connect(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    let (socket, to) = (stream(address, None)?, sockaddr(address, port));
    let entry = Entry {
        operation: ring::CONNECT,
        file: socket.as_raw_fd(),
        address: to.as_ptr().expose_provenance() as u64,
        offset: u64::from(to.len()),
        ..Entry::default()
    };
    permitted(Ring::new()?.perform(&entry).map(drop))
}

/// The bytes of an address.
fn bytes(address: &SockAddr) -> &[u8] {
    // SAFETY: so many bytes are there, and live as long as the address.
    unsafe { std::slice::from_raw_parts(address.as_ptr().cast(), address.len() as usize) }
}

pub fn connect_32(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    let (socket, to) = (stream(address, None)?, sockaddr(address, port));
    let at = Low::new()?.put(bytes(&to))?;
    let descriptor = socket.as_raw_fd().cast_unsigned();
    permitted(gates::call_32(gates::CONNECT_32, [descriptor, at, to.len()]).map(drop))
}

pub fn connect_x32(deed: &Deed, _: &Scene) -> Answer {
    let (address, port) = target(deed)?;
    let (socket, to) = (stream(address, None)?, sockaddr(address, port));
    let descriptor = u64::from(socket.as_raw_fd().cast_unsigned());
    let at = to.as_ptr().expose_provenance() as u64;
    permitted(gates::call_x32(libc::SYS_connect, [descriptor, at, u64::from(to.len())]).map(drop))
}

/// Family, type and protocol of what a socket deed names.
fn parts(deed: &Deed) -> Result<[u32; 3], Trouble> {
    let Deed::Socket { family: name } = deed else { return Err(Trouble::Cannot("it is no socket".into())) };
    of_family(name)
}

fn of_family(name: &str) -> Result<[u32; 3], Trouble> {
    let (family, kind, protocol) =
        family(name).ok_or_else(|| Trouble::Cannot(format!("there is no family `{name}`")))?;
    Ok([family, kind, protocol].map(i32::cast_unsigned))
}

/// Makes a socket of a family, and closes it.
///
/// # Errors
/// What the kernel says.
pub fn socket(name: &str) -> Answer {
    let [family, kind, protocol] = of_family(name)?.map(u32::cast_signed);
    Socket::new(Domain::from(family), Type::from(kind), Some(Protocol::from(protocol)))?;
    Ok(())
}

/// Closes what a call has made.
fn closed(answer: Result<i32, Errno>) -> Answer {
    let number = answer?;
    // SAFETY: a descriptor that the kernel has just given, and nobody else has.
    mem::drop(unsafe { OwnedFd::from_raw_fd(number) });
    Ok(())
}

pub fn ring_socket(deed: &Deed, _: &Scene) -> Answer {
    let [family, kind, protocol] = parts(deed)?;
    let entry = Entry {
        operation: ring::SOCKET,
        file: family.cast_signed(),
        offset: u64::from(kind),
        length: protocol,
        ..Entry::default()
    };
    closed(Ring::new()?.perform(&entry))
}

pub fn socket_32(deed: &Deed, _: &Scene) -> Answer {
    closed(gates::call_32(gates::SOCKET_32, parts(deed)?))
}

pub fn socket_x32(deed: &Deed, _: &Scene) -> Answer {
    let made = gates::call_x32(libc::SYS_socket, parts(deed)?.map(u64::from))?;
    closed(i32::try_from(made).map_err(|_| Errno::EBADF))
}
