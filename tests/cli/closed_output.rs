//! Whoever reads has the right to stop.

use super::*;

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

#[test]
fn a_full_disk_is_no_success() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = started(PROGRAM).arg("templates").stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr.starts_with("krsi-sh: cannot write to standard output: "), "{stderr}");
}
