//! The loop: events, timers and signals, until something else is to be done.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use rhai::Engine;
use signal_hook::consts::SIGINT;

use super::{HEARTBEAT, QUEUE, Runtime};
use crate::{
    backend::Passed,
    event::Event,
    exit,
    script::{event::ScriptEvent, stop::Stop, target::Target},
};

/// Events handled before signals and timers are looked at again.
const BATCH: usize = 256;

/// Until when [`Runtime::serve`] goes on.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Deadline(Instant),
    /// Nothing can happen any more: no probe is attached, no timer pending.
    Idle,
    Never,
}

impl Until {
    /// This moment, or the end of the wait if that comes first: what is due behind it comes behind it.
    fn or_before(self, moment: Instant) -> Instant {
        match self {
            Until::Deadline(deadline) => deadline.min(moment),
            Until::Idle | Until::Never => moment,
        }
    }
}

/// Why [`Runtime::serve`] came back.
#[derive(Debug)]
pub enum Turn<T> {
    Received(T),
    Disconnected,
    /// The deadline has passed, or nothing can happen any more.
    Over,
}

impl Runtime {
    /// Calls callbacks until something comes on `other`, or as `until` says. Inside of a
    /// callback it only waits.
    ///
    /// # Errors
    /// What ends the script.
    pub fn serve<T>(&self, engine: &Engine, other: &Receiver<T>, until: Until) -> Result<Turn<T>, Stop> {
        // Nothing will come, and nobody wants to wait for it.
        if !self.backend.is_live() {
            return self.pending_stop().map_or(Ok(Turn::Over), Err);
        }
        if let Some(recorded) = self.backend.recorded() {
            return self.replay(engine, recorded, until);
        }
        let target = self.target.get();
        // The script waits: whatever it wanted to be in force by then is.
        target.inspect(|target| target.release());
        let delivering = !self.in_callback.get();
        let (silent, deaf, nobody) = (never(), never(), never());
        let keys = if delivering { self.keys() } else { &nobody };
        let (no_target, ended) = (never(), target.filter(|target| !target.has_ended()));
        let ended = ended.map_or(&no_target, Target::over);
        let signals = if self.tears_down.get() { &deaf } else { self.interrupts.arrived() };
        loop {
            if let Some(stop) = self.pending_stop() {
                return Err(stop);
            }
            if self.overdue() {
                return Err(Stop::TimeUp);
            }
            self.leases_changed();
            self.heartbeat();
            self.follow();
            // What comes due while callbacks run has its turn next time, the end of the wait too.
            let now = Instant::now();
            if delivering {
                self.look_at_questions();
                self.run_timers(engine, until.or_before(now))?;
                self.correlate(engine, BATCH)?;
                self.ask_watches(engine)?;
            }
            match until {
                Until::Deadline(deadline) if deadline <= now => {
                    self.settle_wait(engine, deadline)?;
                    return Ok(Turn::Over);
                }
                Until::Idle if self.idle() => {
                    self.settle_wait(engine, now)?;
                    return Ok(Turn::Over);
                }
                _ => {}
            }
            // Of what has been received already nothing will be heard on the channel.
            let opened = delivering && self.events.1.opened();
            let events = if delivering && !opened { self.events.1.channel() } else { &silent };
            let patience =
                if opened { Duration::ZERO } else { self.longest_wait(Instant::now(), until, delivering) };
            select! {
                recv(events) -> batch => if let Ok(batch) = batch {
                    self.events.1.accept(batch);
                    self.dispatch_group(engine, until)?;
                },
                recv(signals) -> signal => if let Ok(signal) = signal {
                    // One that ends the session may stand behind it.
                    let ending = self.interrupts.take().filter(|s| *s != SIGINT);
                    // At a terminal the command gets it as well, and does with it what it likes.
                    if ending.is_none() && signal == SIGINT && target.is_some_and(Target::takes_interrupts) {
                        continue;
                    }
                    return Err(Stop::Signal(ending.unwrap_or(signal)));
                },
                recv(ended) -> _ => {
                    self.look_at_timers(engine, until)?;
                    self.settle(engine)?;
                    return Err(self.target_has_ended());
                },
                recv(keys) -> key => if let Ok(key) = key {
                    // What was answered meanwhile is not answered twice.
                    let _ = self.answer_key(key);
                },
                recv(self.output.woken()) -> _ => self.tell_of_output(),
                recv(other) -> received => {
                    return Ok(received.map_or(Turn::Disconnected, Turn::Received));
                },
                default(patience) => if opened {
                    self.dispatch_group(engine, until)?;
                }
            }
        }
    }

    /// Says how the session's process has ended; the session ends with its exit code.
    fn target_has_ended(&self) -> Stop {
        let (code, told) = self.target.get().map_or((exit::FINE, None), Target::ended);
        told.inspect(|told| self.note(told));
        Stop::Exit(code)
    }

