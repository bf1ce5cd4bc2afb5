//! What the hunts' cases do besides what a shell can: each a few system calls, in a process of its own.
//!
//! In: a deed's name. Out: an exit code; that the kernel refuses what was tried (there is no such network, no such module) is no
//! trouble: what counts is that it was asked.

use std::{
    ffi::CString,
    fs,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    process::{Command, ExitCode, Stdio},
};

use nix::{
    libc::{self, c_int, c_long},
    unistd::{ForkResult, Uid, fork, pipe, read, setresuid, setuid, write},
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Begins the arguments of a process that does one.
pub const DEED: &str = "--deed";

pub fn main(name: &str) -> ExitCode {
    match perform(name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(name: &str) -> Result<()> {
    if let Some(address) = name.strip_prefix("connect ").and_then(|word| word.parse().ok()) {
        return connect(address);
    }
    if let Some(address) = name.strip_prefix("send ").and_then(|word| word.parse::<SocketAddr>().ok()) {
        let _ = UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", address);
        return Ok(());
    }
    if let Some(address) = name.strip_prefix("talk to ") {
        return Ok(TcpStream::connect(address).map(drop)?);
    }
    if let Some(path) = name.strip_prefix("reach ") {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        UnixStream::connect(path)?;
        drop(listener);
        return Ok(fs::remove_file(path)?);
    }
    if let Some(path) = name.strip_prefix("module /") {
        let file = fs::File::open(format!("/{path}"))?;
        return try_call(libc::SYS_finit_module, &[file.as_raw_fd().into(), c"".as_ptr() as c_long, 0]);
    }
    match name {
        "alg socket" => socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0).map(drop).or(Ok(())),
        "netlink socket" => socket(libc::AF_NETLINK, libc::SOCK_RAW, 0).map(drop),
        "packet socket" => socket(libc::AF_PACKET, libc::SOCK_RAW, 0).map(drop).or(Ok(())),
        // AF_RDS: no kernel of the matrix has it built in.
        "rds socket" => socket(21, libc::SOCK_SEQPACKET, 0).map(drop).or(Ok(())),
        "filter of a raw socket" => filter(libc::SOCK_RAW, libc::IPPROTO_ICMP),
        "filter of a udp socket" => filter(libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        "bind shell" => bind_shell(),
        "listen and start a shell" => {
            let _listener = TcpListener::bind("127.0.0.1:4445")?;
            sh(Stdio::piped())
        }
        "reverse shell" => {
            let listener = TcpListener::bind("127.0.0.1:4446")?;
            let stream = TcpStream::connect("127.0.0.1:4446")?;
            let _other = listener.accept()?;
            sh(OwnedFd::from(stream).into())
        }
        "bpf kprobe" => load(2, "krsi_case"),
        "bpf socket filter" => load(1, "krsi_calm"),
        "perf of a processor" => perf(-1, 0),
        "perf of itself" => perf(0, -1),
        "code in written memory" => protect(libc::PROT_READ | libc::PROT_EXEC),
        "written memory that is only read" => protect(libc::PROT_READ),
        "execute what is removed" => {
            fs::copy("/bin/busybox", "/run/busybox-gone")?;
            let file = fs::File::open("/run/busybox-gone")?;
            fs::remove_file("/run/busybox-gone")?;
            execute(&file)
        }
        "execute from memory" => execute(&in_memory()?),
        "keep in memory" => in_memory().map(drop),
        "setcap setuid" => setcap(7),
        "setcap net_bind_service" => setcap(10),
        "io_uring" => {
            let mut params = [0_u8; 120];
            try_call(libc::SYS_io_uring_setup, &[1, params.as_mut_ptr() as c_long])
        }
        "traceme" => Ok(nix::sys::ptrace::traceme()?),
        "userfaultfd" => try_call(libc::SYS_userfaultfd, &[0]),
        "epoll" => try_call(libc::SYS_epoll_create1, &[0]),
        // SYSLOG_ACTION_SIZE_BUFFER
        "size of the log" => try_call(libc::SYS_syslog, &[10, 0, 0]),
        // More segments than there can be.
        "kexec" => try_call(libc::SYS_kexec_load, &[0, 1 << 20, 0, 0]),
        "module from memory" => {
            try_call(libc::SYS_init_module, &[[0_u8; 64].as_ptr() as c_long, 64, c"".as_ptr() as c_long])
        }
        "connect to many ports" => {
            (4000..4080).try_for_each(|port| connect(SocketAddr::from(([127, 0, 0, 1], port))))
        }
        "connect to one port" => (0..80).try_for_each(|_| connect(SocketAddr::from(([127, 0, 0, 1], 4000)))),
        "rename 50 files" => files("/opt/storm", |path| Ok(fs::rename(path, format!("{path}.locked"))?)),
        "move 50 files" => {
            files("/opt/calm", |path| Ok(fs::rename(path, path.replace("calm/", "calm/moved/"))?))
        }
        "root below a user" => below(Some(1000)),
        "root below root" => below(None),
        "raise capabilities" => raise(),
        "root to user" => Ok(setuid(Uid::from_raw(1000))?),
        "root again" => {
            let (user, root, same) = (Uid::from_raw(1000), Uid::from_raw(0), Uid::from_raw(u32::MAX));
            setresuid(user, user, root)?;
            Ok(setresuid(same, root, same)?)
        }
        _ => Err("nobody knows how to do this".into()),
    }
}

/// Begins a connection that needs no other side.
fn connect(address: SocketAddr) -> Result<()> {
    // That no network leads there is found out after the kernel was asked.
    let _ = UdpSocket::bind("0.0.0.0:0")?.connect(address);
    Ok(())
}

/// Makes a system call, whatever it answers.
fn try_call(number: c_long, arguments: &[c_long]) -> Result<()> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or_default();
    // SAFETY: each caller's pointers lead to memory of its own that is as large as the call may read or write.
    unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4)) };
    Ok(())
}

