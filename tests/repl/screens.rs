//! What somebody sees: whole screens of the real program, each beside its picture.
//!
//! Each is of a window of 80 columns and 24 rows, if nothing else is said, and waits for what comes last before it is compared.

use std::{collections::BTreeSet, fs};

use crate::{
    picture::{file, shows, shows_coloured},
    terminal::*,
    top::attaches,
};

/// Of what it would be alone: without a banner.
fn window<'s>(home: &'s tempfile::TempDir) -> Setup<'s> {
    Setup { rows: 24, arguments: &["-q"], ..Setup::new(home) }
}

/// Types it, with a new prompt to come.
fn typed(terminal: &mut Terminal, line: &str) {
    terminal.keys(&format!("{line}{ENTER}"));
}

#[test]
fn the_start() {
    let home = home();
    let mut terminal = Setup { arguments: &[], ..window(&home) }.prompted();
    terminal.keys("6 * 7");
    shows(&terminal, "start");
}

#[test]
fn candidates_with_their_signatures_and_what_they_do() {
    let home = home();
    let mut terminal = window(&home).prompted();
    terminal.keys(&format!("probe(\"exec\").co{TAB}"));
    shows(&terminal, "completion");
}

#[test]
fn templates_as_candidates() {
    let home = home();
    let mut terminal = window(&home).prompted();
    terminal.keys(&format!("let p = probe(\"{TAB}"));
    shows(&terminal, "completion-templates");
}

#[test]
fn candidates_in_a_narrow_window() {
    let home = home();
    let mut terminal = Setup { columns: 40, ..window(&home) }.prompted();
    terminal.keys(&format!("probe(\"exec\").co{TAB}"));
    shows(&terminal, "completion-narrow");
}

#[test]
fn what_a_timer_prints_above_a_line_that_is_longer_than_the_window() {
    let home = home();
    let mut terminal = Setup { columns: 40, ..window(&home) }.prompted();
    typed(
        &mut terminal,
        "let n = 0; let t = every(\"100ms\", || { n += 1; if n <= 3 { print(`tick ${n}`) } });",
    );
    terminal.keys("let found = probe(\"exec\").scope(#{ uid: 1000 });");
    terminal.row("tick 3");
    shows(&terminal, "above");
}

#[test]
fn a_closure_of_several_lines() {
    let home = home();
    let mut terminal = window(&home).prompted();
    for line in [
        "let size = |n| {",
        "    if n > 3 {",
        "        \"big\"",
        "    } else {",
        "        \"small\"",
        "    }",
    ] {
        typed(&mut terminal, line);
        terminal.last_row("....>");
    }
    typed(&mut terminal, "};");
    terminal.last_row("krsi>");
    terminal.enter("size.call(7)", "\"big\"");
    shows(&terminal, "closure");
}

#[test]
fn colours_of_a_line_being_typed() {
    let home = home();
    let mut terminal = window(&home).prompted();
    terminal.keys("if true { [probe(\"exec\"), probe(\"exce\"), `a` + 1] } // why");
    shows_coloured(&terminal, "colours");
}

#[test]
fn help_about_a_template() {
    let home = home();
    let mut terminal = Setup { rows: 130, ..window(&home) }.prompted();
    terminal.enter_with("?exec_unlink", "Example");
    shows(&terminal, "help-template");
}

#[test]
fn help_about_a_method() {
    let home = home();
    let mut terminal = window(&home).prompted();
    typed(&mut terminal, "lease?");
    shows(&terminal, "help-method");
}

#[test]
fn an_error_points_at_its_place() {
    let home = home();
    let mut terminal = window(&home).prompted();
    terminal.enter_with("let p = probe(\"proc_mem\", #{ acess: [\"write\"] });", "×");
    shows_coloured(&terminal, "error");
}

#[test]
fn the_same_error_in_a_narrow_window() {
    let home = home();
    let mut terminal = Setup { columns: 40, ..window(&home) }.prompted();
    terminal.enter_with("let p = probe(\"proc_mem\", #{ acess: [\"write\"] });", "×");
    shows(&terminal, "error-narrow");
}

#[test]
fn an_error_far_into_a_long_line() {
    let home = home();
    let mut terminal = window(&home).prompted();
    let line = "let p = probe(\"connect\", #{ address: [\"10.0.0.0/8\"], family: [\"inet\"], port: [443, 70000] }).shadow();";
    terminal.enter_with(line, "╰");
    shows(&terminal, "error-long");
}

