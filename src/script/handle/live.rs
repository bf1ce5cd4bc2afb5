//! What may change while a probe is attached: filter, mode, lease and params; and what changes by itself: leases that run
//! out, names that come to mean something else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Fault, HOLD, ProbeHandle, State};
use crate::{
    backend::Followed,
    probe::{Mode, ParamValue, Scope, Spec, SpecError, param},
    script::{policy::Policy, program::When},
    template::{Param, ParamKind},
    values::Signal,
};

impl State {
    /// Gives what enforces and has no lease of its own one that this shell renews: a shell that hangs or
    /// is stopped locks nobody out for long.
    pub(super) fn hold(&mut self) -> Result<(), Fault> {
        let Some(attachment) = &mut self.attachment else { return Ok(()) };
        let wanted = self.spec.mode.enforces() && self.spec.lease.is_none() && !self.spec.goes_on;
        if wanted != self.held {
            attachment.set_lease(wanted.then_some(HOLD).or(self.spec.lease))?;
            self.held = wanted;
        }
        Ok(())
    }
}

/// The values of a set, as a param has them.
fn of_set(param: &Param, values: &serde_json::Value) -> Result<ParamValue, Fault> {
    if !param.kind.takes_sets() {
        let name = &param.name;
        let text = format!(
            "param `{name}` takes no set: what it is about stands in the program; give it a list, which changes by `p.set(\"{name}\", […])`"
        );
        return Err(Fault::script(text).about(name));
    }
    if values.as_array().is_some_and(Vec::is_empty) {
        return Ok(ParamValue::nothing(&param.kind));
    }
    let parsed = ParamValue::parse(param, values)?;
    Ok(parsed.unwrap_or_else(|| ParamValue::nothing(&param.kind)))
}

impl State {
    /// Changes a param of what is attached. One that the filter asks about is set before the filter asks, and taken back
    /// after: what it makes the hooks gather is there whenever it is asked for.
    fn change_param(&mut self, param: &Param, value: Option<&ParamValue>, spec: &Spec) -> Result<(), Fault> {
        let is_asked = matches!(param.kind, ParamKind::Asked(_));
        let before = self.spec.params.get(&param.name).cloned();
        let Some(attachment) = &mut self.attachment else { return Ok(()) };
        if is_asked && value.is_none() {
            attachment.set_filter(spec)?;
        }
        attachment.set_param(param, value)?;
        if is_asked
            && value.is_some()
            && let Err(error) = attachment.set_filter(spec)
        {
            // What went wrong first is what is told.
            let _ = attachment.set_param(param, before.as_ref());
            return Err(error.into());
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
        let compiled = state.compiled(&state.spec, when.as_ref());
        if compiled.is_err() {
            state.looked_at();
        }
        let filter = compiled?;
        let spec = Spec { filter, ..state.spec.clone() };
        if let Some(attachment) = &mut state.attachment {
            attachment.set_filter(&spec)?;
        }
        state.spec = spec;
        state.revision += 1;
        state.when = when;
        // Before the attach it is said there.
        let remarks = [state.verdict_remark(), state.becoming_remark()];
        let remarks = remarks.into_iter().flatten().filter(|_| state.attachment.is_some()).collect();
        drop(state);
        self.say_what_it_is();
        Ok(remarks)
    }

    /// Changes what is answered, now if it is attached; the policy has the last word. Returns what there is to say about
    /// it.
    ///
    /// # Errors
    /// If the spec may not have that mode; the old one still holds.
    pub fn set_mode(&self, policy: Policy, asked: Mode) -> Result<Vec<String>, Fault> {
        policy.permit(asked)?;
        let mode = policy.mode(asked);
        let mut state = self.0.borrow_mut();
        let mut remarks = Vec::new();
        if mode != asked {
            remarks.push(format!("--audit: probe `{}` is in shadow instead of {asked}", state.spec.name));
        }
        if state.attachment.is_some() {
            Spec { mode, ..state.spec.clone() }.check()?;
        }
        // Before it enforces, and not behind: what was refused before counts no more.
        state.reset_breaker()?;
        if let Some(attachment) = &mut state.attachment {
            attachment.set_mode(mode)?;
        }
        state.spec.mode = mode;
        state.revision += 1;
        // Whoever sets a mode has decided.
        state.rehearsal = None;
        if state.attachment.is_none() && matches!(asked, Mode::Deny(_) | Mode::Kill(_)) {
            // It will not hold anything.
            (state.spec.ask, state.asker) = (None, None);
        }
        state.lapse_told = false;
        // Before the attach it is said there.
        if let (Some(_), Mode::Kill(signal), Some(remark)) = (&state.attachment, mode, state.late_remark())
            && signal != Signal::KILL
        {
            remarks.push(remark);
        }
        state.hold()?;
        drop(state);
        self.say_what_it_is();
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
        state.hold()?;
        drop(state);
        self.say_what_it_is();
        Ok(())
    }

    /// Sets the scope; if it is attached, only what of it may change then.
    ///
    /// # Errors
    /// If it is attached and more is to change, the spec may not have that scope, or a table has no room.
    pub fn set_scope(&self, scope: Scope) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        let spec = Spec { scope, ..state.spec.clone() };
        let may_change = spec.scope.differs_in_parts_only(&state.spec.scope);
        if let Some(attachment) = &mut state.attachment {
            if !may_change {
                return Err(Fault::script(format!(
                    "probe `{}` is attached, and `.scope(…)` is decided before that; detach it first (what exe_prefix, exe_suffix, \
                     parent_exe_prefix and parent_exe_suffix name changes live, where the scope has them already)",
                    spec.name
                )));
            }
            spec.check()?;
            attachment.set_scope(&spec.scope)?;
        }
        state.spec = spec;
        state.revision += 1;
        drop(state);
        self.say_what_it_is();
        Ok(())
    }

