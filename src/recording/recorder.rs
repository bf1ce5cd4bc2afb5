//! A backend that writes down what happens at another one.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    line::{Attach, Begin, EventLine, Line, Rule, VERSION},
    writer::{Trouble, Writer},
};
use crate::{
    backend::{Attached, Backend, BackendError, Clock, Door, Followed, InScope, Passed, Request},
    event::Event,
    facts::bpf::Program,
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    report::{event_json, line_json},
    system::clock,
    template::Param,
};

/// The file of a session, until it is [finished](Recording::finish).
#[derive(Clone)]
pub struct Recording(Rc<State>);

struct State {
    clock: Rc<Clock>,
    file: RefCell<Writer>,
    /// Until when timers have been looked at before what is handled now.
    group: Cell<u64>,
    attachments: Cell<u32>,
    /// The last attachment of each probe.
    by: RefCell<HashMap<String, u32>>,
    events: Cell<u64>,
    /// That it cannot be written any further has been said.
    told_trouble: Cell<bool>,
}

/// Writes a session down that goes on at another backend.
pub struct Recorder {
    inner: Box<dyn Backend>,
    recording: Recording,
}

impl Recording {
    /// Begins a file.
    ///
    /// # Errors
    /// If it cannot be made, or is there already.
    pub fn create(path: &Path, script: &str, args: &[String], target: Option<i32>) -> std::io::Result<Self> {
        let file = Writer::create(path)?;
        let (at, wall_offset_ns) = (clock::monotonic_ns().cast_unsigned(), clock::wall_offset_ns());
        let system = nix::sys::utsname::uname().ok();
        let named = |name: Option<&std::ffi::OsStr>| {
            name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        };
        let recording = Recording(Rc::new(State {
            clock: Rc::new(Clock::in_steps(at, wall_offset_ns)),
            file: RefCell::new(file),
            group: Cell::new(at),
            attachments: Cell::new(0),
            by: RefCell::default(),
            events: Cell::new(0),
            told_trouble: Cell::new(false),
        }));
        recording.line(&Line::Recording(Begin {
            version: VERSION,
            krsi_sh: env!("CARGO_PKG_VERSION").to_owned(),
            at,
            wall_offset_ns,
            host: named(system.as_ref().map(nix::sys::utsname::UtsName::nodename)),
            kernel: named(system.as_ref().map(nix::sys::utsname::UtsName::release)),
            script: script.to_owned(),
            args: args.to_vec(),
            target,
        }));
        Ok(recording)
    }

    /// Returns a backend that does what this one does, and writes it down here.
    #[must_use]
    pub fn of(&self, inner: Box<dyn Backend>) -> Recorder {
        Recorder { inner, recording: self.clone() }
    }

    /// Ends the file; returns how many events it has, and what could not be written.
    #[must_use]
    pub fn finish(&self) -> (u64, Trouble) {
        let State { clock, file, events, .. } = &*self.0;
        if file.borrow().trouble() == Trouble::default() {
            self.line(&Line::End { at: clock.kernel_ns(), events: events.get() });
        }
        (events.get(), file.borrow_mut().finish())
    }

    fn line(&self, line: &Line) {
        // A struct of numbers and texts.
        if let Ok(line) = serde_json::to_string(line) {
            self.0.file.borrow().line(line);
        }
    }

    /// Goes on to the time that it really is.
    fn step(&self) -> u64 {
        self.0.clock.step(clock::monotonic_ns().cast_unsigned());
        self.0.clock.kernel_ns()
    }

    fn counted(&self, by: u32, summaries: &[Summary]) {
        let at = self.step();
        self.line(&Line::Counted { by, at, summaries: summaries.to_vec() });
    }

    fn event(&self, event: &Event) {
        let State { by, group, events, file, .. } = &*self.0;
        let by = by.borrow().get(event.probe()).copied().unwrap_or_default();
        let own = EventLine {
            by,
            at: group.get(),
            wall_offset_ns: event.wall_offset_ns(),
            record: &super::base64(event.record()),
        };
        events.set(events.get() + 1);
        file.borrow().line(own.written(&line_json("event", &event_json(event))));
    }
}

impl Backend for Recorder {
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError> {
        let inner = self.inner.attach(request)?;
        let State { attachments, by, .. } = &*self.recording.0;
        let number = attachments.get() + 1;
        attachments.set(number);
        by.borrow_mut().insert(request.spec.name.clone(), number);
        let at = self.recording.step();
        self.recording.line(&Line::Attach(Attach::of(number, at, request.spec, inner.door())));
        let spec = request.spec.clone();
        Ok(Box::new(Watched { inner, by: number, spec, recording: self.recording.clone() }))
    }

    fn preview(&self, spec: &Spec) -> Result<Vec<InScope>, BackendError> {
        self.inner.preview(spec)
    }

