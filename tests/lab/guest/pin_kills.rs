//! kill -9 at each system call of a session that pins, unpins and detaches: the probe is wholly there or wholly gone.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    libc,
    mount::{MntFlags, umount2},
    sys::{
        ptrace,
        signal::{Signal, kill},
        statfs::{FsType, statfs},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::{
    Outcome, holds,
    pace::stretched,
    pins::{PLACE, denial, nothing_left, read, text},
    same,
    shell::Shell,
    task::REFUSED,
};

const PIN: &str = "kills";
/// So many sessions are killed, as long as that takes no more than this, stretched.
const RUNS: usize = 220;
const LONGEST: Duration = Duration::from_secs(200);
/// And never fewer.
const LEAST: usize = 60;

/// Where a session has got to when it is killed: system calls since the first that makes a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// It was killed before its so many-th call.
    Killed,
    /// It has ended before; so many calls it had made when it took a pin away last.
    Ended(usize),
}

/// Attaches, and then does everything that makes and takes away a pin. It waits before that, until somebody follows it.
fn session() -> Result<Shell, String> {
    fs::write("/tmp/pinned", "content").map_err(text)?;
    Shell::ready(&format!(
        "{} print(\"ready\"); sleep(\"300ms\"); let forever = #{{lease: \"forever\"}};
         p.pin(\"{PIN}\", forever); p.unpin(); p.pin(\"{PIN}\", forever); p.detach(); exit();",
        denial("t")
    ))
}

/// Follows its main thread from call to call, and kills it before this one.
fn killed_before(call: usize) -> Result<Reached, String> {
    let shell = session()?;
    let pid = Pid::from_raw(shell.pid().cast_signed());
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).map_err(text)?;
    ptrace::interrupt(pid).map_err(text)?;
    let (mut made, mut last, mut begun, mut entering) = (0, 0, false, false);
    let reached = loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)).map_err(text)? {
            WaitStatus::PtraceSyscall(_) => {
                entering = !entering;
                let number = ptrace::getregs(pid).map_err(text)?.orig_rax.cast_signed();
                begun |= number == libc::SYS_fsopen;
                if begun && entering {
                    made += 1;
                    if number == libc::SYS_umount2 {
                        last = made;
                    }
                    if made > call {
                        kill(pid, Signal::SIGKILL).map_err(text)?;
                        break Reached::Killed;
                    }
                }
                ptrace::syscall(pid, None).map_err(text)?;
            }
            // It was stopped on purpose: by then it is inside a call, whose end comes next.
            WaitStatus::PtraceEvent(..) => {
                entering = false;
                ptrace::syscall(pid, None).map_err(text)?;
            }
            WaitStatus::Stopped(_, signal) => ptrace::syscall(pid, signal).map_err(text)?,
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(Reached::Ended(last)),
            _ => {}
        }
    };
    let until = Instant::now() + stretched(Duration::from_secs(5));
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Signaled(..) | WaitStatus::Exited(..)) | Err(_) => break,
            Ok(_) => holds(Instant::now() < until, "it does not die")?,
        }
    }
    Ok(reached)
}

/// How many links are pinned; `None` if there is no pin.
fn pinned_links() -> Option<usize> {
    const BPF: FsType = FsType(0xcafe_4a11);
    let directory = Path::new(PLACE).join(PIN);
    statfs(&directory).ok().filter(|found| found.filesystem_type() == BPF)?;
    let files = fs::read_dir(&directory).ok()?.flatten();
    Some(files.filter(|file| file.file_name().to_string_lossy().starts_with("link-")).count())
}

fn take_away() -> Outcome {
    let directory = Path::new(PLACE).join(PIN);
    umount2(&directory, MntFlags::MNT_DETACH).map_err(text)?;
    fs::remove_dir(&directory).map_err(text)
}

/// Kills sessions, the moments spread over all that they do.
pub fn wholly_there_or_gone() -> Outcome {
    /// What follows when the last pin is taken away: the probe is detached.
    const BEHIND: usize = 30;
    // The first makes all its calls, and tells how many there are.
    let Reached::Ended(last) = killed_before(usize::MAX - 1)? else { return Err("it was killed".into()) };
    let calls = last + BEHIND;
    holds(calls > 40, format!("only {calls} calls were seen"))?;
    nothing_left()?;
    let begun = Instant::now();
    let (mut there, mut gone, mut ended, mut whole) = (0, 0, 0, None);
    let mut runs = 0;
    while runs < RUNS && (runs < LEAST || begun.elapsed() < stretched(LONGEST)) {
        // Steps of the golden ratio come near to every moment, however many there are time for.
        let call = ((runs as f64 * 0.618_033_988_75).fract() * calls as f64) as usize;
        let at = |error: String| format!("killed before call {call} of {calls}: {error}");
        // Timers of the session make a call more or less.
        ended += usize::from(killed_before(call)? != Reached::Killed);
        match pinned_links() {
            Some(links) => {
                same("links", links, *whole.get_or_insert(links)).map_err(at)?;
                same("while it is pinned", read()?, REFUSED).map_err(at)?;
                there += 1;
                take_away()?;
            }
            None => gone += 1,
        }
        nothing_left().map_err(at)?;
        runs += 1;
    }
    holds(whole.is_some_and(|links| links >= 3), format!("links of a pin: {whole:?}"))?;
    holds(
        there >= runs / 10 && gone >= runs / 10 && ended <= runs / 5,
        format!("of {runs} sessions with {calls} calls: there {there}, gone {gone}, not killed {ended}"),
    )
}
