//! Sockets and who holds them: /proc/net, and every process's descriptors.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::ffi::OsStrExt,
};

use super::{
    FactError, Reader, accounts,
    error::if_there,
    processes::{self, Stat},
    record::record,
};
use crate::raw;

record! {
    /// A process that holds a socket.
    Holder {
        /// Process id.
        pid: u32,
        /// Its name.
        name: String,
    }
}

record! {
    /// One socket.
    Socket {
        /// `tcp`, `udp`, `udplite`, `raw`, `unix` or `packet`.
        protocol: String,
        /// 4 or 6; `()` for `unix` and `packet`.
        family: Option<u32>,
        /// It waits for connections; for `udp`, `udplite` and `raw`: it is bound, and connected to nobody.
        listening: bool,
        /// `established`, `listen`, `time-wait` …, as ss(8) writes it, but in small letters.
        state: String,
        /// Own address; `()` for `unix` and `packet`.
        address: Option<String>,
        /// Own port (`raw` and `packet`: the protocol's number); `()` for `unix`.
        port: Option<u32>,
        /// The other side's address; `()` if it is not connected.
        peer: Option<String>,
        /// The other side's port; `()` if it is not connected.
        peer_port: Option<u32>,
        /// It is reached from this machine alone: a loopback address, or a `unix` socket.
        local: bool,
        /// Path of a `unix` socket, `@…` for an abstract name; `()` without one.
        path: Option<String>,
        /// `stream`, `dgram` or `seqpacket` of a `unix` socket; else `()`.
        kind: Option<String>,
        /// User id of who made it; `()` for `unix`.
        uid: Option<u32>,
        /// That user's name.
        user: Option<String>,
        /// Its inode.
        inode: u64,
        /// Processes that hold it: `s.processes[0].name`; `()` if none is found and some process could not be looked into.
        processes: Option<Vec<Holder>>,
    }
}

const INTERNET: [(&str, u32, &str); 8] = [
    ("tcp", 4, "tcp"),
    ("tcp", 6, "tcp6"),
    ("udp", 4, "udp"),
    ("udp", 6, "udp6"),
    ("udplite", 4, "udplite"),
    ("udplite", 6, "udplite6"),
    ("raw", 4, "raw"),
    ("raw", 6, "raw6"),
];

/// # Errors
/// If /proc/net cannot be read.
pub fn sockets(reader: Reader<'_>) -> Result<Vec<Socket>, FactError> {
    let read = |name: &str| {
        let path = format!("/proc/net/{name}");
        if_there(&path, reader.root().bytes(&path))
    };
    if !reader.root().has("/proc/net") {
        return Err(FactError::system("cannot list sockets: /proc/net is not there"));
    }
    accounts::refresh_names(reader);
    let mut found = Vec::new();
    for (protocol, family, file) in INTERNET {
        let bytes = read(file)?.unwrap_or_default();
        found.extend(lines(&bytes).filter_map(|line| internet(protocol, family, line)));
    }
    found.extend(lines(&read("unix")?.unwrap_or_default()).filter_map(unix));
    found.extend(lines(&read("packet")?.unwrap_or_default()).filter_map(packet));
    let (holders, all_seen) = holders(reader)?;
    for socket in &mut found {
        let held = holders.get(&socket.inode).filter(|_| socket.inode != 0);
        // What nobody holds any more (time-wait) has no inode.
        socket.processes = held.cloned().or_else(|| (all_seen || socket.inode == 0).then(Vec::new));
        socket.user =
            socket.uid.and_then(|uid| accounts::user_name(reader, uid)).map(|name| (*name).to_owned());
    }
    Ok(found)
}

/// All but the heading.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').skip(1).filter(|line| !line.is_empty())
}

/// `sl local remote st tx:rx tr:when retrnsmt uid timeout inode …`.
fn internet(protocol: &str, family: u32, line: &[u8]) -> Option<Socket> {
    let words: Vec<&str> = std::str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
    let (address, port) = endpoint(words.get(1)?)?;
    let (peer, peer_port) = endpoint(words.get(2)?)?;
    let state = u8::from_str_radix(words.get(3)?, 16).ok()?;
    let connected = !(peer.is_unspecified() && peer_port == 0);
    let listening = if protocol == "tcp" { state == LISTEN } else { !connected };
    Some(Socket {
        protocol: protocol.to_owned(),
        family: Some(family),
        listening,
        state: state_name(protocol, state).to_owned(),
        address: Some(address.to_string()),
        port: Some(port),
        peer: connected.then(|| peer.to_string()),
        peer_port: connected.then_some(peer_port),
        local: is_loopback(address),
        path: None,
        kind: None,
        uid: Some(words.get(7)?.parse().ok()?),
        user: None,
        inode: words.get(9)?.parse().ok()?,
        processes: None,
    })
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
    }
}

