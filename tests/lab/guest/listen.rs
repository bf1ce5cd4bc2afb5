//! Claims about the template `listen`.

use std::fs;

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed},
    net::{self, at, joined, kind, made, probe, tcp4, tells},
    same,
    task::Deed,
};

const PORT: u16 = 7272;
const SOCKET: &str = "/tmp/listen.sock";

pub const CASE: Case = Case {
    template: "listen",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("IPv4", "socket_listen", || {
            let told = [tcp4(), at("127.0.0.1", PORT, "")];
            listening(libc::AF_INET, libc::SOCK_STREAM, net::ip("127.0.0.1", PORT), 5, &told)
        }),
        Act::new("IPv6", "socket_listen", || {
            let told = [kind("inet6", "stream", "tcp", "none"), at("::", PORT, "")];
            listening(libc::AF_INET6, libc::SOCK_STREAM, net::ip("::", PORT), 128, &told)
        }),
        Act::new("a unix socket", "socket_listen", || {
            let _ = fs::remove_file(SOCKET);
            let told = [kind("unix", "seqpacket", "none", "none"), at("", 0, SOCKET)];
            listening(libc::AF_UNIX, libc::SOCK_SEQPACKET, net::un(SOCKET), -1, &told)
        }),
    ],
};

fn listening(
    domain: i32,
    of: i32,
    address: Vec<u8>,
    backlog: i32,
    told: &[Value],
) -> Result<Performed, String> {
    let told = [&[net::here()?, json!({"backlog": told_backlog(backlog)?})], told].concat();
    net::acted(&told, || go(domain, of, &address, backlog))
}

/// The kernel takes less than nothing for as many as it allows, before the hook is asked.
fn told_backlog(asked: i32) -> Result<u32, String> {
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn").map_err(|e| e.to_string())?;
    let most = most.trim().parse().map_err(|_| "somaxconn")?;
    Ok(u32::try_from(asked).map_or(most, |asked| asked.min(most)))
}

fn go(domain: i32, of: i32, address: &[u8], backlog: i32) -> Result<(), Errno> {
    let socket = net::socket(domain, of, 0)?;
    if !address.is_empty() {
        net::bind(socket, address)?;
    }
    net::listen(socket, backlog)
}

fn tcp(address: &[u8]) -> Result<(), Errno> {
    go(libc::AF_INET, libc::SOCK_STREAM, address, 1)
}

/// A port that the kernel has chosen at the bind is known, one that it chooses behind the hook is not.
pub fn told() -> Outcome {
    let mut shell = probe("listen", "", "")?;
    let unbound = made(|| tcp(&[]))?;
    same("unbound", unbound.deed, Deed::Done)?;
    tells(&net::event(&mut shell, unbound.pid)?, &joined(&[tcp4(), at("0.0.0.0", 0, "")]))?;
    // Made here, so that its port is known here; a child listens with it.
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0).map_err(|e| e.to_string())?;
    net::bind(socket, &net::ip("127.0.0.2", 0)).map_err(|e| e.to_string())?;
    let port = net::own_port(socket).map_err(|e| e.to_string())?;
    let inherited = made(|| net::listen(socket, 3))?;
    let truth = joined(&[tcp4(), at("127.0.0.2", port, ""), json!({"backlog": 3})]);
    tells(&net::event(&mut shell, inherited.pid)?, &truth)?;
    // Once more, as for another backlog.
    let again = made(|| net::listen(socket, 4))?;
    tells(&net::event(&mut shell, again.pid)?, &json!({"port": port, "backlog": 4}))?;
    // SAFETY: the socket is ours, and nobody uses it any more.
    unsafe { libc::close(socket) };
    let hidden = made(|| go(libc::AF_UNIX, libc::SOCK_STREAM, &net::un("@a\0b"), 1))?;
    tells(&net::event(&mut shell, hidden.pid)?, &at("", 0, "@a@b"))?;
    shell.stop()?.well()
}

pub fn rules() -> Outcome {
    let all = |expected: [bool; 5]| -> Vec<(&'static str, net::Deed<'static>, bool)> {
        let acts: [(&str, net::Deed<'static>); 5] = [
            ("every address", Box::new(|| tcp(&net::ip("0.0.0.0", 4444)))),
            ("the loopback", Box::new(|| tcp(&net::ip("127.0.0.1", 4444)))),
            ("another port", Box::new(|| tcp(&net::ip("127.0.0.1", 4445)))),
            ("abstract", Box::new(|| go(libc::AF_UNIX, libc::SOCK_STREAM, &net::un("@listen"), 1))),
            ("IPv6", Box::new(|| go(libc::AF_INET6, libc::SOCK_STREAM, &net::ip("::1", 4444), 1))),
        ];
        acts.into_iter().zip(expected).map(|((name, act), expected)| (name, act, expected)).collect()
    };
    net::rules("listen", "not_address: [\"127.0.0.0/8\", \"::1\"]", all([true, false, false, false, false]))?;
    net::rules("listen", "port: 4444", all([true, true, false, false, true]))?;
    net::rules("listen", "path_prefix: \"@\"", all([false, false, false, true, false]))?;
    net::rules("listen", "family: \"inet6\"", all([false, false, false, false, true]))
}
