//! What a filter cannot say, at its place.

use rhai::Position;

/// Why a closure was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// What is wrong and what is allowed, in a sentence.
    pub text: String,
    /// What to write instead.
    pub advice: Option<String>,
    /// The function whose text `position` is a place of.
    pub function: String,
    pub position: Position,
}

/// A refusal before it is known which function it stands in.
pub(super) struct Misfit {
    pub text: String,
    pub advice: Option<String>,
    pub position: Position,
}

impl Misfit {
    pub fn new(position: Position, text: impl Into<String>) -> Self {
        Misfit { text: text.into(), advice: None, position }
    }

    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    pub fn within(self, function: &str) -> Refusal {
        Refusal {
            text: self.text,
            advice: self.advice,
            function: function.to_owned(),
            position: self.position,
        }
    }
}
