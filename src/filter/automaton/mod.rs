//! All questions about one text, answered by one walk over it.
//!
//! In: texts that are sought (equal, at the beginning, at the end, anywhere), globs with more than one part, regular
//! expressions. Out: a [`Machine`]: for each state and byte the next state, and which questions are answered by
//! that step. It is built by the regex-automata crate's determinisation, cut down to what can still decide
//! something, and walked by the kernel's code (`emit/walks.rs`) and by the evaluator alike. A walk costs the same
//! for each byte, whether three texts are sought or three hundred.
//!
//! ```text
//! pattern    what is sought, as a regular expression's syntax tree
//! machine    patterns ─▶ states, bounded in time and memory
//! table      states ─▶ the bytes that the kernel's code walks
//! ```

mod machine;
mod pattern;
mod table;
#[cfg(test)]
mod tests;

pub use self::{
    machine::{Ending, Machine, Outcome, QUESTIONS},
    pattern::{Formula, Pattern, PatternError},
    table::{BITS, LARGEST, ROWS, Table, Width},
};
