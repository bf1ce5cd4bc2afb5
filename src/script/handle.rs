//! A probe as a script holds it: its spec, what it has in the kernel while it is
//! attached, its callback, and its books.
//!
//! Configured first, attached once it is whole; mode, lease and params then change
//! in the kernel as well as here. A change that the kernel refuses leaves both as they were.

mod aggregation;
mod explanation;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use self::explanation::InWords;
use super::{
    Fault,
    program::{Callback, When},
    runtime::Runtime,
};
use crate::{
    kernel::{Attachment, Followed, InScope, host::namespaces},
    probe::{self, Counters, Mode, OnError, ParamValue, Scope, Spec, Summary, param},
    report::Books,
    template::Stack,
    values::Signal,
};

impl State {
    /// That a filter's own verdicts do nothing in this mode, if so.
    fn verdict_remark(&self) -> Option<String> {
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

    /// Gives what enforces and has no lease of its own one that this shell renews: a shell that hangs or
    /// is stopped locks nobody out for long.
    fn hold(&mut self) -> Result<(), Fault> {
        let Some(attachment) = &mut self.attachment else { return Ok(()) };
        let wanted = self.spec.mode.enforces() && self.spec.lease.is_none();
        if wanted != self.held {
            attachment.set_lease(wanted.then_some(HOLD).or(self.spec.lease))?;
            self.held = wanted;
        }
        Ok(())
    }

    /// Whether it would enforce now, had its lease not run out.
    fn has_lapsed(&self) -> bool {
        let over = self.lease_ends.is_some_and(|end| end <= Instant::now());
        self.attachment.is_some() && self.spec.mode.enforces() && over
    }

    /// What the kernel answers, and whether it still does.
    fn mode_now(&self) -> String {
        let mode = self.spec.acting_mode();
        if self.has_lapsed() || self.closed_lapsed { format!("{mode} lapsed") } else { mode }
    }
}

/// A probe that a script holds; clones are the same probe.
#[derive(Clone)]
pub struct ProbeHandle(Rc<RefCell<State>>);

/// What became of a probe that a script has made, also when the script does not hold it any more.
#[derive(Debug)]
pub struct Birth {
    pub id: u32,
    /// The name it has had last.
    pub name: RefCell<String>,
    pub fate: Cell<Fate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet.
    Made,
    /// It was explained or previewed, or the kernel did not take it: the script knows.
    LookedAt,
    Attached,
}

struct State {
    birth: Rc<Birth>,
    spec: Spec,
    attachment: Option<Attachment>,
    callback: Option<Rc<Callback>>,
    /// Asked about each event that the kernel has sent, before anything is done about it.
    condition: Option<Rc<Callback>>,
    /// Compiled again at each attach, since captured variables may have changed.
    when: Option<When>,
    /// Whether events are wanted, if the script has said so.
    events: Option<bool>,
    /// Of former attachments.
    closed: Counters,
    /// What the aggregations of the last attachment had come to.
    closed_summaries: Vec<Summary>,
    /// Whether the script has looked at them itself.
    has_told: bool,
    /// Rows that `.top(n, …)` wants to see.
    most_rows: Option<usize>,
    /// Whether it has been attached at all, and so has books.
    has_books: bool,
    /// Whether it enforces only as long as this shell says so again and again ([`HOLD`]).
    held: bool,
    /// When the lease that the script has set runs out.
    lease_ends: Option<Instant>,
    /// That it has run out has been said.
    lapse_told: bool,
    /// It had run out when the probe was detached.
    closed_lapsed: bool,
    /// It was made to observe, since the session ends.
    disarmed: bool,
    /// Whether it could only observe when it was attached last.
    audit_only: bool,
    in_words: InWords,
}

/// Enforcement without a lease of its own ends this long after the shell has last renewed it.
pub const HOLD: Duration = Duration::from_secs(20);

impl State {
    /// That the script has asked about it: a probe that it then lets go was not forgotten.
    fn looked_at(&self) {
        if self.birth.fate.get() == Fate::Made {
            self.birth.fate.set(Fate::LookedAt);
        }
    }

