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
const RUNS: usize = 200;
const LONGEST: Duration = Duration::from_secs(90);
/// And never fewer.
const LEAST: usize = 50;

/// When a session is killed: in which of its steps (pin, unpin, pin, detach), and before which system call since that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    step: usize,
    call: usize,
}

/// What was seen of a session.
#[derive(Debug, Default)]
struct Followed {
    was_killed: bool,
    /// So many calls each step took, until the one that shows or takes away the pin.
    lengths: [usize; STEPS],
}

/// A step begins with the call that makes a file system, or takes one away.
const STEPS: usize = 4;

/// Attaches, and then does everything that makes and takes away a pin. It waits before that, until somebody follows it.
fn session() -> Result<Shell, String> {
    fs::write("/tmp/pinned", "content").map_err(text)?;
    Shell::ready(&format!(
        "{} print(\"ready\"); sleep(\"300ms\"); let forever = #{{lease: \"forever\"}};
         p.pin(\"{PIN}\", forever); p.unpin(); p.pin(\"{PIN}\", forever); p.detach(); exit();",
        denial("t")
    ))
}

/// Follows its main thread from call to call, and kills it at that moment; at none, it ends by itself.
fn follow(moment: Option<Moment>) -> Result<Followed, String> {
    let shell = session()?;
    let pid = Pid::from_raw(shell.pid().cast_signed());
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).map_err(text)?;
    ptrace::interrupt(pid).map_err(text)?;
    let mut followed = Followed::default();
    let mut now = None::<Moment>;
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)).map_err(text)? {
            WaitStatus::PtraceSyscall(_) => {
                let registers = ptrace::getregs(pid).map_err(text)?;
                let number = registers.orig_rax.cast_signed();
                // What it will give is not known yet where it begins.
                if registers.rax.cast_signed() == -i64::from(libc::ENOSYS) {
                    now = next(now, number);
                    if let Some(Moment { step, call }) = now
                        && matches!(number, libc::SYS_move_mount | libc::SYS_umount2)
                    {
                        followed.lengths[step] = call;
                    }
                    if now.is_some() && now == moment {
                        kill(pid, Signal::SIGKILL).map_err(text)?;
                        followed.was_killed = true;
                        break;
                    }
                }
                ptrace::syscall(pid, None).map_err(text)?;
            }
            WaitStatus::PtraceEvent(..) => ptrace::syscall(pid, None).map_err(text)?,
            WaitStatus::Stopped(_, signal) => ptrace::syscall(pid, signal).map_err(text)?,
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(followed),
            _ => {}
        }
    }
    let until = Instant::now() + stretched(Duration::from_secs(5));
    loop {
        match waitpid(pid, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Signaled(..) | WaitStatus::Exited(..)) | Err(_) => return Ok(followed),
            Ok(_) => holds(Instant::now() < until, "it does not die")?,
        }
    }
}

/// The moment before this call, behind that one.
fn next(now: Option<Moment>, number: i64) -> Option<Moment> {
    // A pin is made in the first and third step, and taken away in the others.
    let begins = match now {
        None => number == libc::SYS_fsopen,
        Some(now) if now.step + 1 == STEPS => false,
        Some(now) if now.step % 2 == 0 => number == libc::SYS_umount2,
        Some(_) => number == libc::SYS_fsopen,
    };
    let begun = |step| Moment { step, call: 0 };
    match (now, begins) {
        (None, true) => Some(begun(0)),
        (None, false) => None,
        (Some(now), true) => Some(begun(now.step + 1)),
        (Some(now), false) => Some(Moment { call: now.call + 1, ..now }),
    }
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
    /// Calls behind the one that shows or takes away the pin: a lock is let go, the probe is detached.
    const BEHIND: [usize; STEPS] = [10, 10, 10, 40];
    // The first makes all its calls, and tells how many there are.
    let Followed { lengths, .. } = follow(None)?;
    holds(lengths[0] > 20 && lengths[2] > 20, format!("these calls were seen: {lengths:?}"))?;
    nothing_left()?;
    let calls = |step: usize| (0..=lengths[step] + BEHIND[step]).map(move |call| Moment { step, call });
    let moments: Vec<Moment> = (0..STEPS).flat_map(calls).collect();
    let begun = Instant::now();
    let (mut there, mut gone, mut missed, mut whole) = (0, 0, 0, None);
    let mut runs = 0;
    while runs < RUNS && (runs < LEAST || begun.elapsed() < stretched(LONGEST)) {
        // Steps of the golden ratio come near to every moment, however many there are time for.
        let moment = moments[((runs as f64 * 0.618_033_988_75).fract() * moments.len() as f64) as usize];
        let at = |error: String| format!("killed at {moment:?} of {lengths:?}: {error}");
        missed += usize::from(!follow(Some(moment)).map_err(at)?.was_killed);
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
        there >= runs / 10 && gone >= runs / 10 && missed <= runs / 20,
        format!(
            "of {runs} sessions killed within {lengths:?}: there {there}, gone {gone}, not killed {missed}"
        ),
    )
}
