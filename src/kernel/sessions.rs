//! The probes of every session on this system, found by what they have in the kernel.
//!
//! Each probe has a map of settings of a known name, whose first word is what the kernel answers
//! (`struct krsi_control` of the templates), and programs that use it. A process that may list maps can
//! thus make any probe observe, without its session having a say; only the session's own end takes the
//! programs off their hooks, for the kernel has no way to detach another process's tracing link.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt,
};

use aya::{
    maps::{Map, MapData, MapError, MapInfo, MapType, loaded_maps},
    programs::{ProgramError, loaded_programs},
};
use nix::errno::Errno;
use procfs::process::{FDTarget, Process, all_processes};

use crate::kernel::{KernelError, errno::chain, host, label, maps::settings::Settings};

const SETTINGS: &str = "krsi_settings";
/// Where the mode stands in each template's settings, and its value that refuses nothing.
const MODE: usize = 0;
const OBSERVE: u64 = 0;
/// Part of what the kernel calls a link's file: `bpf-link`, `bpf_link`.
const LINK: &str = "link";

/// The processes that keep probes attached, each with when it was started (ticks since boot).
pub type Keepers = BTreeMap<i32, u64>;

/// The programs of probes that the kernel has, each with the settings it reads; both by id.
pub type Programs = BTreeMap<u32, u32>;

/// Makes every probe on this system observe.
///
/// # Errors
/// Without the privilege to look, or if one of them cannot be reached; the others are changed all the same.
pub fn observe() -> Result<(), KernelError> {
    host::check_privilege()?;
    let outcomes: Vec<_> = settings()?.into_iter().map(disarm).collect();
    outcomes.into_iter().collect()
}

/// # Errors
/// If the kernel does not tell.
pub fn programs() -> Result<Programs, KernelError> {
    let settings: BTreeSet<u32> = settings()?.into_iter().collect();
    let mut ours = Programs::new();
    for program in loaded_programs() {
        let maps = match &program {
            Ok(program) => program.map_ids().map_err(|error| (gone_program(&error), error)),
            Err(ProgramError::SyscallError(error)) if gone(&error.io_error) => continue,
            Err(error) => return Err(cannot("list the kernel's programs", error)),
        };
        match (program, maps) {
            (Ok(program), Ok(Some(maps))) => {
                let read = maps.into_iter().find(|id| settings.contains(id));
                ours.extend(read.map(|id| (program.id(), id)));
            }
            (_, Err((false, error))) => return Err(cannot("look at a program", &error)),
            _ => {}
        }
    }
    Ok(ours)
}

/// What the probes of these programs say of themselves, a line each, as far as the kernel tells.
#[must_use]
pub fn labels(programs: &Programs) -> BTreeSet<String> {
    let ours =
        loaded_programs().filter_map(Result::ok).filter(|program| programs.contains_key(&program.id()));
    ours.filter_map(|program| label::of(&program)).collect()
}

/// The other processes that hold a link to one of these programs.
#[must_use]
pub fn keepers(programs: &Programs) -> Keepers {
    let own = std::process::id().cast_signed();
    // What has gone meanwhile holds nothing.
    let processes = all_processes().into_iter().flatten().flatten();
    processes
        .filter(|process| process.pid != own && holds(process, programs))
        .filter_map(|process| Some((process.pid, process.stat().ok()?.starttime)))
        .collect()
}

/// The other processes that execute what this one does and hold a link: sessions, as far as can be told without asking
/// the kernel about its programs, which a probe may deny.
#[must_use]
pub fn keepers_by_executable() -> Keepers {
    let Ok(own) = fs::metadata("/proc/self/exe") else { return Keepers::new() };
    let is_own = |process: &Process| {
        let exe = fs::metadata(format!("/proc/{}/exe", process.pid));
        exe.is_ok_and(|exe| (exe.dev(), exe.ino()) == (own.dev(), own.ino()))
    };
    let processes = all_processes().into_iter().flatten().flatten();
    processes
        .filter(|process| process.pid != std::process::id().cast_signed())
        .filter(|process| is_own(process) && links_of(process).next().is_some())
        .filter_map(|process| Some((process.pid, process.stat().ok()?.starttime)))
        .collect()
}

