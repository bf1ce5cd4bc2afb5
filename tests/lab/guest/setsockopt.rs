//! Claims about the template `setsockopt`.

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed},
    net::{self, joined, kind, made, probe, tcp4, tells, udp4},
    same,
    task::Deed,
};

pub const CASE: Case = Case {
    template: "setsockopt",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("a packet filter", "socket_setsockopt", || {
            let told = [udp4(), option("attach_filter", "socket", libc::SO_ATTACH_FILTER)];
            set(&told, || attach_filter(net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?))
        }),
        Act::new("foreign addresses", "socket_setsockopt", || {
            let told = [tcp4(), option("ip_transparent", "ip", libc::IP_TRANSPARENT)];
            set(&told, || {
                let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
                on(socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT)
            })
        }),
        Act::new("another", "socket_setsockopt", || {
            let told = [kind("inet6", "stream", "tcp", "none"), option("other", "tcp", libc::TCP_NODELAY)];
            set(&told, || {
                let socket = net::socket(libc::AF_INET6, libc::SOCK_STREAM, 0)?;
                on(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY)
            })
        }),
    ],
};

fn option(name: &str, level: &str, number: i32) -> Value {
    json!({"option": name, "level": level, "number": number})
}

fn set(told: &[Value], deed: impl FnOnce() -> Result<(), Errno>) -> Result<Performed, String> {
    net::acted(&[&[net::here()?], told].concat(), deed)
}

fn on(socket: i32, level: i32, number: i32) -> Result<(), Errno> {
    net::set_option(socket, level, number, &1_i32.to_ne_bytes())
}

/// A filter that lets everything through.
fn attach_filter(socket: i32) -> Result<(), Errno> {
    const RETURN: u16 = 6;
    let mut code = [libc::sock_filter { code: RETURN, jt: 0, jf: 0, k: u32::MAX }];
    let program = libc::sock_fprog { len: 1, filter: code.as_mut_ptr() };
    let (at, length) = ((&raw const program).cast(), size_of_val(&program) as u32);
    // SAFETY: the program, and its code, live to the end of the call.
    let set = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, at, length) };
    Errno::result(set).map(drop)
}

/// An option has its name at its own level alone, whether the kernel has such a one or not.
pub fn levels() -> Outcome {
    let mut shell = probe("setsockopt", "", "")?;
    for (level, number, name, level_name) in [
        (libc::SOL_SOCKET, 50, "attach_bpf", "socket"),
        (libc::SOL_SOCKET, 25, "bindtodevice", "socket"),
        (0, 64, "iptables_replace", "ip"),
        (41, 64, "ip6tables_replace", "ipv6"),
        (41, 75, "ipv6_transparent", "ipv6"),
        (6, 31, "tcp_ulp", "tcp"),
        (17, 100, "udp_encap", "udp"),
        (263, 18, "packet_fanout", "packet"),
        (279, 1, "alg_set_key", "alg"),
        (270, 1, "netlink_membership", "netlink"),
        (282, 1, "tls_tx", "tls"),
        (132, 100, "sctp_bindx_add", "sctp"),
        // The number of another level's.
        (1, 64, "other", "socket"),
        (0, 26, "other", "ip"),
        (0, -1, "other", "ip"),
        (300, 26, "other", "300"),
    ] {
        let task = made(|| {
            let socket = net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
            // An empty value: what becomes of it is the kernel's business.
            let _ = net::set_option(socket, level, number, &[]);
            Ok(())
        })?;
        same("done", task.deed, Deed::Done)?;
        let truth = [option(name, level_name, number), udp4(), net::here()?];
        tells(&net::event(&mut shell, task.pid)?, &joined(&truth)).map_err(|e| format!("{name}: {e}"))?;
    }
    shell.stop()?.well()
}

pub fn rules() -> Outcome {
    let datagrams = || net::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
    let acts = || -> [(&'static str, net::Deed<'static>); 3] {
        [
            ("attach", Box::new(move || attach_filter(datagrams()?))),
            ("transparent", Box::new(move || on(datagrams()?, libc::IPPROTO_IP, libc::IP_TRANSPARENT))),
            ("broadcast", Box::new(move || on(datagrams()?, libc::SOL_SOCKET, libc::SO_BROADCAST))),
        ]
    };
    for (params, expected) in [
        ("option: [\"attach_filter\", \"attach_bpf\"]", [true, false, false]),
        ("option: \"sctp_connectx\"", [false, false, false]),
        ("option: [\"ip_transparent\", \"ip_freebind\"], family: \"inet\"", [false, true, false]),
        ("family: \"inet6\"", [false, false, false]),
        ("protocol: \"udp\"", [true, true, true]),
    ] {
        let acts = acts().into_iter().zip(expected).map(|((name, act), expected)| (name, act, expected));
        net::rules("setsockopt", params, acts.collect())?;
    }
    Ok(())
}
