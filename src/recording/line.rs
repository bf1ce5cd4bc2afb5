//! The lines of a recording: one JSON object each.
//!
//! The first says what the file is. Behind it come, in the order in which they were: what was attached, the steps of the session's
//! time, the events that were handled, what probes had counted when they were asked, and the end.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    backend::{Altered, Door},
    event::Told,
    probe::{Counters, Spec, Summary},
    report::redacted,
    template::Template,
};

/// What is written of the form of the lines. A file of another is not read.
pub const VERSION: u32 = 1;

/// What a file is, and when and where it was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub version: u32,
    /// Of the program that wrote it.
    pub krsi_sh: String,
    /// When, on the kernel's monotonic clock, in nanoseconds.
    pub at: u64,
    /// `CLOCK_REALTIME - CLOCK_MONOTONIC`, in nanoseconds.
    pub wall_offset_ns: i64,
    pub host: String,
    pub kernel: String,
    pub script: String,
    pub args: Vec<String>,
    /// The process that the session was about.
    #[serde(default)]
    pub target: Option<i32>,
    #[serde(default)]
    pub secrets: Secrets,
    /// The file is a part of the session that was kept in memory, and not the session from its beginning on.
    #[serde(default)]
    pub part: Option<Part>,
}

/// Of which part of a session a file is, and what it lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Times on the kernel's monotonic clock, in nanoseconds: nothing before and nothing behind.
    pub from_ns: u64,
    pub to_ns: u64,
    /// The same in words (RFC 3339).
    pub from: String,
    pub to: String,
    /// Events that were let go before their time, since there was no room for them.
    pub dropped: u64,
    /// Events that never came to the session, since its probes were attached.
    pub lost: u64,
}

impl Begin {
    /// Returns why a part of a session may lack something, a sentence each.
    pub fn doubts_of_part(&self) -> Vec<String> {
        let Some(Part { dropped, lost, .. }) = &self.part else { return Vec::new() };
        let mut doubts = Vec::new();
        if *dropped > 0 {
            doubts.push(format!(
                "the recording is of the last time before it was written, and there was no room for {dropped} of its events, the oldest"
            ));
        }
        if *lost > 0 {
            doubts.push(format!(
                "{lost} events had been lost by the recorded session when the part was written"
            ));
        }
        doubts
    }
}

/// What has become of secrets in arguments and other texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secrets {
    /// They are there as they were, as in files from before they could be left out.
    #[default]
    Shown,
    /// They are written over; each text is as long as it was.
    Redacted,
}

/// What a probe selects and does, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The same for probes of one template that select the same events by scope, params and filter.
    pub selects: String,
    /// The same for the same scope, and for the same params.
    pub scope: String,
    pub params: String,
    /// All of it in words; empty: everything.
    pub selects_in_words: String,
    pub mode: String,
}

/// Which fields its events tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tells {
    /// All, and of the origin these.
    AllAnd(Vec<String>),
    Only(Vec<String>),
}

/// A probe that was attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Its number among all attachments of the recording, from 1.
    pub by: u32,
    pub at: u64,
    pub probe: String,
    pub template: String,
    /// The same for templates whose records are laid out alike.
    pub layout: String,
    pub tells: Tells,
    /// The same for probes that keep the same counts.
    pub counts: String,
    /// Whether it sent no events, but only counted.
    pub quiet: bool,
    /// Which of its events it did not send, in words.
    #[serde(default)]
    pub limits: Vec<String>,
    pub door: String,
    #[serde(flatten)]
    pub rule: Rule,
}

