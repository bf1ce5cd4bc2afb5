//! Claims about the template `socket`.

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed},
    net::{self, DENIED, kind, made, net_ns, probe, tells},
    same,
    task::Deed,
};

/// All frames, as packet sockets are asked for them.
const ALL_FRAMES: i32 = (libc::ETH_P_ALL as u16).to_be() as i32;
const MPTCP: i32 = 262;

pub const CASE: Case = Case {
    template: "socket",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("IPv4", "socket_create", || {
            made_of(libc::AF_INET, libc::SOCK_STREAM, 0, kind("inet", "stream", "tcp", "none"))
        }),
        Act::new("netlink", "socket_create", || {
            let told = kind("netlink", "raw", "none", "generic");
            made_of(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_GENERIC, told)
        }),
        Act::new("packet", "socket_create", || {
            made_of(libc::AF_PACKET, libc::SOCK_RAW, ALL_FRAMES, kind("packet", "raw", "none", "none"))
        }),
    ],
};

fn made_of(domain: i32, of: i32, number: i32, told: Value) -> Result<Performed, String> {
    let told = [told, json!({"number": number, "net_ns": net_ns()?})];
    net::acted(&told, || net::socket(domain, of, number).map(drop))
}

/// A family that is refused is refused before the kernel looks whether it has it: without a module it says EAFNOSUPPORT
/// otherwise. And all others go on to work.
pub fn alg() -> Outcome {
    let mut shell = probe("socket", "family: [\"alg\", \"vsock\"]", ".deny(\"EXDEV\")")?;
    for (domain, of, name, type_name) in [
        (libc::AF_ALG, libc::SOCK_SEQPACKET, "alg", "seqpacket"),
        (libc::AF_VSOCK, libc::SOCK_STREAM, "vsock", "stream"),
    ] {
        let task = made(|| net::socket(domain, of, 0).map(drop))?;
        same(name, task.deed, Deed::Refused(DENIED))?;
        let event = net::event(&mut shell, task.pid)?;
        tells(&event, &kind(name, type_name, "none", "none"))?;
        tells(&event, &json!({"number": 0, "verdict": "deny", "net_ns": net_ns()?}))?;
    }
    for domain in [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX] {
        same("others", made(|| net::socket(domain, libc::SOCK_DGRAM, 0).map(drop))?.deed, Deed::Done)?;
    }
    // One that no kernel has is not asked about at all.
    let unknown = made(|| net::socket(250, libc::SOCK_STREAM, 0).map(drop))?;
    same("no such family", unknown.deed, Deed::Refused(Errno::EAFNOSUPPORT))?;
    let ended = shell.stop()?;
    same("matched", ended.books("t")?["matched"].as_u64(), Some(2))?;
    same("seen", ended.books("t")?["seen"].as_u64(), Some(5))?;
    ended.well()
}

/// 0 is the protocol that the kernel takes for it, and a pair is two sockets.
pub fn protocols() -> Outcome {
    let deny = |domain, of, number| net::denied(|| net::socket(domain, of, number).map(drop));
    let shell = probe("socket", "protocol: \"tcp\"", ".deny(\"EXDEV\")")?;
    for (domain, of, number, expected) in [
        (libc::AF_INET, libc::SOCK_STREAM, 0, true),
        (libc::AF_INET6, libc::SOCK_STREAM, 0, true),
        (libc::AF_INET6, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, libc::IPPROTO_TCP, true),
        (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP, true),
        (libc::AF_INET, libc::SOCK_DGRAM, 0, false),
        (libc::AF_INET, libc::SOCK_STREAM, MPTCP, false),
        (libc::AF_UNIX, libc::SOCK_STREAM, 0, false),
        // A protocol of its own of that number.
        (libc::AF_NETLINK, libc::SOCK_RAW, libc::IPPROTO_TCP, false),
    ] {
        same(&format!("{domain} {of} {number}: denied"), deny(domain, of, number)?, expected)?;
    }
    shell.stop()?.well()?;

    let shell = probe("socket", "netlink_protocol: [\"route\", \"xfrm\"]", ".deny(\"EXDEV\")")?;
    same("route", deny(libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_ROUTE)?, true)?;
    same("xfrm", deny(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_XFRM)?, true)?;
    same("generic", deny(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC)?, false)?;
    same("no netlink", deny(libc::AF_INET, libc::SOCK_DGRAM, 0)?, false)?;
    shell.stop()?.well()?;

    let shell = probe("socket", "socket_type: \"seqpacket\"", "")?;
    let pair = made(|| {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) };
        Errno::result(made).map(drop)
    })?;
    same("a pair", pair.deed, Deed::Done)?;
    let ended = shell.stop()?;
    same("a pair is two", ended.books("t")?["matched"].as_u64(), Some(2))?;
    ended.well()
}
