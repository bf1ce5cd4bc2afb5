//! The iterator programs of `_identity.bpf.c`, each loaded when it is first needed.
//!
//! Iterators load on hosts that refuse LSM programs, too.

use std::cell::{RefCell, RefMut};

use aya::{
    Ebpf,
    programs::{Iter, Program},
};

use crate::kernel::{
    errno::chain,
    load::{
        iter,
        loader::{self, KernelTypes},
    },
};

pub static OBJECT: &[u8] = include_bytes!("../../../ebpf-templates/objects/_identity.bpf.o");

/// One of the object's programs.
#[derive(Debug, Clone, Copy)]
pub struct Iterator {
    pub program: &'static str,
    /// The kernel's name for what it walks over.
    pub kind: &'static str,
}

/// The object, once one of its programs is needed.
pub struct Iterators {
    types: &'static KernelTypes,
    loaded: RefCell<Option<Ebpf>>,
}

impl Iterators {
    /// Loads nothing yet.
    pub fn new(types: &'static KernelTypes) -> Self {
        Iterators { types, loaded: RefCell::new(None) }
    }

    /// The kernel's types that objects are relocated against.
    pub fn types(&self) -> &'static KernelTypes {
        self.types
    }

    /// Runs one: all it writes.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn output(&self, iterator: Iterator) -> Result<Vec<u8>, String> {
        iter::output(&mut *self.program(iterator)?)
    }

    /// Loads one, so that the next run takes no longer than the run itself.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn prepare(&self, iterator: Iterator) -> Result<(), String> {
        self.program(iterator).map(drop)
    }

    fn program(&self, Iterator { program: name, kind }: Iterator) -> Result<RefMut<'_, Iter>, String> {
        let mut loaded = self.loaded.borrow_mut();
        if loaded.is_none() {
            *loaded = Some(loader::load(OBJECT, self.types, &[]).map_err(|e| chain(&e))?);
        }
        let found = RefMut::filter_map(loaded, |loaded| match loaded.as_mut()?.program_mut(name)? {
            Program::Iter(program) => Some(program),
            _ => None,
        });
        let mut program = found.map_err(|_| format!("`{name}` is no iterator"))?;
        if program.fd().is_err() {
            program.load(kind, self.types.numbered()).map_err(|e| chain(&e))?;
        }
        Ok(program)
    }
}

/// The number that these bytes are, the least of them first.
pub fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::kernel::{host, load::types::Wanted};

    /// `None` where nothing can be loaded.
    pub fn iterators() -> Option<Iterators> {
        let mut wanted = Wanted::default();
        wanted.add(OBJECT);
        let types = loader::types(wanted).ok();
        let found = types.filter(|_| host::check().is_ok());
        if found.is_none() {
            eprintln!("skipped: no kernel BTF, or no privilege here");
        }
        found.map(Iterators::new)
    }
}
