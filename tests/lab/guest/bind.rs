//! Claims about the template `bind`.

use std::fs;

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed},
    net::{self, at, joined, kind, made, no_device, no_netlink, no_vsock, probe, tcp4, tells, udp4},
    same,
    task::Deed,
};

const PORT: u16 = 7171;
const SOCKET: &str = "/tmp/bind.sock";

pub const CASE: Case = Case {
    template: "bind",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("IPv4", "socket_bind", || {
            let address = net::ip("127.0.0.1", PORT);
            bound((libc::AF_INET, libc::SOCK_STREAM, 0), address, &[tcp4(), at("127.0.0.1", PORT, "")])
        }),
        Act::new("a unix socket", "socket_bind", || {
            let _ = fs::remove_file(SOCKET);
            let told = [kind("unix", "dgram", "none", "none"), at("", 0, SOCKET)];
            bound((libc::AF_UNIX, libc::SOCK_DGRAM, 0), net::un(SOCKET), &told)
        }),
        Act::new("netlink", "socket_bind", || {
            let told = [
                kind("netlink", "raw", "none", "route"),
                at("", 0, ""),
                json!({"netlink_port": 0, "netlink_groups": 5}),
            ];
            bound((libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE), net::nl(0, 5), &told)
        }),
        Act::new("packet", "socket_bind", || {
            let told = [
                kind("packet", "raw", "none", "none"),
                at("", 0, ""),
                json!({"ifindex": 1, "ethertype": "all"}),
            ];
            bound((libc::AF_PACKET, libc::SOCK_RAW, 0), net::ll(libc::ETH_P_ALL as u16, 1), &told)
        }),
    ],
};

/// What an event says where an address has none of it.
fn nothing_else() -> Value {
    joined(&[no_device(), no_vsock(), no_netlink(), json!({"alg_type": "", "alg_name": ""})])
}

fn bound(of: (i32, i32, i32), address: Vec<u8>, told: &[Value]) -> Result<Performed, String> {
    let told = [&[net::here()?, nothing_else()], told].concat();
    net::acted(&told, || go(of, &address))
}

fn go((domain, of, protocol): (i32, i32, i32), address: &[u8]) -> Result<(), Errno> {
    net::bind(net::socket(domain, of, protocol)?, address)
}

const UDP: (i32, i32, i32) = (libc::AF_INET, libc::SOCK_DGRAM, 0);
const UDP6: (i32, i32, i32) = (libc::AF_INET6, libc::SOCK_DGRAM, 0);
const UNIX: (i32, i32, i32) = (libc::AF_UNIX, libc::SOCK_STREAM, 0);

/// Addresses of every form, among them those that bind(2) refuses behind the hook.
pub fn told() -> Outcome {
    let udp6 = || kind("inet6", "dgram", "udp", "none");
    let stream = || kind("unix", "stream", "none", "none");
    let cut = |mut address: Vec<u8>, length| {
        address.truncate(length);
        address
    };
    let mut shell = probe("bind", "", "")?;
    for (of, address, truth) in [
        (UDP, net::ip("0.0.0.0", 0), [udp4(), at("0.0.0.0", 0, "")]),
        // Taken for IPv4 by the kernel, so it is.
        (UDP, net::said_to_be(libc::AF_UNSPEC, net::ip("0.0.0.0", 99)), [udp4(), at("0.0.0.0", 99, "")]),
        (UDP, cut(net::ip("127.0.0.1", 99), 15), [udp4(), at("", 0, "")]),
        (UDP6, net::ip("::", 99), [udp6(), at("::", 99, "")]),
        (UDP6, net::ip("::ffff:127.0.0.1", 99), [udp6(), at("127.0.0.1", 99, "")]),
        (UDP6, net::said_to_be(libc::AF_UNSPEC, net::ip("::1", 99)), [udp6(), at("", 0, "")]),
        (UNIX, net::un("@abstract"), [stream(), at("", 0, "@abstract")]),
        (UNIX, net::un("relative.sock"), [stream(), at("", 0, "relative.sock")]),
        // The kernel gives it a name.
        (UNIX, cut(net::un("x"), 2), [stream(), at("", 0, "")]),
    ] {
        let task = made(|| go(of, &address))?;
        let told = joined(&[nothing_else(), net::here()?, joined(&truth)]);
        tells(&net::event(&mut shell, task.pid)?, &told).map_err(|e| format!("{address:?}: {e}"))?;
    }
    let _ = fs::remove_file("relative.sock");
    let frames = made(|| go((libc::AF_PACKET, libc::SOCK_DGRAM, 0), &net::ll(libc::ETH_P_ARP as u16, 0)))?;
    tells(&net::event(&mut shell, frames.pid)?, &json!({"ifindex": 0, "ethertype": "arp"}))?;
    shell.stop()?.well()
}

