//! A pin as a script holds it: a probe that goes on without a session, whoever has pinned it.

use std::rc::Rc;

use serde_json::Value;

use super::Fault;
use crate::backend::Pinned;

/// A pin; clones are the same.
#[derive(Clone)]
pub struct PinHandle(Rc<dyn Pinned>);

impl PinHandle {
    pub fn new(pin: Box<dyn Pinned>) -> Self {
        PinHandle(pin.into())
    }

    pub fn name(&self) -> String {
        self.0.name().to_owned()
    }

    /// All that is known of it now.
    pub fn told(&self) -> Value {
        self.0.told()
    }

    /// One text of it; an empty one if that is not known.
    pub fn text(&self, member: &str) -> String {
        self.told()[member].as_str().unwrap_or_default().to_owned()
    }

    pub fn was_pinned_enforcing(&self) -> bool {
        self.0.was_pinned_enforcing()
    }

    /// # Errors
    /// If it cannot be reached.
    pub fn observe(&self) -> Result<(), Fault> {
        Ok(self.0.observe()?)
    }

    /// # Errors
    /// If a session holds it, it cannot be reached, or another version has pinned it.
    pub fn resume(&self) -> Result<(), Fault> {
        Ok(self.0.resume()?)
    }

    /// # Errors
    /// If it cannot be reached, or another version has pinned it.
    pub fn renew(&self) -> Result<(), Fault> {
        Ok(self.0.renew()?)
    }

    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self) -> Result<bool, Fault> {
        Ok(self.0.remove()?)
    }

    /// One line: `guard: enforces (exec-1: exec [bprm_check_security], deny(EPERM))`.
    pub fn describe(&self) -> String {
        let now = self.text("now");
        let now = if now.is_empty() { "not known" } else { &now };
        format!("{}: {now} ({})", self.name(), self.text("rule"))
    }
}
