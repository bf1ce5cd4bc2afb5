//! What the claims about templates of sockets share: sockets by system calls, and the truth about them.

use std::{fs, net::IpAddr, os::unix::fs::MetadataExt, time::Duration};

use nix::{errno::Errno, libc};
use serde_json::{Map, Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Performed},
    pace::until,
    same,
    shell::Shell,
    task::{self, Identity, ME, Task, exit_code},
};

/// Nothing here fails with this of its own accord.
pub const DENIED: Errno = Errno::EXDEV;

pub fn net_ns() -> Result<u64, String> {
    Ok(fs::metadata("/proc/self/ns/net").map_err(|e| e.to_string())?.ino())
}

// ---- addresses, as bytes ----------------------------------------------------

fn family(family: i32) -> [u8; 2] {
    (family as u16).to_ne_bytes()
}

pub fn ip(address: &str, port: u16) -> Vec<u8> {
    let address: IpAddr = address.parse().expect("an address");
    let head = |of: i32| [family(of), port.to_be_bytes()].concat();
    match address {
        IpAddr::V4(v4) => [&head(libc::AF_INET)[..], &v4.octets(), &[0; 8]].concat(),
        IpAddr::V6(v6) => [&head(libc::AF_INET6)[..], &[0; 4], &v6.octets(), &[0; 4]].concat(),
    }
}

/// `@name` for an abstract one; a file's name is ended by a NUL.
pub fn un(name: &str) -> Vec<u8> {
    let name = name.strip_prefix('@').map_or_else(|| format!("{name}\0"), |rest| format!("\0{rest}"));
    [&family(libc::AF_UNIX)[..], name.as_bytes()].concat()
}

pub fn nl(port: u32, groups: u32) -> Vec<u8> {
    [&family(libc::AF_NETLINK)[..], &[0; 2], &port.to_ne_bytes(), &groups.to_ne_bytes()].concat()
}

/// `struct sockaddr_ll`.
pub fn ll(ethertype: u16, interface: u32) -> Vec<u8> {
    [&family(libc::AF_PACKET)[..], &ethertype.to_be_bytes(), &interface.to_ne_bytes(), &[0; 12]].concat()
}

/// The same address, which says that it is of another family.
pub fn said_to_be(of: i32, mut address: Vec<u8>) -> Vec<u8> {
    address[..2].copy_from_slice(&family(of));
    address
}

// ---- system calls -----------------------------------------------------------

pub fn socket(domain: i32, kind: i32, protocol: i32) -> Result<i32, Errno> {
    // SAFETY: a call that takes numbers.
    Errno::result(unsafe { libc::socket(domain, kind, protocol) })
}

pub fn bind(socket: i32, address: &[u8]) -> Result<(), Errno> {
    // SAFETY: no more bytes are read than there are.
    Errno::result(unsafe { libc::bind(socket, address.as_ptr().cast(), address.len() as u32) }).map(drop)
}

pub fn connect(socket: i32, address: &[u8]) -> Result<(), Errno> {
    // SAFETY: no more bytes are read than there are.
    Errno::result(unsafe { libc::connect(socket, address.as_ptr().cast(), address.len() as u32) }).map(drop)
}

pub fn listen(socket: i32, backlog: i32) -> Result<(), Errno> {
    // SAFETY: a call that takes numbers.
    Errno::result(unsafe { libc::listen(socket, backlog) }).map(drop)
}

pub fn accept(socket: i32) -> Result<i32, Errno> {
    let none = std::ptr::null_mut();
    // SAFETY: no address is asked for.
    Errno::result(unsafe { libc::accept(socket, none, none.cast()) })
}

pub fn send_to(socket: i32, data: &[u8], address: &[u8]) -> Result<(), Errno> {
    let (to, length) = (address.as_ptr().cast(), address.len() as u32);
    // SAFETY: no more bytes are read than there are.
    let sent =
        unsafe { libc::sendto(socket, data.as_ptr().cast(), data.len(), libc::MSG_NOSIGNAL, to, length) };
    Errno::result(sent).map(drop)
}

pub fn send(socket: i32, data: &[u8]) -> Result<(), Errno> {
    // SAFETY: no more bytes are read than there are.
    let sent = unsafe { libc::send(socket, data.as_ptr().cast(), data.len(), libc::MSG_NOSIGNAL) };
    Errno::result(sent).map(drop)
}

