//! What is asked again and again about a probe that enforces: whether the machine is well with it (`.trip_when(…)`), and whether it still
//! refuses what it should (`.canary(…)`).
//!
//! Both are functions of the script's, called where callbacks are. What cannot be told is bad news: a health function that fails, or takes
//! too long, trips the probe, since what it refuses may be the reason; a canary that cannot be asked is said, and makes hunts doubtful.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use rhai::{Dynamic, Engine, Map};

use super::{Runtime, calls::Given};
use crate::{
    script::{
        docs,
        handle::{ProbeHandle, Question, WeakProbe},
        program::Callback,
        stop::Stop,
    },
    values::Severity,
};

/// A function may take as long as its interval; if that is short, this long.
const LEAST: Duration = Duration::from_secs(5);

struct Watch {
    probe: WeakProbe,
    question: Question,
    every: Duration,
    due: Cell<Instant>,
    callback: Rc<Callback>,
    /// That the answer is a bad one has been said.
    told: Cell<bool>,
}

/// What is asked, of all probes.
#[derive(Default)]
pub struct Watches(RefCell<Vec<Rc<Watch>>>);

impl Watches {
    /// Has a question asked about a probe, for the first time at once, or asked no more; one question of a kind is asked about each.
    pub fn set(&self, probe: &ProbeHandle, question: Question, asked: Option<(Duration, Rc<Callback>)>) {
        let probe = probe.downgrade();
        let mut all = self.0.borrow_mut();
        all.retain(|watch| {
            !(watch.question == question && watch.probe.is(&probe)) && watch.probe.upgrade().is_some()
        });
        let due = Cell::new(Instant::now());
        let watch = asked.map(|(every, callback)| Watch {
            probe,
            question,
            every,
            due,
            callback,
            told: Cell::new(false),
        });
        all.extend(watch.map(Rc::new));
    }

    /// Returns when the next question is to be asked.
    fn next_due(&self) -> Option<Instant> {
        let all = self.0.borrow();
        let in_force = all.iter().filter(|watch| watch.probe.upgrade().is_some_and(|probe| probe.in_force()));
        in_force.map(|watch| watch.due.get()).min()
    }

    fn due(&self, now: Instant) -> Vec<Rc<Watch>> {
        self.0.borrow().iter().filter(|watch| watch.due.get() <= now).cloned().collect()
    }
}

impl Watch {
    fn of(&self, probe: &ProbeHandle) -> String {
        match self.question {
            Question::Health => format!("the health function of probe `{}`", probe.name()),
            Question::Canary => format!("the canary of probe `{}`", probe.name()),
        }
    }
}

impl Runtime {
    /// When a question is to be asked next.
    pub(super) fn watch_due(&self) -> Option<Instant> {
        self.watches.next_due()
    }

    /// Asks what is due.
    pub(super) fn ask_watches(&self, engine: &Engine) -> Result<(), Stop> {
        for watch in self.watches.due(Instant::now()) {
            let probe = watch.probe.upgrade().filter(ProbeHandle::in_force);
            match (&probe, watch.question) {
                // Nothing is refused: nobody suffers, and nothing is expected.
                (None, _) => watch.told.set(false),
                (Some(probe), Question::Health) => self.ask_health(engine, &watch, probe)?,
                (Some(probe), Question::Canary) => self.ask_canary(engine, &watch, probe)?,
            }
            watch.due.set(Instant::now() + watch.every);
        }
        Ok(())
    }

    /// What a function says, or why it says nothing.
    fn told_by(
        &self,
        engine: &Engine,
        watch: &Watch,
        of: &dyn Fn() -> String,
    ) -> Result<Result<Dynamic, String>, Stop> {
        let (session, time) = (self.deadline(), watch.every.max(LEAST));
        let limit = Instant::now() + time;
        self.set_deadline(Some(session.map_or(limit, |session| session.min(limit))));
        let value = self.value(engine, &watch.callback, Given::Nothing, of);
        self.set_deadline(session);
        match value {
            Ok(Some(value)) => Ok(Ok(value)),
            Ok(None) => Ok(Err("failed".to_owned())),
            Err(Stop::TimeUp) if !self.overdue() => {
                if self.pending_stop() == Some(Stop::TimeUp) {
                    let _ = self.take_stop();
                }
                Ok(Err(format!("took longer than {}", humantime::format_duration(time))))
            }
            Err(stop) => Err(stop),
        }
    }

    fn ask_health(&self, engine: &Engine, watch: &Watch, probe: &ProbeHandle) -> Result<(), Stop> {
        let why = match self.told_by(engine, watch, &|| watch.of(probe))? {
            Ok(value) => match value.as_bool() {
                Ok(false) => return Ok(()),
                Ok(true) => "says so".to_owned(),
                Err(kind) => format!("returned {}, and not true or false", docs::plain_types(kind)),
            },
            Err(why) => why,
        };
        match probe.trip_for(&why) {
            Ok([what, how]) => {
                self.report(|reporter| reporter.log(&how));
                self.report(|reporter| reporter.alert(Severity::High, &what, None));
            }
            Err(fault) => self.report(|reporter| {
                reporter.log(&format!("error: probe `{}` cannot be tripped: {fault}", probe.name()))
            }),
        }
        Ok(())
    }

    fn ask_canary(&self, engine: &Engine, watch: &Watch, probe: &ProbeHandle) -> Result<(), Stop> {
        let of = || watch.of(probe);
        let before = refusals(probe);
        let said = self.told_by(engine, watch, &of)?;
        // It may have been told to observe by its own function.
        if !probe.in_force() {
            return Ok(());
        }
        let (severity, text) = match said.and_then(|value| refused(&value)) {
            Ok(true) if before.is_some_and(|before| refusals(probe).is_some_and(|now| now > before)) => {
                if watch.told.replace(false) {
                    self.note(&format!("probe `{}` refuses its canary again", probe.name()));
                }
                return Ok(());
            }
            Ok(true) => (
                Severity::Critical,
                format!(
                    "{} was refused, and not by the probe: whether that still refuses anything is not known",
                    of()
                ),
            ),
            Ok(false) => (
                Severity::Critical,
                format!(
                    "{} was permitted, though the probe is attached and in force: it does not refuse what it should",
                    of()
                ),
            ),
            Err(why) => {
                (Severity::High, format!("{} cannot tell whether it still refuses: its function {why}", of()))
            }
        };
        probe.count_altered();
        self.hunt.doubt(text.clone());
        if !watch.told.replace(true) {
            self.report(|reporter| reporter.log(&text));
            self.report(|reporter| reporter.alert(severity, &text, None));
        }
        Ok(())
    }
}

/// What it has refused so far; nothing if that cannot be read.
fn refusals(probe: &ProbeHandle) -> Option<u64> {
    probe.counters().ok().map(|counters| counters.deny + counters.kill)
}

/// Whether a trigger was refused: as the function says, or what `attempt` has given says.
fn refused(value: &Dynamic) -> Result<bool, String> {
    if let Ok(refused) = value.as_bool() {
        return Ok(refused);
    }
    let ok = value.read_lock::<Map>().and_then(|map| map.get("ok")?.as_bool().ok());
    ok.map(|ok| !ok).ok_or_else(|| {
        format!(
            "returned {}, and not what `attempt` gives, or whether it was refused",
            docs::plain_types(value.type_name())
        )
    })
}
