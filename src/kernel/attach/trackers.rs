//! What a template watches beside its hooks: tracepoints that keep a table up to date, and
//! iterators that fill it with what was there before.

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        host::tracepoints,
        load::{explained, kernel_types::KernelTypes, object::Object},
    },
    template::Layout,
};

/// Attaches the trackers, then runs the seeds: what happens from here on is tracked, and what
/// happened before is found.
///
/// # Errors
/// If the kernel refuses one; the hooks would be asked about what nobody knows.
pub fn start(object: &mut Object, types: &KernelTypes, layout: &Layout) -> Result<(), KernelError> {
    for (tracepoint, program) in &layout.trackers {
        track(object, types, tracepoint, program)?;
        object
            .attach_copies(program, tracepoint, types, tracepoints::copies(types.version))
            .map_err(|error| failed(tracepoint, explained(&error)))?;
    }
    for (iterator, program) in &layout.seeds {
        seed(object, types, iterator, program).map_err(|error| KernelError::Program {
            what: format!("look at each `{iterator}` of the kernel"),
            error,
        })?;
    }
    Ok(())
}

/// Attaches one program to a tracepoint, for as long as the object lives.
///
/// # Errors
/// If the kernel refuses it.
pub fn track(
    object: &mut Object,
    types: &KernelTypes,
    tracepoint: &str,
    name: &str,
) -> Result<(), KernelError> {
    load(object, types, tracepoint, name)?;
    attach(object, tracepoint, name)
}

/// Loads one, and makes the tables that it keeps.
///
/// # Errors
/// If the kernel refuses it.
pub fn load(
    object: &mut Object,
    types: &KernelTypes,
    tracepoint: &str,
    name: &str,
) -> Result<(), KernelError> {
    object.load(name, tracepoint, types).map_err(|e| failed(tracepoint, explained(&e)))
}

/// Attaches one that is loaded, for as long as the object lives.
///
/// # Errors
/// If the kernel refuses it.
pub fn attach(object: &mut Object, tracepoint: &str, name: &str) -> Result<(), KernelError> {
    object.attach(name).map_err(|e| failed(tracepoint, chain(&e)))
}

fn failed(tracepoint: &str, error: String) -> KernelError {
    KernelError::Program { what: format!("follow `{tracepoint}`"), error }
}

fn seed(object: &mut Object, types: &KernelTypes, iterator: &str, name: &str) -> Result<(), String> {
    object.load(name, iterator, types).map_err(|e| explained(&e))?;
    // It runs while it is read, and writes nothing.
    object.output(name).map(drop).map_err(|e| chain(&e))
}
