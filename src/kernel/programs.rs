//! The BPF programs that the kernel has, whoever loaded them: what they are attached to, and who holds them.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::{AsFd as _, OwnedFd},
    time::UNIX_EPOCH,
};

use aya::programs::{ProgramError, ProgramInfo, loaded_links, loaded_programs};
use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_func_info, bpf_prog_info};
use btf_rs::{Btf, Type};
use procfs::process::{FDTarget, Process, all_processes};

use super::{pins, sessions};
use crate::{
    facts::bpf::Program,
    kernel::{
        KernelError,
        call::{bpf, descriptor, inform},
        errno::chain,
        host::{self, vmlinux},
        label,
    },
    raw,
};

/// Lists them by id.
///
/// # Errors
/// Without the privilege to look, or if the kernel does not tell.
pub fn programs() -> Result<Vec<Program>, KernelError> {
    host::check_privilege()?;
    let ours = sessions::programs()?;
    // Where they cannot be seen from, none is known.
    let pins = pins::list().unwrap_or_default();
    let pin = |id: u32| pins.iter().find(|pin| pin.programs.contains(&id)).map(|pin| pin.name.clone());
    // Kernels before 5.8 do not list links, and one may have gone meanwhile.
    let linked: BTreeSet<u32> = loaded_links().filter_map(Result::ok).map(|link| link.program_id()).collect();
    let holders = holders();
    let mut types = None;
    let mut found = Vec::new();
    for info in loaded_programs() {
        let info = match info {
            Ok(info) => info,
            // It has gone meanwhile.
            Err(ProgramError::SyscallError(error)) if sessions::gone(&error.io_error) => continue,
            Err(error) => {
                return Err(KernelError::Program {
                    what: "list the kernel's programs".into(),
                    error: chain(&error),
                });
            }
        };
        let id = info.id();
        let Some(raw_info) = raw_info(&info) else { continue };
        found.push(Program {
            id,
            name: raw::text(info.name()),
            kind: format!("{:?}", info.program_type()).trim_start_matches("BPF_PROG_TYPE_").to_lowercase(),
            target: target(&raw_info, &mut types),
            linked: linked.contains(&id),
            pids: holders.get(&id).cloned().unwrap_or_default(),
            loaded: info
                .loaded_at()
                .and_then(|at| i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()),
            uid: info.created_by_uid(),
            tag: raw_info.tag.iter().map(|byte| format!("{byte:02x}")).collect(),
            ours: ours.contains_key(&id),
            pin: pin(id),
            probe: label::of(&info).filter(|_| ours.contains_key(&id)),
        });
    }
    Ok(found)
}

/// What aya does not hand on; `None` if it has gone meanwhile.
fn raw_info(program: &ProgramInfo) -> Option<bpf_prog_info> {
    let descriptor = program.fd().ok()?;
    // SAFETY: it is plain numbers, and zeros are a value of it.
    let mut info = unsafe { std::mem::zeroed::<bpf_prog_info>() };
    inform(descriptor.as_fd(), &mut info).ok()?;
    Some(info)
}

/// A program, and the number of its own function's type in its types; `None` if it has no types, or has gone meanwhile.
pub(in crate::kernel) fn function_of(id: u32) -> Option<(OwnedFd, u32)> {
    // SAFETY: zeros are a value of it.
    let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
    attributes.__bindgen_anon_6.__bindgen_anon_1.prog_id = id;
    let program = descriptor(bpf(bpf_cmd::BPF_PROG_GET_FD_BY_ID, &mut attributes)).ok()?;
    let mut function = bpf_func_info { insn_off: 0, type_id: 0 };
    // SAFETY: it is plain numbers, and zeros are a value of it.
    let mut info = unsafe { std::mem::zeroed::<bpf_prog_info>() };
    info.func_info = (&raw mut function).addr() as u64;
    info.nr_func_info = 1;
    info.func_info_rec_size = size_of::<bpf_func_info>() as u32;
    inform(program.as_fd(), &mut info).ok()?;
    (function.type_id != 0).then_some((program, function.type_id))
}

/// The kernel's function that it is attached to, by the kernel's own types: before 5.17 that is not told. The types are
/// read once, for the first program that has a target.
fn target(info: &bpf_prog_info, types: &mut Option<Option<Btf>>) -> Option<String> {
    let number = info.attach_btf_id;
    // The numbers of another object (a module, another program) mean something else.
    if number == 0 || vmlinux::of_id(info.attach_btf_obj_id).is_none() {
        return None;
    }
    let types = types.get_or_insert_with(|| Btf::from_file(host::BTF).ok()).as_ref()?;
    let name = match types.resolve_type_by_id(number).ok()? {
        Type::Func(function) => types.resolve_name(&function).ok()?,
        Type::Typedef(tracepoint) => types.resolve_name(&tracepoint).ok()?,
        _ => return None,
    };
    let name = name.strip_prefix("bpf_lsm_").or_else(|| name.strip_prefix("btf_trace_")).unwrap_or(&name);
    Some(name.to_owned())
}

/// Which processes hold which program, or a link to it.
fn holders() -> BTreeMap<u32, Vec<u32>> {
    let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    // What has gone meanwhile holds nothing.
    for process in all_processes().into_iter().flatten().flatten() {
        for id in held(&process) {
            found.entry(id).or_default().push(process.pid.unsigned_abs());
        }
    }
    found
}

fn held(process: &Process) -> BTreeSet<u32> {
    let of_bpf = |target: &FDTarget| matches!(target, FDTarget::AnonInode(kind) if kind.contains("bpf"));
    let descriptors = process.fd().into_iter().flatten().flatten().filter(|fd| of_bpf(&fd.target));
    let program = |fd: procfs::process::FDInfo| {
        let info = std::fs::read_to_string(format!("/proc/{}/fdinfo/{}", process.pid, fd.fd)).ok()?;
        info.lines().find_map(|line| line.strip_prefix("prog_id:"))?.trim().parse().ok()
    };
    descriptors.filter_map(program).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_this_process_is_found_with_it() {
        let Ok(before) = programs() else {
            eprintln!("skipped: this host, or user, may not list programs");
            return;
        };
        // `r0 = 0; exit`, as a filter of sockets.
        let code: [u64; 2] = [0xb7, 0x95];
        let license = c"GPL";
        // SAFETY: zeros are a value of it.
        let mut attributes = unsafe { std::mem::zeroed::<bpf_attr>() };
        // SAFETY: one member of the union is written, that of this command.
        let load = unsafe { &mut attributes.__bindgen_anon_3 };
        load.prog_type = aya_obj::generated::bpf_prog_type::BPF_PROG_TYPE_SOCKET_FILTER as u32;
        load.insn_cnt = 2;
        load.insns = code.as_ptr().addr() as u64;
        load.license = license.as_ptr().addr() as u64;
        load.prog_name[..4].copy_from_slice(&b"fact".map(|byte| byte.cast_signed()));
        let Ok(program) = descriptor(bpf(bpf_cmd::BPF_PROG_LOAD, &mut attributes)) else {
            eprintln!("skipped: this host loads no program");
            return;
        };
        let after = programs().unwrap();
        let new: Vec<_> = after.iter().filter(|p| before.iter().all(|old| old.id != p.id)).collect();
        let own = std::process::id();
        let one = new.iter().find(|p| p.pids.contains(&own)).unwrap();
        assert_eq!((&*one.name, &*one.kind, one.uid), ("fact", "socket_filter", Some(0)));
        assert_eq!((&one.target, one.linked, one.ours, one.tag.len()), (&None, false, false, 16));
        drop(program);
    }
}
