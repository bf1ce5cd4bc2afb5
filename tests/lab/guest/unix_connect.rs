//! Claims about the template `unix_connect`.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, symlink},
        net::{UnixDatagram, UnixListener},
    },
    path::Path,
    sync::OnceLock,
};

use nix::{
    errno::Errno,
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    cases::{Act, Case, Performed, keep},
    exec::device,
    holds,
    net::{self, made, net_ns, probe, soon, tells},
    same,
    task::Deed,
};

const STREAM: &str = "/tmp/unix_connect.sock";
const DATAGRAM: &str = "/tmp/unix_connect.dgram";
static LISTENING: OnceLock<(UnixListener, UnixDatagram)> = OnceLock::new();

pub const CASE: Case = Case {
    template: "unix_connect",
    params: "",
    prepare: || keep(&LISTENING, || Ok((listener(STREAM)?, datagram(DATAGRAM)?))),
    acts: &[
        Act::new("stream", "unix_stream_connect", || {
            let told = [file(STREAM)?, json!({"socket_type": "stream", "peer_pid": std::process::id()})];
            net::acted(&told, || go(libc::SOCK_STREAM, STREAM))
        }),
        Act::new("datagram", "unix_may_send", || {
            let told = [file(DATAGRAM)?, json!({"socket_type": "dgram", "peer_pid": 0})];
            let performed: Result<Performed, String> = net::acted(&told, || {
                net::send_to(net::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?, b"x", &net::un(DATAGRAM))
            });
            performed
        }),
    ],
};

fn listener(path: &str) -> Result<UnixListener, String> {
    let _ = fs::remove_file(path);
    UnixListener::bind(path).map_err(|e| format!("{path}: {e}"))
}

fn datagram(path: &str) -> Result<UnixDatagram, String> {
    let _ = fs::remove_file(path);
    UnixDatagram::bind(path).map_err(|e| format!("{path}: {e}"))
}

/// What is true of a socket that was bound to this path.
fn file(path: &str) -> Result<Value, String> {
    let file = fs::metadata(path).map_err(|e| e.to_string())?;
    Ok(json!({
        "inode": file.ino(), "device": device(file.dev()), "net_ns": net_ns()?, "name": path, "path": path,
        "path_length": path.len(),
    }))
}

fn go(of: i32, name: &str) -> Result<(), Errno> {
    net::connect(net::socket(libc::AF_UNIX, of, 0)?, &net::un(name))
}

fn denied(name: &str) -> Result<bool, String> {
    net::denied(|| go(libc::SOCK_STREAM, name))
}

/// The socket is the one that listens, whatever name leads there.
pub fn every_name() -> Outcome {
    let directory = "/tmp/unix_names";
    let _ = fs::remove_dir_all(directory);
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(format!("{directory}/mounted")).map_err(text)?;
    let (socket, other) = (format!("{directory}/docker.sock"), format!("{directory}/other.sock"));
    let _listeners = (listener(&socket)?, listener(&other)?);
    let (hard, soft) = (format!("{directory}/hard"), format!("{directory}/soft"));
    fs::hard_link(&socket, &hard).map_err(text)?;
    symlink(&socket, &soft).map_err(text)?;
    let mounted = format!("{directory}/mounted/sock");
    fs::write(&mounted, "").map_err(text)?;
    mount(Some(socket.as_str()), mounted.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| format!("bind mount: {e}"))?;
    let shell = probe("unix_connect", &format!("path: \"{socket}\""), ".deny(\"EXDEV\")")?;
    let by_root = format!("/proc/self/root{socket}");
    let dotted = format!("{directory}/./mounted/../docker.sock");
    for name in [&socket, &hard, &soft, &mounted, &by_root, &dotted] {
        same(&format!("{name}: denied"), denied(name)?, true)?;
    }
    let relative = net::denied(|| {
        std::env::set_current_dir(directory).map_err(|_| Errno::EIO)?;
        go(libc::SOCK_STREAM, "docker.sock")
    })?;
    same("relative: denied", relative, true)?;
    let moved = format!("{directory}/moved");
    fs::rename(&socket, &moved).map_err(text)?;
    same("renamed: denied", denied(&moved)?, true)?;
    same("another: denied", denied(&other)?, false)?;
    same("abstract: denied", denied("@unix_names")?, false)?;
    let unmounted = umount2(mounted.as_str(), MntFlags::MNT_DETACH).map_err(|e| e.to_string());
    shell.stop()?.well()?;
    unmounted
}

