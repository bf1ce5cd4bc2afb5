//! One JSON document: the sum of the run, and its checks in `results`.

use std::io::{self, Write};

use super::{Look, clean, ndjson};
use crate::check::Run;

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, _: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut document = ndjson::sum(run);
    document["results"] = serde_json::to_value(&run.finished)?;
    writeln!(out, "{}", clean::document(&document))
}
