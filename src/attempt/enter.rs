//! Into a scratch: cgroup, namespaces, user, capabilities. The order is what makes it hold: the cgroup while there is privilege,
//! the bounding set before the user, a user namespace after it, as that user would make one.

use std::{fs, io};

use caps::{CapSet, Capability, CapsHashSet};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::Signal,
        stat::{Mode, umask},
    },
    unistd::{self, Gid, Uid},
};

use super::{
    message::{Made, Spec},
    namespace::Namespace,
};
use crate::{raw, system::limits};

/// A step into the scratch that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {why}")]
pub struct EnterError {
    what: &'static str,
    why: String,
}

/// Says which step an error comes from.
trait Step<T> {
    fn step(self, what: &'static str) -> Result<T, EnterError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: &'static str) -> Result<T, EnterError> {
        self.map_err(|error| EnterError { what, why: error.into().to_string() })
    }
}

/// Enters everything but a pid namespace, which only a child of this process is in.
///
/// # Errors
/// Which step failed.
pub fn enter(spec: &Spec, made: &Made) -> Result<(), EnterError> {
    // In none of the session's terminal and process group.
    let _ = unistd::setsid();
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    if let Some(cgroup) = &made.cgroup {
        fs::write(raw::os(&format!("{cgroup}/cgroup.procs")), "0").step("enter the cgroup")?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0).step("limit core files")?;
    if let Some((soft, hard)) = limits::files_at_start() {
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).step("limit open files")?;
    }
    let flags = spec.namespaces.iter().fold(CloneFlags::empty(), |all, one| all | one.flag());
    if spec.namespaces.contains(&Namespace::User) {
        become_user(spec)?;
        // Or /proc/self belongs to root, and this process may not write its own maps.
        prctl::set_dumpable(true).step("become dumpable")?;
        unshare(flags).step("enter a user namespace")?;
        map_to_root(spec)?;
        limit_bounding_set(spec)?;
    } else {
        unshare(flags).step("enter namespaces")?;
        if spec.namespaces.contains(&Namespace::Mount) {
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).step("make mounts private")?;
        }
        limit_bounding_set(spec)?;
        become_user(spec)?;
    }
    Ok(())
}

/// Does what concerns the very process that does the work.
///
/// # Errors
/// Which step failed.
pub fn settle(spec: &Spec, made: &Made) -> Result<(), EnterError> {
    set_capabilities(spec)?;
    if spec.no_new_privs {
        prctl::set_no_new_privs().step("renounce new privileges")?;
    }
    // As a process is that was this user's from its beginning.
    prctl::set_dumpable(true).step("become dumpable")?;
    // What changes a process's ids takes this away, so it comes last.
    prctl::set_pdeathsig(Signal::SIGKILL).step("be ended with the keeper")?;
    unistd::chdir(raw::os(&made.directory).as_os_str()).step("enter the scratch's directory")
}

fn become_user(spec: &Spec) -> Result<(), EnterError> {
    let (uid, gid) = (Uid::from_raw(spec.login.uid), Gid::from_raw(spec.login.gid));
    let is_already = unistd::getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [uid; 3]);
    if is_already && (unistd::getgid() == gid || !uid.is_root()) {
        return Ok(());
    }
    if spec.capabilities.as_ref().is_some_and(|wanted| !wanted.is_empty()) {
        prctl::set_keepcaps(true).step("keep capabilities")?;
    }
    let groups: Vec<_> = spec.login.groups.iter().map(|id| Gid::from_raw(*id)).collect();
    unistd::setgroups(&groups).step("take the user's groups")?;
    unistd::setresgid(gid, gid, gid).step("take the user's group")?;
    unistd::setresuid(uid, uid, uid).step("become the user")
}

/// As `unshare -r` does.
fn map_to_root(spec: &Spec) -> Result<(), EnterError> {
    fs::write("/proc/self/setgroups", "deny").step("deny setgroups in the user namespace")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", spec.login.uid)).step("map the user")?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", spec.login.gid)).step("map the group")
}

fn wanted(spec: &Spec) -> Option<CapsHashSet> {
    let numbers = spec.capabilities.as_ref()?;
    Some(caps::all().into_iter().filter(|each| numbers.contains(&each.index())).collect())
}

/// What the bounding set lacks no program gives back.
fn limit_bounding_set(spec: &Spec) -> Result<(), EnterError> {
    let Some(wanted) = wanted(spec) else { return Ok(()) };
    let is_bound = |each: &Capability| caps::has_cap(None, CapSet::Bounding, *each).unwrap_or(false);
    for each in caps::all().into_iter().filter(|each| !wanted.contains(each) && is_bound(each)) {
        caps::drop(None, CapSet::Bounding, each).map_err(io::Error::other).step("limit capabilities")?;
    }
    Ok(())
}

fn set_capabilities(spec: &Spec) -> Result<(), EnterError> {
    let Some(wanted) = wanted(spec) else { return Ok(()) };
    // Each lies within the one before.
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted, CapSet::Ambient] {
        caps::set(None, set, &wanted).map_err(io::Error::other).step("set capabilities")?;
    }
    Ok(())
}
