//! A probe that only tells at first what it would refuse, and refuses later.

use std::time::{Duration, Instant};

use super::{Fault, ProbeHandle};
use crate::{probe::Mode, script::policy::Policy, values::Errno};

/// How long it only tells, counted from the attach, and what comes then.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal {
    pub lasts: Duration,
    pub errno: Errno,
    /// How long it refuses then.
    pub lease: Duration,
}

impl ProbeHandle {
    /// Has it refuse when it was attached for so long, unless its mode is set meanwhile.
    pub fn rehearse(&self, rehearsal: Rehearsal) {
        self.0.borrow_mut().rehearsal = Some(rehearsal);
    }

    /// When its rehearsal is over.
    pub fn armed_at(&self) -> Option<Instant> {
        let state = self.0.try_borrow().ok()?;
        state.rehearsal_ends.filter(|_| state.attachment.is_some() && state.rehearsal.is_some())
    }

    /// Has it refuse if its rehearsal is over. Gives what there is to say, if that is so.
    ///
    /// # Errors
    /// If the backend refuses; then it goes on telling, and does not try again.
    pub fn take_rehearsal(&self, policy: Policy, now: Instant) -> Result<Vec<String>, Fault> {
        if self.armed_at().is_none_or(|end| end > now) {
            return Ok(Vec::new());
        }
        let Some(rehearsal) = self.0.borrow_mut().rehearsal.take() else { return Ok(Vec::new()) };
        let mode = Mode::Deny(rehearsal.errno);
        self.set_lease(Some(rehearsal.lease))?;
        let mut remarks = self.set_mode(policy, mode)?;
        if policy.mode(mode) == mode {
            remarks.push(format!(
                "probe `{}` was rehearsed for {}; from now on it refuses with {}, for {}",
                self.name(),
                humantime::format_duration(rehearsal.lasts),
                rehearsal.errno,
                humantime::format_duration(rehearsal.lease),
            ));
        }
        Ok(remarks)
    }
}