fn holds(process: &Process, programs: &Programs) -> bool {
    links_of(process).any(|info| links_to(&info, programs))
}

/// What the kernel says of each link of the process's.
fn links_of(process: &Process) -> impl Iterator<Item = String> {
    let links = process.fd().into_iter().flatten().flatten().filter(|fd| match &fd.target {
        FDTarget::AnonInode(kind) => kind.contains(LINK),
        _ => false,
    });
    let pid = process.pid;
    links.filter_map(move |fd| fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", fd.fd)).ok())
}

/// Whether the description of a descriptor is that of a link to one of the programs.
fn links_to(info: &str, programs: &Programs) -> bool {
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let program = value("prog_id:").and_then(|id| id.parse().ok());
    value("link_type:").is_some() && program.is_some_and(|id| programs.contains_key(&id))
}

/// The maps of settings, by id.
fn settings() -> Result<Vec<u32>, KernelError> {
    let mut ids = Vec::new();
    for map in loaded_maps() {
        match map {
            Ok(map) if map.name() == SETTINGS.as_bytes() => ids.push(map.id()),
            Ok(_) => {}
            Err(MapError::SyscallError(error)) if gone(&error.io_error) => {}
            Err(error) => return Err(cannot("list the kernel's maps", &error)),
        }
    }
    Ok(ids)
}

/// A map that has gone, or is no probe's, is left alone.
fn disarm(id: u32) -> Result<(), KernelError> {
    let refuse = |error: MapError| match error {
        MapError::SyscallError(error) if gone(&error.io_error) => Ok(()),
        error => Err(cannot("reach a probe's settings", &error)),
    };
    let info = match MapInfo::from_id(id) {
        Ok(info) => info,
        Err(error) => return refuse(error),
    };
    let size = usize::try_from(info.value_size()).unwrap_or_default();
    if !matches!(info.map_type(), Ok(MapType::Array)) || size < MODE + size_of::<u64>() {
        return Ok(());
    }
    let map = match MapData::from_id(id).and_then(Map::from_map_data) {
        Ok(map) => map,
        Err(error) => return refuse(error),
    };
    Settings::new(map, size)?.store(MODE, OBSERVE)
}

/// Whether what an id stood for has gone.
pub(super) fn gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOENT as i32)
}

fn gone_program(error: &ProgramError) -> bool {
    matches!(error, ProgramError::SyscallError(error) if gone(&error.io_error))
}

fn cannot(what: &str, error: &(dyn std::error::Error + 'static)) -> KernelError {
    KernelError::Program { what: what.to_owned(), error: chain(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_told_from_other_descriptors() {
        let ours = Programs::from([(7, 1), (12, 1)]);
        let link =
            "pos:\t0\nlink_type:\ttracing\nlink_id:\t3\nprog_tag:\tab\nprog_id:\t12\nattach_type:\t27\n";
        assert!(links_to(link, &ours));
        assert!(!links_to(&link.replace("12\n", "13\n"), &ours));
        let program = "pos:\t0\nprog_type:\t29\nprog_jited:\t1\nprog_id:\t12\n";
        assert!(!links_to(program, &ours), "holding a program does not keep it attached");
    }

    #[test]
    fn the_mode_stands_where_each_template_has_it() {
        let catalogue = crate::template::Catalogue::builtin().unwrap();
        assert!(catalogue.iter().all(|template| template.layout.control.mode == MODE));
        let shapes = crate::template::shapes::Shapes::of("file_open");
        assert_eq!(OBSERVE, shapes.number("krsi_mode", "KRSI_MODE_OBSERVE"));
    }
}
