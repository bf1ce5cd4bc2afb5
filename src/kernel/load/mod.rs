//! From a template's object to verified programs that are not attached yet.

pub mod iter;
pub mod loader;
pub mod object;
pub mod sets;
pub mod shared;
pub mod types;
pub mod verifier;

use std::os::fd::OwnedFd;

use aya::{
    Ebpf, EbpfError,
    programs::{Program, ProgramError},
};
use aya_obj::btf::BtfKind;

use self::{loader::KernelTypes, shared::Pinned};
use crate::{
    kernel::{
        KernelError,
        attach::{cgroups, scope, subtree},
        errno::{self, chain},
        host::{self, facts},
        maps::{stacks, summaries},
    },
    probe::Spec,
    system::errno::is_memory_locked,
    template::{Cost, ObservedAt, Observer, Template},
};

/// A verified object: its maps exist, its hooks are ready to attach.
pub struct Loaded {
    pub ebpf: Ebpf,
    /// What each is attached to, in a user's words, and the program's name.
    pub programs: Programs,
    /// Hooks of the template that this kernel does not have.
    pub missing: Vec<MissingHook>,
}

/// What is decided before the load, for one probe.
#[derive(Debug, Clone, Copy)]
pub struct Constants<'s> {
    pub spec: &'s Spec,
    pub id: u32,
    /// `KERNEL_VERSION` of the running kernel.
    pub version: u32,
    /// How large the scope's tables are.
    pub scope_size: ScopeSize,
    /// Of the programs: 0, and one more for each filter that has replaced another since the attach.
    pub generation: u32,
}

/// For how many the tables of a scope have room, at least 1 each.
#[derive(Debug, Clone, Copy)]
pub struct ScopeSize {
    /// What the scope names, but for processes.
    pub members: u32,
    /// In the subtrees of processes that it names.
    pub processes: u32,
    /// Steps on the ways down to the cgroups that it names.
    pub steps: u32,
    /// Cgroups on these ways.
    pub nodes: u32,
}

impl ScopeSize {
    /// Of a scope that names nothing.
    pub const NONE: Self = ScopeSize { members: 1, processes: 1, steps: 1, nodes: 1 };
}

/// Whether the hooks' programs can be had, or only what observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Lsm,
    AuditOnly,
}

/// What each is attached to, and the program's name.
pub type Programs = Vec<(String, String)>;

/// A hook that could not be had, while others of the same template could.
#[derive(Debug)]
pub struct MissingHook {
    pub hook: String,
    pub reason: KernelError,
}

/// Loads the object with this probe's constants and verifies the hooks' programs.
///
/// # Errors
/// If the kernel knows none of the hooks, a host refuses LSM programs, or the verifier does.
pub fn load(btf: &'static KernelTypes, constants: Constants<'_>) -> Result<Loaded, KernelError> {
    let template = &*constants.spec.template;
    let object = patch(constants, Reach::Lsm)?;
    let ebpf = load_maps(template, &object.bytes, btf, constants)?;
    load_hooks(btf, template, ebpf)
}

fn load_hooks(btf: &'static KernelTypes, template: &Template, mut ebpf: Ebpf) -> Result<Loaded, KernelError> {
    let (programs, missing) = known_hooks(template, btf)?;
    for (hook, name) in &programs {
        let Some(Program::Lsm(program)) = ebpf.program_mut(name) else {
            let reason = format!("`{name}` is no LSM program");
            return Err(KernelError::Object { template: template.name.clone(), reason });
        };
        program.load(hook, btf.numbered()).map_err(|error| refusal(hook, error))?;
    }
    Ok(Loaded { ebpf, programs, missing })
}

/// Loads what observes where LSM programs cannot be had.
///
/// # Errors
/// If the kernel refuses those, too.
pub fn load_observers(btf: &'static KernelTypes, constants: Constants<'_>) -> Result<Loaded, KernelError> {
    let template = &*constants.spec.template;
    let object = patch(constants, Reach::AuditOnly)?;
    let ebpf = load_maps(template, &object.bytes, btf, constants)?;
    load_observing(btf, template, ebpf)
}

fn load_observing(
    btf: &'static KernelTypes,
    template: &Template,
    mut ebpf: Ebpf,
) -> Result<Loaded, KernelError> {
    let mut programs = Vec::new();
    for Observer { at, program: name } in &template.layout.observers {
        let outcome = match (ebpf.program_mut(name), at) {
            (Some(Program::BtfTracePoint(program)), ObservedAt::Tracepoint(point)) => {
                program.load(point, btf.numbered())
            }
            (Some(Program::FEntry(program)), ObservedAt::Function(function)) => {
                program.load(function, btf.numbered())
            }
            _ => {
                let reason = format!("`{name}` is no observer");
                return Err(KernelError::Object { template: template.name.clone(), reason });
            }
        };
        outcome.map_err(|error| refusal(&at.to_string(), error))?;
        programs.push((at.to_string(), name.clone()));
    }
    Ok(Loaded { ebpf, programs, missing: Vec::new() })
}

/// Makes the object's maps, with this probe's constants; no program is loaded yet.
///
/// # Errors
/// If the object is no template, or the kernel refuses a map.
pub fn load_object(btf: &'static KernelTypes, constants: Constants<'_>) -> Result<Ebpf, KernelError> {
    // Who asks the filter's sets is not loaded by whoever takes this, so their maps may go.
    load_maps(&constants.spec.template, &patch(constants, Reach::Lsm)?.bytes, btf, constants)
}

