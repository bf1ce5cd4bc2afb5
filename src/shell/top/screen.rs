//! A screen of its own on the terminal, and the terminal as it was afterwards, however it ends.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    time::Duration,
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    queue,
    style::Print,
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
        EnterAlternateScreen, LeaveAlternateScreen,
    },
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::termios::{self, SetArg, Termios},
};

/// The alternate screen, with keys arriving one by one. Dropping it gives the terminal back.
pub struct Screen {
    before: Termios,
}

/// What came of waiting for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    Key(u8),
    Nothing,
    /// The terminal is gone.
    Gone,
}

impl Screen {
    /// # Errors
    /// If the terminal cannot be set.
    pub fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
        let screen = Screen { before };
        let mut out = io::stdout().lock();
        queue!(out, EnterAlternateScreen, Hide, DisableLineWrap)?;
        out.flush()?;
        Ok(screen)
    }

    /// Columns and rows; some terminals say 0, and mean that they do not know. It opens nothing (crossterm's own
    /// question opens /dev/tty), or a probe that counts opens would count this screen ten times a second.
    pub fn size() -> (u16, u16) {
        let size = terminal_size::terminal_size_of(io::stdout());
        let (columns, rows) = size.map_or((0, 0), |(columns, rows)| (columns.0, rows.0));
        (if columns == 0 { 80 } else { columns }, if rows == 0 { 24 } else { rows })
    }

    /// Shows these lines and nothing else, in one go. They are no wider than the screen, and no more than it has rows.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn show(&self, lines: &[String]) -> io::Result<()> {
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate)?;
        for (row, line) in (0_u16..).zip(lines) {
            // Cleared first: what is cleared behind a full line takes its last character with it.
            queue!(frame, MoveTo(0, row), Clear(ClearType::CurrentLine), Print(line))?;
        }
        let end = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        if end < Self::size().1 {
            queue!(frame, MoveTo(0, end), Clear(ClearType::FromCursorDown))?;
        }
        queue!(frame, EndSynchronizedUpdate)?;
        let mut out = io::stdout().lock();
        out.write_all(&frame)?;
        out.flush()
    }

    /// Waits for one key, and takes no more than that: what is typed behind it is for the prompt.
    pub fn key(&self, patience: Duration) -> Pressed {
        let stdin = io::stdin();
        let mut asked = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        match poll(&mut asked, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Pressed::Nothing,
            Ok(_) => {}
            Err(_) => return Pressed::Gone,
        }
        let mut byte = [0];
        match nix::unistd::read(&stdin, &mut byte) {
            Ok(1) => Pressed::Key(byte[0]),
            Err(Errno::EINTR | Errno::EAGAIN) => Pressed::Nothing,
            _ => Pressed::Gone,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        // If the terminal is gone there is nothing to give back.
        let _ = queue!(out, EnableLineWrap, Show, LeaveAlternateScreen).and_then(|()| out.flush());
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
