//! What the engine asks of the editor, and what comes of it.

use super::prompt::Prompt;
use crate::script::{ImportedName, Variable};

/// What the engine wants from the editor.
#[derive(Debug, Clone)]
pub enum Ask {
    Line {
        prompt: Prompt,
        /// The session's, for completion.
        variables: Vec<Variable>,
        imported: Vec<ImportedName>,
        /// Names of what is attached.
        probes: Vec<String>,
        color: bool,
    },
    /// A question whose answer is yes or no.
    Confirm(String),
    /// The history's entries.
    History,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    Line {
        text: String,
        /// Why the history's file does not have it; said once.
        unsaved: Option<String>,
    },
    Answer(bool),
    History(Vec<String>),
    /// Ctrl-D, or the end of what can be read.
    End,
    /// The terminal fails.
    Failed(String),
}

/// Whether an answer to a question means yes.
#[must_use]
pub fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
