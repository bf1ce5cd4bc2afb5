//! Claims about scope: which tasks a probe applies to.

use std::{fs, os::fd::OwnedFd, process::Command, time::Duration};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, fork, pipe2},
};
use serde_json::json;

use super::{
    Outcome,
    exec_marks::{FEW, MORE, ThreadsMax},
    holds,
    pace::until,
    same,
    shell::Shell,
    task::{self, Deed, Identity, ME, REFUSED, open_file, refusal},
};

const FILE: &str = "/tmp/scoped";

/// A shell that denies opening FILE to those in scope.
fn denying(scope: &str) -> Result<Shell, String> {
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{{scope}}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");"
    ))
}

fn read(identity: &Identity) -> Result<Deed, String> {
    open_file(identity, FILE, OFlag::O_RDONLY).map(|t| t.deed)
}

pub fn uid() -> Outcome {
    let shell = denying("uid: [1001, 1002]")?;
    let user = |uid| Identity { uid, gid: uid, ..ME };
    same("root", read(&ME)?, Deed::Done)?;
    same("1000", read(&user(1000))?, Deed::Done)?;
    same("1001", read(&user(1001))?, REFUSED)?;
    same("1002", read(&user(1002))?, REFUSED)?;
    // Real, not effective: a set-uid program does not leave the scope.
    same("1001 as 1000", read(&Identity { euid: Some(1000), ..user(1001) })?, REFUSED)?;
    let ended = shell.stop()?;
    same("denied", &ended.books("t")?["deny"], &json!(3))?;
    ended.well()
}

pub fn cgroup() -> Outcome {
    let inner = "/sys/fs/cgroup/scoped/inner/deeper";
    for directory in [inner, "/sys/fs/cgroup/other"] {
        fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    }
    let shell = denying("cgroup: \"/sys/fs/cgroup/scoped\"")?;
    let in_group = |directory| Identity { cgroup: Some(directory), ..ME };
    same("the cgroup itself", read(&in_group("/sys/fs/cgroup/scoped"))?, REFUSED)?;
    same("two levels down", read(&in_group(inner))?, REFUSED)?;
    same("a sibling", read(&in_group("/sys/fs/cgroup/other"))?, Deed::Done)?;
    same("the root", read(&ME)?, Deed::Done)?;
    shell.stop()?.well()
}

pub fn deep_cgroup() -> Outcome {
    let top = "/sys/fs/cgroup/deep";
    let shell = denying_below(top)?;
    let mut directory = top.to_owned();
    let mut directories = vec![];
    for depth in 1..=300 {
        directory.push_str("/n");
        fs::create_dir(&directory).map_err(|e| format!("{depth}: {e}"))?;
        directories.push(directory.clone());
    }
    for depth in [1, 31, 32, 33, 40, 300] {
        let inside = Identity { cgroup: Some(&directories[depth - 1]), ..ME };
        same(&format!("{depth} levels down"), read(&inside)?, REFUSED)?;
    }
    let ended = shell.stop()?;
    same("errors", &ended.books("t")?["errors"], &json!(0))?;
    for directory in directories.iter().rev() {
        fs::remove_dir(directory).map_err(|e| format!("{directory}: {e}"))?;
    }
    ended.well()
}

fn denying_below(cgroup: &str) -> Result<Shell, String> {
    fs::create_dir_all(cgroup).map_err(|e| e.to_string())?;
    denying(&format!("cgroup: \"{cgroup}\""))
}

