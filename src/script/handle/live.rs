//! What may change while a probe is attached: filter, mode, lease and params; and what changes by itself: leases that run
//! out, names that come to mean something else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Fault, HOLD, ProbeHandle, State};
use crate::{
    backend::Followed,
    probe::{Mode, ParamValue, Spec, param},
    script::{policy::Policy, program::When},
    values::Signal,
};

impl State {
    /// Gives what enforces and has no lease of its own one that this shell renews: a shell that hangs or
    /// is stopped locks nobody out for long.
    pub(super) fn hold(&mut self) -> Result<(), Fault> {
        let Some(attachment) = &mut self.attachment else { return Ok(()) };
        let wanted = self.spec.mode.enforces() && self.spec.lease.is_none();
        if wanted != self.held {
            attachment.set_lease(wanted.then_some(HOLD).or(self.spec.lease))?;
            self.held = wanted;
        }
        Ok(())
    }
}

impl ProbeHandle {
    /// Sets the filter, now if it is attached: then it takes the old one's place, with no moment without either.
    /// `None` removes it. Returns what there is to say about it.
    ///
    /// # Errors
    /// If the closure is no filter for this template, or the kernel refuses it; then the old one still decides.
    pub fn set_when(&self, when: Option<When>) -> Result<Vec<String>, Fault> {
        let mut state = self.0.borrow_mut();
        let compiled = when.as_ref().map(|when| when.compile(&state.spec.template)).transpose();
        if compiled.is_err() {
            state.looked_at();
        }
        let filter = compiled?;
        let spec = Spec { filter, ..state.spec.clone() };
        if let Some(attachment) = &mut state.attachment {
            attachment.set_filter(&spec)?;
        }
        state.spec = spec;
        state.when = when;
        // Before the attach it is said there.
        let remark = state.attachment.is_some().then(|| state.verdict_remark());
        Ok(remark.flatten().into_iter().collect())
    }

    /// Changes what is answered, now if it is attached; the policy has the last word. Returns what there is to say about
    /// it.
    ///
    /// # Errors
    /// If the spec may not have that mode; the old one still holds.
    pub fn set_mode(&self, policy: Policy, asked: Mode) -> Result<Vec<String>, Fault> {
        let mode = policy.mode(asked);
        let mut state = self.0.borrow_mut();
        let mut remarks = Vec::new();
        if mode != asked {
            remarks.push(format!("--audit: probe `{}` is in shadow instead of {asked}", state.spec.name));
        }
        if state.attachment.is_some() {
            Spec { mode, ..state.spec.clone() }.check()?;
        }
        if let Some(attachment) = &mut state.attachment {
            attachment.set_mode(mode)?;
        }
        state.spec.mode = mode;
        state.lapse_told = false;
        // Before the attach it is said there.
        if let (Some(_), Mode::Kill(signal), Some(remark)) = (&state.attachment, mode, state.late_remark())
            && signal != Signal::KILL
        {
            remarks.push(remark);
        }
        state.hold()?;
        Ok(remarks)
    }

    /// Enforcement lapses this long from now, or (if not attached yet) from the attach.
    ///
    /// # Errors
    /// If the spec needs a lease and this would take it away.
    pub fn set_lease(&self, lease: Option<Duration>) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        if state.attachment.is_some() {
            Spec { lease, ..state.spec.clone() }.check()?;
        }
        if let Some(attachment) = &mut state.attachment {
            attachment.set_lease(lease)?;
        }
        state.spec.lease = lease;
        state.lease_ends =
            lease.filter(|_| state.attachment.is_some()).and_then(|lease| Instant::now().checked_add(lease));
        (state.lapse_told, state.held) = (false, false);
        state.hold()
    }

    /// Sets a param, now if it is attached; `null` removes it. Returns what there is to say about it.
    ///
    /// # Errors
    /// If there is no such param, the value is not one of its kind, or the kernel refuses it.
    pub fn set_param(&self, name: &str, value: &serde_json::Value) -> Result<Vec<String>, Fault> {
        let mut state = self.0.borrow_mut();
        let template = Arc::clone(&state.spec.template);
        let param = param::find(&template, name)?;
        let value = ParamValue::parse(param, value)?;
        let mut remarks = Vec::new();
        if let Some(attachment) = &mut state.attachment {
            attachment.set_param(param, value.as_ref())?;
            remarks = attachment.param_remarks(name);
        }
        for remark in &mut remarks {
            *remark = format!("{}: {remark}", state.spec.name);
        }
        let was_late = state.spec.late().is_some();
        match value {
            Some(value) => state.spec.params.insert(name.to_owned(), value),
            None => state.spec.params.remove(name),
        };
        // Before the attach it is said there.
        if state.attachment.is_some() && !was_late {
            remarks.extend(state.late_remark());
        }
        Ok(remarks)
    }

    /// Says to the kernel that this shell is alive, if that is what the probe's enforcement hangs on; gives whether
    /// it is.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn renew(&self) -> Result<bool, Fault> {
        // One that is being changed has its turn next time.
        let Ok(mut state) = self.0.try_borrow_mut() else { return Ok(false) };
        match &mut *state {
            State { held: true, attachment: Some(attachment), .. } => {
                attachment.set_lease(Some(HOLD))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Makes it observe in the kernel, for the session ends; its mode here stays for what is said of it.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn disarm(&self) -> Result<(), Fault> {
        let Ok(mut state) = self.0.try_borrow_mut() else { return Ok(()) };
        state.disarmed = true;
        match &mut state.attachment {
            Some(attachment) => Ok(attachment.set_mode(Mode::Observe)?),
            None => Ok(()),
        }
    }

    /// Whether another process has made it observe since the last look; from then on that is its mode here, too.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn changed_from_outside(&self) -> Result<bool, Fault> {
        let Ok(mut state) = self.0.try_borrow_mut() else { return Ok(false) };
        let expected = state.spec.mode.enforces() && !state.disarmed;
        match &state.attachment {
            Some(attachment) if expected && attachment.only_observes()? => {
                state.spec.mode = Mode::Observe;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// When its lease runs out, if that ends enforcement and has not been said yet.
    pub fn lapses_at(&self) -> Option<Instant> {
        let state = self.0.try_borrow().ok()?;
        let counts = state.attachment.is_some() && state.spec.mode.enforces() && !state.lapse_told;
        state.lease_ends.filter(|_| counts)
    }

    /// That its lease has run out, in words, the first time this is asked since.
    pub fn take_lapse(&self, now: Instant) -> Option<String> {
        self.lapses_at().filter(|end| *end <= now)?;
        let mut state = self.0.try_borrow_mut().ok()?;
        state.lapse_told = true;
        let (name, mode) = (&state.spec.name, state.spec.acting_mode());
        Some(format!(
            "the lease of probe `{name}` ran out: {mode} is no longer enforced; `.lease(…)` renews it"
        ))
    }

    /// Until when it enforces, by a lease that the script has set.
    pub fn lease_ends(&self) -> Option<Instant> {
        self.0.borrow().lease_ends
    }

    /// Looks whether what it names is something else now, and follows; gives what has changed.
    ///
    /// # Errors
    /// If something cannot be looked at, or a table of the kernel has no room.
    pub fn follow(&self) -> Result<Vec<Followed>, Fault> {
        match &mut self.0.borrow_mut().attachment {
            Some(attachment) => Ok(attachment.follow(Instant::now())?),
            None => Ok(Vec::new()),
        }
    }
}
