//! A probe as a script holds it: its spec, what is attached of it, its callback, and its counters.
//!
//! Configured first, attached once it is whole; mode, lease, filter and params then change in the backend as well as here. A
//! change that the backend refuses leaves both as they were. What there is to say about a change is returned: the handle
//! knows nobody who could say it.

mod accounting;
mod aggregation;
mod asking;
mod breaker;
mod configure;
mod explanation;
mod limits;
mod live;
mod missing;
mod pin;
mod recorder;
mod rehearsal;
mod remarks;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use super::{
    Fault,
    program::{Callback, When},
};
use crate::{
    backend::{Attached, Backend, Door, InScope, Request},
    event::queue::Sender,
    filter::{self, Compiled},
    probe::{Counters, Mode, Scope, Spec, Summary},
    template::ParamKind,
};

pub use self::{
    asking::Asker,
    limits::LimitOf,
    missing::{Missing, Written},
    rehearsal::Rehearsal,
};

/// A probe that a script holds; clones are the same probe.
#[derive(Clone)]
pub struct ProbeHandle(Rc<RefCell<State>>);

/// A probe that others hold.
#[derive(Clone)]
pub struct WeakProbe(Weak<RefCell<State>>);

impl WeakProbe {
    pub fn upgrade(&self) -> Option<ProbeHandle> {
        self.0.upgrade().map(ProbeHandle)
    }

    pub fn is(&self, other: &WeakProbe) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

/// What is asked again and again about a probe that enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether the machine is unwell.
    Health,
    /// Whether a trigger of its own is refused.
    Canary,
}

/// What became of a probe that a script has made, also when the script does not hold it any more.
#[derive(Debug)]
pub struct Birth {
    pub id: u32,
    /// The name it has had last.
    pub name: RefCell<String>,
    pub fate: Cell<Fate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet.
    Made,
    /// It was explained or previewed, or the kernel did not take it: the script knows.
    LookedAt,
    Attached,
}

struct State {
    birth: Rc<Birth>,
    spec: Spec,
    attachment: Option<Box<dyn Attached>>,
    callback: Option<Rc<Callback>>,
    /// Asked about each event that the kernel has sent, before anything is done about it.
    condition: Option<Rc<Callback>>,
    /// Who decides about what it holds.
    asker: Option<Asker>,
    /// How many sequences and thresholds take its events.
    listeners: usize,
    /// How long its events are kept in memory, if they are.
    recorder: Option<Duration>,
    /// Another number whenever it selects or does something else.
    revision: u64,
    /// Compiled again at each attach, since captured variables may have changed.
    when: Option<When>,
    /// Whether events are wanted, if the script has said so.
    events: Option<bool>,
    /// Of former attachments.
    closed: Counters,
    /// What the aggregations of the last attachment had come to.
    closed_summaries: Vec<Summary>,
    /// Whether the script has looked at them itself.
    has_told: bool,
    /// Rows that `.top(n, …)` wants to see.
    most_rows: Option<usize>,
    /// Whether it has been attached at all, and so has books.
    has_books: bool,
    /// Whether it enforces only as long as this shell says so again and again ([`HOLD`]).
    held: bool,
    /// When the lease that the script has set runs out.
    lease_ends: Option<Instant>,
    /// It only tells at first.
    rehearsal: Option<Rehearsal>,
    /// When that is over.
    rehearsal_ends: Option<Instant>,
    /// That it has run out has been said.
    lapse_told: bool,
    /// It had run out when the probe was detached.
    closed_lapsed: bool,
    /// Where the script has given each of its params.
    written: BTreeMap<String, Written>,
    /// How many events its limits have held back, as has been said.
    limited_told: u64,
    /// That its breaker has tripped has been said.
    trip_told: bool,
    /// It had tripped when the probe was detached.
    closed_tripped: bool,
    /// Its health function has tripped it.
    health_tripped: bool,
    /// How often its health function is asked, if it has one.
    health: Option<Duration>,
    /// How often its canary is, likewise.
    canary: Option<Duration>,
    /// How often another process has changed something of it.
    altered: u64,
    /// By what it was attached last.
    door: Option<Door>,
    /// Where it sees nothing, since this kernel lacks the hook.
    missing_hooks: Vec<String>,
}

/// Enforcement without a lease of its own ends this long after the shell has last renewed it.
pub const HOLD: Duration = Duration::from_secs(20);

