//! The interactive shell on a pseudo-terminal, with the real program: keys in, and
//! what a terminal shows out.
//!
//! The terminal is an emulator's (vt100), so that a claim is about what somebody
//! sees, not about which bytes were sent. Nothing sleeps: whatever is waited for is
//! seen on the screen.

mod closed;
mod commands;
mod completion;
mod lab;
mod picture;
mod resize;
mod screens;
mod start;
mod tables;
mod terminal;
mod top;

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use terminal::*;

#[test]
fn a_value_is_printed() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("40 + 2", "42");
    terminal.enter("let x = 7;", "krsi> let x = 7;");
    terminal.enter("x * 3", "21");
}

#[test]
fn an_open_bracket_goes_on_in_the_next_line() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("fn twice(x) {\r");
    terminal.last_row("....>");
    terminal.keys("x * 2\r}\r");
    terminal.enter("twice(21)", "42");
}

#[test]
fn a_string_of_several_lines_has_nothing_of_the_continuation_prompt() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let s = `a\r");
    terminal.last_row("....>");
    terminal.keys("b`;\r");
    terminal.enter("s.len()", "3");
}

#[test]
fn two_blank_lines_give_an_input_up() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter_with("let broken = (1 +\r\r", "×");
    terminal.last_row("krsi>");
}

#[test]
fn backspace_at_the_continuation_prompt_joins_the_lines() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("(20 +\r");
    terminal.last_row("....>");
    terminal.keys("\x7f 22)");
    terminal.last_row("krsi> (20 + 22)");
    terminal.enter("", "42");
}

#[test]
fn a_pasted_block_is_one_input() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("\x1b[200~fn thrice(x) {\n    x * 3\n}\n\nthrice(14)\x1b[201~");
    terminal.last_row("thrice(14)");
    assert!(!terminal.rows().contains(&"42".to_owned()), "nothing is evaluated before Enter");
    terminal.enter("", "42");
}

#[test]
fn lines_typed_ahead_are_not_lost() {
    let home = home();
    let mut terminal = Setup::new(&home).start();
    terminal.keys("let a = 1;\rlet b = 2;\rlet c = 39;\ra + b + c\r");
    terminal.row("42");
}

#[test]
fn keys_typed_while_something_runs_are_the_next_inputs() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("1000 + 234", "1234");
    for _ in 0..5 {
        terminal.keys(&format!("print(\"runs\"); run([\"sleep\", \"0.2\"]);{ENTER}"));
        terminal.row("runs");
        terminal.keys(&format!("{CTRL_R}1000"));
        terminal.row_with("(reverse-i-search)`1000': 1000 + 234");
        terminal.keys(CTRL_C);
        terminal.last_row("krsi>");
        terminal.clear("krsi>");
    }
    terminal.keys(&format!("print(\"runs\"); run([\"sleep\", \"0.2\"]);{ENTER}"));
    terminal.row("runs");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    assert_eq!(terminal.settings(), terminal.found);
}

#[test]
fn history_survives_a_restart() {
    let home = home();
    let setup = Setup::new(&home);
    let mut terminal = setup.prompted();
    terminal.enter("100 + 1", "101");
    terminal.enter("if true {\r200 + 2 }", "202");
    terminal.enter(" 300 + 3", "303");
    terminal.keys(CTRL_D);
    assert!(terminal.ended().success());

    let file = home.path().join("state/krsi-sh/history");
    let mode = fs::metadata(&file).expect("the history").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    assert!(!fs::read_to_string(&file).expect("the history").contains("300"), "a space keeps a line out");

    let mut terminal = setup.prompted();
    terminal.keys(UP);
    terminal.wait("the block", |rows| rows.ends_with(&["krsi> if true {".into(), "....> 200 + 2 }".into()]));
    terminal.enter("", "202");
    terminal.keys(CTRL_R);
    terminal.keys("100");
    terminal.row_with("(reverse-i-search)`100': 100 + 1");
    terminal.enter("", "101");
}

