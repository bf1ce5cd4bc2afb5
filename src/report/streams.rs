//! The process's own standard output and error as a [`Sink`].

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

use super::{Sink, Stream};

/// Writes each line at once, so that a reader downstream sees an event when it happens.
#[derive(Debug, Default)]
pub struct Streams;

impl Streams {
    #[must_use]
    pub fn new() -> Self {
        Streams
    }
}

/// Columns of a terminal; some say 0, and mean that they do not know.
pub fn columns(of: impl AsFd) -> Option<u16> {
    let size = terminal_size::terminal_size_of(of);
    size.map(|(columns, _)| columns.0).filter(|columns| *columns > 0)
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
        match stream {
            Stream::Data | Stream::Event => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes())?;
                out.write_all(b"\n")?;
                out.flush()
            }
            Stream::Log => {
                // In one write, or a child's own words could come between.
                let mut whole = String::with_capacity(line.len() + 1);
                whole.push_str(line);
                whole.push('\n');
                // Nobody who reads logs is no reason to stop.
                let _ = io::stderr().lock().write_all(whole.as_bytes());
                Ok(())
            }
        }
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
