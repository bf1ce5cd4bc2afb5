//! What a template watches beside its hooks: tracepoints that keep a table up to date, and
//! iterators that fill it with what was there before.

use aya::{Ebpf, programs::Program};

use crate::{
    kernel::{
        KernelError,
        errno::chain,
        load::{iter::output, loader::KernelTypes},
    },
    template::Layout,
};

/// Attaches the trackers, then runs the seeds: what happens from here on is tracked, and what
/// happened before is found.
///
/// # Errors
/// If the kernel refuses one; the hooks would be asked about what nobody knows.
pub fn start(ebpf: &mut Ebpf, btf: &'static KernelTypes, layout: &Layout) -> Result<(), KernelError> {
    for (tracepoint, program) in &layout.trackers {
        track(ebpf, btf, tracepoint, program)?;
    }
    for (iterator, program) in &layout.seeds {
        seed(ebpf, btf, iterator, program).map_err(|error| KernelError::Program {
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
    ebpf: &mut Ebpf,
    btf: &'static KernelTypes,
    tracepoint: &str,
    name: &str,
) -> Result<(), KernelError> {
    let failed = |error: String| KernelError::Program { what: format!("follow `{tracepoint}`"), error };
    let Some(Program::BtfTracePoint(program)) = ebpf.program_mut(name) else {
        return Err(failed(format!("the object has no `{name}`")));
    };
    program.load(tracepoint, btf.numbered()).map_err(|e| failed(chain(&e)))?;
    program.attach().map_err(|e| failed(chain(&e)))?;
    Ok(())
}

fn seed(ebpf: &mut Ebpf, btf: &'static KernelTypes, iterator: &str, name: &str) -> Result<(), String> {
    let Some(Program::Iter(program)) = ebpf.program_mut(name) else {
        return Err(format!("the object has no `{name}`"));
    };
    program.load(iterator, btf.numbered()).map_err(|e| chain(&e))?;
    // It runs while it is read, and writes nothing.
    output(program).map(drop)
}
