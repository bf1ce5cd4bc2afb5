//! The iterator programs of `_identity.bpf.c`, each loaded when it is first needed.
//!
//! Iterators load on hosts that refuse LSM programs, too.

use std::cell::RefCell;

use crate::kernel::{
    errno::chain,
    load::{explained, kernel_types::KernelTypes, object::Object},
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
    loaded: RefCell<Option<Object>>,
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
        self.with(iterator, |object, name| object.output(name).map_err(|e| chain(&e)))
    }

    /// Loads one, so that the next run takes no longer than the run itself.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn prepare(&self, iterator: Iterator) -> Result<(), String> {
        self.with(iterator, |_, _| Ok(()))
    }

    /// Hands the object on once the program is loaded.
    fn with<T>(
        &self,
        Iterator { program: name, kind }: Iterator,
        use_it: impl FnOnce(&Object, &str) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut loaded = self.loaded.borrow_mut();
        let mut object = match loaded.take() {
            Some(object) => object,
            None => Object::new(OBJECT, Vec::new(), self.types, &[]).map_err(|e| explained(&e))?,
        };
        let ready = if object.is_loaded(name) { Ok(()) } else { object.load(name, kind, self.types) };
        let done = ready.map_err(|e| explained(&e)).and_then(|()| use_it(&object, name));
        *loaded = Some(object);
        done
    }
}

/// The number that these bytes are, the least of them first.
pub fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::kernel::{
        host,
        load::{kernel_types, types::Wanted},
    };

    /// `None` where nothing can be loaded.
    pub fn iterators() -> Option<Iterators> {
        let mut wanted = Wanted::default();
        wanted.add(OBJECT);
        let types = kernel_types::types(wanted).ok();
        let found = types.filter(|_| host::check().is_ok());
        if found.is_none() {
            eprintln!("skipped: no kernel BTF, or no privilege here");
        }
        found.map(Iterators::new)
    }
}
