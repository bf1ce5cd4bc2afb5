//! Claims about what is held in unlucky places: who cannot be, and that nobody is left stopped however it ends.

use std::{
    ffi::CString,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, execv},
};

use super::{
    Outcome,
    ask::{FILE, SLOW, asking, count, ends_within, files, held, is_stopped, reader, shell, wakers_of},
    exec::program,
    holds, io_uring,
    pace::{stretched, until},
    same,
    task::{Deed, ME, exit_code, perform},
};

/// How often the shell is killed, every time that the suite is run. (It has been 200 once, on 6.12.)
const ROUNDS: usize = 4;
/// Processes that are held at each time.
const CROWD: usize = 50;

/// However often the shell is killed, and every other time one of its wakers at the same moment: nobody is left stopped.
pub fn shells_are_killed() -> Outcome {
    files()?;
    for round in 0..ROUNDS {
        let shell = shell("lsm", &asking("file_open", &[FILE], SLOW, "timeout: \"10m\""))?;
        let mut crowd = (0..CROWD).map(|_| reader()).collect::<Result<Vec<Child>, _>>()?;
        crowd.iter().try_for_each(held)?;
        if round % 2 == 1 {
            let waker = wakers_of(shell.pid()).into_iter().next().ok_or("no waker")?;
            kill(Pid::from_raw(waker.cast_signed()), Signal::SIGKILL).map_err(|e| e.to_string())?;
        }
        shell.signal(Signal::SIGKILL)?;
        for child in &mut crowd {
            let code = ends_within(child, Duration::from_secs(20))?.code();
            same(&format!("round {round}"), code, Some(0))?;
        }
        shell.end()?;
        until("the wakers have gone, too", Duration::from_secs(10), || Ok(wakers_of(1).is_empty()))?;
    }
    Ok(())
}

/// However often a waker is killed: what is held stays so, and its time is kept.
pub fn wakers_are_killed() -> Outcome {
    files()?;
    let shell = shell("lsm", &asking("file_open", &[FILE], SLOW, "timeout: \"10m\""))?;
    let mut child = reader()?;
    held(&child)?;
    for round in 0..ROUNDS * 3 {
        let waker = wakers_of(shell.pid()).into_iter().next().ok_or("no waker")?;
        kill(Pid::from_raw(waker.cast_signed()), Signal::SIGKILL).map_err(|e| e.to_string())?;
        until("there is another one", Duration::from_secs(10), || {
            let wakers = wakers_of(shell.pid());
            Ok(wakers.len() == 2 && !wakers.contains(&waker))
        })?;
        holds(is_stopped(child.id())?, format!("round {round}: nothing holds it any more"))?;
    }
    shell.signal(Signal::SIGKILL)?;
    same("after the shell's death", ends_within(&mut child, Duration::from_secs(20))?.code(), Some(0))
}

/// A thread that is not the first executes: all others end, the execution is held as any other, and goes on or is refused.
pub fn execution_by_a_thread() -> Outcome {
    let (good, bad) = (program("good-thread")?, program("bad-thread")?);
    let decide = format!("|e| if e.path == \"{good}\" {{ allow() }} else {{ deny(\"EACCES\") }}");
    let shell = shell("lsm", &asking("exec", &[&good, &bad], &decide, ""))?;
    let by_a_thread = |path: &str| {
        let path = CString::new(path).map_err(|e| e.to_string())?;
        let name = CString::new("true").map_err(|e| e.to_string())?;
        perform(&ME, move || {
            let other = std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
            let executing = std::thread::spawn(move || execv(&path, &[&name]).err());
            let code = executing.join().ok().flatten().map_or(99, |errno| exit_code(Err(errno)));
            drop(other);
            code
        })
    };
    same("let go", by_a_thread(&good)?.deed, Deed::Done)?;
    same("refused", by_a_thread(&bad)?.deed, Deed::Refused(Errno::EACCES))?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 2), ("answered", 2), ("allow", 1), ("deny", 1), ("otherwise", 0)] {
        count(books, name, expected)?;
    }
    ended.well()
}

/// Nobody feeds the lease while the shell is stopped: what is held goes on when it is over, long before its time is up.
pub fn lease_ends() -> Outcome {
    files()?;
    let script =
        asking("file_open", &[FILE], SLOW, "timeout: \"10m\"").replace(".name(", ".lease(\"2s\").name(");
    let shell = shell("lsm", &script)?;
    let mut child = reader()?;
    held(&child)?;
    shell.signal(Signal::SIGSTOP)?;
    same("its lease was over", ends_within(&mut child, Duration::from_secs(10))?.code(), Some(0))?;
    same("from then on nothing is held", reader()?.wait().map_err(|e| e.to_string())?.code(), Some(0))?;
    shell.signal(Signal::SIGCONT)?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    holds(books["lapsed"].as_u64() > Some(0), format!("{books}"))?;
    count(books, "held", 0)
}

/// The first process of a pid namespace stops for nobody in it; and what a ring does is told elsewhere than by the call.
pub fn cannot_be_held() -> Outcome {
    files()?;
    let script = asking("file_open", &[FILE], "|e| allow()", "otherwise: deny(\"EACCES\")");
    let shell = shell("lsm", &script)?;
    let mut first = Command::new("/bin/busybox");
    first.args(["unshare", "-p", "-f", "busybox", "cat", FILE]).stdin(Stdio::null()).stdout(Stdio::null());
    let code = first.stderr(Stdio::null()).status().map_err(|e| e.to_string())?.code();
    same("the first of a namespace", code, Some(1))?;
    let opened = perform(&ME, || exit_code(io_uring::open(FILE)))?;
    same("by a ring", opened.deed, Deed::Refused(Errno::EACCES))?;
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 0), ("otherwise", 2), ("deny", 2)] {
        count(books, name, expected)?;
    }
    ended.well()
}

/// A shell with jobs sees its job stop and go on, and gets its exit code.
pub fn parent_with_jobs() -> Outcome {
    files()?;
    let shell = shell("lsm", &asking("file_open", &[FILE], "|e| { sleep(\"300ms\"); allow() }", ""))?;
    let script = format!(
        "set -m; cat {FILE} >/dev/null & wait $!; echo $?; timeout 20 cat {FILE} >/dev/null; echo $?"
    );
    let output = Command::new("/bin/sh").args(["-c", &script]).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let codes: Vec<&str> =
        said.lines().filter(|line| line.bytes().all(|byte| byte.is_ascii_digit())).collect();
    same("what the jobs came to", codes.last(), Some(&"0"))?;
    std::thread::sleep(stretched(Duration::from_millis(100)));
    let ended = shell.stop()?;
    let books = ended.books("t")?;
    for (name, expected) in [("asked", 2), ("answered", 2), ("allow", 2), ("held", 0)] {
        count(books, name, expected)?;
    }
    ended.well()
}
