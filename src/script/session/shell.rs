//! What the interactive shell asks of a session between two lines: what is
//! attached, what it has come to, and how output is written from here on.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use rhai::Dynamic;

use super::{LAST_VALUE, Session, Started};
use crate::{
    report::{Format, Record, hidden},
    script::{correlation::Rule, handle::ProbeHandle, imports::Module, runtime::LETTERS},
    values::nearest,
};

/// What the attached probes do, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stance {
    /// Nothing is refused.
    #[default]
    Observing,
    /// Something is denied or killed; until the first lease runs out, if there is one.
    Armed {
        left: Option<Duration>,
        /// Until nothing is any more; `None` if something has no lease.
        all_left: Option<Duration>,
    },
    /// What would be denied or killed is not any more: each lease has run out, or each breaker tripped.
    Lapsed,
}

impl Stance {
    /// What becomes of it in this time, if nobody does anything about it.
    #[must_use]
    pub fn after(self, passed: Duration) -> Self {
        let Stance::Armed { left: Some(left), all_left } = self else { return self };
        let all_left = all_left.map(|all| all.saturating_sub(passed));
        match (left.checked_sub(passed).filter(|left| !left.is_zero()), all_left) {
            (Some(left), _) => Stance::Armed { left: Some(left), all_left },
            (None, Some(Duration::ZERO)) => Stance::Lapsed,
            (None, _) => Stance::Armed { left: all_left, all_left },
        }
    }
}

/// What an imported file has, for completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedName {
    /// `net`
    pub alias: String,
    /// `is_private(address)`, or a constant's name.
    pub shown: String,
    pub about: String,
}

/// A variable, and the type of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub of: String,
}

impl Session {
    /// The attached probes, one line each.
    #[must_use]
    pub fn probes(&self) -> Vec<String> {
        self.attached().iter().map(ProbeHandle::describe).collect()
    }

    /// Their names.
    #[must_use]
    pub fn probe_names(&self) -> Vec<String> {
        self.attached().iter().map(ProbeHandle::name).collect()
    }

    /// Whether something is refused or killed now.
    #[must_use]
    pub fn stance(&self) -> Stance {
        let now = Instant::now();
        let leases: Vec<Option<Duration>> = self
            .attached()
            .iter()
            .filter(|probe| probe.mode().enforces())
            .map(|probe| match probe.tripped() {
                true => Some(Duration::ZERO),
                false => probe.lease_ends().map(|end| end.saturating_duration_since(now)),
            })
            .collect();
        let holds: Vec<_> = leases.iter().copied().filter(|left| *left != Some(Duration::ZERO)).collect();
        match (leases.is_empty(), holds.is_empty()) {
            (true, _) => Stance::Observing,
            (false, true) => Stance::Lapsed,
            (false, false) => Stance::Armed {
                left: holds.iter().flatten().min().copied(),
                all_left: holds.into_iter().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()),
            },
        }
    }

    /// The variables that lines have made.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        let variable = |(name, _, value): (&str, bool, rhai::Dynamic)| Variable {
            name: name.to_owned(),
            of: crate::script::docs::plain_types(value.type_name()),
        };
        self.started.as_ref().map_or_else(|_| vec![], |s| s.scope.iter().map(variable).collect())
    }

    /// What is imported, by the names that lines have given the files.
    #[must_use]
    pub fn imported(&self) -> Vec<ImportedName> {
        let Ok(started) = &self.started else { return Vec::new() };
        let of_one = |(alias, module): (&String, &Rc<Module>)| {
            let about = |shown: &str| module.about(shown.split('(').next().unwrap_or_default());
            let name = |shown: String| ImportedName { alias: alias.clone(), about: about(&shown), shown };
            module.names().into_iter().map(name).collect::<Vec<_>>()
        };
        started.imported.aliases.iter().flat_map(of_one).collect()
    }

    /// Writes the books as they stand, of one probe or of all that there were; gives how many.
    ///
    /// # Errors
    /// If there is no probe of that name, or the kernel's counters cannot be read.
    pub fn stats(&self, name: Option<&str>) -> Result<usize, String> {
        let Ok(started) = &self.started else { return Ok(0) };
        let books = started.named(name)?.into_iter().map(|probe| probe.current_books());
        let books = books.collect::<Result<Vec<_>, _>>().map_err(|fault| fault.to_string())?;
        let books: Vec<_> = books.into_iter().flatten().collect();
        if !books.is_empty() {
            started.runtime.report(|reporter| reporter.emit(Record::Stats(&books)));
        }
        Ok(books.len())
    }

    /// Answers what a probe asks, by a letter.
    ///
    /// # Errors
    /// If nothing is asked, or nothing is answered by it.
    pub fn answer(&self, letter: &str) -> Result<(), String> {
        let mut letters = letter.trim().chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return Err(format!("`:answer` takes one letter: {LETTERS}"));
        };
        match &self.started {
            Ok(started) => started.runtime.answer_key(letter),
            Err(_) => Err("nothing is asked".into()),
        }
    }

    /// The sequences and thresholds that run, a line each.
    #[must_use]
    pub fn correlations(&self) -> Vec<String> {
        let Ok(started) = &self.started else { return Vec::new() };
        started.runtime.correlations.running().iter().map(Rule::describe).collect()
    }

    /// What the filter of a probe became, or those of all that are attached.
    ///
    /// # Errors
    /// If there is no probe of that name.
    pub fn explain(&self, name: Option<&str>) -> Result<String, String> {
        let Ok(started) = &self.started else { return Ok(String::new()) };
        let probes = match name {
            Some(name) => vec![started.probe(name)?],
            None => started.attached().collect(),
        };
        let one = |probe: ProbeHandle| format!("{}\n{}", probe.describe(), probe.explain().trim_end());
        Ok(probes.into_iter().map(one).collect::<Vec<_>>().join("\n\n"))
    }

    /// The name of the probe that is meant: by its own name, its number, or a variable that holds it.
    ///
    /// # Errors
    /// If there is none, or it has never been attached.
    pub fn probe_name(&self, name: &str) -> Result<String, String> {
        let Ok(started) = &self.started else { return Err(no_probe(name, &[])) };
        started.used(name).map(|probe| probe.name())
    }

    /// Takes one probe out of the kernel; returns what was done.
    ///
    /// # Errors
    /// If there is no probe of that name, or it is not attached.
    pub fn detach(&mut self, name: &str) -> Result<String, String> {
        let Ok(started) = &self.started else { return Err(no_probe(name, &[])) };
        let probe = started.used(name)?;
        started.runtime.say_what_was_done();
        match probe.attached() {
            true => Ok(detached(&probe)),
            false => Err(format!("probe `{}` is detached already", probe.name())),
        }
    }

    /// Takes every probe out of the kernel, the last first; gives what was done, a line each.
    pub fn detach_all(&mut self) -> Vec<String> {
        if let Ok(started) = &self.started {
            started.runtime.say_what_was_done();
        }
        self.attached().iter().rev().map(detached).collect()
    }

    pub fn set_format(&self, format: Format) {
        if let Ok(started) = &self.started {
            started.runtime.report(|reporter| {
                reporter.set_format(format);
                Ok(())
            });
        }
    }

    pub fn set_color(&self, color: bool) {
        if let Ok(started) = &self.started {
            started.runtime.report(|reporter| {
                reporter.set_color(color);
                Ok(())
            });
        }
    }

    /// Writes a text that somebody has asked for.
    pub fn tell(&self, text: &str) {
        if let Ok(started) = &self.started {
            started.runtime.report(|reporter| reporter.emit(Record::Help(&hidden(text))));
        }
    }

    pub(super) fn attached(&self) -> Vec<ProbeHandle> {
        self.started.as_ref().map_or_else(|_| vec![], |started| started.attached().collect())
    }
}

