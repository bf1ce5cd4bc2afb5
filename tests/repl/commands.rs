//! The shell's own commands, as somebody types them.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{terminal::*, top::attaches};

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
    let directory = home.path().join("config/krsi-sh");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("init.rhai"), "fn twice(x) { x * 2 }\n// A value.\n21\n")
        .expect("a script");
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
    terminal.enter_with("#{ a: [1, \"b\"] }", "\"value\":{\"a\":[1,\"b\"]}}");
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
    terminal.enter_with(":events web", "takes `on`, `off` or a probe: there is no probe `web`");
    terminal.enter_with(":stats web", "there is no probe `web`");
    terminal.enter_with(":detach web", "there is no probe `web`");
    terminal.enter_with(":detach", "`:panic` detaches all of them");
    terminal.enter(":stats", "no probe has been attached");
    terminal.enter(":explain", "no probe is attached");
    terminal.enter(":panic", "no probe is attached");
}

#[test]
fn what_sequences_and_thresholds_have_found_is_among_the_stats() {
    let home = home();
    let mut terminal = Setup { columns: 120, ..Setup::new(&home) }.prompted();
    terminal.keys("let p = probe(\"exec\"); let s = sequence(\"15s\").by(|e| e.pid).step(p).step(p);\r");
    terminal.enter(
        "s.on_match(|events| print(events.len()));",
        "krsi> s.on_match(|events| print(events.len()));",
    );
    let row = "sequence 1: exec-1 (not attached), then exec-1 (not attached), within 15s";
    terminal.enter_with(":stats", row);
    terminal.enter_with("s", row);
    terminal.enter_with("s.stop(); s", &format!("{row}, stopped"));
    terminal.enter(":stats", "no probe has been attached");
}

#[test]
fn a_command_without_its_colon_runs_where_nothing_else_can_be_meant() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("stats", "no probe has been attached");
    terminal.enter("panic;", "no probe is attached");
    terminal.enter("6 * 7", "42");
    terminal.enter_with("history", "  6 * 7");
    terminal.enter_with("load nothing.rhai", "there is no script `nothing.rhai`");
    terminal.enter_with("templates exce", "did you mean `exec`?");
    terminal.keys("set color never\r");
    terminal.enter("set color", "color is off");
    // A variable of that name is what is meant.
    terminal.enter("let stats = 43;", "krsi> let stats = 43;");
    terminal.enter("stats", "43");
    terminal.enter("let q = 44;", "krsi> let q = 44;");
    terminal.enter("q", "44");
    terminal.keys("clear\r");
    terminal.wait("an empty screen", |rows| rows == ["krsi>"]);
    terminal.keys(&format!("exit{ENTER}"));
    assert_eq!(terminal.ended().code(), Some(0));
}

#[test]
fn a_semicolon_at_the_end_keeps_a_value_silent() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("40 + 1;\r");
    terminal
        .wait("a prompt and nothing else", |rows| rows.ends_with(&["krsi> 40 + 1;".into(), "krsi>".into()]));
    terminal.enter("it + 1", "42");
    terminal.keys("run([\"echo\", \"loud\"]); // why\r");
    terminal.wait("a prompt and nothing else", |rows| {
        rows.ends_with(&["krsi> run([\"echo\", \"loud\"]); // why".into(), "krsi>".into()])
    });
    terminal.enter("it.stdout", "\"loud\\n\"");
    terminal.enter("`a;`", "\"a;\"");
}

#[test]
fn an_attached_probe_is_described_once() {
    if !attaches() {
        return;
    }
    let home = home();
    let mut terminal = Setup { columns: 200, ..Setup::new(&home) }.prompted();
    let described =
        |terminal: &Terminal| terminal.rows().iter().filter(|row| row.contains("exec-1: exec [")).count();
    terminal.keys("let p = probe(\"exec\").scope(#{ pid: getpid() });\r");
    terminal.last_row("krsi>");
    terminal.enter_with("p.attach()", "attached exec-1: exec [");
    terminal.last_row("krsi[1]>");
    assert_eq!(described(&terminal), 1);
    // What has changed since then is worth a line.
    terminal.enter_for("p.detach().lease(\"5m\").attach().shadow()", |row| {
        row.starts_with("exec-1: exec [") && row.contains(", shadow, ")
    });
    terminal.enter_with("p.shadow();", "krsi[1]> p.shadow();");
    assert_eq!(described(&terminal), 3);
}

