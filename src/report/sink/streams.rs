//! The process's own standard output and error as a [`Sink`].

use std::io;

use super::{
    Sink, columns,
    writer::{Target, Writer},
};
use crate::report::{
    format::{Lines, Renderer},
    record::{Record, Stream},
};

/// Hands each line to the [`Writer`], which writes it at once: a reader downstream sees an event when it happens.
#[derive(Debug)]
pub struct Streams(Writer);

impl Streams {
    #[must_use]
    pub fn new() -> Self {
        Streams(Writer::get())
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// Which of the process's streams that is.
    #[must_use]
    pub fn target(self) -> Target {
        match self {
            Stream::Data | Stream::Event => Target::Out,
            Stream::Log => Target::Err,
        }
    }
}

impl Sink for Streams {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        renderer.render(record, self)
    }

    fn writer(&self) -> Option<&Writer> {
        Some(&self.0)
    }
}

impl Lines for Streams {
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
        self.0.push_line(stream.target(), line);
        Ok(())
    }

    fn width(&self, stream: Stream) -> Option<u16> {
        match stream {
            Stream::Data | Stream::Event => columns(io::stdout()),
            Stream::Log => columns(io::stderr()),
        }
    }
}
