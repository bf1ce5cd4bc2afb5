//! The active checks of the library: each passes where the system is as it should be, and fails for its own reason where it is not.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Outcome, holds, shell::SHELL};

/// Put into the guest by the host.
pub const LIBRARY: &str = "/lab/active.rhai";

/// Parameters: as they should be, and as they should not. Each can be set back.
const PARAMETERS: [(&str, &str, &str); 6] = [
    ("kernel/yama/ptrace_scope", "1", "0"),
    ("kernel/unprivileged_bpf_disabled", "2", "0"),
    ("user/max_user_namespaces", "0", "1000"),
    ("kernel/dmesg_restrict", "1", "0"),
    ("kernel/perf_event_paranoid", "2", "-1"),
    ("fs/protected_hardlinks", "1", "0"),
];

/// What a check may fail to do in both: it is about this machine and not about the account.
const OF_THE_SHELL: &str = "active-enforcement";

/// A check came to this, for this reason.
type Results = BTreeMap<String, (String, String)>;

/// With the parameters as they should be, /tmp and /dev/shm mounted noexec, everything is refused to nobody. With the parameters
/// as they should not be, and to root, everything is permitted, and each check says so.
pub fn both_ways() -> Outcome {
    let before: Vec<_> = PARAMETERS.iter().map(|(name, ..)| fs::read_to_string(path(name))).collect();
    let outcome = passes().and_then(|()| fails());
    let _ = fs::remove_file(SHADOW);
    for ((name, ..), value) in PARAMETERS.iter().zip(before) {
        let written = value.and_then(|value| fs::write(path(name), value));
        written.map_err(|error| format!("{name} could not be set back: {error}"))?;
    }
    outcome
}

/// A guest has no passwords.
const SHADOW: &str = "/etc/shadow";

fn passes() -> Outcome {
    set(|(name, strict, _)| (name, strict))?;
    fs::write(SHADOW, "root:!:1:0:99999:7:::\n").map_err(|error| error.to_string())?;
    fs::set_permissions(SHADOW, fs::Permissions::from_mode(0o600)).map_err(|error| error.to_string())?;
    let results = checked("nobody", "noexec")?;
    holds(results.len() >= 12, format!("{} checks", results.len()))?;
    for (id, (result, reason)) in &results {
        holds(result == "pass", format!("{id} came to {result}, where all is well: {reason}"))?;
    }
    Ok(())
}

fn fails() -> Outcome {
    set(|(name, _, lax)| (name, lax))?;
    for (id, (result, reason)) in &checked("root", "exec")? {
        if id == OF_THE_SHELL {
            holds(result == "pass", format!("{id}: {result}: {reason}"))?;
            continue;
        }
        let said = result == "fail" && reason.ends_with("is permitted to root");
        holds(said, format!("{id} came to {result}, where everything is permitted: {reason}"))?;
    }
    Ok(())
}

fn path(name: &str) -> String {
    format!("/proc/sys/{name}")
}

fn set(
    choose: impl Fn((&'static str, &'static str, &'static str)) -> (&'static str, &'static str),
) -> Outcome {
    for parameter in PARAMETERS {
        let (name, value) = choose(parameter);
        fs::write(path(name), value).map_err(|error| format!("{name} = {value}: {error}"))?;
    }
    Ok(())
}

/// Runs the library as cron would, with file systems of its own at /tmp and /dev/shm.
fn checked(user: &str, exec: &str) -> Result<Results, String> {
    let script = format!(
        "mkdir -p /dev/shm && mount -t tmpfs -o {exec},mode=1777 tmpfs /tmp && mount -t tmpfs -o {exec},mode=1777 tmpfs /dev/shm \
         && exec {SHELL} --format ndjson check {LIBRARY}"
    );
    let output = Command::new("/bin/busybox")
        .args(["unshare", "-m", "/bin/sh", "-c", &script])
        .env("KRSI_CHECK_USER", user)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let results: Results = lines
        .filter(|line| line["type"] == "check")
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            (text("id"), (text("result"), text("reason")))
        })
        .collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    holds(!results.is_empty(), format!("no checks: {stdout}{stderr}"))?;
    Ok(results)
}
