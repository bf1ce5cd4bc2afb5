//! The host's terminal while the guest has it: raw, so that every key, Ctrl-C
//! too, reaches the guest, whose own terminal does the echo and the signals.
//!
//! It is given back however the guest ends, by a value that is dropped.

use std::{
    io::{self, IsTerminal, Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use nix::{
    libc,
    sys::termios::{self, SetArg, Termios},
};

/// The key that ends the guest, whatever it does: Ctrl-], as in telnet.
const QUIT: u8 = 0x1d;
/// What a terminal sends at the end of input.
const END_OF_INPUT: u8 = 0x04;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// The size of the terminal on standard output, or a customary one.
pub(super) fn size() -> Size {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel fills the structure this request is defined with, which
    // lives until the call returns; a descriptor that is not a terminal is an error.
    let answer = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    if answer == 0 && size.ws_row > 0 && size.ws_col > 0 {
        Size { rows: size.ws_row, columns: size.ws_col }
    } else {
        Size { rows: 24, columns: 80 }
    }
}

/// Tells the guest when the terminal has changed its size.
pub(super) struct Window {
    guest: UnixStream,
    told: Option<Size>,
}

impl Window {
    pub(super) fn new(guest: UnixStream) -> Self {
        Window { guest, told: None }
    }

    /// Looks now; the guest's init sets the size of its terminal (`init.sh`).
    pub(super) fn look(&mut self) {
        let size = size();
        if self.told != Some(size) {
            self.told = Some(size);
            // A guest that does not listen any more draws nothing either.
            let _ = writeln!(self.guest, "{} {}", size.rows, size.columns);
        }
    }
}

/// A terminal in raw mode until this is dropped.
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    /// Nothing if standard input is not a terminal.
    pub(super) fn enter() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Some(Raw { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nobody left to tell if this fails.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// Hands standard input to the guest, on a thread that cannot be ended (it waits
/// in a read) and ends with the process. `quit` is called for the key that ends
/// the guest.
pub(super) fn forward_input(mut guest: UnixStream, quit: impl Fn() + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let typed = match io::stdin().lock().read(&mut buffer) {
                Ok(0) => {
                    let _ = guest.write_all(&[END_OF_INPUT]);
                    return;
                }
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            if typed.contains(&QUIT) {
                quit();
                return;
            }
            if guest.write_all(typed).is_err() {
                return;
            }
        }
    });
}
