//! A backend whose events come from a recording. Nothing is attached, and nothing is decided any more.
//!
//! A probe is given the events of those that were recorded of its template: of the one that has its name, or of all that there are, if
//! they have one name. If it selects what that one selected, it has just its events, counters and counts; otherwise its own scope, filter
//! and mode are asked, and its verdicts are what it *would* have answered.

mod probe;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
    path::Path,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use self::probe::{Probe, Replayed};
use super::{
    judge::obstacle,
    line::{Attach, Line, Part, counts, layout},
    reader::{Handled, ReadError, ReadLine, Reader},
};
use crate::{
    backend::{Attached, Backend, BackendError, Clock, InScope, Next, Passed, Recorded, Request},
    event::{Event, Source},
    facts::bpf::Program,
    probe::{Counters, Spec, Summary},
    template::Catalogue,
};

/// A recording that is lived through again; clones are the same.
#[derive(Clone)]
pub struct Replay(Rc<State>);

struct State {
    clock: Rc<Clock>,
    reader: RefCell<Reader>,
    /// Everything that was attached, as it is now, by its number.
    past: RefCell<HashMap<u32, Attach>>,
    /// The names of probes, each with its template.
    names: Vec<(String, String)>,
    attached: RefCell<Vec<Rc<RefCell<Probe>>>>,
    /// Whether it tells when sequences and thresholds were given their events.
    tells_matches: bool,
    progress: Cell<Progress>,
    /// What was detached when the session closed.
    detached: RefCell<HashMap<u32, (Counters, Vec<Summary>)>>,
    events: Cell<u64>,
    /// Of them, those of no probe that the recording names.
    strays: Cell<u64>,
    /// Whether the recording was ended by its writer.
    is_whole: Cell<bool>,
    /// Events whose secrets are written over, as far as the end tells.
    redacted: Cell<u64>,
    /// A line that is none.
    trouble: RefCell<Option<ReadError>>,
    /// Answers that are kept, if they are.
    answers: Option<RefCell<Vec<Answered>>>,
}

/// What the next line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Event,
    Match(u64, u64),
    Settle(u64),
    Settled(u64),
    /// Something was told that is no event.
    Told(u64),
    Close,
    /// What only counts if somebody asks for it now.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Goes,
    /// The session closes where the recorded one did.
    Closes,
    /// It closes elsewhere: what comes behind is nothing of its.
    ClosesElsewhere,
}

/// What a probe has answered about an event of a recording.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answered {
    /// Number of the event's line.
    pub line: u64,
    pub probe: String,
    pub verdict: String,
}

impl Replay {
    /// Opens a recording. If `keeps_answers`, what probes answer about each event is kept for [`Replay::answers`].
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn open(path: &Path, keeps_answers: bool) -> Result<Self, ReadError> {
        let reader = Reader::open(path)?;
        let begin = reader.of();
        let clock = Rc::new(Clock::in_steps(begin.at, begin.wall_offset_ns));
        let all = reader.attached();
        let mut names: Vec<_> = all.iter().map(|past| (past.probe.clone(), past.template.clone())).collect();
        names.sort();
        names.dedup();
        let tells_matches = reader.tells_matches();
        let past = all.iter().map(|past| (past.by, past.clone())).collect();
        Ok(Replay(Rc::new(State {
            clock,
            past: RefCell::new(past),
            names,
            reader: RefCell::new(reader),
            attached: RefCell::default(),
            tells_matches,
            progress: Cell::new(Progress::Goes),
            detached: RefCell::default(),
            events: Cell::new(0),
            strays: Cell::new(0),
            is_whole: Cell::new(false),
            redacted: Cell::new(0),
            trouble: RefCell::default(),
            answers: keeps_answers.then(RefCell::default),
        })))
    }

    /// Returns the process that the recorded session was about.
    #[must_use]
    pub fn target(&self) -> Option<i32> {
        self.0.reader.borrow().of().target
    }

    /// Returns of which part of a session it is, if it is not one from its beginning on.
    #[must_use]
    pub fn part(&self) -> Option<Part> {
        self.0.reader.borrow().of().part.clone()
    }

