//! By which door a probe is attached: the best that is to be had, or the one that was chosen.

use std::{os::fd::OwnedFd, sync::Arc};

use crate::{
    backend::{Door, Request},
    kernel::{
        Kernel, KernelError,
        attach::{
            attachment::Attachment,
            plan::{self, Own},
            scope::Resolved,
        },
        host,
        load::{self, Loaded},
        names::processes::Processes,
    },
    probe::Spec,
};

impl Kernel {
    /// Loads, verifies and attaches a probe. Where LSM programs cannot be had, it is attached to the functions that ask the
    /// hooks; where these are refused as well, by what its template has to observe with, if it does not enforce.
    ///
    /// # Errors
    /// What is missing, with its fix; or any step that fails. Then nothing stays attached.
    pub fn attach(&self, request: Request<'_>) -> Result<Attachment, KernelError> {
        host::check()?;
        if let Some(door) = self.door {
            return self.attach_by(door, request);
        }
        let by_lsm = host::check_lsm().and_then(|()| self.attach_by(Door::Lsm, request));
        let no_lsm = match by_lsm {
            Err(reason @ (KernelError::NotInLsmList { .. } | KernelError::Refused { .. })) => reason,
            // Built without BPF LSM, where its list of LSMs cannot be read.
            Err(reason @ KernelError::UnknownHook { .. }) if !host::lsm_list_is_readable() => reason,
            other => return other,
        };
        match self.enter(Door::FmodRet, request, Some(no_lsm.to_string())) {
            // No kernel parameter gives it a hook.
            Err(lacking @ KernelError::UnknownHook { .. }) => self.observe(request, lacking),
            Err(KernelError::Refused { .. } | KernelError::UnknownFunction { .. }) => {
                self.observe(request, no_lsm)
            }
            other => other,
        }
    }

    /// By this door and no other, without looking first whether anything will come of it.
    ///
    /// # Errors
    /// If any step fails; then nothing stays attached.
    pub fn attach_by(&self, door: Door, request: Request<'_>) -> Result<Attachment, KernelError> {
        self.enter(door, request, None)
    }

    /// By what the template has to observe with; gives `reason` back if it has nothing, or that is refused as well.
    fn observe(&self, request: Request<'_>, reason: KernelError) -> Result<Attachment, KernelError> {
        if request.spec.template.layout.observers.is_empty() {
            return Err(reason);
        }
        match self.enter(Door::Observe, request, Some(reason.to_string())) {
            Err(KernelError::Refused { hook }) => Err(KernelError::NotEvenObserved {
                reason: reason.into(),
                refused: format!("loading `{hook}` gave EPERM"),
            }),
            other => other,
        }
    }

    /// `no_better`: why no better door could be had.
    fn enter(
        &self,
        door: Door,
        request: Request<'_>,
        no_better: Option<String>,
    ) -> Result<Attachment, KernelError> {
        let spec = request.spec;
        if !door.refuses() && spec.mode.enforces() {
            return Err(KernelError::audit_only(&spec.template, spec.mode, no_better.as_deref()));
        }
        if !door.refuses() && spec.template.layout.observers.is_empty() {
            return Err(KernelError::NoObserver { template: spec.template.name.clone() });
        }
        let scope = Resolved::new(&spec.scope, &spec.template.layout, self.iterators()?)?;
        let loaded = self.load(request, &scope, door)?;
        Attachment::new(self, loaded, request, scope, door, no_better)
    }

    /// What is kept of processes, if the probe asks for it; from then on it is kept.
    pub(super) fn processes_for(&self, spec: &Spec) -> Result<Option<Arc<OwnedFd>>, KernelError> {
        if !spec.asks_for_records() {
            return Ok(None);
        }
        if let Some(kept) = self.processes.get() {
            return Ok(Some(kept.map()));
        }
        let kept = Processes::keep(self.types()?, plan::slots())?;
        Ok(Some(self.processes.get_or_init(|| kept).map()))
    }

    fn load(&self, request: Request<'_>, scope: &Resolved, door: Door) -> Result<Loaded, KernelError> {
        let Request { id, spec, .. } = request;
        let own = Own { id, generation: 0, door };
        let types = self.types()?;
        let processes = self.processes_for(spec)?;
        let plan = plan::plan(spec, own, scope, types, processes)?;
        load::load(types, &plan, &plan::sizes(spec, scope.size()))
    }
}
