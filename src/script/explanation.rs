//! What a probe does and where: each stage in its order, for reading.
//!
//! In: a probe as a script has configured it. Out: stages, of which the kernel's come first, and what
//! the filter became. Nothing here asks the kernel anything.

use serde::Serialize;

/// All there is to say about one probe.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub probe: String,
    pub template: String,
    pub hooks: Vec<String>,
    /// Whether the script attaches it.
    pub attached: bool,
    /// In the order in which an event meets them.
    pub stages: Vec<Stage>,
    pub filter: Option<FilterCost>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Stage {
    #[serde(rename = "where")]
    pub place: Place,
    pub stage: &'static str,
    pub does: String,
    /// Where the script says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Kernel,
    Shell,
}

impl Place {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Place::Kernel => "kernel",
            Place::Shell => "shell",
        }
    }
}

/// What a filter takes.
#[derive(Debug, Clone, Serialize)]
pub struct FilterCost {
    /// The filter as it was understood.
    pub understood: String,
    /// What follows, as a sentence.
    #[serde(skip)]
    pub in_words: String,
    /// Instruction slots in use, and how many a template has.
    pub instructions: usize,
    pub room: usize,
    /// Instructions that one decision runs at most.
    pub at_most: u64,
    /// What the verifier walks through, about, and what the compiler lets pass.
    pub verifier_steps: usize,
    pub verifier_limit: usize,
    pub code: Vec<String>,
}

/// What came of explaining a script.
#[derive(Debug)]
pub struct Explained {
    pub probes: Vec<Explanation>,
    /// Why it went no further, and where, if it did not come to the script's end.
    pub ended: Option<String>,
    /// The process's exit code; an error has been reported.
    pub code: i32,
}
