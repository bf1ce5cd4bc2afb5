//! What the bindings act on, and the loop that delivers events, timers and signals.
//!
//! One runtime belongs to one session and one thread. Bindings reach it through the
//! engine's tag. While the script waits (`run`, `run_for`, its end), the loop in
//! [`Runtime::serve`] calls its callbacks; a callback itself is never interrupted by
//! another one, and what arrives meanwhile stays in the queue.

mod lapse;
mod output;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{HashMap, HashSet},
    rc::Rc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, never, select};
use nix::time::{ClockId, clock_gettime};
use rhai::{Dynamic, Engine};
use signal_hook::consts::SIGINT;

use self::output::Output;
use super::{
    Fault, Options, Source,
    api::event::ScriptEvent,
    diagnostics::Diagnostic,
    docs,
    handle::{Birth, Fate, ProbeHandle},
    interrupt::Interrupts,
    policy::{Effect, Ruling},
    program::{Callback, Program},
    recent::Recent,
    stop::Stop,
    timers::Timers,
};
use crate::{
    event::{Event, queue},
    kernel::{Followed, Kernel, KernelError},
    memory,
    report::{Books, Record, Reporter, Sink},
    template::Catalogue,
};

/// Events between the ring buffers' reader and the script. What does not fit is counted as lost.
const QUEUE: usize = 1 << 16;
/// Events handled before signals and timers are looked at again.
const BATCH: usize = 256;
/// Steps a callback may take (about five seconds); the script itself may take any time, but not for ever.
const CALLBACK_STEPS: u64 = 30_000_000;
const SCRIPT_STEPS: u64 = 10_000_000_000;
/// How often the kernel hears that this shell is alive; well within [`super::handle::HOLD`].
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often it is looked whether what probes name is something else; looking takes at most one part in so many of the time.
const FOLLOW: Duration = Duration::from_millis(500);
const FOLLOW_SHARE: u32 = 10;
/// Changes of what one probe names that are reported.
const SHOWN_CHANGES: u64 = 20;
/// Steps of a script between two looks at the clock.
const STEPS_A_LOOK: u64 = 1 << 16;
/// The same where the session has to end at a certain time.
const STEPS_TO_DEADLINE: u64 = 1 << 8;
/// Different errors of one callback that are shown whole; the rest is counted.
const SHOWN_ERRORS: usize = 3;

/// What the whole process may hold while a script runs: one bound for all variables, functions and timers.
const MEMORY: usize = 512 << 20;
/// What a line at the prompt may add when that is used up: enough to let go of something.
const LAST_MEMORY: usize = 1 << 20;

/// The time that this thread has computed: what it waits for others is not its work.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Until when [`Runtime::serve`] goes on.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Deadline(Instant),
    /// Nothing can happen any more: no probe is attached, no timer pending.
    Idle,
    Never,
}

/// Why [`Runtime::serve`] came back.
#[derive(Debug)]
pub enum Turn<T> {
    Received(T),
    Disconnected,
    /// The deadline has passed, or nothing can happen any more.
    Over,
}

/// What has become of a callback that fails.
#[derive(Debug, Default)]
struct Failed {
    times: u64,
    shown: Vec<String>,
}

