//! `:top`, on a screen of its own, with a real probe that counts what the shell itself starts.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::terminal::*;

/// What the shell starts is seen, and nobody else's doings.
const PROBE: &str =
    "let p = probe(\"exec\").name(\"execs\").scope(#{ pid: getpid() }).count_by([\"comm\"]).attach();";
const TIMER: &str = "let t = every(\"100ms\", || { run([\"true\"]); print(\"tick\") });";

/// Whether `exec` can be attached on this host; says so if not.
pub fn attaches() -> bool {
    let code = "probe(\"exec\").scope(#{ pid: getpid() }).attach().detach()";
    let output = Command::new(env!("CARGO_BIN_EXE_krsi-sh")).args(["-e", code]).output().expect("the shell");
    if !output.status.success() {
        assert!(
            std::env::var_os("KRSI_REQUIRE_HOST").is_none(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        println!("skipped: `exec` cannot be attached here: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

fn number(row: &str, column: usize) -> Option<f64> {
    row.split_whitespace().nth(column)?.parse().ok()
}

/// The row of the probe, once it has a rate: its mode is one word.
fn has_rate(rows: &[String], column: usize) -> bool {
    let row = rows.iter().find(|row| row.starts_with("execs "));
    row.and_then(|row| number(row, column)).is_some_and(|rate| rate > 0.0)
}

fn watched<'s>(setup: &Setup<'s>) -> Terminal {
    let mut terminal = setup.prompted();
    terminal.keys(&format!("{PROBE}\r"));
    terminal.last_row("krsi[1]>");
    terminal.keys(&format!("{TIMER}\r"));
    terminal.row("tick");
    terminal.keys(":top\r");
    terminal.wait_for("the screen of `:top`", |screen| screen.alternate_screen());
    terminal
}

#[test]
fn top_is_live_fits_any_window_and_gives_the_screen_back() {
    if !attaches() {
        return;
    }
    let home = home();
    let mut terminal = watched(&Setup { rows: 24, columns: 100, arguments: &["-q"], ..Setup::new(&home) });
    // probe, mode, seen/s, matched/s
    terminal.wait("a rate, and the largest group", |rows| {
        has_rate(rows, 3) && rows.iter().any(|row| row.trim_start().starts_with("true "))
    });
    let rows = terminal.rows();
    assert_eq!(rows[0], "1 probe, each second; q leaves");
    assert!(rows.iter().any(|row| row.ends_with('█')), "no line of the last seconds: {rows:?}");
    assert!(!rows.iter().any(|row| row.contains("tick")), "torn: {rows:?}");
    terminal.resize(30);
    terminal.wait("what is worth most, on 30 columns", |rows| {
        let titles = rows.get(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        titles.is_some_and(|titles| titles == ["probe", "mode", "matched/s"]) && has_rate(rows, 2)
    });
    terminal.resize(100);
    terminal.wait("all of it again", |rows| has_rate(rows, 3) && rows[1].contains("would-deny"));
    terminal.keys("q");
    terminal.wait_for("the screen of before", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    terminal.keys("t.cancel(); 40 + 2\r");
    terminal.row("42");
    assert!(!terminal.rows().iter().any(|row| row.contains("q leaves")), "{:?}", terminal.rows());
}

#[test]
fn control_c_leaves_top_and_not_the_shell() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.keys(":top\r");
    terminal
        .wait("an empty page", |rows| rows == ["0 probes, each second; q leaves", "no probe is attached"]);
    terminal.keys(CTRL_C);
    terminal.wait_for("the screen of before", |screen| !screen.alternate_screen());
    terminal.enter("40 + 2", "42");
    // What is typed behind the key that leaves is for the prompt.
    terminal.keys(":top\r");
    terminal.wait_for("the screen again", |screen| screen.alternate_screen());
    terminal.keys("q6 * 7 + 1\r");
    terminal.row("43");
}

#[test]
fn a_session_that_ends_gives_the_screen_back_first() {
    let home = home();
    let mut terminal = Setup::new(&home).prompted();
    terminal.enter("on_exit(|| print(\"last words\"));", "krsi> on_exit(|| print(\"last words\"));");
    terminal.keys(":top\r");
    terminal.wait_for("the screen of `:top`", |screen| screen.alternate_screen());
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.ended().code(), Some(128 + Signal::SIGTERM as i32));
    assert!(terminal.last_rows().contains(&"last words".to_owned()), "{:?}", terminal.rows());
    terminal.wait_for("the screen of before", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    assert_eq!(terminal.settings(), terminal.found);
}

#[test]
fn where_nothing_can_be_drawn_top_says_so() {
    let home = home();
    let mut terminal = Setup { term: "dumb", ..Setup::new(&home) }.prompted();
    terminal.enter_with(":top", "`:top` needs a terminal to draw on");
    let file = home.path().join("output");
    let mut terminal = Setup { output: Some(&file), ..Setup::new(&home) }.prompted();
    terminal.enter_with(":top", "`:top` needs a terminal to draw on");
}
