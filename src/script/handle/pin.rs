//! A probe that is to go on when the session has ended: what may be pinned, and what is refused, since a shell would have to do it.

use std::time::{Duration, Instant};

use super::{Fault, ProbeHandle, State};
use crate::{
    backend::{PinLease, PinRequest},
    probe::{LOCKS_OUT, Spec, scope::Kind},
    script::policy::Policy,
    template::ParamKind,
};

/// The longest name of a cgroup that the kernel's side follows, in bytes.
const LONGEST_FOLLOWED: usize = 126;

impl State {
    /// Says why this probe cannot go on without a shell, if so.
    fn check_pin(&self, lease: Option<PinLease>) -> Result<(), Fault> {
        let Spec { name, mode, scope, .. } = &self.spec;
        let refuse = |text: String, advice: &str| {
            Err(Fault { advice: Some(advice.to_owned()), ..Fault::script(text).about("pin") })
        };
        if self.spec.ask.is_some() {
            let text = format!("probe `{name}` asks, and nobody answers when this session has ended");
            return refuse(text, "attach a probe without `.ask(…)`: `.deny()`, or a filter that decides");
        }
        if self.rehearsal.is_some() {
            let text = format!("probe `{name}` only tells until this shell has it refuse (`.armed(…)`)");
            return refuse(
                text,
                "wait until it refuses, or set its mode now: `.deny(\"EPERM\")`, and then `.pin(…)`",
            );
        }
        let by_file = self.spec.params.keys().find(|param| {
            let found = self.spec.template.param(param);
            found.is_some_and(|param| matches!(param.kind, ParamKind::Paths))
        });
        if let Some(param) = by_file {
            let text = format!(
                "param `{param}` of probe `{name}` names files, which this shell keeps track of: when it has ended and one of them is replaced, \
                 its number may become that of another file, which would then be meant"
            );
            return refuse(text, "say it by name: `.when(|e| e.path == \"/the/file\")`, or `path_prefix`");
        }
        let by_number = |kind: Kind| matches!(kind, Kind::Exe | Kind::ParentExe);
        if let Some((condition, _)) = scope.conditions().find(|(condition, _)| by_number(condition.kind)) {
            let text = format!(
                "scope `{condition}` of probe `{name}` names an executable by its file, which this shell keeps track of: when it has ended and \
                 the file is replaced, its number may become that of another one"
            );
            return refuse(
                text,
                "say it by path: `exe_suffix: \"/bin/name\"`, or `exe_prefix` (and `parent_exe_…`)",
            );
        }
        if scope.has_name_longer_than(LONGEST_FOLLOWED) {
            let text = format!(
                "the scope of probe `{name}` has a cgroup whose name is longer than {LONGEST_FOLLOWED} bytes, which this shell keeps track of"
            );
            return refuse(text, "scope by a cgroup above it");
        }
        if mode.enforces() && lease.is_none() {
            let text = format!(
                "probe `{name}` is in {mode}, and nobody is said to keep that going when this session has ended"
            );
            return refuse(
                text,
                "`.pin(\"NAME\", #{lease: \"10m\"})` lapses unless `krsi-sh pins hold NAME` renews it; `#{lease: \"forever\"}` needs nobody",
            );
        }
        if self.spec.locks_out() && lease == Some(PinLease::Forever) {
            let text = format!(
                "probe `{name}` refuses everything to everybody, and `lease: \"forever\"` would not end that{LOCKS_OUT}"
            );
            return refuse(
                text,
                "a scope that names who is meant, a filter, or a lease that runs out: `#{lease: \"10m\"}`",
            );
        }
        Ok(())
    }

    /// What ends with the session all the same, a sentence each.
    fn left_behind(&self) -> Vec<String> {
        let name = &self.spec.name;
        let mut said = Vec::new();
        if self.callback.is_some() || self.listeners > 0 || self.condition.is_some() {
            said.push(format!(
                "{name}: what the script does about its events ends with this session; the kernel goes on to decide and to count"
            ));
        }
        if !self.spec.sets.is_empty() {
            let sets: Vec<_> = self.spec.sets.values().map(|set| format!("{set:?}")).collect();
            said.push(format!(
                "{name}: what {} has when this session ends is what the pinned probe has from then on",
                sets.join(", ")
            ));
        }
        if self.spec.trip.is_some() {
            said.push(format!("{name}: that its breaker has tripped is told by `krsi-sh pins` alone when this session has ended"));
        }
        if self.health.is_some() || self.canary.is_some() {
            said.push(format!("{name}: its health function and its canary are this session's, and are not asked when it has ended"));
        }
        said
    }
}

