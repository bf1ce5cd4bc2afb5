//! How soon a key is seen while more arrives than any terminal shows.
//!
//! One binary with two roles. As the test it types at a pseudo-terminal and times each key. As the shell (`--shell FILE`)
//! it is what sits behind that terminal: the library's own shell, into whose session a real ring buffer's records come, as
//! many a second as the goal says. A binary of its own, so that nothing is measured beside other tests.
//!
//! ```text
//! keys       a key down, and its echo; the 99th percentile
//! lines      what a timer prints: for hosts that run no program by hand, too
//! events     records of a ring buffer
//! flood      the shell with them in it
//! ```

mod events;
mod flood;
mod keys;
mod lines;
#[path = "../repl/terminal.rs"]
#[allow(dead_code, reason = "the shell's other tests need more of it")]
mod terminal;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == flood::ROLE) {
        return flood::shell(&words.next().unwrap_or_default());
    }
    let trials = vec![
        Trial::test("a_key_is_echoed_within_30_ms_though_lines_arrive_without_an_end", lines::claim),
        Trial::test("a_key_is_echoed_within_30_ms_though_300_000_events_arrive_a_second", events::claim),
    ];
    // One after the other: each needs the machine for itself.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}