pub fn pid() -> Outcome {
    // A process that exists before the probe, with a child, both told to read later.
    let script = "sleep 600 & read go; (cat /tmp/scoped; echo child $?) 2>/dev/null; \
                  ( ( read late </tmp/orphan.go; cat /tmp/scoped; echo orphan $? >/tmp/orphan ) 2>/dev/null & ); exit 0";
    let _ = fs::remove_file("/tmp/orphan.go");
    let _ = fs::remove_file("/tmp/orphan");
    nix::unistd::mkfifo("/tmp/orphan.go", nix::sys::stat::Mode::S_IRWXU).map_err(|e| e.to_string())?;
    let mut parent = Command::new("/bin/sh")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let shell = denying(&format!("pid: {}", parent.id()))?;
    same("outside of the subtree", read(&ME)?, Deed::Done)?;
    drop(parent.stdin.take().map(|mut pipe| std::io::Write::write_all(&mut pipe, b"go\n")));
    let mut line = String::new();
    let stdout = parent.stdout.take().ok_or("no output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)
        .map_err(|e| e.to_string())?;
    same("a child", line.trim(), "child 1")?;
    parent.wait().map_err(|e| e.to_string())?;
    // Its parent is gone: it was inherited by init, and is still in the subtree.
    fs::write("/tmp/orphan.go", "go\n").map_err(|e| e.to_string())?;
    let told = wait_for_file("/tmp/orphan")?;
    same("an orphan", told.trim(), "orphan 1")?;
    shell.stop()?.well()
}

/// The file's content once it has any.
fn wait_for_file(path: &str) -> Result<String, String> {
    let read = || fs::read_to_string(path).unwrap_or_default();
    until(&format!("{path} is written"), Duration::from_secs(30), || Ok(read().ends_with('\n')))?;
    Ok(read())
}

/// A subtree that outgrows the room there was for it when the probe was attached.
pub fn outgrown() -> Outcome {
    for (rest, expected) in [(".on_error(\"deny\")", REFUSED), ("", Deed::Done)] {
        let few = ThreadsMax::set(FEW)?;
        let (root, grow) = growing()?;
        fs::write(FILE, "content").map_err(|e| e.to_string())?;
        let shell = Shell::ready(&format!(
            "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {root}}}).deny(\"EPERM\"){rest}.name(\"t\").attach(); \
             print(\"ready\");"
        ))?;
        drop(few);
        let raised = ThreadsMax::set(100_000)?;
        drop(grow);
        let deed = match waitpid(root, None).map_err(|e| e.to_string())? {
            WaitStatus::Exited(_, 0) => Deed::Done,
            WaitStatus::Exited(_, code) => Deed::Refused(Errno::from_raw(code - 100)),
            other => return Err(format!("{other:?}")),
        };
        drop(raised);
        same(&format!("one that found no room, {rest}"), deed, expected)?;
        // This suite is older than any that found none, and known to be none of them.
        same("outside of the subtree", fs::read(FILE).map(drop).map_err(|e| e.kind()), Ok(()))?;
        let ended = shell.stop()?;
        let errors = ended.books("t")?["errors"].as_u64().unwrap_or_default();
        holds(errors >= u64::from(MORE - FEW), format!("{errors} errors are counted"))?;
        ended.well()?;
    }
    Ok(())
}

/// A child of `growing`: it touches nothing of the memory that it shares.
extern "C" fn wait(_: *mut libc::c_void) -> libc::c_int {
    loop {
        // SAFETY: a call without an argument.
        unsafe { libc::pause() };
    }
}

/// A process that, once the pipe's end is dropped, has MORE children wait, and then one more read FILE. It ends with
/// what became of that.
fn growing() -> Result<(Pid, OwnedFd), String> {
    // The shell, which is started with it open, must not keep it open.
    let (gate, open) = pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?;
    // SAFETY: as in `task::perform`; neither child nor grandchildren run the parent's destructors.
    match unsafe { fork() }.map_err(|e| e.to_string())? {
        ForkResult::Parent { child } => Ok((child, open)),
        ForkResult::Child => {
            drop(open);
            let _ = nix::unistd::read(&gate, &mut [0]);
            let mut waiting = Vec::new();
            // They share its memory, which is much less to do than to copy it. Each has a stack of its own.
            let mut stacks = vec![[0_u8; 8192]; MORE as usize];
            for stack in &mut stacks {
                let top = stack.as_mut_ptr_range().end.cast();
                let flags = libc::CLONE_VM | libc::SIGCHLD;
                // SAFETY: a child only pauses, on its own stack, which outlives it.
                match unsafe { libc::clone(wait, top, flags, std::ptr::null_mut()) } {
                    child @ 1.. => waiting.push(Pid::from_raw(child)),
                    _ => break,
                }
            }
            let code = match open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed) {
                Ok(Deed::Done) => 0,
                Ok(Deed::Refused(errno)) => refusal(errno),
                _ => 1,
            };
            for child in waiting {
                let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
                let _ = waitpid(child, None);
            }
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) }
        }
    }
}

pub fn conjunction() -> Outcome {
    let shell = denying(&format!("uid: 1001, pid: {}", std::process::id()))?;
    same("the pid alone", read(&ME)?, Deed::Done)?;
    same("pid and uid", read(&Identity { uid: 1001, gid: 1001, ..ME })?, REFUSED)?;
    let other = task::perform(&ME, || 0)?;
    same("a task that opens nothing", other.deed, Deed::Done)?;
    shell.stop()?.well()
}
