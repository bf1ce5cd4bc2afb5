//! A window that changes its size under the line being typed.

use crate::terminal::*;

/// Wider than half the window and narrower than the whole.
const LINE: &str = "100 + 20 + 3 + 1000 + 200 + 30 + 4 + 10000 + 2000 + 300";

#[test]
fn a_line_being_typed_is_redrawn_and_nothing_is_torn() {
    let home = home();
    let mut terminal = Setup { arguments: &["-q"], ..Setup::new(&home) }.prompted();
    let whole = format!("krsi> {LINE}");
    terminal.keys(LINE);
    terminal.last_row(&whole);
    for columns in [40, 80, 30, 120] {
        terminal.resize(columns);
        let rows: Vec<String> = whole
            .as_bytes()
            .chunks(usize::from(columns))
            .map(|row| String::from_utf8_lossy(row).trim_end().to_owned())
            .collect();
        terminal.wait(&format!("the line on {columns} columns, and nothing else"), |shown| shown == rows);
    }
    // The cursor is where it was.
    terminal.keys(" + 40");
    terminal.last_row(&format!("{whole} + 40"));
    terminal.enter("", "13697");
}

#[test]
fn what_is_printed_meanwhile_stays_above_the_line() {
    let home = home();
    let mut terminal = Setup { arguments: &["-q"], ..Setup::new(&home) }.prompted();
    terminal.keys("let t = every(\"50ms\", || print(\"tick\"));\r");
    terminal.row("tick");
    terminal.keys(LINE);
    terminal.last_row(&format!("krsi> {LINE}"));
    terminal.resize(100);
    let ticks = |rows: &[String]| rows.iter().filter(|row| *row == "tick").count();
    let before = ticks(&terminal.rows());
    terminal.wait("more ticks, and the line below them", |rows| {
        ticks(rows) > before + 3
            && rows.last().is_some_and(|last| *last == format!("krsi> {LINE}"))
            && rows.iter().filter(|row| row.contains("100 + 20")).count() == 1
    });
}
