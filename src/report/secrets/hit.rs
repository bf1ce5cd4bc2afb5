//! A word in a text that announces a secret.

/// What a word announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announces {
    /// A name whose value may be a secret.
    Key,
    /// A header whose value is one.
    Header,
    /// A program, by its number among those that are known.
    Tool(usize),
    /// Something, by its number likewise.
    Shape(usize),
}

/// A word, and where it begins.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    pub announces: Announces,
    pub start: usize,
}
