//! Claims about what a process may have: where the kernel refuses for that, the limit is named, and not the template.

use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    process::{Command, Stdio},
};

use nix::{
    libc,
    sys::resource::{Resource, setrlimit},
};

use super::{
    Outcome, holds, same,
    shell::{SHELL, for_people},
};

const USER: u32 = 1000;
/// CAP_PERFMON and CAP_BPF, in the upper word.
const CAPABILITIES: u32 = 1 << (38 - 32) | 1 << (39 - 32);
const ATTACH: &str = "probe(\"exec\").attach(); exit()";

/// Exit code and standard error of the shell, after something was done to its process alone.
fn shell(
    arguments: &[&str],
    prepare: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> Result<(Option<i32>, String), String> {
    let mut command: Command = for_people();
    command.args(["--quiet"]).args(arguments).stdin(Stdio::null());
    // SAFETY: what is done there are system calls and nothing else.
    unsafe { command.pre_exec(prepare) };
    let output = command.output().map_err(|e| format!("{SHELL}: {e}"))?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Becomes a user that has the two capabilities which probes need, and no other.
fn become_privileged_user() -> io::Result<()> {
    #[repr(C)]
    struct Header(u32, i32);
    #[repr(C)]
    struct Data(u32, u32, u32);
    const VERSION_3: u32 = 0x2008_0522;
    let upper = Data(CAPABILITIES, CAPABILITIES, CAPABILITIES);
    let all = [Data(0, 0, 0), upper];
    let ok = |result: libc::c_long| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: system calls on numbers, and on structs that live until they return (capset(2)).
    unsafe {
        ok(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0).into())?;
        ok(libc::setgroups(0, std::ptr::null()).into())?;
        ok(libc::setresgid(USER, USER, USER).into())?;
        ok(libc::setresuid(USER, USER, USER).into())?;
        ok(libc::syscall(libc::SYS_capset, &Header(VERSION_3, 0), all.as_ptr()))?;
        for capability in [38, 39] {
            ok(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0).into())?;
        }
    }
    Ok(())
}

fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    setrlimit(resource, soft, hard).map_err(io::Error::from)
}

/// Before 5.11 maps are locked memory; from then on the limit does not matter.
pub fn locked_memory() -> Outcome {
    let (code, errors) = shell(&["-e", ATTACH], || {
        limit(Resource::RLIMIT_MEMLOCK, 65536, 65536)?;
        become_privileged_user()
    })?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    if !release.starts_with("5.10.") {
        return same("exit", code, Some(0)).map_err(|e| format!("{e}: {errors}"));
    }
    same("exit", code, Some(3))?;
    holds(errors.contains("ulimit -l") && errors.contains("fix:"), &*errors)?;
    holds(!errors.contains("not a template"), errors)
}

/// Too few files: said; a soft limit that is too low is lifted to the hard one.
pub fn descriptors() -> Outcome {
    for few in [5, 8, 12, 16, 24] {
        let (code, errors) = shell(&["-e", ATTACH], move || limit(Resource::RLIMIT_NOFILE, few, few))?;
        same(&format!("exit with {few}"), code, Some(3)).map_err(|e| format!("{e}: {errors}"))?;
        holds(errors.contains("ulimit -n"), format!("{few}: {errors}"))?;
        holds(!errors.contains("not a template"), errors)?;
    }
    let (code, errors) = shell(&["-e", ATTACH], || limit(Resource::RLIMIT_NOFILE, 16, 1024))?;
    same("lifted", code, Some(0)).map_err(|e| format!("{e}: {errors}"))
}

/// Whoever has the capabilities without being root runs root's scripts and their own, and nobody else's.
pub fn scripts_of_others() -> Outcome {
    const SCRIPT: &str = "/tmp/of-another.rhai";
    fs::write(SCRIPT, "print(1)").map_err(|e| e.to_string())?;
    for (owner, expected) in [(0, 0), (USER, 0), (USER + 1, 2)] {
        chown(SCRIPT, Some(owner), Some(owner)).map_err(|e| e.to_string())?;
        let (code, errors) = shell(&[SCRIPT], become_privileged_user)?;
        same(&format!("owned by {owner}"), code, Some(expected)).map_err(|e| format!("{e}: {errors}"))?;
    }
    Ok(())
}
