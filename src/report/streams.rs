//! The process's own standard output and error as a [`Sink`].

use std::{io, os::fd::AsFd};

use super::{
    Sink, Stream,
    writer::{Target, Writer},
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

/// Columns of a terminal; some say 0, and mean that they do not know.
pub fn columns(of: impl AsFd) -> Option<u16> {
    let size = terminal_size::terminal_size_of(of);
    size.map(|(columns, _)| columns.0).filter(|columns| *columns > 0)
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
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
        self.0.push_line(stream.target(), line);
        Ok(())
    }

    fn writer(&self) -> Option<&Writer> {
        Some(&self.0)
    }

    fn width(&self, stream: Stream) -> Option<u16> {
        match stream {
            Stream::Data | Stream::Event => columns(io::stdout()),
            Stream::Log => columns(io::stderr()),
        }
    }
}
