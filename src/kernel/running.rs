//! The running kernel, as this process has it open: what all its probes have in common.

use std::cell::OnceCell;

use tokio::runtime::Runtime;

use crate::{
    backend::Door,
    kernel::{
        KernelError,
        load::{
            kernel_types::{self, KernelTypes},
            types::Wanted,
        },
        names::{
            identity,
            iterators::{self, Iterators},
            processes::{self, Processes},
        },
    },
    system::limits,
    template::Catalogue,
};

/// The running kernel, seen to have what probes need.
pub struct Kernel {
    /// What it may be asked to load.
    catalogue: Catalogue,
    /// The only one by which probes are attached, if one was chosen.
    pub(in crate::kernel) door: Option<Door>,
    /// Made at the first attach, with those of the kernel's types that the catalogue names.
    iterators: OnceCell<Iterators>,
    /// What is kept of processes, from the first probe on that asks for it.
    pub(in crate::kernel) processes: OnceCell<Processes>,
    /// Reads the ring buffers, on a thread of its own.
    pub(in crate::kernel) runtime: Runtime,
}

impl Kernel {
    /// Prepares this process for probes of these templates. Nothing is loaded yet, and nothing looked at.
    ///
    /// # Errors
    /// If this process cannot even begin.
    pub fn open(catalogue: Catalogue, door: Option<Door>) -> Result<Self, KernelError> {
        limits::lift_locked_memory();
        limits::lift_files_to_hard();
        Ok(Kernel {
            catalogue,
            door,
            iterators: OnceCell::new(),
            processes: OnceCell::new(),
            runtime: reading_thread()?,
        })
    }

    /// Whether a program that is no LSM program loads and runs here.
    ///
    /// # Errors
    /// Why not.
    pub fn loads_iterator(&self) -> Result<(), KernelError> {
        identity::of_each(self.iterators()?, &["/proc/self/exe".to_owned()]).map(drop)
    }

    /// The types that objects are relocated against; read at the first attach.
    pub(in crate::kernel) fn types(&self) -> Result<&'static KernelTypes, KernelError> {
        self.iterators().map(Iterators::types)
    }

    /// The programs that look up what names stand for.
    pub(in crate::kernel) fn iterators(&self) -> Result<&Iterators, KernelError> {
        if let Some(iterators) = self.iterators.get() {
            return Ok(iterators);
        }
        let mut wanted = Wanted::default();
        wanted.add(iterators::OBJECT);
        wanted.add(processes::OBJECT);
        let (types, sections) = self.catalogue.kernel_names();
        wanted.add_names(types, sections);
        let types = kernel_types::types(wanted)?;
        Ok(self.iterators.get_or_init(|| Iterators::new(types)))
    }
}

/// The thread that reads ring buffers.
pub fn reading_thread() -> Result<Runtime, KernelError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("krsi-rings")
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| KernelError::Host { what: "start the thread that reads events".into(), error })
}
