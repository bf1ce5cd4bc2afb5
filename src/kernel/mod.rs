//! The kernel's side of a probe: load, verify, attach, maps, ring buffer.
//!
//! In: a checked [`Spec`]. Out: an [`Attachment`] whose events arrive on the
//! queue it was given, and a [`KernelError`] that names cause and fix if the
//! kernel gives less than was asked. This is the only module that names aya.
//!
//! Two promises: nothing stays half attached (every resource belongs to the
//! [`Attachment`] and goes with it), and the ring-buffer side never waits for
//! whoever consumes the events (the queue is bounded, and losses are counted).

pub mod attach;
#[doc(hidden)]
pub mod bench;
mod call;
mod errno;
mod error;
pub mod host;
mod live;
mod load;
mod maps;

use std::cell::OnceCell;

use tokio::runtime::Runtime;

use self::{
    attach::{identity::Identities, preview, scope::Resolved},
    load::{loader, types::Wanted},
};
use crate::{
    backend::{InScope, Request},
    probe::Spec,
    system::{limits, namespaces},
    template::Catalogue,
};

pub use self::{
    attach::Attachment,
    error::KernelError,
    host::{
        check,
        facts::{Facts, facts},
        is_privileged, lsm_list_is_readable, release, too_few_files,
    },
    live::Live,
};

/// The thread that reads ring buffers.
fn reading_thread() -> Result<Runtime, KernelError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("krsi-rings")
        .enable_io()
        .build()
        .map_err(|error| KernelError::Host { what: "start the thread that reads events".into(), error })
}

/// The running kernel, seen to have what probes need.
pub struct Kernel {
    /// `KERNEL_VERSION(a, b, c)`.
    version: u32,
    /// What it may be asked to load.
    catalogue: Catalogue,
    /// Those of its types that the catalogue names; read at the first attach.
    btf: OnceCell<&'static loader::KernelTypes>,
    identities: Identities,
    /// Reads the ring buffers, on a thread of its own.
    runtime: Runtime,
}

impl Kernel {
    /// Prepares this process for probes of these templates. Nothing is loaded yet, and nothing looked at.
    ///
    /// # Errors
    /// If this process cannot even begin.
    pub fn open(catalogue: Catalogue) -> Result<Self, KernelError> {
        limits::lift_locked_memory();
        limits::lift_files_to_hard();
        loader::prepare();
        Ok(Kernel {
            version: host::version()?,
            catalogue,
            btf: OnceCell::new(),
            identities: Identities::default(),
            runtime: reading_thread()?,
        })
    }

    /// Loads, verifies and attaches a probe, on a host seen to have what that needs. Where LSM programs
    /// cannot be had, a probe that does not enforce is attached by what its template has for that.
    ///
    /// # Errors
    /// What is missing, with its fix; or any step that fails. Then nothing stays attached.
    pub fn attach(&self, request: Request<'_>) -> Result<Attachment, KernelError> {
        match host::check().and_then(|()| self.attach_unchecked(request)) {
            Err(reason @ (KernelError::NotInLsmList { .. } | KernelError::Refused { .. }))
                if !request.spec.template.layout.observers.is_empty() =>
            {
                self.observe(request, reason)
            }
            other => other,
        }
    }

    /// By other means than LSM, without trying LSM first: for finding out whether that can be had.
    ///
    /// # Errors
    /// If it cannot; then nothing stays attached.
    pub fn attach_observing(&self, request: Request<'_>) -> Result<Attachment, KernelError> {
        self.observe(request, KernelError::Refused { hook: request.spec.template.name.clone() })
    }

    /// By other means than LSM; gives `reason` back if those are refused as well.
    fn observe(&self, request: Request<'_>, reason: KernelError) -> Result<Attachment, KernelError> {
        let Request { id, spec, .. } = request;
        if spec.mode.enforces() {
            let template = spec.template.name.clone();
            return Err(KernelError::AuditOnly { template, mode: spec.mode, reason: reason.to_string() });
        }
        let btf = self.btf()?;
        let scope = Resolved::new(&spec.scope, &spec.template.layout, &self.identities, btf)?;
        let constants =
            load::Constants { id, version: self.version, scope_size: scope.size(), spec, generation: 0 };
        match load::load_observers(btf, constants) {
            Ok(loaded) => Attachment::new(self, btf, loaded, request, scope, Some(reason.to_string())),
            Err(KernelError::Refused { hook }) => Err(KernelError::NotEvenObserved {
                reason: reason.into(),
                refused: format!("loading `{hook}` gave EPERM"),
            }),
            Err(error) => Err(error),
        }
    }

    /// As an LSM program and nothing else, without looking first: for finding out what then happens.
    ///
    /// # Errors
    /// If any step fails; then nothing stays attached.
    pub fn attach_unchecked(&self, request: Request<'_>) -> Result<Attachment, KernelError> {
        let Request { id, spec, .. } = request;
        let btf = self.btf()?;
        let scope = Resolved::new(&spec.scope, &spec.template.layout, &self.identities, btf)?;
        let constants =
            load::Constants { id, version: self.version, scope_size: scope.size(), spec, generation: 0 };
        let loaded = load::load(btf, constants)?;
        Attachment::new(self, btf, loaded, request, scope, None)
    }

    /// The processes that a probe's scope applies to now. Nothing is attached to any hook.
    ///
    /// # Errors
    /// If the scope names what is not there, or the kernel refuses.
    pub fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, KernelError> {
        host::check_privilege()?;
        // An iterator ends at its reader's pid namespace, and hooks do not.
        namespaces::process_ids()
            .map_err(|foreign| KernelError::ProcessIds { what: "list the processes in scope", foreign })?;
        preview::preview(self, self.btf()?, spec)
    }

    /// Whether a program that is no LSM program loads and runs here.
    ///
    /// # Errors
    /// Why not.
    pub fn loads_iterator(&self) -> Result<(), KernelError> {
        self.identities.of(self.btf()?, &["/proc/self/exe".to_owned()]).map(drop)
    }

    fn btf(&self) -> Result<&'static loader::KernelTypes, KernelError> {
        if let Some(btf) = self.btf.get() {
            return Ok(btf);
        }
        let mut wanted = Wanted::default();
        wanted.add(attach::identity::OBJECT);
        self.catalogue.iter().for_each(|template| wanted.add(&template.object));
        let btf = loader::types(wanted)?;
        Ok(self.btf.get_or_init(|| btf))
    }
}