#[test]
fn a_script_goes_on_at_a_prompt() {
    let home = home();
    fs::write(home.path().join("hunt.rhai"), "let six = 6; fn times(n) { n * 7 } print(args);")
        .expect("a script");
    let mut terminal = Setup { arguments: &["-i", "hunt.rhai", "word"], ..Setup::new(&home) }.prompted();
    terminal.row("[\"word\"]");
    terminal.enter("times(six)", "42");
    // One that fails leaves what it has made.
    fs::write(home.path().join("hunt.rhai"), "let six = 6; nothing_such()").expect("a script");
    let mut terminal = Setup { arguments: &["-i", "hunt.rhai"], ..Setup::new(&home) }.prompted();
    terminal.row_with("there is no function `nothing_such`");
    terminal.enter("six", "6");
}

#[test]
fn a_command_line_of_the_systems_shell_is_run() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("!echo $((6 * 7)); exit 3", "42");
    terminal.row("it ended with exit status: 3");
    terminal.enter("let ready = true", "krsi>");
    terminal.enter("!ready", "false");
    terminal.enter(":sh pwd -P", &home.path().display().to_string());
}

#[test]
fn a_history_that_cannot_be_saved_is_said_once() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("100 + 1", "101");
    let file = home.path().join("state/krsi-sh/history");
    fs::remove_file(&file).expect("the history");
    fs::create_dir(&file).expect("a directory in its place");
    terminal.enter_with("100 + 2", "the history is not saved: ");
    terminal.enter("100 + 3", "103");
    let text = terminal.rows().join("\n");
    assert_eq!(text.matches("not saved").count(), 1, "{text}");
}

#[test]
fn up_finds_what_begins_as_the_line_does() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    for (line, value) in [("100 + 1", "101"), ("200 + 2", "202"), ("100 + 3", "103"), ("if true {\r7 }", "7")]
    {
        terminal.enter(line, value);
    }
    terminal.keys(&format!("10{UP}"));
    terminal.last_row("krsi> 100 + 3");
    terminal.keys(UP);
    terminal.last_row("krsi> 100 + 1");
    // There is no older one.
    terminal.keys(UP);
    terminal.keys(DOWN);
    terminal.last_row("krsi> 100 + 3");
    // The cursor is behind what was found, and behind what was typed when that is back.
    terminal.keys("0");
    terminal.enter("", "130");
    terminal.keys(&format!("10{UP}{DOWN}"));
    terminal.enter(" + 34", "44");
    // An empty line has all of them, line by line.
    terminal.keys(&format!("{UP}{UP}{UP}"));
    terminal.wait("the block", |rows| rows.ends_with(&["krsi> if true {".into(), "....> 7 }".into()]));
    // Two steps up: to the block's own first line, and to what is older (behind which a newer line is suggested).
    terminal.keys(&format!("{UP}{UP}"));
    terminal.enter("", "103");
}

#[test]
fn alt_enter_goes_on_in_a_new_line() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let a = 40;\x1b\r");
    terminal.last_row("....>");
    terminal.keys("a + 1\x1b\n");
    terminal.wait("a third line", |rows| rows.ends_with(&["....> a + 1".into(), "....>".into()]));
    terminal.enter("+ 1", "42");
}

#[test]
fn the_question_whether_to_list_so_much_is_left_by_control_c() {
    let home = home();
    let mut terminal = Setup { rows: 30, ..Setup::new(&home) }.prompted();
    terminal.keys(&format!("unknown.{TAB}"));
    terminal.row_with("possibilities? (y or n)");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi> unknown.");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.keys(&format!("unknown.{TAB}"));
    terminal.row_with("possibilities? (y or n)");
    terminal.keys("y");
    terminal.last_row("--More--");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi> unknown.");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.keys("6 * 7\r");
    terminal.row("42");
}

#[test]
fn the_rest_of_an_earlier_line_is_suggested() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("1000 + 234", "1234");
    terminal.keys("100");
    terminal.last_row("krsi> 1000 + 234");
    terminal.keys("\x1b[C * 1");
    terminal.enter("", "1234");
    terminal.wait("it twice", |rows| rows.iter().filter(|row| *row == "1234").count() == 2);
}

