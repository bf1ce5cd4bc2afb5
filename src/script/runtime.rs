//! What the bindings act on: one for a session and its thread. Bindings reach it through the engine's tag.
//!
//! ```text
//! serve     the loop over events, timers and signals; a callback is never interrupted by another one
//! replayed  the same over events that have happened already
//! ask       what is decided about operations that are held
//! questions those that somebody at the prompt is to answer
//! calls     the script's own functions
//! correlate what comes to sequences and thresholds
//! check     one check, from what it says of itself to what it came to
//! follow    what probes name is looked at again and again
//! lapse     heartbeats, leases that run out, breakers that trip
//! tampering what another process has changed of a probe
//! watches   what is asked about probes that enforce: health, canaries
//! stopping  what ends a script before its end
//! end       detach, last events, accounts
//! output    the reporter
//! ```

mod ask;
mod calls;
pub mod check;
mod correlate;
mod end;
mod follow;
mod lapse;
mod output;
mod questions;
mod replayed;
mod serve;
mod stopping;
mod tampering;
mod watches;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use rhai::{EvalAltResult, ParseError};

use self::{calls::Failed, follow::Following, output::Output, questions::Asked, tampering::Tampering};
use super::{
    Fault, Options, Source,
    checks::Checks,
    correlation::Correlations,
    denials::Denials,
    diagnostics::{Diagnostic, Lookup},
    docs::Index,
    frozen::FrozenTrees,
    handle::{Asker, Missing, ProbeHandle},
    hunt::{Hunt, Said},
    interrupt::Interrupts,
    missing::nearest_file,
    policy::{Effect, Ruling},
    program::{Callback, Program, Texts},
    recent::Recent,
    registry::Registry,
    scratch::Scratches,
    set::Sets,
    stop::Stop,
    target::Target,
    timers::Timers,
};
use crate::{
    backend::{Backend, Clock, Door, DryRun, Passed},
    event::queue,
    facts::Facts,
    recording::Kept,
    report::{Record, Reporter, Sink},
    template::Catalogue,
};

pub use self::{
    end::Heard,
    questions::{Answering, LETTERS},
    serve::{Turn, Until},
    watches::Watches,
};

/// Events between the ring buffers' reader and the script. What does not fit is counted as lost.
const QUEUE: usize = 1 << 16;
/// How often the kernel hears that this shell is alive; well within [`super::handle::HOLD`].
const HEARTBEAT: Duration = Duration::from_secs(5);
/// What the whole process may hold while a script runs: one bound for all variables, functions and timers.
const MEMORY: usize = 512 << 20;

type MakeIndex = fn(&Catalogue) -> Rc<Index>;

pub struct Runtime {
    pub options: Options,
    pub catalogue: Catalogue,
    pub backend: Box<dyn Backend>,
    /// What time it is for the session.
    pub clock: Rc<Clock>,
    /// What there is on this system.
    pub facts: Rc<Facts>,
    /// Makes the index of everything a script can name.
    make_index: MakeIndex,
    pub probes: Registry,
    pub checks: Checks,
    pub hunt: Hunt,
    /// The process that the session is about, if there is one.
    pub target: OnceCell<Target>,
    /// Where that process, if it is a command, reads what it was refused.
    pub denials: OnceCell<Rc<Denials>>,
    pub scratches: Scratches,
    /// Trees of processes that are stopped.
    pub frozen: FrozenTrees,
    /// Sequences, thresholds, and what the script remembers.
    pub correlations: Correlations,
    pub timers: RefCell<Timers>,
    /// What is asked again and again about probes that enforce.
    pub watches: Watches,
    /// Values that params of several probes take.
    pub sets: Sets,
    /// What somebody at the prompt is asked.
    asked: Asked,
    pub on_exit: RefCell<Vec<Rc<Callback>>>,
    /// The words behind the script that is being evaluated, or was last.
    pub args: RefCell<Vec<String>>,
    /// A failing callback ends the script.
    pub fail_fast: Cell<bool>,
    /// Events of the last time, of probes that have a recorder.
    pub kept: RefCell<Kept>,
    /// Events delivered last.
    pub recent: RefCell<Recent>,
    /// Which text each function stands in, for diagnostics.
    pub texts: Texts,
    reporter: RefCell<Reporter>,
    output: Output,
    events: (queue::Sender, queue::Receiver),
    interrupts: Interrupts,
    following: Following,
    /// How the probes were described that have been attached since the last look.
    introduced: RefCell<Vec<String>>,
    /// What is being evaluated.
    program: RefCell<Option<Rc<Program>>>,
    stop: RefCell<Option<Stop>>,
    /// What was set up is torn down: neither a signal nor a reader that has left keeps that from being done. (Of a process that
    /// is killed, each thread that ends signals its children once more.)
    tears_down: Cell<bool>,
    in_callback: Cell<bool>,
    /// An imported file is being evaluated, which only defines.
    pub defines_only: Cell<bool>,
    /// What may be held, in bytes.
    memory: Cell<usize>,
    /// When whatever runs is ended: the session's time is up, or that of its end.
    deadline: Cell<Option<Instant>>,
    /// When a replay is ended, if it has a shorter time than the recording.
    replays_until: Option<Instant>,
    /// The door of which it has been said last why no better one can be had.
    told_door: Cell<Option<Door>>,
    last_heartbeat: Cell<Instant>,
    /// When it is looked again whether a breaker has tripped.
    next_breaker_look: Cell<Instant>,
    /// When it is looked again what limits have held back.
    next_limit_look: Cell<Instant>,
    tampering: Tampering,
    /// When the next lease runs out.
    next_lapse: Cell<Option<Instant>>,
    /// How often each has failed, and with which texts so far.
    failed_callbacks: RefCell<HashMap<String, Failed>>,
    /// Events of each probe that came to the queue, and to nobody.
    undelivered: RefCell<HashMap<String, u64>>,
}

