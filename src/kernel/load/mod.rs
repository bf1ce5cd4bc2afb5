//! From a template's object to verified programs that are not attached yet.

pub mod constants;
pub mod iter;
pub mod loader;
pub mod object;
pub mod sets;
pub mod shared;
pub mod types;

use std::os::fd::OwnedFd;

use aya::{
    Ebpf, EbpfError,
    programs::{Program, ProgramError},
};
use aya_obj::btf::BtfKind;

use self::{
    constants::{Constants, Reach},
    loader::KernelTypes,
    shared::Pinned,
};
use crate::{
    filter::Compiled,
    kernel::{
        KernelError,
        errno::{self, chain},
        host::{self, facts},
        verifier::Log,
    },
    system::errno::is_memory_locked,
    template::{ObservedAt, Observer, Template},
};

/// What is to be loaded: all of it is decided before.
#[derive(Debug, Clone)]
pub struct Plan<'s> {
    pub template: &'s Template,
    pub filter: Option<&'s Compiled>,
    pub constants: Constants,
}

/// A verified object: its maps exist, its hooks are ready to attach.
pub struct Loaded {
    pub ebpf: Ebpf,
    /// What each is attached to, in a user's words, and the program's name.
    pub programs: Programs,
    /// Hooks of the template that this kernel does not have.
    pub missing: Vec<MissingHook>,
}

/// What each is attached to, and the program's name.
pub type Programs = Vec<(String, String)>;

/// A hook that could not be had, while others of the same template could.
#[derive(Debug)]
pub struct MissingHook {
    pub hook: String,
    pub reason: KernelError,
}

/// Loads the object, with maps that have room for so many entries where that is given, and verifies the programs that
/// are to be attached.
///
/// # Errors
/// If the kernel knows none of the hooks, a host refuses such programs, or the verifier does.
pub fn load(
    types: &'static KernelTypes,
    plan: &Plan<'_>,
    sizes: &[(&str, u32)],
) -> Result<Loaded, KernelError> {
    let object = patch(plan)?;
    let ebpf = loader::load(&object.bytes, types, sizes).map_err(|e| maps_error(plan.template, &e))?;
    load_programs(types, plan, ebpf)
}

/// Loads another generation of a probe's programs, over the maps of the first.
///
/// # Errors
/// If the kernel refuses one.
pub fn load_over(
    types: &'static KernelTypes,
    plan: &Plan<'_>,
    pinned: &Pinned,
) -> Result<Loaded, KernelError> {
    let object = patch(plan)?;
    let ebpf = loader::load_over(&object.bytes, types, pinned).map_err(|e| maps_error(plan.template, &e))?;
    load_programs(types, plan, ebpf)
}

/// Makes the object's maps; no program is loaded yet.
///
/// # Errors
/// If the object is no template, or the kernel refuses a map.
pub fn load_maps(
    types: &'static KernelTypes,
    plan: &Plan<'_>,
    sizes: &[(&str, u32)],
) -> Result<Ebpf, KernelError> {
    // No program is loaded that uses the filter's sets, so their maps may go.
    loader::load(&patch(plan)?.bytes, types, sizes).map_err(|e| maps_error(plan.template, &e))
}

fn load_programs(types: &'static KernelTypes, plan: &Plan<'_>, ebpf: Ebpf) -> Result<Loaded, KernelError> {
    match plan.constants.reach {
        Reach::Lsm => load_hooks(types, plan.template, ebpf),
        Reach::AuditOnly => load_observers(types, plan.template, ebpf),
    }
}

fn load_hooks(
    types: &'static KernelTypes,
    template: &Template,
    mut ebpf: Ebpf,
) -> Result<Loaded, KernelError> {
    let (programs, missing) = known_hooks(template, types)?;
    for (hook, name) in &programs {
        let Some(Program::Lsm(program)) = ebpf.program_mut(name) else {
            return Err(object_error(template, format!("`{name}` is no LSM program")));
        };
        program.load(hook, types.numbered()).map_err(|error| refusal(hook, error))?;
    }
    Ok(Loaded { ebpf, programs, missing })
}

