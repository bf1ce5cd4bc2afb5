//! What becomes of a session whose output has trouble: a reader that does not read, a full disk, a closed pipe.
//!
//! No trouble ends or weakens enforcement. The session waits for a slow reader, and stays alive meanwhile: signals are
//! heard and leases renewed. Where probes or timers depend on it, it does not wait for one that takes nothing at all:
//! then lines are dropped, counted, and reported. Only a session that does nothing but report ends when
//! nobody reads its report any more.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, never};

use super::Runtime;
use crate::{
    report::{Notice, Reporter, Sink, Target, Writer},
    script::{handle::ProbeHandle, stop::Stop},
};

/// How long a reader may take nothing before probes and timers do not wait for it any more.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon a signal is noticed while the session waits for room.
const LOOK: Duration = Duration::from_millis(50);
/// How long the session's end waits for its output once it was told to end.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// What is known about the session's output.
pub(super) struct Output {
    writer: Option<Writer>,
    silent: Receiver<()>,
    /// What it is that nobody reads now, which has been said.
    stalled: Cell<Option<Target>>,
    /// That output is discarded has been said.
    told_closed: Cell<bool>,
}

impl Output {
    pub(super) fn of(sink: &dyn Sink) -> Self {
        let writer = sink.writer().cloned();
        Output { writer, silent: never(), stalled: Cell::new(None), told_closed: Cell::new(false) }
    }

    /// Becomes readable when something has happened to the output.
    pub(super) fn woken(&self) -> &Receiver<()> {
        self.writer.as_ref().map_or(&self.silent, Writer::woken)
    }
}

impl Runtime {
    /// Writes a record. That nobody reads any more ends a script that does nothing but report, at its next step.
    pub fn report(&self, write: impl FnOnce(&mut Reporter) -> io::Result<()>) {
        self.make_room();
        if write(&mut self.reporter.borrow_mut()).is_err() {
            self.stop.borrow_mut().get_or_insert(Stop::OutputClosed);
        }
        self.look_at_output();
    }

    /// Waits until a line finds room, or must not be waited for any longer.
    fn make_room(&self) {
        let Some(writer) = &self.output.writer else { return };
        while !writer.has_room() {
            // What is being written now still goes into the queue; the script ends at its next step.
            if self.interrupted() || self.overdue() || self.pending_stop().is_some() {
                return;
            }
            // Who was given up is not waited for again when the last probe and timer have gone.
            if (self.output.stalled.get().is_some() || !self.idle()) && self.give_up(writer) {
                return;
            }
            self.heartbeat();
            writer.wait_for_room(LOOK);
        }
        if self.output.stalled.take().is_some() {
            writer.discard(false);
        }
    }

    /// Whether nobody reads, so that lines are dropped from here on.
    fn give_up(&self, writer: &Writer) -> bool {
        let patience = if self.output.stalled.get().is_some() { Duration::ZERO } else { PATIENCE };
        let Some(target) = writer.stalled(patience) else { return false };
        writer.discard(true);
        if self.output.stalled.replace(Some(target)).is_none() && target == Target::Out {
            let seconds = PATIENCE.as_secs();
            self.say(&format!(
                "nobody has read standard output for {seconds} s: lines are dropped until it is read again; probes and timers go on"
            ));
        }
        true
    }

    /// Reports what has happened to the output since the last look, if anything has.
    pub(super) fn look_at_output(&self) {
        let closed = self.output.writer.as_ref().is_some_and(|writer| writer.is_closed(Target::Out));
        if closed || self.output.woken().try_recv().is_ok() {
            self.tell_of_output();
        }
    }

    /// Reports what has happened to the output, for whoever was woken for it: nothing wakes twice.
    pub(super) fn tell_of_output(&self) {
        let Some(writer) = &self.output.writer else { return };
        for notice in writer.notices() {
            self.say(&told(&notice));
        }
        if writer.is_closed(Target::Out) {
            self.output_closed();
        }
    }

    fn output_closed(&self) {
        if self.tears_down.get() {
            return;
        }
        let Some(reason) = self.goes_on_unread() else {
            self.stop.borrow_mut().get_or_insert(Stop::OutputClosed);
            return;
        };
        if !self.output.told_closed.replace(true) {
            self.say(&format!("nobody reads standard output any more: its lines are dropped; the session goes on, since {reason}"));
        }
    }

    /// Why the session has more to do than to report, if so.
    fn goes_on_unread(&self) -> Option<String> {
        let attached: Vec<_> = self.probes.used().into_iter().filter(ProbeHandle::attached).collect();
        if let Some(probe) = attached.iter().find(|probe| probe.in_force()) {
            return Some(format!("probe `{}` enforces", probe.name()));
        }
        if let Some(acting) =
            attached.iter().find(|probe| probe.callback().is_some_and(|callback| callback.acts()))
        {
            return Some(format!("the callback of probe `{}` may act", acting.name()));
        }
        let acting = self.correlations.acting()?;
        Some(format!("the callback of {acting} may act"))
    }

    /// Says something about the output on standard error, without any more ado about the output.
    fn say(&self, text: &str) {
        // A report that is under way says it with the next one.
        if let Ok(mut reporter) = self.reporter.try_borrow_mut() {
            let _ = reporter.log(text);
        }
    }

    /// Waits until everything is written; leases are renewed meanwhile, and a signal or the session's end
    /// cuts it short.
    pub fn written(&self) {
        let Some(writer) = &self.output.writer else { return };
        while !writer.wait_until_written(LOOK) {
            if self.interrupted() || self.overdue() {
                return;
            }
            self.heartbeat();
        }
        self.look_at_output();
    }

    // ---- the end ----------------------------------------------------------

    /// Waits for the output to be written; a signal cuts that short. Gives whether lines were lost since the
    /// session began.
    pub fn last_output(&self) -> bool {
        let Some(writer) = &self.output.writer else { return false };
        // Who has not read for long is not waited for at the end either.
        let stalled = self.output.stalled.get().map(|_| Instant::now());
        let ends = self.deadline.get().map(|deadline| deadline.max(Instant::now())).or(stalled);
        let mut until = ends.map(|end| end + LAST_OUTPUT);
        while !writer.wait_until_written(LOOK) {
            if self.interrupts.take().is_some() {
                // The second one, or the first one after the session was told to end.
                if until.is_some() {
                    break;
                }
                until = Some(Instant::now() + LAST_OUTPUT);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                break;
            }
        }
        let unread = writer.abandon(Target::Out);
        writer.discard(false);
        for notice in writer.notices() {
            self.say(&told(&notice));
        }
        if let Some(lost) = writer.failing(Target::Out) {
            let name = Target::Out.name();
            self.say(&format!("{lost} {} lost: {name} could not be written to the end", lines_were(lost)));
        }
        if unread > 0 {
            self.say(&format!("{unread} lines were not written: nobody reads standard output"));
        }
        writer.wait_until_written(LOOK);
        writer.lost() > 0
    }
}

fn lines_were(count: u64) -> &'static str {
    if count == 1 { "line was" } else { "lines were" }
}

fn told(notice: &Notice) -> String {
    match notice {
        Notice::Failing { target, error } => format!(
            "cannot write to {}: {} ({error:?}); its lines are lost until that is possible again",
            target.name(),
            error.desc()
        ),
        Notice::Recovered { target, lost } => {
            format!("{} can be written again; {lost} lines were lost", target.name())
        }
        Notice::ReadAgain { target, dropped } => {
            format!("{} is read again; {dropped} lines were not written", target.name())
        }
    }
}
