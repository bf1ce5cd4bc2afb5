//! Trouble with output: a reader that stops, or does not read at all, and a disk that is full.

use std::{
    io::Read,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::*;

/// How long a session that was told to end may take, on a machine that does other work besides.
const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn ends_quietly(words: &[&str]) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = started(PROGRAM);
    command.args(words).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{words:?}");
}

#[test]
fn a_list_ends_quietly() {
    ends_quietly(&["templates"]);
    ends_quietly(&["templates", "--format", "json"]);
}

#[test]
fn help_ends_quietly() {
    ends_quietly(&["--help"]);
}

#[test]
fn a_script_ends_quietly_and_at_once() {
    ends_quietly(&["-e", "loop { print(1) }"]);
    ends_quietly(&["--format=json", "-e", "loop { print(1) }"]);
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_full_disk_is_no_success() {
    let commands: [&[&str]; 6] = [
        &["templates"],
        &["templates", "--format", "json"],
        &["--help"],
        &["--version"],
        &["explain", "-e", "probe(\"exec\")"],
        &["-e", "print(1)"],
    ];
    for words in commands {
        let output = started(PROGRAM).args(words).stdout(full()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {stderr}");
        assert!(
            stderr.contains("cannot write to standard output: No space left on device"),
            "{words:?}: {stderr}"
        );
    }
}

#[test]
fn a_full_disk_is_said_once_and_counted_at_the_end_and_the_scripts_own_exit_code_stays() {
    let mut command = started(PROGRAM);
    let output =
        command.args(["-e", "for i in 0..1000 { print(i) } exit(5)"]).stdout(full()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(5), 2), "{stderr}");
    assert!(
        stderr.ends_with("1000 lines were lost: standard output could not be written to the end\n"),
        "{stderr}"
    );
}

#[test]
fn a_log_that_takes_nothing_ends_nothing() {
    let run = |code| started(PROGRAM).args(["-e", code]).stderr(full()).output().unwrap();
    assert_eq!(run("nothing_such()").status.code(), Some(1));
    let output = run("debug(1); print(2)");
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"2\n"[..]));
    // Neither stream can be written.
    let mut command = started(PROGRAM);
    let status = command.args(["-e", "print(1); debug(2)"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(3));
}

/// A script that writes into a pipe which nobody reads, and which is full by now.
#[allow(clippy::zombie_processes, reason = "`ended` waits for it")]
fn unread(words: &[&str]) -> (process::Child, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = started(PROGRAM);
    command.args(words).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    // One that has taken nothing for a moment is full.
    let mut before = 0;
    loop {
        let now = waiting(&reader);
        if now > 32_768 && now == before {
            return (child, reader);
        }
        assert!(begun.elapsed() < PATIENCE, "{now} bytes only");
        before = now;
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn waiting(pipe: impl AsFd) -> i32 {
    use std::os::fd::AsRawFd;
    let mut count = 0;
    // SAFETY: FIONREAD writes an int.
    unsafe { nix::libc::ioctl(pipe.as_fd().as_raw_fd(), nix::libc::FIONREAD, &raw mut count) };
    count
}

fn ended(mut child: process::Child) -> (Option<i32>, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_signal_ends_a_script_whose_output_nobody_reads() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (child, reader) = unread(&["-e", "let s = \"x\"; s.pad(200, 'x'); loop { print(s) }"]);
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let (code, stderr) = ended(child);
        assert_eq!(code, Some(128 + signal as i32), "{stderr}");
        assert!(stderr.contains(" lines were not written: nobody reads standard output"), "{stderr}");
        drop(reader);
    }
}

#[test]
fn timers_go_on_while_nobody_reads_and_what_is_dropped_is_counted() {
    let code = "let s = \"x\"; s.pad(20000, 'x'); every(\"1ms\", || for i in 0..50 { print(s) }); after(\"3s\", || exit(7))";
    let (child, reader) = unread(&["-e", code]);
    let (code, stderr) = ended(child);
    assert_eq!(code, Some(7), "{stderr}");
    assert!(stderr.contains("nobody has read standard output for 2 s: lines are dropped"), "{stderr}");
    drop(reader);
}

#[test]
fn nothing_is_lost_to_a_reader_that_is_slow() {
    let (child, mut reader) = unread(&["-e", "for i in 0..300000 { print(i) }"]);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let (code, stderr) = ended(child);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(text.lines().enumerate().all(|(at, line)| line == at.to_string()));
    assert_eq!(text.lines().count(), 300_000);
}

#[test]
fn both_streams_keep_their_order_in_one_file() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = started(PROGRAM);
    let errors = writer.try_clone().unwrap();
    let code = "for i in 0..1000 { print(i); debug(i) }";
    let mut child = command.args(["-e", code]).stdout(writer).stderr(errors).spawn().unwrap();
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let lines: Vec<_> = text.lines().collect();
    for (at, pair) in lines.chunks(2).enumerate() {
        assert!(pair[0] == at.to_string() && pair[1].starts_with("debug "), "{pair:?}");
    }
}

#[test]
fn a_signal_bounds_what_on_exit_does_and_a_second_one_ends_it() {
    for code in ["loop { let a = [1, 2, 3].map(|n| n + 1); }", "sleep(60)"] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let code =
            format!("on_exit(|| {{ print(\"late\"); {code} }}); every(\"1h\", || ()); print(\"begun\")");
        let mut command = started(PROGRAM);
        command.args(["-e", &code]).stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        reader.read_exact(&mut [0; 6]).unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let (code, stderr) = ended(child);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("what `on_exit` still had to do was cut off"), "{stderr}");
    }
}

#[test]
fn a_session_ends_when_its_time_is_up() {
    run(&["--for", "100ms", "-e", "loop {}"]).says("");
    run(&["--for=200ms", "-e", "every(\"1h\", || ()); print(1)"]).says("1");
    assert_eq!(run(&["--for", "soon", "-e", "1"]).code, Some(2));
}
