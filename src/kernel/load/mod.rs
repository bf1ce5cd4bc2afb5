//! From a template's object to verified programs that are not attached yet.

mod casts;
pub mod constants;
mod fold;
mod instruction;
pub mod kernel_types;
mod numbered;
pub mod object;
pub mod patch;
pub mod program;
mod refused;
mod sections;
pub mod sets;
pub mod target;
pub mod types;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use self::{
    constants::Constants,
    kernel_types::KernelTypes,
    object::{Object, ObjectError, Size},
    program::{Refused, Sort},
    target::{asking_function, type_name},
};
use crate::{
    backend::Door,
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
    /// What is kept of processes, if the probe asks for it.
    pub processes: Option<Arc<OwnedFd>>,
}

/// A verified object: its hooks are ready to attach, and the maps that they name exist.
pub struct Loaded {
    pub object: Object,
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
pub fn load(types: &KernelTypes, plan: &Plan<'_>, sizes: &[Size<'_>]) -> Result<Loaded, KernelError> {
    check_sort(types, plan)?;
    let patched = patch(plan)?;
    let object = Object::new(&patched.bytes, patched.sets, types, sizes);
    load_programs(types, plan, with_processes(plan, object.map_err(|e| object_error(plan.template, &e))?)?)
}

/// The map in which all probes find what is kept of processes.
pub const PROCESSES: &str = "krsi_processes";

fn with_processes(plan: &Plan<'_>, mut object: Object) -> Result<Object, KernelError> {
    if let Some(map) = &plan.processes {
        let clone = map.try_clone();
        let failed = |error| KernelError::Host { what: "share what is kept of processes".into(), error };
        object.share(PROCESSES, clone.map_err(failed)?);
    }
    Ok(object)
}

/// Loads another generation of a probe's programs, over the maps of the first.
///
/// # Errors
/// If the kernel refuses one.
pub fn load_over(
    types: &KernelTypes,
    plan: &Plan<'_>,
    sizes: &[Size<'_>],
    previous: &Object,
) -> Result<Loaded, KernelError> {
    let patched = patch(plan)?;
    let object = Object::over(&patched.bytes, patched.sets, types, sizes, previous);
    load_programs(types, plan, with_processes(plan, object.map_err(|e| object_error(plan.template, &e))?)?)
}

/// Relocates the object; no program is loaded yet, and no map made.
///
/// # Errors
/// If the object is no template.
pub fn open(types: &KernelTypes, plan: &Plan<'_>, sizes: &[Size<'_>]) -> Result<Object, KernelError> {
    let patched = patch(plan)?;
    let object = Object::new(&patched.bytes, patched.sets, types, sizes);
    with_processes(plan, object.map_err(|e| object_error(plan.template, &e))?)
}

fn load_programs(types: &KernelTypes, plan: &Plan<'_>, object: Object) -> Result<Loaded, KernelError> {
    match plan.constants.door {
        Door::Lsm => load_hooks(types, plan.template, object, by_hook),
        Door::FmodRet => load_hooks(types, plan.template, object, by_function),
        Door::Observe => load_observers(types, plan.template, object),
    }
}

/// Looks whether the host lets such programs be loaded at all, before anything is made for them. A sort that was not refused once is not
/// tried again.
fn check_sort(types: &KernelTypes, plan: &Plan<'_>) -> Result<(), KernelError> {
    static LET_IN: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
    let place = match plan.constants.door {
        Door::Lsm => by_hook,
        Door::FmodRet => by_function,
        Door::Observe => return Ok(()),
    };
    let mut places = plan.template.layout.programs.iter().filter_map(|(hook, program)| {
        let Place { sort, target, .. } = place(types, plan.template, hook, program).ok()?;
        Some((hook, sort, types.target(&type_name(sort, &target))?.number))
    });
    let Some((hook, sort, target)) = places.next() else { return Ok(()) };
    let let_in = match sort {
        Sort::Lsm => &LET_IN[0],
        Sort::ModifyReturn => &LET_IN[1],
        _ => &LET_IN[2],
    };
    if !let_in.load(Relaxed) {
        if program::is_refused(sort, target) && !is_memory_locked() {
            return Err(KernelError::Refused { hook: hook.clone() });
        }
        let_in.store(true, Relaxed);
    }
    Ok(())
}

