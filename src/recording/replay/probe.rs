//! A probe of a session that is replayed: what it makes of the recording's events, and what its handle asks of it.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Progress, Replay, refused};
use crate::{
    backend::{Altered, Attached, BackendError, Door, Followed, PinRequest},
    event::{
        Event, Source, Stacks,
        queue::{Sender, Spare},
    },
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    recording::{
        judge::{Judgement, judge, obstacle, remark, told_by_both},
        line::{Attach, Line, Rule},
        reader::{Handled, ReadLine},
        tally::Tally,
    },
    template::{FieldKind, Param},
};
/// A probe of the session that is going on.
pub(super) struct Probe {
    pub(super) spec: Spec,
    pub(super) rule: Rule,
    /// Of whom its events are.
    pub(super) from: BTreeSet<u32>,
    door: Door,
    remarks: Vec<String>,
    sources: HashMap<u32, Arc<Source>>,
    sender: Sender,
    spare: Spare,
    counters: Counters,
    tally: Tally,
    /// Events whose record is none of its template.
    pub(super) unreadable: u64,
    pub(super) is_over: bool,
    /// Its breaker has tripped by now, when it was recorded.
    pub(super) tripped: bool,
    /// What another process had changed of it, and was not told yet.
    pub(super) altered: Vec<Altered>,
}

impl Probe {
    /// Makes one that is given the events of these.
    pub(super) fn new(spec: Spec, from: &[Attach], sender: Sender) -> Self {
        let mut remarks: Vec<String> = from.iter().filter_map(|past| remark(&spec, past)).collect();
        remarks.dedup();
        Probe {
            rule: Rule::of(&spec),
            from: from.iter().map(|past| past.by).collect(),
            door: from.first().and_then(|past| Door::from_name(&past.door)).unwrap_or(Door::Lsm),
            remarks,
            sources: HashMap::new(),
            sender,
            spare: Spare::default(),
            counters: Counters::default(),
            tally: Tally::new(&spec.aggregations, spec.keys),
            unreadable: 0,
            is_over: false,
            tripped: false,
            altered: Vec::new(),
            spec,
        }
    }

    /// Takes an event of a probe that was recorded. Gives the verdict, if it has it.
    pub(super) fn take(&mut self, past: &Attach, handled: &Handled) -> Option<String> {
        let Probe { spec, rule, sources, sender, spare, counters, tally, unreadable, .. } = self;
        let source = sources.entry(past.by).or_insert_with(|| {
            let (template, name) = (Arc::clone(&spec.template), spec.name.as_str().into());
            Arc::new(Source::of_recorded(template, name, told_by_both(spec, past), past.tells.told()))
        });
        let Ok(mut event) = Event::of_source(source, &handled.record, handled.wall_offset_ns) else {
            *unreadable += 1;
            return None;
        };
        counters.seen += 1;
        let given = match judge(spec, rule, &past.rule, &event) {
            Judgement::OutOfScope => {
                counters.out_of_scope += 1;
                return None;
            }
            Judgement::Filtered => {
                counters.filtered += 1;
                return None;
            }
            Judgement::CannotTell => {
                (counters.filtered, counters.errors) = (counters.filtered + 1, counters.errors + 1);
                return None;
            }
            Judgement::Matches(given) => given,
        };
        let mut record = Cow::Borrowed(&handled.record);
        if let Some(verdict) = given {
            set_verdict(&event, verdict, record.to_mut());
            event = Event::of_source(source, &record, handled.wall_offset_ns).ok()?;
        }
        let verdict = event.text("verdict");
        count(counters, &verdict);
        tally.add(&event);
        if spec.quiet {
            counters.suppressed += 1;
            return Some(verdict);
        }
        counters.emitted += 1;
        let mut batch = sender.batch(source, handled.wall_offset_ns, spare);
        let room = sender.reserve(1);
        let pushed = room > 0 && batch.push(&record, 0, None::<fn(&Event) -> Stacks>).is_ok();
        let sent = if pushed { sender.send(batch, room, spare) } else { 0 };
        (counters.delivered, counters.lost_queue) =
            (counters.delivered + sent as u64, counters.lost_queue + u64::from(sent == 0));
        Some(verdict)
    }
}

