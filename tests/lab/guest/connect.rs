//! Claims about the template `connect`. Nothing leaves the guest: it has the loopback and no route.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    os::unix::{fs::MetadataExt, net::UnixListener},
    sync::OnceLock,
};

use nix::{errno::Errno, libc};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{ACTOR, Act, Case, Performed, keep},
    holds, same,
    shell::{Shell, attaching_to},
    task::{self, Deed, Identity, ME, Task, compare_header, exit_code},
};

/// No connect fails with this of its own accord.
const DENIED: Errno = Errno::EXDEV;

// ---- what to connect, and where to ------------------------------------------

/// A socket, and the bytes that connect(2) is given.
#[derive(Debug, Clone)]
struct Call {
    domain: i32,
    kind: i32,
    protocol: i32,
    bytes: Vec<u8>,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Connect,
    /// Once more, with AF_UNSPEC.
    Disconnect,
    FastOpen,
    SendTo,
    /// In a network namespace of its own.
    ElsewhereConnect,
}

fn sockaddr(address: IpAddr, port: u16) -> Vec<u8> {
    let head = |family: i32| [&(family as u16).to_ne_bytes()[..], &port.to_be_bytes()].concat();
    match address {
        IpAddr::V4(v4) => [&head(libc::AF_INET)[..], &v4.octets(), &[0; 8]].concat(),
        IpAddr::V6(v6) => [&head(libc::AF_INET6)[..], &[0; 4], &v6.octets(), &[0; 4]].concat(),
    }
}

/// A connect of an IP socket; `2001:db8::1`, or `::ffff:127.0.0.1` for IPv4 in a socket of IPv6.
fn ip(kind: i32, address: &str, port: u16) -> Call {
    let address: IpAddr = address.parse().expect("an address");
    let domain = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    Call { domain, kind, protocol: 0, bytes: sockaddr(address, port), how: How::Connect }
}

fn udp(address: &str, port: u16) -> Call {
    ip(libc::SOCK_DGRAM, address, port)
}

fn tcp(address: &str, port: u16) -> Call {
    ip(libc::SOCK_STREAM, address, port)
}

/// The name as it lies in `sun_path`, no byte more.
fn unix(kind: i32, name: &[u8]) -> Call {
    let bytes = [&(libc::AF_UNIX as u16).to_ne_bytes()[..], name].concat();
    Call { domain: libc::AF_UNIX, kind, protocol: 0, bytes, how: How::Connect }
}

fn netlink(port: u32, groups: u32) -> Call {
    let head = [&(libc::AF_NETLINK as u16).to_ne_bytes()[..], &[0; 2]].concat();
    let bytes = [&head[..], &port.to_ne_bytes(), &groups.to_ne_bytes()].concat();
    Call {
        domain: libc::AF_NETLINK,
        kind: libc::SOCK_RAW,
        protocol: libc::NETLINK_GENERIC,
        bytes,
        how: How::Connect,
    }
}

fn named(name: &str) -> Call {
    let name = name.strip_prefix('@').map_or_else(|| format!("{name}\0"), |rest| format!("\0{rest}"));
    unix(libc::SOCK_STREAM, name.as_bytes())
}

impl Call {
    fn how(self, how: How) -> Self {
        Call { how, ..self }
    }

    /// Does it, in a task of its own.
    fn made(&self) -> Result<Task, String> {
        self.made_by(&ME)
    }

    fn made_by(&self, identity: &Identity) -> Result<Task, String> {
        task::perform(identity, || exit_code(self.go()))
    }

    fn go(&self) -> Result<(), Errno> {
        if self.how == How::ElsewhereConnect {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
        }
        let (address, length) = (self.bytes.as_ptr(), self.bytes.len() as u32);
        // SAFETY: the bytes live to the end of the calls, which read no more than `length` of them.
        unsafe {
            let socket = Errno::result(libc::socket(self.domain, self.kind, self.protocol))?;
            let send = |flags| {
                let sent = libc::sendto(
                    socket,
                    address.cast(),
                    1,
                    flags | libc::MSG_NOSIGNAL,
                    address.cast(),
                    length,
                );
                Errno::result(sent).map(drop)
            };
            match self.how {
                How::FastOpen => return send(libc::MSG_FASTOPEN),
                How::SendTo => return send(0),
                _ => Errno::result(libc::connect(socket, address.cast(), length))?,
            };
            if self.how == How::Disconnect {
                // Its other bytes are as they were: nobody may look at them.
                let mut none = self.bytes.clone();
                none[..2].copy_from_slice(&(libc::AF_UNSPEC as u16).to_ne_bytes());
                Errno::result(libc::connect(socket, none.as_ptr().cast(), length))?;
            }
        }
        Ok(())
    }