impl Runtime {
    pub fn new(
        catalogue: Catalogue,
        options: Options,
        backend: Box<dyn Backend>,
        make_index: MakeIndex,
        sink: Box<dyn Sink>,
    ) -> std::io::Result<Self> {
        let clock = backend.clock();
        let is_replay = backend.recorded().is_some();
        let ends = |now: Instant| options.lasts.and_then(|lasts| now.checked_add(lasts));
        let deadline = if is_replay { None } else { ends(Instant::now()) };
        let replays_until = if is_replay { ends(clock.now()) } else { None };
        Ok(Runtime {
            output: Output::of(&*sink),
            deadline: Cell::new(deadline),
            reporter: RefCell::new(
                Reporter::new(sink, options.format, options.color, options.quiet)
                    .with_help(options.help)
                    .with_clock(Rc::clone(&clock)),
            ),
            checks: Checks::new(options.checks.clone()),
            args: RefCell::new(options.args.clone()),
            hunt: Hunt::new(clock.now()),
            target: OnceCell::new(),
            denials: OnceCell::new(),
            facts: Rc::new(Facts::new(options.root.clone())),
            options,
            catalogue,
            backend,
            clock,
            replays_until,
            make_index,
            probes: Registry::default(),
            scratches: Scratches::default(),
            frozen: FrozenTrees::default(),
            correlations: Correlations::default(),
            timers: RefCell::default(),
            watches: Watches::default(),
            sets: Sets::default(),
            asked: Asked::default(),
            on_exit: RefCell::default(),
            fail_fast: Cell::new(false),
            kept: RefCell::default(),
            recent: RefCell::default(),
            texts: Texts::default(),
            events: queue::queue(QUEUE),
            interrupts: Interrupts::watch()?,
            following: Following::default(),
            introduced: RefCell::default(),
            program: RefCell::new(None),
            stop: RefCell::new(None),
            tears_down: Cell::new(false),
            in_callback: Cell::new(false),
            defines_only: Cell::new(false),
            memory: Cell::new(MEMORY),
            told_door: Cell::new(None),
            last_heartbeat: Cell::new(Instant::now()),
            next_breaker_look: Cell::new(Instant::now()),
            next_limit_look: Cell::new(Instant::now()),
            tampering: Tampering::default(),
            next_lapse: Cell::new(None),
            failed_callbacks: RefCell::default(),
            undelivered: RefCell::default(),
        })
    }

    /// Returns the index of everything a script can name.
    pub fn index(&self) -> Rc<Index> {
        (self.make_index)(&self.catalogue)
    }

    pub fn events(&self) -> queue::Sender {
        self.events.0.clone()
    }

    /// Returns what time it is, for what begins now.
    pub fn now(&self) -> Instant {
        self.backend.passed(Passed::Asked);
        self.clock.now()
    }

    /// Asks the policy, before anything is done to the system.
    ///
    /// # Errors
    /// If the script is only explained: that is as far as it goes; or only replayed.
    pub fn ask(&self, effect: Effect) -> Result<Ruling, Box<EvalAltResult>> {
        self.may_act()?;
        self.options.policy.rule(effect)
    }

    /// Whether anything may be done at all.
    fn may_act(&self) -> Result<(), Fault> {
        if !self.defines_only.get() {
            return Ok(());
        }
        Err(Fault {
            advice: Some("put it into a function, which the script that imports this file calls".to_owned()),
            ..Fault::script("what is imported only defines, and this has an effect on the system")
        })
    }

