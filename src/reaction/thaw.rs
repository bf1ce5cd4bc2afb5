//! A second process that continues what is stopped when this one has died before it could.
//!
//! In: descriptors of the stopped processes. It is a plain fork that executes nothing and holds nothing else of this process: it waits at a
//! pipe, whose end it hears when this process is gone, however that came about.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use nix::{
    fcntl::OFlag,
    libc,
    sys::wait::waitpid,
    unistd::{ForkResult, Pid, fork, pipe2, write},
};

/// It stands by as long as this is held.
#[derive(Debug)]
pub struct Thawer {
    pid: Pid,
    /// Written to, there is nothing left to do.
    over: OwnedFd,
}

impl Thawer {
    /// Starts it for these processes.
    ///
    /// # Errors
    /// If there can be no process.
    pub fn start<'p>(processes: impl Iterator<Item = &'p OwnedFd>) -> io::Result<Self> {
        let (waits, over) = pipe2(OFlag::O_CLOEXEC)?;
        let stopped: Vec<RawFd> = processes.map(AsRawFd::as_raw_fd).collect();
        // All memory that it needs is taken here: behind fork(2) another thread may have held the allocator's lock.
        let gaps = gaps(stopped.iter().copied().chain([waits.as_raw_fd()]));
        // SAFETY: the child calls what a signal handler may call, too, and ends itself.
        match unsafe { fork() }? {
            ForkResult::Child => stand_by(waits.as_raw_fd(), &gaps, &stopped),
            ForkResult::Parent { child } => Ok(Thawer { pid: child, over }),
        }
    }
}

impl Drop for Thawer {
    fn drop(&mut self) {
        let _ = write(&self.over, b".");
        let _ = waitpid(self.pid, None);
    }
}

/// The ranges of descriptors above the standard streams in which none of these is.
fn gaps(kept: impl Iterator<Item = RawFd>) -> Vec<(u32, u32)> {
    let mut kept: Vec<u32> = kept.filter_map(|fd| u32::try_from(fd).ok()).collect();
    kept.sort_unstable();
    let (mut gaps, mut from) = (Vec::new(), 0);
    for fd in kept {
        if fd > from {
            gaps.push((from, fd - 1));
        }
        from = fd.saturating_add(1);
    }
    gaps.push((from, u32::MAX));
    gaps
}

/// What the second process does: it lets go of everything else, links of attached probes above all, and waits.
fn stand_by(waits: RawFd, gaps: &[(u32, u32)], stopped: &[RawFd]) -> ! {
    // SAFETY: system calls alone, on numbers, and on buffers of this function's.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        // What the terminal or a group is sent is not for this one.
        libc::setsid();
        for (from, to) in gaps {
            libc::syscall(libc::SYS_close_range, *from, *to, 0);
        }
        let mut word = [0_u8; 1];
        loop {
            match libc::read(waits, word.as_mut_ptr().cast(), 1) {
                1 => libc::_exit(0),
                -1 if *libc::__errno_location() == libc::EINTR => {}
                _ => break,
            }
        }
        for process in stopped {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                *process,
                libc::SIGCONT,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            );
        }
        libc::_exit(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_is_let_go_of() {
        assert_eq!(gaps([5, 3].into_iter()), [(0, 2), (4, 4), (6, u32::MAX)]);
        assert_eq!(gaps([0, 1].into_iter()), [(2, u32::MAX)]);
    }
}