    /// Whether it was refused by us; whatever else becomes of it is the network's business.
    fn denied(&self) -> Result<bool, String> {
        self.denied_to(&ME)
    }

    fn denied_to(&self, identity: &Identity) -> Result<bool, String> {
        match self.made_by(identity)?.deed {
            Deed::Refused(errno) => Ok(errno == DENIED),
            Deed::Done => Ok(false),
            other => Err(format!("{self:?}: {other:?}")),
        }
    }
}

// ---- probes -----------------------------------------------------------------

fn probe(params: &str, mode: &str) -> Result<Shell, String> {
    Shell::ready(&format!(
        "probe(\"connect\", #{{{params}}}).scope(#{{pid: {}}}){mode}.name(\"t\").attach(); print(\"ready\");",
        std::process::id()
    ))
}

/// Params, and what each call comes to while they are in force.
type Phase<'a> = (&'a str, Vec<(Call, bool)>);

/// Who is refused a connect with this port or name has the shell go on to the next phase. Nothing else of a
/// phase's may ask for them, and one of these calls must be refused in each.
const NEXT_PORT: u16 = 9;
const NEXT_NAME: &str = "@next";

fn next() -> [Call; 4] {
    [udp("127.9.9.9", NEXT_PORT), tcp("127.9.9.9", NEXT_PORT), tcp("::1", NEXT_PORT), named(NEXT_NAME)]
}

