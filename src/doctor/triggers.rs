//! How to make a hook be asked, harmlessly: each does once what the hook is about.

use std::{
    fs,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{
            fs::{PermissionsExt, symlink},
            net::{UnixDatagram, UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use nix::libc;
use socket2::{Domain, Socket, Type};

use super::{child::in_child, kernel_triggers, ring};

/// Does it. Failing is allowed: only that the hook is asked counts.
pub type Trigger = fn() -> io::Result<()>;

/// The trigger of a hook, if one is known.
pub fn of(hook: &str) -> Option<Trigger> {
    let trigger: Trigger = match hook {
        "bprm_check_security"
        | "bprm_committed_creds"
        | "bprm_committing_creds"
        | "bprm_creds_for_exec"
        | "task_alloc"
        | "task_free" => execute,
        "file_open" | "file_permission" => open,
        "inode_create" | "inode_unlink" | "path_unlink" => remove,
        "inode_rename" | "path_rename" => rename,
        "path_mknod" => remove,
        "path_mkdir" | "path_rmdir" => make_directory,
        "path_link" | "path_symlink" => link,
        "path_chmod" | "inode_setattr" => change_mode,
        "path_truncate" | "file_truncate" => truncate,
        "inode_setxattr" | "inode_removexattr" | "inode_set_acl" | "inode_remove_acl" => change_attributes,
        "file_ioctl" => ask_a_file,
        "file_ioctl_compat" if ask_by_32_bits().is_ok() => ask_by_32_bits,
        "inode_getattr" => open,
        "ptrace_access_check" => look_at_child,
        "ptrace_traceme" => be_traced,
        "bprm_creds_from_file" => regain,
        "capable" => || in_child(|| call(libc::SYS_chroot, [c"/".as_ptr() as u64, 0, 0])),
        "capset" => lay_down_capabilities,
        "security_file_alloc" => make_memory_file,
        "inode_init_security_anon" => make_anonymous_inode,
        "taskstats_exit" => execute,
        "task_fix_setgid" => {
            || in_child(|| call(libc::SYS_setgid, [u64::from(nix::unistd::getgid().as_raw()), 0, 0]))
        }
        "task_fix_setgroups" => || in_child(|| call(libc::SYS_setgroups, [0, 0, 0])),
        "task_fix_setuid" => {
            || in_child(|| call(libc::SYS_setuid, [u64::from(nix::unistd::getuid().as_raw()), 0, 0]))
        }
        "task_kill" => || call(libc::SYS_kill, [u64::from(std::process::id()), 0, 0]),
        "task_prctl" => || call(libc::SYS_prctl, [libc::PR_GET_DUMPABLE.cast_unsigned().into(), 0, 0]),
        "userns_create" => {
            || in_child(|| call(libc::SYS_unshare, [libc::CLONE_NEWUSER.cast_unsigned().into(), 0, 0]))
        }
        "socket_create" | "socket_connect" => connect,
        "socket_sendmsg" => send,
        "socket_bind" => bind,
        "socket_listen" => listen,
        "socket_accept" | "sock_graft" => accept,
        "socket_setsockopt" => set_option,
        "unix_stream_connect" => connect_unix,
        "unix_may_send" => send_unix,
        "netlink_send" => send_netlink,
        _ => return kernel_triggers::of(hook),
    };
    Some(trigger)
}

fn execute() -> io::Result<()> {
    Command::new("/proc/self/exe")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
}

fn open() -> io::Result<()> {
    fs::read("/proc/self/stat").map(drop)
}

fn remove() -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(b"krsi-sh doctor")?;
    file.close()
}

/// Over a file that is there, as replacing is what some hooks are about.
fn rename() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    fs::write(&from, "krsi-sh doctor")?;
    fs::write(&to, "krsi-sh doctor")?;
    fs::rename(&from, &to)?;
    directory.close()
}

fn make_directory() -> io::Result<()> {
    tempfile::tempdir()?.close()
}

/// Both kinds, to a file of its own.
fn link() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("file");
    fs::write(&file, "krsi-sh doctor")?;
    fs::hard_link(&file, directory.path().join("hard"))?;
    symlink(&file, directory.path().join("symbolic"))?;
    directory.close()
}

