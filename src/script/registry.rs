//! The probes that a session has made.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    rc::Rc,
};

use super::{
    Fault,
    handle::{Birth, Fate, ProbeHandle},
};
use crate::{backend::Backend, event::queue::Sender};

#[derive(Default)]
pub struct Registry {
    births: RefCell<Vec<Rc<Birth>>>,
    /// Every probe that the script makes, where that is asked for.
    made: RefCell<Option<Vec<ProbeHandle>>>,
    /// Every probe that was ever attached, in that order.
    used: RefCell<Vec<ProbeHandle>>,
}

impl Registry {
    /// Gives a new probe its number and name. A number that no probe has used is given again: those of probes that
    /// were let go before they were attached.
    pub fn birth(&self, template: &str) -> Rc<Birth> {
        let mut births = self.births.borrow_mut();
        let held = |birth: &Rc<Birth>| Rc::strong_count(birth) > 1;
        // What the script knows of need not be remembered.
        births.retain(|birth| held(birth) || birth.fate.get() != Fate::LookedAt);
        let taken: HashSet<u32> = births
            .iter()
            .filter(|birth| held(birth) || birth.fate.get() == Fate::Attached)
            .map(|birth| birth.id)
            .collect();
        let id = (1..).find(|id| !taken.contains(id)).unwrap_or(u32::MAX);
        let name = RefCell::new(format!("{template}-{id}"));
        let birth = Rc::new(Birth { id, name, fate: Cell::new(Fate::Made) });
        births.push(Rc::clone(&birth));
        birth
    }

    /// Returns the names of the probes that were made, and then neither attached nor asked about.
    pub fn forgotten(&self) -> Vec<String> {
        let births = self.births.borrow();
        let made = births.iter().filter(|birth| birth.fate.get() == Fate::Made);
        made.map(|birth| birth.name.borrow().clone()).collect()
    }

    /// Keeps every probe that is made from here on, for [`Self::take_made`].
    pub fn keep_made(&self) {
        *self.made.borrow_mut() = Some(Vec::new());
    }

    /// Hears of a new probe.
    pub fn add_made(&self, probe: &ProbeHandle) {
        if let Some(made) = &mut *self.made.borrow_mut() {
            made.push(probe.clone());
        }
    }

    pub fn take_made(&self) -> Vec<ProbeHandle> {
        self.made.take().unwrap_or_default()
    }

    /// Attaches a probe, and keeps it until the session's end. Nothing happens if it is attached already; returns
    /// whether it was not.
    ///
    /// # Errors
    /// If the spec may not be attached, an attached probe has its name, or the backend refuses; then nothing is left
    /// behind.
    pub fn attach(&self, probe: &ProbeHandle, backend: &dyn Backend, events: &Sender) -> Result<bool, Fault> {
        if probe.attached() {
            return Ok(false);
        }
        probe.prepare()?;
        let name = probe.name();
        if self.named(&name).is_some_and(|other| !other.is(probe) && other.attached()) {
            return Err(Fault::script(format!(
                "there is an attached probe named `{name}` already; give this one another `.name(…)`, or detach the other"
            ))
            .about(&name));
        }
        probe.attach(backend, events)?;
        let mut used = self.used.borrow_mut();
        if !used.iter().any(|known| known.is(probe)) {
            used.push(probe.clone());
        }
        Ok(true)
    }

    /// Returns every probe that was ever attached, in that order.
    pub fn used(&self) -> Vec<ProbeHandle> {
        self.used.borrow().clone()
    }

    /// Returns whether something is attached.
    pub fn any_attached(&self) -> bool {
        self.used.borrow().iter().any(ProbeHandle::attached)
    }

    /// Returns the last one attached under this name.
    pub fn named(&self, name: &str) -> Option<ProbeHandle> {
        self.used.borrow().iter().rev().find(|probe| probe.is_named(name)).cloned()
    }

    /// Returns every probe that was ever attached, and forgets them.
    pub fn take_used(&self) -> Vec<ProbeHandle> {
        self.used.take()
    }
}
