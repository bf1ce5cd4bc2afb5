//! What a probe has counted, as scripts hold it.

use std::{ops::Deref, rc::Rc};

use rhai::Dynamic;

use super::json;
use crate::{
    probe::Summary,
    report::{summary_row, summary_text},
};

/// A summary that a script holds.
#[derive(Debug, Clone)]
pub struct ScriptSummary(Rc<Summary>);

impl ScriptSummary {
    pub fn new(summary: Summary) -> Self {
        ScriptSummary(Rc::new(summary))
    }

    /// As JSON has it: an array of its rows.
    pub fn rows(&self) -> Vec<serde_json::Value> {
        self.0.rows.iter().map(|row| summary_row(&self.0, row).into()).collect()
    }

    /// As a person reads it.
    pub fn describe(&self) -> String {
        summary_text(&self.0).join("\n")
    }
}

impl Deref for ScriptSummary {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        &self.0
    }
}

impl IntoIterator for ScriptSummary {
    type Item = Dynamic;
    type IntoIter = std::vec::IntoIter<Dynamic>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows().into_iter().map(json::from_json).collect::<Vec<_>>().into_iter()
    }
}
