//! The cgroup of a scratch: made below this process's own, or below the top of what is mounted; killed and removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use procfs::process::Process;

/// Begins the name of each, so that nothing else is ever removed.
pub const PREFIX: &str = "krsi-sh.";
const LOOK: Duration = Duration::from_millis(2);

/// Why there can be no cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error(
        "no cgroup v2 hierarchy is mounted here\nfix: mount -t cgroup2 none /sys/fs/cgroup, or `cgroup: false`"
    )]
    NoHierarchy,
    #[error("cannot find out this process's cgroup: {0}")]
    Unknown(String),
    #[error("cannot make a cgroup in {}: {error}", .place.display())]
    Refused { place: PathBuf, error: io::Error },
}

/// Makes a cgroup with this name.
///
/// # Errors
/// If there is no hierarchy, or no place in it that this user may write to.
pub fn make(name: &str) -> Result<PathBuf, CgroupError> {
    let top = top()?;
    let own = own().map(|own| top.join(own.trim_start_matches('/')));
    let places = own.into_iter().filter(|place| *place != top && place.is_dir()).chain([top.clone()]);
    let mut refused = None;
    for place in places {
        let path = place.join(format!("{PREFIX}{name}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) => refused.get_or_insert(CgroupError::Refused { place, error }),
        };
    }
    Err(refused.unwrap_or(CgroupError::NoHierarchy))
}

fn top() -> Result<PathBuf, CgroupError> {
    let mounts = Process::myself().and_then(|process| process.mountinfo());
    let mounts = mounts.map_err(|error| CgroupError::Unknown(error.to_string()))?;
    let found = mounts.into_iter().find(|mount| mount.fs_type == "cgroup2");
    found.map(|mount| mount.mount_point).ok_or(CgroupError::NoHierarchy)
}

fn own() -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// Kills everything in a cgroup and below it, and removes them.
///
/// # Errors
/// If something is still there when the patience is over.
pub fn remove(path: &Path, patience: Duration) -> io::Result<()> {
    let is_ours = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    if !is_ours {
        return Err(io::Error::other("this is not a cgroup of a scratch"));
    }
    let begun = Instant::now();
    loop {
        kill_all(path);
        match remove_tree(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if begun.elapsed() > patience => return Err(error),
            Err(_) => thread::sleep(LOOK),
            Ok(()) => return Ok(()),
        }
    }
}

/// Kills everything in a cgroup and below it.
pub fn kill_all(path: &Path) {
    if fs::write(path.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    // Before 5.14. What is frozen cannot fork, and dies all the same.
    let _ = fs::write(path.join("cgroup.freeze"), "1");
    for each in tree(path) {
        let processes = fs::read_to_string(each.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 1) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    let _ = fs::write(path.join("cgroup.freeze"), "0");
}

/// A cgroup and those below it, the innermost first.
fn tree(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut all: Vec<PathBuf> = below.flat_map(|entry| tree(&entry.path())).collect();
    all.push(path.to_owned());
    all
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for each in tree(path) {
        match fs::remove_dir(&each) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) && each != path => {}
            other => other?,
        }
    }
    Ok(())
}