impl Started {
    /// The probe that is meant, once it has been attached; or all that ever were.
    fn named(&self, name: Option<&str>) -> Result<Vec<ProbeHandle>, String> {
        match name {
            Some(name) => Ok(vec![self.used(name)?]),
            None => Ok(self.runtime.probes.used()),
        }
    }

    /// The probe that is meant, if it has been attached at all.
    fn used(&self, name: &str) -> Result<ProbeHandle, String> {
        let probe = self.probe(name)?;
        match self.runtime.probes.used().iter().any(|used| used.is(&probe)) {
            true => Ok(probe),
            false => Err(format!("probe `{}` is not attached yet; `.attach()` attaches it", probe.name())),
        }
    }

    /// The probe of this name, of this number, or in this variable: in that order, as names are what output shows.
    fn probe(&self, name: &str) -> Result<ProbeHandle, String> {
        let probes = self.runtime.probes.used();
        let number = |probe: &&ProbeHandle| name.parse() == Ok(probe.id());
        if let Some(probe) = self.runtime.probes.named(name).or_else(|| probes.iter().find(number).cloned()) {
            return Ok(probe);
        }
        match self.scope.get_value::<Dynamic>(name) {
            Some(value) => value.read_lock::<ProbeHandle>().map(|probe| probe.clone()).ok_or_else(|| {
                let of = crate::script::docs::plain_types(value.type_name());
                format!("the variable `{name}` is not a probe: its type is `{of}`")
            }),
            None => Err(no_probe(name, &self.known())),
        }
    }

    /// What a probe can be called by: names, and variables that hold one.
    fn known(&self) -> Vec<String> {
        let mut known: Vec<_> = self.runtime.probes.used().iter().map(ProbeHandle::name).collect();
        let variables = self.scope.iter().filter(|(_, _, value)| value.is::<ProbeHandle>());
        for (name, ..) in variables {
            if name != LAST_VALUE && !known.iter().any(|known| known == name) {
                known.push(name.to_owned());
            }
        }
        known
    }
}

fn no_probe(name: &str, known: &[String]) -> String {
    let near = nearest(name, known.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("there is no probe `{name}`{near}; allowed: {known}")
}

/// Detaches; returns what was done.
fn detached(probe: &ProbeHandle) -> String {
    match probe.detach() {
        Ok(()) => format!("detached {}", probe.name()),
        Err(fault) => format!("detached {}; its books are lost: {fault}", probe.name()),
    }
}