#[test]
fn an_error_in_a_line_that_is_no_rhai() {
    let home = home();
    let mut terminal = window(&home).prompted();
    terminal.enter_with("let 5 = six;", "×");
    shows(&terminal, "error-syntax");
}

#[test]
fn the_shells_own_commands() {
    let home = home();
    let mut terminal = Setup { rows: 50, ..window(&home) }.prompted();
    typed(&mut terminal, ":help");
    shows(&terminal, "help");
}

#[test]
fn the_templates() {
    let home = home();
    let mut terminal = window(&home).prompted();
    typed(&mut terminal, ":templates");
    shows(&terminal, "templates");
}

const FOUND: &str = "let found = [#{ comm: \"日本語\", pid: 7, path: \"/srv/データ/一覧.txt\" }, \
                     #{ comm: \"cafe\u{301}\", pid: 1234, path: \"/home/operator/projects/service/main.rs\" }];";

#[test]
fn a_table() {
    let home = home();
    let mut terminal = window(&home).prompted();
    typed(&mut terminal, FOUND);
    terminal.last_row("krsi>");
    terminal.enter_with("found", "1234");
    shows(&terminal, "table");
}

#[test]
fn the_same_table_in_a_narrow_window() {
    let home = home();
    let mut terminal = Setup { columns: 40, ..window(&home) }.prompted();
    typed(&mut terminal, FOUND);
    terminal.last_row("krsi>");
    terminal.enter_with("found", "1234");
    shows(&terminal, "table-narrow");
}

/// Executions of one to twelve words, counted in the kernel.
const RUNS: &str = "let p = probe(\"exec\", #{ args: true }).name(\"runs\").scope(#{ pid: getpid() }).hist(\"argc\").attach(); \
                    for n in 0..12 { let words = [\"true\"]; for i in 0..n { words.push(\"x\"); } run(words); }";

#[test]
fn a_histogram() {
    if !attaches() {
        return;
    }
    let home = home();
    let mut terminal = window(&home).prompted();
    typed(&mut terminal, RUNS);
    terminal.last_row("krsi[1]>");
    // What is said about the attaching depends on the host.
    terminal.clear("krsi[1]>");
    terminal.enter_with("p.hist().show()", "[8, 16)");
    shows(&terminal, "histogram");
}

#[test]
fn help_that_is_found_by_words() {
    let home = home();
    let mut terminal = window(&home).prompted();
    typed(&mut terminal, "help(\"renew lease\")");
    shows(&terminal, "help-search");
}

#[test]
fn top_without_a_probe() {
    let home = home();
    let mut terminal = window(&home).prompted();
    typed(&mut terminal, ":top");
    terminal.wait_for("the screen of `:top`", vt100::Screen::alternate_screen);
    shows(&terminal, "top");
    terminal.keys("q");
    shows(&terminal, "top-left");
}

#[test]
fn a_dumb_terminal() {
    let home = home();
    let mut terminal = Setup { term: "dumb", ..window(&home) }.prompted();
    terminal.enter("6 *", "....>");
    terminal.enter("7", "42");
    terminal.enter_with("let 5 = six;", "×");
    shows(&terminal, "dumb");
}

#[test]
fn a_paste() {
    let home = home();
    let mut terminal = window(&home).prompted();
    terminal.keys("\x1b[200~fn thrice(x) {\n\tx * 3\n}\n\nthrice(14)\x1b[201~");
    terminal.last_row("thrice(14)");
    shows(&terminal, "paste");
    terminal.enter("", "42");
    shows(&terminal, "paste-done");
}

#[test]
fn a_search_in_the_history() {
    let home = home();
    let mut terminal = window(&home).prompted();
    for (line, value) in [("100 + 1", "101"), ("200 + 2", "202"), ("100 + 3", "103")] {
        terminal.enter(line, value);
    }
    terminal.keys(CTRL_R);
    terminal.row_with("(reverse-i-search)");
    terminal.keys("100");
    terminal.row_with("`100'");
    terminal.keys(CTRL_R);
    shows(&terminal, "search");
}

#[test]
fn each_picture_is_of_a_test() {
    let tests = include_str!("screens.rs");
    let directory = file("any");
    let names: BTreeSet<String> = fs::read_dir(directory.parent().expect("a directory"))
        .expect("the pictures")
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    for name in names {
        assert!(tests.contains(&format!("terminal, \"{name}\")")), "no test shows the picture `{name}`");
    }
}
