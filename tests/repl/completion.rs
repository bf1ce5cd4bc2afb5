//! What Tab offers, on the real program: it fits the place, and nothing is run for it.

use crate::terminal::*;

/// Types a beginning, and waits until Tab has made this of it; then begins anew.
fn completes(terminal: &mut Terminal, typed: &str, whole: &str) {
    terminal.keys(&format!("{typed}{TAB}"));
    terminal.last_row(&format!("krsi> {whole}"));
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
}

#[test]
fn methods_fit_the_type_of_a_variable_and_of_what_a_call_gives() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let words = [1, 2]; let text = \"a b\"; let p = probe(\"exec\");\r");
    terminal.last_row("krsi>");
    completes(&mut terminal, "words.pus", "words.push");
    completes(&mut terminal, "text.to_up", "text.to_upper");
    completes(&mut terminal, "text.split(\" \").dra", "text.split(\" \").drain");
    completes(&mut terminal, "p.shadow().att", "p.shadow().attach");
    // An array has no such method, so nothing is added.
    completes(&mut terminal, "words.to_upp", "words.to_upp");
    completes(&mut terminal, "[text].pus", "[text].push");
}

#[test]
fn names_of_errnos_signals_and_cgroups_stand_where_they_belong() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    completes(&mut terminal, "probe(\"exec\").deny(\"EACC", "probe(\"exec\").deny(\"EACCES");
    completes(&mut terminal, "kill(1, \"SIGKI", "kill(1, \"SIGKILL");
    completes(&mut terminal, "capable(getpid(), \"CAP_SYS_AD", "capable(getpid(), \"CAP_SYS_ADMIN");
    completes(&mut terminal, "p.when(|e| deny(\"ECONNREF", "p.when(|e| deny(\"ECONNREFUSED");
    completes(&mut terminal, "p.scope(#{ cgroup: \"/s", "p.scope(#{ cgroup: \"/sys/fs/cgroup/");
    completes(&mut terminal, "p.scope(#{ pid_ns: \"ho", "p.scope(#{ pid_ns: \"host");
    completes(&mut terminal, "?would-d", "?would-deny");
    terminal.enter_with("?SIGKILL", "signal SIGKILL (9)");
    terminal.enter_with("?CAP_BPF", "capability CAP_BPF (39)");
    terminal.enter_with("help(\"EPERM\")", "Operation not permitted");
}

#[test]
fn what_is_counted_is_completed_to_the_events_fields() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let p = probe(\"connect\");\r");
    terminal.last_row("krsi>");
    completes(&mut terminal, "p.count_by(\"addr", "p.count_by(\"address");
    completes(&mut terminal, "probe(\"exec\").hist(\"argc", "probe(\"exec\").hist(\"argc");
    completes(&mut terminal, "probe(\"exec\").top(5, [\"filen", "probe(\"exec\").top(5, [\"filename");
    completes(&mut terminal, "p.fields([\"pid\", \"ppi", "p.fields([\"pid\", \"ppid");
    completes(&mut terminal, ":set color ne", ":set color never");
    completes(&mut terminal, ":stats p", ":stats p");
}

#[test]
fn candidates_tell_what_they_are_and_no_code_runs() {
    let home = home();
    let mut terminal = Setup { columns: 120, ..Setup::new(&home) }.prompted();
    terminal.keys("fn boom() { print(\"it ran\"); [1] }\r");
    terminal.last_row("krsi>");
    terminal.keys(&format!("boom().to_up{TAB}"));
    terminal.last_row("krsi> boom().to_upper");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.keys(&format!("\"abc\".to_{TAB}"));
    terminal.row_with("Convert the string to all upper-case");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.keys(&format!("probe(\"exec\").deny(\"EP{TAB}"));
    terminal.row_with("Operation not permitted");
    assert!(!terminal.rows().iter().any(|row| row == "it ran"), "{:?}", terminal.rows());
}