impl State {
    /// Whether it could only observe when it was attached last.
    pub(super) fn audit_only(&self) -> bool {
        self.door.is_some_and(|door| !door.refuses())
    }

    /// That the script has asked about it: a probe that it then lets go was not forgotten.
    pub(super) fn looked_at(&self) {
        if self.birth.fate.get() == Fate::Made {
            self.birth.fate.set(Fate::LookedAt);
        }
    }

    /// Returns the filter of what params and the closure ask, if there is one.
    ///
    /// # Errors
    /// If the closure is no filter for the template, or a param cannot be asked by one.
    pub(super) fn compiled(&self, spec: &Spec, when: Option<&When>) -> Result<Option<Compiled>, Fault> {
        let (asked, template) = (spec.asked(), &spec.template);
        match when {
            Some(when) => Ok(Some(when.compile(&asked, template)?)),
            None if asked.is_empty() => Ok(None),
            None => {
                let is_asked = |name: &&str| {
                    spec.template.param(name).is_some_and(|param| matches!(param.kind, ParamKind::Asked(_)))
                };
                let names =
                    spec.params.keys().map(String::as_str).filter(is_asked).collect::<Vec<_>>().join(", ");
                let compiled = filter::compile_asked(&asked, template);
                compiled.map(Some).map_err(|error| Fault::script(format!("params {names}: {error}")))
            }
        }
    }

    /// Whether it would enforce now, had its lease not run out.
    fn has_lapsed(&self) -> bool {
        let over = self.lease_ends.is_some_and(|end| end <= Instant::now());
        self.attachment.is_some() && self.spec.mode.enforces() && over
    }
}

impl ProbeHandle {
    pub fn new(birth: Rc<Birth>, spec: Spec) -> Self {
        ProbeHandle(Rc::new(RefCell::new(State {
            birth,
            spec,
            attachment: None,
            callback: None,
            condition: None,
            asker: None,
            listeners: 0,
            recorder: None,
            revision: 0,
            when: None,
            events: None,
            closed: Counters::default(),
            closed_summaries: Vec::new(),
            has_told: false,
            most_rows: None,
            has_books: false,
            held: false,
            lease_ends: None,
            rehearsal: None,
            rehearsal_ends: None,
            lapse_told: false,
            closed_lapsed: false,
            written: BTreeMap::new(),
            limited_told: 0,
            trip_told: false,
            closed_tripped: false,
            health_tripped: false,
            health: None,
            canary: None,
            altered: 0,
            door: None,
            missing_hooks: Vec::new(),
        })))
    }

    pub fn is(&self, other: &ProbeHandle) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub fn downgrade(&self) -> WeakProbe {
        WeakProbe(Rc::downgrade(&self.0))
    }

    pub fn id(&self) -> u32 {
        self.0.borrow().birth.id
    }

    pub fn name(&self) -> String {
        self.0.borrow().spec.name.clone()
    }

    /// That the script was told about it: one that it then lets go was not forgotten.
    pub fn look_at(&self) {
        self.0.borrow().looked_at();
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.0.borrow().spec.name == name
    }

    /// Looks at whom it is about.
    pub fn with_scope<T>(&self, look: impl FnOnce(&Scope) -> T) -> T {
        look(&self.0.borrow().spec.scope)
    }

    /// Name of the text that its functions stand in; `None` if it has none.
    pub fn source(&self) -> Option<String> {
        let state = self.0.borrow();
        let of_callback = state.callback.as_ref().map(|callback| &callback.program);
        let program = of_callback.or_else(|| state.when.as_ref().map(|when| &when.program));
        program.map(|program| program.source.name.clone())
    }

    /// Whether it has a scope that names who is meant.
    pub fn is_scoped(&self) -> bool {
        self.0.borrow().spec.scope.narrows()
    }

    pub fn template(&self) -> String {
        self.0.borrow().spec.template.name.clone()
    }

    /// Whether its template has one of these hooks.
    pub fn is_asked_at(&self, hooks: &[&str]) -> bool {
        let Ok(state) = self.0.try_borrow() else { return true };
        state.spec.template.hooks.iter().any(|hook| hooks.contains(&hook.as_str()))
    }

    pub fn mode(&self) -> Mode {
        self.0.borrow().spec.mode
    }

    pub fn attached(&self) -> bool {
        // One that is being changed is asked by what reports that.
        let Ok(state) = self.0.try_borrow() else { return true };
        state.attachment.is_some()
    }

