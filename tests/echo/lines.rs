//! The lines of a timer: what the engine, the printer and the editor have to do for them is what they have to do for
//! events, whose way up to there is not in it.

use std::time::Instant;

use libtest_mimic::Failed;

use crate::{
    keys::{self, Round},
    terminal::*,
};

/// Lines a second that are no flood any more: the test would be of something else.
const AT_LEAST: f64 = 50_000.0;
/// In pieces: the engine is never busy with one callback for long.
const FLOOD: &str =
    "let n = 0; let t = every(\"5ms\", || { for i in 0..1500 { print(`line ${i}`); } n += 1500; });";

const LAST: &str = "t.cancel(); print(`${n} lines`); // ";

fn round() -> Round {
    let home = home();
    // A batch that waits for the next prompt must not scroll the answer away.
    let mut terminal = Setup { rows: 120, arguments: &["-q"], ..Setup::new(&home) }.prompted();
    let begun = Instant::now();
    terminal.keys(&format!("{FLOOD}\r"));
    terminal.row_with("events not shown");
    // One line from here on: Enter ends both.
    terminal.keys(LAST);
    let echo = keys::typed(&mut terminal, &format!("krsi> {LAST}"));
    terminal.keys("\r");
    let all = |rows: &[String]| {
        let said = rows.iter().find_map(|row| row.strip_suffix(" lines")?.parse::<f64>().ok());
        said.unwrap_or_default()
    };
    terminal.wait("how many lines there were", |rows| all(rows) > 0.0);
    Round { echo, rate: all(&terminal.rows()) / begun.elapsed().as_secs_f64() }
}

pub fn claim() -> Result<(), Failed> {
    keys::within(AT_LEAST, "lines", || Ok(round()))
}