/// To a bind the unspecified addresses are themselves: whoever takes all of the host's does not hide behind the loopback.
pub fn addresses() -> Outcome {
    let all = |expected: [bool; 5]| -> Vec<(&'static str, net::Deed<'static>, bool)> {
        let acts: [(&str, net::Deed<'static>); 5] = [
            ("0.0.0.0", Box::new(|| go(UDP, &net::ip("0.0.0.0", 443)))),
            ("::", Box::new(|| go(UDP6, &net::ip("::", 443)))),
            ("127.0.0.1", Box::new(|| go(UDP, &net::ip("127.0.0.1", 444)))),
            ("unspec", Box::new(|| go(UDP, &net::said_to_be(libc::AF_UNSPEC, net::ip("0.0.0.0", 443))))),
            ("abstract", Box::new(|| go(UNIX, &net::un("@other")))),
        ];
        acts.into_iter().zip(expected).map(|((name, act), expected)| (name, act, expected)).collect()
    };
    net::rules("bind", "not_address: [\"127.0.0.0/8\", \"::1\"]", all([true, true, false, true, false]))?;
    net::rules("bind", "address: [\"127.0.0.0/8\", \"::1\"]", all([false, false, true, false, false]))?;
    net::rules("bind", "address: \"0.0.0.0\"", all([true, false, false, true, false]))?;
    net::rules("bind", "port: 443", all([true, true, false, true, false]))?;
    net::rules("bind", "path: \"@other\", port: 444", all([false, false, true, false, true]))?;
    net::rules("bind", "family: \"unix\"", all([false, false, false, false, true]))
}

/// What listens to frames: the rule of a machine on which nobody sniffs.
pub fn sniffers() -> Outcome {
    let shell = super::shell::Shell::ready(&format!(
        "probe(\"bind\", #{{family: \"packet\"}}).scope(#{{pid: {}}}).when(|e| e.ethertype == \"all\").deny(\"EXDEV\").name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))?;
    let frames = |ethertype: i32| {
        net::denied(|| go((libc::AF_PACKET, libc::SOCK_RAW, 0), &net::ll(ethertype as u16, 1)))
    };
    same("all", frames(libc::ETH_P_ALL)?, true)?;
    same("arp", frames(libc::ETH_P_ARP)?, false)?;
    same("no packet socket", made(|| go(UDP, &net::ip("127.0.0.1", 0)))?.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// Families whose code is a module: loaded here, so that there are such sockets.
pub fn modules() -> Outcome {
    for module in ["af_alg", "vsock"] {
        // A second time it is there already.
        if fs::exists(format!("/sys/module/{module}")).map_err(|e| e.to_string())? {
            continue;
        }
        let loaded = std::process::Command::new("insmod").arg(format!("/lab/{module}.ko")).status();
        same(module, loaded.map(|status| status.success()).map_err(|e| e.to_string()), Ok(true))?;
    }
    let alg = |kind: &str, name: &str| {
        let mut address = [0; 24];
        address[..2].copy_from_slice(&(libc::AF_ALG as u16).to_ne_bytes());
        address[2..2 + kind.len()].copy_from_slice(kind.as_bytes());
        [&address[..], name.as_bytes(), &[0]].concat()
    };
    let of = (libc::AF_ALG, libc::SOCK_SEQPACKET, 0);
    let mut shell = probe("bind", "family: [\"alg\", \"vsock\"]", "")?;
    let longest = format!("{}(x)", "a".repeat(100));
    for (address, type_name, name) in [
        (alg("aead", "authencesn(hmac(sha256),cbc(aes))"), "aead", "authencesn(hmac(sha256),cbc(aes))"),
        // The kernel does not look at what the address says of itself.
        (net::said_to_be(libc::AF_INET, alg("hash", "sha256")), "hash", "sha256"),
        (alg("skcipher", &longest), "skcipher", &longest),
        (alg("fourteen-bytes", "x"), "fourteen-byte", "x"),
        (alg("hash", "sha256")[..24].to_vec(), "", ""),
    ] {
        let task = made(|| {
            let socket = net::socket(of.0, of.1, of.2)?;
            // Such an algorithm there need not be.
            let _ = net::bind(socket, &address);
            Ok(())
        })?;
        same("made", task.deed, Deed::Done)?;
        let truth = joined(&[
            nothing_else(),
            kind("alg", "seqpacket", "none", "none"),
            at("", 0, ""),
            json!({"alg_type": type_name, "alg_name": name}),
        ]);
        tells(&net::event(&mut shell, task.pid)?, &truth).map_err(|e| format!("{type_name} {name}: {e}"))?;
    }
    let vsock = [
        &(libc::AF_VSOCK as u16).to_ne_bytes()[..],
        &[0; 2],
        &99999_u32.to_ne_bytes(),
        &u32::MAX.to_ne_bytes(),
        &[0; 4],
    ]
    .concat();
    let task = made(|| go((libc::AF_VSOCK, libc::SOCK_STREAM, 0), &vsock))?;
    let truth = [kind("vsock", "stream", "none", "none"), json!({"cid": "any", "vsock_port": 99999})];
    tells(&net::event(&mut shell, task.pid)?, &joined(&truth))?;
    shell.stop()?.well()?;

    for (params, expected) in [
        ("algorithm_prefix: \"authenc(\"", [true, false, false]),
        ("algorithm: [\"sha1\", \"authenc\"]", [false, true, false]),
        ("algorithm: \"sha1\", port: 4545", [false, true, true]),
        ("port: 4545", [false, false, true]),
    ] {
        let acts: [(&str, net::Deed<'_>); 3] = [
            ("authenc", Box::new(|| go(of, &alg("aead", "authenc(hmac(sha1),cbc(aes))")))),
            ("sha1", Box::new(|| go(of, &alg("hash", "sha1")))),
            ("a port", Box::new(|| go(UDP, &net::ip("127.0.0.1", 4545)))),
        ];
        let acts = acts.into_iter().zip(expected).map(|((name, act), expected)| (name, act, expected));
        net::rules("bind", params, acts.collect())?;
    }
    Ok(())
}