/// And a time, which is asked about apart.
fn change_mode() -> io::Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600))?;
    file.as_file().set_modified(SystemTime::now())?;
    file.close()
}

/// By its name, and as an open file.
fn truncate() -> io::Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    nix::unistd::truncate(file.path(), 0)?;
    file.as_file().set_len(0)?;
    file.close()
}

/// One of its own, and an access control list that says what the permissions say.
fn change_attributes() -> io::Result<()> {
    // Version 2; owner, group, others: read. include/uapi/linux/posix_acl_xattr.h
    const LIST: &[u8] =
        b"\x02\0\0\0\x01\0\x04\0\xff\xff\xff\xff\x04\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let file = tempfile::NamedTempFile::new()?;
    let fd = file.as_file().as_raw_fd();
    for (name, value) in [(c"user.krsi-sh", b"doctor".as_slice()), (c"system.posix_acl_access", LIST)] {
        // SAFETY: a name that ends with a NUL, and bytes with their length; the descriptor is open.
        unsafe {
            nix::libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0);
            nix::libc::fremovexattr(fd, name.as_ptr());
        }
    }
    file.close()
}

/// How much there is to read.
fn ask_a_file() -> io::Result<()> {
    let file = fs::File::open("/proc/self/exe")?;
    let mut left: nix::libc::c_int = 0;
    // SAFETY: the descriptor is open, and the kernel writes one number.
    unsafe { nix::libc::ioctl(file.as_raw_fd(), nix::libc::FIONREAD, &raw mut left) };
    Ok(())
}

/// A child of ours asks by the gate of 32-bit programs, and ends before it executes anything. An error where there is no such gate:
/// the child is killed then.
#[cfg(target_arch = "x86_64")]
fn ask_by_32_bits() -> io::Result<()> {
    const FIOCLEX: u32 = 0x5451;
    let ask = || {
        // SAFETY: ioctl on standard input, without an argument; the kernel changes the result's register only.
        unsafe {
            std::arch::asm!(
                "push rbx", "xor ebx, ebx", "int 0x80", "pop rbx",
                inlateout("eax") 54 => _, in("ecx") FIOCLEX, in("edx") 0, in("esi") 0,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        Err(io::Error::from(io::ErrorKind::Other))
    };
    let mut command = Command::new("/proc/self/exe");
    // SAFETY: a few system calls between fork and exec, which touch no memory of ours.
    unsafe { command.pre_exec(ask) };
    match command.stdin(Stdio::null()).spawn() {
        // The error just made is how it ends.
        Err(_) => Ok(()),
        Ok(mut child) => {
            child.wait()?;
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ask_by_32_bits() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opening its memory is asked about as an access, and nothing is read. A child's, since one's own
/// is always granted without asking.
fn look_at_child() -> io::Result<()> {
    let mut child =
        Command::new("/proc/self/exe").arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let memory = format!("/proc/{}/mem", child.id());
    let mut looked = Ok(());
    // A child that is just being executed may still share this process's memory, which is granted
    // without asking (mm_access); soon it has its own.
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(10));
        looked = fs::OpenOptions::new().read(true).open(&memory).map(drop);
    }
    child.kill()?;
    child.wait()?;
    looked
}

/// A child that asks to be traced and ends before it executes anything.
fn be_traced() -> io::Result<()> {
    let ask = || {
        nix::sys::ptrace::traceme()?;
        Err(io::Error::from(io::ErrorKind::Other))
    };
    let mut command = Command::new("/proc/self/exe");
    // SAFETY: one system call between fork and exec, which touches no memory of ours.
    unsafe { command.pre_exec(ask) };
    // The error just made is how it ends.
    let _ = command.status();
    Ok(())
}

/// By TCP Fast Open, and a datagram: each is what some template has this hook for.
fn send() -> io::Result<()> {
    let by_connecting = connect_by_sending();
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.send_to(b"krsi-sh doctor", receiver.local_addr()?)?;
    by_connecting
}

fn bind() -> io::Result<()> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)
}

/// At the loopback, and at once no more.
fn listen() -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)
}

