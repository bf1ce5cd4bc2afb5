//! The table of ways: a row and a function each.
//!
//! What a way is called on the page (`row`, docs/bypasses.md) says what would stop it; `tests/bypasses.rs` holds the table and the
//! page to each other. A function makes one attempt, in a process that ends with it, in the deed's scene; what it makes of names
//! lies in the scene's directory, which is removed by somebody else.

mod anywhere;
pub mod files;
mod programs;
mod sockets;

use std::{ffi::CString, os::fd::RawFd};

use super::{
    child::{Answer, Trouble},
    deed::{Deed, Kind},
};
use crate::raw;

/// Where an attempt is made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Scene {
    /// A directory that everybody may write to, on the file system of the deed's file if there is such a place; in the form of
    /// [`raw`].
    pub directory: String,
    /// Another one, in a part of the tree that the deed's file is not in, whatever its file system.
    pub far: String,
    /// The deed's file, opened while that was permitted.
    pub held: Option<RawFd>,
}

impl Scene {
    /// Returns a name in its directory.
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    /// Returns one far from the deed's file.
    fn far(&self, name: &str) -> String {
        format!("{}/{name}", self.far)
    }
}

/// A way round a rule.
pub struct Way {
    /// Names it in a report.
    pub name: &'static str,
    /// Names its row of the page: the first cell.
    pub row: &'static str,
    /// Which deeds it is a way to.
    pub of: Kind,
    /// No rule of the deed's template sees it; another one may.
    pub beyond: bool,
    pub call: fn(&Deed, &Scene) -> Answer,
}

/// What of the page's rows is not tried here, and why.
pub struct Untried {
    /// Names it in a report.
    pub name: &'static str,
    pub row: &'static str,
    pub of: Kind,
    pub why: &'static str,
}

macro_rules! ways {
    ($($name:literal, $of:ident, $row:expr, $call:path $(, $beyond:ident)?;)*) => {
        &[$(Way { name: $name, row: $row, of: Kind::$of, beyond: ways!(@ $($beyond)?), call: $call },)*]
    };
    (@ beyond) => { true };
    (@) => { false };
}

const NAMES: &str = "another name: hard link, symbolic link, bind mount, rename, a file put in its place";
const ROOTS: &str =
    "`/proc/self/root`, `/proc/PID/root`, chroot, a mount namespace of one's own as root of a user namespace";
const CALLS: &str = "openat2(2), the calls of 32-bit programs and of x32";
const OPENS_NOTHING: &str = "truncate(2), stat(2), rename(2), which open nothing";
const PASSED_ON: &str = "a descriptor that another process passes on (SCM_RIGHTS, pidfd_getfd(2))";
const OTHERS: &str = "a thread that is not the first, a child in another pid namespace";
const USER: &str = "becoming another user than the one in scope";
const PROGRAM_NAMES: &str = "another name of the executable";
const PROGRAM_CALLS: &str = "execveat(2) of a descriptor, the calls of 32-bit programs and of x32, `/proc/self/root`, chroot, namespaces of one's own";
const SOCKET_CALLS: &str = "io_uring, the calls of 32-bit programs and of x32, a thread that is not the first, namespaces of one's own";

