//! Claims about the doctor: what it finds on a machine where all is well, and where one thing is not.

use std::{fs, os::unix::process::CommandExt, process::Command, sync::LazyLock};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use serde_json::Value;

use super::{Outcome, cases::has_hook, holds, same, shell::SHELL};

/// The doctor's report and exit code, after something was done to its process alone.
fn report(prepare: impl FnOnce(&mut Command) -> &mut Command) -> Result<(Value, Option<i32>), String> {
    let mut command = Command::new(SHELL);
    command.args(["--format", "json", "doctor"]);
    let output = prepare(&mut command).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text)
        .map_err(|e| format!("{e}: {text:?}, {:?}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((report, output.status.code()))
}

fn statuses(report: &Value) -> Vec<&str> {
    report["hooks"].as_array().into_iter().flatten().filter_map(|h| h["status"].as_str()).collect()
}

/// A check's status and remedy.
fn check<'a>(report: &'a Value, name: &str) -> Result<(&'a str, &'a str), String> {
    let checks = report["checks"].as_array().ok_or("no checks")?;
    let found = checks.iter().find(|c| c["name"] == name).ok_or_else(|| format!("no check `{name}`"))?;
    Ok((found["status"].as_str().unwrap_or_default(), found["remedy"].as_str().unwrap_or_default()))
}

/// The first report, which more than one claim looks at: trying each hook takes long in emulation.
fn first() -> Result<&'static (Value, Option<i32>), String> {
    static FIRST: LazyLock<Result<(Value, Option<i32>), String>> =
        LazyLock::new(|| report(|command| command));
    FIRST.as_ref().map_err(Clone::clone)
}

pub fn all_fire() -> Outcome {
    let (report, code) = first()?;
    same("exit", *code, Some(0))?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    same("kernel", report["kernel"].as_str(), Some(release.trim()))?;
    holds(!statuses(report).is_empty(), "no hooks")?;
    let hooks = report["hooks"].as_array().ok_or("no hooks")?;
    let right = |hook: &Value| {
        let known = has_hook(hook["hook"].as_str().unwrap_or_default());
        hook["status"] == if known { "fires" } else { "unknown-hook" }
    };
    holds(hooks.iter().all(right), format!("{:#}", report["hooks"]))?;
    for name in ["kernel", "capabilities", "lsm-list", "btf", "lockdown", "jit", "cgroup2"] {
        same(name, check(report, name)?.0, "ok")?;
    }
    Ok(())
}

pub fn unprivileged() -> Outcome {
    let (report, code) = report(|command| command.uid(1000).gid(1000))?;
    same("exit", code, Some(3))?;
    let (status, remedy) = check(&report, "capabilities")?;
    same("capabilities", status, "fail")?;
    holds(remedy.contains("sudo"), remedy)?;
    holds(statuses(&report).iter().all(|s| *s == "missing-capability"), format!("{:#}", report["hooks"]))
}

/// An empty directory where the kernel's types would be, for this process alone.
pub fn without_types() -> Outcome {
    let hide = || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(Some("none"), "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        mount(Some("none"), "/sys/kernel/btf", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
        Ok(())
    };
    // SAFETY: system calls only, on constants, between fork and exec.
    let (report, code) = report(move |command| unsafe { command.pre_exec(hide) })?;
    same("exit", code, Some(3))?;
    let (status, remedy) = check(&report, "btf")?;
    same("btf", status, "fail")?;
    holds(remedy.contains("CONFIG_DEBUG_INFO_BTF"), remedy)?;
    holds(statuses(&report).iter().all(|s| *s == "no-btf"), format!("{:#}", report["hooks"]))
}

pub fn leaves_nothing() -> Outcome {
    first()?;
    // A second one finds the hooks as free as the first.
    let (report, code) = report(|command| command)?;
    same("exit", code, Some(0))?;
    let as_before = |s: &&str| ["fires", "unknown-hook"].contains(s);
    holds(statuses(&report).iter().all(as_before), format!("{:#}", report["hooks"]))
}