#[test]
fn commands_know_a_probe_by_variable_name_and_number_and_a_lost_one_can_be_had_again() {
    if !attaches() {
        return;
    }
    let home = home();
    let mut terminal = Setup { columns: 200, ..Setup::new(&home) }.prompted();
    terminal.keys("let p = probe(\"exec\").scope(#{ pid: getpid() }).events(false); let n = 7;\r");
    terminal.last_row("krsi>");
    terminal.enter_with(":stats p", "probe `exec-1` is not attached yet");
    terminal.enter_with(":explain p", "exec-1: exec [");
    terminal.keys("p.attach();\r");
    terminal.last_row("krsi[1]>");
    for probe in ["p", "exec-1", "1"] {
        terminal.enter_for(&format!(":stats {probe}"), |row| {
            row.trim_start().starts_with("exec-1 ") && !row.contains("detached")
        });
        terminal.clear("krsi[1]>");
    }
    terminal.enter(":events p", "the events of exec-1 are shown, and no other probe's");
    terminal.enter_with(":stats n", "the variable `n` is not a probe");
    terminal.enter_with(":stats exec-2", "did you mean `exec-1`?");
    terminal.keys("p = ();\r");
    terminal.last_row("krsi[1]>");
    terminal.enter("probe_named(\"exec-1\").id", "1");
    terminal.enter(":detach exec-1", "detached exec-1");
    terminal.last_row("krsi>");
    terminal.enter_with(":detach 1", "probe `exec-1` is detached already");
    terminal.enter_for("stats", |row| row.trim_start().starts_with("exec-1 ") && row.contains(", detached"));
    terminal.enter_with("probe_named(\"exec\")", "did you mean `exec-1`?");
}

#[test]
fn the_last_events_can_be_looked_at_again() {
    if !attaches() {
        return;
    }
    let home = home();
    let mut terminal = Setup { columns: 200, ..Setup::new(&home) }.prompted();
    terminal.enter("last()", "krsi> last()");
    terminal.enter("last(3)", "[]");
    terminal.keys("let p = probe(\"exec\").scope(#{ pid: getpid() }).on_event(|e| print(`saw ${e.filename}`)).attach();\r");
    terminal.last_row("krsi[1]>");
    for program in ["/bin/true", "/bin/false"] {
        terminal.keys(&format!("run([\"{program}\"]);\r"));
        terminal.row(&format!("saw {program}"));
    }
    terminal.enter("last().filename", "\"/bin/false\"");
    terminal.enter("last(2)[0].filename", "\"/bin/true\"");
    // A single one is shown whole, several as they were.
    terminal.enter("last()", "  \"filename\": \"/bin/false\",");
    terminal.enter_for("last(2)", |row| row.contains(" exec-1 ") && row.contains("/bin/true"));
    terminal.enter("last(100).len()", "2");
    terminal.enter("p.last().filename", "\"/bin/false\"");
    terminal.enter("p.last(1).len()", "1");
    terminal.enter_with("last(0)", "allowed: 1 to 256");
}

#[test]
fn what_is_asked_in_several_words_is_searched_for() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("help user id\r");
    terminal.row_with("loginuid");
    terminal.last_row("krsi>");
    terminal.enter_with(":templates exce", "there is no template `exce` (did you mean `exec`?)");
}

#[test]
fn colour_is_set_as_on_the_command_line() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    for (value, on) in [("never", "off"), ("always", "on"), ("off", "off"), ("auto", "on")] {
        terminal.keys(&format!(":set color {value}\r"));
        terminal.last_row("krsi>");
        terminal.enter(":set color", &format!("color is {on}"));
        terminal.clear("krsi>");
    }
    terminal.enter_with(":set color green", "`color` takes `auto`, `always` or `never`, not `green`");
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

#[test]
fn what_is_imported_at_the_prompt_stays_and_is_completed() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("import \"lib/net\" as net;", "krsi> import \"lib/net\" as net;");
    terminal.enter("net::is_private(\"10.1.2.3\")", "true");
    terminal.enter("let ask = |a| net::is_public(a);", "krsi> let ask = |a| net::is_public(a);");
    terminal.enter("ask.call(\"10.1.2.3\")", "false");
    terminal.enter_with("net::nothing()", "lib/net has no `nothing`");
    terminal.keys("net::is_pri\t");
    terminal.wait("what fits is shown", |rows| rows.iter().any(|row| row.contains("net::is_priv")));
}