/// One denying probe that goes through the phases, its params changing while it is attached.
fn phases(phases: &[Phase]) -> Outcome {
    let params: Vec<_> = phases.iter().map(|(params, _)| format!("#{{{params}}}")).collect();
    let mut shell = Shell::ready(&format!(
        r#"
        let phases = [{}, #{{}}];
        let names = ["address", "not_address", "port", "path", "path_prefix", "family", "socket_type", "protocol"];
        let at = 0;
        let p = probe("connect", phases[0]).scope(#{{pid: {}}}).deny("EXDEV").name("t");
        let same = p;
        p.on_event(|e| {{
            if e.port == {NEXT_PORT} || e.path == "{NEXT_NAME}" {{
                at += 1;
                let now = phases[at];
                for name in names {{ same.set(name, if name in now {{ now[name] }} else {{ () }}); }}
                print(`phase ${{at}}`);
            }}
        }});
        p.attach();
        print("ready");
        "#,
        params.join(", "),
        std::process::id()
    ))?;
    for (index, (params, calls)) in phases.iter().enumerate() {
        for (call, expected) in calls {
            same(&format!("{params}: {call:?}: denied"), call.denied()?, *expected)?;
        }
        let mut refused = false;
        for call in next() {
            refused = refused || call.denied()?;
        }
        holds(refused, format!("{params}: there is a way on"))?;
        let told = format!("phase {}", index + 1);
        shell.wait_for(|line| line["type"] == "print" && line["text"] == told.as_str())?;
    }
    shell.stop()?.well()
}

// ---- claims -----------------------------------------------------------------

/// What an event says of a connection, beside the header.
fn where_to(address: &str, port: u16, family: &str, kind: &str, protocol: &str, path: &str) -> Value {
    json!({
        "address": address, "port": port, "family": family, "socket_type": kind, "protocol": protocol,
        "path": path, "path_length": path.len(), "netlink_protocol": "none", "cid": "none", "vsock_port": 0, "netlink_port": 0,
        "netlink_groups": 0,
    })
}

fn told() -> Vec<(Call, Value)> {
    let full = [b'/', b'n'].iter().chain(std::iter::repeat_n(&b'x', 106)).copied().collect::<Vec<_>>();
    let cut = |mut call: Call, length: usize| {
        call.bytes.truncate(length);
        call
    };
    let unix_told = |path: &str| where_to("", 0, "unix", "stream", "none", path);
    let udp_told = |address, family| where_to(address, 53, family, "dgram", "udp", "");
    vec![
        (tcp("127.0.0.1", 1), where_to("127.0.0.1", 1, "inet", "stream", "tcp", "")),
        (tcp("::1", 65535), where_to("::1", 65535, "inet6", "stream", "tcp", "")),
        (tcp("::ffff:127.0.0.1", 8080), where_to("127.0.0.1", 8080, "inet6", "stream", "tcp", "")),
        (udp("2001:db8::1", 53), udp_told("2001:db8::1", "inet6")),
        (udp("0.0.0.0", 53), udp_told("0.0.0.0", "inet")),
        (udp("::", 53), udp_told("::", "inet6")),
        // A socket of IPv6 takes an address of the other family too.
        (Call { domain: libc::AF_INET6, ..udp("127.0.0.1", 53) }, udp_told("127.0.0.1", "inet")),
        (
            ip(libc::SOCK_RAW, "127.0.0.1", 0).with_protocol(1),
            where_to("127.0.0.1", 0, "inet", "raw", "icmp", ""),
        ),
        // No shorter than RFC 2133 had it, and too short.
        (cut(udp("::1", 53), 24), udp_told("::1", "inet6")),
        (cut(udp("::1", 53), 23), where_to("", 0, "inet6", "dgram", "udp", "")),
        (cut(udp("127.0.0.1", 53), 15), where_to("", 0, "inet", "dgram", "udp", "")),
        (cut(udp("127.0.0.1", 53), 1), where_to("", 0, "unspec", "dgram", "udp", "")),
        (cut(udp("127.0.0.1", 53), 0), where_to("", 0, "unspec", "dgram", "udp", "")),
        (named("/tmp/no.sock"), unix_told("/tmp/no.sock")),
        (named("no.sock"), unix_told("no.sock")),
        (named("@abstract"), unix_told("@abstract")),
        (named("@a\0b\0"), unix_told("@a@b@")),
        // Not ended by a NUL, and with something behind it.
        (unix(libc::SOCK_STREAM, b"/tmp/open"), unix_told("/tmp/open")),
        (unix(libc::SOCK_STREAM, b"/tmp/ended\0more"), unix_told("/tmp/ended")),
        (unix(libc::SOCK_STREAM, b"@file\0"), unix_told("./@file")),
        (unix(libc::SOCK_STREAM, &full), unix_told(&krsi_sh::raw::text(&full))),
        (unix(libc::SOCK_STREAM, b""), unix_told("")),
        (unix(libc::SOCK_SEQPACKET, b"\0s"), where_to("", 0, "unix", "seqpacket", "none", "@s")),
    ]
}

impl Call {
    fn with_protocol(self, protocol: i32) -> Self {
        Call { protocol, ..self }
    }
}

fn event(shell: &mut Shell, pid: u32, family: &str) -> Result<Value, String> {
    shell.wait_for(|l| l["type"] == "event" && l["pid"] == pid && l["family"] == family)
}

const PORT: u16 = 7070;
const SOCKET: &str = "/tmp/connect.sock";
/// Where connects succeed while nothing refuses them, also those by sending.
static LISTENERS: OnceLock<(TcpListener, UnixListener)> = OnceLock::new();

pub const CASE: Case = Case {
    template: "connect",
    params: "",
    prepare: || {
        keep(&LISTENERS, || {
            let text = |error: std::io::Error| error.to_string();
            let _ = fs::remove_file(SOCKET);
            let tcp = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).map_err(text)?;
            Ok((tcp, UnixListener::bind(SOCKET).map_err(text)?))
        })
    },
    acts: &[
        Act::new("IPv4", "socket_connect", || {
            connected(&tcp("127.0.0.1", PORT), where_to("127.0.0.1", PORT, "inet", "stream", "tcp", ""))
        }),
        Act::new("IPv6", "socket_connect", || {
            connected(&tcp("::1", PORT), where_to("::1", PORT, "inet6", "stream", "tcp", ""))
        }),
        Act::new("by sending", "socket_sendmsg", || {
            let call = tcp("127.0.0.1", PORT).how(How::FastOpen);
            connected(&call, where_to("127.0.0.1", PORT, "inet", "stream", "tcp", ""))
        }),
        Act::new("netlink", "socket_connect", || {
            let mut told = where_to("", 0, "netlink", "raw", "none", "");
            told["netlink_protocol"] = json!("generic");
            told["netlink_groups"] = json!(0x8000_0001_u32);
            connected(&netlink(0, 0x8000_0001), told)
        }),
        Act::new("a unix socket", "socket_connect", || {
            connected(&named(SOCKET), where_to("", 0, "unix", "stream", "none", SOCKET))
        }),
    ],
};

fn connected(call: &Call, mut tells: Value) -> Result<Performed, String> {
    tells["net_ns"] = json!(net_ns()?);
    Ok(Performed { task: call.made_by(&ACTOR)?, tells })
}

fn net_ns() -> Result<u64, String> {
    Ok(fs::metadata("/proc/self/ns/net").map_err(|e| e.to_string())?.ino())
}

/// Every kind of address, by which connect(2) may fail for reasons of its own.
pub fn fields() -> Outcome {
    let mut shell = probe("", "")?;
    let net_ns = net_ns()?;
    for (call, mut truth) in told() {
        let task = call.made()?;
        let family = truth["family"].as_str().unwrap_or_default().to_owned();
        let event = event(&mut shell, task.pid, &family)?;
        for (key, value) in [
            ("net_ns", json!(net_ns)),
            ("hook", json!("socket_connect")),
            ("probe", json!("t")),
            ("template", json!("connect")),
            ("verdict", json!("allow")),
            ("mode", json!("observe")),
            ("errno", json!(0)),
            ("notes", json!([])),
        ] {
            truth[key] = value;
        }
        compare_header(&event, &task, &truth).map_err(|e| format!("{call:?}: {e}"))?;
    }
    for call in [tcp("127.0.0.1", 7), udp("127.0.0.1", 7), tcp("::1", 7)] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 7)).map_err(|e| e.to_string())?;
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, 7)).map_err(|e| e.to_string())?;
        let task = call.clone().how(How::Disconnect).made()?;
        same(&format!("{call:?}, taken back"), task.deed, Deed::Done)?;
        let event = event(&mut shell, task.pid, "unspec")?;
        same("address and port", (&event["address"], &event["port"]), (&json!(""), &json!(0)))?;
        drop((listener, six));
    }
    let task = tcp("127.0.0.1", 7).how(How::FastOpen).made()?;
    let mut truth = where_to("127.0.0.1", 7, "inet", "stream", "tcp", "");
    truth["hook"] = json!("socket_sendmsg");
    compare_header(&event(&mut shell, task.pid, "inet")?, &task, &truth)?;
    let task = udp("127.0.0.1", 7).how(How::ElsewhereConnect).made()?;
    let elsewhere = event(&mut shell, task.pid, "inet")?;
    holds(elsewhere["net_ns"] != net_ns && elsewhere["net_ns"] != 0, "the namespace is the socket's")?;
    // No connect, so the hook has no say in it.
    same("a datagram", udp("127.0.0.1", 7).how(How::SendTo).made()?.deed, Deed::Done)?;
    let ended = shell.stop()?;
    let asked = told().len() + 3 * 2 + 2;
    same("seen", ended.books("t")?["seen"].as_u64(), Some(asked as u64))?;
    ended.well()
}