pub struct Runtime {
    pub options: Options,
    pub catalogue: Catalogue,
    pub timers: RefCell<Timers>,
    pub on_exit: RefCell<Vec<Rc<Callback>>>,
    /// A failing callback ends the script.
    pub fail_fast: Cell<bool>,
    /// Events delivered last.
    pub recent: RefCell<Recent>,
    reporter: RefCell<Reporter>,
    output: Output,
    kernel: OnceCell<Kernel>,
    events: (queue::Sender, queue::Receiver),
    interrupts: Interrupts,
    /// Every probe that the script has made, where it is only explained.
    made: RefCell<Vec<ProbeHandle>>,
    /// Every probe that was ever attached, in that order.
    probes: RefCell<Vec<ProbeHandle>>,
    births: RefCell<Vec<Rc<Birth>>>,
    follow_due: Cell<Instant>,
    /// Changes of what a probe names that were reported, by its name.
    followed: RefCell<HashMap<String, u64>>,
    /// Why what a probe names cannot be followed, by its name.
    unfollowed: RefCell<HashMap<String, String>>,
    /// How the probes were described that have been attached since the last look.
    introduced: RefCell<Vec<String>>,
    /// What is being evaluated.
    program: RefCell<Option<Rc<Program>>>,
    /// Which text each function stands in, for diagnostics.
    texts: RefCell<HashMap<String, Rc<Source>>>,
    stop: RefCell<Option<Stop>>,
    in_callback: Cell<bool>,
    /// What may be held, in bytes.
    memory: Cell<usize>,
    /// When whatever runs is ended: the session's time is up, or that of its end.
    deadline: Cell<Option<Instant>>,
    /// Whether it has been said why a probe can only observe here.
    told_audit_only: Cell<bool>,
    last_heartbeat: Cell<Instant>,
    /// When the next lease runs out.
    next_lapse: Cell<Option<Instant>>,
    /// How often each has failed, and with which texts so far.
    failed_callbacks: RefCell<HashMap<String, Failed>>,
    /// Events of each probe that came to the queue, and to nobody.
    undelivered: RefCell<HashMap<String, u64>>,
}

impl Runtime {
    pub fn new(catalogue: Catalogue, options: Options, sink: Box<dyn Sink>) -> std::io::Result<Self> {
        let deadline = options.lasts.and_then(|lasts| Instant::now().checked_add(lasts));
        Ok(Runtime {
            output: Output::of(&*sink),
            deadline: Cell::new(deadline),
            reporter: RefCell::new(
                Reporter::new(sink, options.format, options.color, options.quiet).with_help(options.help),
            ),
            options,
            catalogue,
            timers: RefCell::default(),
            on_exit: RefCell::default(),
            fail_fast: Cell::new(false),
            recent: RefCell::default(),
            kernel: OnceCell::new(),
            events: queue::queue(QUEUE),
            interrupts: Interrupts::watch()?,
            made: RefCell::default(),
            probes: RefCell::default(),
            births: RefCell::default(),
            follow_due: Cell::new(Instant::now()),
            followed: RefCell::default(),
            unfollowed: RefCell::default(),
            introduced: RefCell::default(),
            program: RefCell::new(None),
            texts: RefCell::default(),
            stop: RefCell::new(None),
            in_callback: Cell::new(false),
            memory: Cell::new(MEMORY),
            told_audit_only: Cell::new(false),
            last_heartbeat: Cell::new(Instant::now()),
            next_lapse: Cell::new(None),
            failed_callbacks: RefCell::default(),
            undelivered: RefCell::default(),
        })
    }

    /// The running kernel; what it lacks shows when something is asked of it.
    pub fn kernel(&self) -> Result<&Kernel, KernelError> {
        if let Some(kernel) = self.kernel.get() {
            return Ok(kernel);
        }
        let kernel = Kernel::open(self.events.0.clone(), self.catalogue.clone())?;
        Ok(self.kernel.get_or_init(|| kernel))
    }

    pub fn events(&self) -> queue::Sender {
        self.events.0.clone()
    }

    /// The number and name of a new probe. A number that no probe has used is given again: those of probes that
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

    /// The probes that were made, and then neither attached nor asked about.
    pub fn forgotten(&self) -> Vec<String> {
        let births = self.births.borrow();
        let made = births.iter().filter(|birth| birth.fate.get() == Fate::Made);
        made.map(|birth| birth.name.borrow().clone()).collect()
    }

    /// Remembers a new probe, where that is what the script is evaluated for.
    pub fn made(&self, probe: &ProbeHandle) {
        if self.options.policy.explains() {
            self.made.borrow_mut().push(probe.clone());
        }
    }

    pub fn take_made(&self) -> Vec<ProbeHandle> {
        self.made.take()
    }

