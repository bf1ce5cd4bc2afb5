//! The end of a session: everything is detached, what is still in the queue is handled, and the accounts are closed.

use rhai::Engine;

use super::{QUEUE, Runtime};
use crate::{
    backend::{Passed, Recorded},
    report::Books,
    script::{handle::ProbeHandle, target::Target},
};

/// Whether somebody reads what the session still has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Yes,
    No,
}

impl Runtime {
    /// Makes every probe observe in the kernel, at once; nothing else of it changes.
    pub fn disarm(&self) {
        for probe in self.probes.used() {
            if let Err(fault) = probe.disarm() {
                self.report(|reporter| reporter.log(&format!("error: probe `{}`: {fault}", probe.name())));
            }
        }
    }

    /// Detaches everything, last first, handles what is still in the queue, and gives the books.
    /// Unless nobody would hear of them, events are handled until the deadline; the books are given either way.
    pub fn close(&self, engine: &Engine, heard: Heard) -> Vec<Books> {
        self.say_what_was_done();
        self.timers.borrow_mut().clear();
        self.backend.passed(Passed::Closes);
        // Before anything is detached: it never goes on without what holds it.
        if let Some(told) = self.target.get().and_then(Target::end) {
            self.note(&told);
        }
        if let Some(told) = self.target.get().and_then(Target::sweep) {
            self.report(|reporter| reporter.log(&told));
        }
        self.doubt_the_hunt();
        for told in self.probes.used().iter().filter_map(ProbeHandle::goes_on) {
            self.report(|reporter| reporter.log(&told));
        }
        for probe in self.probes.used().iter().rev() {
            if let Err(fault) = probe.detach() {
                self.report(|reporter| reporter.log(&format!("error: probe `{}`: {fault}", probe.name())));
            }
        }
        let thawed = self.frozen.thaw_all();
        if thawed > 0 {
            self.note(&format!("{thawed} processes that were stopped by `freeze` go on, since the session ends; `.stay()` leaves them"));
        }
        for left in self.scratches.close_after(0) {
            self.report(|reporter| reporter.log(&format!("error: {left}")));
        }
        if heard == Heard::Yes {
            self.last_events(engine);
            self.last_matches(engine);
            let doubts = self.backend.recorded().map(Recorded::doubts).unwrap_or_default();
            for doubt in doubts {
                self.note(&doubt);
                self.hunt.doubt(doubt);
            }
            for summary in self.probes.used().iter().flat_map(ProbeHandle::untold_summaries) {
                self.report(|reporter| reporter.summary(&summary));
            }
        }
        self.end_correlations();
        let dropped = self.correlations.dropped();
        if dropped > 0 {
            self.hunt.doubt(format!("sequences or thresholds have let {dropped} go: there were more at once than `.limit(…)` allows"));
        }
        for (of, failed) in self.failed_callbacks.borrow_mut().drain() {
            self.hunt.doubt(format!("{of} failed"));
            if failed.times > failed.shown.len() as u64 {
                self.note(&format!("{of} failed {} times", failed.times));
            }
        }
        let undelivered = self.undelivered.take();
        let missed: u64 = undelivered.values().sum();
        if missed > 0 {
            self.note(&format!(
                "{missed} events had not been handled when the session was told to end; they count as lost"
            ));
        }
        let books = self.probes.take_used().iter().filter_map(ProbeHandle::books).collect::<Vec<_>>();
        let missed = |books: &Books| undelivered.get(&books.probe).copied().unwrap_or_default();
        books.into_iter().map(|books| Books::without(books.clone(), missed(&books))).collect()
    }

    /// Takes note of hooks that this kernel lacks: nothing was seen there.
    fn doubt_the_hunt(&self) {
        for probe in self.probes.used() {
            let missing = probe.missing_hooks();
            if !missing.is_empty() {
                self.hunt.doubt(format!(
                    "probe `{}` sees nothing at {}: this kernel does not have it",
                    probe.name(),
                    missing.join(", ")
                ));
            }
        }
    }

    /// Handles what is in the queue. From the deadline or a signal on, events are counted and nothing else is
    /// done about them.
    fn last_events(&self, engine: &Engine) {
        let mut handling = true;
        let is_replay = self.backend.recorded().is_some();
        for _ in 0..if is_replay { usize::MAX } else { QUEUE } {
            self.next_replayed_last();
            let Some(event) = self.events.1.try_next() else { break };
            handling = handling && !self.overdue() && !self.interrupted();
            let name = event.probe().to_owned();
            if !handling {
                *self.undelivered.borrow_mut().entry(name).or_default() += 1;
            } else if self.dispatch(engine, event).is_err() {
                handling = false;
            }
        }
    }
}

impl Drop for Runtime {
    /// A callback may hold its own probe, and a circle is never dropped; the kernel's side must be.
    fn drop(&mut self) {
        for probe in self.probes.used() {
            let _ = probe.set_callback(None);
            probe.set_condition(None);
            probe.forget_asker();
            let _ = probe.detach();
        }
        self.correlations.stop_after(0);
    }
}
