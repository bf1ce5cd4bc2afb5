//! A probe's maps, for another generation of its programs.
//!
//! aya makes the maps of each object it loads, unless they are pinned under a path that it is told: those it
//! opens. So a probe's maps are pinned in a BPF file system of this process's own, which is mounted nowhere: nobody else
//! sees it, and it is gone with its descriptor, however this process ends.
//!
//! It is made once: the kernel executes modprobe for each (`bpf_preload`), which a probe on executions would see.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aya::Ebpf;
use rustix::{
    io::Errno,
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use super::load::chain;

/// The maps that generations of one probe's programs have in common.
pub struct Shared {
    folder: PathBuf,
    names: Vec<String>,
}

impl Shared {
    /// Of an object just loaded, while it still has its maps.
    ///
    /// # Errors
    /// Why it cannot be: the kernel makes no such file system for this process, or pins nothing there.
    pub fn new(ebpf: &Ebpf) -> Result<Self, String> {
        let folder = own_folder()?;
        let mut shared = Shared { folder, names: Vec::new() };
        // Constants are each generation's own, and so is what is named after a section like theirs.
        for (name, map) in ebpf.maps().filter(|(name, _)| !name.starts_with('.')) {
            map.pin(shared.path(name)).map_err(|error| format!("cannot pin `{name}`: {}", chain(&error)))?;
            shared.names.push(name.to_owned());
        }
        Ok(shared)
    }

    /// Each map's name, and where it is to be opened.
    pub fn paths(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.names.iter().map(|name| (name.as_str(), self.path(name)))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Shared {
    /// What is pinned no longer goes with whoever holds it.
    fn drop(&mut self) {
        for (_, path) in self.paths() {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A new folder in the process's BPF file system.
fn own_folder() -> Result<PathBuf, String> {
    static SYSTEM: OnceLock<OwnedFd> = OnceLock::new();
    static FOLDERS: AtomicU64 = AtomicU64::new(0);
    let system = match SYSTEM.get() {
        Some(system) => system,
        None => {
            let made =
                own_file_system().map_err(|error| format!("no BPF file system of its own: {error}"))?;
            SYSTEM.get_or_init(|| made)
        }
    };
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(format!("/proc/self/fd/{}/{number}", system.as_raw_fd()));
    fs::create_dir(&folder).map_err(|error| format!("no folder in a BPF file system of its own: {error}"))?;
    Ok(folder)
}

fn own_file_system() -> Result<OwnedFd, Errno> {
    let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
