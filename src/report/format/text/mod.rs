//! Text for people: one line an event, tables and drawings for what was counted.
//!
//! ```text
//! event     an event as a line
//! check     a check and what it came to
//! books     accounting as a table
//! hunt      what a hunt finds, and what it comes to
//! rows      a list of records as a table
//! summary   what a probe has kept count of, as a table or drawn
//! human     numbers as people read them
//! wrapped   what is longer than a row, broken between words
//! ```

mod books;
mod check;
mod event;
mod human;
mod hunt;
mod rows;
mod summary;
mod wrapped;

use std::io;

use jiff::{Timestamp, tz::TimeZone};
use owo_colors::{OwoColorize, Style};

use self::books::When;
pub use self::{
    check::with_color as check_lines, human::duration, summary::text as summary_text, wrapped::wrapped,
};
use super::{Lines, Renderer, json};
use crate::{
    report::{
        printable::{printable, printable_lines},
        record::{Evaluated, Record, Stream},
    },
    system::accounts,
    values::Severity,
};

/// Colour for one word, or none at all.
#[derive(Debug, Clone, Copy)]
struct Paint {
    enabled: bool,
}

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        if self.enabled { text.style(style).to_string() } else { text.to_owned() }
    }
}

/// The format.
#[derive(Debug)]
pub struct Text {
    paint: Paint,
}

impl Text {
    #[must_use]
    pub fn new(color: bool) -> Self {
        Text { paint: Paint { enabled: color } }
    }

    fn value(&self, shown: &Evaluated<'_>, out: &mut dyn Lines) -> io::Result<()> {
        if shown.is_rows {
            if let Some(mut lines) = rows::table(shown.raw, out.width(Stream::Data)) {
                if let Some(titles) = lines.first_mut() {
                    *titles = self.paint.with(Style::new().bold(), titles);
                }
                return page(&lines, out);
            }
        } else if !shown.events.is_empty() {
            let lines: Vec<_> = shown.events.iter().map(|event| event::line(event, self.paint)).collect();
            return page(&lines, out);
        }
        out.page(&printable_lines(shown.text).split('\n').collect::<Vec<_>>())
    }
}

impl Renderer for Text {
    fn render(&mut self, record: &Record<'_>, out: &mut dyn Lines) -> io::Result<()> {
        let stream = record.stream();
        let line = match *record {
            Record::Event(event) => event::line(event, self.paint),
            Record::Alert { at, severity, text, event, rule: Some(rule) } => {
                let text = hunt::finding(text, event, rule);
                alert(severity, &text, at, self.paint)
            }
            Record::Alert { at, severity, text, .. } => alert(severity, text, at, self.paint),
            Record::WouldSignal { pid, signal } => {
                format!("--audit: would send {signal} to process {pid}")
            }
            Record::Check(finished) => {
                return check::lines(finished, self.paint).iter().try_for_each(|line| out.line(stream, line));
            }
            Record::Hunted(hunted) => hunt::line(hunted),
            Record::Emit(fields) => json::object(fields),
            Record::Summary(summary) => {
                return summary_text(summary).iter().try_for_each(|line| out.line(stream, line));
            }
            Record::Value(shown) => return self.value(&shown, out),
            Record::Print(text) => {
                let text = printable_lines(text);
                return text.split('\n').try_for_each(|line| out.line(stream, line));
            }
            Record::Help(text) => {
                let width = out.width(stream);
                let text = printable_lines(text);
                return page(
                    &text.split('\n').flat_map(|line| wrapped(line, width)).collect::<Vec<_>>(),
                    out,
                );
            }
            Record::Books([]) => return Ok(()),
            Record::Books(all) => {
                let lines = books::table(all, When::Closing, self.paint);
                return lines.iter().try_for_each(|line| out.line(stream, line));
            }
            Record::Stats(all) => return page(&books::table(all, When::Meanwhile, self.paint), out),
            Record::Note(text) | Record::Log(text) => return super::log(text, out),
            Record::Diagnostic(finding) => return super::diagnostic(finding, self.paint.enabled, out),
        };
        out.line(stream, &line)
    }

    fn prepare(&mut self) {
        accounts::prepare();
    }
}

fn page(lines: &[impl AsRef<str>], out: &mut dyn Lines) -> io::Result<()> {
    out.page(&lines.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// `TIME alert SEVERITY: TEXT`
fn alert(severity: Severity, text: &str, at: Timestamp, paint: Paint) -> String {
    let style = check::severity_style(severity);
    let time = paint.with(Style::new().dimmed(), &time_of_day(at));
    format!("{time} {} {}", paint.with(style, &format!("alert {severity}:")), printable(text))
}

/// Time of day here, to the millisecond.
fn time_of_day(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}