#[test]
fn control_c_clears_the_line() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("1 + ");
    terminal.last_row("krsi> 1 +");
    terminal.keys(CTRL_C);
    terminal.last_row("krsi>");
    terminal.enter("6 * 7", "42");
}

#[test]
fn what_is_typed_behind_control_c_is_not_lost() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("1000 + 234", "1234");
    for _ in 0..20 {
        terminal.keys(&format!("6 * 8{CTRL_C}let a{CTRL_C}{CTRL_R}1000"));
        terminal.row_with("(reverse-i-search)`1000': 1000 + 234");
        terminal.keys(&format!("{CTRL_C}6 * 7"));
        terminal.last_row("krsi> 6 * 7");
        terminal.keys(CTRL_C);
        terminal.last_row("krsi>");
    }
}

#[test]
fn control_c_stops_a_running_line_within_100_ms_and_leaves_the_shell_and_its_variables() {
    const AT_MOST: Duration = Duration::from_millis(100);
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("let kept = 42;", "krsi> let kept = 42;");
    let mut stopped = 0;
    // What computes, what waits for events, what waits for a child, what sleeps.
    for (round, busy) in
        ["loop {}", "run_for(\"1h\")", "run([\"sleep\", \"3600\"])", "sleep(3600)"].iter().enumerate()
    {
        // The fastest of some: what another process takes of the machine only ever adds.
        let times = (0..4).map(|try_| {
            terminal.keys(&format!("print(\"turning {round}-{try_}\"); {busy}\r"));
            terminal.row(&format!("turning {round}-{try_}"));
            let begin = Instant::now();
            terminal.keys(CTRL_C);
            stopped += 1;
            terminal.wait("one more interruption, and a prompt", |rows| {
                rows.iter().filter(|row| row.contains("interrupted")).count() == stopped
                    && rows.last().is_some_and(|last| last == "krsi>")
            });
            begin.elapsed()
        });
        let fastest = times.min().expect("tries");
        assert!(fastest <= AT_MOST, "`{busy}` took {fastest:?}");
    }
    // How the child ended, of the same key, is nothing that was asked for.
    let rows = terminal.rows();
    assert!(!rows.iter().any(|row| row.contains("SIGINT")), "{rows:?}");
    terminal.enter("kept", "42");
}

#[test]
fn an_init_file_is_evaluated_before_the_first_prompt() {
    let home = home();
    let directory = home.path().join("config/krsi-sh");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("init.rhai"), "fn six() { 6 }\nprint(\"begun\");\n").expect("a script");
    let mut terminal = Setup::new(&home).prompted();
    terminal.row("begun");
    terminal.enter("six() * 7", "42");
    let mut terminal = Setup { arguments: &["--no-init"], ..Setup::new(&home) }.prompted();
    assert!(!terminal.rows().contains(&"begun".to_owned()));
    terminal.enter_with("six()", "×");
}

#[test]
fn an_init_file_that_others_may_write_is_refused_and_the_shell_goes_on() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root, whose scripts alone are checked");
        return;
    }
    let home = home();
    let directory = home.path().join("config/krsi-sh");
    fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("init.rhai");
    fs::write(&file, "print(\"begun\");\n").expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("permissions");
    let mut terminal = Setup { columns: 200, ..Setup::new(&home) }.prompted();
    terminal.row_with("can be written by every user");
    terminal.enter("6 * 7", "42");
    assert!(!terminal.rows().contains(&"begun".to_owned()));
}

#[test]
fn control_d_leaves_with_0() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
}

#[test]
fn quit_and_exit_leave_and_exit_has_a_code() {
    let home = home();
    for (line, code) in [("quit", 0), ("exit", 0), (":quit", 0), ("exit(7)", 7)] {
        let mut terminal = Setup::new(&home).prompted();
        terminal.keys(&format!("{line}{ENTER}"));
        assert_eq!(terminal.ended().code(), Some(code), "{line}");
    }
}

#[test]
fn a_syntax_error_is_pointed_at_and_the_shell_goes_on() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter_with("let = 5", "×");
    terminal.row_with("───");
    terminal.enter("6 * 7", "42");
}