/// An option of which the value is these bytes.
pub fn set_option(socket: i32, level: i32, number: i32, value: &[u8]) -> Result<(), Errno> {
    let (at, length) = (value.as_ptr().cast(), value.len() as u32);
    // SAFETY: no more bytes are read than there are.
    Errno::result(unsafe { libc::setsockopt(socket, level, number, at, length) }).map(drop)
}

/// The port that the kernel has given it.
pub fn own_port(socket: i32) -> Result<u16, Errno> {
    let mut address = [0u8; 28];
    let mut length = address.len() as u32;
    // SAFETY: no more bytes are written than there are.
    Errno::result(unsafe { libc::getsockname(socket, address.as_mut_ptr().cast(), &raw mut length) })?;
    Ok(u16::from_be_bytes([address[2], address[3]]))
}

// ---- tasks ------------------------------------------------------------------

pub fn made(deed: impl FnOnce() -> Result<(), Errno>) -> Result<Task, String> {
    made_by(&ME, deed)
}

pub fn made_by(identity: &Identity, deed: impl FnOnce() -> Result<(), Errno>) -> Result<Task, String> {
    task::perform(identity, || exit_code(deed()))
}

/// By the one whom the rows are about; `told` joined.
pub fn acted(told: &[Value], deed: impl FnOnce() -> Result<(), Errno>) -> Result<Performed, String> {
    Ok(Performed { task: made_by(&ACTOR, deed)?, tells: joined(told) })
}

/// Whether we refused it; whatever else becomes of it is not our business.
pub fn denied(deed: impl FnOnce() -> Result<(), Errno>) -> Result<bool, String> {
    match made(deed)?.deed {
        task::Deed::Refused(errno) => Ok(errno == DENIED),
        task::Deed::Done => Ok(false),
        other => Err(format!("{other:?}")),
    }
}

/// What a task can do more than once.
pub type Deed<'a> = Box<dyn FnMut() -> Result<(), Errno> + 'a>;

/// What is denied, and what is not, once the shell has said so.
pub fn rules(template: &str, params: &str, mut acts: Vec<(&str, Deed<'_>, bool)>) -> Outcome {
    let shell = probe(template, params, ".deny(\"EXDEV\")")?;
    for (name, act, expected) in &mut acts {
        same(&format!("{params}: {name}: denied"), denied(act)?, *expected)?;
    }
    shell.stop()?.well()
}

/// A probe, named `t`, of this process and its children.
pub fn probe(template: &str, params: &str, rest: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"{template}\", #{{{params}}}).scope(#{{pid: {}}}){rest}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

pub fn event(shell: &mut Shell, pid: u32) -> Result<Value, String> {
    shell.wait_for(|line| line["type"] == "event" && line["pid"] == pid)
}

/// Each field is told as it is.
pub fn tells(event: &Value, truth: &Value) -> Outcome {
    let fields = truth.as_object().ok_or("no truth")?;
    fields.iter().try_for_each(|(name, value)| same(name, &event[name], value))
}

/// Waits until it is so.
pub fn soon(what: &str, is_so: impl FnMut() -> Result<bool, String>) -> Outcome {
    until(what, Duration::from_secs(10), is_so)
}

// ---- the truth --------------------------------------------------------------

pub fn joined(parts: &[Value]) -> Value {
    let fields = parts.iter().filter_map(Value::as_object).flatten();
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

pub fn kind(family: &str, kind: &str, protocol: &str, netlink: &str) -> Value {
    json!({"family": family, "socket_type": kind, "protocol": protocol, "netlink_protocol": netlink})
}

pub fn tcp4() -> Value {
    kind("inet", "stream", "tcp", "none")
}

pub fn udp4() -> Value {
    kind("inet", "dgram", "udp", "none")
}

/// The socket's own, or where it goes to.
pub fn at(address: &str, port: u16, path: &str) -> Value {
    json!({"address": address, "port": port, "path": path, "path_length": path.len()})
}

/// No address of the other families.
pub fn no_vsock() -> Value {
    json!({"cid": "none", "vsock_port": 0})
}

pub fn no_netlink() -> Value {
    json!({"netlink_port": 0, "netlink_groups": 0})
}

pub fn no_device() -> Value {
    json!({"ifindex": 0, "ethertype": "none"})
}

pub fn here() -> Result<Value, String> {
    Ok(json!({"net_ns": net_ns()?}))
}
