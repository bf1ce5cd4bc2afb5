//! Claims about the template `accept`.

use std::{fs, net::TcpListener};

use nix::{errno::Errno, libc, sys::prctl};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed},
    net::{self, DENIED, at, joined, kind, made, probe, tcp4, tells},
    same,
    shell::{Shell, attaching_to},
    task::{Deed, Identity, ME},
};

const PORT: u16 = 7474;
const SOCKET: &str = "/tmp/accept.sock";

pub const CASE: Case = Case {
    template: "accept",
    params: "",
    prepare: || Ok(()),
    acts: &[
        Act::new("IPv4", "socket_accept", || {
            let told = [tcp4(), at("0.0.0.0", PORT, "")];
            let bytes = [net::ip("0.0.0.0", PORT), net::ip("127.0.0.1", PORT)];
            accepted((libc::AF_INET, libc::SOCK_STREAM), bytes, &told)
        }),
        Act::new("a unix socket", "socket_accept", || {
            let _ = fs::remove_file(SOCKET);
            let told = [kind("unix", "seqpacket", "none", "none"), at("", 0, SOCKET)];
            let bytes = [net::un(SOCKET), net::un(SOCKET)];
            accepted((libc::AF_UNIX, libc::SOCK_SEQPACKET), bytes, &told)
        }),
    ],
};

fn accepted(of: (i32, i32), [own, to]: [Vec<u8>; 2], told: &[Value]) -> Result<Performed, String> {
    let nobody = json!({"peer": "", "peer_port": 0, "peer_pid": 0});
    let told = [&[net::here()?, nobody], told].concat();
    net::acted(&told, || {
        let (listener, _) = waiting(of, &own, &to)?;
        net::accept(listener).map(drop)
    })
}

/// A listener, and who has connected to it: the kernel makes the connection without anybody's accept.
fn waiting((domain, of): (i32, i32), own: &[u8], to: &[u8]) -> Result<(i32, i32), Errno> {
    let listener = net::socket(domain, of, 0)?;
    // What was there in the round before may linger.
    net::set_option(listener, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32.to_ne_bytes())?;
    net::bind(listener, own)?;
    net::listen(listener, 5)?;
    let client = net::socket(domain, of, 0)?;
    net::connect(client, to)?;
    Ok((listener, client))
}

const TCP: (i32, i32) = (libc::AF_INET, libc::SOCK_STREAM);

/// The connection that was taken, with who has made it; a call that comes back with nothing is none.
pub fn peers() -> Outcome {
    let mut shell = probe("accept", "with_peer: true", "")?;
    let four = made(|| {
        let (listener, _) = waiting(TCP, &net::ip("0.0.0.0", 7475), &net::ip("127.0.0.5", 7475))?;
        net::accept(listener).map(drop)
    })?;
    same("taken", four.deed, Deed::Done)?;
    let event = net::event(&mut shell, four.pid)?;
    let truth =
        [tcp4(), at("127.0.0.5", 7475, ""), json!({"peer": "127.0.0.1", "peer_pid": 0}), net::here()?];
    tells(&event, &joined(&truth))?;
    tells(&event, &json!({"hook": "sock_graft", "verdict": "allow", "notes": ["late"]}))?;
    // The port that it came from, known here.
    let listener = TcpListener::bind("[::]:7476").map_err(|e| e.to_string())?;
    let client = std::net::TcpStream::connect("127.0.0.1:7476").map_err(|e| e.to_string())?;
    let from = client.local_addr().map_err(|e| e.to_string())?.port();
    let socket = std::os::fd::AsRawFd::as_raw_fd(&listener);
    let mapped = made(|| net::accept(socket).map(drop))?;
    let truth = [
        kind("inet6", "stream", "tcp", "none"),
        at("127.0.0.1", 7476, ""),
        json!({"peer": "127.0.0.1", "peer_port": from}),
    ];
    tells(&net::event(&mut shell, mapped.pid)?, &joined(&truth))?;

    let local = made(|| {
        let of = (libc::AF_UNIX, libc::SOCK_STREAM);
        let (listener, _) = waiting(of, &net::un("@accepted"), &net::un("@accepted"))?;
        net::accept(listener).map(drop)
    })?;
    let truth = [
        kind("unix", "stream", "none", "none"),
        at("", 0, "@accepted"),
        json!({"peer": "", "peer_port": 0, "peer_pid": local.pid}),
    ];
    tells(&net::event(&mut shell, local.pid)?, &joined(&truth))?;

    let nothing = made(|| {
        let listener = net::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0)?;
        net::listen(listener, 1)?;
        net::accept(listener).map(drop)
    })?;
    same("nothing there", nothing.deed, Deed::Refused(Errno::EAGAIN))?;
    let ended = shell.stop()?;
    same("matched", ended.books("t")?["matched"].as_u64(), Some(3))?;
    ended.well()
}

fn prctl_name(name: &str) -> Result<(), Errno> {
    let name = std::ffi::CString::new(name).map_err(|_| Errno::EINVAL)?;
    prctl::set_name(&name)
}

/// A denial by peer comes too late to refuse: it kills, and says so; other peers, and other ports, are let be.
pub fn by_peer() -> Outcome {
    let shell =
        probe("accept", "not_peer: \"127.0.0.0/8\", peer: \"0.0.0.0/0\", port: 7477", ".deny(\"EXDEV\")")?;
    let take = |listening: &str, peer: &str, port: u16| {
        made(|| {
            let (listener, _) = waiting(TCP, &net::ip(listening, port), &net::ip(peer, port))?;
            net::accept(listener).map(drop)
        })
    };
    same("the loopback", take("0.0.0.0", "127.0.0.1", 7477)?.deed, Deed::Done)?;
    let ended = shell.stop()?;
    same("matched", ended.books("t")?["matched"].as_u64(), Some(0))?;
    ended.well()?;

    let mut shell = probe("accept", "peer: \"127.0.0.0/8\", port: 7477", ".deny(\"EXDEV\")")?;
    let killed = take("0.0.0.0", "127.0.0.1", 7477)?;
    same("denied", killed.deed, Deed::Killed(9))?;
    let event = net::event(&mut shell, killed.pid)?;
    tells(&event, &json!({"hook": "sock_graft", "verdict": "kill", "peer": "127.0.0.1", "notes": ["late"]}))?;
    same("another port", take("0.0.0.0", "127.0.0.1", 7478)?.deed, Deed::Done)?;
    shell.stop()?.well()
}

/// The call alone is refused: the connection waits for the next one.
pub fn refused_call() -> Outcome {
    let denying = attaching_to("refused", "accept", "port: 7479", ".deny(\"EXDEV\")");
    let shell = Shell::with_probes(&[denying])?;
    let identity = Identity { comm: Some("refused"), ..ME };
    let task = net::made_by(&identity, || {
        let (listener, _) = waiting(TCP, &net::ip("127.0.0.1", 7479), &net::ip("127.0.0.1", 7479))?;
        let refused = net::accept(listener);
        prctl_name("allowed")?;
        net::accept(listener)?;
        refused.map(drop)
    })?;
    same("refused, and then taken", task.deed, Deed::Refused(DENIED))?;
    shell.stop()?.well()
}