    /// Checks the spec, and compiles the filter with what captured variables hold now.
    fn make_whole(&mut self) -> Result<(), Fault> {
        self.spec.check()?;
        self.spec.filter = self.when.as_ref().map(|when| when.compile(&self.spec.template)).transpose()?;
        Ok(())
    }

    fn books(&self, counters: Counters) -> Books {
        Books {
            probe: self.spec.name.clone(),
            template: self.spec.template.name.clone(),
            mode: self.spec.acting_mode(),
            lease_over: self.has_lapsed() || self.closed_lapsed,
            audit_only: self.audit_only,
            attached: self.attachment.is_some(),
            counters,
        }
    }

    /// That a program's stack has addresses only, where whose they are cannot be found out.
    fn stack_remark(&self) -> Option<String> {
        let foreign = namespaces::process_ids().err().filter(|_| self.spec.wants_stack(Stack::User))?;
        Some(format!("{}: `ustack` has addresses only: {foreign}", self.spec.name))
    }

    /// Says that a denial is a kill by SIGKILL, where it is, and the probe could deny at all.
    fn late_remark(&self) -> Option<String> {
        let param = self.spec.late().filter(|_| !self.audit_only)?;
        Some(format!(
            "{}: with `{param}` it decides once the new program is in place: a denial, or a kill whatever the signal, is done by SIGKILL, before its first instruction",
            self.spec.name
        ))
    }
}

impl ProbeHandle {
    pub fn new(birth: Rc<Birth>, spec: Spec) -> Self {
        ProbeHandle(Rc::new(RefCell::new(State {
            birth,
            spec,
            attachment: None,
            callback: None,
            condition: None,
            when: None,
            events: None,
            closed: Counters::default(),
            closed_summaries: Vec::new(),
            has_told: false,
            most_rows: None,
            has_books: false,
            held: false,
            lease_ends: None,
            lapse_told: false,
            closed_lapsed: false,
            disarmed: false,
            audit_only: false,
            in_words: InWords::Never,
        })))
    }

    pub fn is(&self, other: &ProbeHandle) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub fn id(&self) -> u32 {
        self.0.borrow().birth.id
    }

    pub fn name(&self) -> String {
        self.0.borrow().spec.name.clone()
    }

    /// That the script was told about it: one that it then lets go was not forgotten.
    pub fn look_at(&self) {
        self.0.borrow().looked_at();
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.0.borrow().spec.name == name
    }

    pub fn template(&self) -> String {
        self.0.borrow().spec.template.name.clone()
    }

    pub fn mode(&self) -> Mode {
        self.0.borrow().spec.mode
    }

    pub fn attached(&self) -> bool {
        // One that is being changed is asked by what reports that.
        let Ok(state) = self.0.try_borrow() else { return true };
        state.attachment.is_some() || state.in_words == InWords::Attached
    }

    /// Whether it denies or kills now.
    pub fn in_force(&self) -> bool {
        let Ok(state) = self.0.try_borrow() else { return true };
        state.attachment.is_some() && state.spec.mode.enforces() && !state.has_lapsed()
    }

    pub fn callback(&self) -> Option<Rc<Callback>> {
        self.0.borrow().callback.clone()
    }

    pub fn condition(&self) -> Option<Rc<Callback>> {
        self.0.borrow().condition.clone()
    }

    pub fn set_condition(&self, condition: Option<Rc<Callback>>) {
        self.0.borrow_mut().condition = condition;
    }

    /// # Errors
    /// If the object's layout is broken.
    pub fn set_callback(&self, callback: Option<Rc<Callback>>) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        state.callback = callback;
        state.apply_quiet()
    }

