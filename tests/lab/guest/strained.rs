//! Claims about a machine that lacks something, or changes under a session: room on a hook, file systems, memory, processors, the clock.

use std::{
    collections::HashMap,
    fs,
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use btf_rs::{Btf, Type};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::{signal::Signal, time::TimeSpec},
    time::ClockId,
};
use serde_json::json;

use super::{
    Outcome, bpf, holds,
    pace::until,
    same,
    shell::{SHELL, Shell, attaching},
    task::{Deed, ME, REFUSED, open_file},
    workers::{self, Workers},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn reads(path: &str) -> Result<Deed, String> {
    open_file(&ME, path, OFlag::O_RDONLY).map(|task| task.deed)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

// ---- room on a hook ----------------------------------------------------------

/// Programs of another session that do nothing, as many as the hook of opens takes.
fn others_on_the_hook() -> Result<Vec<OwnedFd>, String> {
    let types = Btf::from_file("/sys/kernel/btf/vmlinux").map_err(text)?;
    let function = types
        .resolve_ids_by_name("bpf_lsm_file_open")
        .map_err(text)?
        .into_iter()
        .find(|id| matches!(types.resolve_type_by_id(*id), Ok(Type::Func(_))))
        .ok_or("no bpf_lsm_file_open")?;
    let mut links = Vec::new();
    // Far more than there is room for: the kernel says when it is full.
    while links.len() < 100 {
        match bpf::attach_lsm(function) {
            Ok(link) => links.push(link),
            Err(Errno::E2BIG) => return Ok(links),
            Err(error) => return Err(format!("after {} programs: {error}", links.len())),
        }
    }
    Err("the hook is never full".into())
}

/// A hook takes so many programs, of all sessions and tools. What finds no room says so, and what is attached goes on.
pub fn full_hook() -> Outcome {
    let file = |name: &str| format!("/tmp/full-{name}");
    for name in ["a", "b", "c"] {
        fs::write(file(name), "content").map_err(text)?;
    }
    let mut others = others_on_the_hook()?;
    holds(others.len() > 20, format!("room for {} only", others.len()))?;
    // Room for two.
    others.truncate(others.len() - 2);
    let probe = |name: &str| {
        format!(
            "probe(\"file_open\", #{{path: \"{}\"}}).scope(#{{pid: {}}}).deny(\"EPERM\").name(\"{name}\")",
            file(name),
            std::process::id()
        )
    };
    let script = format!(
        r#"
        let a = {a}.attach();
        let b = {b}.attach();
        let said = #{{}};
        try {{ {c}.attach(); }} catch (error) {{ said.third = error.to_string(); }}
        try {{ a.when(|e| e.uid == 4242); }} catch (error) {{ said.filter = error.to_string(); }}
        said.probes = probes().len();
        emit(said);
        on_exit(|| print("ending"));
        print("ready");
        "#,
        a = probe("a"),
        b = probe("b"),
        c = probe("c"),
    );
    let mut shell = Shell::ready(&script)?;
    for name in ["a", "b"] {
        same(&format!("{name}, which is attached"), reads(&file(name))?, REFUSED)?;
    }
    same("the one that found no room", reads(&file("c"))?, Deed::Done)?;
    let said = shell.wait_for(|line| line["type"] == "emit")?;
    for what in ["third", "filter"] {
        let error = said[what].as_str().unwrap_or_default();
        let whole = error.contains("no room for one more program") && error.contains("file_open");
        holds(whole, format!("{what}: {said}"))?;
    }
    same("probes", &said["probes"], &json!(2))?;
    let ended = shell.stop()?;
    for name in ["a", "b"] {
        same("denied", &ended.books(name)?["deny"], &json!(1))?;
    }
    ended.well()?;
    // With room again all of it works.
    others.truncate(others.len() - 4);
    let script = format!(
        "let a = {}.attach(); {}.attach(); a.when(|e| e.uid == 4242); print(\"ready\");",
        probe("a"),
        probe("c")
    );
    let shell = Shell::ready(&script)?;
    same("by its new filter", reads(&file("a"))?, Deed::Done)?;
    same("the other", reads(&file("c"))?, REFUSED)?;
    shell.stop()?.well()
}

// ---- what is not mounted -------------------------------------------------------

/// The shell where these are not mounted: its exit code, and standard error.
fn without(places: &'static [&'static str], script: &str) -> Result<(Option<i32>, String), String> {
    let mut command = Command::new(SHELL);
    command.args(["--quiet", "--format", "json", "-e", script]);
    let enter = move || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        for place in places {
            umount2(*place, MntFlags::MNT_DETACH)?;
        }
        Ok(())
    };
    // SAFETY: what is done there are system calls on constants.
    unsafe { command.pre_exec(enter) };
    let ended = Shell::of(command)?.end()?;
    Ok((ended.code, ended.stderr))
}

