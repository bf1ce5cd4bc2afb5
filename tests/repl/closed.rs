//! Whoever reads the output has the right to stop: the shell ends, and says nothing.

use std::{
    io::{BufRead, BufReader, Read},
    os::fd::AsRawFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::terminal::*;

#[test]
fn a_prompt_whose_output_nobody_reads_any_more_ends_quietly() {
    let home = home();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let output = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
    let mut terminal = Setup { arguments: &["-q"], output: Some(&output), ..Setup::new(&home) }.prompted();
    drop((reader, writer));
    terminal.keys("6 * 7\r");
    assert_eq!(terminal.ended().code(), Some(0));
    assert_eq!(terminal.last_rows(), ["krsi> 6 * 7"]);
}

#[test]
fn a_prompt_whose_timer_nobody_reads_any_more_ends_quietly() {
    let home = home();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let output = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
    let mut terminal = Setup { arguments: &["-q"], output: Some(&output), ..Setup::new(&home) }.prompted();
    let before = terminal.found.clone();
    terminal.keys("let t = every(\"10ms\", || print(1));\rhalf a li");
    let mut lines = BufReader::new(reader);
    lines.read_line(&mut String::new()).expect("a line");
    terminal.last_row("krsi> half a li");
    drop((lines, writer));
    assert_eq!(terminal.ended().code(), Some(0));
    assert_eq!(terminal.settings(), before, "the terminal is as it was found");
}

/// A script that runs; its first line has been read.
fn running(code: &str) -> Result<(Child, BufReader<impl Read>), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_krsi-sh"));
    command
        .args(["-q", "--format=text", "-e", code])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the shell starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    if line == "begun\n" {
        return Ok((child, lines));
    }
    let output = child.wait_with_output().expect("its end");
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn quiet(child: Child) {
    let output = child.wait_with_output().expect("its end");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
}

#[test]
fn a_script_whose_reader_leaves_ends_quietly() {
    let (child, lines) = running("print(\"begun\"); every(\"5ms\", || print(1));").expect("a script");
    drop(lines);
    quiet(child);
}

#[test]
fn a_probe_whose_reader_leaves_ends_quietly() {
    let code = "probe(\"exec\").attach(); print(\"begun\");";
    let (mut child, lines) = match running(code) {
        Ok(running) => running,
        Err(reason) => {
            assert!(std::env::var_os("KRSI_REQUIRE_HOST").is_none(), "{reason}");
            println!(
                "skipped: `exec` cannot be attached here: {}",
                reason.lines().next().unwrap_or_default()
            );
            return;
        }
    };
    drop(lines);
    // It learns of the closed pipe with the next event.
    let begin = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        assert!(begin.elapsed() < PATIENCE, "it does not end");
        Command::new("true").status().expect("an event");
    }
    quiet(child);
}
