//! What is run, and what a script gets of the command line.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::*;

#[test]
fn a_file_is_run() {
    Directory::with("a.rhai", "print(6 * 7)").run(&["a.rhai"]).says("42");
}

#[test]
fn what_follows_a_file_is_the_scripts() {
    Directory::with("a.rhai", TELL_ARGS)
        .run(&["a.rhai", "one", "-q", "--format=json", "--help", "lab"])
        .says(r#"["one", "-q", "--format=json", "--help", "lab"]"#);
}

#[test]
fn two_dashes_may_set_a_scripts_arguments_apart() {
    Directory::with("a.rhai", TELL_ARGS)
        .run(&["a.rhai", "--", "one", "--audit"])
        .says(r#"["one", "--audit"]"#);
}

#[test]
fn only_the_first_two_dashes_set_apart() {
    Directory::with("a.rhai", TELL_ARGS).run(&["a.rhai", "one", "--", "two"]).says(r#"["one", "--", "two"]"#);
}

#[test]
fn an_audit_flag_behind_the_script_is_refused_because_it_would_audit_nothing() {
    let stderr = Directory::with("a.rhai", TELL_ARGS).run(&["a.rhai", "--audit"]).refused();
    assert_snapshot!(stderr, @r"
    krsi-sh: `--audit` after the script would be the script's own argument, and audit nothing
    fix: krsi-sh --audit FILE …; or, if the script is to have it: krsi-sh FILE -- --audit …
    ");
}

#[test]
fn code_is_run_with_its_arguments() {
    run(&["-e", TELL_ARGS]).says("[]");
    run(&["-e", TELL_ARGS, "--", "-q", "lab"]).says(r#"["-q", "lab"]"#);
    run(&["-e", TELL_ARGS, "one", "-q"]).says(r#"["one", "-q"]"#);
}

#[test]
fn code_may_begin_with_a_hyphen() {
    run(&["-e", "-1; print(2)"]).says("2");
}

#[test]
fn a_dash_is_standard_input() {
    Directory::new().run_with(&["-", "one", "-v"], &[], TELL_ARGS).says(r#"["one", "-v"]"#);
}

#[test]
fn without_anything_to_run_a_pipe_is_run() {
    Directory::new().run_with(&[], &[], "print(1)").says("1");
    Directory::new().run_with(&["--color=never"], &[], "print(1)").says("1");
}

#[test]
fn run_may_be_said() {
    let directory = Directory::with("a.rhai", TELL_ARGS);
    directory.run(&["run", "a.rhai", "one", "-q"]).says(r#"["one", "-q"]"#);
    directory.run(&["run", "-e", TELL_ARGS, "--", "one"]).says(r#"["one"]"#);
    directory.run_with(&["run", "-", "one"], &[], TELL_ARGS).says(r#"["one"]"#);
}

#[test]
fn run_without_a_script_says_what_it_takes() {
    assert_snapshot!(run(&["run"]).refused(), @r"
    krsi-sh: run: nothing to run
    allowed: run FILE, run -e CODE, or run - for standard input
    ");
}

#[test]
fn a_script_named_like_a_subcommand_is_written_with_a_slash() {
    let directory = Directory::with("lab", "print(\"mine\")");
    directory.run(&["./lab"]).says("mine");
    directory.run(&["run", "lab"]).says("mine");
    directory.run(&["--", "lab"]).says("mine");
}

#[test]
fn an_executable_script_gets_its_arguments() {
    let directory = Directory::with("hunt", format!("#!{PROGRAM}\n{TELL_ARGS}"));
    directory.mode("hunt", 0o755);
    let output = started(directory.path("hunt")).args(["one", "-v"]).output().unwrap();
    RunResult::of(&output, &directory).says(r#"["one", "-v"]"#);
    let output = started(directory.path("hunt")).args(["--", "--audit"]).output().unwrap();
    RunResult::of(&output, &directory).says(r#"["--audit"]"#);
}

#[test]
fn an_interpreter_line_may_have_flags() {
    let directory = Directory::with("hunt", format!("#!{PROGRAM} --audit\n{TELL_MODE}"));
    directory.mode("hunt", 0o755);
    let output = started(directory.path("hunt")).output().unwrap();
    RunResult::of(&output, &directory).says("shadow");
}

#[test]
fn an_interpreter_line_does_not_move_what_an_error_points_at() {
    let ran = Directory::with("a.rhai", "#!/usr/bin/env krsi-sh\nnothing_such()").run(&["a.rhai"]);
    assert!(ran.stderr.contains("a.rhai:2:1"), "{}", ran.stderr);
}

#[test]
fn a_script_finds_the_environment_the_machines_name_and_lines_of_files() {
    let directory = Directory::with("lines", "one\ntwo\n\nfour");
    let script = r#"
        print(env("KRSI_WORD"));
        print(type_of(env("KRSI_NO_SUCH_WORD")));
        print(read_lines("lines"));
        print(read_lines("/dev/null/x"));
    "#;
    let script = script.replace("/dev/null/x", &directory.path("empty").display().to_string());
    std::fs::write(directory.path("empty"), "").unwrap();
    directory
        .run_with(&["-e", &script], &[("KRSI_WORD", "a\u{e9}")], "")
        .says("a\u{e9}\n()\n[\"one\", \"two\", \"\", \"four\"]\n[]");
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let both = "print(hostname()); print(read_lines(\"/proc/sys/kernel/hostname\") == [hostname()])";
    run(&["-e", both]).says(&format!("{}\ntrue", name.trim_end()));
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let directory = Directory::new();
    nix::unistd::mkfifo(&directory.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, why) in [
        ("fifo", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        ("/", "is a directory"),
        ("none", "there is no such file"),
    ] {
        let ran = directory.run(&["-e", &format!("read_lines({path:?})")]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{path}: {}", ran.stderr);
    }
}

#[test]
fn a_prompt_behind_a_script_needs_a_terminal() {
    for words in [&["-i", "-e", "1"][..], &["run", "-i", "-e", "1"]] {
        let stderr = run(words).refused();
        assert!(stderr.contains("standard input is not a terminal"), "{stderr}");
    }
}

#[test]
fn what_a_script_remembers_is_there_the_next_time() {
    let directory = Directory::with(
        "a.rhai",
        "let known = state(\"hunt\"); print(known.first_seen(\"5d\", [1, \"a\"])); print(first_seen(\"5d\", [1, \"a\"])); print(known.len())",
    );
    fs::create_dir(directory.path("kept")).unwrap();
    directory.mode("kept", 0o700);
    let kept = directory.path("kept").display().to_string();
    let run = |words: &[&str]| directory.run_with(words, &[("STATE_DIRECTORY", &kept)], "");
    // What is only explained makes no file.
    run(&["explain", "a.rhai"]);
    assert!(!directory.path("kept/state").exists());
    run(&["--audit", "a.rhai"]).says("true\ntrue\n1");
    run(&["a.rhai"]).says("false\ntrue\n1");
    directory.mode("kept/state/hunt.json", 0o666);
    let refused = run(&["a.rhai"]);
    assert_eq!(refused.code, Some(3));
    assert!(
        refused.stderr.contains("~/kept/state/hunt.json")
            && refused.stderr.contains("others may write to it")
    );
}

#[test]
fn a_checksum_that_takes_long_is_ended_by_a_signal() {
    let directory = Directory::with("a.rhai", "print(\"begun\"); sha256(args[0]);");
    let large = File::create(directory.path("large")).unwrap();
    large.set_len(1 << 30).unwrap();
    let mut child = started(PROGRAM)
        .args(["a.rhai", &directory.path("large").display().to_string()])
        .current_dir(directory.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut begun = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    let start = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(2));
}