    /// Returns how many of its events have come.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.0.events.get()
    }

    /// Returns how many of its events had secrets that are written over, as far as its end has been read.
    #[must_use]
    pub fn redacted(&self) -> u64 {
        self.0.redacted.get()
    }

    /// Returns why it was not read to its end, if that is for a line that is none.
    #[must_use]
    pub fn trouble(&self) -> Option<ReadError> {
        self.0.trouble.take()
    }

    /// Gives each event as it was handled, whichever probe sent it, until `each` has enough; returns how many there are that cannot be
    /// read, since their template is unknown or has other fields now.
    ///
    /// # Errors
    /// If a line is none.
    pub fn each(
        &self,
        catalogue: &Catalogue,
        mut each: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        let state = &self.0;
        let mut sources: HashMap<u32, Option<Arc<Source>>> = HashMap::new();
        let mut unreadable = 0;
        loop {
            let is_event = match state.reader.borrow_mut().peek()? {
                Some(line) => matches!(line, ReadLine::Event(_)),
                None => return Ok(unreadable),
            };
            if !is_event {
                state.pass();
                continue;
            }
            let Some(ReadLine::Event(handled)) = state.reader.borrow_mut().take() else { continue };
            state.events.set(state.events.get() + 1);
            let source = sources.entry(handled.by).or_insert_with(|| {
                let past = state.past.borrow();
                let past = past.get(&handled.by)?;
                let template = catalogue.get(&past.template).filter(|known| layout(known) == past.layout)?;
                let name = past.probe.as_str().into();
                Some(Arc::new(Source::new(Arc::clone(template), name, past.tells.told())))
            });
            let event = source
                .as_ref()
                .and_then(|source| Event::of_source(source, &handled.record, handled.wall_offset_ns).ok());
            match event {
                Some(event) if each(&event).is_break() => return Ok(unreadable),
                Some(_) => {}
                None => unreadable += 1,
            }
        }
    }

    /// Returns why something may be missing in what [`each`](Self::each) has given, a sentence each.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        Recorded::doubts(self)
    }

    /// Returns which probes did not tell everything about their scope when this was recorded, a sentence each.
    #[must_use]
    pub fn narrowed(&self) -> Vec<String> {
        let past = self.0.past.borrow();
        let mut all: Vec<_> = past.values().filter(|past| !past.rule.is_everything_in_scope()).collect();
        all.sort_by_key(|past| past.by);
        let sentence = |past: &Attach| {
            format!("the recording has only what `{}` selected ({})", past.probe, past.rule.selects_in_words)
        };
        all.into_iter().map(sentence).collect()
    }

    /// Returns what probes have answered, event by event.
    #[must_use]
    pub fn answers(&self) -> Vec<Answered> {
        let mut answers = self.0.answers.as_ref().map(RefCell::take).unwrap_or_default();
        answers.sort();
        answers
    }
}