/// What a denial needs is named where it is not mounted; what it does not need it goes without.
pub fn not_mounted() -> Outcome {
    const FILE: &str = "/tmp/without";
    fs::write(FILE, "content").map_err(text)?;
    let script = format!(
        r#"
        let p = probe("file_open", #{{path: "{FILE}"}}).scope(#{{uid: 0}}).deny("EPERM").name("t").attach();
        let read = run(["/bin/cat", "{FILE}"]);
        if read.code != 1 {{ print(`read: ${{read}}`); exit(9); }}
        p.detach();
        "#
    );
    let (code, errors) = without(&["/sys/kernel/security"], &script)?;
    same("without securityfs", code, Some(0)).map_err(|e| format!("{e}: {errors}"))?;
    let (code, errors) = without(&["/sys/fs/cgroup"], &script)?;
    same("without cgroups", code, Some(0)).map_err(|e| format!("{e}: {errors}"))?;
    let scope = "probe(\"file_open\").scope(#{cgroup: \"/sys/fs/cgroup\"}).deny().attach();";
    let (code, errors) = without(&["/sys/fs/cgroup"], scope)?;
    same("a cgroup without cgroups", code, Some(3)).map_err(|e| format!("{e}: {errors}"))?;
    holds(errors.contains("not a cgroup v2 directory") && errors.contains("allowed:"), errors)?;
    for place in [&["/sys"][..], &["/proc"]] {
        let (code, errors) = without(place, &script)?;
        same(place[0], code, Some(3)).map_err(|e| format!("{e}: {errors}"))?;
        holds(errors.contains(place[0]) && errors.contains("fix:"), errors)?;
    }
    same("afterwards", reads(FILE)?, Deed::Done)
}

// ---- memory ----------------------------------------------------------------------

/// Where memory is short a probe is attached as a whole or not at all.
pub fn short_of_memory() -> Outcome {
    const FILE: &str = "/tmp/short";
    const GROUP: &str = "/sys/fs/cgroup/short";
    fs::write(FILE, "content").map_err(text)?;
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").map_err(text)?;
    fs::create_dir_all(GROUP).map_err(text)?;
    let script = format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{uid: 0}}).deny(\"EPERM\").name(\"t\").attach(); print(\"ready\");"
    );
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for mebibytes in [4, 8, 12, 16, 24, 32, 48, 64, 96, 192] {
        fs::write(format!("{GROUP}/memory.max"), format!("{mebibytes}M")).map_err(text)?;
        let mut command = Command::new(SHELL);
        command.args(["--quiet", "--format", "text", "-e", &script, "--for", "1s"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let enter = || fs::write(format!("{GROUP}/cgroup.procs"), "0");
        // SAFETY: the suite forks with a single thread that could hold a lock.
        unsafe { command.pre_exec(enter) };
        let output = match command.output() {
            Ok(output) => output,
            // Even the execution found no memory.
            Err(_) => continue,
        };
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let how = match (output.status.code(), output.status.signal()) {
            (Some(0), _) => {
                holds(said.contains("ready"), format!("{mebibytes} MiB: ended well without: {errors}"))?;
                "attached"
            }
            (Some(3), _) => {
                holds(
                    errors.contains("memory") && !said.contains("ready"),
                    format!("{mebibytes} MiB: {errors}"),
                )?;
                "refused"
            }
            (_, Some(libc::SIGKILL)) => "killed",
            other => return Err(format!("{mebibytes} MiB: {other:?}: {said} {errors}")),
        };
        *seen.entry(how).or_default() += 1;
        // The kernel frees a link after its last descriptor is closed, a moment after the exit.
        until("nothing stays attached", PATIENCE, || Ok(reads(FILE)? == Deed::Done))?;
    }
    fs::remove_dir(GROUP).map_err(text)?;
    holds(seen.contains_key("attached") && seen.len() > 1, format!("{seen:?}"))
}

// ---- processors --------------------------------------------------------------------

/// A processor goes and comes back while four processes work: nothing passes, and each operation is counted once.
pub fn a_processor_comes_and_goes() -> Outcome {
    const ONLINE: &str = "/sys/devices/system/cpu/cpu1/online";
    const ROUNDS: u32 = 300;
    let files = workers::files()?;
    let count = (files.len() * 4) as u32 * ROUNDS;
    let mut shell = Shell::ready(&format!(
        "{} let counted = probe(\"file_open\", #{{path_prefix: \"{folder}/\"}}).scope(#{{pid: {me}}}).count_by(\"comm\").events(false).name(\"c\").attach(); print(\"ready\");",
        attaching("t", "file_open", &format!("path_prefix: \"{}/\"", workers::FOLDER), ".deny(\"EPERM\")"),
        folder = workers::FOLDER,
        me = std::process::id()
    ))?;
    let working = Workers::start(&files, ROUNDS, true)?;
    for turn in 0..6 {
        fs::write(ONLINE, if turn % 2 == 0 { "0" } else { "1" }).map_err(|e| format!("{ONLINE}: {e}"))?;
    }
    let as_expected = working.wait();
    fs::write(ONLINE, "1").map_err(text)?;
    as_expected?;
    shell.drain();
    let ended = shell.stop()?;
    for probe in ["t", "c"] {
        same(probe, &ended.books(probe)?["matched"], &json!(count))?;
    }
    same("denied", &ended.books("t")?["deny"], &json!(count))?;
    ended.well()
}

// ---- the clock -----------------------------------------------------------------------

/// Turns the wall clock; it goes on where it would be when this is dropped.
struct Turned(i64);

impl Turned {
    fn by(seconds: i64) -> Result<Self, String> {
        turn(seconds)?;
        Ok(Turned(seconds))
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        let _ = turn(-self.0);
    }
}

fn turn(seconds: i64) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)?;
    let to = now.as_secs().saturating_add_signed(seconds);
    let to = TimeSpec::from_duration(Duration::new(to, now.subsec_nanos()));
    nix::time::clock_settime(ClockId::CLOCK_REALTIME, to).map_err(text)
}

/// A lease is neither longer nor shorter by what becomes of the wall clock, nor are timers.
pub fn the_clock_is_turned() -> Outcome {
    const FILE: &str = "/tmp/turned";
    const DAY: i64 = 24 * 60 * 60;
    fs::write(FILE, "content").map_err(text)?;
    let mut shell = Shell::ready(&format!(
        "{} every(\"200ms\", || emit(#{{ tick: true }})); print(\"ready\");",
        attaching("t", "file_open", &format!("path: \"{FILE}\""), ".deny(\"EPERM\").lease(\"2s\")")
    ))?;
    for days in [400, -400] {
        let turned = Turned::by(days * DAY)?;
        same("turned, and held", reads(FILE)?, REFUSED)?;
        for _ in 0..4 {
            shell.next()?;
        }
        same("after more than a tick", reads(FILE)?, REFUSED)?;
        drop(turned);
    }
    shell.signal(Signal::SIGSTOP)?;
    let turned = Turned::by(-400 * DAY)?;
    until("the lease ends though the clock was set back", PATIENCE, || Ok(reads(FILE)? == Deed::Done))?;
    drop(turned);
    shell.signal(Signal::SIGCONT)?;
    shell.stop()?.well()
}
