//! What a session reports, before it has a form: one [`Record`] for each thing that is written.
//!
//! In: what happened, borrowed from whoever knows it. Out: the same, for a format to render or for a sink to look into. A record
//! knows to which stream it belongs, and nothing of how it is written.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::printable::Painted;
use crate::{
    backend::Door,
    check::Finished,
    event::Event,
    probe::{Counters, Summary},
    values::{Severity, Signal},
};

/// One thing to report.
#[derive(Clone, Copy)]
pub enum Record<'r> {
    /// An event from the kernel that no callback has taken.
    Event(&'r Event),
    /// An alert of the script's, about an event or none.
    Alert {
        at: Timestamp,
        severity: Severity,
        text: &'r str,
        event: Option<&'r Event>,
        rule: Option<Rule<'r>>,
    },
    /// A signal that `--audit` kept from being sent.
    WouldSignal { pid: i32, signal: Signal },
    /// A check, and what it came to.
    Check(&'r Finished),
    /// What a hunt has come to.
    Hunted(&'r Hunted<'r>),
    /// A record of the script's own making.
    Emit(&'r Map<String, Value>),
    /// What a probe has kept count of.
    Summary(&'r Summary),
    /// The value of a line at the prompt.
    Value(Evaluated<'r>),
    /// What `print` writes.
    Print(&'r str),
    /// A text that was asked for: help, an explanation.
    Help(&'r str),
    /// The closing accounting of all probes.
    Books(&'r [Books]),
    /// The accounting as it stands; a decision that is under way may be in one column and not yet in another.
    Stats(&'r [Books]),
    /// Something worth knowing.
    Note(&'r str),
    /// Something that has to be known, whatever was asked.
    Log(&'r str),
    /// What is wrong with a script, whatever was asked.
    Diagnostic(&'r dyn Finding),
}

/// A value: as people read it, and as it is.
#[derive(Clone, Copy)]
pub struct Evaluated<'r> {
    pub text: &'r str,
    pub raw: &'r Value,
    /// It is an array of maps.
    pub is_rows: bool,
    /// The events that it consists of, if it consists of events.
    pub events: &'r [&'r Event],
}

/// A diagnostic, laid out when it is known where it is shown.
pub trait Finding {
    /// Lays it out for a terminal of so many columns, if it is one.
    fn laid_out(&self, color: bool, columns: Option<u16>) -> Painted;
}

/// Where a line belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: what the script said.
    Data,
    /// Standard output as well, but nobody asked for it just now: events and
    /// alerts. The interactive shell may hold these back.
    Event,
    /// Standard error.
    Log,
}

impl Record<'_> {
    /// Returns the stream to which it belongs.
    #[must_use]
    pub fn stream(&self) -> Stream {
        match self {
            Record::Event(_) | Record::Alert { .. } | Record::WouldSignal { .. } => Stream::Event,
            Record::Check(_)
            | Record::Hunted(_)
            | Record::Emit(_)
            | Record::Summary(_)
            | Record::Value(_)
            | Record::Print(_)
            | Record::Help(_)
            | Record::Books(_)
            | Record::Stats(_) => Stream::Data,
            Record::Note(_) | Record::Log(_) | Record::Diagnostic(_) => Stream::Log,
        }
    }

    /// Whether `--quiet` leaves it out.
    pub(super) fn is_optional(&self) -> bool {
        match self {
            Record::Note(_) | Record::Books(_) => true,
            Record::Hunted(hunted) => hunted.findings == 0 && hunted.doubts.is_empty(),
            _ => false,
        }
    }

    /// Whether it is output that a program may read, and not only what was explained meanwhile.
    pub(super) fn is_output(&self) -> bool {
        self.stream() != Stream::Log && !matches!(self, Record::Help(_))
    }
}

/// What a script of the library is for. A hunt finds something; a guard and a mitigation refuse it as well; the others are imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Hunt,
    /// Keeps something from happening, for as long as somebody wants that.
    Guard,
    /// Keeps a fault of the kernel's from being used until it is mended.
    Mitigation,
    /// Is imported: does something about what others have found, and can undo it.
    Reaction,
    /// Is imported: functions and constants.
    Library,
}

impl Purpose {
    pub const ALL: [Purpose; 5] =
        [Purpose::Hunt, Purpose::Guard, Purpose::Mitigation, Purpose::Reaction, Purpose::Library];

    /// Returns its name, which begins the header of such a script.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Hunt => "hunt",
            Purpose::Guard => "guard",
            Purpose::Mitigation => "mitigation",
            Purpose::Reaction => "reaction",
            Purpose::Library => "library",
        }
    }

    /// Whether such a script refuses what it finds.
    #[must_use]
    pub fn enforces(self) -> bool {
        matches!(self, Purpose::Guard | Purpose::Mitigation)
    }

    /// Whether such a script does nothing by itself, and is imported by others.
    #[must_use]
    pub fn is_imported(self) -> bool {
        matches!(self, Purpose::Reaction | Purpose::Library)
    }
}

/// The hunt by which an alert was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule<'r> {
    pub purpose: Purpose,
    pub name: &'r str,
    /// Ids of MITRE ATT&CK.
    pub attack: &'r [String],
}

/// What a hunt has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Hunted<'r> {
    pub rule: Rule<'r>,
    pub findings: u64,
    /// Events that never came to the script.
    pub lost: u64,
    /// Operations of which the kernel could not tell whether they match.
    pub undecided: u64,
    /// Why nothing is no answer, in words.
    pub doubts: Vec<String>,
    /// How long it has hunted, in seconds.
    pub seconds: f64,
}

impl Hunted<'_> {
    /// Returns it in a word: found, nothing, inconclusive.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match (self.findings, self.doubts.is_empty()) {
            (0, true) => "nothing",
            (0, false) => "inconclusive",
            _ => "found",
        }
    }
}

/// What became of one probe, from its attach to its detach.
#[derive(Debug, Clone)]
pub struct Books {
    pub probe: String,
    pub template: String,
    /// The last one.
    pub mode: String,
    /// Its lease has run out, so that it does not enforce any more.
    pub lease_over: bool,
    /// Its breaker has tripped, so that it does not enforce any more.
    pub tripped: bool,
    /// How often another process was found to have changed something of it.
    pub altered: u64,
    /// By what it was attached last.
    pub door: Option<Door>,
    /// It is in the kernel now.
    pub attached: bool,
    pub counters: Counters,
}

impl Books {
    /// Whether it observed by other means than the hooks, and could not have denied.
    pub fn audit_only(&self) -> bool {
        self.door.is_some_and(|door| !door.refuses())
    }

    /// The same, of which these events have come to the queue and to nobody.
    #[must_use]
    pub fn without(mut self, undelivered: u64) -> Self {
        let undelivered = undelivered.min(self.counters.delivered);
        self.counters.delivered -= undelivered;
        self.counters.lost_queue += undelivered;
        self
    }
}