    fn longest_wait(&self, now: Instant, until: Until, delivering: bool) -> Duration {
        let timer = if delivering { self.next_timer() } else { None };
        let deadline = if let Until::Deadline(deadline) = until { Some(deadline) } else { None };
        let due = [timer, deadline, self.deadline.get(), self.next_lapse()].into_iter().flatten();
        let due = due
            .chain(self.follow_due())
            .chain(self.tampering_due())
            .chain(self.question_due(now).filter(|_| delivering))
            .chain(self.watch_due().filter(|_| delivering));
        let due = due.chain(self.correlate_due(now).filter(|_| delivering)).min();
        due.map_or(HEARTBEAT, |due| due.saturating_duration_since(now).min(HEARTBEAT))
    }

    pub(super) fn idle(&self) -> bool {
        let target = self.target.get().is_some_and(|target| !target.has_ended());
        !target && self.timers.borrow().is_empty() && !self.probes.any_attached()
    }

    /// Calls what is due by then. What comes due meanwhile has its turn next time: a timer slower than its period must not keep
    /// everything else from being heard.
    fn run_timers(&self, engine: &Engine, by: Instant) -> Result<(), Stop> {
        self.run_timers_due(engine, by)?;
        self.backend.passed(Passed::Looked(by));
        Ok(())
    }

    /// When a timer is due next, or a value of a set goes.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        [self.timers.borrow_mut().next_due(), self.sets.next_due()].into_iter().flatten().min()
    }

    /// Calls what is due by then.
    pub(super) fn run_timers_due(&self, engine: &Engine, by: Instant) -> Result<(), Stop> {
        // Nor must many of them keep a signal from being heard.
        while !self.interrupts.pending() {
            let next = self.timers.borrow_mut().next_due();
            if let Some((due, set)) = self.sets.due(next.map_or(by, |next| next.min(by))) {
                self.backend.passed(Passed::Due(due));
                if let Err(fault) = set.expire(due) {
                    self.report(|reporter| {
                        reporter.log(&format!("error: {fault}; what its time is over stays for now"))
                    });
                }
                continue;
            }
            let due = self.timers.borrow_mut().take_due(by, self.clock.now());
            let Some((due, callback)) = due else { return Ok(()) };
            self.backend.passed(Passed::Due(due));
            self.call(engine, &callback, None, &|| "a timer".into())?;
        }
        Ok(())
    }

    /// Handles every event that the kernel has emitted until now; not inside of a callback,
    /// where they wait.
    pub fn settle(&self, engine: &Engine) -> Result<(), Stop> {
        // What the script itself has changed is followed before it goes on.
        self.follow_own_changes();
        let now = self.kernel_now();
        for probe in self.probes.used() {
            probe.flush();
        }
        if self.in_callback.get() {
            return Ok(());
        }
        self.dispatch_some(engine, QUEUE)?;
        self.correlate_until(engine, now)
    }

    /// The same, at the end of a wait.
    fn settle_wait(&self, engine: &Engine, until: Instant) -> Result<(), Stop> {
        self.backend.passed(Passed::Waits(until));
        self.settle(engine)?;
        self.backend.passed(Passed::Waited);
        Ok(())
    }

    /// Handles events that have come.
    fn dispatch_group(&self, engine: &Engine, until: Until) -> Result<(), Stop> {
        self.look_at_timers(engine, until)?;
        self.dispatch_some(engine, BATCH)
    }

    /// Calls timers that were due before what is handled next: where that is written down, it must be in some order.
    fn look_at_timers(&self, engine: &Engine, until: Until) -> Result<(), Stop> {
        if !self.clock.is_stepped() {
            return Ok(());
        }
        // The wait is not over yet, whatever time it is.
        let before = |moment: Instant| moment.checked_sub(Duration::from_nanos(1)).unwrap_or(moment);
        let by = match until {
            Until::Deadline(deadline) => before(deadline).min(Instant::now()),
            Until::Idle | Until::Never => Instant::now(),
        };
        self.run_timers(engine, by)
    }

    pub(super) fn dispatch_some(&self, engine: &Engine, most: usize) -> Result<(), Stop> {
        for _ in 0..most {
            // A signal goes first: it would end the next callback before that has begun.
            if self.interrupted() && !self.tears_down.get() {
                break;
            }
            // Many that each take a moment take long.
            self.heartbeat();
            let Some(event) = self.events.1.try_next() else { break };
            self.dispatch(engine, event)?;
        }
        Ok(())
    }

    pub(super) fn dispatch(&self, engine: &Engine, event: Event) -> Result<(), Stop> {
        self.correlations.one_dispatched();
        self.backend.passed(Passed::Event(&event));
        self.reporter.borrow_mut().about(Some(event.probe()));
        let handled = self.handle(engine, ScriptEvent::new(event));
        self.reporter.borrow_mut().about(None);
        handled
    }
}
