//! The programs of one generation on their hooks.

use std::io;

use crate::kernel::{
    KernelError,
    errno::chain,
    load::{Programs, object::Object},
};

/// The programs that decide, or observe, and the object they are of.
pub struct Hooks {
    pub object: Object,
    /// What each is attached to, and the program's name.
    pub programs: Programs,
}

impl Hooks {
    /// # Errors
    /// If the kernel has no room on one of the hooks; others may be attached by then, until this is dropped.
    pub fn attach(&mut self) -> Result<(), KernelError> {
        for (place, name) in &self.programs {
            self.object.attach(name).map_err(|error| refusal(place, error))?;
        }
        Ok(())
    }

    /// How many operations the kernel has let pass unasked.
    pub fn missed(&self) -> u64 {
        self.programs.iter().map(|(_, name)| self.object.missed(name)).sum()
    }

    /// Takes them out of the kernel.
    pub fn detach(&mut self) {
        for (_, name) in &self.programs {
            self.object.detach(name);
        }
    }
}

/// Explains a refusal: the trampoline of a hook has room for 38 programs
/// (BPF_MAX_TRAMP_LINKS), and its image must fit a page.
fn refusal(hook: &str, error: io::Error) -> KernelError {
    let hook = hook.to_owned();
    if error.raw_os_error() == Some(nix::libc::E2BIG) {
        return KernelError::TooManyOnHook { hook, error };
    }
    KernelError::Program { what: format!("attach to `{hook}`"), error: chain(&error) }
}
