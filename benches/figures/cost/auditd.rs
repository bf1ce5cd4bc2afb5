//! auditd as Debian packages it, with Debian's own configuration, logging to a file in memory.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Stdio},
};

use krsi_sh::lab::Extra;
use nix::mount::{MsFlags, mount};

use super::{
    Cost,
    records::{Readers, wait_until},
    worker::{NOOP, Work},
};
use crate::peers;

const LOGS: &str = "/var/log/audit";
/// As Debian's own rules begin: its default backlog would be too small for a burst.
const BACKLOG: [&str; 2] = ["-b", "8192"];
const RULE: [&str; 6] = ["-a", "always,exit", "-F", "arch=b64", "-S", "execve"];

/// auditd's configuration, for the guest.
pub fn configuration() -> Extra {
    let host = peers::cache().join("auditd/etc/auditd.conf");
    Extra { host, guest: "/etc/audit/auditd.conf".into(), mode: 0o640 }
}

/// A running auditd; killed if dropped.
pub struct Auditd(Child);

impl Auditd {
    /// # Errors
    /// If it does not take over the kernel's records.
    pub fn start() -> Result<Self, String> {
        prepare().map_err(|e| format!("preparing for auditd: {e}"))?;
        let child = peers::command(Path::new(peers::IN_GUEST), "auditd", "auditd")
            // Stays in the foreground.
            .arg("-n")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot start auditd: {e}"))?;
        let auditd = Auditd(child);
        let pid = format!("pid {}", auditd.0.id());
        let registered = || control(&["-s"]).is_ok_and(|status| status.lines().any(|line| line == pid));
        wait_until("auditd registers with the kernel", registered)?;
        control(&BACKLOG)?;
        Ok(auditd)
    }

    /// What an operation costs while it runs, without a rule.
    ///
    /// # Errors
    /// If that cannot be measured.
    pub fn cost(&self, work: Work) -> Result<Cost, String> {
        let (own, readers) = self.readers()?.during(|| work.run())?;
        Ok(Cost { own, readers: readers as f64 / work.done() as f64, lost: 0.0 })
    }

    /// What an execution costs while every one is logged.
    ///
    /// # Errors
    /// If that cannot be measured, or the log does not show every one.
    pub fn cost_with_rule(&self) -> Result<Cost, String> {
        let work = Work::Exec;
        control(&RULE)?;
        let before = logged()?;
        let cost = self.cost(work);
        control(&["-D"])?;
        let status = control(&["-s"])?;
        let written = logged()? - before;
        if written < work.done() || !status.lines().any(|line| line == "lost 0") {
            return Err(format!("auditd logged {written} of {} executions: {status}", work.done()));
        }
        cost
    }

    /// The daemon, and the kernel's thread that hands the records to it.
    fn readers(&self) -> Result<Readers, String> {
        let processes = procfs::process::all_processes().map_err(|e| format!("listing processes: {e}"))?;
        let mut stats = processes.filter_map(|process| process.ok()?.stat().ok());
        let thread = stats.find(|stat| stat.comm == "kauditd").ok_or("there is no kauditd")?;
        Readers::of(&[thread.pid, self.0.id().cast_signed()])
    }
}

impl Drop for Auditd {
    fn drop(&mut self) {
        // It may be gone already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What auditd expects of a system, and the guest does not have.
fn prepare() -> std::io::Result<()> {
    fs::create_dir_all(LOGS)?;
    // It looks at the space that is left, which the initramfs itself does not tell.
    mount(Some("logs"), LOGS, Some("tmpfs"), MsFlags::empty(), Some("mode=750,size=512m"))?;
    fs::create_dir_all("/etc/audit/plugins.d")?;
    symlink("/run", "/var/run")?;
    // The group of its logs.
    OpenOptions::new().append(true).open("/etc/group")?.write_all(b"adm:x:4:\n")
}

fn control(arguments: &[&str]) -> Result<String, String> {
    let output = peers::command(Path::new(peers::IN_GUEST), "auditd", "auditctl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot start auditctl: {e}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("auditctl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
    }
}

/// Executions in the logs, the rotated ones too.
fn logged() -> Result<u64, String> {
    let failed = |e: std::io::Error| format!("reading {LOGS}: {e}");
    let program = format!("exe=\"{NOOP}\"");
    let mut count = 0;
    for entry in fs::read_dir(LOGS).map_err(failed)? {
        let bytes = fs::read(entry.map_err(failed)?.path()).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let executions =
            text.lines().filter(|line| line.starts_with("type=SYSCALL") && line.contains(&program));
        count += executions.count() as u64;
    }
    Ok(count)
}
