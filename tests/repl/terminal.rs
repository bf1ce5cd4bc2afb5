//! A shell on a pseudo-terminal: keys in, and what a terminal shows out.

use std::{
    fmt::Write as _,
    fs::File,
    io::{Read, Write},
    num::NonZeroU16,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use krsi_sh::lab::kernels;
use nix::{
    libc,
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::{Pid, setsid},
};
use tempfile::TempDir;

/// For a busy machine; nothing takes a hundredth of it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// As many as the longest page of help has, and then some.
pub const ROWS: u16 = 600;

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
const CTRL_L: &str = "\x0c";
pub const CTRL_R: &str = "\x12";
pub const UP: &str = "\x1b[A";
pub const DOWN: &str = "\x1b[B";
pub const TAB: &str = "\t";
pub const ENTER: &str = "\r";

/// What came from the shell so far.
pub struct Output {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

pub struct Terminal {
    child: Child,
    pub keyboard: File,
    /// The shell's end, to look at how it is set.
    line: OwnedFd,
    /// How it was set before the shell had it.
    pub found: Termios,
    rows: u16,
    output: Arc<(Mutex<Output>, Condvar)>,
}

pub struct Setup<'s> {
    pub program: &'s Path,
    pub arguments: &'s [&'s str],
    /// Where standard output goes, if not to the terminal.
    pub output: Option<&'s Path>,
    pub term: &'s str,
    pub columns: u16,
    pub rows: u16,
    pub environment: &'s [(&'s str, &'s str)],
    pub no_color: bool,
    pub home: &'s Path,
}

impl<'s> Setup<'s> {
    pub fn new(home: &'s TempDir) -> Self {
        Setup {
            program: Path::new(env!("CARGO_BIN_EXE_krsi-sh")),
            arguments: &[],
            output: None,
            term: "xterm-256color",
            columns: 80,
            rows: ROWS,
            environment: &[],
            no_color: false,
            home: home.path(),
        }
    }

    pub fn start(&self) -> Terminal {
        let size = Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        let found = tcgetattr(pty.slave.as_fd()).expect("settings");
        let end = || pty.slave.try_clone().expect("a descriptor");
        let mut command = Command::new(self.program);
        command
            .args(self.arguments)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .env("TERM", self.term)
            .env("HOME", self.home)
            .env("XDG_STATE_HOME", self.home.join("state"))
            .env("XDG_CACHE_HOME", kernels::cache().ancestors().nth(2).expect("a directory"))
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env_remove("KRSI_SH_FORMAT")
            .env_remove("NO_COLOR")
            .env_remove("PAGER")
            .env_remove("VISUAL")
            .env_remove("EDITOR")
            .envs(self.environment.iter().copied())
            .current_dir(self.home);
        if let Some(path) = self.output {
            command.stdout(File::create(path).expect("a file"));
        }
        if self.no_color {
            command.env("NO_COLOR", "1");
        }
        // SAFETY: only async-signal-safe calls between fork and exec: a session of its
        // own, whose controlling terminal is standard input.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().expect("the shell starts");
        let keyboard = File::from(pty.master);
        let mut reading = keyboard.try_clone().expect("a descriptor");
        let screen = vt100::Parser::new(
            NonZeroU16::new(self.rows).expect("rows"),
            NonZeroU16::new(self.columns).expect("columns"),
            0,
        );
        let output = Arc::new((Mutex::new(Output { screen, bytes: Vec::new() }), Condvar::new()));
        let shared = Arc::clone(&output);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reading.read(&mut buffer) {
                let mut output = shared.0.lock().expect("output");
                output.screen.process(&buffer[..count]);
                output.bytes.extend_from_slice(&buffer[..count]);
                shared.1.notify_all();
            }
        });
        Terminal { child, keyboard, line: pty.slave, found, rows: self.rows, output }
    }

    /// With a prompt on the screen.
    pub fn prompted(&self) -> Terminal {
        let terminal = self.start();
        terminal.wait("the first prompt", |rows| rows.last().is_some_and(|row| row == "krsi>"));
        terminal
    }
}

