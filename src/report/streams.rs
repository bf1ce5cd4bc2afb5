//! The process's own standard output and error as a [`Sink`].

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    os::fd::AsFd,
};

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

/// Decides whether text on standard output carries colour where nobody has said so: on a terminal that has it,
/// unless NO_COLOR is set.
#[must_use]
pub fn allows_color() -> bool {
    io::stdout().is_terminal() && environment_allows_color(|name: &str| env::var_os(name))
}

/// no-color.org: set to anything but nothing.
fn environment_allows_color(environment: impl Fn(&str) -> Option<OsString>) -> bool {
    let refused = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = environment("TERM").is_some_and(|value| value == "dumb");
    !refused && !dumb
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_no_color_does_not_count() {
        let with = |name: &'static str, value: &'static str| {
            environment_allows_color(move |asked| (asked == name).then(|| OsString::from(value)))
        };
        assert!(with("NO_COLOR", ""));
        assert!(!with("NO_COLOR", "0"));
        assert!(!with("TERM", "dumb"));
        assert!(with("TERM", "xterm"));
    }
}