/// `0100007F:1F90`: words of 32 bits as this machine has them in memory, and the port as one reads it.
fn endpoint(text: &str) -> Option<(IpAddr, u32)> {
    let (address, port) = text.split_once(':')?;
    let port = u32::from_str_radix(port, 16).ok()?;
    let word =
        |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some((address, port))
}

const LISTEN: u8 = 10;

fn state_name(protocol: &str, state: u8) -> &'static str {
    match (protocol, state) {
        (_, 1) => "established",
        ("tcp", 2) => "syn-sent",
        ("tcp", 3) => "syn-recv",
        ("tcp", 4) => "fin-wait-1",
        ("tcp", 5) => "fin-wait-2",
        ("tcp", 6) => "time-wait",
        ("tcp", 8) => "close-wait",
        ("tcp", 9) => "last-ack",
        ("tcp", LISTEN) => "listen",
        ("tcp", 11) => "closing",
        ("tcp", 12) => "syn-recv",
        _ => "unconn",
    }
}

/// `Num RefCount Protocol Flags Type St Inode Path`; a path is anything, and comes last. One with a newline in it looks as
/// if there were a socket more, which cannot be told from outside.
fn unix(line: &[u8]) -> Option<Socket> {
    let mut words = line.splitn(7, |b| *b == b' ');
    let mut word = || words.next().and_then(|word| std::str::from_utf8(word).ok());
    let (_, _, _, flags, kind, state) = (word()?, word()?, word()?, word()?, word()?, word()?);
    // The inode is set to the right.
    let rest = words.next()?.trim_ascii_start();
    let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
    let inode: u64 = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
    let path = rest.get(end + 1..).filter(|path| !path.is_empty()).map(raw::text);
    let listens = u32::from_str_radix(flags, 16).ok()? & 0x1_0000 != 0;
    let state = match (listens, state) {
        (true, _) => "listen",
        (_, "03") => "established",
        _ => "unconn",
    };
    let kind = match u8::from_str_radix(kind, 16).ok()? {
        1 => "stream",
        2 => "dgram",
        5 => "seqpacket",
        _ => "other",
    };
    Some(Socket {
        protocol: "unix".to_owned(),
        family: None,
        // One without connections takes what comes, if it has a name.
        listening: listens || kind == "dgram" && path.is_some() && state == "unconn",
        state: state.to_owned(),
        address: None,
        port: None,
        peer: None,
        peer_port: None,
        local: true,
        path,
        kind: Some(kind.to_owned()),
        uid: None,
        user: None,
        inode,
        processes: None,
    })
}

/// `sk RefCnt Type Proto Iface R Rmem User Inode`.
fn packet(line: &[u8]) -> Option<Socket> {
    let words: Vec<&str> = std::str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
    Some(Socket {
        protocol: "packet".to_owned(),
        family: None,
        // Without a protocol it is given nothing.
        listening: *words.get(3)? != "0000",
        state: "unconn".to_owned(),
        address: None,
        port: u32::from_str_radix(words.get(3)?, 16).ok(),
        peer: None,
        peer_port: None,
        local: false,
        path: None,
        kind: Some(if *words.get(2)? == "3" { "raw" } else { "dgram" }.to_owned()),
        uid: words.get(7)?.parse().ok(),
        user: None,
        inode: words.get(8)?.parse().ok()?,
        processes: None,
    })
}