pub fn networks() -> Outcome {
    let any = |deny| -> Vec<(Call, bool)> {
        let all = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "2001:db8::1", "10.0.0.1"];
        all.into_iter().map(|address| (udp(address, 53), deny)).collect()
    };
    let each = |list: &[(&str, bool)]| -> Vec<(Call, bool)> {
        list.iter().map(|(address, deny)| (udp(address, 53), *deny)).collect()
    };
    // What is no IP address, and what takes a connection back, is in no network and no exception.
    let others = || {
        let disconnected = [udp("127.0.0.3", 53).how(How::Disconnect), udp("::1", 53).how(How::Disconnect)];
        let unspecified = Call { bytes: vec![0; 16], ..udp("127.0.0.1", 53) };
        let short = Call { bytes: udp("127.0.0.1", 53).bytes[..8].to_vec(), ..udp("127.0.0.1", 53) };
        (disconnected, [(unspecified, false), (short, false), (named("/tmp/x"), false)])
    };
    let edges = each(&[
        ("127.1.127.255", false),
        ("127.1.128.0", true),
        ("127.1.200.1", true),
        ("127.1.255.255", true),
        ("127.2.0.0", false),
        ("::ffff:127.1.128.0", true),
        ("::ffff:127.1.127.255", false),
        // Not mapped: other addresses altogether.
        ("::127.1.128.0", false),
        ("64:ff9b::127.1.128.0", false),
        ("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", false),
        ("2001:db8:8000::", true),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2001:db9::", false),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("2001:db8::5", true),
        ("2001:db8::4", false),
    ]);
    let loopback = each(&[
        ("0.0.0.0", true),
        ("::", true),
        ("::ffff:0.0.0.0", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("10.0.0.1", false),
    ]);
    let exceptions = each(&[
        ("10.0.0.1", true),
        ("2001:db8::1", true),
        ("127.0.0.1", false),
        ("::ffff:127.0.0.1", false),
        ("0.0.0.0", false),
        ("::1", false),
        ("::", false),
    ]);
    let (disconnected, silent) = others();
    let everything = any(true).into_iter().chain(silent.clone()).collect();
    // The first of the two calls is made where nothing is in the way.
    let mut none = any(false);
    none.extend(disconnected.iter().cloned().map(|call| (call, false)));
    none.extend(silent);
    phases(&[
        (
            "address: [\"127.1.128.0/17\", \"2001:db8:8000::/33\", \"192.0.2.1\", \"2001:db8::5\", \"127.9.9.9\"]",
            edges,
        ),
        ("address: [\"127.0.0.0/8\", \"::1\"]", loopback),
        ("address: [\"0.0.0.0/0\", \"::/0\"]", everything),
        (
            "address: [\"::/0\"], path: \"@next\"",
            each(&[("::1", true), ("127.0.0.1", false), ("::ffff:127.0.0.1", false)]),
        ),
        ("not_address: [\"127.0.0.0/16\", \"::1\"]", exceptions),
        ("not_address: [\"0.0.0.0/0\", \"::/0\"], path: \"@next\"", none),
        (
            "address: \"127.0.0.0/8\", not_address: [\"127.1.0.0/16\"]",
            each(&[("127.0.0.1", true), ("127.1.0.1", false), ("127.2.0.1", true), ("10.0.0.1", false)]),
        ),
    ])
}

