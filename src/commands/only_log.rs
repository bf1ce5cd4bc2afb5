//! Where a session's records go whose script is only looked at.

use std::io;

use crate::report::{Lines, Record, Renderer, Sink, Stream, Writer};

/// What the script says is not for whoever wants it explained; its errors are.
pub struct OnlyLog;

impl Sink for OnlyLog {
    fn emit(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) -> io::Result<()> {
        match record.stream() {
            Stream::Log => renderer.render(record, self),
            Stream::Data | Stream::Event => Ok(()),
        }
    }
}

impl Lines for OnlyLog {
    fn line(&mut self, stream: Stream, line: &str) -> io::Result<()> {
        Writer::get().push_line(stream.target(), line);
        Ok(())
    }
}
