//! Reports in files, for commands whose result is a run of checks.

use std::{io, path::PathBuf};

use super::complain;
use crate::{
    check::Run,
    exit,
    report::{Document, Look},
    system,
};

/// Where a report goes, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    document: Document,
    path: PathBuf,
}

/// Reads `--output`: a file whose end says in which format, or FORMAT:FILE.
///
/// # Errors
/// If it says none.
pub fn output(word: &str) -> Result<Output, String> {
    if let Some((format, path)) = word.split_once(':')
        && let Some(document) = Document::from_name(format)
    {
        return Ok(Output { document, path: path.into() });
    }
    let document = Document::of_file(word).ok_or_else(|| {
        let ends: Vec<_> = Document::ALL.iter().flat_map(|document| document.suffixes()).copied().collect();
        let names: Vec<_> = Document::ALL.iter().map(|document| document.name()).collect();
        format!(
            "the end of `{word}` tells no format; allowed: {}; or FORMAT:FILE with {}",
            ends.join(" "),
            names.join(", ")
        )
    })?;
    Ok(Output { document, path: word.into() })
}

/// Writes a run into each file; gives the exit code, which is no success if one could not be written.
#[must_use]
pub fn write_all(outputs: &[Output], run: &Run, command: &str) -> i32 {
    let mut code = exit::FINE;
    for Output { document, path } in outputs {
        if let Err(error) = to_file(*document, run, path) {
            complain(format_args!("{command}: cannot write {}: {error}", path.display()));
            code = exit::ENVIRONMENT;
        }
    }
    code
}

fn to_file(document: Document, run: &Run, path: &std::path::Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    document.write(run, Look { all: true, ..Look::default() }, &mut bytes)?;
    system::whole_file::write(path, &bytes)
}
