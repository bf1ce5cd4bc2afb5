//! A backend that writes down what happens at another one.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    line::{Attach, Begin, EventLine, Line, Rule, Secrets, VERSION},
    writer::{Trouble, Writer},
};
use crate::{
    backend::{
        Altered, Attached, Backend, BackendError, Clock, Door, Followed, InScope, Passed, PinRequest, Pinned,
        Request,
    },
    event::Event,
    facts::bpf::Program,
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    report::{event_line, hidden, hidden_summaries, masked_record, secrets_are_shown},
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
    /// What else has to be said.
    notice: RefCell<Option<String>>,
    /// Of the files that are ended.
    trouble: RefCell<Trouble>,
    path: PathBuf,
    parts: Cell<Parts>,
    part: Cell<Part>,
    /// What is attached now, for the beginning of the next file.
    attached: RefCell<BTreeMap<u32, Attach>>,
    /// Of these, what was detached since this file was begun.
    ended: RefCell<Vec<u32>>,
    /// Whose breaker has tripped, of these.
    tripped: RefCell<BTreeSet<u32>>,
    /// How the first file begins.
    begin: Begin,
}

/// What a session is.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The script's name.
    pub script: String,
    pub args: Vec<String>,
    /// The process that it is about.
    pub target: Option<i32>,
}

/// When a recording goes on in another file, and how many are kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts {
    /// In bytes.
    pub size: Option<u64>,
    pub age: Option<Duration>,
    /// The one that is being written is among them.
    pub keep: Option<u32>,
}

/// The file that is being written.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// From 1.
    number: u32,
    begun: Instant,
    events: u64,
    /// Of them, those that had secrets.
    redacted: u64,
}

