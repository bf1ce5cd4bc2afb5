//! The kernel's side of a probe: load, verify, attach, maps, ring buffer.
//!
//! In: a checked [`Spec`]. Out: an [`Attachment`] whose events arrive on the
//! session's queue, and a [`KernelError`] that names cause and cure if the
//! kernel gives less than was asked. This is the only module that names aya.
//!
//! Two promises: nothing stays half attached (every resource belongs to the
//! [`Attachment`] and goes with it), and the ring-buffer side never waits for
//! whoever consumes the events (the queue is bounded, and losses are counted).

mod attachment;
mod books;
mod error;
mod facts;
mod guard;
mod host;
mod identity;
mod load;
mod ring;
mod scope;
mod settings;
mod subtree;
mod tables;

use std::cell::OnceCell;

use aya::Btf;
use crossbeam_channel::Sender;
use tokio::runtime::Runtime;

use self::{identity::Identities, scope::Resolved};
use crate::{event::Event, probe::Spec};

pub use self::{
    attachment::Attachment,
    error::KernelError,
    facts::{Facts, facts},
    host::{check, release},
    load::MissingHook,
};

/// The running kernel, seen to have what probes need.
pub struct Kernel {
    events: Sender<Event>,
    /// `KERNEL_VERSION(a, b, c)`.
    version: u32,
    /// Parsed at the first attach: it costs tens of milliseconds.
    btf: OnceCell<Btf>,
    identities: Identities,
    /// Reads the ring buffers, on a thread of its own.
    runtime: Runtime,
}

impl Kernel {
    /// Looks at privilege, BTF and the list of active LSMs; nothing is loaded yet.
    /// Decoded events will go to `events`; when that queue is full they are
    /// counted as lost.
    ///
    /// # Errors
    /// What is missing, with its cure.
    pub fn open(events: Sender<Event>) -> Result<Self, KernelError> {
        host::check()?;
        Self::open_unchecked(events)
    }

    /// The same without looking first: for finding out what then happens.
    ///
    /// # Errors
    /// If not even the attempt can be made.
    pub fn open_unchecked(events: Sender<Event>) -> Result<Self, KernelError> {
        host::lift_memory_limit();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("krsi-rings")
            .enable_io()
            .build()
            .map_err(|error| KernelError::Host { what: "start the thread that reads events", error })?;
        Ok(Kernel {
            events,
            version: host::version()?,
            btf: OnceCell::new(),
            identities: Identities::default(),
            runtime,
        })
    }

    /// Loads, verifies and attaches a probe.
    ///
    /// # Errors
    /// If any step fails; then nothing stays attached.
    pub fn attach(&self, id: u32, spec: &Spec) -> Result<Attachment, KernelError> {
        let btf = self.btf()?;
        let scope = Resolved::new(&spec.scope, &spec.template.layout, &self.identities, btf)?;
        let loaded = load::load(&spec.template, btf, id, self.version, scope.size())?;
        Attachment::new(self, btf, loaded, spec, scope)
    }

    /// Whether a program that is no LSM program loads and runs here.
    ///
    /// # Errors
    /// Why not.
    pub fn loads_iterator(&self) -> Result<(), KernelError> {
        self.identities.of(self.btf()?, &["/proc/self/exe".to_owned()]).map(drop)
    }

    fn btf(&self) -> Result<&Btf, KernelError> {
        if let Some(btf) = self.btf.get() {
            return Ok(btf);
        }
        if !std::path::Path::new(host::BTF).exists() {
            return Err(KernelError::NoBtf);
        }
        let btf = Btf::from_sys_fs().map_err(|error| KernelError::Btf { error: error.to_string() })?;
        Ok(self.btf.get_or_init(|| btf))
    }
}
