//! The command line, as its users meet it: the built program is run, and what it writes and how
//! it ends is compared. No test here needs a kernel that enforces; the lab has those.
//!
//! `KRSI_BLESS=1` writes the generated files anew.

mod bounds;
mod checks;
mod closed_output;
mod committed;
mod exit_codes;
mod flags;
mod foreign;
mod generated;
mod help;
mod imports;
mod jail;
mod lab;
mod learning;
mod library;
mod limits;
mod output;
mod recording;
mod refusals;
mod scripts;
mod templates;
mod trust;
mod why;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use assert_cmd::Command;
use insta::assert_snapshot;
use nix::{pty::openpty, unistd::geteuid};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_krsi-sh");
const RENEW: &str = "KRSI_BLESS=1 cargo test --release --test cli";
/// Says what a script got.
const TELL_ARGS: &str = "print(args)";
/// Says which mode a probe has come to, without a kernel.
const TELL_MODE: &str = r#"print(probe("exec").scope(#{ uid: 1 }).deny("EPERM").mode)"#;

/// The program, or a script that names it: what it writes is read here as people read it. What it
/// does by itself where no terminal shows it has tests of its own (`output`).
fn started(program: impl AsRef<OsStr>) -> process::Command {
    let mut command = process::Command::new(program);
    command.env("KRSI_SH_FORMAT", "text");
    command
}

/// A directory with the scripts of one test; commands start in it.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        // Whatever the umask is, which a test beside this one may have changed.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        Directory(tempfile::Builder::new().prefix("krsi-sh-cli").permissions(mode).tempdir().unwrap())
    }

    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let directory = Directory::new();
        directory.write(name, content);
        directory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Readable and writable as a careful person leaves it, whatever the umask.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
        self.mode(name, 0o644);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, words: &[&str]) -> RunResult {
        self.run_with(words, &[], "")
    }

    fn run_with(&self, words: &[&str], environment: &[(&str, &str)], input: &str) -> RunResult {
        let mut command = Command::from_std(started(PROGRAM));
        command.args(words).current_dir(self.0.path()).env_remove("NO_COLOR").env("TERM", "xterm");
        let output = command.envs(environment.iter().copied()).write_stdin(input).output().unwrap();
        RunResult::of(&output, self)
    }
}

/// How a command ended. The test's directory is called `~` in what it wrote.
#[derive(Debug)]
struct RunResult {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl RunResult {
    fn of(output: &process::Output, directory: &Directory) -> Self {
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).replace(&directory.0.path().display().to_string(), "~")
        };
        RunResult { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    fn says(&self, stdout: &str) {
        assert_eq!((self.code, self.stdout.trim_end()), (Some(0), stdout), "{}", self.stderr);
    }

    #[track_caller]
    fn refused(self) -> String {
        assert_eq!((self.code, &*self.stdout), (Some(2), ""), "{}", self.stderr);
        self.stderr
    }
}

fn run(words: &[&str]) -> RunResult {
    Directory::new().run(words)
}

/// What is written to a terminal.
fn on_terminal(words: &[&str], environment: &[(&str, &str)]) -> String {
    let terminal = openpty(None, None).unwrap();
    let mut command = process::Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null()).stdout(terminal.slave).stderr(Stdio::null());
    command
        .env_remove("KRSI_SH_FORMAT")
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(environment.iter().copied());
    let mut child = command.spawn().unwrap();
    // Or this process would hold the terminal open too.
    drop(command);
    let mut written = Vec::new();
    // When the last writer is gone, a pseudo-terminal's other end reads EIO.
    let _ = File::from(terminal.master).read_to_end(&mut written);
    child.wait().unwrap();
    String::from_utf8(written).unwrap()
}

/// Root alone can give a file away, and only root's scripts are checked for who wrote them.
fn not_root() -> bool {
    let skipped = !geteuid().is_root();
    if skipped {
        assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "needs root");
        println!("skipped: needs root");
    }
    skipped
}

const NOBODY: u32 = 65534;

/// Runs a copy of the program, since the build's own may be where another user cannot reach it; as that user, unless
/// this is none that may choose.
fn as_nobody(directory: &Directory, words: &[&str]) -> process::Output {
    fs::set_permissions(directory.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(PROGRAM, directory.path("krsi-sh")).unwrap();
    directory.mode("krsi-sh", 0o755);
    let mut command = started(directory.path("krsi-sh"));
    command.args(words).stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    loop {
        match command.output() {
            // A child that another test has just forked still has the copy open to writing, until it executes.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            output => return output.expect("the program runs"),
        }
    }
}

fn colored(text: &str) -> bool {
    text.contains('\u{1b}')
}