    /// Asks the policy, before anything is done to the system.
    ///
    /// # Errors
    /// If the script is only explained: that is as far as it goes.
    pub fn ask(&self, effect: Effect) -> Result<Ruling, Stop> {
        self.options.policy.rule(effect)
    }

    pub fn probes(&self) -> Vec<ProbeHandle> {
        self.probes.borrow().clone()
    }

    /// The last one attached under this name.
    pub fn probe_named(&self, name: &str) -> Option<ProbeHandle> {
        self.probes.borrow().iter().rev().find(|p| p.is_named(name)).cloned()
    }

    /// Attaches, and keeps the probe until the session's end.
    pub fn attach(&self, probe: &ProbeHandle) -> Result<(), Fault> {
        if self.options.policy.rule(Effect::Attach) != Ok(Ruling::Do) {
            return probe.attach_in_words(self);
        }
        let was = probe.attached();
        probe.attach(self)?;
        let mut probes = self.probes.borrow_mut();
        if !probes.iter().any(|p| p.is(probe)) {
            probes.push(probe.clone());
        }
        drop(probes);
        if !was {
            let described = probe.describe();
            self.note(&format!("attached {described}"));
            self.introduced.borrow_mut().push(described);
            for remark in probe.remarks() {
                self.note(&remark);
            }
            if let Some(reason) = probe.audit_only() {
                let name = probe.name();
                // Why is the host's matter and the same for each.
                let why = match self.told_audit_only.replace(true) {
                    false => format!(":\n{reason}"),
                    true => ", as the one before".into(),
                };
                self.note(&format!(
                    "probe `{name}` is audit-only: it observes by other means, and cannot deny{why}"
                ));
            }
        }
        Ok(())
    }

    /// Forgets which probes have been described.
    pub fn forget_introduced(&self) {
        self.introduced.borrow_mut().clear();
    }

    /// Whether text for people has described this probe, attached since [`Runtime::forget_introduced`], as it is now.
    pub fn has_introduced(&self, probe: &ProbeHandle) -> bool {
        let noted = !self.options.quiet && self.reporter.borrow().format().is_for_people();
        noted && self.introduced.borrow().contains(&probe.describe())
    }

    // ---- output -----------------------------------------------------------

    pub fn note(&self, text: &str) {
        self.report(|reporter| reporter.note(text));
    }

    pub fn diagnose(&self, diagnostic: &Diagnostic) {
        self.report(|reporter| reporter.emit(Record::Diagnostic(diagnostic)));
    }

    // ---- programs ---------------------------------------------------------

    /// What is being evaluated now; before, what a function in it stands in.
    pub fn enter(&self, program: &Rc<Program>) -> Option<Rc<Program>> {
        self.program.borrow_mut().replace(Rc::clone(program))
    }

    pub fn leave(&self, former: Option<Rc<Program>>) {
        *self.program.borrow_mut() = former;
    }

    pub fn program(&self) -> Result<Rc<Program>, Fault> {
        self.program.borrow().clone().ok_or_else(|| Fault::script("no script is running"))
    }

    /// Remembers where the functions of a newly compiled text stand.
    pub fn learn(&self, source: &Rc<Source>, functions: impl IntoIterator<Item = String>) {
        let mut texts = self.texts.borrow_mut();
        for name in functions {
            texts.insert(name, Rc::clone(source));
        }
    }

    pub fn text_of(&self, function: &str) -> Option<Rc<Source>> {
        self.texts.borrow().get(function).cloned()
    }

    // ---- stopping ---------------------------------------------------------