#[test]
fn what_a_timer_prints_does_not_tear_the_word_being_typed() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let timer = every(\"200ms\", || print(\"tick\"));\rlet abc");
    terminal.wait("ticks above the line", |rows| {
        let ticks = rows.iter().filter(|row| *row == "tick").count();
        ticks >= 2 && rows.last().is_some_and(|last| last == "krsi> let abc")
    });
    terminal.keys("def = 42;\r");
    terminal.enter("abcdef", "42");
}

#[test]
fn a_flood_is_cut_and_counted_and_keys_still_echo() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let t = every(\"1s\", || for i in 0..20000 { print(`flood ${i}`) });\r");
    terminal.row_with("events not shown");
    terminal.keys("t.cancel(); 6 * ");
    terminal.last_row("krsi> t.cancel(); 6 *");
    terminal.keys("7\r");
    terminal.row("42");
}

#[test]
fn a_templates_name_is_completed() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys(&format!("let p = probe(\"exe{TAB}"));
    terminal.last_row("krsi> let p = probe(\"exec");
    terminal.keys("\").name(\"n\").on_event(|e| print(e.ppi");
    terminal.keys(TAB);
    terminal.wait("the field", |rows| rows.iter().any(|row| row.ends_with("print(e.ppid")));
}

#[test]
fn more_than_one_candidate_is_listed_with_its_documentation() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys(&format!(":t{TAB}"));
    terminal.row_with("what a probe can be made of");
    terminal.row_with("evaluate, and say how long it took");
    terminal.last_row("krsi> :t");
}

#[test]
fn help_is_one_word_away() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter_with("help", "lists the shell's own commands");
    // What comes next is sought on a screen that has room for it.
    terminal.clear("krsi>");
    terminal.enter_with("exec?", "hooks   bprm_check_security");
    terminal.clear("krsi>");
    terminal.enter_with(":help", ":save FILE");
    terminal.enter_with(":hlep", "did you mean `:help`?");
}

#[test]
fn what_succeeded_is_saved_as_a_script_that_can_be_loaded() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("fn six() {\r6 }", "....> 6 }");
    terminal.enter_with("six() * nonsense", "×");
    terminal.enter("print(six() * 7)", "42");
    terminal.enter_with(":save hunt.rhai", "in hunt.rhai");
    let file = home.path().join("hunt.rhai");
    let script = fs::read_to_string(&file).expect("the script");
    assert_eq!(script, "#!/usr/bin/env krsi-sh\nfn six() {\n6 };\nprint(six() * 7);\n");
    assert_eq!(fs::metadata(&file).expect("the script").permissions().mode() & 0o777, 0o700);
    terminal.enter_with(":save hunt.rhai", "hunt.rhai exists; `:save! hunt.rhai` replaces it");
    terminal.enter("print(43)", "43");
    terminal.enter_with(":save! hunt.rhai", "in hunt.rhai");
    assert_eq!(fs::read_to_string(&file).expect("the script"), format!("{script}print(43);\n"));
    terminal.enter_with(":sav hunt.rhai", "hunt.rhai exists");

    let mut later = Setup::new(&home).prompted();
    later.enter(":load hunt.rhai", "43");
    later.enter("six()", "6");
    later.enter_with(":time six()", "µs");
}

#[test]
fn a_dumb_terminal_has_a_shell_too() {
    let home = home();
    let mut terminal = Setup { term: "dumb", ..Setup::new(&home) }.prompted();
    terminal.enter("6 *", "....>");
    terminal.enter("7", "42");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    assert!(!terminal.bytes().contains(&0x1b), "no escape sequence");
}

#[test]
fn no_color_means_no_colour() {
    let home = home();
    let line = "let s = \"a\"; // comment\r";
    let colours = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split("\x1b[")
            .skip(1)
            .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
    };
    for no_color in [true, false] {
        let mut terminal = Setup { no_color, ..Setup::new(&home) }.prompted();
        terminal.keys(line);
        terminal.keys("let = 5\r");
        terminal.row_with("×");
        assert_eq!(colours(&terminal.bytes()), !no_color);
    }
}

