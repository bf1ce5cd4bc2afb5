//! A script that hunts: what it says of itself, what it has found, and what that comes to at the end.
//!
//! In: the script's header, its findings, and what became of its probes. Out: found, nothing, or *inconclusive*: a hunt that has
//! found nothing while something was lost has not looked everywhere, and never says that there was nothing.

use std::{
    cell::{Cell, OnceCell, RefCell},
    path::Path,
    rc::Rc,
    time::Instant,
};

use super::{Source, header::Header, params::Param};
use crate::{
    exit,
    report::{Books, Hunted, Rule},
};

/// What a script says of itself.
#[derive(Debug)]
pub struct Said {
    /// Name of its text.
    source: String,
    name: String,
    pub header: Header,
}

impl Said {
    fn of(source: &Source, header: Header) -> Self {
        Said { source: source.name.clone(), name: name(&source.name), header }
    }

    /// What an alert of it is told as.
    pub fn rule(&self) -> Rule<'_> {
        Rule { purpose: self.header.purpose, name: &self.name, attack: &self.header.attack }
    }
}

/// What is known of the hunt that a session's script is, if it is one.
#[derive(Debug)]
pub struct Hunt {
    /// What the session's script says of itself.
    said: OnceCell<Rc<Said>>,
    /// The same of those that are run beside it.
    beside: RefCell<Vec<Rc<Said>>>,
    began: Instant,
    findings: Cell<u64>,
    /// What keeps it from having seen everything, found out on the way.
    doubts: RefCell<Vec<String>>,
    /// Whether it is left when it has declared its parameters: somebody wants to know them.
    only_declares: Cell<bool>,
    declared: RefCell<Vec<Param>>,
    /// Whether it has told its help, and does nothing.
    told_help: Cell<bool>,
}

impl Hunt {
    /// Makes one that begins now.
    pub fn new(began: Instant) -> Self {
        Hunt {
            said: OnceCell::new(),
            beside: RefCell::default(),
            began,
            findings: Cell::new(0),
            doubts: RefCell::default(),
            only_declares: Cell::new(false),
            declared: RefCell::default(),
            told_help: Cell::new(false),
        }
    }

    /// Takes note of what the session's script is, by its header.
    pub fn begin(&self, source: &Source, header: Header) {
        // A session has one script; what is typed after it is none.
        let _ = self.said.set(Rc::new(Said::of(source, header)));
    }

    /// Takes note of what a script is that is run beside it.
    pub fn begin_beside(&self, source: &Source, header: Header) {
        self.beside.borrow_mut().push(Rc::new(Said::of(source, header)));
    }

    /// What the session's script says of itself.
    pub fn said(&self) -> Option<&Rc<Said>> {
        self.said.get()
    }

    /// What the script says of itself whose text has this name.
    pub fn said_in(&self, source: &str) -> Option<Rc<Said>> {
        let beside = self.beside.borrow().iter().find(|said| said.source == source).cloned();
        beside.or_else(|| self.said().cloned())
    }

    pub fn found(&self) {
        self.findings.set(self.findings.get() + 1);
    }

    /// Takes note that it has not seen everything.
    pub fn doubt(&self, why: String) {
        self.doubts.borrow_mut().push(why);
    }

    pub fn declare_only(&self) {
        self.only_declares.set(true);
    }

    pub fn only_declares(&self) -> bool {
        self.only_declares.get()
    }

    pub fn declare(&self, params: Vec<Param>) {
        *self.declared.borrow_mut() = params;
    }

    pub fn take_declared(&self) -> Vec<Param> {
        self.declared.take()
    }

    pub fn tell_help(&self) {
        self.told_help.set(true);
    }

    /// Gives what it has come to, once all probes are detached and all events handled; `None` if the script is no hunt.
    pub fn outcome(&self, books: &[Books], now: Instant) -> Option<Hunted<'_>> {
        let rule = self.said.get().map(|said| said.rule()).filter(|_| !self.told_help.get())?;
        let lost: u64 = books.iter().map(lost).sum();
        let undecided: u64 = books.iter().map(|books| books.counters.errors).sum();
        let mut doubts = self.doubts.take();
        if lost > 0 {
            doubts.push(format!("{lost} events were lost"));
        }
        let withheld: u64 = books.iter().map(|books| books.counters.withheld()).sum();
        if withheld > 0 {
            doubts.push(format!(
                "{withheld} events were not looked at: `.limit(…)` or `.sample(…)` held them back"
            ));
        }
        if undecided > 0 {
            doubts.push(format!(
                "{undecided} operations could not be judged: what they are about was unreadable, or too long"
            ));
        }
        Some(Hunted {
            rule,
            findings: self.findings.get(),
            lost,
            undecided,
            doubts,
            seconds: now.saturating_duration_since(self.began).as_secs_f64(),
        })
    }
}

/// Returns the exit code of what a hunt has come to.
pub fn exit_code(hunted: &Hunted<'_>) -> i32 {
    match (hunted.findings, hunted.doubts.is_empty()) {
        (0, true) => exit::FINE,
        (0, false) => exit::UNDECIDED,
        _ => exit::CHECK_FAILED,
    }
}

fn lost(books: &Books) -> u64 {
    let counters = &books.counters;
    counters.lost_ring + counters.lost_queue + counters.overflow + counters.missed
}

/// A file's name without its suffix.
fn name(source: &str) -> String {
    Path::new(source)
        .file_stem()
        .map_or_else(|| source.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
