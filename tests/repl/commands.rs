//! The shell's own commands, as somebody types them.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::terminal::*;

#[test]
fn the_last_value_is_it() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("40 + 1", "41");
    terminal.enter("it + 1", "42");
    terminal.enter("let quiet = 7;", "krsi> let quiet = 7;");
    terminal.enter("it * 2", "84");
}

#[test]
fn a_saved_script_runs_though_a_line_used_the_last_value() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("let a = 40; a + 1", "41");
    terminal.enter("let x = it + 1;", "krsi> let x = it + 1;");
    terminal.enter("print(x)", "42");
    terminal.enter_with(":save again.rhai", "in again.rhai");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_krsi-sh"));
    let output =
        command.arg("--format=text").arg(home.path().join("again.rhai")).output().expect("the shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(0), "42\n"));
}

#[test]
fn what_the_init_file_has_made_is_a_part_of_what_is_saved() {
    let home = home();
    let folder = home.path().join("config/krsi-sh");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("init.rhai"), "fn twice(x) { x * 2 }\n// A value.\n21\n").expect("a script");
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("print(twice(it))", "42");
    terminal.enter_with(":save again.rhai", "in again.rhai");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_krsi-sh"));
    let output =
        command.arg("--format=text").arg(home.path().join("again.rhai")).output().expect("the shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(0), "42\n"));
}

#[test]
fn the_format_changes_between_two_lines() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter(":format", "format is text");
    terminal.keys(":format json\r");
    terminal.enter("#{ a: [1, \"b\"] }", "{\"type\":\"value\",\"value\":{\"a\":[1,\"b\"]}}");
    terminal.keys(":format text\r");
    terminal.enter("6 * 7", "42");
    terminal.enter_with(":format xml", "takes `text` or `json`");
}

#[test]
fn the_settings_are_listed_and_a_mistyped_one_has_a_neighbour() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter(":set", "pager is on");
    for row in ["color is on", "events are on", "format is text"] {
        terminal.row(row);
    }
    terminal.enter_with(":set colour off", "did you mean `color`?");
    terminal.keys(":set color off\r");
    terminal.enter(":set color", "color is off");
    let before = terminal.bytes().len();
    terminal.enter_with("let = 5", "×");
    assert!(!String::from_utf8_lossy(&terminal.bytes()[before..]).contains("\x1b[3"), "no colour any more");
}

#[test]
fn events_of_nobody_cannot_be_asked_for() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter_with(":events web", "takes `on`, `off` or a probe, not `web`");
    terminal.enter_with(":stats web", "there is no probe `web`");
    terminal.enter(":stats", "no probe has been attached");
    terminal.enter(":explain", "no probe is attached");
    terminal.enter(":panic", "no probe is attached");
}

/// An editor that appends to what it is given.
fn editor(home: &tempfile::TempDir) -> String {
    let path = home.path().join("editor");
    fs::write(&path, "#!/bin/sh\nprintf ' + 2' >>\"$1\"\n").expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
    path.display().to_string()
}

#[test]
fn what_leaves_the_editor_is_evaluated() {
    let home = home();
    let path = editor(&home);
    let environment = [("EDITOR", "false"), ("VISUAL", path.as_str())];
    let mut terminal = Setup { environment: &environment, ..Setup::new(&home) }.prompted();
    terminal.enter("40", "40");
    terminal.enter(":edit", "42");
}

#[test]
fn an_editor_that_fails_runs_nothing() {
    let home = home();
    let mut terminal = Setup { environment: &[("EDITOR", "false")], ..Setup::new(&home) }.prompted();
    terminal.enter("40", "40");
    terminal.enter_with(":edit", "nothing is run");
    let mut terminal = Setup { environment: &[("EDITOR", "no-such-editor")], ..Setup::new(&home) }.prompted();
    terminal.enter_with(":edit", "set VISUAL or EDITOR");
}

#[test]
fn what_is_longer_than_the_screen_is_paged() {
    let home = home();
    let environment = [("PAGER", "sed 's/^/paged: /'")];
    let mut terminal = Setup { rows: 30, environment: &environment, ..Setup::new(&home) }.prompted();
    terminal.enter("6 * 7", "42");
    terminal.enter_with("help", "paged: ");
    terminal.keys(":pager off\r");
    terminal.wait("a prompt below", |rows| rows.ends_with(&["krsi> :pager off".into(), "krsi>".into()]));
    // As many rows as the screen has, so that nothing of before is left.
    terminal.keys("help\r");
    terminal.wait("help, to its end", |rows| {
        rows.last().is_some_and(|last| last == "krsi>")
            && rows.iter().any(|row| row.contains("lists the shell's own commands"))
            && !rows.iter().any(|row| row.contains(":pager off"))
    });
    assert!(!terminal.rows().iter().any(|row| row.starts_with("paged")), "{:?}", terminal.rows());
}

#[test]
fn without_a_pager_the_text_is_there_all_the_same() {
    let home = home();
    let environment = [("PAGER", "no-such-pager")];
    let mut terminal = Setup { rows: 30, environment: &environment, ..Setup::new(&home) }.prompted();
    terminal.enter_with("help", "looks for words in all of this");
}

#[test]
fn timers_go_on_while_the_pager_is_open_and_the_screen_is_its_own() {
    let home = home();
    // It ends when the timer has written the file: so it sees that timers are not held up.
    let environment = [("PAGER", "cat >/dev/null; until test -e ticked; do sleep 0.05; done; echo closed")];
    let mut terminal = Setup { rows: 30, environment: &environment, ..Setup::new(&home) }.prompted();
    terminal.keys("let t = after(\"300ms\", || { run([\"touch\", \"ticked\"]); print(\"tick\") });\r");
    terminal.enter("help", "tick");
    let rows = terminal.rows();
    let place = |text: &str| rows.iter().position(|row| row == text);
    assert!(place("closed") < place("tick"), "{rows:?}");
}
