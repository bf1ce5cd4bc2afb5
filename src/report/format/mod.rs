//! The formats of output: a [`Record`] in, lines out.
//!
//! Each format is a [`Renderer`] in a file of its own and one row of the table below. It writes whole lines to [`Lines`],
//! whatever stands behind them. Only here, and in the formats themselves, does it matter which of them it is.

pub mod json;
pub mod text;

use std::io;

use jiff::Timestamp;

use super::{
    printable::printable_lines,
    record::{Finding, Record, Stream},
};

/// What writes records in one format.
pub trait Renderer {
    /// Writes a record as lines.
    ///
    /// # Errors
    /// As [`Lines::line`].
    fn render(&mut self, record: &Record<'_>, out: &mut dyn Lines) -> io::Result<()>;

    /// Sets what time it is, for records that have none of their own; without it, it is the system's.
    fn set_time(&mut self, _now: Timestamp) {}

    /// Reads what rendering needs from the system, before a probe is there to observe that.
    fn prepare(&mut self) {}
}

/// What takes the lines of a record.
pub trait Lines {
    /// Writes one line; the newline is added here.
    ///
    /// # Errors
    /// If the stream is closed, and that is known at once.
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()>;

    /// Writes lines that were asked for and that belong together, on standard output. A person at a terminal may be
    /// given them page by page.
    ///
    /// # Errors
    /// As [`Lines::line`].
    fn page(&mut self, lines: &[&str]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.line(Stream::Data, line))
    }

    /// Columns of the terminal that this stream is written to; `None` if it is none.
    fn width(&self, _stream: Stream) -> Option<u16> {
        None
    }
}

/// Where a sum does not fit.
const TOO_LARGE: &str = "too large";

/// Who reads a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    People,
    Programs,
}

/// Declares the formats: name of the type, word of `--format`, reader, its help, and what makes its renderer (with or
/// without colour).
macro_rules! formats {
    ($($(#[$attribute:meta])* $format:ident($word:literal, $reader:expr, $help:literal, $renderer:expr),)+) => {
        /// How standard output is written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum Format {
            $($(#[$attribute])* $format,)+
        }

        impl Format {
            pub const ALL: &[Format] = &[$(Format::$format,)+];

            /// Returns the word by which it is asked for.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Format::$format => $word,)+ }
            }

            /// Returns what it is for, as help says it.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Format::$format => $help,)+ }
            }

            fn reader(self) -> Reader {
                match self { $(Format::$format => $reader,)+ }
            }

            pub(super) fn renderer(self, color: bool) -> Box<dyn Renderer> {
                match self { $(Format::$format => Box::new($renderer(color)),)+ }
            }
        }
    };
}

formats! {
    #[default]
    Text("text", Reader::People, "For people: users and errnos by name, sizes in KiB", text::Text::new),
    Json("json", Reader::Programs, "One JSON value a line (NDJSON), numbers as they are", json::Json::new),
}

impl Format {
    /// Returns the format of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Format> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// Whether people read it: then sentences may stand between the records.
    #[must_use]
    pub fn is_for_people(self) -> bool {
        self.reader() == Reader::People
    }
}

/// Writes a sentence on standard error, which people read in each format.
fn log(text: &str, out: &mut dyn Lines) -> io::Result<()> {
    printable_lines(text).lines().try_for_each(|line| out.line(Stream::Log, line))
}

/// Writes a diagnostic on standard error, likewise.
fn diagnostic(finding: &dyn Finding, color: bool, out: &mut dyn Lines) -> io::Result<()> {
    let text = finding.laid_out(color, out.width(Stream::Log));
    text.as_str().lines().try_for_each(|line| out.line(Stream::Log, line))
}

/// Of a number of nanoseconds since 1970.
fn timestamp(wall_ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What the formats' tests write: something counted of sizes in bytes, by comm.
#[cfg(test)]
fn summary_of_sizes(
    kind: crate::probe::aggregation::Kind,
    rows: Vec<crate::probe::summary::Row>,
) -> crate::probe::Summary {
    crate::probe::Summary {
        probe: "p".into(),
        kind,
        field: Some("size".into()),
        unit: Some("bytes".into()),
        by: vec!["comm".into()],
        kinds: vec![crate::template::FieldKind::Text],
        rows,
        overflow: 0,
    }
}
