//! What a script may be. It runs as root, next to enforcement: each of these is far beyond any honest use.

/// Functions that call each other.
pub const CALL_DEPTH: usize = 64;
/// Expressions in expressions, in the script itself.
pub const EXPRESSION_DEPTH: usize = 128;
/// The same in a function.
pub const FUNCTION_EXPRESSION_DEPTH: usize = 64;
pub const VARIABLES: usize = 10_000;
pub const FUNCTIONS: usize = 10_000;