    /// Whether it denies or kills now.
    pub fn in_force(&self) -> bool {
        let Ok(state) = self.0.try_borrow() else { return true };
        state.attachment.is_some()
            && state.spec.mode.enforces()
            && !state.has_lapsed()
            && !state.has_tripped()
    }

    pub fn callback(&self) -> Option<Rc<Callback>> {
        self.0.borrow().callback.clone()
    }

    pub fn condition(&self) -> Option<Rc<Callback>> {
        self.0.borrow().condition.clone()
    }

    pub fn set_condition(&self, condition: Option<Rc<Callback>>) {
        self.0.borrow_mut().condition = condition;
    }

    /// # Errors
    /// If the object's layout is broken.
    pub fn set_callback(&self, callback: Option<Rc<Callback>>) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.callback = callback;
        state.apply_quiet()
    }

    /// Whether a sequence or threshold takes its events.
    pub fn is_heard(&self) -> bool {
        self.0.borrow().listeners > 0
    }

    /// One more sequence or threshold takes its events.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn listen(&self) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.listeners += 1;
        state.apply_quiet()
    }

    /// One less does.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn stop_listening(&self) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.listeners = state.listeners.saturating_sub(1);
        state.apply_quiet()
    }

    /// Checks the spec, and compiles the filter with what captured variables hold now.
    ///
    /// # Errors
    /// If the spec may not be attached, or the closure is no filter for this template.
    pub fn prepare(&self) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.looked_at();
        state.spec.check()?;
        state.spec.filter = state.compiled(&state.spec, state.when.as_ref())?;
        Ok(())
    }

    /// Attaches what was [prepared](Self::prepare).
    ///
    /// # Errors
    /// If the backend refuses; then nothing is left behind.
    pub fn attach(&self, backend: &dyn Backend, events: &Sender) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        let attachment = backend.attach(Request { id: state.birth.id, spec: &state.spec, events })?;
        state.birth.fate.set(Fate::Attached);
        state.door = Some(attachment.door());
        state.missing_hooks = attachment.missing_hooks();
        state.attachment = Some(attachment);
        state.limited_told = 0;
        state.has_books = true;
        state.lease_ends = state.spec.lease.and_then(|lease| Instant::now().checked_add(lease));
        state.rehearsal_ends =
            state.rehearsal.and_then(|rehearsal| Instant::now().checked_add(rehearsal.lasts));
        (state.lapse_told, state.closed_lapsed) = (false, false);
        (state.trip_told, state.closed_tripped, state.health_tripped) = (false, false, false);
        state.hold()?;
        drop(state);
        self.say_what_it_is();
        Ok(())
    }

    /// Detaches; nothing happens if it is not attached. Its books stay.
    ///
    /// # Errors
    /// If the books cannot be read; it is detached all the same.
    pub fn detach(&self) -> Result<(), Fault> {
        let attachment = {
            let mut state = self.0.borrow_mut();
            state.closed_lapsed = state.has_lapsed();
            state.closed_tripped |= state.has_tripped();
            state.attachment.take()
        };
        let Some(attachment) = attachment else { return Ok(()) };
        let (counters, summaries) = attachment.detach()?;
        let mut state = self.0.borrow_mut();
        state.closed = state.closed + counters;
        state.closed_summaries = summaries;
        Ok(())
    }

    /// Returns hooks of its template that this kernel does not have, as of its last attach.
    pub fn missing_hooks(&self) -> Vec<String> {
        self.0.borrow().missing_hooks.clone()
    }

    /// By what it was attached last, if ever.
    pub fn door(&self) -> Option<Door> {
        self.0.borrow().door
    }

    /// Why no better door could be had, if it is attached by another than the best and that was not chosen.
    pub fn no_better_door(&self) -> Option<String> {
        self.0.borrow().attachment.as_ref()?.no_better_door().map(str::to_owned)
    }

    /// Whether it can only observe.
    pub fn audit_only(&self) -> bool {
        let state = self.0.borrow();
        state.attachment.is_some() && state.audit_only()
    }

    /// The processes that its scope applies to now.
    ///
    /// # Errors
    /// If the scope names what is not there, or the kernel refuses.
    pub fn preview(&self, backend: &dyn Backend) -> Result<Vec<InScope>, Fault> {
        let state = self.0.borrow();
        state.looked_at();
        Ok(backend.preview(&state.spec)?)
    }
}