    /// Attaches; nothing happens if it is attached already.
    ///
    /// # Errors
    /// If the spec may not be attached or the kernel refuses; then nothing is left behind.
    pub fn attach(&self, runtime: &Runtime) -> Result<(), Fault> {
        if self.attached() {
            return Ok(());
        }
        let name = self.name();
        // Asked before anything of this probe is borrowed: it may be one of those that are looked at.
        let namesake = runtime.probe_named(&name).filter(|other| !self.is(other) && other.attached());
        let mut state = self.0.borrow_mut();
        state.looked_at();
        state.make_whole()?;
        if namesake.is_some() {
            return Err(Fault::script(format!(
                "there is an attached probe named `{name}` already; give this one another `.name(…)`, or detach the other"
            ))
            .about(&name));
        }
        let attachment = runtime.kernel()?.attach(state.birth.id, &state.spec)?;
        state.birth.fate.set(Fate::Attached);
        state.audit_only = attachment.audit_only().is_some();
        state.attachment = Some(attachment);
        state.has_books = true;
        state.lease_ends = state.spec.lease.and_then(|lease| Instant::now().checked_add(lease));
        (state.lapse_told, state.closed_lapsed, state.disarmed) = (false, false, false);
        state.hold()
    }

    /// Detaches; nothing happens if it is not attached. Its books stay.
    ///
    /// # Errors
    /// If the books cannot be read; it is detached all the same.
    pub fn detach(&self) -> Result<(), Fault> {
        self.leave_in_words();
        let attachment = {
            let mut state = self.0.borrow_mut();
            state.closed_lapsed = state.has_lapsed();
            state.attachment.take()
        };
        let Some(attachment) = attachment else { return Ok(()) };
        let (counters, summaries) = attachment.detach()?;
        let mut state = self.0.borrow_mut();
        state.closed = state.closed + counters;
        state.closed_summaries = summaries;
        Ok(())
    }

    /// # Errors
    /// If the name is empty or the probe is attached.
    pub fn rename(&self, name: &str) -> Result<(), Fault> {
        self.before_attach("name")?;
        if name.trim().is_empty() {
            return Err(Fault::script("a probe's name must not be empty"));
        }
        let mut state = self.0.borrow_mut();
        name.clone_into(&mut state.spec.name);
        name.clone_into(&mut state.birth.name.borrow_mut());
        Ok(())
    }

    /// # Errors
    /// If the probe is attached.
    pub fn set_scope(&self, scope: Scope) -> Result<(), Fault> {
        self.before_attach("scope")?;
        self.0.borrow_mut().spec.scope = scope;
        Ok(())
    }

    /// # Errors
    /// If an event has no such field, there are none, or the probe is attached.
    pub fn narrow(&self, names: &[String]) -> Result<(), Fault> {
        self.before_attach("fields")?;
        let mut state = self.0.borrow_mut();
        if names.is_empty() {
            return Err(Fault::script(
                "`.fields([])` would tell nothing; name some, or say `.events(false)`",
            ));
        }
        for name in names {
            probe::aggregation::find(&state.spec.template, name)?;
        }
        state.spec.fields = Some(names.into());
        Ok(())
    }

    /// # Errors
    /// If the probe is attached.
    pub fn want_stack(&self, of: Stack) -> Result<(), Fault> {
        self.before_attach(of.field())?;
        let mut state = self.0.borrow_mut();
        if !state.spec.stacks.contains(&of) {
            state.spec.stacks.push(of);
        }
        Ok(())
    }

    /// # Errors
    /// If the probe is attached.
    pub fn set_everywhere(&self) -> Result<(), Fault> {
        self.before_attach("everywhere")?;
        self.0.borrow_mut().spec.everywhere = true;
        Ok(())
    }

    /// # Errors
    /// If the probe is attached.
    pub fn set_on_error(&self, answer: OnError) -> Result<(), Fault> {
        self.before_attach("on_error")?;
        self.0.borrow_mut().spec.on_error = answer;
        Ok(())
    }

