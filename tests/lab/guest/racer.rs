//! The other process of the claims about races: it acts as fast as it can, while a second thread changes what the hook looks at.
//!
//! In: what to do, and for how many seconds. Out: a line of JSON that says what came of it, by its own count.

use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::symlink,
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    libc::{self, c_char},
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, Uid, fork, setresuid},
};
use serde_json::json;

use super::net::{bind, ip, socket};

/// Begins the arguments of a process that races.
pub const RACE: &str = "--race";
/// Where its files are.
pub const DIRECTORY: &str = "/tmp/races";
/// The one that may be had, and the one that may not: in every name and argument it is this byte that differs.
pub const ALLOWED: u8 = b'a';
pub const DENIED: u8 = b'd';
/// Ports, of which the second is denied; so is the second of the addresses.
pub const PORTS: [u16; 2] = [0x2161, 0x2164];
pub const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];
/// Tasks at once for each processor, where they are to be preempted.
pub const TASKS: u32 = 8;
/// The user of the first of them.
pub const FIRST_USER: u32 = 2000;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What came of an act.
enum Came {
    /// To what may be had.
    Done,
    Refused,
    /// To what may not be had.
    Forbidden,
    /// To nothing, as where a name leads nowhere for a moment.
    Nothing,
}

pub fn main(arguments: &[String]) -> ExitCode {
    match race(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{arguments:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn race(arguments: &[String]) -> Result<()> {
    let [what, seconds, rest @ ..] = arguments else { return Err("what, and how long?".into()) };
    let lasts = Duration::from_secs_f64(seconds.parse()?);
    match what.as_str() {
        "open by a changing name" => changing_name(lasts),
        "open by a turning link" => turning_link(lasts),
        "open what is renamed" => renamed(lasts),
        "execute by a changing name" => executed(lasts, 0),
        "execute with a changing argument" => executed(lasts, 1),
        "execute with a changing environment" => executed(lasts, 2),
        "connect to a changing address" => connected(lasts),
        "send to a changing address" => sent(lasts),
        "many tasks" => many_tasks(seconds, lasts),
        "one task" => one_task(lasts, rest.first().ok_or("which?")?.parse()?),
        other => Err(format!("{other} is nothing that is raced").into()),
    }
}

// ---- how it is raced --------------------------------------------------------

/// Acts until the time is over, while another thread changes things; tells what came of it.
fn against(
    lasts: Duration,
    change: impl Fn(bool) -> io::Result<()> + Sync,
    mut act: impl FnMut() -> Result<Came>,
) -> Result<()> {
    let over = AtomicBool::new(false);
    let [mut done, mut refused, mut forbidden, mut nothing] = [0_u64; 4];
    let changes = thread::scope(|scope| -> Result<u64> {
        let changer = scope.spawn(|| -> io::Result<u64> {
            let mut changes = 0;
            while !over.load(Ordering::Relaxed) {
                change(changes % 2 == 0)?;
                changes += 1;
            }
            Ok(changes)
        });
        scope.spawn(|| stir(&over));
        let begun = Instant::now();
        let acted = (|| {
            while begun.elapsed() < lasts && !changer.is_finished() {
                match act()? {
                    Came::Done => done += 1,
                    Came::Refused => refused += 1,
                    Came::Forbidden => forbidden += 1,
                    Came::Nothing => nothing += 1,
                }
            }
            Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        let changes = changer.join().map_err(|_| "the one who changes things has panicked")?;
        acted.and(changes.map_err(Into::into))
    })?;
    let told = json!({"done": done, "refused": refused, "forbidden": forbidden, "nothing": nothing, "changes": changes});
    println!("{told}");
    Ok(())
}

/// Wakes again and again before everybody else: so others are interrupted wherever they are, and an emulator with one thread
/// for all processors turns to the next one.
fn stir(over: &AtomicBool) {
    const PAUSE: Duration = Duration::from_micros(150);
    let first = libc::sched_param { sched_priority: 50 };
    // SAFETY: reads the struct, which lives. Without the privilege for it this one is as all others.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) };
    while !over.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
    }
}

/// Memory that a forked process shares, as text that changes while the kernel reads it.
struct Text {
    bytes: &'static [AtomicU8],
    /// Where the byte is that changes.
    at: usize,
}

impl Text {
    /// It begins as this, and a NUL ends it.
    fn new(text: &[u8], at: usize) -> Result<Self> {
        let (length, both) = (text.len() + 1, libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping of its own, at a place that the kernel chooses.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), length, both, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: it is this long, zero, and stays until the process ends.
        let bytes = unsafe { std::slice::from_raw_parts(memory.cast::<AtomicU8>(), length) };
        bytes.iter().zip(text).for_each(|(place, byte)| place.store(*byte, Ordering::Relaxed));
        Ok(Text { bytes, at })
    }

    /// One that ends in the byte that changes.
    fn ending(before: &str) -> Result<Self> {
        Text::new(&[before.as_bytes(), &[ALLOWED]].concat(), before.len())
    }

    fn turn(&self, allowed: bool) {
        self.bytes[self.at].store(if allowed { ALLOWED } else { DENIED }, Ordering::Relaxed);
    }

    fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

// ---- files -------------------------------------------------------------------

/// Opens by a name, of which the kernel takes its copy, and looks what was opened.
fn opened(path: *const c_char, forbidden: u64) -> Result<Came> {
    // SAFETY: a NUL ends it, at a place that never changes.
    match Errno::result(unsafe { libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC) }) {
        Err(Errno::EPERM) => Ok(Came::Refused),
        Err(Errno::ENOENT) => Ok(Came::Nothing),
        Err(error) => Err(error.into()),
        Ok(file) => {
            // SAFETY: all zero is a value of this struct of numbers, which the call fills.
            let mut stat: libc::stat = unsafe { std::mem::zeroed() };
            // SAFETY: the descriptor is open, and the struct lives.
            let told = Errno::result(unsafe { libc::fstat(file, &raw mut stat) });
            // SAFETY: it is this function's own.
            unsafe { libc::close(file) };
            told?;
            Ok(if stat.st_ino == forbidden { Came::Forbidden } else { Came::Done })
        }
    }
}

fn inode(path: &str) -> Result<u64> {
    // No hook of opening is asked.
    Ok(std::os::unix::fs::MetadataExt::ino(&fs::metadata(path)?))
}

fn changing_name(lasts: Duration) -> Result<()> {
    let denied = inode(&format!("{DIRECTORY}/file-d"))?;
    let name = Text::ending(&format!("{DIRECTORY}/file-"))?;
    let change = |allowed| {
        name.turn(allowed);
        Ok(())
    };
    against(lasts, change, || opened(name.as_ptr(), denied))
}

fn turning_link(lasts: Duration) -> Result<()> {
    let denied = inode(&format!("{DIRECTORY}/file-d"))?;
    let [link, next] = ["link", "link-next"].map(|name| format!("{DIRECTORY}/{name}"));
    let path = CString::new(link.as_str())?;
    let change = |allowed: bool| {
        let to = if allowed { ALLOWED } else { DENIED };
        symlink(format!("{DIRECTORY}/file-{}", char::from(to)), &next)?;
        fs::rename(&next, &link)
    };
    against(lasts, change, || opened(path.as_ptr(), denied))
}

/// The same file, which may not be had by either of its names. Their last parts and directories differ: what is read of one name
/// and of the other's directory is a third name, which nothing has.
fn renamed(lasts: Duration) -> Result<()> {
    let names = ["in/one", "out/other"].map(|name| format!("{DIRECTORY}/{name}"));
    let denied = inode(&names[0])?;
    let paths = [CString::new(names[0].as_str())?, CString::new(names[1].as_str())?];
    let change = |first: bool| {
        let (from, to) = if first { (0, 1) } else { (1, 0) };
        fs::rename(&names[from], &names[to])
    };
    let mut turn = 0;
    against(lasts, change, || {
        turn += 1;
        opened(paths[turn % 2].as_ptr(), denied)
    })
}

// ---- executions ------------------------------------------------------------------

/// A program that ends with this machine code, which leaves the exit code in `edi`.
fn program(code: &[u8]) -> Vec<u8> {
    const AT: u64 = 0x40_0000;
    const HEADERS: usize = 64 + 56;
    // mov eax, 60; syscall
    const EXIT: [u8; 7] = [0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let length = (HEADERS + code.len() + EXIT.len()) as u64;
    let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    [
        // 64 bits, little-endian; an executable for x86-64.
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec(),
        // Its entry, and where its one program header is.
        words(&[AT + HEADERS as u64, 64, 0]),
        b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0".to_vec(),
        // All of the file, to be read and executed.
        b"\x01\0\0\0\x05\0\0\0".to_vec(),
        words(&[0, AT, AT, length, length, 0x1000]),
        code.to_vec(),
        EXIT.to_vec(),
    ]
    .concat()
}

/// Programs that end with the byte that tells which of the two they are, or were given.
pub fn programs() -> Vec<(String, Vec<u8>)> {
    let always = |byte: u8| program(&[0xbf, byte, 0, 0, 0]);
    // mov rax, [rsp + 16], which is the first argument; movzx edi, byte [rax]
    let of_argument = program(&[0x48, 0x8b, 0x44, 0x24, 0x10, 0x0f, 0xb6, 0x38]);
    // mov rax, [rsp + 24], behind a single argument and its end; movzx edi, byte [rax + 2], behind `X=`
    let of_environment = program(&[0x48, 0x8b, 0x44, 0x24, 0x18, 0x0f, 0xb6, 0x78, 0x02]);
    let at = |name: &str| format!("{DIRECTORY}/{name}");
    vec![
        (at("program-a"), always(ALLOWED)),
        (at("program-d"), always(DENIED)),
        (at("of-argument"), of_argument),
        (at("of-environment"), of_environment),
    ]
}

/// Executes by a name, with an argument, or with a variable, which changes while the kernel takes its copy.
fn executed(lasts: Duration, which: usize) -> Result<()> {
    const NOT_EXECUTED: i32 = 1;
    let text = match which {
        0 => Text::ending(&format!("{DIRECTORY}/program-"))?,
        1 => Text::ending("")?,
        _ => Text::ending("X=")?,
    };
    let [argument, environment] =
        ["of-argument", "of-environment"].map(|name| CString::new(format!("{DIRECTORY}/{name}")));
    let (argument, environment) = (argument?, environment?);
    let (null, name) = (std::ptr::null(), c"race".as_ptr());
    let (path, argv, envp) = match which {
        0 => (text.as_ptr(), [name, null, null], [null, null]),
        1 => (argument.as_ptr(), [name, text.as_ptr(), null], [null, null]),
        _ => (environment.as_ptr(), [name, null, null], [text.as_ptr(), null]),
    };
    let change = |allowed| {
        text.turn(allowed);
        Ok(())
    };
    against(lasts, change, || {
        // SAFETY: the child makes system calls only.
        match unsafe { fork() }? {
            ForkResult::Child => {
                // SAFETY: all of it lives, and each text has its NUL at a place that never changes. Ends at once if it fails.
                unsafe {
                    libc::execve(path, argv.as_ptr(), envp.as_ptr());
                    libc::_exit(if Errno::last() == Errno::EPERM { NOT_EXECUTED } else { 2 })
                }
            }
            ForkResult::Parent { child } => match waitpid(child, None)? {
                WaitStatus::Exited(_, code) if code == i32::from(ALLOWED) => Ok(Came::Done),
                WaitStatus::Exited(_, code) if code == i32::from(DENIED) => Ok(Came::Forbidden),
                WaitStatus::Exited(_, NOT_EXECUTED) | WaitStatus::Signaled(..) => Ok(Came::Refused),
                other => Err(format!("{other:?}").into()),
            },
        }
    })
}

// ---- addresses --------------------------------------------------------------------

/// `struct sockaddr_in`: its port and its address change each by itself.
struct Address(Text);

impl Address {
    const PORT: usize = 3;
    const LAST: usize = 7;

    fn new() -> Result<Self> {
        Ok(Address(Text::new(&ip(ADDRESSES[0], PORTS[0]), 0)?))
    }

    /// Four addresses in turn.
    fn change(&self, turn: bool) {
        let bytes = self.0.bytes;
        let at = if turn { Address::PORT } else { Address::LAST };
        let other = match bytes[at].load(Ordering::Relaxed) {
            1 => 2,
            2 => 1,
            ALLOWED => DENIED,
            _ => ALLOWED,
        };
        bytes[at].store(other, Ordering::Relaxed);
    }

    const LENGTH: u32 = 16;
}

/// Whether an address may not be had.
fn is_forbidden(address: &[u8]) -> bool {
    address[Address::PORT] == DENIED || address[Address::LAST] == 2
}

fn connected(lasts: Duration) -> Result<()> {
    let address = Address::new()?;
    let change = |turn| {
        address.change(turn);
        Ok(())
    };
    against(lasts, change, || {
        let from = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        // SAFETY: the kernel reads as many bytes as there are.
        let came = Errno::result(unsafe { libc::connect(from, address.0.as_ptr().cast(), Address::LENGTH) });
        let mut peer = [0_u8; 16];
        let mut length = Address::LENGTH;
        // SAFETY: no more bytes are written than there are.
        let told = unsafe { libc::getpeername(from, peer.as_mut_ptr().cast(), &raw mut length) };
        // SAFETY: it is this function's own.
        unsafe { libc::close(from) };
        match came {
            Err(Errno::EPERM) => Ok(Came::Refused),
            Err(error) => Err(error.into()),
            Ok(_) => {
                Errno::result(told)?;
                Ok(if is_forbidden(&peer) { Came::Forbidden } else { Came::Done })
            }
        }
    })
}

fn sent(lasts: Duration) -> Result<()> {
    let address = Address::new()?;
    let mut receivers = Vec::new();
    for (host, port) in ADDRESSES.iter().flat_map(|host| PORTS.map(|port| (host, port))) {
        let receiver = socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0)?;
        let at = ip(host, port);
        bind(receiver, &at)?;
        receivers.push((receiver, is_forbidden(&at)));
    }
    let from = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let change = |turn| {
        address.change(turn);
        Ok(())
    };
    against(lasts, change, || {
        // SAFETY: the kernel reads as many bytes as there are.
        let came = unsafe {
            libc::sendto(from, c"x".as_ptr().cast(), 1, 0, address.0.as_ptr().cast(), Address::LENGTH)
        };
        let came = Errno::result(came);
        let mut arrived = Vec::new();
        for (receiver, forbidden) in &receivers {
            let mut byte = [0_u8; 1];
            // SAFETY: no more bytes are written than there are.
            let received = unsafe { libc::recv(*receiver, byte.as_mut_ptr().cast(), byte.len(), 0) };
            if received == 1 {
                arrived.push(*forbidden);
            }
        }
        match (came, arrived.as_slice()) {
            (Err(Errno::EPERM), []) => Ok(Came::Refused),
            (Ok(_), [false]) => Ok(Came::Done),
            (_, [.., true] | [true, ..]) => Ok(Came::Forbidden),
            (came, arrived) => Err(format!("{came:?}, and {} arrived", arrived.len()).into()),
        }
    })
}

// ---- many tasks -----------------------------------------------------------------------

/// So many processes, each with a user, a name and files of its own.
fn many_tasks(seconds: &str, lasts: Duration) -> Result<()> {
    let mut tasks = Vec::new();
    for number in 0..TASKS {
        let mut command = Command::new("/proc/self/exe");
        tasks.push(command.args([RACE, "one task", seconds, &number.to_string()]).spawn()?);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| stir(&over));
        scope.spawn(|| stir(&over));
        thread::sleep(lasts);
        over.store(true, Ordering::Relaxed);
    });
    for mut task in tasks {
        let ended = task.wait()?;
        if !ended.success() {
            return Err(format!("a task: {ended}").into());
        }
    }
    Ok(())
}

/// Opens its two files in turn, and spins.
fn one_task(lasts: Duration, number: u32) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    prctl::set_name(&CString::new(format!("race-{number}"))?)?;
    let directory = format!("{DIRECTORY}/tasks/{number}");
    let denied = inode(&format!("{directory}/file-d"))?;
    let files = [ALLOWED, DENIED].map(|last| CString::new(format!("{directory}/file-{}", char::from(last))));
    let user = Uid::from_raw(FIRST_USER + number);
    setresuid(user, user, user)?;
    let [mut done, mut refused, mut forbidden] = [0_u64; 3];
    let begun = Instant::now();
    while begun.elapsed() < lasts {
        for file in &files {
            match opened(file.as_ref().map_err(Clone::clone)?.as_ptr(), denied)? {
                Came::Done => done += 1,
                Came::Refused => refused += 1,
                Came::Forbidden => forbidden += 1,
                Came::Nothing => return Err("its file is gone".into()),
            }
        }
    }
    let told = json!({"pid": Pid::this().as_raw(), "task": number, "done": done, "refused": refused, "forbidden": forbidden});
    println!("{told}");
    Ok(())
}