/// Any line but that of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    Recording(Begin),
    Attach(Attach),
    /// It selects or does something else from here on.
    Change {
        by: u32,
        at: u64,
        quiet: bool,
        #[serde(flatten)]
        rule: Rule,
    },
    /// The breaker of a probe was seen to have tripped: from then on, or a little before, it refuses nothing until it is set again.
    Tripped {
        by: u32,
        at: u64,
        /// Timers that were due later were not called before.
        looked: u64,
    },
    /// The script asked whether it has.
    Asked {
        by: u32,
        at: u64,
        tripped: bool,
    },
    /// Somebody else was seen to have changed something of a probe.
    Altered {
        by: u32,
        at: u64,
        /// Timers that were due later were not called before.
        looked: u64,
        altered: Vec<Altered>,
    },
    /// The session asked what time it is.
    Time {
        at: u64,
    },
    /// A wait until `until` is over; the events behind this were handled before anything else.
    Settle {
        at: u64,
        until: u64,
    },
    Settled {
        at: u64,
    },
    /// What a probe had counted when it was asked.
    Counted {
        by: u32,
        at: u64,
        summaries: Vec<Summary>,
    },
    /// What its decisions had come to when it was asked.
    Decided {
        by: u32,
        at: u64,
        counters: Counters,
    },
    Detach {
        by: u32,
        at: u64,
        counters: Counters,
        summaries: Vec<Summary>,
    },
    /// Sequences and thresholds were given what had happened until then.
    Match {
        at: u64,
        until: u64,
        /// Timers that were due later were not called before.
        looked: u64,
    },
    /// The session ends; what is detached and handled from here on is so for that.
    Close {
        at: u64,
        /// Timers that were due later were not called.
        looked: u64,
    },
    /// Nothing is missing.
    End {
        at: u64,
        events: u64,
        /// Of them, those whose secrets are written over.
        #[serde(default)]
        redacted: u64,
    },
}

/// What replay needs of the line of an event; for other readers it has all fields as `--format json` has them.
#[derive(Debug, Clone, Deserialize)]
pub struct EventLine<'l> {
    pub by: u32,
    /// When it was handled, together with others.
    pub at: u64,
    pub wall_offset_ns: i64,
    /// As the kernel wrote it, in base64 (RFC 4648).
    #[serde(borrow)]
    pub record: &'l str,
}

/// How the line of an event begins, and no other.
pub const EVENT: &str = r#"{"type":"event","#;

impl<'l> EventLine<'l> {
    /// Returns the line of an event whose fields stand in this one: what replay needs comes first.
    pub fn written(&self, event: &str) -> String {
        let EventLine { by, at, wall_offset_ns, record } = self;
        let fields = event.strip_prefix(EVENT).unwrap_or(event);
        format!(
            r#"{EVENT}"by":{by},"at":{at},"wall_offset_ns":{wall_offset_ns},"record":"{record}",{fields}"#
        )
    }

    /// Reads one that was written so, without a look at what else stands in it; `None` if it was written otherwise.
    pub fn read(line: &'l [u8]) -> Option<Self> {
        let line = line.strip_prefix(EVENT.as_bytes())?.strip_suffix(b"}")?;
        let (by, line) = number(line.strip_prefix(b"\"by\":")?)?;
        let (at, line) = number(line.strip_prefix(b",\"at\":")?)?;
        let (wall_offset_ns, line) = number(line.strip_prefix(b",\"wall_offset_ns\":")?)?;
        let line = line.strip_prefix(b",\"record\":\"")?;
        let end = memchr::memchr(b'"', line)?;
        Some(EventLine { by, at, wall_offset_ns, record: std::str::from_utf8(&line[..end]).ok()? })
    }
}

/// The number that a text begins with, and what stands behind it.
fn number<N: std::str::FromStr>(text: &[u8]) -> Option<(N, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'-')?;
    Some((std::str::from_utf8(&text[..end]).ok()?.parse().ok()?, &text[end..]))
}