    /// Sets the filter, now if it is attached: then it takes the former one's place, with no moment without either.
    /// `None` takes it back.
    ///
    /// # Errors
    /// If the closure is no filter for this template, or the kernel refuses it; then the former one still decides.
    pub fn set_when(&self, runtime: &Runtime, when: Option<When>) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        let compiled = when.as_ref().map(|when| when.compile(&state.spec.template)).transpose();
        if compiled.is_err() {
            state.looked_at();
        }
        let filter = compiled?;
        let spec = Spec { filter, ..state.spec.clone() };
        if let Some(attachment) = &mut state.attachment {
            attachment.set_filter(runtime.kernel()?, &spec)?;
        }
        state.spec = spec;
        state.when = when;
        if state.attachment.is_some()
            && let Some(remark) = state.verdict_remark()
        {
            runtime.note(&remark);
        }
        Ok(())
    }

    fn before_attach(&self, what: &str) -> Result<(), Fault> {
        let state = self.0.borrow();
        if state.attachment.is_none() && state.in_words != InWords::Attached {
            return Ok(());
        }
        Err(Fault::script(format!(
            "probe `{}` is attached, and `.{what}(…)` is decided before that; detach it first (filter, mode, lease and params change live)",
            state.spec.name
        )))
    }

    /// Changes what the kernel answers, now if it is attached; the policy has the last word.
    ///
    /// # Errors
    /// If the spec may not have that mode; the former one still holds.
    pub fn set_mode(&self, runtime: &Runtime, mode: Mode) -> Result<(), Fault> {
        let asked = mode;
        let mode = runtime.options.policy.mode(asked);
        if mode != asked {
            runtime.note(&format!("--audit: probe `{}` is in shadow instead of {asked}", self.name()));
        }
        let mut state = self.0.borrow_mut();
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
            runtime.note(&remark);
        }
        state.hold()
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

    /// Sets a param, now if it is attached; `null` takes it back.
    ///
    /// # Errors
    /// If there is no such param, the value is not one of its kind, or the kernel refuses it.
    pub fn set_param(&self, runtime: &Runtime, name: &str, value: &serde_json::Value) -> Result<(), Fault> {
        let mut state = self.0.borrow_mut();
        let template = std::sync::Arc::clone(&state.spec.template);
        let param = param::find(&template, name)?;
        let value = ParamValue::parse(param, value)?;
        if let Some(attachment) = &mut state.attachment {
            attachment.set_param(runtime.kernel()?, param, value.as_ref())?;
            for remark in attachment.param_remarks(name) {
                runtime.note(&format!("{}: {remark}", state.spec.name));
            }
        }
        let was_late = state.spec.late().is_some();
        match value {
            Some(value) => state.spec.params.insert(name.to_owned(), value),
            None => state.spec.params.remove(name),
        };
        // Before the attach it is said there.
        if state.attachment.is_some()
            && !was_late
            && let Some(remark) = state.late_remark()
        {
            runtime.note(&remark);
        }
        Ok(())
    }

    /// What has been decided so far, over all its attachments.
    ///
    /// # Errors
    /// If the kernel's counters cannot be read.
    pub fn counters(&self) -> Result<Counters, Fault> {
        let state = self.0.borrow();
        let now = state.attachment.as_ref().map(Attachment::counters).transpose()?;
        Ok(state.closed + now.unwrap_or_default())
    }

    /// Brings what the kernel has emitted until now into the queue.
    pub fn flush(&self) {
        if let Some(attachment) = &self.0.borrow().attachment {
            attachment.flush();
        }
    }

    /// Why it can only observe, if so.
    pub fn audit_only(&self) -> Option<String> {
        self.0.borrow().attachment.as_ref()?.audit_only().map(str::to_owned)
    }

    /// The processes that its scope applies to now.
    ///
    /// # Errors
    /// If the scope names what is not there, or the kernel refuses.
    pub fn preview(&self, runtime: &Runtime) -> Result<Vec<InScope>, Fault> {
        let state = self.0.borrow();
        state.looked_at();
        Ok(runtime.kernel()?.preview(&state.spec)?)
    }

    /// The closing books, if it was ever attached.
    pub fn books(&self) -> Option<Books> {
        let state = self.0.borrow();
        state.has_books.then(|| state.books(state.closed))
    }

    /// The books as they stand, if it was ever attached.
    ///
    /// # Errors
    /// If the kernel's counters cannot be read.
    pub fn current_books(&self) -> Result<Option<Books>, Fault> {
        /// Looks at counters that change while they are read.
        const LOOKS: usize = 3;
        self.flush();
        let mut counters = self.counters()?;
        for _ in 1..LOOKS {
            if counters.balanced() {
                break;
            }
            counters = self.counters()?;
        }
        let state = self.0.borrow();
        Ok(state.has_books.then(|| state.books(counters)))
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

    /// The filter for reading.
    pub fn explain(&self) -> String {
        let state = self.0.borrow();
        state.looked_at();
        match &state.spec.filter {
            Some(compiled) => compiled.explain(),
            None => "no filter: every event in scope that the params let pass".to_owned(),
        }
    }

    /// Looks whether what it names is something else now, and follows; gives what has changed.
    ///
    /// # Errors
    /// If something cannot be looked at, or a table of the kernel has no room.
    pub fn follow(&self, runtime: &Runtime) -> Result<Vec<Followed>, Fault> {
        let mut state = self.0.borrow_mut();
        match &mut state.attachment {
            Some(attachment) if attachment.follows() => {
                Ok(attachment.follow(runtime.kernel()?, Instant::now())?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// What the probe cannot do, by this kernel or by its params; a sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let state = self.0.borrow();
        let missing = state.attachment.as_ref().map_or(&[][..], Attachment::missing);
        let name = &state.spec.name;
        let remark = |hook: &crate::kernel::MissingHook| {
            format!("{name}: nothing is seen or refused at hook `{}`: {}", hook.hook, hook.reason)
        };
        let idle = state.verdict_remark();
        let named = state.attachment.as_ref().map_or_else(Vec::new, Attachment::remarks);
        let named = named.into_iter().map(|remark| format!("{name}: {remark}"));
        let idle = idle.into_iter().chain(state.path_remark()).chain(named);
        let locks_out = state
            .spec
            .locks_out()
            .then(|| format!("{name}: it refuses everything to everybody{}", probe::LOCKS_OUT));
        let stacks = state.stack_remark();
        missing
            .iter()
            .map(remark)
            .chain(state.late_remark())
            .chain(idle)
            .chain(locks_out)
            .chain(stacks)
            .collect()
    }

    /// One line: `watch: exec [bprm_check_security], observe, scope uid 1000`.
    pub fn describe(&self) -> String {
        let state = self.0.borrow();
        let spec = &state.spec;
        let mut text = format!("{}: {} [{}]", spec.name, spec.template.name, spec.template.hooks.join(", "));
        if !spec.params.is_empty() {
            text.push_str(&format!(", {}", spec.describe_params()));
        }
        text.push_str(&format!(", {}", state.mode_now()));
        if spec.everywhere {
            text.push_str(", everywhere");
        }
        if !spec.scope.is_empty() {
            text.push_str(&format!(", scope {}", spec.scope));
        }
        if let Some(compiled) = &spec.filter {
            text.push_str(&format!(", when {}", compiled.filter));
        }
        for aggregation in &spec.aggregations {
            text.push_str(&format!(", {}", aggregation.describe()));
        }
        if state.audit_only {
            text.push_str(", audit-only");
        }
        if let Some(lease) = spec.lease {
            text.push_str(&format!(", lease {}", humantime::format_duration(lease)));
        } else if state.held {
            text.push_str(&format!(", expires {} s after this shell stops responding", HOLD.as_secs()));
        }
        if state.attachment.is_none() && state.in_words != InWords::Attached {
            text.push_str(if state.has_books { ", detached" } else { ", not attached" });
        }
        text
    }
}