/// How a file begins that is written from now on.
pub(super) fn begin(about: About) -> Begin {
    let system = nix::sys::utsname::uname().ok();
    let named = |name: Option<&std::ffi::OsStr>| {
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    Begin {
        version: VERSION,
        krsi_sh: env!("CARGO_PKG_VERSION").to_owned(),
        at: clock::monotonic_ns().cast_unsigned(),
        wall_offset_ns: clock::wall_offset_ns(),
        host: named(system.as_ref().map(nix::sys::utsname::UtsName::nodename)),
        kernel: named(system.as_ref().map(nix::sys::utsname::UtsName::release)),
        script: about.script,
        args: match secrets_are_shown() {
            true => about.args,
            false => about.args.iter().map(|arg| hidden(arg).into_owned()).collect(),
        },
        secrets: if secrets_are_shown() { Secrets::Shown } else { Secrets::Redacted },
        target: about.target,
        part: None,
    }
}

/// `monday.ndjson.zst`, `monday.2.ndjson.zst` …
fn part_path(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A name may begin with a dot.
    let stem = name[1.min(name.len())..].find('.').map_or(name.len(), |dot| dot + 1);
    path.with_file_name(format!("{}.{number}{}", &name[..stem], &name[stem..]))
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
    pub fn create(path: &Path, about: About, parts: Parts) -> std::io::Result<Self> {
        let file = Writer::create(path)?;
        let begin = begin(about);
        let (at, wall_offset_ns) = (begin.at, begin.wall_offset_ns);
        let recording = Recording(Rc::new(State {
            clock: Rc::new(Clock::in_steps(at, wall_offset_ns)),
            file: RefCell::new(file),
            group: Cell::new(at),
            attachments: Cell::new(0),
            by: RefCell::default(),
            events: Cell::new(0),
            told_trouble: Cell::new(false),
            path: path.to_owned(),
            parts: Cell::new(parts),
            part: Cell::new(Part { number: 1, begun: Instant::now(), events: 0, redacted: 0 }),
            attached: RefCell::default(),
            ended: RefCell::default(),
            tripped: RefCell::default(),
            notice: RefCell::default(),
            trouble: RefCell::default(),
            begin,
        }));
        recording.line(&Line::Recording(recording.0.begin.clone()));
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
        let State { events, trouble, .. } = &*self.0;
        self.end_part();
        (events.get(), trouble.borrow().clone())
    }

    /// Ends the file that is being written.
    fn end_part(&self) {
        let State { clock, file, part, trouble, .. } = &*self.0;
        if file.borrow().trouble() == Trouble::default() {
            let Part { events, redacted, .. } = part.get();
            self.line(&Line::End { at: clock.kernel_ns(), events, redacted });
        }
        let Trouble { why, unwritten } = file.borrow_mut().finish();
        let mut trouble = trouble.borrow_mut();
        trouble.unwritten += unwritten;
        trouble.why = trouble.why.take().or(why);
    }

    /// Goes on in another file if this one is large or old enough.
    fn turn_over(&self) {
        let State { file, part, parts, path, begin, attached, ended, clock, notice, .. } = &*self.0;
        let (now, limits) = (part.get(), parts.get());
        let is_full = limits.size.is_some_and(|most| file.borrow().size() >= most);
        if !is_full && limits.age.is_none_or(|most| now.begun.elapsed() < most) {
            return;
        }
        let number = now.number + 1;
        let next = match Writer::create(&part_path(path, number)) {
            Ok(next) => next,
            Err(error) => {
                parts.set(Parts::default());
                *notice.borrow_mut() = Some(format!(
                    "the recording goes on in the same file, however large it becomes: cannot make {}: {error}",
                    part_path(path, number).display()
                ));
                return;
            }
        };
        self.end_part();
        *file.borrow_mut() = next;
        part.set(Part { number, begun: Instant::now(), events: 0, redacted: 0 });
        let at = clock.kernel_ns();
        self.line(&Line::Recording(Begin { at, ..begin.clone() }));
        let mut attached = attached.borrow_mut();
        for attach in attached.values() {
            self.line(&Line::Attach(Attach { at, ..attach.clone() }));
        }
        for by in self.0.tripped.borrow().iter().copied() {
            self.line(&Line::Tripped { by, at, looked: at });
        }
        for by in ended.take() {
            attached.remove(&by);
        }
        if let Some(oldest) =
            limits.keep.and_then(|keep| number.checked_sub(keep)).filter(|oldest| *oldest > 0)
        {
            // One that has gone already is what is wanted.
            let _ = std::fs::remove_file(part_path(path, oldest));
        }
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
        self.line(&Line::Counted { by, at, summaries: hidden_summaries(summaries) });
    }

    fn event(&self, event: &Event) {
        let State { by, group, events, file, part, .. } = &*self.0;
        let by = by.borrow().get(event.probe()).copied().unwrap_or_default();
        let masked = masked_record(event);
        let own = EventLine {
            by,
            at: group.get(),
            wall_offset_ns: event.wall_offset_ns(),
            record: &super::base64(masked.as_deref().unwrap_or(event.record())),
        };
        events.set(events.get() + 1);
        let Part { events, redacted, .. } = part.get();
        let redacted = redacted + u64::from(masked.is_some());
        part.set(Part { events: events + 1, redacted, ..part.get() });
        file.borrow().line(own.written(&event_line(event)));
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
        let attach = Attach::of(number, at, request.spec, inner.door());
        self.recording.line(&Line::Attach(attach.clone()));
        self.recording.0.attached.borrow_mut().insert(number, attach);
        let spec = request.spec.clone();
        Ok(Box::new(Watched { inner, by: number, spec, recording: self.recording.clone() }))
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
        Rc::clone(&self.recording.0.clock)
    }

    fn notice(&self) -> Option<String> {
        let State { file, told_trouble, notice, .. } = &*self.recording.0;
        if let Some(notice) = notice.take() {
            return Some(notice);
        }
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
            Passed::Looked(moment) => {
                // Between two groups, so that none is torn.
                recording.turn_over();
                group.set(clock.ns_of(moment));
            }
            Passed::Asked => {
                let at = recording.step();
                recording.line(&Line::Time { at });
            }
            Passed::Due(moment) => clock.step_to(moment),
            Passed::Tells => {}
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
        let rule = Rule::of(&self.spec);
        if let Some(attach) = self.recording.0.attached.borrow_mut().get_mut(&by) {
            (attach.rule, attach.quiet) = (rule.clone(), quiet);
        }
        self.recording.line(&Line::Change { by, at, quiet, rule });
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

    fn altered(&mut self, asking: bool) -> Result<Vec<Altered>, BackendError> {
        let altered = self.inner.altered(asking)?;
        if !altered.is_empty() {
            let at = self.recording.step();
            let looked = self.recording.0.group.get();
            self.recording.line(&Line::Altered { by: self.by, at, looked, altered: altered.clone() });
        }
        Ok(altered)
    }

    fn set_lease(&mut self, lease: Option<Duration>) -> Result<(), BackendError> {
        self.inner.set_lease(lease)
    }

    fn tripped(&self, asked: bool) -> Result<bool, BackendError> {
        let tripped = self.inner.tripped(asked)?;
        if asked {
            let at = self.recording.step();
            self.recording.line(&Line::Asked { by: self.by, at, tripped });
            return Ok(tripped);
        }
        // Once, when it is seen.
        if tripped && self.recording.0.tripped.borrow_mut().insert(self.by) {
            let at = self.recording.step();
            let looked = self.recording.0.group.get();
            self.recording.line(&Line::Tripped { by: self.by, at, looked });
        }
        Ok(tripped)
    }

    fn rearm(&mut self) -> Result<(), BackendError> {
        self.recording.0.tripped.borrow_mut().remove(&self.by);
        self.inner.rearm()
    }

    fn let_go(&mut self) {
        self.inner.let_go();
    }

    /// Nothing that a script sees hangs on it.
    fn limited(&self) -> Result<u64, BackendError> {
        self.inner.limited()
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

    fn pin(&mut self, request: PinRequest<'_>) -> Result<(), BackendError> {
        self.inner.pin(request)
    }

    fn unpin(&mut self) -> Result<(), BackendError> {
        self.inner.unpin()
    }

    fn lease_left(&self) -> Option<Option<Duration>> {
        self.inner.lease_left()
    }

    fn pinned(&self) -> Option<&str> {
        self.inner.pinned()
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
        recording.0.tripped.borrow_mut().remove(&by);
        let at = recording.step();
        // Events of its may still be under way.
        recording.0.ended.borrow_mut().push(by);
        recording.line(&Line::Detach { by, at, counters, summaries: hidden_summaries(&summaries) });
        Ok((counters, summaries))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        backend::DryRun,
        event::{Source, queue},
        recording::Replay,
        template::Catalogue,
    };

    #[test]
    fn a_part_has_its_number_before_what_the_name_ends_with() {
        let named = |path: &str, number| part_path(Path::new(path), number).to_string_lossy().into_owned();
        assert_eq!(named("/a/monday.ndjson.zst", 1), "/a/monday.ndjson.zst");
        assert_eq!(named("/a/monday.ndjson.zst", 12), "/a/monday.12.ndjson.zst");
        assert_eq!([named("plain", 2), named(".hidden.zst", 2)], ["plain.2", ".hidden.2.zst"]);
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_each_can_be_replayed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.ndjson");
        let parts = Parts { size: Some(10_000), keep: Some(3), ..Parts::default() };
        let recording = Recording::create(&path, About::default(), parts).unwrap();
        let backend = recording.of(Box::new(DryRun));
        let template = Arc::clone(Catalogue::builtin().unwrap().get("exec").unwrap());
        let spec = Spec::new(Arc::clone(&template), "p".into());
        let (events, _received) = queue::queue(10);
        let attached = backend.attach(Request { id: 1, spec: &spec, events: &events }).unwrap();
        let record = vec![0; template.event_size - spec.told().skipped(&template)];
        let source = Arc::new(Source::new(Arc::clone(&template), "p".into(), spec.told()));
        let event = Event::of_source(&source, &record, 0).unwrap();
        let begun = Instant::now();
        while recording.0.part.get().number < 5 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no other file was begun");
            backend.passed(Passed::Looked(backend.clock().now()));
            backend.passed(Passed::Event(&event));
        }
        drop(attached);
        let (all, trouble) = recording.finish();
        assert_eq!(trouble, Trouble::default());
        let mut names: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["file.3.ndjson", "file.4.ndjson", "file.5.ndjson"]);
        for name in names {
            let replay = Replay::open(&directory.path().join(name), false).unwrap();
            let probe = replay.attach(Request { id: 1, spec: &spec, events: &events }).unwrap();
            use crate::backend::{Next, Recorded};
            let count =
                std::iter::from_fn(|| (replay.next(None) == Next::Event).then_some(())).count() as u64;
            assert!(count > 0 && count < all, "{count} of {all}");
            assert_eq!(replay.events(), count);
            assert_eq!(probe.counters().unwrap().seen, count);
        }
    }
}