    /// Asked at every step of a script; `Some` ends it.
    pub fn progress(&self, steps: u64) -> Option<Stop> {
        if let Some(stop) = self.stop.borrow().clone() {
            return Some(stop);
        }
        if self.interrupts.pending() {
            return self.taken_signal();
        }
        if steps.is_multiple_of(STEPS_TO_DEADLINE) && self.overdue() {
            return Some(Stop::TimeUp);
        }
        if let Err(stop) = self.room(0) {
            return Some(stop);
        }
        memory::mark();
        if memory::was_too_deep() {
            return Some(Stop::Limit(
                "a value is nested too deep: arrays in arrays, or maps in maps, thousands of them",
            ));
        }
        // A script that computes is alive, too.
        if steps.is_multiple_of(STEPS_A_LOOK) {
            self.leases_changed();
            self.heartbeat();
        }
        let (limit, what) = if self.options.policy.explains() {
            (CALLBACK_STEPS, "the script goes on for more than 30 million steps")
        } else if self.in_callback.get() {
            (
                CALLBACK_STEPS,
                "a callback took more than 30 million steps; what takes long belongs into the script itself",
            )
        } else {
            (SCRIPT_STEPS, "the script took more than ten thousand million steps without an end")
        };
        (steps > limit).then_some(Stop::Limit(what))
    }

    /// Asked before so many bytes are taken at once.
    ///
    /// # Errors
    /// If the session then holds more than it may.
    pub fn room(&self, bytes: usize) -> Result<(), Stop> {
        if memory::held().saturating_add(bytes) <= self.memory.get() {
            return Ok(());
        }
        Err(Stop::Limit("this session would hold more than 512 MiB of memory"))
    }

    /// Asked now and then by what works long for one step of a script.
    ///
    /// # Errors
    /// If there is no more room, or the script is to end.
    pub fn go_on(&self) -> Result<(), Stop> {
        if self.interrupts.pending() {
            return self.taken_signal().map_or(Ok(()), Err);
        }
        self.room(0)
    }

    /// Lets a line at the prompt run even if the memory is used up.
    pub fn begin_line(&self) {
        self.memory.set(MEMORY.max(memory::held() + LAST_MEMORY));
        self.forget_depth();
    }

    /// Values of before are no matter of what is evaluated next.
    pub fn forget_depth(&self) {
        let _ = memory::was_too_deep();
    }

    fn taken_signal(&self) -> Option<Stop> {
        self.interrupts.take().map(Stop::Signal)
    }