/// Loads what observes where LSM programs cannot be had.
fn load_observers(
    types: &'static KernelTypes,
    template: &Template,
    mut ebpf: Ebpf,
) -> Result<Loaded, KernelError> {
    let mut programs = Vec::new();
    for Observer { at, program: name } in &template.layout.observers {
        let outcome = match (ebpf.program_mut(name), at) {
            (Some(Program::BtfTracePoint(program)), ObservedAt::Tracepoint(point)) => {
                program.load(point, types.numbered())
            }
            (Some(Program::FEntry(program)), ObservedAt::Function(function)) => {
                program.load(function, types.numbered())
            }
            _ => return Err(object_error(template, format!("`{name}` is no observer"))),
        };
        outcome.map_err(|error| refusal(&at.to_string(), error))?;
        programs.push((at.to_string(), name.clone()));
    }
    Ok(Loaded { ebpf, programs, missing: Vec::new() })
}

/// An object with one probe's constants and filter in it.
struct PatchedObject {
    bytes: Vec<u8>,
    /// Maps whose descriptors stand in the bytes: to be kept until the programs that use them are loaded.
    _sets: Vec<OwnedFd>,
}

fn patch(plan: &Plan<'_>) -> Result<PatchedObject, KernelError> {
    let sets = match plan.filter {
        Some(compiled) => sets::create(&compiled.code).map_err(|error| KernelError::Host {
            what: "make a map for a set of the filter".into(),
            error,
        })?,
        None => Vec::new(),
    };
    let filter = plan.filter.map(|compiled| (compiled, &*sets));
    let bytes = object::patch(plan.template, &plan.constants, filter)?;
    Ok(PatchedObject { bytes, _sets: sets })
}

/// An object that could not be loaded: for want of something, or since it is no template.
fn maps_error(template: &Template, error: &EbpfError) -> KernelError {
    if errno::is_the_hosts(error) {
        let what = format!("make the maps of template `{}`", template.name);
        return KernelError::Program { what, error: chain(error) };
    }
    object_error(template, chain(error))
}

fn object_error(template: &Template, reason: String) -> KernelError {
    KernelError::Object { template: template.name.clone(), reason }
}

/// Those of the template's hooks that this kernel has, with their programs, and the rest.
fn known_hooks(
    template: &Template,
    types: &'static KernelTypes,
) -> Result<(Programs, Vec<MissingHook>), KernelError> {
    let known =
        |hook: &str| types.numbered().id_by_type_name_kind(&format!("bpf_lsm_{hook}"), BtfKind::Func).is_ok();
    let (programs, unknown): (Vec<_>, Vec<_>) =
        template.layout.programs.iter().cloned().partition(|(hook, _)| known(hook));
    let release = host::release()?;
    let mut missing: Vec<_> = unknown
        .into_iter()
        .map(|(hook, _)| MissingHook {
            reason: KernelError::UnknownHook { hook: hook.clone(), release: release.clone() },
            hook,
        })
        .collect();
    match missing.pop() {
        Some(last) if programs.is_empty() => Err(last.reason),
        last => {
            missing.extend(last);
            Ok((programs, missing))
        }
    }
}

fn refusal(hook: &str, error: ProgramError) -> KernelError {
    let hook = hook.to_owned();
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            // The verifier always explains itself; a refusal without a word is policy, or a limit.
            if io_error.raw_os_error() == Some(nix::libc::EPERM)
                && log.trim().is_empty()
                && !is_memory_locked()
            {
                return KernelError::Refused { hook };
            }
            // Said by the kernel before or beside the verifier: not for what stands in the program.
            let interrupted = matches!(io_error.raw_os_error(), Some(nix::libc::EAGAIN | nix::libc::ENOMEM));
            if interrupted || (log.trim().is_empty() && errno::is_the_hosts(&io_error)) {
                let what = format!("load the program for `{hook}`");
                return KernelError::Host { what: what.into(), error: io_error };
            }
            // Then the helper that reads kernel memory does not exist for the verifier.
            if facts::lockdown().as_deref() == Some("confidentiality") {
                return KernelError::Lockdown { hook };
            }
            KernelError::Verifier { hook, error: io_error, log: Log::keep(&log) }
        }
        other => {
            KernelError::Program { what: format!("load the program for `{hook}`"), error: chain(&other) }
        }
    }
}