/// A service that is started again has a new socket, which the same path means.
pub fn restarted() -> Outcome {
    let path = "/tmp/unix_restarted.sock";
    let first = listener(path)?;
    let before = fs::metadata(path).map_err(|e| e.to_string())?.ino();
    let shell = probe("unix_connect", &format!("path: \"{path}\""), ".deny(\"EXDEV\")")?;
    same("before", denied(path)?, true)?;
    drop(first);
    let _second = listener(path)?;
    // By its path it is denied at once, by any other name once it has been followed.
    same("by its path", denied(path)?, true)?;
    let linked = "/tmp/unix_restarted.link";
    let _ = fs::remove_file(linked);
    fs::hard_link(path, linked).map_err(|e| e.to_string())?;
    soon("the new socket is denied by its inode", || denied(linked))?;
    let after = fs::metadata(path).map_err(|e| e.to_string())?.ino();
    holds(Path::new(linked).exists() && (before, after) != (0, 0), "there are sockets")?;
    shell.stop()?.well()
}

/// Names that are no files, pairs, and what each datagram comes to.
pub fn names() -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    let address = |name: &str| {
        use std::os::linux::net::SocketAddrExt;
        std::os::unix::net::SocketAddr::from_abstract_name(name).map_err(|e| e.to_string())
    };
    let hidden = UnixListener::bind_addr(&address("hidden")?).map_err(text)?;
    let longer = UnixListener::bind_addr(&address("hidden2")?).map_err(text)?;
    let file = "/tmp/unix_named.sock";
    let _file = listener(file)?;
    let mut shell = probe("unix_connect", "", "")?;
    let task = made(|| go(libc::SOCK_STREAM, "@hidden"))?;
    same("connected", task.deed, Deed::Done)?;
    let truth = json!({
        "name": "@hidden", "path": "", "path_length": 0, "inode": 0, "device": "0:0", "socket_type": "stream",
        "peer_pid": std::process::id(), "net_ns": net_ns()?,
    });
    tells(&net::event(&mut shell, task.pid)?, &truth)?;
    // Each datagram of a pair is one.
    let pair = made(|| {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        Errno::result(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, ends.as_mut_ptr()) })?;
        net::send(ends[0], b"1")?;
        net::send(ends[1], b"2")
    })?;
    same("sent", pair.deed, Deed::Done)?;
    let truth = json!({"name": "", "path": "", "inode": 0, "hook": "unix_may_send", "socket_type": "dgram"});
    tells(&net::event(&mut shell, pair.pid)?, &truth)?;
    let ended = shell.stop()?;
    same("matched", ended.books("t")?["matched"].as_u64(), Some(3))?;
    ended.well()?;

    for (params, expected) in [
        ("name: \"@hidden\"", [true, false, false]),
        ("name_prefix: \"@hidden\"", [true, true, false]),
        ("name_prefix: \"/tmp/unix_n\"", [false, false, true]),
        ("name: \"@hidden2\", path_suffix: \"named.sock\"", [false, true, true]),
        ("path_prefix: \"/tmp/unix_named\"", [false, false, true]),
        ("socket_type: \"dgram\"", [false, false, false]),
    ] {
        let shell = probe("unix_connect", params, ".deny(\"EXDEV\")")?;
        for (name, expected) in ["@hidden", "@hidden2", file].into_iter().zip(expected) {
            same(&format!("{params}: {name}: denied"), denied(name)?, expected)?;
        }
        shell.stop()?.well()?;
    }
    drop((hidden, longer));
    Ok(())
}
