//! How to make a hook be asked, harmlessly: each does once what the hook is about.

use std::{
    fs,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

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
        "ptrace_access_check" => look_at_child,
        "ptrace_traceme" => be_traced,
        "socket_create" | "socket_connect" => connect,
        "socket_sendmsg" => connect_by_sending,
        _ => return None,
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

/// TCP Fast Open, to a port of this host's own that nobody listens at: one segment, refused at once.
fn connect_by_sending() -> io::Result<()> {
    let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None);
    let (nobody, sender) = (tcp()?, tcp()?);
    // Bound and not listening, so that the port is nobody else's.
    nobody.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let flags = nix::libc::MSG_FASTOPEN | nix::libc::MSG_NOSIGNAL;
    sender.send_to_with_flags(b"krsi-sh doctor", &nobody.local_addr()?, flags).map(drop)
}

/// A datagram socket's connect sends nothing.
fn connect() -> io::Result<()> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.connect((Ipv4Addr::LOCALHOST, 9))
}