    /// Attaches a probe, as far as the policy lets, keeps it until the session's end, and says so.
    ///
    /// # Errors
    /// As [`Registry::attach`].
    pub fn attach(&self, probe: &ProbeHandle) -> Result<(), Fault> {
        self.may_act()?;
        let backend: &dyn Backend = match self.options.policy.rule(Effect::Attach) {
            Ok(Ruling::Do) => &*self.backend,
            _ => &DryRun,
        };
        let is_live = backend.is_live() && backend.recorded().is_none();
        if matches!(probe.asker(), Some(Asker::Person)) && !self.options.interactive && is_live {
            return Err(Fault::script(format!(
                "probe `{}` asks the person at the prompt, and there is none; give it a function that decides: `.ask(|e| if … {{ allow() }} else {{ deny(\"EACCES\") }})`",
                probe.name()
            )));
        }
        if backend.is_live() {
            // The host may have changed its mind since the mode was set.
            self.options.policy.permit(probe.mode())?;
        }
        probe.settle_origin(&self.program()?.ast);
        if !self.probes.attach(probe, backend, &self.events.0)? {
            return Ok(());
        }
        if backend.is_live() {
            let described = probe.describe();
            // Whoever runs a hunt has not written its filters: `explain` tells them.
            let terse = self.hunt.said().is_some() && self.options.verbose == 0;
            self.note(&format!("attached {}", if terse { probe.name() } else { described.clone() }));
            if terse {
                self.introduced.borrow_mut().push(described);
                self.note_door(probe);
                return Ok(());
            }
            self.introduced.borrow_mut().push(described);
        }
        self.tell_remarks(probe, probe.remarks());
        self.note_door(probe);
        Ok(())
    }

    /// Says what there is to say about a probe's params and what it cannot do; a file that is not there at its place in the script.
    pub fn tell_remarks(&self, probe: &ProbeHandle, mut remarks: Vec<String>) {
        /// Of one probe; a list may have thousands.
        const MOST: usize = 5;
        // What is replayed was there when it was recorded, or was not.
        if self.backend.recorded().is_some() {
            self.notes(&remarks);
            return;
        }
        let missing = probe.missing_files();
        let is_said = |remark: &str, path: &str| remark.contains(&format!("there is no file {path:?}"));
        remarks.retain(|remark| {
            (probe.expects_files() || !remark.contains("there is no file "))
                && !missing.iter().any(|missing| is_said(remark, &missing.path))
        });
        for Missing { param, path, written } in missing.iter().take(MOST) {
            let text = format!(
                "param `{param}` of probe `{}`: there is no file {path:?}, so it matches nothing before one is made there",
                probe.name()
            );
            let near =
                nearest_file(path).map_or_else(String::new, |near| format!("did you mean {near:?}?\n"));
            let advice = format!(
                "{near}fix: name a file that is there, or say that it comes later: `.expects_file(false)`"
            );
            self.diagnose(&Diagnostic::warning(written.as_ref(), path, &text, advice));
        }
        if missing.len() > MOST {
            self.note(&format!(
                "{}: {} more files that it names are not there",
                probe.name(),
                missing.len() - MOST
            ));
        }
        self.notes(&remarks);
    }

    /// Says by which door a probe is attached, if a better one could not be had.
    fn note_door(&self, probe: &ProbeHandle) {
        let (Some(door), Some(reason)) = (probe.door(), probe.no_better_door()) else { return };
        let name = probe.name();
        let what = match door {
            Door::Observe => "is audit-only: it observes by other means, and cannot deny",
            _ => "is attached by fmod_ret, and enforces as by LSM",
        };
        // Why is the host's matter and the same for each; where nothing is lost by it, how to change it is no matter now.
        let why = match (self.told_door.replace(Some(door)) == Some(door), door) {
            (true, _) => ", as the one before".to_owned(),
            (false, Door::Observe) => format!(":\n{reason}"),
            (false, _) => format!(": {}", reason.lines().next().unwrap_or_default()),
        };
        self.note(&format!("probe `{name}` {what}{why}"));
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

    pub fn note(&self, text: &str) {
        self.report(|reporter| reporter.note(text));
    }

    /// The same for several.
    pub fn notes(&self, texts: &[String]) {
        texts.iter().for_each(|text| self.note(text));
    }

    /// Says why a text does not parse; `variables` are those that it could have used.
    pub fn explain_parse(&self, error: &ParseError, source: &Rc<Source>, variables: &[String]) -> Diagnostic {
        let lookup = Lookup { texts: &self.texts, index: &|| self.index() };
        Diagnostic::of_parse(error, source, variables, &lookup)
    }

    /// Says what has gone wrong while `source` was running.
    pub fn explain_failure(&self, error: &EvalAltResult, source: &Rc<Source>) -> Diagnostic {
        let lookup = Lookup { texts: &self.texts, index: &|| self.index() };
        Diagnostic::of_evaluation(error, source, &lookup)
    }

    pub fn diagnose(&self, diagnostic: &Diagnostic) {
        self.report(|reporter| reporter.emit(Record::Diagnostic(diagnostic)));
    }

    /// What is being evaluated now; before, what a function in it stands in.
    pub fn enter(&self, program: &Rc<Program>) -> Option<Rc<Program>> {
        self.program.borrow_mut().replace(Rc::clone(program))
    }

    pub fn leave(&self, former: Option<Rc<Program>>) {
        *self.program.borrow_mut() = former;
    }

    /// What the script says of itself that is running.
    pub fn said(&self) -> Option<Rc<Said>> {
        let source = self.program().map(|program| program.source.name.clone()).unwrap_or_default();
        self.hunt.said_in(&source)
    }

    pub fn program(&self) -> Result<Rc<Program>, Fault> {
        self.program.borrow().clone().ok_or_else(|| Fault::script("no script is running"))
    }
}
