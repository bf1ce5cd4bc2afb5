//! aya's loader, and the kernel's types it relocates against: one of each for the whole process.
//!
//! Making a loader parses all of the kernel's types, which it is then told not to use, and which
//! takes longer than all else it does. So there is one, made on a thread of its own while
//! the first probe is being prepared, and every object goes through it. It lives as long as the process, and so
//! do the types: a process sees one kernel.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use aya::{Btf, Ebpf, EbpfError, EbpfLoader};

use crate::kernel::{
    KernelError,
    errno::chain,
    host,
    load::{
        shared::Pinned,
        types::{self, Wanted},
    },
};

/// What objects ask of the kernel's types.
pub struct KernelTypes {
    /// Structs, unions, enums and typedefs by their names, to relocate against; their numbers are not the kernel's.
    named: Btf,
    /// What programs are attached to, under the kernel's numbers.
    numbered: Btf,
}

impl KernelTypes {
    /// The types by whose numbers the kernel is told what a program is attached to.
    pub fn numbered(&self) -> &Btf {
        &self.numbered
    }
}

static LOADER: Mutex<Option<EbpfLoader<'static>>> = Mutex::new(None);
/// One that opens maps where the other makes them: a loader does not forget a path that it was told.
static OPENER: Mutex<Option<EbpfLoader<'static>>> = Mutex::new(None);
/// Names of maps that it knows.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static TYPES: Mutex<Vec<(Wanted, &'static KernelTypes)>> = Mutex::new(Vec::new());

/// Has the loader made while there are other things to do.
pub fn prepare() {
    // If there is no thread to be had, the first load makes it.
    let _ = std::thread::Builder::new().name("krsi-loader".into()).spawn(|| with(|_| ()));
}

fn with<T>(use_it: impl FnOnce(&mut EbpfLoader<'static>) -> T) -> T {
    let mut loader = LOADER.lock().unwrap_or_else(PoisonError::into_inner);
    use_it(loader.get_or_insert_with(EbpfLoader::new))
}

/// Relocates an object and makes its maps, with room for so many entries where that is given; no program is loaded yet.
///
/// # Errors
/// If aya does not take the object, or the kernel refuses a map.
pub fn load(object: &[u8], types: &'static KernelTypes, sizes: &[(&str, u32)]) -> Result<Ebpf, EbpfError> {
    with(|loader| {
        loader.btf(Some(&types.named));
        for (map, size) in sizes {
            loader.map_max_entries(known(map), *size);
        }
        loader.load(object)
    })
}

/// The same over maps that are there already.
///
/// # Errors
/// If aya does not take the object, or cannot open a map.
pub fn load_over(object: &[u8], types: &'static KernelTypes, pinned: &Pinned) -> Result<Ebpf, EbpfError> {
    let mut opener = OPENER.lock().unwrap_or_else(PoisonError::into_inner);
    let opener = opener.get_or_insert_with(EbpfLoader::new);
    opener.btf(Some(&types.named));
    for (map, path) in pinned.paths() {
        opener.map_pin_path(known(map), path);
    }
    opener.load(object)
}

/// The name, for as long as the process lives; there are few.
fn known(name: &str) -> &'static str {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

/// The kernel's types as far as `wanted` names them.
///
/// # Errors
/// If the kernel has none, or they cannot be read.
pub fn types(wanted: Wanted) -> Result<&'static KernelTypes, KernelError> {
    let mut known = TYPES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, types)) = known.iter().find(|(of, _)| *of == wanted) {
        return Ok(types);
    }
    let types: &'static KernelTypes = Box::leak(Box::new(read(&wanted)?));
    known.push((wanted, types));
    Ok(types)
}

fn read(wanted: &Wanted) -> Result<KernelTypes, KernelError> {
    let failed = |error: String| KernelError::Btf { error };
    let whole = match std::fs::read(host::BTF) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(KernelError::NoBtf),
        other => other.map_err(|error| failed(chain(&error)))?,
    };
    let parse = |some: Option<Vec<u8>>| {
        Btf::parse(some.as_deref().unwrap_or(&whole), Default::default()).map_err(|e| failed(e.to_string()))
    };
    Ok(KernelTypes {
        named: parse(types::named(&whole, wanted))?,
        numbered: parse(types::numbered(&whole, wanted))?,
    })
}
