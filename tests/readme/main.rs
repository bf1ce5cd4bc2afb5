//! What the README shows is what the program shows, in a real kernel: what `make demo` prints, and sessions at the prompt.
//!
//! ```text
//! demo       scripts/demo.rhai, in the lab
//! session    the lab's prompt, on a pseudo-terminal
//! asked      the same, where somebody is asked
//! block      a text of the README, and whether it is what was found
//! settled    the one place where what differs from run to run becomes the same
//! ```

mod asked;
mod block;
mod demo;
mod session;
mod settled;
#[path = "../repl/terminal.rs"]
#[allow(dead_code, reason = "the shell's other tests need more of it")]
mod terminal;