fn count(counters: &mut Counters, verdict: &str) {
    counters.matched += 1;
    let of = match verdict {
        "would-deny" => &mut counters.would_deny,
        "deny" => &mut counters.deny,
        "kill" => &mut counters.kill,
        "would-ask" => &mut counters.would_ask,
        "ask" => {
            counters.answered += 1;
            &mut counters.asked
        }
        _ => &mut counters.allow,
    };
    *of += 1;
}

/// Writes a verdict into a record.
fn set_verdict(event: &Event, verdict: &str, record: &mut [u8]) {
    let Some(field) = event.template().field("verdict") else { return };
    let FieldKind::Enum(names) = &field.kind else { return };
    let number = names.iter().find(|name| name.name == verdict).map(|name| name.value.to_le_bytes());
    let begin = field.offset.checked_sub(event.skipped());
    let bytes = begin.and_then(|begin| record.get_mut(begin..begin + field.size));
    if let (Some(bytes), Some(number)) = (bytes, number) {
        bytes.iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
    }
}

/// A probe of the session, for its handle.
pub(super) struct Replayed {
    probe: Rc<RefCell<Probe>>,
    door: Door,
    replay: Replay,
}

impl Replayed {
    pub(super) fn new(probe: Rc<RefCell<Probe>>, replay: Replay) -> Self {
        let door = probe.borrow().door;
        Replayed { probe, door, replay }
    }

    /// Makes it another one, if that can be had from the recording.
    fn change(&self, change: impl FnOnce(&mut Spec)) -> Result<(), BackendError> {
        let mut spec = self.probe.borrow().spec.clone();
        change(&mut spec);
        let past = self.replay.0.past.borrow();
        let from = self.probe.borrow().from.clone();
        if let Some(why) =
            from.iter().filter_map(|by| past.get(by)).find_map(|past| obstacle(&spec, past, &past.rule))
        {
            // The same session changes its probe just now, and then that is what was recorded.
            let own = Rule::of(&spec);
            let is_then = self.replay.0.peek_answer(|line| {
                matches!(line, ReadLine::Other(Line::Change { by, rule, .. }) if from.contains(by) && rule.selects == own.selects)
            });
            if is_then != Some(true) {
                return Err(refused(why));
            }
        }
        drop(past);
        let mut probe = self.probe.borrow_mut();
        probe.rule = Rule::of(&spec);
        probe.spec = spec;
        let own = (probe.rule.clone(), probe.spec.quiet);
        drop(probe);
        let at = self.replay.0.peek_answer(|line| match line {
            ReadLine::Other(Line::Change { by, at, quiet, rule })
                if self.probe.borrow().from.contains(by) && (rule, *quiet) == (&own.0, own.1) =>
            {
                Some(*at)
            }
            _ => None,
        });
        if let Some(at) = at.flatten() {
            self.replay.0.pass_told();
            self.replay.0.pass();
            self.replay.0.clock.step(at);
        }
        Ok(())
    }
}

impl Attached for Replayed {
    fn door(&self) -> Door {
        self.door
    }

    fn no_better_door(&self) -> Option<&str> {
        None
    }

    fn missing_hooks(&self) -> Vec<String> {
        Vec::new()
    }

    fn remarks(&self) -> Vec<String> {
        self.probe.borrow().remarks.clone()
    }