fn socket(family: c_int, kind: c_int, protocol: c_int) -> Result<OwnedFd> {
    // SAFETY: three numbers; a descriptor that is returned is this function's.
    let fd = unsafe { libc::socket(family, kind, protocol) };
    if fd < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
}

fn filter(kind: c_int, protocol: c_int) -> Result<()> {
    let socket = socket(libc::AF_INET, kind, protocol)?;
    // BPF_RET of everything.
    let mut code = [libc::sock_filter { code: 6, jt: 0, jf: 0, k: u32::MAX }];
    let program = libc::sock_fprog { len: 1, filter: code.as_mut_ptr() };
    let at = (&raw const program).cast();
    let size = size_of_val(&program) as libc::socklen_t;
    // SAFETY: the option's value is a program of one instruction, which lives until the call returns.
    let answer =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, at, size) };
    if answer < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}

fn sh(stdin: Stdio) -> Result<()> {
    Command::new("/bin/sh").args(["-c", "exit"]).stdin(stdin).status()?;
    Ok(())
}

fn bind_shell() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:4444")?;
    let _client = TcpStream::connect("127.0.0.1:4444")?;
    let (stream, _) = listener.accept()?;
    sh(OwnedFd::from(stream).into())
}

/// Loads a program of two instructions, `return 0`.
fn load(kind: u32, name: &str) -> Result<()> {
    let instructions: [u64; 2] = [0xb7, 0x95];
    let licence = c"GPL";
    let mut attributes = [0_u8; 128];
    attributes[0..4].copy_from_slice(&kind.to_ne_bytes());
    attributes[4..8].copy_from_slice(&2_u32.to_ne_bytes());
    attributes[8..16].copy_from_slice(&(instructions.as_ptr() as u64).to_ne_bytes());
    attributes[16..24].copy_from_slice(&(licence.as_ptr() as u64).to_ne_bytes());
    attributes[48..48 + name.len()].copy_from_slice(name.as_bytes());
    // BPF_PROG_LOAD
    try_call(libc::SYS_bpf, &[5, attributes.as_ptr() as c_long, 128])
}

