//! What is not run, and what is said instead.

use super::*;

#[test]
fn a_mistyped_subcommand_names_the_nearest_and_that_a_script_was_looked_for() {
    assert_snapshot!(run(&["temlates"]).refused(), @r"
    krsi-sh: `temlates` is not a subcommand, and there is no script of that name in ~; did you mean `krsi-sh templates`?
    subcommands: run, check, record, replay, learn, explain, why, scripts, templates, doctor, panic, pins, lab, redteam; a script is named by its path
    ");
}

#[test]
fn a_missing_script_says_where_it_was_looked_for() {
    assert_snapshot!(run(&["hunts/lab.rhai"]).refused(), @r"
    krsi-sh: there is no script `hunts/lab.rhai`
    fix: name an existing file; relative paths start at ~
    ");
}

#[test]
fn a_suffix_means_a_script_and_no_subcommand() {
    let stderr = run(&["lap.rhai"]).refused();
    assert!(!stderr.contains("subcommand"), "{stderr}");
}

#[test]
fn said_run_means_a_script_and_no_subcommand() {
    let stderr = run(&["run", "temlates"]).refused();
    assert!(!stderr.contains("subcommand"), "{stderr}");
}

#[test]
fn a_directory_is_no_script() {
    let directory = Directory::new();
    fs::create_dir(directory.path("hunts")).unwrap();
    assert_snapshot!(directory.run(&["hunts"]).refused(), @r"
    krsi-sh: script `hunts` is a directory
    fix: name a file in it
    ");
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let stderr = Directory::with("a.rhai", b"let a = 1;\nlet b = \"\xe9\";").run(&["a.rhai"]).refused();
    assert_snapshot!(stderr, @r"
    krsi-sh: script `a.rhai` is not UTF-8 text: line 2 has other bytes
    fix: name a file of Rhai code, and save it as UTF-8
    ");
}

#[test]
fn a_file_too_large_for_a_script_is_refused() {
    let directory = Directory::with("a.rhai", "");
    File::options().write(true).open(directory.path("a.rhai")).unwrap().set_len((4 << 20) + 1).unwrap();
    assert_snapshot!(directory.run(&["a.rhai"]).refused(), @"krsi-sh: script `a.rhai` is too large: more than 4 MiB");
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    let directory = Directory::with("a.rhai", "");
    symlink("a.rhai", directory.path("loop")).unwrap();
    fs::remove_file(directory.path("a.rhai")).unwrap();
    symlink("loop", directory.path("a.rhai")).unwrap();
    let stderr = directory.run(&["a.rhai"]).refused();
    assert!(stderr.starts_with("krsi-sh: cannot read script `a.rhai`: "), "{stderr}");
}

#[test]
fn an_argument_that_is_no_text_is_refused() {
    let mut command = started(PROGRAM);
    command.args(["-e", TELL_ARGS, "--", "good"]).arg(OsStr::from_bytes(b"b\xffd"));
    let ran = RunResult::of(&command.output().unwrap(), &Directory::new());
    assert_snapshot!(ran.refused(), @r"
    krsi-sh: argument 2 of the script is not UTF-8: `b�d`
    allowed: text
    ");
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let stderr = run(&["\u{1b}[2Jx/a.rhai"]).refused();
    assert!(!colored(&stderr), "{stderr:?}");
}

#[test]
fn a_cure_can_be_pasted_whatever_the_name() {
    if not_root() {
        return;
    }
    let directory = Directory::with("a b;c.rhai", TELL_ARGS);
    directory.mode("a b;c.rhai", 0o666);
    let stderr = directory.run(&["a b;c.rhai"]).refused();
    assert!(stderr.contains("chmod go-w 'a b;c.rhai';"), "{stderr}");
}

#[test]
fn code_and_a_subcommand_contradict_each_other() {
    let stderr = run(&["-e", "1", "templates"]).refused();
    assert!(stderr.contains("a subcommand cannot follow -e CODE"), "{stderr}");
}

#[test]
fn quiet_and_verbose_contradict_each_other_on_either_side_of_a_subcommand() {
    for words in [&["-q", "-v"][..], &["-q", "templates", "-v"]] {
        let stderr = run(words).refused();
        assert!(stderr.contains("--quiet and --verbose contradict each other"), "{stderr}");
    }
}

#[test]
fn a_second_code_is_refused() {
    let stderr = run(&["-e", "1", "-e", "2"]).refused();
    assert!(stderr.contains("cannot be used multiple times"), "{stderr}");
}

#[test]
fn what_is_no_deed_says_what_is_one() {
    let stderr = run(&["redteam", "--deed", "opne /etc/shadow", "guard.rhai"]).refused();
    assert!(stderr.contains("did you mean `open`?") && stderr.contains("socket FAMILY"), "{stderr}");
    let stderr = run(&["redteam"]).refused();
    assert!(stderr.contains("SCRIPT"), "{stderr}");
    let stderr = run(&["redteam", "--inside", "guard.rhai"]).refused();
    assert!(stderr.contains("in the lab's guest alone"), "{stderr}");
    let stderr = run(&["redteam", "--attacker"]).refused();
    assert!(stderr.contains("`krsi-sh redteam` starts this itself"), "{stderr}");
}
