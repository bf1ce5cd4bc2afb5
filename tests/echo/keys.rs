//! Keys, typed one by one, and when each was seen.

use std::{
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;

use crate::terminal::Terminal;

/// Of a hundred keys, one may take longer.
const GOAL: Duration = Duration::from_millis(30);
const KEYS: usize = 200;
/// How often somebody types one.
const PAUSE: Duration = Duration::from_millis(10);
/// Whatever else the machine does only ever adds.
const ROUNDS: usize = 8;

/// One round: how soon a key was seen, and how much arrived a second meanwhile.
#[derive(Clone, Copy)]
pub struct Round {
    /// The 99th percentile.
    pub echo: Duration,
    pub rate: f64,
}

/// Types behind what stands on the line already; gives the 99th percentile.
pub fn typed(terminal: &mut Terminal, begun: &str) -> Duration {
    let mut line = begun.to_owned();
    let mut times: Vec<Duration> = (0..KEYS)
        .map(|number| {
            let key = char::from(b'a' + u8::try_from(number % 26).expect("a letter"));
            line.push(key);
            let at = Instant::now();
            terminal.keys(&key.to_string());
            // The end of the line is enough: it goes over several rows.
            terminal.wait("the key", |rows| {
                rows.last().is_some_and(|last| last.ends_with(key) && line.ends_with(last.as_str()))
            });
            let echoed = at.elapsed();
            thread::sleep(PAUSE);
            echoed
        })
        .collect();
    times.sort_unstable();
    times[KEYS * 99 / 100 - 1]
}

/// The best of several rounds is within the goal, with so much arriving.
pub fn within(
    at_least: f64,
    what: &str,
    mut round: impl FnMut() -> Result<Round, Failed>,
) -> Result<(), Failed> {
    let reached = |round: &Round| round.echo <= GOAL && round.rate >= at_least;
    let mut best = round()?;
    for _ in 1..ROUNDS {
        if !reached(&best) {
            let next = round()?;
            best = if reached(&next) || next.echo < best.echo { next } else { best };
        }
    }
    let Round { echo, rate } = best;
    let told = format!(
        "key to echo: {:.1} ms, the 99th percentile of {KEYS} keys, at {rate:.0} {what} a second",
        echo.as_secs_f64() * 1e3
    );
    println!("{told}");
    if reached(&best) { Ok(()) } else { Err(told.into()) }
}