impl State {
    /// Looks at the next line.
    fn peek<T>(&self, look: impl FnOnce(&ReadLine) -> T) -> Option<T> {
        match self.reader.borrow_mut().peek() {
            Ok(line) => line.map(look),
            Err(error) => {
                self.trouble.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    /// Looks at the next line that is the answer to something, or an event: behind those that tell what nobody asked for.
    fn peek_answer<T>(&self, look: impl FnOnce(&ReadLine) -> T) -> Option<T> {
        let mut reader = self.reader.borrow_mut();
        for distance in 0.. {
            match reader.peek_at(distance) {
                Ok(Some(line)) if is_told(line) => {}
                Ok(line) => return line.map(look),
                Err(error) => {
                    self.trouble.borrow_mut().get_or_insert(error);
                    return None;
                }
            }
        }
        None
    }

    /// Takes the next lines that tell what nobody asked for.
    fn pass_told(&self) {
        while self.peek(is_told) == Some(true) {
            self.pass();
        }
    }

    /// Takes the next line, which is none of an event, and remembers what it says.
    fn pass(&self) {
        let taken = self.reader.borrow_mut().take();
        match taken {
            Some(ReadLine::Other(Line::Change { by, quiet, rule, .. })) => {
                if let Some(past) = self.past.borrow_mut().get_mut(&by) {
                    (past.rule, past.quiet) = (rule, quiet);
                }
            }
            Some(ReadLine::Other(Line::Tripped { by, at, .. })) => {
                self.clock.step(at);
                for probe in self.attached.borrow().iter() {
                    let is_its = self.is_as_it_was(&probe.borrow(), by);
                    probe.borrow_mut().tripped |= is_its;
                }
            }
            Some(ReadLine::Other(Line::Altered { by, at, altered, .. })) => {
                self.clock.step(at);
                for probe in self.attached.borrow().iter() {
                    if self.is_as_it_was(&probe.borrow(), by) {
                        probe.borrow_mut().altered.extend(altered.iter().cloned());
                    }
                }
            }
            Some(ReadLine::Other(Line::Detach { by, at, counters, summaries })) => {
                if self.progress.get() == Progress::Closes {
                    self.clock.step(at);
                }
                self.detached.borrow_mut().insert(by, (counters, summaries));
            }
            Some(ReadLine::Other(Line::End { redacted, .. })) => {
                self.is_whole.set(true);
                self.redacted.set(redacted);
            }
            _ => {}
        }
    }

    /// Takes the next event.
    fn event(&self) -> bool {
        let taken = self.reader.borrow_mut().take();
        let Some(ReadLine::Event(handled)) = taken else { return false };
        self.clock.step(handled.at);
        self.events.set(self.events.get() + 1);
        self.deliver(&handled);
        true
    }

    fn deliver(&self, handled: &Handled) {
        let past = self.past.borrow();
        let Some(past) = past.get(&handled.by) else {
            self.strays.set(self.strays.get() + 1);
            return;
        };
        for probe in self.attached.borrow().iter() {
            let mut probe = probe.borrow_mut();
            if probe.is_over || !probe.from.contains(&handled.by) {
                continue;
            }
            if let Some(verdict) = probe.take(past, handled)
                && let Some(answers) = &self.answers
            {
                let answered = Answered { line: handled.line, probe: probe.spec.name.clone(), verdict };
                answers.borrow_mut().push(answered);
            }
        }
    }

    /// What the next line is, and until when timers were called before it.
    fn ahead(&self) -> Option<(Ahead, u64)> {
        self.peek(|line| match line {
            ReadLine::Event(handled) => (Ahead::Event, handled.at),
            ReadLine::Other(line) => {
                let ahead = match line {
                    Line::Close { .. } | Line::End { .. } => Ahead::Close,
                    Line::Match { at, until, .. } => Ahead::Match(*at, *until),
                    Line::Settle { at, .. } => Ahead::Settle(*at),
                    Line::Settled { at } => Ahead::Settled(*at),
                    Line::Tripped { at, .. } | Line::Altered { at, .. } => Ahead::Told(*at),
                    _ => Ahead::Other,
                };
                (ahead, line.at())
            }
        })
    }

    /// Whether the next line is the answer to what a probe was asked that has these events.
    fn answer<T>(
        &self,
        probe: &RefCell<Probe>,
        take: impl FnOnce(&Line) -> Option<(u32, u64, T)>,
    ) -> Option<T> {
        let found = self.peek_answer(|line| match line {
            ReadLine::Other(line) => take(line),
            ReadLine::Event(_) => None,
        });
        let (by, at, value) = found.flatten()?;
        if !self.is_as_it_was(&probe.borrow(), by) {
            return None;
        }
        self.pass_told();
        self.pass();
        self.clock.step(at);
        Some(value)
    }

    /// Whether a probe selects and counts what that one did.
    fn is_as_it_was(&self, probe: &Probe, by: u32) -> bool {
        self.past.borrow().get(&by).is_some_and(|past| {
            probe.from.contains(&by)
                && past.probe == probe.spec.name
                && past.rule.selects == probe.rule.selects
                && past.counts == counts(&probe.spec)
        })
    }
}

fn is_told(line: &ReadLine) -> bool {
    matches!(line, ReadLine::Other(Line::Tripped { .. } | Line::Altered { .. }))
}

fn refused(text: String) -> BackendError {
    BackendError { text, about: None }
}

impl State {
    /// The probes of the recording whose events a probe is given.
    fn origin(&self, spec: &Spec) -> Result<Vec<Attach>, BackendError> {
        let template = &spec.template.name;
        let past = self.past.borrow();
        let all: Vec<&Attach> = past.values().filter(|past| past.template == *template).collect();
        let names: BTreeSet<&str> = all.iter().map(|past| past.probe.as_str()).collect();
        let name = match names.len() {
            _ if names.contains(spec.name.as_str()) => spec.name.as_str(),
            1 => names.first().copied().unwrap_or_default(),
            0 => {
                let there: Vec<_> =
                    self.names.iter().map(|(name, template)| format!("{name} ({template})")).collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                return Err(refused(format!(
                    "the recording has no probe of template `{template}`; its probes are: {there}"
                )));
            }
            _ => {
                let names: Vec<_> = names.into_iter().collect();
                return Err(refused(format!(
                    "the recording has several probes of template `{template}`: {}; give this one the `.name(…)` of the one whose events it is to have",
                    names.join(", ")
                )));
            }
        };
        Ok(all.into_iter().filter(|past| past.probe == name).cloned().collect())
    }
}

impl Backend for Replay {
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError> {
        let state = &self.0;
        let spec = request.spec.clone();
        let from = state.origin(&spec)?;
        if let Some(why) = from.iter().find_map(|past| obstacle(&spec, past, &past.rule)) {
            return Err(refused(why));
        }
        // The same session attaches when that one did.
        let now = state.peek_answer(|line| match line {
            ReadLine::Other(Line::Attach(past)) if past.probe == spec.name => Some(past.at),
            _ => None,
        });
        if let Some(at) = now.flatten() {
            state.pass_told();
            state.pass();
            state.clock.step(at);
        }
        let probe = Rc::new(RefCell::new(Probe::new(spec, &from, request.events.clone())));
        state.attached.borrow_mut().push(Rc::clone(&probe));
        Ok(Box::new(Replayed::new(probe, self.clone())))
    }

    fn preview(&self, _: &Spec) -> Result<Vec<InScope>, BackendError> {
        Err(refused(
            "a recording does not tell which processes there were; `preview` asks the running kernel".into(),
        ))
    }

    fn programs(&self) -> Result<Vec<Program>, BackendError> {
        Err(refused("a recording does not tell which BPF programs there were".into()))
    }

    fn clock(&self) -> Rc<Clock> {
        Rc::clone(&self.0.clock)
    }

    fn passed(&self, step: Passed<'_>) {
        let state = &self.0;
        match step {
            Passed::Asked => {
                let at = state.peek_answer(|line| match line {
                    ReadLine::Other(Line::Time { at }) => Some(*at),
                    _ => None,
                });
                if let Some(at) = at.flatten() {
                    state.pass_told();
                    state.pass();
                    state.clock.step(at);
                }
            }
            Passed::Due(moment) => state.clock.step_to(moment),
            Passed::Tells => state.pass_told(),
            Passed::Closes => {
                let at = state.peek_answer(|line| match line {
                    ReadLine::Other(Line::Close { at, .. }) => Some(*at),
                    _ => None,
                });
                let is_here = at.flatten();
                state.progress.set(match is_here {
                    Some(at) => {
                        state.pass_told();
                        state.pass();
                        state.clock.step(at);
                        Progress::Closes
                    }
                    None => Progress::ClosesElsewhere,
                });
            }
            Passed::Looked(_) | Passed::Waits(_) | Passed::Waited | Passed::Matches(_) | Passed::Event(_) => {
            }
        }
    }

    fn recorded(&self) -> Option<&dyn Recorded> {
        Some(self)
    }
}

impl Recorded for Replay {
    fn next(&self, due: Option<Instant>) -> Next {
        let state = &self.0;
        loop {
            let Some((ahead, at)) = state.ahead() else { return Next::Over };
            if let Some(due) = due.filter(|due| state.clock.ns_of(*due) <= at) {
                state.clock.step_to(due);
                return Next::Due;
            }
            match ahead {
                Ahead::Event => {
                    state.event();
                    return Next::Event;
                }
                Ahead::Close => return Next::Over,
                Ahead::Match(at, until) => {
                    state.pass();
                    state.clock.step(at);
                    return Next::Matches(until);
                }
                Ahead::Told(at) => {
                    state.pass();
                    state.clock.step(at);
                    return Next::Event;
                }
                Ahead::Settle(_) | Ahead::Settled(_) | Ahead::Other => state.pass(),
            }
        }
    }

    fn tells_matches(&self) -> bool {
        self.0.tells_matches
    }

    fn settles(&self, until: Option<Instant>) -> bool {
        let state = &self.0;
        let until = until.map(|until| state.clock.ns_of(until));
        // Matches that were due came first, and what was told.
        let mut reader = state.reader.borrow_mut();
        (0..)
            .find_map(|distance| match reader.peek_at(distance) {
                Ok(Some(ReadLine::Other(
                    Line::Match { .. } | Line::Tripped { .. } | Line::Altered { .. },
                ))) => None,
                Ok(Some(ReadLine::Other(Line::Settle { until: then, .. }))) => {
                    Some(until.is_none_or(|until| *then == until))
                }
                // One that is none is told by whoever comes to it.
                _ => Some(false),
            })
            .unwrap_or(false)
    }

    fn next_settled(&self) -> Next {
        let state = &self.0;
        loop {
            match state.ahead().map(|(ahead, _)| ahead) {
                Some(Ahead::Event) => {
                    state.event();
                    return Next::Event;
                }
                Some(Ahead::Match(at, until)) => {
                    state.pass();
                    state.clock.step(at);
                    return Next::Matches(until);
                }
                Some(Ahead::Told(at)) => {
                    state.pass();
                    state.clock.step(at);
                    return Next::Event;
                }
                Some(Ahead::Settled(at)) => {
                    state.pass();
                    state.clock.step(at);
                    return Next::Over;
                }
                Some(Ahead::Settle(at)) => {
                    state.pass();
                    state.clock.step(at);
                }
                Some(Ahead::Other) => state.pass(),
                Some(Ahead::Close) | None => return Next::Over,
            }
        }
    }

    fn next_last(&self) -> bool {
        let state = &self.0;
        if state.progress.get() != Progress::Closes {
            return false;
        }
        loop {
            match state.peek(|line| matches!(line, ReadLine::Event(_))) {
                Some(true) => return state.event(),
                Some(false) => state.pass(),
                None => return false,
            }
        }
    }

    fn doubts(&self) -> Vec<String> {
        let State { progress, is_whole, detached, past, trouble, .. } = &*self.0;
        let mut doubts = self.0.reader.borrow().of().doubts_of_part();
        // Whoever ended before has not seen the end.
        if progress.get() == Progress::Closes || self.next(None) == Next::Over {
            while self.0.peek(|line| matches!(line, ReadLine::Other(_))) == Some(true) {
                self.0.pass();
            }
            if !is_whole.get() && trouble.borrow().is_none() {
                doubts.push("the recording has no end: its writer was killed, or could not write".to_owned());
            }
        }
        if self.0.strays.get() > 0 {
            doubts.push(format!(
                "{} events of the recording are of no probe that it names, and were left out",
                self.0.strays.get()
            ));
        }
        for probe in self.0.attached.borrow().iter() {
            let probe = probe.borrow();
            if probe.unreadable > 0 {
                doubts.push(format!(
                    "{} records of the recording are none of template `{}`, and were left out",
                    probe.unreadable, probe.spec.template.name
                ));
            }
        }
        for (by, (counters, _)) in detached.borrow().iter() {
            let lost = counters.lost_ring + counters.lost_queue + counters.missed;
            if let Some(past) = past.borrow().get(by).filter(|_| lost > 0) {
                doubts.push(format!("`{}` lost {lost} events when this was recorded", past.probe));
            }
            let withheld = counters.withheld();
            if let Some(past) = past.borrow().get(by).filter(|_| withheld > 0) {
                let limits = past.limits.join(", ");
                doubts.push(format!(
                    "`{}` did not send {withheld} events when this was recorded ({limits})",
                    past.probe
                ));
            }
        }
        doubts
    }
}