pub fn ports() -> Outcome {
    let ports = |list: &[(u16, bool)]| -> Vec<(Call, bool)> {
        list.iter().map(|(port, deny)| (udp("127.0.0.1", *port), *deny)).collect()
    };
    let mut ranges = ports(&[
        (7999, false),
        (8000, true),
        (8191, true),
        (8192, true),
        (8999, true),
        (9000, false),
        (443, true),
        (444, false),
        (0, false),
        (65533, false),
        (65534, true),
        (65535, true),
    ]);
    ranges.extend([
        (tcp("::1", 443), true),
        (tcp("::1", 442), false),
        (udp("::ffff:127.0.0.1", 8000), true),
        (named("/tmp/x"), false),
        (udp("127.0.0.1", 10).how(How::Disconnect), false),
    ]);
    let mixed = |tcp4, tcp6, udp4, mapped, local| {
        vec![
            (tcp("127.0.0.1", 1), tcp4),
            (tcp("::1", 1), tcp6),
            (udp("127.0.0.1", 1), udp4),
            (udp("::ffff:127.0.0.1", 1), mapped),
            (named("/tmp/x"), local),
        ]
    };
    // Only who asks for it by name gets at what takes a connection back.
    let mut asked_for_disconnects = mixed(true, false, true, false, false);
    asked_for_disconnects.push((Call { bytes: vec![0; 16], ..udp("127.0.0.1", 1) }, true));
    phases(&[
        ("port: [443, 8000..9000, 65534.., 9]", ranges),
        (
            "port: [9, \"8000..=9000\"]",
            ports(&[(7999, false), (8000, true), (9000, true), (9001, false), (443, false)]),
        ),
        ("port: [0..443, 444..]", ports(&[(442, true), (443, false), (444, true), (65535, true)])),
        ("address: \"127.0.0.0/8\", port: 0..1024", ports(&[(80, true), (1024, false)])),
        ("family: \"inet6\", address: \"::1\", path: \"@next\"", mixed(false, true, false, false, false)),
        ("family: [\"inet\", \"unspec\"]", asked_for_disconnects),
        ("family: \"unix\"", mixed(false, false, false, false, true)),
        ("socket_type: \"dgram\"", mixed(false, false, true, true, false)),
        ("protocol: [\"tcp\", \"icmp\"]", mixed(true, true, false, false, false)),
    ])
}