    /// Returns what a set of it has, as texts; nothing if it was not set.
    ///
    /// # Errors
    /// If there is no param of that name.
    pub fn param(&self, name: &str) -> Result<Vec<String>, Fault> {
        let state = self.0.borrow();
        param::find(&state.spec.template, name)?;
        Ok(state.spec.params.get(name).map(ParamValue::members).unwrap_or_default())
    }

    /// Sets a param, now if it is attached; `null` removes it. Returns what there is to say about it.
    ///
    /// # Errors
    /// If there is no such param, the value is not one of its kind, or the kernel refuses it.
    pub fn set_param(&self, name: &str, value: &serde_json::Value) -> Result<Vec<String>, Fault> {
        let template = Arc::clone(&self.0.borrow().spec.template);
        let param = param::find(&template, name)?;
        self.put_param(param, ParamValue::parse(param, value)?, None)
    }

    /// Gives a param the values of a set, which may be none. Returns what there is to say about it.
    ///
    /// # Errors
    /// As [`Self::set_param`], and if no set can stand there.
    pub fn put_set(&self, name: &str, set: &str, values: &serde_json::Value) -> Result<Vec<String>, Fault> {
        let template = Arc::clone(&self.0.borrow().spec.template);
        let param = param::find(&template, name)?;
        self.put_param(param, Some(of_set(param, values)?), Some(set))
    }

    /// Whether a param could have the values of a set.
    ///
    /// # Errors
    /// Why not.
    pub fn check_param(&self, name: &str, values: &serde_json::Value) -> Result<(), Fault> {
        let state = self.0.borrow();
        of_set(param::find(&state.spec.template, name)?, values).map(drop)
    }

    /// Whether a param has the values of this set.
    pub fn takes(&self, param: &str, set: &str) -> bool {
        self.0.borrow().spec.sets.get(param).is_some_and(|taken| taken == set)
    }

    fn put_param(
        &self,
        param: &Param,
        value: Option<ParamValue>,
        set: Option<&str>,
    ) -> Result<Vec<String>, Fault> {
        let mut state = self.0.borrow_mut();
        let name = &param.name;
        if state.spec.ask.is_some()
            && param.late.is_some()
            && !matches!(value, None | Some(ParamValue::Flag(false)))
        {
            return Err(SpecError::AsksTooLate { param: name.clone() }.into());
        }
        let was_late = state.spec.late().is_some();
        let mut spec = state.spec.clone();
        match &value {
            Some(value) => spec.params.insert(name.clone(), value.clone()),
            None => spec.params.remove(name),
        };
        match set {
            Some(set) => spec.sets.insert(name.clone(), set.to_owned()),
            None => spec.sets.remove(name),
        };
        let mut remarks = Vec::new();
        if state.attachment.is_some() {
            if matches!(param.kind, ParamKind::Asked(_)) {
                spec.filter = state.compiled(&spec, state.when.as_ref())?;
            }
            state.change_param(param, value.as_ref(), &spec)?;
            remarks =
                state.attachment.as_ref().map_or_else(Vec::new, |attached| attached.param_remarks(name));
        }
        for remark in &mut remarks {
            *remark = format!("{}: {remark}", state.spec.name);
        }
        state.spec = spec;
        state.revision += 1;
        // Before the attach it is said there.
        if state.attachment.is_some() && !was_late {
            remarks.extend([state.late_remark(), state.becoming_remark()].into_iter().flatten());
        }
        drop(state);
        self.say_what_it_is();
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
        match &mut state.attachment {
            // It is to go on.
            Some(attachment) if attachment.pinned().is_some() => Ok(()),
            Some(attachment) => Ok(attachment.set_mode(Mode::Observe)?),
            None => Ok(()),
        }
    }

    /// Looks whether another process has changed something of it since the last look: what, each the end of a sentence. If it only observes
    /// from then on, that is its mode here, too. `asking`: also what the kernel has to be asked for.
    ///
    /// # Errors
    /// If that cannot be found out, or not be put back.
    pub fn altered(&self, asking: bool) -> Result<Vec<String>, Fault> {
        let Ok(mut state) = self.0.try_borrow_mut() else { return Ok(Vec::new()) };
        let Some(attachment) = &mut state.attachment else { return Ok(Vec::new()) };
        let was_pinned = attachment.pinned().is_some();
        let altered = attachment.altered(asking)?;
        if was_pinned && attachment.pinned().is_none() {
            // From here on this shell keeps it going, or nobody.
            state.spec.goes_on = false;
            state.hold()?;
        }
        state.follow_lease();
        state.altered += altered.len() as u64;
        if altered.iter().any(|altered| altered.observes) {
            state.spec.mode = Mode::Observe;
            state.revision += 1;
        }
        drop(state);
        if !altered.is_empty() {
            self.say_what_it_is();
        }
        Ok(altered.into_iter().map(|altered| altered.what).collect())
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
