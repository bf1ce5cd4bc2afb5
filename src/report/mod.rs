//! What leaves the program: text for people, NDJSON for machines.
//!
//! In: events, alerts, records, printed lines, closing books. Out: whole lines
//! on one of two streams. Standard output carries data, standard error carries
//! logs, diagnostics and the banner. Strings from the kernel are hostile: no
//! control byte of theirs reaches a terminal or a log raw ([`printable`]).
//!
//! ```text
//! reporter    one record ─▶ line(s), in the session's format
//! text, json  the two formats
//! rows        a list of records as a table
//! summary     what a probe has kept count of, in both
//! human       numbers as people read them, in text
//! accounts    names of users and groups, for that
//! wrapped     what is longer than a row, broken between words
//! printable   what keeps a name from moving the cursor or breaking a line
//! streams     the process's own standard output and error
//! ```

mod accounts;
mod human;
mod json;
mod printable;
mod reporter;
mod rows;
mod streams;
pub mod summary;
mod text;
mod wrapped;

pub use self::{
    human::duration,
    json::{event as event_json, safe as safe_json},
    printable::{printable, printable_lines, quoted},
    reporter::{Books, Reporter, Severity, SeverityError},
    streams::{Streams, allows_color, columns},
    wrapped::wrapped,
};

/// How standard output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Text,
    /// One JSON object a line, each with a `type`.
    Json,
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

/// Where whole lines go: the process's streams, or the shell's printer, which
/// must not tear the line being typed.
pub trait Sink {
    /// Writes one line; the newline is the sink's to add.
    ///
    /// # Errors
    /// If the stream is closed (a broken pipe is the reader's good right).
    fn line(&mut self, stream: Stream, line: &str) -> std::io::Result<()>;

    /// What the lines that follow are about: an event of this probe, or of no probe.
    fn about(&mut self, _probe: Option<&str>) {}

    /// Columns of the terminal that this stream is written to; `None` if it is none.
    fn width(&self, _stream: Stream) -> Option<u16> {
        None
    }

    /// Writes lines that somebody has asked for and that belong together, on
    /// standard output. Somebody at a terminal may be given them page by page.
    ///
    /// # Errors
    /// As [`Sink::line`].
    fn page(&mut self, lines: &[&str]) -> std::io::Result<()> {
        lines.iter().try_for_each(|line| self.line(Stream::Data, line))
    }
}
