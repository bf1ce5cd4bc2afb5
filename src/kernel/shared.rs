//! A probe's maps, for another generation of its programs.
//!
//! aya makes the maps of each object it loads, unless they are pinned under a path that it is told: those it
//! opens. So a probe's maps are pinned in a BPF file system of the probe's own, which is mounted nowhere: nobody else sees
//! it, and it is gone with its descriptor, however this process ends.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use aya::Ebpf;
use rustix::{
    io::Errno,
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use super::load::chain;

/// The maps that generations of one probe's programs have in common.
pub struct Shared {
    folder: OwnedFd,
    names: Vec<String>,
}

impl Shared {
    /// Of an object just loaded, while it still has its maps.
    ///
    /// # Errors
    /// Why it cannot be: the kernel makes no such file system for this process, or pins nothing there.
    pub fn new(ebpf: &Ebpf) -> Result<Self, String> {
        let folder = own_file_system().map_err(|error| format!("no BPF file system of its own: {error}"))?;
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
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()))
    }
}

fn own_file_system() -> Result<OwnedFd, Errno> {
    let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