/// Every way.
pub const TABLE: &[Way] = ways! {
    "hard link", Open, NAMES, files::hard_link;
    "symbolic link", Open, NAMES, files::symbolic_link;
    "bind mount", Open, NAMES, files::bind_mount;
    "rename", Open, NAMES, files::rename;
    "copy", Open, "a copy made elsewhere", files::copy;
    "/proc/self/root", Open, ROOTS, files::own_root;
    "/proc/PID/root", Open, ROOTS, files::other_root;
    "chroot", Open, ROOTS, files::change_root;
    "namespaces of one's own", Open, ROOTS, files::own_namespaces;
    "openat2", Open, CALLS, files::openat2;
    "32-bit call", Open, CALLS, files::call_32;
    "x32 call", Open, CALLS, files::call_x32;
    "file handle", Open, "open_by_handle_at(2), which names no path", files::handle;
    "io_uring", Open, "io_uring, which makes no system call for it", files::ring;
    "O_PATH and /proc/self/fd", Open, "O_PATH first, and then the name of that descriptor below /proc", files::two_steps;
    "executing it", Open, "executing it", files::execute;
    "thread", Open, OTHERS, anywhere::thread;
    "pid namespace", Open, OTHERS, anywhere::pid_namespace;
    "another user", Open, USER, anywhere::another_user, beyond;
    "descriptor held", Open, "a descriptor that was open before", files::held, beyond;
    "descriptor received", Open, PASSED_ON, files::received, beyond;
    "descriptor taken", Open, PASSED_ON, files::taken, beyond;
    "truncate", Open, OPENS_NOTHING, files::truncate, beyond;
    "stat", Open, OPENS_NOTHING, files::look, beyond;
    "moved away", Open, OPENS_NOTHING, files::move_away, beyond;

    "hard link", Exec, PROGRAM_NAMES, files::hard_link;
    "symbolic link", Exec, PROGRAM_NAMES, files::symbolic_link;
    "bind mount", Exec, PROGRAM_NAMES, files::bind_mount;
    "rename", Exec, PROGRAM_NAMES, files::rename;
    "copy", Exec, "a copy of it", files::copy;
    "memfd and fexecve", Exec, "memfd_create(2) and fexecve(3)", programs::memory;
    "#! script", Exec, "`#!` scripts", programs::script;
    "interpreter", Exec, "`sh SCRIPT`, `python SCRIPT`: the interpreter is what is executed", programs::interpreter, beyond;
    "loader", Exec, "the loader with a program as argument (`ld.so PROGRAM`)", programs::loader, beyond;
    "thread", Exec, "exec by a thread that is not the first", anywhere::thread;
    "execveat", Exec, PROGRAM_CALLS, programs::descriptor;
    "32-bit call", Exec, PROGRAM_CALLS, programs::call_32;
    "x32 call", Exec, PROGRAM_CALLS, programs::call_x32;
    "/proc/self/root", Exec, PROGRAM_CALLS, files::own_root;
    "chroot", Exec, PROGRAM_CALLS, files::change_root;
    "namespaces of one's own", Exec, PROGRAM_CALLS, files::own_namespaces;
    "pid namespace", Exec, PROGRAM_CALLS, anywhere::pid_namespace;
    "another user", Exec, USER, anywhere::another_user, beyond;

    "IPv4 in the form of IPv6", Connect, "an IPv4 address in the form of IPv6 (`::ffff:127.0.0.1`)", sockets::mapped;
    "unspecified address", Connect, "0.0.0.0 and ::, which reach the host itself", sockets::unspecified;
    "address of another family", Connect, "the host's address of another family: `::1` for 127.0.0.1", sockets::other_family;
    "TCP Fast Open", Connect, "TCP Fast Open: sendto(2) with MSG_FASTOPEN, which connects by sending", sockets::fast_open;
    "MPTCP", Connect, "another protocol that is TCP on the wire: mptcp", sockets::multipath;
    "io_uring", Connect, SOCKET_CALLS, sockets::ring_connect;
    "32-bit call", Connect, SOCKET_CALLS, sockets::connect_32;
    "x32 call", Connect, SOCKET_CALLS, sockets::connect_x32;
    "thread", Connect, SOCKET_CALLS, anywhere::thread;
    "pid namespace", Connect, SOCKET_CALLS, anywhere::pid_namespace;
    "user namespace", Connect, SOCKET_CALLS, anywhere::user_namespace;
    "another user", Connect, USER, anywhere::another_user, beyond;

    "io_uring", Socket, SOCKET_CALLS, sockets::ring_socket;
    "32-bit call", Socket, SOCKET_CALLS, sockets::socket_32;
    "x32 call", Socket, SOCKET_CALLS, sockets::socket_x32;
    "thread", Socket, SOCKET_CALLS, anywhere::thread;
    "pid namespace", Socket, SOCKET_CALLS, anywhere::pid_namespace;
    "user namespace", Socket, SOCKET_CALLS, anywhere::user_namespace;
    "another user", Socket, USER, anywhere::another_user, beyond;
};

/// What is known and not tried.
pub const UNTRIED: &[Untried] = &[
    Untried {
        name: "overlayfs",
        row: "overlayfs: the file beneath, or the copy above",
        of: Kind::Open,
        why: "it takes a mount of an overlay over the file's directory",
    },
    Untried {
        name: "code in memory",
        row: "code written to memory and made executable",
        of: Kind::Exec,
        why: "it executes nothing, so it is no way to this program",
    },
    Untried {
        name: "code in other programs",
        row: "code in what may be executed: a macro, a plugin, `LD_PRELOAD`",
        of: Kind::Exec,
        why: "it depends on the programs that may be executed",
    },
];

/// Returns the ways to deeds of a kind.
pub fn of(kind: Kind) -> impl Iterator<Item = &'static Way> {
    TABLE.iter().filter(move |way| way.of == kind)
}

/// Finds a way by its name.
#[must_use]
pub fn find(kind: Kind, name: &str) -> Option<&'static Way> {
    of(kind).find(|way| way.name == name)
}

/// Does it in the plain way.
///
/// # Errors
/// What it came to.
pub fn plain(deed: &Deed) -> Answer {
    match deed {
        Deed::Open { path, access } => files::open_plainly(&c_text(path)?, *access),
        Deed::Exec { path } => super::child::execute(&c_text(path)?),
        Deed::Connect { address, port } => sockets::connect(*address, *port, None),
        Deed::Socket { family } => sockets::socket(family),
    }
}

/// A text as the kernel takes it.
fn c_text(path: &str) -> Result<CString, Trouble> {
    CString::new(raw::bytes(path).into_owned()).map_err(|_| Trouble::Cannot("a path has a NUL in it".into()))
}

/// That something does not apply.
fn cannot(why: &str) -> Answer {
    Err(Trouble::Cannot(why.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_way_is_named_once_among_those_to_a_kind_of_deed() {
        let names: HashSet<_> = TABLE.iter().map(|way| (way.of.name(), way.name)).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(find(Kind::Open, "hard link").is_some() && find(Kind::Socket, "hard link").is_none());
    }
}
