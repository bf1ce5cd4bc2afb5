//! What a script may be. It runs as root, next to enforcement: each of these is far beyond any honest use.

/// Functions that call each other.
pub const CALL_DEPTH: usize = 64;
/// Expressions in expressions, in the script itself and in a function. Rhai counts each operator of a chain as one more, and rules are
/// written that join hundreds of questions by `||`.
pub const EXPRESSION_DEPTH: usize = 1024;
pub const VARIABLES: usize = 10_000;
pub const FUNCTIONS: usize = 10_000;