/// Who holds which inode, and whether every process could be looked into.
fn holders(reader: Reader<'_>) -> Result<(HashMap<u64, Vec<Holder>>, bool), FactError> {
    let mut found: HashMap<u64, Vec<Holder>> = HashMap::new();
    let mut all_seen = true;
    for pid in processes::pids(reader)? {
        reader.check()?;
        let directory = format!("/proc/{pid}/fd");
        let place = reader.root().locate(&directory, super::root::Links::Followed);
        let entries = match place.and_then(std::fs::read_dir) {
            Ok(entries) => entries,
            Err(error) => {
                all_seen &= super::error::is_missing(&error);
                continue;
            }
        };
        let mut name: Option<String> = None;
        for entry in entries.flatten() {
            let Ok(link) = std::fs::read_link(entry.path()) else { continue };
            let Some(inode) = socket_inode(link.as_os_str().as_bytes()) else { continue };
            let stat = || Some(Stat::parse(&reader.root().bytes(format!("/proc/{pid}/stat")).ok()?)?.name);
            let name = name.get_or_insert_with(|| stat().unwrap_or_default());
            let of = found.entry(inode).or_default();
            if of.last().is_none_or(|last| last.pid != pid) {
                of.push(Holder { pid, name: name.clone() });
            }
        }
    }
    Ok((found, all_seen))
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    let inside = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inside).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::net::{UnixDatagram, UnixListener},
    };

    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    fn here() -> Vec<Socket> {
        sockets(reader(&Facts::default())).unwrap()
    }

    fn is_held_here(socket: &Socket) -> bool {
        socket.processes.as_ref().unwrap().iter().any(|holder| holder.pid == std::process::id())
    }

    #[test]
    fn sockets_of_this_process_are_found_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp6 = TcpListener::bind("[::1]:0").ok();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let path = directory.path().join("a  b\u{fffd} c");
        let _unix = UnixListener::bind(&path).unwrap();
        let datagrams = directory.path().join("dgram");
        let _datagrams = UnixDatagram::bind(&datagrams).unwrap();
        let found = here();
        let by_port = |port: u16, protocol: &str| {
            found
                .iter()
                .find(|s| s.port == Some(port.into()) && s.protocol == protocol && s.listening)
                .unwrap()
        };
        let one = by_port(tcp.local_addr().unwrap().port(), "tcp");
        assert_eq!(
            (one.address.as_deref(), &*one.state, one.local, &one.peer),
            (Some("127.0.0.1"), "listen", true, &None)
        );
        assert!(is_held_here(one));
        if let Some(tcp6) = tcp6 {
            let one = by_port(tcp6.local_addr().unwrap().port(), "tcp");
            assert_eq!((one.family, one.address.as_deref(), one.local), (Some(6), Some("::1"), true));
        }
        assert!(is_held_here(by_port(udp.local_addr().unwrap().port(), "udp")));
        let port = u32::from(client.local_addr().unwrap().port());
        let one = found.iter().find(|s| s.port == Some(port) && s.protocol == "tcp").unwrap();
        assert_eq!(
            (&*one.state, one.listening, one.peer_port),
            ("established", false, Some(tcp.local_addr().unwrap().port().into()))
        );
        let by_path =
            |path: &std::path::Path| found.iter().find(|s| s.path.as_deref() == path.to_str()).unwrap();
        assert!(by_path(&path).listening && is_held_here(by_path(&path)));
        assert_eq!(
            (by_path(&datagrams).kind.as_deref(), by_path(&datagrams).listening),
            (Some("dgram"), true)
        );
    }

    #[test]
    fn what_listens_is_what_ss_lists() {
        let Some(text) = told("ss", &["-Htln"]) else { return };
        let found = here();
        let said: Vec<u32> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3)?.rsplit_once(':')?.1.parse().ok())
            .collect();
        for port in &said {
            // One may have been closed in between, which other tests do all the time.
            let seen = found.iter().any(|s| s.protocol == "tcp" && s.listening && s.port == Some(*port));
            let again = || told("ss", &["-Htln"]).unwrap().contains(&format!(":{port} "));
            assert!(seen || !again(), "{port}");
        }
    }

    #[test]
    fn a_made_up_root_has_its_own() {
        let made = MadeUp::new(&[("/proc/sys/x", ""), ("/etc/passwd", "www:x:33:33:::\n")]);
        made.file("/proc/net/tcp", "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1 0 100 0 0 10 0\n   1: broken\n");
        made.file("/proc/net/packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n0000 3      3    0003   2     1 0      0      99\n");
        made.file("/proc/net/unix", b"Num RefCount Protocol Flags Type St Inode Path\n0: 00000002 00000000 00010000 0001 01    11 /run/a b\xff\n0: 00000002 00000000 00000000 0002 01 12345\n0: 00000003 00000000 00010000 0005 01     7 @abstract\n");
        made.file("/proc/5/stat", "5 (sshd) S 1 0 0 0 0 0");
        made.link("/proc/5/fd/3", "socket:[4711]");
        let found = sockets(made.reader()).unwrap();
        assert_eq!(found.len(), 5);
        let tcp = &found[0];
        assert_eq!(
            (tcp.port, tcp.user.as_deref(), tcp.local, tcp.listening),
            (Some(22), Some("www"), false, true)
        );
        assert_eq!(tcp.processes, Some(vec![Holder { pid: 5, name: "sshd".into() }]));
        assert_eq!((found[1].path.as_deref(), found[1].inode), (Some("/run/a b\u{efff}"), 11));
        assert_eq!((&found[2].path, found[2].inode, found[2].listening), (&None, 12345, false));
        assert_eq!(
            (found[3].path.as_deref(), found[3].kind.as_deref()),
            (Some("@abstract"), Some("seqpacket"))
        );
        assert_eq!((&*found[4].protocol, found[4].port, found[4].listening), ("packet", Some(3), true));
    }
}