/// Returns a short text that is the same for the same.
fn digest(of: &str) -> String {
    let hash = Sha256::digest(of.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Rule {
    /// Returns what a probe selects and does.
    pub fn of(spec: &Spec) -> Self {
        let filter = spec.filter.as_ref().map(|compiled| &compiled.filter);
        let mut words = Vec::new();
        if !spec.scope.is_empty() {
            words.push(format!("scope {}", spec.scope));
        }
        if !spec.params.is_empty() {
            words.push(spec.describe_params());
        }
        if let Some(when) = spec.filter.as_ref().and_then(|compiled| compiled.when.as_ref()) {
            words.push(format!("when {when}"));
        }
        let conditions: Vec<_> = spec.scope.conditions().collect();
        Rule {
            selects: digest(&format!("{conditions:?} {:?} {filter:?}", spec.params)),
            scope: digest(&format!("{conditions:?}")),
            params: digest(&format!("{:?}", spec.params)),
            // The same whether secrets are shown or not: it is compared.
            selects_in_words: redacted(&words.join(", ")).into_owned(),
            mode: spec.acting_mode(),
        }
    }

    /// Whether the probe has asked for everything.
    pub fn is_everything(&self) -> bool {
        self.selects_in_words.is_empty()
    }

    /// Whether it has asked for everything that its scope is about. If in doubt, it has not.
    pub fn is_everything_in_scope(&self) -> bool {
        self.params == digest("{}") && !self.selects_in_words.contains("when ")
    }
}

impl Tells {
    pub fn told(&self) -> Told {
        match self {
            Tells::AllAnd(origin) => Told::All(origin.clone().into()),
            Tells::Only(fields) => Told::Only(fields.clone().into()),
        }
    }
}

impl From<Told> for Tells {
    fn from(told: Told) -> Self {
        match told {
            Told::All(origin) => Tells::AllAnd(origin.to_vec()),
            Told::Only(fields) => Tells::Only(fields.to_vec()),
        }
    }
}

impl Attach {
    /// Returns what is written of a probe that was just attached.
    pub fn of(by: u32, at: u64, spec: &Spec, door: Door) -> Self {
        Attach {
            by,
            at,
            probe: spec.name.clone(),
            template: spec.template.name.clone(),
            layout: layout(&spec.template),
            tells: spec.told().into(),
            counts: counts(spec),
            quiet: spec.quiet,
            limits: spec.limits.in_words(),
            door: door.name().to_owned(),
            rule: Rule::of(spec),
        }
    }
}

/// Returns what tells templates apart whose records are laid out differently.
pub fn layout(template: &Template) -> String {
    let fields: Vec<_> =
        template.fields.iter().map(|field| (&field.name, &field.kind, field.offset, field.size)).collect();
    let Template { name, event_size, layout, .. } = template;
    digest(&format!("{name} {event_size} {} {} {fields:?}", layout.packed_from, layout.origin_size))
}

/// Returns what tells probes apart that keep different counts.
pub fn counts(spec: &Spec) -> String {
    digest(&format!("{:?}", spec.aggregations))
}

impl Line {
    /// Until when timers were called before it, on the kernel's monotonic clock, in nanoseconds.
    pub fn at(&self) -> u64 {
        match self {
            Line::Match { looked, .. }
            | Line::Tripped { looked, .. }
            | Line::Altered { looked, .. }
            | Line::Close { looked, .. } => *looked,
            Line::Recording(begin) => begin.at,
            Line::Attach(attach) => attach.at,
            Line::Change { at, .. }
            | Line::Asked { at, .. }
            | Line::Time { at }
            | Line::Settle { at, .. }
            | Line::Settled { at }
            | Line::Counted { at, .. }
            | Line::Decided { at, .. }
            | Line::Detach { at, .. }
            | Line::End { at, .. } => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written_in_whatever_order() {
        let event = EventLine { by: 3, at: 4, wall_offset_ns: -5, record: "AAEC" };
        let line = event.written(r#"{"type":"event","time":"t","path":"/a}"}"#);
        let quick = EventLine::read(line.as_bytes()).unwrap();
        let other = r#"{"type":"event","record":"AAEC","at":4,"by":3,"path":"","wall_offset_ns":-5}"#;
        assert!(EventLine::read(other.as_bytes()).is_none());
        for read in [quick, serde_json::from_str(&line).unwrap(), serde_json::from_str(other).unwrap()] {
            assert_eq!((read.by, read.at, read.wall_offset_ns, read.record), (3, 4, -5, "AAEC"));
        }
    }

    #[test]
    fn a_sum_of_more_than_64_bits_is_read_back() {
        let number = crate::probe::summary::Amount::Number(1 << 90);
        let text = serde_json::to_string(&number).unwrap();
        assert_eq!(serde_json::from_str::<crate::probe::summary::Amount>(&text).unwrap(), number);
    }
}
