//! A backend that keeps sight of what a script attaches at another one, so that it can be let observe, and enforce again, and be asked
//! what it has refused.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    backend::{
        Altered, Attached, Backend, BackendError, Clock, Door, Followed, InScope, Passed, PinRequest, Pinned,
        Recorded, Request,
    },
    facts::bpf::Program,
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    template::Param,
};

/// What a script has attached, in that order.
#[derive(Clone, Default)]
pub struct Watch(Rc<RefCell<Vec<Rc<Seen>>>>);

/// One attached probe.
pub(super) struct Seen {
    /// As it was attached.
    pub spec: Spec,
    /// As the script has it now.
    mode: Cell<Mode>,
    /// What it has in the kernel; `None` once it is detached.
    inner: RefCell<Option<Box<dyn Attached>>>,
    /// It observes for as long as that is wanted here.
    held_back: Cell<bool>,
}

impl Watch {
    /// Returns a backend that does what this one does.
    #[must_use]
    pub fn of(&self, inner: Box<dyn Backend>) -> Box<dyn Backend> {
        Box::new(Watched { inner, watch: self.clone() })
    }

    /// Returns what is attached now.
    pub(super) fn attached(&self) -> Vec<Rc<Seen>> {
        self.0.borrow().iter().filter(|seen| seen.inner.borrow().is_some()).cloned().collect()
    }

    /// Has every probe observe, or do again what its script says.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn hold_back(&self, hold: bool) -> Result<(), BackendError> {
        for seen in self.attached() {
            seen.held_back.set(hold);
            let mode = if hold { Mode::Observe } else { seen.mode.get() };
            if let Some(inner) = &mut *seen.inner.borrow_mut() {
                inner.set_mode(mode)?;
            }
        }
        Ok(())
    }

    /// Has every breaker count from nothing: what is tried here must not trip it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn rearm(&self) -> Result<(), BackendError> {
        for seen in self.attached().iter().filter(|seen| seen.spec.trip.is_some()) {
            if let Some(inner) = &mut *seen.inner.borrow_mut() {
                inner.rearm()?;
            }
        }
        Ok(())
    }
}

impl Seen {
    pub(super) fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// Returns how often it has refused.
    ///
    /// # Errors
    /// If its counters cannot be read.
    pub(super) fn refusals(&self) -> Result<u64, BackendError> {
        match &*self.inner.borrow() {
            Some(inner) => inner.counters().map(|counters| counters.deny + counters.kill),
            None => Ok(0),
        }
    }

    fn with<T>(&self, call: impl FnOnce(&dyn Attached) -> T, otherwise: T) -> T {
        match &*self.inner.borrow() {
            Some(inner) => call(&**inner),
            None => otherwise,
        }
    }

    fn change(
        &self,
        call: impl FnOnce(&mut dyn Attached) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        self.try_change(call, ())
    }

    fn try_change<T>(
        &self,
        call: impl FnOnce(&mut dyn Attached) -> Result<T, BackendError>,
        otherwise: T,
    ) -> Result<T, BackendError> {
        match &mut *self.inner.borrow_mut() {
            Some(inner) => call(&mut **inner),
            None => Ok(otherwise),
        }
    }
}

struct Watched {
    inner: Box<dyn Backend>,
    watch: Watch,
}

impl Backend for Watched {
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError> {
        let inner = self.inner.attach(request)?;
        let (door, no_better) = (inner.door(), inner.no_better_door().map(str::to_owned));
        let seen = Rc::new(Seen {
            spec: request.spec.clone(),
            mode: Cell::new(request.spec.mode),
            inner: RefCell::new(Some(inner)),
            held_back: Cell::new(false),
        });
        self.watch.0.borrow_mut().push(Rc::clone(&seen));
        Ok(Box::new(Handed { seen, door, no_better, pin: None }))
    }

    fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, BackendError> {
        self.inner.preview(spec)
    }

    fn programs(&self) -> Result<Vec<Program>, BackendError> {
        self.inner.programs()
    }

    fn pins(&self) -> Result<Vec<Box<dyn Pinned>>, BackendError> {
        self.inner.pins()
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn clock(&self) -> Rc<Clock> {
        self.inner.clock()
    }

    fn passed(&self, step: Passed<'_>) {
        self.inner.passed(step);
    }

    fn notice(&self) -> Option<String> {
        self.inner.notice()
    }

    fn recorded(&self) -> Option<&dyn Recorded> {
        self.inner.recorded()
    }
}

/// The session's hand on a probe that is watched. Dropped, it detaches the probe.
struct Handed {
    seen: Rc<Seen>,
    door: Door,
    no_better: Option<String>,
    /// The name under which it is pinned, in the guest.
    pin: Option<String>,
}

impl Drop for Handed {
    fn drop(&mut self) {
        drop(self.seen.inner.take());
    }
}

impl Attached for Handed {
    fn door(&self) -> Door {
        self.door
    }

