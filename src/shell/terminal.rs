//! The terminal, as it was found and as it is left; and between two inputs.
//!
//! While lines are edited it is in the editor's raw mode. Between two inputs, the ordinary mode would edit what is
//! typed ahead itself: it would take Ctrl-D and Ctrl-R for its own, and show the rest in the middle of what is printed.
//! So then keys are kept as they come, for the next input, and only those that send signals do something.

use std::{
    cell::Cell,
    env,
    io::{self, IsTerminal, Write},
};

use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices as Special, Termios};

use super::printer::Terminals;

/// What the standard streams are, and how the terminal was set.
pub struct Terminal {
    before: Option<Termios>,
    restored: Cell<bool>,
    output: bool,
    error: bool,
}

/// What an editor leaves on if it cannot tidy up itself: bracketed paste, and a
/// synchronised update.
const TIDY: &[u8] = b"\x1b[?2004l\x1b[?2026l\n";

impl Terminal {
    #[must_use]
    pub fn look() -> Self {
        Terminal {
            before: termios::tcgetattr(io::stdin()).ok(),
            restored: Cell::new(false),
            output: io::stdout().is_terminal(),
            error: io::stderr().is_terminal(),
        }
    }

    /// Somebody sits there.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.before.is_some()
    }

    /// Whether lines can be edited: keys arrive one by one, the cursor moves.
    #[must_use]
    pub fn is_capable(&self) -> bool {
        let term = env::var("TERM").unwrap_or_default();
        self.is_interactive() && !["", "dumb", "cons25", "emacs"].contains(&term.as_str())
    }

    /// Whether standard output is elsewhere (a file, a pipe), so that the prompt
    /// must not go there.
    #[must_use]
    pub fn is_output_elsewhere(&self) -> bool {
        !self.output
    }

    /// Which streams share the terminal with the prompt.
    #[must_use]
    pub fn streams(&self) -> Terminals {
        let typed_at = self.before.is_some();
        Terminals { data: typed_at && self.output, log: typed_at && self.error }
    }

    /// Keeps what is typed for the next input; if lines can be edited, or it has to be as it was found.
    pub fn keep_keys(&self) {
        let Some(before) = self.before.as_ref().filter(|_| self.is_capable()) else { return };
        let mut keeping = before.clone();
        keeping.local_flags -= LocalFlags::ICANON | LocalFlags::ECHO;
        keeping.control_chars[Special::VMIN as usize] = 1;
        keeping.control_chars[Special::VTIME as usize] = 0;
        // What fails here is a terminal that edits by itself, as others do.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &keeping);
    }

    /// As it was found, for a program that is given it.
    pub fn lend(&self) {
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }

    /// Puts it back as it was, also while an editor still reads from it.
    pub fn restore(&self, editing: bool) {
        self.restored.set(true);
        let Some(before) = &self.before else { return };
        // Not waiting for output to drain: a stalled terminal must not keep the process.
        // There is nobody left to tell if it fails.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        if editing && self.is_capable() {
            let _ = if self.output { io::stdout().write_all(TIDY) } else { io::stderr().write_all(TIDY) };
            let _ = io::stdout().flush();
        }
    }
}

impl Drop for Terminal {
    /// After a panic, too.
    fn drop(&mut self) {
        if !self.restored.get() {
            self.restore(true);
        }
    }
}
