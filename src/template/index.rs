//! What all templates say of themselves, written down when the objects were built, so that a start opens none of them.
//!
//! In: templates, read from their objects. Out: a text with a line for each (`ebpf-templates/objects/index.ndjson`, committed), and the
//! templates again. Each line has a hash of its object: build.rs leaves a stale index out of the binary, and then the
//! objects are read at the start; a test fails, too.

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

/// Writes the index of these objects, each by the name of its file without extension.
///
/// # Errors
/// If an object does not describe itself completely.
pub fn write(objects: &[(&str, &'static [u8])]) -> Result<String, DescribeError> {
    let mut text = String::new();
    for (stem, bytes) in objects {
        let template = super::describe::describe(stem, super::Object::Given((*bytes).into()))?;
        let entry = Entry { stem: (*stem).to_owned(), hash: hash(bytes), template };
        let line = serde_json::to_string(&entry)
            .map_err(|error| DescribeError { object: (*stem).to_owned(), reason: error.to_string() })?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// Reads an index: each template by the name of its object's file.
///
/// # Errors
/// If it is not as [`write()`] writes it.
pub(super) fn read(text: &[u8]) -> Result<Vec<(String, Template)>, serde_json::Error> {
    let lines = serde_json::Deserializer::from_slice(text).into_iter::<Entry>();
    lines.map(|entry| entry.map(|entry| (entry.stem, entry.template))).collect()
}