impl Terminal {
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("typing");
    }

    /// The window becomes this wide; what is on it stays where it is, as on a terminal that does not reflow.
    pub fn resize(&mut self, columns: u16) {
        let rows = self.rows;
        {
            let mut output = self.output.0.lock().expect("output");
            let size = [rows, columns].map(|n| NonZeroU16::new(n).expect("a size"));
            output.screen.screen_mut().set_size(size[0], size[1]);
        }
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the size is read from a whole `Winsize` that outlives the call.
        let set = unsafe { libc::ioctl(self.keyboard.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }

    /// Types a line, and waits until this row is on the screen, and a prompt below it: what
    /// is typed before is the terminal's, which has keys of its own.
    pub fn enter(&mut self, line: &str, row: &str) {
        self.enter_for(line, |shown| shown == row);
    }

    pub fn enter_for(&mut self, line: &str, wanted: impl Fn(&str) -> bool) {
        let before = self.rows().len();
        self.keys(&format!("{line}{ENTER}"));
        self.wait(&format!("what comes of `{line}`"), |rows| {
            let prompt = rows.last().is_some_and(|last| last.ends_with('>'));
            let new = rows.get(before.saturating_sub(1)..).unwrap_or_default();
            prompt && new.iter().any(|row| wanted(row))
        });
    }

    /// As `enter`, for a part of the row.
    pub fn enter_with(&mut self, line: &str, part: &str) {
        self.enter_for(line, |row| row.contains(part));
    }

    /// Rows that are not empty, without white space at their end.
    pub fn rows(&self) -> Vec<String> {
        rows(&self.output.0.lock().expect("output"))
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.output.0.lock().expect("output").bytes.clone()
    }

    pub fn row(&self, row: &str) {
        self.wait(&format!("the row `{row}`"), |rows| rows.iter().any(|shown| shown == row));
    }

    pub fn row_with(&self, part: &str) {
        self.wait(&format!("a row with `{part}`"), |rows| rows.iter().any(|shown| shown.contains(part)));
    }

    /// What stands where the cursor is.
    pub fn last_row(&self, row: &str) {
        self.wait(&format!("`{row}` as the last row"), |rows| rows.last().is_some_and(|last| last == row));
    }

    /// Clears the screen, and comes back once nothing but the prompt is shown.
    pub fn clear(&mut self, prompt: &str) {
        self.keys(CTRL_L);
        self.wait("an empty screen", |rows| rows == [prompt]);
    }

    pub fn wait(&self, what: &str, seen: impl Fn(&[String]) -> bool) {
        let output = self.output.0.lock().expect("output");
        let (output, timeout) =
            self.output.1.wait_timeout_while(output, PATIENCE, |o| !seen(&rows(o))).expect("output");
        assert!(!timeout.timed_out(), "{what} was not seen on:\n{}", shown(&output));
    }

    /// As `wait`, for what is no text: which screen is shown, whether there is a cursor.
    pub fn wait_for(&self, what: &str, seen: impl Fn(&vt100::Screen) -> bool) {
        let came = self.comes_to(seen);
        assert!(came, "{what} was not seen on:\n{}", shown(&self.output.0.lock().expect("output")));
    }

    /// Whether the screen comes to be so.
    pub fn comes_to(&self, seen: impl Fn(&vt100::Screen) -> bool) -> bool {
        let output = self.output.0.lock().expect("output");
        let unseen = |output: &mut Output| !seen(output.screen.screen());
        !self.output.1.wait_timeout_while(output, PATIENCE, unseen).expect("output").1.timed_out()
    }

    pub fn look<T>(&self, look: impl Fn(&vt100::Screen) -> T) -> T {
        look(self.output.0.lock().expect("output").screen.screen())
    }

    /// Waits until nothing more comes, for want of a screen to wait for.
    pub fn settles(&self) {
        const QUIET: Duration = Duration::from_secs(1);
        let mut output = self.output.0.lock().expect("output");
        loop {
            let before = output.bytes.len();
            let same = |output: &mut Output| output.bytes.len() == before;
            let (after, timeout) = self.output.1.wait_timeout_while(output, QUIET, same).expect("output");
            if timeout.timed_out() {
                return;
            }
            output = after;
        }
    }

    /// The rows of a shell that has ended, with all that it wrote: a mark written behind it has arrived.
    pub fn last_rows(&self) -> Vec<String> {
        const MARK: &str = "(the end)";
        nix::unistd::write(&self.line, format!("\n{MARK}").as_bytes()).expect("a mark");
        self.last_row(MARK);
        let mut rows = self.rows();
        rows.pop();
        rows
    }

    pub fn settings(&self) -> Termios {
        tcgetattr(self.line.as_fd()).expect("settings")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("a signal");
    }

    pub fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the shell does not end:\n{}", self.rows().join("\n"));
            thread::yield_now();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn rows(output: &Output) -> Vec<String> {
    let screen = output.screen.screen();
    let (_, columns) = screen.size();
    let rows = screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned());
    rows.filter(|row| !row.is_empty()).collect()
}

pub fn shown(output: &Output) -> String {
    let mut text = output.screen.screen().contents();
    let tail = &output.bytes[output.bytes.len().saturating_sub(400)..];
    let _ = write!(text, "\n--- last bytes:\n{:?}", String::from_utf8_lossy(tail));
    text
}

/// Whether the lab can be had; says so if not.
pub fn lab() -> bool {
    if kernels::find(&kernels::cache(), Some(KERNEL)).is_ok() {
        return true;
    }
    assert!(
        std::env::var_os("KRSI_REQUIRE_LAB").is_none(),
        "kernel {KERNEL} is not cached; run: make kernels"
    );
    println!("skipped: kernel {KERNEL} is not cached; run: make kernels");
    false
}

/// The lab's kernel for what is claimed here.
pub const KERNEL: &str = "6.12";

pub fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}