impl ProbeHandle {
    /// Keeps it attached beyond the session. `lease`: who keeps its enforcement going; the probe's own lease if it is not given. Returns
    /// what there is to say about it.
    ///
    /// # Errors
    /// If it is not attached, pinned already, needs a shell, or the backend refuses; then it ends with the session as before.
    pub fn pin(
        &self,
        policy: Policy,
        pin: &str,
        lease: Option<PinLease>,
        script: &str,
    ) -> Result<Vec<String>, Fault> {
        policy.permit(self.mode())?;
        let written = self.check_pin(pin, lease)?;
        let mut state = self.0.borrow_mut();
        let name = state.spec.name.clone();
        let before = state.spec.lease;
        // Before it is pinned: whoever is killed in between leaves nothing.
        if let Some(lease) = lease {
            state.set_pin_lease(lease.lasts())?;
        }
        // Behind that: it says what the probe's lease is now.
        let (rule, mode) = (state.describe(), state.spec.acting_mode());
        let request =
            PinRequest { name: pin, probe: &name, rule: &rule, script, mode: &mode, lease: written };
        let Some(attachment) = &mut state.attachment else { return Ok(Vec::new()) };
        if let Err(error) = attachment.pin(request) {
            state.set_pin_lease(before)?;
            state.spec.goes_on = false;
            state.hold()?;
            return Err(error.into());
        }
        let mut remarks = vec![format!(
            "probe `{name}` is pinned as `{pin}`: {}",
            going_on(written, &mode, state.spec.mode.enforces(), pin)
        )];
        remarks.extend(state.left_behind());
        drop(state);
        self.say_what_it_is();
        Ok(remarks)
    }

    /// Checks whether it may be pinned so. Gives the lease that is to be written down.
    ///
    /// # Errors
    /// If it is not attached, pinned already, or needs a shell.
    pub fn check_pin(&self, pin: &str, lease: Option<PinLease>) -> Result<Option<PinLease>, Fault> {
        let state = self.0.borrow();
        let name = &state.spec.name;
        let refuse = |text: String, advice: &str| {
            Err(Fault { advice: Some(advice.to_owned()), ..Fault::script(text).about(pin) })
        };
        match state.attachment.as_ref().map(|attachment| attachment.pinned()) {
            None => {
                return refuse(
                    format!("probe `{name}` is not attached, and cannot be pinned"),
                    "`.attach()` first",
                );
            }
            Some(Some(other)) => {
                return refuse(format!("probe `{name}` is pinned already, as `{other}`"), "`.unpin()` first");
            }
            Some(None) => {}
        }
        let own = state.spec.lease.map(|own| PinLease::For(nanoseconds(own)));
        let written = lease.or(own);
        state.check_pin(written)?;
        Ok(written)
    }

    /// Has it end with the session again. Returns what there is to say about it.
    ///
    /// # Errors
    /// If that cannot be done; then it is pinned still.
    pub fn unpin(&self) -> Result<Vec<String>, Fault> {
        let mut state = self.0.borrow_mut();
        let name = state.spec.name.clone();
        let Some(attachment) = &mut state.attachment else { return Ok(Vec::new()) };
        let Some(pin) = attachment.pinned().map(str::to_owned) else { return Ok(Vec::new()) };
        attachment.unpin()?;
        state.spec.goes_on = false;
        state.hold()?;
        drop(state);
        self.say_what_it_is();
        Ok(vec![format!(
            "probe `{name}` is not pinned any more (`{pin}` is removed): it ends with this session"
        )])
    }

    /// The name under which it is pinned, if it is.
    pub fn pinned(&self) -> Option<String> {
        let state = self.0.try_borrow().ok()?;
        state.attachment.as_ref()?.pinned().map(str::to_owned)
    }

    /// Says that it goes on, and how it is ended, for the session's end.
    pub fn goes_on(&self) -> Option<String> {
        let pin = self.pinned()?;
        let state = self.0.try_borrow().ok()?;
        Some(format!(
            "probe `{}` stays pinned as `{pin}`, in {}; `krsi-sh pins show {pin}` tells more, `krsi-sh pins remove {pin}` ends it",
            state.spec.name,
            state.mode_now()
        ))
    }
}

impl State {
    fn set_pin_lease(&mut self, lease: Option<Duration>) -> Result<(), Fault> {
        let Some(attachment) = &mut self.attachment else { return Ok(()) };
        attachment.set_lease(lease)?;
        self.spec.lease = lease;
        self.spec.goes_on = lease.is_none();
        self.lease_ends = lease.and_then(|lease| Instant::now().checked_add(lease));
        (self.lapse_told, self.held) = (false, false);
        Ok(())
    }

    /// Takes over what the kernel has of a pinned probe's lease: others renew it.
    pub(super) fn follow_lease(&mut self) {
        let Some(left) = self.attachment.as_ref().and_then(|attachment| attachment.lease_left()) else {
            return;
        };
        let now = Instant::now();
        self.lease_ends = left.and_then(|left| now.checked_add(left));
        if self.lease_ends.is_none_or(|end| end > now) {
            self.lapse_told = false;
        }
    }
}

/// How it goes on when the session has ended.
fn going_on(lease: Option<PinLease>, mode: &str, enforces: bool, pin: &str) -> String {
    match lease.map(PinLease::lasts) {
        _ if !enforces => {
            format!("it goes on in {mode} when this session has ended; `krsi-sh pins remove {pin}` ends it")
        }
        Some(Some(lasts)) => format!(
            "it goes on in {mode} when this session has ended, and lapses after {} unless `krsi-sh pins hold {pin}` renews that",
            humantime::format_duration(lasts)
        ),
        _ => format!(
            "it goes on in {mode} when this session has ended, until `krsi-sh pins remove {pin}` or the next boot"
        ),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