    fn no_better_door(&self) -> Option<&str> {
        self.no_better.as_deref()
    }

    fn missing_hooks(&self) -> Vec<String> {
        self.seen.with(|inner| inner.missing_hooks(), Vec::new())
    }

    fn remarks(&self) -> Vec<String> {
        self.seen.with(|inner| inner.remarks(), Vec::new())
    }

    fn param_remarks(&self, param: &str) -> Vec<String> {
        self.seen.with(|inner| inner.param_remarks(param), Vec::new())
    }

    fn say(&mut self, text: &str) {
        if let Some(inner) = &mut *self.seen.inner.borrow_mut() {
            inner.say(text);
        }
    }

    fn set_mode(&mut self, mode: Mode) -> Result<(), BackendError> {
        if !self.seen.held_back.get() {
            self.seen.change(|inner| inner.set_mode(mode))?;
        }
        self.seen.mode.set(mode);
        Ok(())
    }

    fn standing(&self, tid: u32, asked_ns: u64) -> Standing {
        self.seen.with(|inner| inner.standing(tid, asked_ns), Standing::Over)
    }

    fn answer(&mut self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, BackendError> {
        self.seen.try_change(|inner| inner.answer(tid, asked_ns, reply), false)
    }

    fn altered(&mut self, asking: bool) -> Result<Vec<Altered>, BackendError> {
        self.seen.try_change(|inner| inner.altered(asking), Vec::new())
    }

    fn set_lease(&mut self, lease: Option<Duration>) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.set_lease(lease))
    }

    fn tripped(&self, asked: bool) -> Result<bool, BackendError> {
        self.seen.with(|inner| inner.tripped(asked), Ok(false))
    }

    fn rearm(&mut self) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.rearm())
    }

    fn let_go(&mut self) {
        if let Some(inner) = &mut *self.seen.inner.borrow_mut() {
            inner.let_go();
        }
    }

    fn pin(&mut self, request: PinRequest<'_>) -> Result<(), BackendError> {
        let name = request.name.to_owned();
        self.seen.change(|inner| inner.pin(request))?;
        self.pin = Some(name);
        Ok(())
    }

    fn unpin(&mut self) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.unpin())?;
        self.pin = None;
        Ok(())
    }

    fn pinned(&self) -> Option<&str> {
        self.pin.as_deref()
    }

    fn lease_left(&self) -> Option<Option<Duration>> {
        self.seen.with(|inner| inner.lease_left(), None)
    }

    fn limited(&self) -> Result<u64, BackendError> {
        self.seen.with(|inner| inner.limited(), Ok(0))
    }

    fn set_quiet(&mut self, quiet: bool) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.set_quiet(quiet))
    }

    fn set_filter(&mut self, spec: &Spec) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.set_filter(spec))
    }

    fn set_scope(&mut self, scope: &Scope) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.set_scope(scope))
    }

    fn set_param(&mut self, param: &Param, value: Option<&ParamValue>) -> Result<(), BackendError> {
        self.seen.change(|inner| inner.set_param(param, value))
    }

    fn follow(&mut self, now: Instant) -> Result<Vec<Followed>, BackendError> {
        self.seen.try_change(|inner| inner.follow(now), Vec::new())
    }

    fn summaries(&self) -> Result<Vec<Summary>, BackendError> {
        self.seen.with(|inner| inner.summaries(), Ok(Vec::new()))
    }

    fn take_summaries(&mut self) -> Result<Vec<Summary>, BackendError> {
        self.seen.try_change(|inner| inner.take_summaries(), Vec::new())
    }

    fn flush(&self) {
        self.seen.with(|inner| inner.flush(), ());
    }

    fn counters(&self) -> Result<Counters, BackendError> {
        self.seen.with(|inner| inner.counters(), Ok(Counters::default()))
    }

    fn detach(self: Box<Self>) -> Result<(Counters, Vec<Summary>), BackendError> {
        match self.seen.inner.take() {
            Some(inner) => inner.detach(),
            None => Ok((Counters::default(), Vec::new())),
        }
    }
}
