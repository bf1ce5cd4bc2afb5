//! All questions about one text, answered by one walk over it.
//!
//! In: syntax trees of regular expressions, which is what texts that are sought, globs and regular expressions become. Out: a
//! [`Machine`]: for each state and byte the next state, and which questions are answered by that step. It is built by
//! the regex-automata crate's determinisation, cut down to what can still decide something, and walked by the kernel's code
//! (`emit/walks.rs`). A walk costs the same for each byte, whether three texts are sought or three hundred.
//!
//! ```text
//! case       a tree that takes capital letters for small ones
//! factored   a tree whose alternatives share their beginnings
//! machine    trees ─▶ states, bounded in time and memory
//! table      states ─▶ the bytes that the kernel's code walks
//! pattern    one regular expression or glob, which answers about a text by itself
//! ```

mod case;
mod factored;
mod machine;
mod pattern;
mod table;

pub use self::{
    case::in_capitals_too,
    factored::factored,
    machine::{Ending, Machine, Outcome, QUESTIONS, TooLarge},
    pattern::{Pattern, PatternError, anything, repeated},
    table::{BITS, LARGEST, ROWS, Table, Width},
};
