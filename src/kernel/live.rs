//! The running kernel as a script's backend: opened when the first probe needs it.

use std::{
    cell::OnceCell,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    Attachment, Kernel, KernelError,
    pins::{self, Pin},
    programs,
};
use crate::{
    backend::{
        Altered, Attached, Backend, BackendError, Door, Followed, InScope, PinRequest, Pinned, Request,
    },
    facts::bpf::Program,
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    raw,
    template::{Catalogue, Param},
};

/// The running kernel. Nothing of it is touched before a probe is attached or previewed.
pub struct Live {
    catalogue: Catalogue,
    door: Option<Door>,
    kernel: OnceCell<Rc<Kernel>>,
}

impl Live {
    /// Makes a backend that loads these templates, by this door alone if one is given.
    #[must_use]
    pub fn new(catalogue: Catalogue, door: Option<Door>) -> Self {
        Live { catalogue, door, kernel: OnceCell::new() }
    }

    fn kernel(&self) -> Result<&Rc<Kernel>, KernelError> {
        if let Some(kernel) = self.kernel.get() {
            return Ok(kernel);
        }
        let kernel = Kernel::open(self.catalogue.clone(), self.door)?;
        Ok(self.kernel.get_or_init(|| Rc::new(kernel)))
    }
}

impl Backend for Live {
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError> {
        let kernel = self.kernel()?;
        let attachment = kernel.attach(request)?;
        Ok(Box::new(LiveProbe { attachment, kernel: Rc::clone(kernel) }))
    }

    fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, BackendError> {
        Ok(self.kernel()?.preview(spec)?)
    }

    fn programs(&self) -> Result<Vec<Program>, BackendError> {
        Ok(programs::programs()?)
    }

    fn pins(&self) -> Result<Vec<Box<dyn Pinned>>, BackendError> {
        let boxed = |pin: Pin| -> Box<dyn Pinned> { Box::new(pin) };
        Ok(pins::list()?.into_iter().map(boxed).collect())
    }
}

/// An attachment and the kernel it is to. The order of the fields is that of the drop.
struct LiveProbe {
    attachment: Attachment,
    kernel: Rc<Kernel>,
}

impl Attached for LiveProbe {
    fn door(&self) -> Door {
        self.attachment.door()
    }

    fn no_better_door(&self) -> Option<&str> {
        self.attachment.no_better_door()
    }

    fn missing_hooks(&self) -> Vec<String> {
        self.attachment.missing().iter().map(|missing| missing.hook.clone()).collect()
    }

    fn remarks(&self) -> Vec<String> {
        let missing = self.attachment.missing().iter();
        let missing = missing.map(|missing| {
            format!("nothing is seen or refused at hook `{}`: {}", missing.hook, missing.reason)
        });
        missing.chain(self.attachment.remarks()).collect()
    }

    fn param_remarks(&self, param: &str) -> Vec<String> {
        self.attachment.param_remarks(param)
    }

    fn say(&mut self, text: &str) {
        self.attachment.say(text);
    }

    fn set_mode(&mut self, mode: Mode) -> Result<(), BackendError> {
        Ok(self.attachment.set_mode(mode)?)
    }

    fn standing(&self, tid: u32, asked_ns: u64) -> Standing {
        self.attachment.standing(tid, asked_ns)
    }

    fn answer(&mut self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, BackendError> {
        Ok(self.attachment.answer(tid, asked_ns, reply)?)
    }

    fn altered(&mut self, asking: bool) -> Result<Vec<Altered>, BackendError> {
        Ok(self.attachment.altered(asking)?)
    }

    fn set_lease(&mut self, lease: Option<Duration>) -> Result<(), BackendError> {
        Ok(self.attachment.set_lease(lease)?)
    }

    fn tripped(&self, _: bool) -> Result<bool, BackendError> {
        Ok(self.attachment.tripped()?)
    }

    fn rearm(&mut self) -> Result<(), BackendError> {
        Ok(self.attachment.rearm()?)
    }

    fn let_go(&mut self) {
        self.attachment.let_go();
    }

    fn limited(&self) -> Result<u64, BackendError> {
        Ok(self.attachment.limited()?)
    }

    fn set_quiet(&mut self, quiet: bool) -> Result<(), BackendError> {
        Ok(self.attachment.set_quiet(quiet)?)
    }

    fn set_filter(&mut self, spec: &Spec) -> Result<(), BackendError> {
        Ok(self.attachment.set_filter(&self.kernel, spec)?)
    }

    fn set_scope(&mut self, scope: &Scope) -> Result<(), BackendError> {
        Ok(self.attachment.set_scope(scope)?)
    }

    fn set_param(&mut self, param: &Param, value: Option<&ParamValue>) -> Result<(), BackendError> {
        Ok(self.attachment.set_param(&self.kernel, param, value)?)
    }

    fn follow(&mut self, now: Instant) -> Result<Vec<Followed>, BackendError> {
        match self.attachment.follows() {
            true => Ok(self.attachment.follow(&self.kernel, now)?),
            false => Ok(Vec::new()),
        }
    }

    fn summaries(&self) -> Result<Vec<Summary>, BackendError> {
        Ok(self.attachment.summaries()?)
    }

    fn take_summaries(&mut self) -> Result<Vec<Summary>, BackendError> {
        Ok(self.attachment.take_summaries()?)
    }

    fn pin(&mut self, request: PinRequest<'_>) -> Result<(), BackendError> {
        Ok(self.attachment.pin(&self.kernel, request)?)
    }

    fn unpin(&mut self) -> Result<(), BackendError> {
        Ok(self.attachment.unpin()?)
    }

    fn lease_left(&self) -> Option<Option<Duration>> {
        self.attachment.lease_left()
    }

    fn pinned(&self) -> Option<&str> {
        self.attachment.pinned()
    }

    fn flush(&self) {
        self.attachment.flush();
    }

    fn counters(&self) -> Result<Counters, BackendError> {
        Ok(self.attachment.counters()?)
    }

    fn detach(self: Box<Self>) -> Result<(Counters, Vec<Summary>), BackendError> {
        Ok(self.attachment.detach()?)
    }
}

impl Pinned for Pin {
    fn name(&self) -> &str {
        &self.name
    }

    fn told(&self) -> serde_json::Value {
        Pin::told(self)
    }

    fn was_pinned_enforcing(&self) -> bool {
        Pin::was_pinned_enforcing(self)
    }

    fn observe(&self) -> Result<(), BackendError> {
        Ok(Pin::observe(self)?)
    }

    fn resume(&self) -> Result<(), BackendError> {
        Ok(Pin::resume(self)?)
    }

    fn renew(&self) -> Result<(), BackendError> {
        Ok(Pin::renew(self)?)
    }

    fn remove(&self) -> Result<bool, BackendError> {
        Ok(pins::remove(&self.name)?.is_some())
    }
}

impl From<KernelError> for BackendError {
    fn from(error: KernelError) -> Self {
        let about = match &error {
            KernelError::Cgroup { path, .. }
            | KernelError::Identity { path, .. }
            | KernelError::Executable { path, .. }
            | KernelError::Namespace { path, .. } => Some(raw::from_os(path)),
            KernelError::Pid { pid, .. } => Some(pid.to_string()),
            KernelError::Pin { name, .. } => Some(name.clone()),
            _ => None,
        };
        BackendError { text: error.to_string(), about }
    }
}
