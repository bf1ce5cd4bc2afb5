//! An attached probe: everything it has in the kernel, in one place that is
//! dropped as a whole.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aya::maps::Map;

use crate::{
    backend::{Door, Followed, Request},
    event::Source,
    kernel::{
        Kernel, KernelError,
        attach::{exempt, hooks::Hooks, limits, older::Older, scope::Resolved, trackers},
        errno::chain,
        host::preemption,
        label::Label,
        load::{Loaded, MissingHook, object::Object},
        maps::{
            counters::{Books, Delivery},
            grace,
            params::{self, Tables},
            questions::{self, Questions},
            ring::{Outlet, Reader},
            settings::Settings,
            stacks::KeptStacks,
            summaries::Summaries,
            take,
            tokens::{self, Tokens},
        },
        names::{iterators::Iterators, lineage::lineage},
        pins::Own,
        waker::{self, Registration, Watched},
    },
    probe::{
        Counters, Mode, OnError, ParamValue, Scope, Summary,
        ask::{Reply, Ruling, Standing},
    },
    system::clock,
    template::{Control, Param, ParamKind, Template},
};

/// An attached probe. Dropping it detaches.
///
/// The order of the fields is the order of the drop: first the programs leave
/// the hooks, then the readers end, then the maps go.
pub struct Attachment {
    pub(super) hooks: Hooks,
    /// The object of the first generation, once another has its place: trackers go on.
    pub(super) first: Option<Object>,
    reader: Reader,
    books: Books,
    pub(super) tables: Tables,
    /// When it is looked again whether another process has changed them.
    pub(super) tables_due: Instant,
    summaries: Option<Summaries>,
    stacks: Option<Arc<KeptStacks>>,
    pub(super) settings: Settings,
    pub(super) id: u32,
    pub(super) generation: u32,
    /// The generation that was attached last, or was to be.
    pub(super) latest: u32,
    pub(super) older: Older,
    pub(super) template: Arc<Template>,
    on_error: OnError,
    pub(super) scope: Resolved,
    missing: Vec<MissingHook>,
    pub(super) door: Door,
    /// Why no better door could be had.
    no_better: Option<String>,
    /// Decisions that the kernel passed over in programs that have left.
    missed: u64,
    /// What it says of itself, if it has said so.
    label: Option<Label>,
    /// What it holds, if it asks.
    questions: Option<Questions>,
    /// That the waker is spared, and looks at what is held.
    pub(super) waker: Registration,
    /// Whether its programs ask for what is kept of processes.
    pub(super) asks_for_records: bool,
    /// Where it is pinned, if it is.
    pub(super) pinned: Option<Own>,
}

impl Attachment {
    pub(super) fn new(
        kernel: &Kernel,
        loaded: Loaded,
        Request { id, spec, events }: Request<'_>,
        mut scope: Resolved,
        door: Door,
        no_better: Option<String>,
    ) -> Result<Self, KernelError> {
        let Loaded { mut object, programs, missing } = loaded;
        let template = Arc::clone(&spec.template);
        let delivery = Arc::new(Delivery::default());
        let stacks = KeptStacks::open(&object, spec)?.map(Arc::new);
        let outlet = Outlet {
            source: Source::new(Arc::clone(&template), spec.name.as_str().into(), spec.told()).into(),
            stacks: stacks.clone(),
            events: events.clone(),
            delivery: Arc::clone(&delivery),
        };
        let iterators = kernel.iterators()?;
        scope.apply(&mut object, iterators.types())?;
        let spared = exempt::set(take(&object, "krsi_guard")?, &lineage(iterators)?)?;
        let questions = spec.ask.map(|_| Questions::open(&object)).transpose()?;
        if let Some(trip) = spec.trip {
            Tokens::new(take(&object, tokens::TABLE)?)?.fill(trip.refusals)?;
        }
        let watched =
            questions.as_ref().map(|questions| watched(&object, &template, questions)).transpose()?;
        let waker = waker::register(spared, watched)?;
        let mut attachment = Attachment {
            reader: Reader::start(take(&object, "krsi_events")?, outlet, &kernel.runtime)?,
            books: Books::new(take(&object, "krsi_counters")?, &template.layout, delivery)?,
            tables: Tables::new(&object)?,
            tables_due: Instant::now(),
            summaries: Summaries::open(&object, &spec.name, &spec.aggregations)?,
            stacks,
            settings: Settings::new(take(&object, "krsi_settings")?, template.layout.settings_size)?,
            hooks: Hooks { object, programs },
            first: None,
            id,
            generation: 0,
            latest: 0,
            older: Older::default(),
            template,
            on_error: spec.on_error,
            scope,
            missing,
            door,
            no_better,
            missed: 0,
            label: None,
            questions,
            waker,
            asks_for_records: spec.asks_for_records(),
            pinned: None,
        };
        attachment.rearm()?;
        attachment.set_quiet(spec.quiet)?;
        attachment.set_lease(spec.lease)?;
        attachment.set_mode(spec.mode)?;
        for (name, value) in &spec.params {
            if let Some(param) = spec.template.param(name) {
                attachment.write_param(param, Some(value), iterators)?;
            }
        }
        trackers::start(&mut attachment.hooks.object, iterators.types(), &spec.template.layout)?;
        limits::start(&mut attachment.hooks.object, iterators.types(), &spec.limits)?;
        // Last: a program must not decide anything before its settings are whole.
        attachment.hooks.attach()?;
        Ok(attachment)
    }

