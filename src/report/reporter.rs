//! One record in, one line out (a table's worth for the books), in the session's format.

use std::{fmt, io};

use jiff::Timestamp;
use owo_colors::Style;
use serde_json::{Map, Value, json};

use super::{Format, Painted, Sink, Stream, json, printable_lines, rows, summary, text, wrapped};
use crate::{
    accounts,
    event::Event,
    probe::{Counters, Summary},
    values::Signal,
    values::nearest,
};

/// How bad an alert says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no severity{}; allowed: info, low, medium, high, critical", nearest.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)")))]
pub struct SeverityError {
    pub given: String,
    nearest: Option<&'static str>,
}

impl Severity {
    const ALL: [(Severity, &'static str); 5] = [
        (Severity::Info, "info"),
        (Severity::Low, "low"),
        (Severity::Medium, "medium"),
        (Severity::High, "high"),
        (Severity::Critical, "critical"),
    ];

    /// # Errors
    /// If there is no severity of this name.
    pub fn from_name(name: &str) -> Result<Self, SeverityError> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(s, _)| *s).ok_or_else(|| SeverityError {
            given: name.to_owned(),
            nearest: nearest(name, Self::ALL.iter().map(|(_, n)| *n)),
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(s, _)| s == self).map_or("", |(_, n)| n);
        f.write_str(name)
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
    /// It observed by other means than LSM, and could not have denied.
    pub audit_only: bool,
    /// It is in the kernel now.
    pub attached: bool,
    pub counters: Counters,
}

impl Books {
    /// The same, of which these events have come to the queue and to nobody.
    #[must_use]
    pub fn without(mut self, undelivered: u64) -> Self {
        let undelivered = undelivered.min(self.counters.delivered);
        self.counters.delivered -= undelivered;
        self.counters.lost_queue += undelivered;
        self
    }
}

/// Writes a session's records.
pub struct Reporter {
    sink: Box<dyn Sink>,
    format: Format,
    paint: text::Paint,
    quiet: bool,
    /// How help is written as long as no record has been.
    help: Format,
    has_records: bool,
}

impl Reporter {
    #[must_use]
    pub fn new(sink: Box<dyn Sink>, format: Format, color: bool, quiet: bool) -> Self {
        let paint = text::Paint { enabled: color };
        let mut reporter = Reporter { sink, format, paint, quiet, help: format, has_records: false };
        reporter.set_format(format);
        reporter
    }

    /// The same, that writes help in this format as long as it has written no record: help that is all there is
    /// is for people, wherever it goes.
    #[must_use]
    pub fn with_help(mut self, help: Format) -> Self {
        self.help = help;
        self
    }

    /// Whether text output carries colour.
    #[must_use]
    pub fn color(&self) -> bool {
        self.paint.enabled
    }

    /// Columns of the terminal that diagnostics are written to, if it is one.
    #[must_use]
    pub fn log_width(&self) -> Option<u16> {
        self.sink.width(Stream::Log)
    }

    /// From here on with colour, or without.
    pub fn set_color(&mut self, color: bool) {
        self.paint.enabled = color;
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// From here on in this format.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
        self.help = format;
        if format == Format::Text {
            accounts::prepare();
        }
    }

    /// What is written from here on is about an event of this probe, or of none.
    pub fn about(&mut self, probe: Option<&str>) {
        self.sink.about(probe);
    }

    /// # Errors
    /// As all of these: if the stream is closed.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.has_records = true;
        let line = match self.format {
            Format::Text => text::event(event, self.paint),
            Format::Json => json::line("event", json::event(event)),
        };
        self.sink.line(Stream::Event, &line)
    }

    pub fn alert(&mut self, severity: Severity, text: &str, event: Option<&Event>) -> io::Result<()> {
        self.has_records = true;
        let now = Timestamp::now();
        let line = match self.format {
            Format::Text => text::alert(severity, text, now, self.paint),
            Format::Json => {
                let mut fields = Map::new();
                fields.insert("time".into(), json::time(now));
                fields.insert("severity".into(), severity.to_string().into());
                fields.insert("text".into(), text.into());
                if let Some(event) = event {
                    fields.insert("event".into(), json::event(event).into());
                }
                json::line("alert", fields)
            }
        };
        self.sink.line(Stream::Event, &line)
    }

    /// Reports a signal that `--audit` kept from being sent, as a `would-signal` record.
    pub fn would_signal(&mut self, pid: i32, signal: Signal) -> io::Result<()> {
        let line = match self.format {
            Format::Text => format!("--audit: would send {signal} to process {pid}"),
            Format::Json => {
                let mut fields = Map::new();
                fields.insert("time".into(), jiff::Timestamp::now().to_string().into());
                fields.insert("pid".into(), pid.into());
                fields.insert("signal".into(), signal.to_string().into());
                json::line("would-signal", fields)
            }
        };
        self.sink.line(Stream::Event, &line)
    }

    /// A record of the script's own making.
    pub fn emit(&mut self, record: Map<String, Value>) -> io::Result<()> {
        self.has_records = true;
        let line = match self.format {
            Format::Text => json::safe(&Value::Object(record).to_string()),
            Format::Json => json::line("emit", record),
        };
        self.sink.line(Stream::Data, &line)
    }

