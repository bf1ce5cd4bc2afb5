//! Flags that every command has.

use super::*;

#[test]
fn json_is_one_value_a_line_and_nothing_else_on_standard_output() {
    let ran = run(&["--format", "json", "-e", r#"print("a\nb"); emit(#{ n: 1 }); alert("high", "c")"#]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let types: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types, ["print", "emit", "alert"]);
}

#[test]
fn an_error_stays_off_standard_output_in_json_too() {
    let ran = run(&["--format", "json", "-e", "throw \"enough\""]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    assert!(ran.stderr.contains("enough"), "{}", ran.stderr);
}

#[test]
fn global_flags_stand_before_or_behind_a_subcommand() {
    let before = run(&["--format", "json", "templates", "exec"]);
    let behind = run(&["templates", "exec", "--format", "json"]);
    assert_eq!(before.code, Some(0));
    assert_eq!(before.stdout, behind.stdout);
}

#[test]
fn audit_turns_a_denial_into_shadow() {
    run(&["-e", TELL_MODE]).says("deny(EPERM)");
    let audited = run(&["--audit", "-e", TELL_MODE]);
    audited.says("shadow");
    assert!(audited.stderr.contains("--audit"), "{}", audited.stderr);
}

#[test]
fn quiet_keeps_notes_to_itself() {
    let ran = run(&["--audit", "-q", "-e", TELL_MODE]);
    ran.says("shadow");
    assert_eq!(ran.stderr, "");
}

#[test]
fn verbose_may_be_said_twice() {
    run(&["-vv", "-e", "print(1)"]).says("1");
    run(&["--verbose", "run", "-e", "print(1)"]).says("1");
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    let ran = run(&["--color=never", "--color=always", "templates"]);
    assert!(colored(&ran.stdout));
}

#[test]
fn a_terminal_gets_colour_and_a_pipe_does_not() {
    assert!(colored(&on_terminal(&["templates"], &[])));
    assert!(!colored(&run(&["templates"]).stdout));
}

#[test]
fn no_color_takes_colour_from_a_terminal() {
    assert!(!colored(&on_terminal(&["templates"], &[("NO_COLOR", "1")])));
}

#[test]
fn an_empty_no_color_does_not_count() {
    assert!(colored(&on_terminal(&["templates"], &[("NO_COLOR", "")])));
}

#[test]
fn a_dumb_terminal_gets_no_colour() {
    assert!(!colored(&on_terminal(&["templates"], &[("TERM", "dumb")])));
}

#[test]
fn a_flag_has_the_last_word_on_colour() {
    assert!(!colored(&on_terminal(&["--color=never", "templates"], &[])));
    let ran = Directory::new().run_with(&["--color=always", "templates"], &[("NO_COLOR", "1")], "");
    assert!(colored(&ran.stdout));
}

#[test]
fn help_follows_the_colour_flag_too() {
    assert!(colored(&run(&["--color=always", "--help"]).stdout));
    assert!(!colored(&on_terminal(&["--color", "never", "--help"], &[])));
    assert!(!colored(&on_terminal(&["--help"], &[("NO_COLOR", "1")])));
}

#[test]
fn a_script_is_told_about_colour() {
    let code = r#"alert("high", "text")"#;
    assert!(colored(&run(&["--color=always", "-e", code]).stdout));
    assert!(!colored(&run(&["-e", code]).stdout));
}

#[test]
fn audit_sends_no_signal_and_reports_it() {
    let mut child = process::Command::new("sleep").arg("60").spawn().unwrap();
    let code = format!("print(kill({}, \"SIGTERM\"))", child.id());
    let ran = run(&["--audit", "--format=json", "-e", &code]);
    let lives = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert!(lives && ran.code == Some(0), "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["type"], &lines[0]["signal"]), (&"would-signal".into(), &"SIGTERM".into()));
    assert_eq!((&lines[0]["pid"], &lines[1]["text"]), (&child.id().into(), &"true".into()));
}

#[test]
fn two_words_in_one_as_an_interpreter_line_gives_them_are_told_apart() {
    let directory = Directory::with("hunt", format!("#!{PROGRAM} --format text\n{TELL_ARGS}"));
    directory.mode("hunt", 0o755);
    let stderr = RunResult::of(&started(directory.path("hunt")).output().unwrap(), &directory).refused();
    assert!(stderr.contains("`--format=text`") && stderr.contains("without a blank"), "{stderr}");
}
