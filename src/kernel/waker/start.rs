//! Starting the waker, which may do nothing before every probe spares it: it is forked, waits, and only then executes.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::libc;
use procfs::process::Process;

use super::COMMAND;
use crate::system::clock::{self, TICK_NS};

/// How long the new process may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// A waker that every probe spares.
pub struct Started {
    pub child: Child,
    pub socket: UnixStream,
    pub pid: u32,
    /// When it was started, in ticks since boot on the kernel's clock.
    pub ticks: u64,
}

/// Forks it, has it spared, and lets it execute.
///
/// # Errors
/// If there can be no process, or a probe cannot spare it; then there is none.
pub fn start(spare: impl FnOnce(u32, u64) -> io::Result<()>) -> io::Result<Started> {
    let (socket, other) = UnixStream::pair()?;
    let (mut here, there) = UnixStream::pair()?;
    here.set_read_timeout(Some(PATIENCE))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(COMMAND).env_clear().stdin(OwnedFd::from(other)).stdout(Stdio::null()).stderr(Stdio::null());
    let gate = there.as_raw_fd();
    // SAFETY: between fork and exec it calls getpid, write and read, which a signal handler may call, too. Its end of the gate is open
    // as long as the command is. That there is such a function makes it a fork and no vfork, so that this process goes on.
    unsafe { command.pre_exec(move || wait_at(gate)) };
    // This thread waits until the other process has executed.
    let starting = thread::Builder::new().name("krsi-start".into()).spawn(move || {
        let started = command.spawn();
        drop(there);
        started
    })?;
    let spared = read_pid(&mut here).and_then(|pid| {
        let ticks = started_at(pid)?;
        spare(pid, ticks)?;
        here.write_all(b"go")?;
        Ok((pid, ticks))
    });
    // Without the word it does not execute.
    drop(here);
    let child = starting.join().map_err(|_| io::Error::other("the thread that starts it has panicked"))?;
    let (pid, ticks) = spared?;
    Ok(Started { child: child?, socket, pid, ticks })
}

/// In the new process: says who it is, and waits for the word.
fn wait_at(gate: i32) -> io::Result<()> {
    let pid = std::process::id().to_ne_bytes();
    let mut word = [0_u8; 2];
    // SAFETY: both buffers are this function's, and as long as is said.
    let (written, read) = unsafe {
        (
            libc::write(gate, pid.as_ptr().cast(), pid.len()),
            libc::read(gate, word.as_mut_ptr().cast(), word.len()),
        )
    };
    if written == 4 && read == 2 { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ECANCELED)) }
}

fn read_pid(here: &mut UnixStream) -> io::Result<u32> {
    let mut pid = [0; 4];
    here.read_exact(&mut pid)?;
    Ok(u32::from_ne_bytes(pid))
}

fn started_at(pid: u32) -> io::Result<u64> {
    let stat =
        Process::new(pid.cast_signed()).and_then(|process| process.stat()).map_err(io::Error::other)?;
    let shown = (stat.starttime * TICK_NS).cast_signed();
    Ok((shown - clock::start_offset_ns()).unsigned_abs() / TICK_NS)
}
