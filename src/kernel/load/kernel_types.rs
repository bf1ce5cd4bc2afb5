//! The running kernel's types, as far as objects name them: read once for the whole process, which sees one kernel.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aya_obj::btf::{Btf, BtfError, BtfKind};

use crate::kernel::{
    KernelError,
    errno::chain,
    host::{self, vmlinux},
    load::{
        casts::{self, Casts},
        target::Target,
        types::{Wanted, Whole},
    },
};

/// What objects ask of the kernel's types.
pub struct KernelTypes {
    named: Named,
    /// What programs are attached to, with the kernel's numbers, by which the kernel is told.
    targets: HashMap<String, Target>,
    /// Where the kernel lets a program say what is behind an address.
    pub casts: Option<Casts>,
    /// `KERNEL_VERSION` of the running kernel.
    pub version: u32,
}

/// Structs, unions, enums and typedefs by their names.
enum Named {
    /// Those that some object names, as a section; their numbers are not the kernel's.
    Part(Vec<u8>),
    Whole(Btf),
}

impl KernelTypes {
    /// Gives `relocate` the types that an object names. (It looks at each of the types for each that the object names, so there are
    /// to be no others.)
    ///
    /// # Errors
    /// If `relocate` fails.
    pub fn with_named<T, E: From<BtfError>>(
        &self,
        object: &[u8],
        relocate: impl FnOnce(&Btf) -> Result<T, E>,
    ) -> Result<T, E> {
        let some = match &self.named {
            Named::Whole(types) => return relocate(types),
            Named::Part(some) => some,
        };
        let mut wanted = Wanted::default();
        wanted.add(object);
        let few = Whole::parse(some).and_then(|types| types.named(&wanted));
        relocate(&Btf::parse(few.as_ref().unwrap_or(some), Default::default())?)
    }

    /// What a program is attached to, by its name there ([`type_name`](super::target::type_name)).
    pub fn target(&self, type_name: &str) -> Option<Target> {
        self.targets.get(type_name).copied()
    }
}

static TYPES: Mutex<Vec<(Wanted, &'static KernelTypes)>> = Mutex::new(Vec::new());

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
    let whole = match vmlinux::types() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(KernelError::NoBtf),
        other => other.map_err(|error| KernelError::Btf { error: chain(&error) })?,
    };
    let version = host::version()?;
    let some = Whole::parse(&whole)
        .and_then(|types| Some((types.named(wanted)?, types.targets(wanted)?, casts(&types))));
    match some {
        Some((named, targets, casts)) => {
            Ok(KernelTypes { named: Named::Part(named), targets, casts, version })
        }
        None => {
            let all = Btf::parse(&whole, Default::default())
                .map_err(|error| KernelError::Btf { error: error.to_string() })?;
            let targets = targets_of(&all, wanted);
            Ok(KernelTypes { named: Named::Whole(all), targets, casts: None, version })
        }
    }
}

/// `None` if the kernel has no such function, or not all of the types.
fn casts(types: &Whole<'_>) -> Option<Casts> {
    let function = types.function(casts::FUNCTION)?.try_into().ok()?;
    let found = types.structs(&casts::TYPES);
    let mut numbers = [0; casts::TYPES.len()];
    for (number, found) in numbers.iter_mut().zip(found) {
        *number = found?.try_into().ok()?;
    }
    Some(Casts { function, types: numbers })
}

/// What is wanted, found one by one among all types; what functions take is not found out.
fn targets_of(whole: &Btf, wanted: &Wanted) -> HashMap<String, Target> {
    let found = |name: &str, kind| {
        let number = whole.id_by_type_name_kind(name, kind).ok()?;
        Some((name.to_owned(), Target { number, prototype: None }))
    };
    let functions = wanted.functions().filter_map(|name| found(name, BtfKind::Func));
    functions.chain(wanted.tracepoints().filter_map(|name| found(name, BtfKind::Typedef))).collect()
}
