//! The library on the machine that the tests run on: whatever that is like, no check is at fault, and a run is cheap.

use std::{mem::MaybeUninit, process::Stdio, time::Duration};

use super::*;

/// Processor time of a run without the walk over all files, whose number nobody knows beforehand. The goal is half of that for 60 checks,
/// on a machine that nobody shares.
const MOST_TIME: Duration = Duration::from_secs(3);
/// Of one process; there are as many as processors, and one that waits.
const MOST_MEMORY_KIB: i64 = 60 << 10;

/// What a run has used, itself and the processes that it has waited for.
struct Used {
    time: Duration,
    memory_kib: i64,
}

fn wait(child: std::process::Child) -> Used {
    let pid = i32::try_from(child.id()).unwrap();
    let (mut status, mut usage) = (0, MaybeUninit::<nix::libc::rusage>::zeroed());
    // SAFETY: both are valid for writes, and zeros are a valid `rusage`. Nobody else waits for this child.
    let (waited, usage) =
        unsafe { (nix::libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    assert_eq!(waited, pid);
    let of = |time: nix::libc::timeval| {
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_usec).unwrap() * 1000)
    };
    Used { time: of(usage.ru_utime) + of(usage.ru_stime), memory_kib: usage.ru_maxrss }
}

fn run_here(arguments: &[&str]) -> (Vec<Value>, Used) {
    let (library, own) = (Library::new(), tempfile::tempdir().unwrap());
    let (mut command, report) = command(arguments, library.0.path(), own.path());
    let used = wait(command.stdout(Stdio::null()).spawn().unwrap());
    (read(&report), used)
}

#[test]
fn no_check_is_at_fault_on_this_machine_and_a_run_is_cheap() {
    if !is_root() {
        return;
    }
    let (found, used) = run_here(&["--skip", "privilege-*"]);
    let Used { time, memory_kib } = used;
    println!("{} checks: {time:.2?} of processor time, {memory_kib} KiB", found.len());
    assert!(found.len() > 100, "{}", found.len());
    for check in &found {
        assert_ne!(check["result"], "error", "{check}");
        assert!(check["result"] == "pass" || !text(check, "reason").is_empty(), "{check}");
    }
    assert!(memory_kib <= MOST_MEMORY_KIB, "{memory_kib} KiB");
    // What is not optimised tells nothing of what is.
    if !cfg!(debug_assertions) {
        assert!(time <= MOST_TIME, "{time:?}");
    }
}

/// The walk's cost is that of the files there are; none of them is kept.
#[test]
fn a_walk_over_all_files_is_not_held_in_memory() {
    if !is_root() {
        return;
    }
    let (found, used) = run_here(&["--only", "privilege-setuid"]);
    let Used { time, memory_kib } = used;
    println!("all files of this machine: {time:.2?} of processor time, {memory_kib} KiB");
    assert!(found.iter().all(|check| check["result"] != "error"), "{found:?}");
    assert!(memory_kib <= MOST_MEMORY_KIB, "{memory_kib} KiB");
}