/// A connection of this process's to itself.
fn accept() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Nobody waits for a connection that a firewall keeps away.
    listener.set_nonblocking(true)?;
    let _client = TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(1))?;
    listener.accept().map(drop)
}

fn set_option() -> io::Result<()> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.set_broadcast(false)
}

/// To a name that no other process can have: it is in a directory of this one's own.
fn connect_unix() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let _listener = UnixListener::bind(&path)?;
    UnixStream::connect(&path).map(drop)
}

fn send_unix() -> io::Result<()> {
    let (one, other) = UnixDatagram::pair()?;
    one.send(b"krsi-sh doctor")?;
    drop(other);
    Ok(())
}

/// NLMSG_NOOP, which the kernel throws away.
fn send_netlink() -> io::Result<()> {
    const AF_NETLINK: i32 = 16;
    let mut message = [0; 16];
    message[0] = 16; // its length
    message[4] = 1;
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::from(3 /* raw */), None)?;
    socket.send(&message).map(drop)
}

/// A system call that takes numbers and no addresses.
fn call(number: i64, [a, b, c]: [u64; 3]) -> io::Result<()> {
    // SAFETY: as it says; what it gives is a number, or a descriptor for the process's few remaining moments.
    Ok(nix::errno::Errno::result(unsafe { libc::syscall(number, a, b, c) }).map(drop)?)
}

/// A descriptor that is closed at once.
fn closed(descriptor: i64) -> io::Result<()> {
    let descriptor = i32::try_from(nix::errno::Errno::result(descriptor)?).map_err(io::Error::other)?;
    // SAFETY: just made, and nobody else's.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
    Ok(())
}

fn make_memory_file() -> io::Result<()> {
    // SAFETY: the name is a constant.
    closed(unsafe { libc::syscall(libc::SYS_memfd_create, c"krsi-sh doctor".as_ptr(), libc::MFD_CLOEXEC) })
}

/// Both: Linux 5.10 has the hook by a later io_uring, but not for userfaultfd, and io_uring may be switched off.
fn make_anonymous_inode() -> io::Result<()> {
    let ring = ring::make(0).map(drop);
    make_userfaultfd().or(ring)
}

fn make_userfaultfd() -> io::Result<()> {
    // SAFETY: a call that takes a number.
    closed(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) })
}

/// A child lays its capabilities down, and executes a program: what root gets back by that is what the hook is about.
fn regain() -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    let lay_down = || set_capabilities([0; 2]);
    // SAFETY: one system call between fork and exec, which touches no memory of ours.
    unsafe { command.pre_exec(lay_down) };
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
}

/// A child's, to none.
fn lay_down_capabilities() -> io::Result<()> {
    in_child(|| set_capabilities([0; 2]))
}

/// All three sets to the same.
fn set_capabilities(words: [u32; 2]) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let data = words.map(|word| [word; 3]);
    // SAFETY: both are laid out as the call wants them, and live to its end.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    Ok(nix::errno::Errno::result(result).map(drop)?)
}

/// TCP Fast Open, to a port of this host's own that nobody listens at: one segment, refused at once.
fn connect_by_sending() -> io::Result<()> {
    let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None);
    let (nobody, sender) = (tcp()?, tcp()?);
    // Bound and not listening, so that the port is nobody else's.
    nobody.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let flags = libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL;
    sender.send_to_with_flags(b"krsi-sh doctor", &nobody.local_addr()?, flags).map(drop)
}

/// A datagram socket's connect sends nothing.
fn connect() -> io::Result<()> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.connect((Ipv4Addr::LOCALHOST, 9))
}
