//! A probe in words: one line that describes it, and what there is to say about it.

use super::{HOLD, ProbeHandle, State};
use crate::{
    backend::Door,
    probe::{self, Mode, needs::Need},
    system::namespaces,
    template::Stack,
};

impl State {
    /// That a filter's own verdicts do nothing in this mode, if so.
    pub(super) fn verdict_remark(&self) -> Option<String> {
        let says = self.spec.filter.as_ref().is_some_and(|compiled| compiled.filter.body.has_verdicts());
        let idle = says && self.spec.mode == Mode::Observe;
        let name = &self.spec.name;
        idle.then(|| {
            format!("{name}: the filter's own verdicts count from mode shadow on; `.deny()` enforces them")
        })
    }

    /// That names alone do not hold a file, where a denial rests on them.
    fn path_remark(&self) -> Option<String> {
        const PREFIXES: [&str; 2] = ["path_prefix", "path_suffix"];
        let spec = &self.spec;
        let by_name = spec.params.keys().any(|name| PREFIXES.contains(&name.as_str()));
        let by_file = spec.params.contains_key("path");
        (spec.mode.enforces() && by_name && !by_file).then(|| {
            format!(
                "{}: a prefix or suffix is a rule about names: a hard link, a bind mount, a rename or a copy elsewhere has another name; `path` also holds the file itself",
                spec.name
            )
        })
    }

    /// That a program's stack has addresses only, where whose they are cannot be found out.
    fn stack_remark(&self) -> Option<String> {
        let foreign = namespaces::process_ids().err().filter(|_| self.spec.wants_stack(Stack::User))?;
        Some(format!("{}: `ustack` has addresses only: {foreign}", self.spec.name))
    }

    /// Says that a denial is a kill by SIGKILL, where it is, and the probe could deny at all.
    pub(super) fn late_remark(&self) -> Option<String> {
        let param = self.spec.late().filter(|_| !self.audit_only())?;
        Some(format!(
            "{}: with `{param}` it decides once the new program is in place: a denial, or a kill whatever the signal, is done by SIGKILL, before its first instruction",
            self.spec.name
        ))
    }

    /// Says whose executable a filter asks about, where it decides when that is another.
    pub(super) fn becoming_remark(&self) -> Option<String> {
        const OF_THE_NEW: [&str; 3] = ["exe", "exe_inode", "comm"];
        let param = self.spec.late()?;
        let asked = OF_THE_NEW.into_iter().find(|name| self.spec.needs(&[name], Need::Filter))?;
        Some(format!(
            "{}: with `{param}` it decides once the new program is in place, so `{asked}` in the filter is that program's; who executes it is `e.parent.exe`, or in `.scope(#{{exe: …}})`",
            self.spec.name
        ))
    }

    /// That it locks everybody out, if so.
    fn lockout_remark(&self) -> Option<String> {
        let name = &self.spec.name;
        self.spec
            .locks_out()
            .then(|| format!("{name}: it refuses everything to everybody{}", probe::LOCKS_OUT))
    }

    /// What the kernel answers, and whether it still does.
    pub(super) fn mode_now(&self) -> String {
        let mode = self.spec.acting_mode();
        match (self.has_lapsed() || self.closed_lapsed, self.has_tripped() || self.closed_tripped) {
            (_, true) => format!("{mode} tripped"),
            (true, false) => format!("{mode} lapsed"),
            (false, false) => mode,
        }
    }

    /// See [`ProbeHandle::describe`].
    pub(super) fn describe(&self) -> String {
        let spec = &self.spec;
        let mut text = format!("{}: {} [{}]", spec.name, spec.template.name, spec.template.hooks.join(", "));
        if !spec.params.is_empty() {
            text.push_str(&format!(", {}", spec.describe_params()));
        }
        text.push_str(&format!(", {}", self.mode_now()));
        if spec.everywhere {
            text.push_str(", everywhere");
        }
        if !spec.scope.is_empty() {
            text.push_str(&format!(", scope {}", spec.scope));
        }
        if let Some(said) = spec.filter.as_ref().and_then(|compiled| compiled.when.as_ref()) {
            text.push_str(&format!(", when {said}"));
        }
        for aggregation in &spec.aggregations {
            text.push_str(&format!(", {}", aggregation.describe()));
        }
        match self.door {
            Some(Door::Observe) => text.push_str(", audit-only"),
            Some(Door::FmodRet) => text.push_str(", by fmod_ret"),
            Some(Door::Lsm) | None => {}
        }
        if let Some(pin) = self.attachment.as_ref().and_then(|attachment| attachment.pinned()) {
            text.push_str(&format!(", pinned as {pin}"));
        }
        if let Some(lease) = spec.lease {
            text.push_str(&format!(", lease {}", humantime::format_duration(lease)));
        } else if self.held {
            text.push_str(&format!(", expires {} s after this shell stops responding", HOLD.as_secs()));
        }
        if let Some(trip) = spec.trip {
            text.push_str(&format!(", trips at more than {trip}"));
        }
        if let Some(every) = self.health {
            text.push_str(&format!(
                ", trips by its health function, asked every {}",
                humantime::format_duration(every)
            ));
        }
        if let Some(every) = self.canary {
            text.push_str(&format!(", canary every {}", humantime::format_duration(every)));
        }
        for limit in spec.limits.in_words() {
            text.push_str(&format!(", {limit}"));
        }
        if self.attachment.is_none() {
            text.push_str(if self.has_books { ", detached" } else { ", not attached" });
        }
        text
    }
}

impl ProbeHandle {
    /// One line: `watch: exec [bprm_check_security], observe, scope uid 1000`.
    pub fn describe(&self) -> String {
        self.0.borrow().describe()
    }

    /// Says [that line](Self::describe) to other processes, which ask whose a refusal was.
    pub(super) fn say_what_it_is(&self) {
        let text = self.describe();
        if let Some(attachment) = &mut self.0.borrow_mut().attachment {
            attachment.say(&text);
        }
    }

    /// What the probe cannot do, by this kernel or by its params; a sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let state = self.0.borrow();
        let of_spec = [
            state.late_remark(),
            state.becoming_remark(),
            state.verdict_remark(),
            state.path_remark(),
            state.lockout_remark(),
            state.stack_remark(),
        ];
        let of_attachment = state.attachment.as_ref().map_or_else(Vec::new, |attached| attached.remarks());
        let name = &state.spec.name;
        let of_attachment = of_attachment.into_iter().map(|remark| format!("{name}: {remark}"));
        of_attachment.chain(of_spec.into_iter().flatten()).collect()
    }

    /// The filter for reading.
    pub fn explain(&self) -> String {
        let state = self.0.borrow();
        state.looked_at();
        match &state.spec.filter {
            Some(compiled) => compiled.explain(),
            None => "no filter: every event in scope that the params let pass".to_owned(),
        }
    }
}