    /// By what it is attached.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door
    }

    /// Why no better door could be had.
    #[must_use]
    pub fn no_better_door(&self) -> Option<&str> {
        self.no_better.as_deref()
    }

    /// Hooks of the template that this kernel does not have; nothing is seen or refused there.
    #[must_use]
    pub fn missing(&self) -> &[MissingHook] {
        &self.missing
    }

    pub(super) fn store(&self, word: impl Fn(&Control) -> usize, value: u64) -> Result<(), KernelError> {
        self.settings.store(word(&self.template.layout.control), value)
    }

    pub(super) fn load(&self, word: impl Fn(&Control) -> usize) -> Result<u64, KernelError> {
        self.settings.load(word(&self.template.layout.control))
    }

    /// Changes what the kernel answers, from the next decision on.
    ///
    /// # Errors
    /// If the probe can only observe, and this enforces.
    pub fn set_mode(&mut self, mode: Mode) -> Result<(), KernelError> {
        if !self.door.refuses() && mode.enforces() {
            return Err(KernelError::audit_only(&self.template, mode, self.no_better.as_deref()));
        }
        if matches!(mode, Mode::Ask(_)) && self.questions.is_none() {
            return Err(KernelError::NotLoadedToAsk);
        }
        let asked =
            self.load(|control| control.mode)? & 0xff == mode_word(Mode::Ask(Ruling::Allow), self.on_error);
        self.store(|control| control.mode, mode_word(mode, self.on_error))?;
        if asked && !matches!(mode, Mode::Ask(_)) {
            self.let_go();
        }
        Ok(())
    }

    /// Lets everything go on that is held, once those programs are through that could hold more.
    pub fn let_go(&mut self) {
        let Some(questions) = &mut self.questions else { return };
        // Without the wait the waker finds what comes late.
        let _ = grace::wait_for_programs();
        questions.release();
    }

    /// What has become of the question that this thread's event of this time was.
    #[must_use]
    pub fn standing(&self, tid: u32, asked_ns: u64) -> Standing {
        self.questions.as_ref().map_or(Standing::Over, |questions| questions.standing(tid, asked_ns))
    }

    /// Answers it. False if it is not held any more.
    ///
    /// # Errors
    /// If the kernel takes no answer.
    pub fn answer(&mut self, tid: u32, asked_ns: u64, reply: Reply) -> Result<bool, KernelError> {
        self.questions.as_mut().map_or(Ok(false), |questions| questions.answer(tid, asked_ns, reply))
    }

    /// Enforcement lapses this long from now; `None`: never.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn set_lease(&mut self, lease: Option<Duration>) -> Result<(), KernelError> {
        let deadline = lease.map_or(0, |lease| {
            let lease = u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX);
            clock::monotonic_ns().unsigned_abs().saturating_add(lease)
        });
        self.store(|control| control.lease_ns, deadline)
    }

    /// Whether the breaker has tripped, if it has one.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn tripped(&self) -> Result<bool, KernelError> {
        Ok(self.load(|control| control.tripped_ns)? > self.load(|control| control.trip_from_ns)?)
    }

    /// Lets it refuse again if its breaker has tripped, and begins to count refusals anew.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn rearm(&mut self) -> Result<(), KernelError> {
        self.store(|control| control.trip_from_ns, clock::monotonic_ns().cast_unsigned())
    }

    /// Whether events are kept in the kernel, from the next decision on.
    ///
    /// # Errors
    /// If the object's layout is broken.
    pub fn set_quiet(&mut self, quiet: bool) -> Result<(), KernelError> {
        self.store(|control| control.quiet, u64::from(quiet))
    }

    /// What the probe's aggregations have come to.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub fn summaries(&self) -> Result<Vec<Summary>, KernelError> {
        let Some(summaries) = &self.summaries else { return Ok(Vec::new()) };
        let read = summaries.read(self.books.read()?.overflow)?;
        Ok(summaries.resolved(read, self.stacks.as_deref()))
    }

    /// The same; then everything begins from zero, and no event is in both or in neither.
    ///
    /// # Errors
    /// If a table cannot be read, or the kernel cannot wait for its programs.
    pub fn take_summaries(&mut self) -> Result<Vec<Summary>, KernelError> {
        let Some(mut summaries) = self.summaries.take() else { return Ok(Vec::new()) };
        let taken = summaries.take(
            |epoch| self.store(|control| control.epoch, u64::from(epoch)),
            || self.books.read().map(|counters| counters.overflow),
        );
        let taken = taken.map(|taken| summaries.resolved(taken, self.stacks.as_deref()));
        self.summaries = Some(summaries);
        taken
    }

    /// Replaces what the scope names of executables' paths.
    ///
    /// # Errors
    /// If a table has no room; then it says what it did before.
    pub fn set_scope(&mut self, scope: &Scope) -> Result<(), KernelError> {
        self.scope.replace_parts(scope)
    }

    /// Replaces a param's value; `None` takes it back.
    ///
    /// # Errors
    /// If the kernel refuses an entry; the previous value then still holds.
    pub fn set_param(
        &mut self,
        kernel: &Kernel,
        param: &Param,
        value: Option<&ParamValue>,
    ) -> Result<(), KernelError> {
        self.write_param(param, value, kernel.iterators()?)
    }

    fn write_param(
        &mut self,
        param: &Param,
        value: Option<&ParamValue>,
        iterators: &Iterators,
    ) -> Result<(), KernelError> {
        // Taking a set back empties its table: the kernel side must stop asking it first.
        if value.is_none() {
            self.settings.store(param.offset, 0)?;
        }
        if let (ParamKind::Variables, Some(ParamValue::Texts(names))) = (&param.kind, value) {
            // Both the old and the new ones are looked for while the tables change.
            let both = self.settings.load(param.offset)? | params::word(&param.kind, names);
            self.settings.store(param.offset, both)?;
        }
        let word = self.tables.set(param, value, iterators)?;
        self.settings.store(param.offset, word)
    }

    /// Looks whether what the scope and the params name is something else now, and follows; and ends what takes its time.
    /// Gives what has changed.
    ///
    /// # Errors
    /// If something cannot be looked at, or a table has no room; what was meant before then still is.
    pub fn follow(&mut self, kernel: &Kernel, now: Instant) -> Result<Vec<Followed>, KernelError> {
        self.settle(now)?;
        let iterators = kernel.iterators()?;
        let mut events = self.scope.follow(iterators, now)?;
        events.extend(self.tables.follow(iterators)?);
        if let Some(questions) = &mut self.questions {
            questions.sweep();
            events.extend(waker::take_trouble().map(Followed::Gone));
        }
        Ok(events)
    }

    /// Whether there is anything to follow.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.older.is_there() || self.scope.follows() || self.tables.follows() || self.questions.is_some()
    }

    /// What was resolved once and for all, or is not there yet, and what its door cannot do: a sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let of_names = self.scope.remarks().iter().cloned().chain(self.tables.remarks(|_| true));
        of_names.chain(self.door_remark()).collect()
    }

    /// The kernel passes a tracing program over while another task is in it on the same processor (`__bpf_prog_enter_recur` of
    /// kernel/bpf/trampoline.c), which takes a task that was interrupted there. Many threads on one processor bring that about
    /// as they like; to forbid preemption inside the program does not help, since its end is where it is made up for.
    fn door_remark(&self) -> Option<String> {
        let may_miss = self.door == Door::FmodRet && preemption::is_possible();
        may_miss.then(|| {
            "this kernel is preemptible, and by fmod_ret it lets an operation pass unasked while another task on the same \
             processor is interrupted in the middle of being asked; a program of many threads can bring that about. Each such \
             operation is counted as `missed`; `bpf` in lsm= has no such gap"
                .to_owned()
        })
    }

    /// Says this of itself to other processes, as far as the kernel lets.
    pub fn say(&mut self, text: &str) {
        if self.label.is_none() {
            self.label = Label::new().ok();
        }
        // Whoever asks is otherwise told in fewer words.
        let _ = self.label.as_ref().map(|label| label.write(text));
        self.label_programs();
    }

    /// Lets the programs that decide now hold what is said.
    pub(super) fn label_programs(&self) {
        let Some(label) = &self.label else { return };
        for program in self.hooks.object.loaded() {
            let _ = label.bind(program);
        }
    }

    /// Keeps counted what was passed over in hooks that are about to leave.
    pub(super) fn keep_missed(&mut self, older: &Hooks) {
        self.missed += older.missed();
    }

    /// What a name of this param means here that its text does not say: a sentence each.
    #[must_use]
    pub fn param_remarks(&self, param: &str) -> Vec<String> {
        self.tables.remarks(|name| name == param)
    }

    /// Waits until every event emitted so far is in the session's queue, or counted as lost.
    pub fn flush(&self) {
        self.reader.flush();
    }

    /// How many events its limits have held back.
    ///
    /// # Errors
    /// If the counters map cannot be read.
    pub fn limited(&self) -> Result<u64, KernelError> {
        Ok(self.books.read()?.limited)
    }

    /// The books so far. While events are under way they may not balance yet.
    ///
    /// # Errors
    /// If the counters map cannot be read.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        let (held, taken) = self.questions.as_ref().map_or((0, 0), |asked| (asked.held(), asked.withdrawn()));
        let counters = self.books.read()?;
        let withdrawn = counters.withdrawn + taken;
        let missed = self.missed + self.older.missed() + self.hooks.missed();
        Ok(Counters { missed, held, withdrawn, ..counters })
    }

    /// Detaches, reads what is left in the ring buffer, and closes the books; what the aggregations have come
    /// to is with them.
    ///
    /// # Errors
    /// If a table cannot be read; the probe is detached all the same.
    pub fn detach(mut self) -> Result<(Counters, Vec<Summary>), KernelError> {
        self.missed += self.older.missed() + self.hooks.missed();
        self.older = Older::default();
        self.hooks.detach();
        self.first = None;
        self.let_go();
        self.reader.stop();
        // A task may have been inside the program when it left the hook; nothing tells
        // when the last one is through but the books themselves.
        const PATIENCE: Duration = Duration::from_secs(1);
        let begun = Instant::now();
        loop {
            self.reader.drain();
            let counters = self.counters()?;
            if counters.balanced() || begun.elapsed() > PATIENCE {
                return Ok((counters, self.summaries()?));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What the waker looks at.
fn watched(object: &Object, template: &Template, questions: &Questions) -> Result<Watched, KernelError> {
    let settings_size = template.layout.settings_size;
    let map = take(object, "krsi_settings")?;
    let unknown = |reason: String| KernelError::Table { table: "krsi_settings", reason };
    let settings_id = match &map {
        Map::Array(map) => map.info().map(|info| info.id()).map_err(|error| unknown(chain(&error)))?,
        _ => return Err(unknown("it is no array".into())),
    };
    Ok(Watched {
        held: questions.id()?,
        settings_id,
        settings_size,
        mode: template.layout.control.mode,
        lease: template.layout.control.lease_ns,
        settings: Settings::new(map, settings_size)?,
    })
}

impl Drop for Attachment {
    /// Nothing stays held by a probe that is gone.
    fn drop(&mut self) {
        if self.questions.is_some() {
            self.hooks.detach();
            self.older = Older::default();
            self.let_go();
        }
    }
}

/// `struct krsi_control.mode` of the templates.
fn mode_word(mode: Mode, on_error: OnError) -> u64 {
    let word = match mode {
        Mode::Observe => 0,
        Mode::Shadow => 1,
        Mode::Deny(errno) => 2 | u64::from(errno.number().unsigned_abs()) << 16,
        Mode::Kill(signal) => 3 | u64::from(signal.number().unsigned_abs()) << 8 | 1 << 16,
        Mode::Ask(otherwise) => 4 | questions::arguments(otherwise),
    };
    word | u64::from(on_error == OnError::Deny) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        template::shapes::Shapes,
        values::{Errno, Signal},
    };

    #[test]
    fn modes_have_the_templates_own_numbers() {
        let shapes = Shapes::of("file_open");
        for (mode, name) in [
            (Mode::Observe, "KRSI_MODE_OBSERVE"),
            (Mode::Shadow, "KRSI_MODE_SHADOW"),
            (Mode::Deny(Errno::from_number(13).unwrap()), "KRSI_MODE_DENY"),
            (Mode::Kill(Signal::from_number(9).unwrap()), "KRSI_MODE_KILL"),
            (Mode::Ask(Ruling::Allow), "KRSI_MODE_ASK"),
        ] {
            assert_eq!(mode_word(mode, OnError::Allow) & 0xff, shapes.number("krsi_mode", name), "{mode}");
        }
    }
}