    /// What a probe has kept count of.
    pub fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.has_records = true;
        match self.format {
            Format::Text => {
                summary::text(summary).iter().try_for_each(|line| self.sink.line(Stream::Data, line))
            }
            Format::Json => self.sink.line(Stream::Data, &json::line("summary", summary::record(summary))),
        }
    }

    /// The value of a line at the prompt: as people read it, and as it is.
    pub fn value(&mut self, shown: &str, raw: Value) -> io::Result<()> {
        self.has_records = true;
        match self.format {
            Format::Text => self.page(shown),
            Format::Json => {
                let mut fields = Map::new();
                fields.insert("value".into(), raw);
                self.sink.line(Stream::Data, &json::line("value", fields))
            }
        }
    }

    /// As [`Reporter::value`], for an array of maps: a table, where there is room for one.
    pub fn rows(&mut self, shown: &str, raw: Value) -> io::Result<()> {
        match rows::table(&raw, self.sink.width(Stream::Data)) {
            Some(mut lines) if self.format == Format::Text => {
                if let Some(titles) = lines.first_mut() {
                    *titles = self.paint.with(Style::new().bold(), titles);
                }
                self.sink.page(&lines.iter().map(String::as_str).collect::<Vec<_>>())
            }
            _ => self.value(shown, raw),
        }
    }

    /// Events that somebody has asked to see again, as text: a line each.
    pub fn events_again<'e>(&mut self, events: impl Iterator<Item = &'e Event>) -> io::Result<()> {
        let lines: Vec<_> = events.map(|event| text::event(event, self.paint)).collect();
        self.sink.page(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A text that somebody has asked for: help, an explanation.
    pub fn tell(&mut self, text: &str) -> io::Result<()> {
        let format = if self.has_records { self.format } else { self.help };
        match format {
            Format::Text => {
                let width = self.sink.width(Stream::Data);
                let text = printable_lines(text);
                let rows: Vec<_> = text.split('\n').flat_map(|line| wrapped(line, width)).collect();
                self.sink.page(&rows.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            }
            Format::Json => self.print(text),
        }
    }

    fn page(&mut self, text: &str) -> io::Result<()> {
        let text = printable_lines(text);
        self.sink.page(&text.split('\n').collect::<Vec<_>>())
    }

    /// What `print` says.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.has_records = true;
        match self.format {
            Format::Text => {
                let text = printable_lines(text);
                text.split('\n').try_for_each(|line| self.sink.line(Stream::Data, line))
            }
            Format::Json => {
                let mut fields = Map::new();
                fields.insert("text".into(), text.into());
                self.sink.line(Stream::Data, &json::line("print", fields))
            }
        }
    }

    /// The closing books of all probes; nothing if there were none, or if quiet.
    pub fn books(&mut self, all: &[Books]) -> io::Result<()> {
        if self.quiet || all.is_empty() {
            return Ok(());
        }
        match self.format {
            Format::Text => text::books(all, text::When::Closing, self.paint)
                .iter()
                .try_for_each(|line| self.sink.line(Stream::Data, line)),
            Format::Json => all
                .iter()
                .try_for_each(|books| self.sink.line(Stream::Data, &json::line("books", fields(books)))),
        }
    }

    /// The books as they stand; a decision that is under way may be in one column and not yet in another.
    pub fn stats(&mut self, all: &[Books]) -> io::Result<()> {
        match self.format {
            Format::Text => {
                let lines = text::books(all, text::When::Meanwhile, self.paint);
                self.sink.page(&lines.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Format::Json => all.iter().try_for_each(|books| {
                let mut fields = fields(books);
                fields.insert("attached".into(), books.attached.into());
                self.sink.line(Stream::Data, &json::line("stats", fields))
            }),
        }
    }

    /// Something worth knowing, on standard error; nothing if quiet.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        if self.quiet { Ok(()) } else { self.log(text) }
    }

    /// Something that has to be known, on standard error, whatever was asked.
    pub fn log(&mut self, text: &str) -> io::Result<()> {
        let text = printable_lines(text);
        text.lines().try_for_each(|line| self.sink.line(Stream::Log, line))
    }

    /// A diagnostic, on standard error, whatever was asked.
    pub fn painted(&mut self, text: &Painted) -> io::Result<()> {
        text.as_str().lines().try_for_each(|line| self.sink.line(Stream::Log, line))
    }
}

fn fields(books: &Books) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("probe".into(), books.probe.as_str().into());
    fields.insert("template".into(), books.template.as_str().into());
    fields.insert("mode".into(), books.mode.as_str().into());
    fields.insert("lease_over".into(), books.lease_over.into());
    fields.insert("audit_only".into(), books.audit_only.into());
    if let Ok(Value::Object(counters)) = serde_json::to_value(books.counters) {
        fields.extend(counters);
    }
    fields.insert("balanced".into(), json!(books.counters.balanced()));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_severity_names_the_nearest() {
        assert_eq!(Severity::from_name("high"), Ok(Severity::High));
        let error = Severity::from_name("hihg").unwrap_err().to_string();
        assert!(error.contains("did you mean `high`?") && error.contains("critical"), "{error}");
    }
}
