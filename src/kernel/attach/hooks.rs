//! The programs of one generation on their hooks.

use aya::{
    Ebpf,
    programs::{Program, ProgramError},
};

use crate::{
    kernel::{KernelError, errno::chain, load::Programs},
    template::Template,
};

/// The programs that decide, or observe, and the object they are of.
pub struct Hooks {
    pub ebpf: Ebpf,
    /// What each is attached to, and the program's name.
    pub programs: Programs,
}

impl Hooks {
    /// # Errors
    /// If the kernel has no room on one of the hooks; others may be attached by then, until this is dropped.
    pub fn attach(&mut self, template: &Template) -> Result<(), KernelError> {
        for (place, name) in &self.programs {
            let attached = match self.ebpf.program_mut(name) {
                Some(Program::Lsm(program)) => program.attach().map(drop),
                Some(Program::BtfTracePoint(program)) => program.attach().map(drop),
                Some(Program::FEntry(program)) => program.attach().map(drop),
                _ => {
                    let reason = format!("`{name}` is no program of a template");
                    return Err(KernelError::Object { template: template.name.clone(), reason });
                }
            };
            attached.map_err(|e| refusal(place, e))?;
        }
        Ok(())
    }

    /// Takes them out of the kernel.
    ///
    /// # Errors
    /// If the kernel keeps one.
    pub fn detach(&mut self) -> Result<(), ProgramError> {
        for (_, name) in &self.programs {
            match self.ebpf.program_mut(name) {
                Some(Program::Lsm(program)) => unloaded(program.unload())?,
                Some(Program::BtfTracePoint(program)) => unloaded(program.unload())?,
                Some(Program::FEntry(program)) => unloaded(program.unload())?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A program of the object that this probe did not need was never loaded.
fn unloaded(outcome: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match outcome {
        Err(ProgramError::NotLoaded) => Ok(()),
        other => other,
    }
}

/// Explains a refusal: the trampoline of a hook has room for 38 programs
/// (BPF_MAX_TRAMP_LINKS), and its image must fit a page.
fn refusal(hook: &str, error: ProgramError) -> KernelError {
    let hook = hook.to_owned();
    match error {
        ProgramError::SyscallError(failed) if failed.io_error.raw_os_error() == Some(nix::libc::E2BIG) => {
            KernelError::TooManyOnHook { hook, error: failed.io_error }
        }
        other => KernelError::Program { what: format!("attach to `{hook}`"), error: chain(&other) },
    }
}