/// Another generation of a probe's programs, over the maps of the first.
///
/// # Errors
/// If the kernel refuses one.
pub fn load_over(
    btf: &'static KernelTypes,
    constants: Constants<'_>,
    reach: Reach,
    pinned: &Pinned,
) -> Result<Loaded, KernelError> {
    let template = &*constants.spec.template;
    let object = patch(constants, reach)?;
    let ebpf = loader::load_over(&object.bytes, btf, pinned).map_err(|e| maps_error(template, &e))?;
    match reach {
        Reach::Lsm => load_hooks(btf, template, ebpf),
        Reach::AuditOnly => load_observing(btf, template, ebpf),
    }
}

/// An object with one probe's constants and filter in it.
struct PatchedObject {
    bytes: Vec<u8>,
    /// Maps whose descriptors stand in the bytes: to be kept until the programs that ask them are loaded.
    _sets: Vec<OwnedFd>,
}

fn patch(constants: Constants<'_>, reach: Reach) -> Result<PatchedObject, KernelError> {
    let spec = constants.spec;
    summaries::check(&spec.aggregations, constants.version)?;
    let counted = summaries::constant(&spec.aggregations, spec.template.layout.summary_kinds);
    let first = spec.filter.as_ref().and_then(|compiled| compiled.first.as_ref());
    let sets = match &spec.filter {
        Some(compiled) => sets::create(&compiled.code).map_err(|error| KernelError::Host {
            what: "make a map for a set of the filter".into(),
            error,
        })?,
        None => Vec::new(),
    };
    let bytes = object::patch(
        &spec.template,
        &[
            ("krsi_probe_id", constants.id),
            ("krsi_kernel", constants.version),
            ("krsi_generation", constants.generation),
            ("krsi_audit_only", u32::from(reach == Reach::AuditOnly)),
            ("krsi_early_fields", first.map_or(0, |first| first.fields)),
            ("krsi_exe", FindsExe::of(spec) as u32),
            ("krsi_cwd", u32::from(wants_directory(spec))),
            (stacks::CONSTANT, stacks::wanted(spec)),
        ],
        &[(summaries::CONSTANT, &counted)],
        spec.filter.as_ref().map(|compiled| (compiled, &*sets)),
    )?;
    Ok(PatchedObject { bytes, _sets: sets })
}

/// `enum krsi_exe` of the templates: when the path of the task's executable is found.
#[derive(Debug, Clone, Copy)]
enum FindsExe {
    ForEvents = 0,
    ForSummaries = 1,
    ForFilter = 2,
    Never = 3,
}

impl FindsExe {
    fn of(spec: &Spec) -> Self {
        let fields = spec.template.costing(Cost::Executable);
        if spec.filter.as_ref().is_some_and(|compiled| compiled.asks(&fields)) {
            FindsExe::ForFilter
        } else if spec.counts(&fields) {
            FindsExe::ForSummaries
        } else if spec.tells(&fields) {
            FindsExe::ForEvents
        } else {
            FindsExe::Never
        }
    }
}

/// Whether the directory of the task is found.
fn wants_directory(spec: &Spec) -> bool {
    let fields = spec.template.costing(Cost::Directory);
    spec.tells(&fields) || spec.filter.as_ref().is_some_and(|compiled| compiled.asks(&fields))
}

/// Loads the object, and makes its maps; no program is loaded yet.
fn load_maps(
    template: &Template,
    object: &[u8],
    btf: &'static KernelTypes,
    constants: Constants<'_>,
) -> Result<Ebpf, KernelError> {
    let spec = constants.spec;
    let ScopeSize { members, processes, steps, nodes } = constants.scope_size;
    let mut sizes = vec![(scope::TABLE, members), (subtree::TABLE, processes), stacks::size(spec)];
    sizes.extend([(cgroups::STEPS, steps), (cgroups::NODES, nodes)]);
    sizes.extend(summaries::sizes(&spec.aggregations, spec.keys));
    // A task's entry goes with the task, so such a table is never full.
    sizes.extend(template.layout.by_task.iter().map(|table| (loader::known(table), host::most_tasks())));
    loader::load(object, btf, &sizes).map_err(|error| maps_error(template, &error))
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
    btf: &'static KernelTypes,
) -> Result<(Programs, Vec<MissingHook>), KernelError> {
    let known =
        |hook: &str| btf.numbered().id_by_type_name_kind(&format!("bpf_lsm_{hook}"), BtfKind::Func).is_ok();
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
            KernelError::Verifier { hook, error: io_error, log: verifier::Log::keep(&log) }
        }
        other => {
            KernelError::Program { what: format!("load the program for `{hook}`"), error: chain(&other) }
        }
    }
}

/// What attaching says: the trampoline of a hook has room for 38 programs
/// (BPF_MAX_TRAMP_LINKS), and its image must fit a page.
pub fn attach_refusal(hook: &str, error: ProgramError) -> KernelError {
    let hook = hook.to_owned();
    match error {
        ProgramError::SyscallError(failed) if failed.io_error.raw_os_error() == Some(nix::libc::E2BIG) => {
            KernelError::TooManyOnHook { hook, error: failed.io_error }
        }
        other => KernelError::Program { what: format!("attach to `{hook}`"), error: chain(&other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::shapes::Shapes;

    #[test]
    fn the_executable_is_found_when_the_templates_say() {
        let shapes = Shapes::of("file_open");
        for (when, name) in [
            (FindsExe::ForEvents, "KRSI_EXE_FOR_EVENTS"),
            (FindsExe::ForSummaries, "KRSI_EXE_FOR_SUMMARIES"),
            (FindsExe::ForFilter, "KRSI_EXE_FOR_FILTER"),
            (FindsExe::Never, "KRSI_EXE_NEVER"),
        ] {
            assert_eq!(when as u64, shapes.number("krsi_exe", name));
        }
    }
}
