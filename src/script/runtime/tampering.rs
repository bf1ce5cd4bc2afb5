//! What another process has changed of a probe is looked for again and again, and said.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Runtime, follow::spent};
use crate::{script::handle::ProbeHandle, values::Severity};

/// How often it is looked, if that takes no more than one part in so many of the time.
const LOOK: Duration = Duration::from_millis(500);
const SHARE: u32 = 10;
/// The hooks that looking goes through: bpf(2) asks for a capability each time.
const ASKED_BY_LOOKING: [&str; 2] = ["bpf", "capable"];
/// Changes of one probe that are told; after these they are only counted.
const SHOWN: u64 = 20;

/// When it is looked next, and what was told.
pub(super) struct Tampering {
    due: Cell<Instant>,
    /// Changes found, by the probe's name.
    found: RefCell<HashMap<String, u64>>,
    /// Why it cannot be looked, by the probe's name.
    failing: RefCell<HashMap<String, String>>,
}

impl Default for Tampering {
    fn default() -> Self {
        Tampering { due: Cell::new(Instant::now()), found: RefCell::default(), failing: RefCell::default() }
    }
}

impl Runtime {
    /// When it is to be looked again, if something is attached.
    pub(super) fn tampering_due(&self) -> Option<Instant> {
        self.probes.any_attached().then(|| self.tampering.due.get())
    }

    /// Looks whether another process has changed something of a probe, if that is due.
    pub(super) fn look_for_tampering(&self, now: Instant) {
        if !self.is_to_look(self.tampering.due.get(), now) {
            return;
        }
        let begun = spent();
        self.say_tampering();
        if self.probes.used().iter().any(|probe| probe.pinned().is_some()) {
            self.leases_changed();
        }
        let pause = LOOK.max(spent().saturating_sub(begun) * SHARE);
        self.tampering.due.set(Instant::now() + pause);
    }

    /// Looks whether another process has changed something of a probe, and says so.
    pub(super) fn say_tampering(&self) {
        let attached: Vec<_> = self.probes.used().into_iter().filter(ProbeHandle::attached).collect();
        // A session that watches such calls would see itself, again and again.
        let asking = !attached.iter().any(|probe| probe.is_asked_at(&ASKED_BY_LOOKING));
        for probe in attached {
            let name = probe.name();
            match probe.altered(asking) {
                Ok(altered) => {
                    self.tampering.failing.borrow_mut().remove(&name);
                    altered.iter().for_each(|what| self.say_altered(&name, what));
                }
                // Said once, and not twice a second.
                Err(fault) => {
                    let why = fault.to_string();
                    let known = self.tampering.failing.borrow_mut().insert(name.clone(), why.clone());
                    if known.as_ref() != Some(&why) {
                        self.say_altered(&name, &format!("cannot be looked at: {why}"));
                    }
                }
            }
        }
    }

    fn say_altered(&self, name: &str, what: &str) {
        let times = {
            let mut found = self.tampering.found.borrow_mut();
            let times = found.entry(name.to_owned()).or_default();
            *times += 1;
            *times
        };
        let text = match times {
            ..SHOWN => format!("probe `{name}` {what}"),
            SHOWN => format!(
                "probe `{name}` {what}; further changes are put back and counted, and no longer reported"
            ),
            _ => return,
        };
        self.report(|reporter| reporter.log(&text));
        self.report(|reporter| reporter.alert(Severity::High, &text, None));
    }
}
