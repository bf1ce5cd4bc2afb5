//! The sinks: where records go.
//!
//! A sink is given each record as it is, and the format of the session to render it with. One that writes lines hands
//! itself over as `Lines`; one that has a form of its own (a log daemon's, a collector's) looks into the record instead.
//!
//! ```text
//! streams    the process's own standard output and error
//! terminal   what the terminal behind them can show
//! writer     the threads that write these, so that nobody else waits for a reader
//! ```
//!
//! The prompt's sink, which never tears the line being typed, is the shell's.

mod streams;
mod terminal;
mod writer;

use std::io;

pub use self::{
    streams::Streams,
    terminal::{allows_color, columns},
    writer::{Notice, Target, Writer},
};
use super::{format::Renderer, record::Record};

/// Where records go.
pub trait Sink {
    /// Writes a record, rendered or in the sink's own form.
    ///
    /// # Errors
    /// If nobody reads any more, and this sink knows it at once. One with a [`Writer`] never does.
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()>;

    /// What writes behind this sink's back, if it is the process's streams that records go to.
    fn writer(&self) -> Option<&Writer> {
        None
    }

    /// What the records that follow are about: an event of this probe, or of no probe.
    fn about(&mut self, _probe: Option<&str>) {}
}
