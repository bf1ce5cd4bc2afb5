//! What the terminal on a stream can show: how many columns, and colour.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    os::fd::AsFd,
};

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
