//! Claims about the template `sendto`.

use std::{fs, net::UdpSocket, os::unix::net::UnixDatagram, sync::OnceLock};

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed, keep},
    net::{self, at, joined, kind, made, no_device, no_netlink, no_vsock, probe, tells, udp4},
    same,
    task::Deed,
};

const PORT: u16 = 7373;
const SOCKET: &str = "/tmp/sendto.sock";
/// Where datagrams arrive.
static RECEIVERS: OnceLock<(UdpSocket, UnixDatagram)> = OnceLock::new();

pub const CASE: Case = Case {
    template: "sendto",
    params: "",
    prepare: || {
        keep(&RECEIVERS, || {
            let text = |error: std::io::Error| error.to_string();
            let _ = fs::remove_file(SOCKET);
            let udp = UdpSocket::bind(("127.0.0.1", PORT)).map_err(text)?;
            Ok((udp, UnixDatagram::bind(SOCKET).map_err(text)?))
        })
    },
    acts: &[
        Act::new("IPv4", "socket_sendmsg", || {
            let told = [udp4(), at("127.0.0.1", PORT, "")];
            sent((libc::AF_INET, libc::SOCK_DGRAM, 0), b"datagram", net::ip("127.0.0.1", PORT), &told)
        }),
        Act::new("a unix socket", "socket_sendmsg", || {
            // Whoever receives has room for ten, and is sent one in each round.
            let told = [kind("unix", "dgram", "none", "none"), at("", 0, SOCKET)];
            sent((libc::AF_UNIX, libc::SOCK_DGRAM, 0), b"x", net::un(SOCKET), &told)
        }),
        Act::new("netlink", "socket_sendmsg", || {
            let told = [
                kind("netlink", "raw", "none", "route"),
                at("", 0, ""),
                json!({"netlink_port": 0, "netlink_groups": 0}),
            ];
            sent(ROUTE, &[0; 16], net::nl(0, 0), &told)
        }),
        Act::new("packet", "socket_sendmsg", || {
            let told = [
                kind("packet", "dgram", "none", "none"),
                at("", 0, ""),
                json!({"ifindex": 1, "ethertype": "ipv6"}),
            ];
            let of = (libc::AF_PACKET, libc::SOCK_DGRAM, 0);
            sent(of, b"no packet", net::ll(libc::ETH_P_IPV6 as u16, 1), &told)
        }),
    ],
};

const UDP: (i32, i32, i32) = (libc::AF_INET, libc::SOCK_DGRAM, 0);
const ROUTE: (i32, i32, i32) = (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE);

fn nothing_else() -> Value {
    joined(&[no_device(), no_vsock(), no_netlink()])
}

fn sent(of: (i32, i32, i32), data: &[u8], address: Vec<u8>, told: &[Value]) -> Result<Performed, String> {
    let size = json!({"size": data.len()});
    let told = [&[net::here()?, nothing_else(), size], told].concat();
    net::acted(&told, || go(of, data, &address))
}

fn go((domain, of, protocol): (i32, i32, i32), data: &[u8], address: &[u8]) -> Result<(), Errno> {
    net::send_to(net::socket(domain, of, protocol)?, data, address)
}

/// What needs no address, or has none, leaves at once and is in no books.
pub fn unaddressed() -> Outcome {
    let receiver = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = receiver.local_addr().map_err(|e| e.to_string())?.port();
    let mut shell = probe("sendto", "", "")?;
    let connected = made(|| {
        let socket = net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        net::connect(socket, &net::ip("127.0.0.1", port))?;
        net::send(socket, b"1")?;
        let mut pair = [0; 2];
        // SAFETY: there is room for two descriptors.
        Errno::result(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) })?;
        net::send(pair[0], b"2")
    })?;
    same("connected", connected.deed, Deed::Done)?;
    // An address of its own on a connected socket is one.
    let addressed = made(|| {
        let socket = net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        net::connect(socket, &net::ip("127.0.0.1", 9))?;
        net::send_to(socket, b"345", &net::ip("127.0.0.1", port))
    })?;
    same("addressed", addressed.deed, Deed::Done)?;
    let truth = joined(&[udp4(), at("127.0.0.1", port, ""), json!({"size": 3})]);
    tells(&net::event(&mut shell, addressed.pid)?, &truth)?;
    let ended = shell.stop()?;
    same("seen", ended.books("t")?["seen"].as_u64(), Some(1))?;
    ended.well()
}

/// As the kernel takes an address, and not as it calls itself; each of several messages is asked about.
pub fn rules() -> Outcome {
    type Deed = net::Deed<'static>;
    let acts = |expected: [bool; 5]| -> Vec<(&'static str, Deed, bool)> {
        let acts: [(&str, Deed); 5] = [
            ("port 53", Box::new(|| go(UDP, b"x", &net::ip("127.0.0.1", 53)))),
            (
                "unspec",
                Box::new(|| go(UDP, b"x", &net::said_to_be(libc::AF_UNSPEC, net::ip("127.0.0.1", 53)))),
            ),
            ("port 54", Box::new(|| go(UDP, b"x", &net::ip("127.0.0.1", 54)))),
            (
                "mapped",
                Box::new(|| {
                    go((libc::AF_INET6, libc::SOCK_DGRAM, 0), b"x", &net::ip("::ffff:127.0.0.1", 53))
                }),
            ),
            ("netlink", Box::new(|| go(ROUTE, &[0; 16], &net::nl(0, 0)))),
        ];
        acts.into_iter().zip(expected).map(|((name, act), expected)| (name, act, expected)).collect()
    };
    net::rules("sendto", "port: 53", acts([true, true, false, true, false]))?;
    net::rules("sendto", "not_address: \"10.0.0.0/8\"", acts([true, true, true, true, false]))?;
    net::rules(
        "sendto",
        "family: \"inet\", address: \"127.0.0.0/8\"",
        acts([true, true, true, false, false]),
    )?;
    net::rules("sendto", "netlink_protocol: \"route\"", acts([false, false, false, false, true]))
}

/// sendmmsg asks once for messages in a row to one address, and again when it is another.
pub fn many() -> Outcome {
    let receivers: Vec<_> = (0..2).map_while(|_| UdpSocket::bind("127.0.0.1:0").ok()).collect();
    let ports: Vec<_> = receivers.iter().map_while(|r| r.local_addr().ok()).map(|a| a.port()).collect();
    let [first, second] = ports[..] else { return Err("no receivers".into()) };
    let shell = probe("sendto", "", "")?;
    let task = made(|| {
        let socket = net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        let mut addresses = [first, first, second, first].map(|port| net::ip("127.0.0.1", port));
        let mut data = *b"x";
        let mut parts = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: 1 };
        let mut messages = addresses.each_mut().map(|address| {
            // SAFETY: a struct of numbers and pointers, of which zero is one.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_name = address.as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = address.len() as u32;
            message.msg_hdr.msg_iov = &raw mut parts;
            message.msg_hdr.msg_iovlen = 1;
            message
        });
        // SAFETY: addresses and data live to the end of the call.
        let sent = unsafe { libc::sendmmsg(socket, messages.as_mut_ptr(), 4, 0) };
        if Errno::result(sent)? == 4 { Ok(()) } else { Err(Errno::EIO) }
    })?;
    same("all four", task.deed, Deed::Done)?;
    let ended = shell.stop()?;
    same("asked", ended.books("t")?["matched"].as_u64(), Some(3))?;
    ended.well()
}
