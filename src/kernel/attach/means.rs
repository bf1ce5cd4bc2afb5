//! By what a probe is attached: LSM programs, or where they cannot be had what its template has to observe with.

use crate::{
    backend::Request,
    kernel::{
        Kernel, KernelError,
        attach::{
            attachment::Attachment,
            plan::{self, Own},
            scope::Resolved,
        },
        host,
        load::{self, Loaded, constants::Reach},
    },
};

impl Kernel {
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
        let spec = request.spec;
        if spec.mode.enforces() {
            let template = spec.template.name.clone();
            return Err(KernelError::AuditOnly { template, mode: spec.mode, reason: reason.to_string() });
        }
        let scope = Resolved::new(&spec.scope, &spec.template.layout, self.iterators()?)?;
        match self.load(request, &scope, Reach::AuditOnly) {
            Ok(loaded) => Attachment::new(self, loaded, request, scope, Some(reason.to_string())),
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
        let spec = request.spec;
        let scope = Resolved::new(&spec.scope, &spec.template.layout, self.iterators()?)?;
        let loaded = self.load(request, &scope, Reach::Lsm)?;
        Attachment::new(self, loaded, request, scope, None)
    }

    fn load(&self, request: Request<'_>, scope: &Resolved, reach: Reach) -> Result<Loaded, KernelError> {
        let Request { id, spec, .. } = request;
        let own = Own { id, generation: 0, reach };
        let types = self.types()?;
        load::load(types, &plan::plan(spec, own, scope, types)?, &plan::sizes(spec, scope.size()))
    }
}