/// A program, and as what of what it is loaded.
struct Place<'t> {
    program: &'t str,
    sort: Sort,
    target: String,
}

/// Loads the programs of those of the template's hooks that are to be had.
fn load_hooks<'t>(
    types: &KernelTypes,
    template: &'t Template,
    mut object: Object,
    place: impl Fn(&KernelTypes, &'t Template, &str, &'t str) -> Result<Place<'t>, KernelError>,
) -> Result<Loaded, KernelError> {
    let (mut programs, mut missing) = (Vec::new(), Vec::new());
    for (hook, program) in &template.layout.programs {
        let Place { program, sort, target } = match place(types, template, hook, program) {
            Ok(place) => place,
            Err(reason) => {
                missing.push(MissingHook { hook: hook.clone(), reason });
                continue;
            }
        };
        let loaded = object.load_as(program, sort, &target, types);
        loaded.map_err(|error| refusal(template, hook, error))?;
        programs.push((hook.clone(), program.to_owned()));
    }
    match missing.pop() {
        Some(last) if programs.is_empty() => Err(last.reason),
        last => {
            missing.extend(last);
            Ok(Loaded { object, programs, missing })
        }
    }
}

/// A hook that is a function is had in the same way, whatever the door.
fn at_function<'t>(
    types: &KernelTypes,
    template: &'t Template,
    hook: &str,
    program: &'t str,
) -> Option<Result<Place<'t>, KernelError>> {
    let function = template.layout.functions.iter().find(|function| function.name == hook)?;
    let sort = if function.refuses { Sort::ModifyReturn } else { Sort::Function };
    let unknown = |release| KernelError::NoSuchFunction { function: hook.to_owned(), release };
    Some(match types.target(hook) {
        Some(_) => Ok(Place { program, sort, target: hook.to_owned() }),
        None => Err(host::release().map_or_else(|error| error, unknown)),
    })
}

fn by_hook<'t>(
    types: &KernelTypes,
    template: &'t Template,
    hook: &str,
    program: &'t str,
) -> Result<Place<'t>, KernelError> {
    if let Some(place) = at_function(types, template, hook, program) {
        return place;
    }
    match types.target(&type_name(Sort::Lsm, hook)) {
        Some(_) => Ok(Place { program, sort: Sort::Lsm, target: hook.to_owned() }),
        None => Err(KernelError::UnknownHook { hook: hook.to_owned(), release: host::release()? }),
    }
}

/// On the function that asks the hook: by the template's program for that, or by the hook's own if both have the same
/// arguments. What gives nothing cannot be refused by either.
fn by_function<'t>(
    types: &KernelTypes,
    template: &'t Template,
    hook: &str,
    program: &'t str,
) -> Result<Place<'t>, KernelError> {
    if let Some(place) = at_function(types, template, hook, program) {
        return place;
    }
    let function = asking_function(hook);
    let Some(found) = types.target(&function) else {
        let (hook, release) = (hook.to_owned(), host::release()?);
        return Err(match types.target(&type_name(Sort::Lsm, &hook)) {
            Some(_) => KernelError::UnknownFunction { hook, function, release },
            None => KernelError::UnknownHook { hook, release },
        });
    };
    let own = template.layout.doors.iter().find(|(of, _)| *of == function);
    let arguments = |name: &str| types.target(name)?.prototype.map(|prototype| prototype.arguments);
    let of_hook = arguments(&type_name(Sort::Lsm, hook));
    // A kernel that is built without BPF LSM does not say what the hook takes.
    if own.is_none() && of_hook.is_some_and(|of_hook| Some(of_hook) != arguments(&function)) {
        return Err(KernelError::OtherArguments { hook: hook.to_owned(), function });
    }
    let program = own.map_or(program, |(_, program)| program);
    let is_void = found.prototype.is_some_and(|prototype| prototype.is_void);
    let sort = if is_void { Sort::Function } else { Sort::ModifyReturn };
    Ok(Place { program, sort, target: function })
}

