//! Claims about the interactive shell that need a kernel which enforces.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Outcome, holds,
    pace::{stretched, until},
    same,
    shell::{SHELL, Shell},
    task::{Deed, ME, REFUSED, open_file},
};

const FILE: &str = "/tmp/prompted";
const SCRIPTED: &str = "/tmp/scripted";
/// `HOLD` of the product, and some more.
const LAPSED: Duration = Duration::from_secs(22);

/// The shell with a terminal of its own.
struct Prompt {
    child: Child,
    keyboard: File,
    screen: std::sync::mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Prompt {
    fn start() -> Result<Self, String> {
        let size = Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).map_err(|e| e.to_string())?;
        let end = || pty.slave.try_clone().map(Stdio::from).map_err(|e| e.to_string());
        let mut command = Command::new(SHELL);
        command.env("TERM", "xterm").stdin(end()?).stdout(end()?).stderr(end()?);
        let take_terminal = || {
            nix::unistd::setsid()?;
            // SAFETY: an ioctl without an argument, on standard input, which is this terminal.
            if unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        };
        // SAFETY: two system calls between fork and exec.
        let child = unsafe { command.pre_exec(take_terminal) }.spawn().map_err(|e| e.to_string())?;
        drop(pty.slave);
        let keyboard = File::from(pty.master);
        let mut reader = keyboard.try_clone().map_err(|e| e.to_string())?;
        let (tell, screen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Prompt { child, keyboard, screen, seen: String::new() })
    }

    fn wait_for(&mut self, text: &str) -> Outcome {
        let until = Instant::now() + stretched(Duration::from_secs(60));
        while !self.seen.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            let more =
                self.screen.recv_timeout(left).map_err(|e| format!("{e}: no {text:?} in {:?}", self.seen))?;
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Outcome {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).map_err(|e| e.to_string())
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read() -> Result<Deed, String> {
    open_file(&ME, FILE, OFlag::O_RDONLY).map(|task| task.deed)
}

/// Enforcement without a lease of its own, typed at the prompt or of a script: it holds while the shell lives, lapses
/// while the shell is stopped, and is back once it goes on.
pub fn lapses_when_stopped() -> Outcome {
    fs::write(SCRIPTED, "content").map_err(|e| e.to_string())?;
    let scripted = || open_file(&ME, SCRIPTED, OFlag::O_RDONLY).map(|task| task.deed);
    let script = Shell::ready(&format!(
        "probe(\"file_open\", #{{path: \"{SCRIPTED}\"}}).scope(#{{pid: {}}}).name(\"script\").deny().attach(); print(\"ready\");",
        std::process::id()
    ))?;
    fs::write(FILE, "content").map_err(|e| e.to_string())?;
    let mut prompt = Prompt::start()?;
    prompt.wait_for("krsi")?;
    let line = format!(
        "probe(\"file_open\", #{{path: \"{FILE}\"}}).scope(#{{pid: {}}}).name(\"held\").deny().attach();\n",
        std::process::id()
    );
    prompt.keyboard.write_all(line.as_bytes()).map_err(|e| e.to_string())?;
    prompt.wait_for("attached held")?;
    same("while the shell lives", (read()?, scripted()?), (REFUSED, REFUSED))?;
    prompt.signal(Signal::SIGSTOP)?;
    script.signal(Signal::SIGSTOP)?;
    std::thread::sleep(LAPSED);
    same("after it was stopped for so long", (read()?, scripted()?), (Deed::Done, Deed::Done))?;
    prompt.signal(Signal::SIGCONT)?;
    script.signal(Signal::SIGCONT)?;
    until("it is back", Duration::from_secs(30), || Ok(read()? == REFUSED && scripted()? == REFUSED))?;
    prompt.wait_for("probe `held` did not enforce for ")?;
    let ended = script.stop()?;
    holds(ended.stderr.contains("probe `script` did not enforce for "), ended.stderr.clone())
}
