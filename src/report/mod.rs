//! What leaves the program: text for people, NDJSON for machines.
//!
//! In: events, alerts, records, printed lines, closing books. Out: whole lines
//! on one of two streams. Standard output carries data, standard error carries
//! logs, diagnostics and the banner. Strings from the kernel are hostile: no
//! control byte of theirs reaches a terminal or a log raw.

/// How standard output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Text,
    /// One JSON object a line, each with a `type`.
    Json,
}

/// Which stream a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Data,
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
}