    fn programs(&self) -> Result<Vec<Program>, BackendError> {
        self.inner.programs()
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn clock(&self) -> Rc<Clock> {
        Rc::clone(&self.recording.0.clock)
    }

    fn notice(&self) -> Option<String> {
        let State { file, told_trouble, .. } = &*self.recording.0;
        if told_trouble.get() {
            return None;
        }
        let why = file.borrow().trouble().why;
        told_trouble.set(why.is_some());
        why.map(|why| format!("the recording ends here: {why}; the session goes on"))
    }

    fn passed(&self, step: Passed<'_>) {
        let recording = &self.recording;
        let State { clock, group, .. } = &*recording.0;
        match step {
            Passed::Looked(moment) => group.set(clock.ns_of(moment)),
            Passed::Asked => {
                let at = recording.step();
                recording.line(&Line::Time { at });
            }
            Passed::Due(moment) => clock.step_to(moment),
            Passed::Waits(until) => {
                let at = recording.step();
                group.set(at);
                recording.line(&Line::Settle { at, until: clock.ns_of(until) });
            }
            Passed::Waited => {
                let at = recording.step();
                recording.line(&Line::Settled { at });
            }
            Passed::Matches(until) => {
                let at = recording.step();
                recording.line(&Line::Match { at, until, looked: group.get() });
            }
            Passed::Event(event) => {
                clock.step(group.get());
                recording.event(event);
            }
            Passed::Closes => {
                let at = recording.step();
                recording.line(&Line::Close { at, looked: group.get() });
                group.set(at);
            }
        }
    }
}

/// A probe of which it is written down what it does and tells.
struct Watched {
    inner: Box<dyn Attached>,
    by: u32,
    /// As it is now.
    spec: Spec,
    recording: Recording,
}

impl Watched {
    /// Writes down that it has become another one.
    fn changed(&mut self, change: impl FnOnce(&mut Spec)) {
        change(&mut self.spec);
        let (by, at, quiet) = (self.by, self.recording.step(), self.spec.quiet);
        self.recording.line(&Line::Change { by, at, quiet, rule: Rule::of(&self.spec) });
    }
}

impl Attached for Watched {
    fn door(&self) -> Door {
        self.inner.door()
    }

    fn no_better_door(&self) -> Option<&str> {
        self.inner.no_better_door()
    }

    fn missing_hooks(&self) -> Vec<String> {
        self.inner.missing_hooks()
    }

    fn remarks(&self) -> Vec<String> {
        self.inner.remarks()
    }

    fn param_remarks(&self, param: &str) -> Vec<String> {
        self.inner.param_remarks(param)
    }

    fn say(&mut self, text: &str) {
        self.inner.say(text);
    }

    fn set_mode(&mut self, mode: Mode) -> Result<(), BackendError> {
        self.inner.set_mode(mode)?;
        self.changed(|spec| spec.mode = mode);
        Ok(())
    }

    fn standing(&self, tid: u32, asked_ns: u64) -> Standing {
        self.inner.standing(tid, asked_ns)
    }

    fn answer(&mut self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, BackendError> {
        self.inner.answer(tid, asked_ns, reply)
    }

    fn only_observes(&self) -> Result<bool, BackendError> {
        self.inner.only_observes()
    }

    fn set_lease(&mut self, lease: Option<Duration>) -> Result<(), BackendError> {
        self.inner.set_lease(lease)
    }

    fn set_quiet(&mut self, quiet: bool) -> Result<(), BackendError> {
        self.inner.set_quiet(quiet)?;
        self.changed(|spec| spec.quiet = quiet);
        Ok(())
    }

    fn set_filter(&mut self, spec: &Spec) -> Result<(), BackendError> {
        self.inner.set_filter(spec)?;
        self.changed(|own| *own = spec.clone());
        Ok(())
    }

    fn set_scope(&mut self, scope: &Scope) -> Result<(), BackendError> {
        self.inner.set_scope(scope)?;
        self.changed(|spec| spec.scope = scope.clone());
        Ok(())
    }

    fn set_param(&mut self, param: &Param, value: Option<&ParamValue>) -> Result<(), BackendError> {
        self.inner.set_param(param, value)?;
        self.changed(|spec| {
            match value {
                Some(value) => spec.params.insert(param.name.clone(), value.clone()),
                None => spec.params.remove(&param.name),
            };
        });
        Ok(())
    }

    fn follow(&mut self, now: Instant) -> Result<Vec<Followed>, BackendError> {
        self.inner.follow(now)
    }

    fn summaries(&self) -> Result<Vec<Summary>, BackendError> {
        let summaries = self.inner.summaries()?;
        self.recording.counted(self.by, &summaries);
        Ok(summaries)
    }

    fn take_summaries(&mut self) -> Result<Vec<Summary>, BackendError> {
        let summaries = self.inner.take_summaries()?;
        self.recording.counted(self.by, &summaries);
        Ok(summaries)
    }

    fn flush(&self) {
        self.inner.flush();
    }

    fn counters(&self) -> Result<Counters, BackendError> {
        let counters = self.inner.counters()?;
        let at = self.recording.step();
        self.recording.line(&Line::Decided { by: self.by, at, counters });
        Ok(counters)
    }

    fn detach(self: Box<Self>) -> Result<(Counters, Vec<Summary>), BackendError> {
        let Watched { inner, by, recording, .. } = *self;
        let (counters, summaries) = inner.detach()?;
        let at = recording.step();
        recording.line(&Line::Detach { by, at, counters, summaries: summaries.clone() });
        Ok((counters, summaries))
    }
}