    fn param_remarks(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn say(&mut self, _: &str) {}

    fn set_mode(&mut self, mode: Mode) -> Result<(), BackendError> {
        self.change(|spec| spec.mode = mode)
    }

    /// The script's function decides once more; it has been done already.
    fn standing(&self, _: u32, asked_ns: u64) -> Standing {
        Standing::Open(asked_ns)
    }

    fn answer(&mut self, _: u32, _: u64, _: Reply) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn altered(&mut self, _: bool) -> Result<Vec<Altered>, BackendError> {
        Ok(std::mem::take(&mut self.probe.borrow_mut().altered))
    }

    fn set_lease(&mut self, _: Option<Duration>) -> Result<(), BackendError> {
        Ok(())
    }

    fn tripped(&self, asked: bool) -> Result<bool, BackendError> {
        let told = asked.then(|| {
            self.replay.0.answer(&self.probe, |line| match line {
                Line::Asked { by, at, tripped } => Some((*by, *at, *tripped)),
                _ => None,
            })
        });
        Ok(told.flatten().unwrap_or(self.probe.borrow().tripped))
    }

    fn rearm(&mut self) -> Result<(), BackendError> {
        self.probe.borrow_mut().tripped = false;
        Ok(())
    }

    fn let_go(&mut self) {}

    /// It was said when it happened.
    fn limited(&self) -> Result<u64, BackendError> {
        Ok(0)
    }

    fn set_quiet(&mut self, quiet: bool) -> Result<(), BackendError> {
        self.change(|spec| spec.quiet = quiet)
    }

    fn set_filter(&mut self, spec: &Spec) -> Result<(), BackendError> {
        self.change(|own| *own = spec.clone())
    }

    fn set_scope(&mut self, scope: &Scope) -> Result<(), BackendError> {
        self.change(|spec| spec.scope = scope.clone())
    }

    fn set_param(&mut self, param: &Param, value: Option<&ParamValue>) -> Result<(), BackendError> {
        self.change(|spec| {
            match value {
                Some(value) => spec.params.insert(param.name.clone(), value.clone()),
                None => spec.params.remove(&param.name),
            };
        })
    }

    fn follow(&mut self, _: Instant) -> Result<Vec<Followed>, BackendError> {
        Ok(Vec::new())
    }

    fn summaries(&self) -> Result<Vec<Summary>, BackendError> {
        let told = self.replay.0.answer(&self.probe, |line| match line {
            Line::Counted { by, at, summaries } => Some((*by, *at, summaries.clone())),
            _ => None,
        });
        let probe = self.probe.borrow();
        Ok(told.unwrap_or_else(|| probe.tally.summaries(&probe.spec.name)))
    }

    fn take_summaries(&mut self) -> Result<Vec<Summary>, BackendError> {
        let summaries = self.summaries();
        self.probe.borrow_mut().tally.clear();
        summaries
    }

    fn flush(&self) {}

    fn pin(&mut self, _: PinRequest<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unpin(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn pinned(&self) -> Option<&str> {
        None
    }

    fn counters(&self) -> Result<Counters, BackendError> {
        let told = self.replay.0.answer(&self.probe, |line| match line {
            Line::Decided { by, at, counters } => Some((*by, *at, *counters)),
            _ => None,
        });
        Ok(told.unwrap_or(self.probe.borrow().counters))
    }

    fn detach(self: Box<Self>) -> Result<(Counters, Vec<Summary>), BackendError> {
        let Replayed { probe, replay, .. } = *self;
        let state = &replay.0;
        let closes = state.progress.get() == Progress::Closes;
        // At the end all are detached before anything else.
        loop {
            let passes = state.peek_answer(|line| match line {
                ReadLine::Other(Line::Detach { by, .. }) => {
                    closes || state.is_as_it_was(&probe.borrow(), *by)
                }
                ReadLine::Other(_) => closes,
                ReadLine::Event(_) => false,
            });
            if passes != Some(true) {
                break;
            }
            state.pass_told();
            state.pass();
            if !closes {
                break;
            }
        }
        let mut detached = state.detached.borrow_mut();
        let by = detached.keys().copied().filter(|by| state.is_as_it_was(&probe.borrow(), *by)).min();
        let told = by.and_then(|by| detached.remove(&by));
        let mut probe = probe.borrow_mut();
        // What was under way then still comes.
        probe.is_over = !closes;
        Ok(told.unwrap_or_else(|| (probe.counters, probe.tally.summaries(&probe.spec.name))))
    }
}
