//! That enforcement goes on, begins after a rehearsal, or has ended: heartbeats, and what is said when a lease runs out or a breaker
//! trips.

use std::time::{Duration, Instant};

use super::{HEARTBEAT, Runtime};
use crate::{
    backend::Passed,
    script::handle::{HOLD, ProbeHandle},
    values::Severity,
};

/// How often it is looked whether a breaker has tripped.
const BREAKERS: Duration = Duration::from_millis(100);
/// How often it is looked, and at most said, what limits have held back.
const LIMITS: Duration = Duration::from_secs(1);

impl Runtime {
    /// Renews what hangs on this shell being alive, now and then; says which leases have run out, at once.
    pub(in crate::script) fn heartbeat(&self) {
        let now = Instant::now();
        if self.next_lapse.get().is_some_and(|next| next <= now) {
            self.say_lapses(now);
        }
        self.look_at_breakers(now);
        self.look_at_limits(now);
        self.look_for_tampering(now);
        if let Some(notice) = self.backend.notice() {
            self.warn(&notice);
        }
        let since = now.saturating_duration_since(self.last_heartbeat.get());
        if since < HEARTBEAT {
            return;
        }
        self.last_heartbeat.set(now);
        for probe in self.probes.used().into_iter().filter(ProbeHandle::attached) {
            self.renew(&probe, since.saturating_sub(HOLD));
        }
        self.save_states();
        self.look_at_output();
    }

    /// `missed`: how long the shell was away for longer than enforcement is held.
    fn renew(&self, probe: &ProbeHandle, missed: Duration) {
        let name = probe.name();
        match probe.renew() {
            Ok(true) if missed > Duration::ZERO => self.warn(&format!(
                "probe `{name}` did not enforce for {:.1} s, since this shell did not respond; it enforces again",
                missed.as_secs_f64()
            )),
            Ok(_) => {}
            Err(fault) => self.warn(&format!("error: probe `{name}`: {fault}")),
        }
    }

    /// When the next lease runs out, of those that enforce, or the next rehearsal is over.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        self.next_lapse.get()
    }

    /// Looks again for what comes next of these: a lease was set, or what it is about has changed.
    pub fn leases_changed(&self) {
        let used = self.probes.used();
        let next = used.iter().flat_map(|probe| [probe.lapses_at(), probe.armed_at()]).flatten().min();
        self.next_lapse.set(next);
    }

    fn say_lapses(&self, now: Instant) {
        self.next_lapse.set(None);
        for probe in self.probes.used() {
            if let Some(lapsed) = probe.take_lapse(now) {
                self.warn(&lapsed);
            }
            match probe.take_rehearsal(self.options.policy, now) {
                Ok(remarks) => remarks.iter().for_each(|remark| self.warn(remark)),
                Err(fault) => self.warn(&format!("error: probe `{}` goes on telling: {fault}", probe.name())),
            }
        }
        self.leases_changed();
    }

    /// Says which breakers have tripped, if that is due.
    pub(super) fn look_at_breakers(&self, now: Instant) {
        if self.is_to_look(self.next_breaker_look.get(), now) {
            self.next_breaker_look.set(now + BREAKERS);
            self.say_trips();
        }
    }

    /// Says what limits have held back since that was said last, if that is due.
    fn look_at_limits(&self, now: Instant) {
        if self.next_limit_look.get() > now {
            return;
        }
        self.next_limit_look.set(now + LIMITS);
        for probe in self.probes.used() {
            // Counters that cannot be read are told of by whoever closes the books.
            let Ok(Some(more)) = probe.take_limited() else { continue };
            let events = if more == 1 { "1 event was" } else { &format!("{more} events were") };
            self.note(&format!(
                "probe `{}`: {events} decided and counted, and not told, for its {}",
                probe.name(),
                probe.limits_in_words()
            ));
        }
    }

    /// Whether it is time to look what has become of the probes; in a recording, whether nothing that came before is still to be handled.
    pub(super) fn is_to_look(&self, due: Instant, now: Instant) -> bool {
        match self.backend.recorded() {
            Some(_) => self.events.1.is_empty(),
            None => due <= now,
        }
    }

    /// Says whatever has become of the probes until now, before one is detached.
    pub fn say_what_was_done(&self) {
        self.backend.passed(Passed::Tells);
        self.say_trips();
        self.say_tampering();
    }

    /// Says which breakers have tripped, and raises an alert about each.
    pub(super) fn say_trips(&self) {
        for probe in self.probes.used() {
            let Some([what, how]) = probe.take_trip() else { continue };
            self.warn(&how);
            self.report(|reporter| reporter.alert(Severity::High, &what, None));
        }
    }

    /// On standard error, whatever was asked: enforcement never ends unsaid.
    fn warn(&self, text: &str) {
        self.report(|reporter| reporter.log(text));
    }
}
