//! What probes name is looked at again and again: a cgroup created again, a file replaced.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

use super::Runtime;
use crate::backend::Followed;

/// How often it is looked whether what probes name is something else; looking takes at most one part in so many of the time.
const FOLLOW: Duration = Duration::from_millis(500);
const FOLLOW_SHARE: u32 = 10;
/// Changes of what one probe names that are reported.
const SHOWN_CHANGES: u64 = 20;
/// When it is looked next, and what was reported.
pub(super) struct Following {
    due: Cell<Instant>,
    /// Changes that were reported, by the probe's name.
    reported: RefCell<HashMap<String, u64>>,
    /// Why what a probe names cannot be followed, by its name.
    failing: RefCell<HashMap<String, String>>,
}

impl Default for Following {
    fn default() -> Self {
        Following {
            due: Cell::new(Instant::now()),
            reported: RefCell::default(),
            failing: RefCell::default(),
        }
    }
}

/// The time that this thread has computed: what it waits for others is not its work.
pub(super) fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

impl Runtime {
    /// When it is to be looked again, if something is attached.
    pub(super) fn follow_due(&self) -> Option<Instant> {
        self.probes.any_attached().then(|| self.following.due.get())
    }

    /// Looks whether what the probes name is something else now, if that is due.
    pub(super) fn follow(&self) {
        if self.following.due.get() <= Instant::now() {
            self.follow_now();
        }
    }

    /// Looks at what the script itself has changed, unless looking would be most of its work.
    pub(super) fn follow_own_changes(&self) {
        if self.following.due.get() <= Instant::now() + FOLLOW {
            self.follow_now();
        }
    }

    fn follow_now(&self) {
        let begun = spent();
        for probe in self.probes.used() {
            let name = probe.name();
            match probe.follow() {
                Ok(events) => {
                    self.following.failing.borrow_mut().remove(&name);
                    events.iter().for_each(|event| self.report_followed(&name, event));
                }
                // Said once, and not twice a second.
                Err(fault) => {
                    let what = fault.to_string();
                    let known = self.following.failing.borrow_mut().insert(name.clone(), what.clone());
                    if known.as_ref() != Some(&what) {
                        self.report_followed(&name, &Followed::Gone(what));
                    }
                }
            }
        }
        // Thousands of paths must not become the session's work.
        let pause = FOLLOW.max(spent().saturating_sub(begun) * FOLLOW_SHARE);
        self.following.due.set(Instant::now() + pause);
    }

    fn report_followed(&self, name: &str, event: &Followed) {
        let times = {
            let mut followed = self.following.reported.borrow_mut();
            let times = followed.entry(name.to_owned()).or_default();
            *times += 1;
            *times
        };
        match (event, times) {
            (Followed::Gone(what), _) => {
                self.report(|reporter| reporter.log(&format!("warning: probe `{name}`: {what}")));
            }
            (Followed::Follows(what), ..SHOWN_CHANGES) => self.note(&format!("probe `{name}`: {what}")),
            (Followed::Follows(_), SHOWN_CHANGES) => self.note(&format!(
                "probe `{name}`: what it names changes often; it is followed, and not reported any more"
            )),
            _ => {}
        }
    }
}