    /// Whether the session's time is up.
    fn overdue(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Ends what runs from here on at this time.
    pub fn end_by(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// A signal that came since the last one was taken.
    pub fn interrupted(&self) -> bool {
        self.interrupts.pending()
    }

    /// Forgets an interruption that was meant for what is over now; what ends the session stays.
    pub fn forget_interrupt(&self) {
        match self.interrupts.take() {
            Some(signal) if signal != SIGINT => {
                *self.stop.borrow_mut() = Some(Stop::Signal(signal));
            }
            _ => {}
        }
    }

    /// What ends the script as soon as it looks.
    pub fn pending_stop(&self) -> Option<Stop> {
        self.stop.borrow().clone()
    }

    pub fn take_stop(&self) -> Option<Stop> {
        self.stop.borrow_mut().take()
    }

    // ---- the loop ---------------------------------------------------------

    /// Calls callbacks until something comes on `other`, or as `until` says. Inside of a
    /// callback it only waits.
    ///
    /// # Errors
    /// What ends the script.
    pub fn serve<T>(&self, engine: &Engine, other: &Receiver<T>, until: Until) -> Result<Turn<T>, Stop> {
        // Nothing will come, and nobody wants to wait for it.
        if self.options.policy.explains() {
            return self.pending_stop().map_or(Ok(Turn::Over), Err);
        }
        let delivering = !self.in_callback.get();
        let silent = never();
        loop {
            if let Some(stop) = self.pending_stop() {
                return Err(stop);
            }
            if self.overdue() {
                return Err(Stop::TimeUp);
            }
            self.leases_changed();
            self.heartbeat();
            self.follow();
            if delivering {
                self.run_timers(engine)?;
            }
            let now = Instant::now();
            match until {
                Until::Deadline(deadline) if deadline <= now => {
                    self.settle(engine)?;
                    return Ok(Turn::Over);
                }
                Until::Idle if self.idle() => {
                    self.settle(engine)?;
                    return Ok(Turn::Over);
                }
                _ => {}
            }
            // Of what has been received already nothing will be heard on the channel.
            let opened = delivering && self.events.1.opened();
            let events = if delivering && !opened { self.events.1.channel() } else { &silent };
            let patience = if opened { Duration::ZERO } else { self.longest_wait(now, until, delivering) };
            select! {
                recv(events) -> batch => if let Ok(batch) = batch {
                    self.events.1.accept(batch);
                    self.dispatch_some(engine, BATCH)?;
                },
                recv(self.interrupts.arrived()) -> signal => if let Ok(signal) = signal {
                    // One that ends the session may stand behind it.
                    let ending = self.interrupts.take().filter(|s| *s != SIGINT);
                    return Err(Stop::Signal(ending.unwrap_or(signal)));
                },
                recv(self.output.woken()) -> _ => self.tell_of_output(),
                recv(other) -> received => {
                    return Ok(received.map_or(Turn::Disconnected, Turn::Received));
                },
                default(patience) => if opened {
                    self.dispatch_some(engine, BATCH)?;
                }
            }
        }
    }

    fn longest_wait(&self, now: Instant, until: Until, delivering: bool) -> Duration {
        let timer = if delivering { self.timers.borrow_mut().next_due() } else { None };
        let deadline = if let Until::Deadline(deadline) = until { Some(deadline) } else { None };
        let due = [timer, deadline, self.deadline.get(), self.next_lapse()].into_iter().flatten();
        let follows = self.probes().iter().any(ProbeHandle::attached).then(|| self.follow_due.get());
        let due = due.chain(follows).min();
        due.map_or(HEARTBEAT, |due| due.saturating_duration_since(now).min(HEARTBEAT))
    }

    /// Looks twice a second whether what the probes name is something else now: a cgroup made anew, a file replaced.
    fn follow(&self) {
        if self.follow_due.get() <= Instant::now() {
            self.follow_now();
        }
    }

    fn follow_now(&self) {
        let begun = spent();
        for probe in self.probes() {
            let name = probe.name();
            match probe.follow(self) {
                Ok(events) => {
                    self.unfollowed.borrow_mut().remove(&name);
                    events.iter().for_each(|event| self.report_followed(&name, event));
                }
                // Said once, and not twice a second.
                Err(fault) => {
                    let what = fault.to_string();
                    let known = self.unfollowed.borrow_mut().insert(name.clone(), what.clone());
                    if known.as_ref() != Some(&what) {
                        self.report_followed(&name, &Followed::Gone(what));
                    }
                }
            }
        }
        // Thousands of paths must not become the session's work.
        let pause = FOLLOW.max(spent().saturating_sub(begun) * FOLLOW_SHARE);
        self.follow_due.set(Instant::now() + pause);
    }

    fn report_followed(&self, name: &str, event: &Followed) {
        let times = {
            let mut followed = self.followed.borrow_mut();
            let times = followed.entry(name.to_owned()).or_default();
            *times += 1;
            *times
        };
        match (event, times) {
            (Followed::Gone(what), _) => {
                self.report(|reporter| reporter.log(&format!("warning: probe `{name}`: {what}")));
            }
            (Followed::Follows(what), ..SHOWN_CHANGES) => self.note(&format!("probe `{name}`: {what}")),
            (Followed::Follows(_), SHOWN_CHANGES) => self.note(&format!(
                "probe `{name}`: what it names changes often; it is followed, and not reported any more"
            )),
            _ => {}
        }
    }

    fn idle(&self) -> bool {
        self.timers.borrow().is_empty() && !self.probes.borrow().iter().any(ProbeHandle::attached)
    }

    fn run_timers(&self, engine: &Engine) -> Result<(), Stop> {
        // What comes due meanwhile has its turn next time: a timer slower than its period must not
        // keep everything else from being heard.
        let now = Instant::now();
        // Nor must many of them keep a signal from being heard.
        while !self.interrupts.pending() {
            let due = self.timers.borrow_mut().take_due(now);
            let Some(callback) = due else { return Ok(()) };
            self.call(engine, &callback, None, &|| "a timer".into())?;
        }
        Ok(())
    }

    /// Handles every event that the kernel has emitted until now; not inside of a callback,
    /// where they wait.
    pub fn settle(&self, engine: &Engine) -> Result<(), Stop> {
        // What the script itself has changed is followed before it goes on.
        if self.follow_due.get() <= Instant::now() + FOLLOW {
            self.follow_now();
        }
        for probe in self.probes() {
            probe.flush();
        }
        if self.in_callback.get() { Ok(()) } else { self.dispatch_some(engine, QUEUE) }
    }

    fn dispatch_some(&self, engine: &Engine, most: usize) -> Result<(), Stop> {
        for _ in 0..most {
            let Some(event) = self.events.1.try_next() else { break };
            // Many that each take a moment take long.
            self.heartbeat();
            self.dispatch(engine, event)?;
        }
        Ok(())
    }

    fn dispatch(&self, engine: &Engine, event: Event) -> Result<(), Stop> {
        self.reporter.borrow_mut().about(Some(event.probe()));
        let handled = self.handle(engine, ScriptEvent::new(event));
        self.reporter.borrow_mut().about(None);
        handled
    }

    fn handle(&self, engine: &Engine, event: ScriptEvent) -> Result<(), Stop> {
        let probe = self.probe_named(event.inner().probe());
        if let Some(condition) = probe.as_ref().and_then(ProbeHandle::condition)
            && !self.holds(engine, &condition, &event)?
        {
            return self.pending_stop().map_or(Ok(()), Err);
        }
        self.recent.borrow_mut().add(event.clone());
        match probe.and_then(|probe| probe.callback()) {
            Some(callback) => {
                let named = event.clone();
                let of = || format!("the callback of probe `{}`", named.inner().probe());
                self.call(engine, &callback, Some(event), &of)
            }
            None => {
                self.report(|reporter| reporter.event(event.inner()));
                self.pending_stop().map_or(Ok(()), Err)
            }
        }
    }

    /// What a `where_user` says of an event. One that fails is reported, and lets the event pass: nothing
    /// is lost by an error.
    fn holds(&self, engine: &Engine, condition: &Callback, event: &ScriptEvent) -> Result<bool, Stop> {
        let of = || format!("the condition of probe `{}`", event.inner().probe());
        let ask = || self.value(engine, condition, Some(event.clone()), &of);
        let said = match ask() {
            // Once more, now that the signal is taken: what ends the script does not take this event with it.
            Err(stop @ Stop::Signal(_)) => {
                let said = ask();
                self.stop.borrow_mut().get_or_insert(stop);
                said
            }
            other => other,
        };
        let Some(value) = said? else { return Ok(true) };
        match value.as_bool() {
            Ok(holds) => Ok(holds),
            Err(kind) => {
                let kind = docs::plain_types(kind);
                let text = format!(
                    "the function given to `where_user` must return true or false, and returned {kind}"
                );
                self.callback_failed(&Diagnostic::sentence(&text), &of())?;
                Ok(true)
            }
        }
    }

    /// Calls a function of the script's. Its failure is reported, and ends the script only under `fail_fast()`.
    pub fn call(
        &self,
        engine: &Engine,
        callback: &Callback,
        event: Option<ScriptEvent>,
        of: &dyn Fn() -> String,
    ) -> Result<(), Stop> {
        self.value(engine, callback, event, of)?;
        self.pending_stop().map_or(Ok(()), Err)
    }

    /// The same, with its value; `None` if it failed. A stop that came meanwhile is the caller's to look for, since
    /// the value may still decide about an event.
    fn value(
        &self,
        engine: &Engine,
        callback: &Callback,
        event: Option<ScriptEvent>,
        of: &dyn Fn() -> String,
    ) -> Result<Option<Dynamic>, Stop> {
        let former = self.enter(&callback.program);
        let was = self.in_callback.replace(true);
        let outcome = match event {
            Some(event) => callback.call_with(engine, event),
            None => callback.call(engine),
        };
        self.in_callback.set(was);
        self.leave(former);
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let reported = match Stop::of(&error) {
            Some(Stop::Limit(text)) => self.callback_failed(&Diagnostic::sentence(text), &of()),
            Some(stop) => Err(stop),
            None => {
                let diagnostic = Diagnostic::of_evaluation(&error, &callback.program.source, self);
                self.callback_failed(&diagnostic, &of())
            }
        };
        reported.map(|()| None)
    }

    fn callback_failed(&self, diagnostic: &Diagnostic, of: &str) -> Result<(), Stop> {
        let is_new = {
            let mut failed = self.failed_callbacks.borrow_mut();
            let failed = failed.entry(of.to_owned()).or_default();
            failed.times += 1;
            let is_new = failed.shown.len() < SHOWN_ERRORS
                && !failed.shown.iter().any(|text| text == diagnostic.text());
            if is_new {
                failed.shown.push(diagnostic.text().to_owned());
            }
            is_new
        };
        if self.fail_fast.get() {
            self.diagnose(&diagnostic.in_callback(of, "the script ends, as `fail_fast()` asked for"));
            return Err(Stop::CallbackFailed(diagnostic.exit_code()));
        }
        if is_new {
            self.diagnose(
                &diagnostic
                    .in_callback(of, "the script goes on; the same error is only counted from here on"),
            );
        }
        Ok(())
    }

    // ---- the end ----------------------------------------------------------

    /// Makes every probe observe in the kernel, at once; nothing else of it changes.
    pub fn disarm(&self) {
        for probe in self.probes() {
            if let Err(fault) = probe.disarm() {
                self.report(|reporter| reporter.log(&format!("error: probe `{}`: {fault}", probe.name())));
            }
        }
    }

    /// Detaches everything, last first, handles what is still in the queue, and gives the books.
    /// Unless nobody would hear of them, events are handled until the deadline; the books are given either way.
    pub fn close(&self, engine: &Engine, heard: Heard) -> Vec<Books> {
        self.timers.borrow_mut().clear();
        for probe in self.probes().iter().rev() {
            if let Err(fault) = probe.detach() {
                self.report(|reporter| reporter.log(&format!("error: probe `{}`: {fault}", probe.name())));
            }
        }
        if heard == Heard::Yes {
            self.last_events(engine);
            for summary in self.probes().iter().flat_map(ProbeHandle::untold_summaries) {
                self.report(|reporter| reporter.summary(&summary));
            }
        }
        for (of, failed) in self.failed_callbacks.borrow_mut().drain() {
            if failed.times > failed.shown.len() as u64 {
                self.note(&format!("{of} failed {} times", failed.times));
            }
        }
        let undelivered = self.undelivered.take();
        let missed: u64 = undelivered.values().sum();
        if missed > 0 {
            self.note(&format!(
                "{missed} events had not been handled when the session was told to end; they count as lost"
            ));
        }
        let books = self.probes.borrow_mut().drain(..).filter_map(|probe| probe.books()).collect::<Vec<_>>();
        let missed = |books: &Books| undelivered.get(&books.probe).copied().unwrap_or_default();
        books.into_iter().map(|books| Books::without(books.clone(), missed(&books))).collect()
    }

    /// Handles what is in the queue. From the deadline or a signal on, events are counted and nothing else is
    /// done about them.
    fn last_events(&self, engine: &Engine) {
        let mut handling = true;
        for _ in 0..QUEUE {
            let Some(event) = self.events.1.try_next() else { break };
            handling = handling && !self.overdue() && !self.interrupted();
            let name = event.probe().to_owned();
            if !handling {
                *self.undelivered.borrow_mut().entry(name).or_default() += 1;
            } else if self.dispatch(engine, event).is_err() {
                handling = false;
            }
        }
    }
}

/// Whether somebody reads what the session still has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Yes,
    No,
}

impl Drop for Runtime {
    /// A callback may hold its own probe, and a circle is never dropped; the kernel's side must be.
    fn drop(&mut self) {
        for probe in self.probes() {
            let _ = probe.set_callback(None);
            probe.set_condition(None);
            let _ = probe.detach();
        }
    }
}