#[test]
fn sixty_columns_are_enough() {
    let home = home();
    let mut terminal = Setup { columns: 60, ..Setup::new(&home) }.prompted();
    let sum = vec!["1"; 42].join(" + ");
    terminal.keys(&sum);
    terminal.wait("three rows", |rows| {
        rows.last().is_some_and(|last| last.ends_with("1 + 1")) && rows.len() >= 4
    });
    terminal.enter("", "42");
    terminal.keys(&format!("probe(\"{TAB}"));
    terminal.row_with("file_open  ");
    terminal.last_row("krsi> probe(\"");
}

#[test]
fn a_key_that_is_no_utf8_costs_nothing_of_the_line() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("6 *");
    terminal.last_row("krsi> 6 *");
    terminal.keyboard.write_all(b"\xff").expect("typing");
    terminal.wait("a new prompt with the line", |rows| rows.ends_with(&vec!["krsi> 6 *".to_owned(); 2]));
    terminal.keys(" 7");
    terminal.last_row("krsi> 6 * 7");
    terminal.enter("", "42");
}

#[test]
fn sigterm_leaves_the_terminal_as_it_was_found() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("let half");
    terminal.last_row("krsi> let half");
    assert_ne!(terminal.settings(), terminal.found, "lines are edited in raw mode");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.ended().code(), Some(128 + Signal::SIGTERM as i32));
    assert_eq!(terminal.settings(), terminal.found);
    terminal.last_rows();
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(bytes.rfind("\x1b[?2004l") > bytes.rfind("\x1b[?2004h"), "bracketed paste is off again");
}

#[test]
fn last_words_are_not_lost_when_the_process_is_told_to_end() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys("on_exit(|| print(\"last words\"));\r");
    terminal.last_row("krsi>");
    terminal.keys("half a li");
    terminal.last_row("krsi> half a li");
    terminal.signal(Signal::SIGHUP);
    terminal.row("last words");
    assert_eq!(terminal.ended().code(), Some(128 + Signal::SIGHUP as i32));
}

#[test]
fn the_prompt_stays_on_the_terminal_when_the_output_goes_to_a_file() {
    let home = home();
    let file = home.path().join("output");
    let setup = Setup { output: Some(&file), ..Setup::new(&home) };
    let mut terminal = setup.prompted();
    terminal.enter("40 + 2", "krsi> 40 + 2");
    terminal.enter_with("let = 5", "×");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ended().code(), Some(0));
    let output = fs::read_to_string(&file).expect("the output");
    assert!(
        output.starts_with("{\"type\":\"value\",\"time\":") && output.ends_with(",\"value\":42}\n"),
        "{output}"
    );
}

#[test]
fn what_is_logged_while_somebody_types_never_comes_between_the_records_in_a_file() {
    for term in ["xterm", "dumb"] {
        let home = home();
        let file = home.path().join("output");
        let mut terminal = Setup { term, output: Some(&file), ..Setup::new(&home) }.start();
        // A dumb terminal shows no prompt then.
        terminal.row_with("type `help`");
        terminal.keys("let t = every(\"10ms\", || for i in 0..500 { debug(i) });\r");
        terminal.wait_for("the log", |screen| screen.contents().contains("debug"));
        for n in 0..20 {
            terminal.keys(&format!("{n}\r"));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // Between two lines the terminal would take Ctrl-D for its own.
        terminal.keys("exit(0)\r");
        assert_eq!(terminal.ended().code(), Some(0));
        let output = fs::read_to_string(&file).expect("the output");
        let other = output.lines().find(|line| !line.starts_with("{\"type\":\"value\""));
        assert_eq!((other, output.lines().count()), (None, 20), "{term}");
    }
}

#[test]
fn quiet_means_no_banner() {
    let home = home();
    let terminal = Setup { arguments: &["-q"], ..Setup::new(&home) }.prompted();
    assert_eq!(terminal.rows(), ["krsi>"]);
}