/// Loads what observes where LSM programs cannot be had.
fn load_observers(
    types: &KernelTypes,
    template: &Template,
    mut object: Object,
) -> Result<Loaded, KernelError> {
    let mut programs = Vec::new();
    for Observer { at, program: name } in &template.layout.observers {
        let (sort, target) = match at {
            ObservedAt::Tracepoint(point) => (Sort::Tracepoint, point),
            ObservedAt::Function(function) => (Sort::Function, function),
        };
        let loaded = object.load_as(name, sort, target, types);
        loaded.map_err(|error| refusal(template, &at.to_string(), error))?;
        programs.push((at.to_string(), name.clone()));
    }
    Ok(Loaded { object, programs, missing: Vec::new() })
}

/// An object with one probe's constants and filter in it.
struct PatchedObject {
    bytes: Vec<u8>,
    /// Maps of the filter, which stand in the bytes by their numbers.
    sets: Vec<OwnedFd>,
}

fn patch(plan: &Plan<'_>) -> Result<PatchedObject, KernelError> {
    let sets = match plan.filter {
        Some(compiled) => sets::create(&compiled.code).map_err(|error| KernelError::Host {
            what: "make a map for a set of the filter".into(),
            error,
        })?,
        None => Vec::new(),
    };
    let bytes = patch::patch(plan.template, &plan.constants, plan.filter)?;
    Ok(PatchedObject { bytes, sets })
}

/// An object that could not be loaded: for want of something, or since it is no template.
fn object_error(template: &Template, error: &ObjectError) -> KernelError {
    if error.io().is_some_and(|error| errno::is_the_hosts(error)) {
        let what = format!("make the maps of template `{}`", template.name);
        return KernelError::Program { what, error: explained(error) };
    }
    KernelError::Object { template: template.name.clone(), reason: explained(error) }
}

/// The error, with cause and fix of its errno if that is known.
pub fn explained(error: &ObjectError) -> String {
    match error.io() {
        Some(io) => error.to_string().replace(&io.to_string(), &chain(io)),
        None => error.to_string(),
    }
}

fn refusal(template: &Template, hook: &str, error: ObjectError) -> KernelError {
    let hook = hook.to_owned();
    let Refused { error, log } = match error {
        ObjectError::Program { refused, .. } => refused,
        ObjectError::Map { .. } => return object_error(template, &error),
        other => {
            let what = format!("load the program for `{hook}`");
            return KernelError::Program { what, error: explained(&other) };
        }
    };
    // The verifier always explains itself; a refusal without a word is policy, or a limit.
    if error.raw_os_error() == Some(nix::libc::EPERM) && log.trim().is_empty() && !is_memory_locked() {
        return KernelError::Refused { hook };
    }
    // Said by the kernel before or beside the verifier: not for what stands in the program.
    let interrupted = matches!(error.raw_os_error(), Some(nix::libc::EAGAIN | nix::libc::ENOMEM));
    if interrupted || (log.trim().is_empty() && errno::is_the_hosts(&error)) {
        let what = format!("load the program for `{hook}`");
        return KernelError::Host { what: what.into(), error };
    }
    // Then the helper that reads kernel memory does not exist for the verifier.
    if facts::lockdown().as_deref() == Some("confidentiality") {
        return KernelError::Lockdown { hook };
    }
    KernelError::Verifier { hook, error, log: Log::keep(&log) }
}