pub fn names() -> Outcome {
    let each = |list: &[(&str, bool)]| -> Vec<(Call, bool)> {
        list.iter().map(|(name, deny)| (named(name), *deny)).collect()
    };
    let bytes = |name: &[u8]| unix(libc::SOCK_STREAM, name);
    let longest = format!("/run/{}", "x".repeat(103));
    let mut whole = each(&[
        ("/run/k.sock", true),
        ("/run/k.sock2", false),
        ("/run/k.soc", false),
        // As it was asked for, and not which file it is.
        ("/run/./k.sock", false),
        ("k.sock", false),
        ("@exact", true),
        ("@exac", false),
        ("@exactly", false),
        ("@exact\0", false),
        ("@nul@inside", true),
        ("@nul\0inside", true),
    ]);
    whole.extend([
        (bytes(b"/run/k.sock"), true),
        (bytes(b"/run/k.sock\0behind"), true),
        // A file of that name, in the task's directory.
        (bytes(b"@exact\0"), false),
        (bytes(longest.as_bytes()), true),
        (bytes(&longest.as_bytes()[..107]), false),
        (bytes(b""), false),
        (udp("127.0.0.1", 1), false),
        (udp("127.0.0.1", 1).how(How::Disconnect), false),
    ]);
    let whole_params =
        format!("path: [\"/run/k.sock\", \"@exact\", \"@nul@inside\", \"{longest}\", \"@next\"]");
    let prefixes = each(&[
        ("/run/k/a", true),
        ("/run/k/", true),
        ("/run/k", false),
        ("/run/l/a", false),
        ("@pre", true),
        ("@prefix", true),
        ("@pr", false),
        ("@whole", true),
        ("@wholly", false),
    ]);
    let mut either = each(&[("/run/k.sock", true), ("/run/other", false)]);
    either.extend([(udp("127.0.0.1", 1), true), (udp("10.0.0.1", 1), false)]);
    phases(&[
        (&whole_params, whole),
        ("path_prefix: [\"/run/k/\", \"@pre\"], path: [\"@whole\", \"@next\"]", prefixes),
        ("path: [\"/run/k.sock\", \"@next\"], address: \"127.0.0.0/8\"", either),
    ])
}

pub fn filter() -> Outcome {
    // As the param `address` has it.
    let networks = [
        ("among", "e.address in cidr([\"127.0.0.0/8\", \"::1/128\"])", true),
        ("outside", "!(e.address in cidr([\"127.0.0.0/8\", \"::1\"]))", false),
        ("exactly", "e.address in cidr(\"10.0.0.0/8\") || e.address == \"127.0.0.1\"", false),
    ];
    let fields =
        "e.port in 8000..9000 && e.family == \"inet6\" && e.protocol != \"udp\" || e.path.like(\"@f*d\")";
    let denying =
        |name, filter| attaching_to(name, "connect", "", &format!(".when(|e| {filter}).deny(\"EXDEV\")"));
    let mut probes = vec![denying("fields", fields)];
    probes.extend(networks.map(|(name, filter, _)| denying(name, filter)));
    let shell = Shell::with_probes(&probes)?;
    let named_as = |comm| Identity { comm: Some(comm), ..ME };
    for (call, expected) in [
        (tcp("::1", 8000), true),
        (tcp("::1", 8999), true),
        (tcp("::1", 9000), false),
        (tcp("127.0.0.1", 8000), false),
        (udp("::1", 8000), false),
        (named("@filtered"), true),
        (named("@filter"), false),
    ] {
        same(&format!("{call:?}: denied"), call.denied_to(&named_as("fields"))?, expected)?;
    }
    for (name, filter, expected) in networks {
        for address in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
            let denied = udp(address, 53).denied_to(&named_as(name))?;
            same(&format!("{filter}: {address}"), denied, expected)?;
        }
    }
    shell.stop()?.well()
}
