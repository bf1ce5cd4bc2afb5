//! A probe's maps, for another generation of its programs.
//!
//! aya makes the maps of each object it loads, unless they are pinned under a path that it is told: those it
//! opens. So for the time of such a load the maps are pinned in a BPF file system of this process's own, which is
//! mounted nowhere: nobody else sees it, and it is gone with its descriptor, however this process ends.
//!
//! It is made when it is first needed, and once: the kernel executes modprobe for each (`bpf_preload`), which a probe
//! on executions sees.

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use rustix::{
    io::Errno,
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use crate::kernel::errno::chain;

/// The maps that generations of one probe's programs have in common: their names, and the kernel's ids.
pub struct Shared(Vec<(String, u32)>);

impl Shared {
    /// Of an object just loaded, while it still has its maps.
    ///
    /// # Errors
    /// If the kernel does not tell about one.
    pub fn new(ebpf: &Ebpf) -> Result<Self, String> {
        // Constants are each generation's own, and so is what is named after a section like theirs.
        let shared = ebpf.maps().filter(|(name, _)| !name.starts_with('.'));
        let id = |(name, map): (&str, &Map)| {
            let data = data(map).ok_or_else(|| format!("`{name}` is of a kind that no template has"))?;
            let info =
                data.info().map_err(|error| format!("nothing is known of `{name}`: {}", chain(&error)))?;
            Ok((name.to_owned(), info.id()))
        };
        shared.map(id).collect::<Result<_, String>>().map(Shared)
    }

    /// The maps under paths where they can be opened.
    ///
    /// # Errors
    /// If the kernel makes no such file system for this process, or pins nothing there.
    pub fn pinned(&self) -> Result<Pinned, String> {
        let mut pinned = Pinned { directory: own_directory()?, names: Vec::new() };
        for (name, id) in &self.0 {
            let failed =
                |error: &(dyn std::error::Error + 'static)| format!("cannot pin `{name}`: {}", chain(error));
            let map = MapData::from_id(*id).map_err(|error| failed(&error))?;
            map.pin(pinned.directory.join(name)).map_err(|error| failed(&error))?;
            pinned.names.push(name.clone());
        }
        Ok(pinned)
    }
}

/// Maps that are pinned until this is dropped.
pub struct Pinned {
    directory: PathBuf,
    names: Vec<String>,
}

impl Pinned {
    /// Each map's name, and where it is to be opened.
    pub fn paths(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        self.names.iter().map(|name| (name.as_str(), self.directory.join(name)))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        for (_, path) in self.paths() {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.directory);
    }
}

/// What aya's map is made of, for the kinds that templates have.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::InodeStorage(data)
        | Map::LpmTrie(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::RingBuf(data)
        | Map::StackTraceMap(data)
        | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}

/// A new directory in the process's BPF file system.
fn own_directory() -> Result<PathBuf, String> {
    static SYSTEM: OnceLock<OwnedFd> = OnceLock::new();
    static DIRECTORIES: AtomicU64 = AtomicU64::new(0);
    let system = match SYSTEM.get() {
        Some(system) => system,
        None => {
            let made = own_file_system().map_err(|error| {
                format!("no BPF file system of its own: {}", chain(&io::Error::from(error)))
            })?;
            SYSTEM.get_or_init(|| made)
        }
    };
    let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
    let directory = PathBuf::from(format!("/proc/self/fd/{}/{number}", system.as_raw_fd()));
    fs::create_dir(&directory)
        .map_err(|error| format!("no directory in a BPF file system of its own: {}", chain(&error)))?;
    Ok(directory)
}

fn own_file_system() -> Result<OwnedFd, Errno> {
    let context = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