fn perf(pid: c_long, cpu: c_long) -> Result<()> {
    let mut attributes = [0_u8; 112];
    // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK; disabled, and without the kernel.
    attributes[0..4].copy_from_slice(&1_u32.to_ne_bytes());
    attributes[4..8].copy_from_slice(&112_u32.to_ne_bytes());
    attributes[40..48].copy_from_slice(&(1_u64 | 1 << 5 | 1 << 6).to_ne_bytes());
    try_call(libc::SYS_perf_event_open, &[attributes.as_ptr() as c_long, pid, cpu, -1, 0])
}

/// Writes into memory of its own, and then protects it so.
fn protect(protection: c_int) -> Result<()> {
    const SIZE: usize = 4096;
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, written within its bounds, and used by nobody else.
    let answer = unsafe {
        let page = libc::mmap(std::ptr::null_mut(), SIZE, access, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        page.cast::<u8>().write(0xc3);
        libc::mprotect(page, SIZE, protection)
    };
    if answer < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}

/// A copy of the guest's shell that is in memory only.
fn in_memory() -> Result<fs::File> {
    // SAFETY: a name that ends; a descriptor that is returned is this function's.
    let fd = unsafe { libc::memfd_create(c"krsi".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let mut file = unsafe { fs::File::from_raw_fd(fd) };
    file.write_all(&fs::read("/bin/busybox")?)?;
    Ok(file)
}

fn execute(file: &fs::File) -> Result<()> {
    let words = [CString::new("true")?];
    let environment: [CString; 0] = [];
    Err(nix::unistd::fexecve(file, &words, &environment).map(drop).expect_err("it has returned").into())
}

/// Does without its capabilities, and takes them again.
fn raise() -> Result<()> {
    // struct __user_cap_header_struct of version 3, and two of struct __user_cap_data_struct: effective, permitted, inheritable.
    let header = [0x2008_0522_u32, 0];
    let mut data = [0_u32; 6];
    let capabilities =
        |call, data: &mut [u32; 6]| try_call(call, &[header.as_ptr() as c_long, data.as_mut_ptr() as c_long]);
    capabilities(libc::SYS_capget, &mut data)?;
    let effective = std::mem::take(&mut data[0]);
    capabilities(libc::SYS_capset, &mut data)?;
    data[0] = effective;
    capabilities(libc::SYS_capset, &mut data)
}

/// Gives a file one capability (`struct vfs_cap_data`, revision 2).
fn setcap(number: u32) -> Result<()> {
    let mut value = [0_u8; 20];
    value[0..4].copy_from_slice(&0x0200_0000_u32.to_le_bytes());
    value[4..8].copy_from_slice(&(1_u32 << number).to_le_bytes());
    let (path, name) = (c"/opt/capable", c"security.capability");
    // SAFETY: two names that end, and a value of the size that is said.
    unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Ok(())
}

/// Makes fifty files in a directory, and does this with each.
fn files(directory: &str, does: impl Fn(&str) -> Result<()>) -> Result<()> {
    fs::create_dir_all(format!("{directory}/moved"))?;
    for number in 0..50 {
        let path = format!("{directory}/file{number}");
        fs::write(&path, b"a")?;
        does(&path)?;
    }
    Ok(())
}

/// Executes a program as root, in a child of a process that is this user by then.
fn below(user: Option<u32>) -> Result<()> {
    let (go, told) = pipe()?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(told);
            let _ = read(&go, &mut [0]);
            let words = [CString::new("/bin/true")?];
            nix::unistd::execv(&words[0], &words)?;
            std::process::exit(1);
        }
        ForkResult::Parent { child } => {
            if let Some(user) = user {
                setuid(Uid::from_raw(user))?;
            }
            write(&told, b"g")?;
            nix::sys::wait::waitpid(child, None)?;
            Ok(())
        }
    }
}
