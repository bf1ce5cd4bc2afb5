//! What all templates say of themselves, written down when the objects were built, so that a start opens none of them.
//!
//! In: templates, read from their objects. Out: a text (`ebpf-templates/objects/index.ndjson`, committed) with a line of what they name
//! together and a line for each; and the template of a line. Each line has a hash of its object: build.rs leaves a stale index out
//! of the binary, and then the objects are read at the start; a test fails, too.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{DescribeError, Template, hash::hash};

/// A line of the index.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// The object's file name without its extension.
    stem: String,
    /// Of the object's bytes, as build.rs has it.
    hash: u64,
    template: Template,
}

/// What templates name, all of them together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Together {
    /// The fields of their events.
    pub fields: BTreeSet<String>,
    /// [`KernelNames::types`](super::KernelNames::types).
    pub types: BTreeSet<String>,
    /// [`KernelNames::sections`](super::KernelNames::sections).
    pub sections: BTreeSet<String>,
}

impl Together {
    pub fn add(&mut self, template: &Template) {
        self.fields.extend(template.fields.iter().map(|field| field.name.clone()));
        self.types.extend(template.names.types.iter().cloned());
        self.sections.extend(template.names.sections.iter().cloned());
    }
}

/// Writes the index of these objects, each by the name of its file without extension.
///
/// # Errors
/// If an object does not describe itself completely.
pub fn write(objects: &[(&str, &'static [u8])]) -> Result<String, DescribeError> {
    let mut together = Together::default();
    let mut lines = String::new();
    for (stem, bytes) in objects {
        let template = super::describe::describe(stem, super::Object::Given((*bytes).into()))?;
        together.add(&template);
        let entry = Entry { stem: (*stem).to_owned(), hash: hash(bytes), template };
        push(&mut lines, stem, &entry)?;
    }
    let mut text = String::new();
    push(&mut text, "the index", &together)?;
    text.push_str(&lines);
    Ok(text)
}

fn push(text: &mut String, stem: &str, line: &impl Serialize) -> Result<(), DescribeError> {
    let line = serde_json::to_string(line)
        .map_err(|error| DescribeError { object: stem.to_owned(), reason: error.to_string() })?;
    text.push_str(&line);
    text.push('\n');
    Ok(())
}

/// Reads the line of a template.
///
/// # Errors
/// If it is not as [`write()`] writes it.
pub(super) fn read(line: &[u8]) -> Result<Template, serde_json::Error> {
    serde_json::from_slice::<Entry>(line).map(|entry| entry.template)
}
