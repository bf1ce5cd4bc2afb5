//! Every file that a script imports, and those import, without anything of them being evaluated.

use super::{DEPTH, Found, Imports, MOST, NotFound, Scan, is_concerned};
use crate::script::Source;

/// One import that was followed.
#[derive(Debug, Clone)]
pub struct Import {
    /// As the text names it.
    pub path: String,
    /// The key of the file whose text names it; `None`: the script itself.
    pub of: Option<String>,
    pub found: Found,
}

/// What cannot be imported, and by which text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} imports {path:?}: {why}")]
pub struct GatherError {
    name: String,
    path: String,
    why: String,
}

/// Gives the imports of a script and of what it imports, each once. A text that does not parse is followed as far as it does: whoever runs it
/// says what is wrong.
///
/// # Errors
/// If something cannot be imported.
pub fn gather(source: &Source, imports: &Imports) -> Result<Vec<Import>, GatherError> {
    let mut all: Vec<Import> = Vec::new();
    let mut open = vec![(source.clone(), None::<String>, 0)];
    while let Some((source, of, depth)) = open.pop() {
        if !is_concerned(&source.text) {
            continue;
        }
        let Ok(scan) = Scan::of(&source.text) else { continue };
        for statement in scan.statements {
            let failed = |NotFound { text, advice }: NotFound| GatherError {
                name: source.name.clone(),
                path: statement.path.clone(),
                why: advice.map_or(text.clone(), |advice| format!("{text}\nfix: {advice}")),
            };
            let found = imports.find(&statement.path, &source.name).map_err(failed)?;
            let is_known = all.iter().any(|import| import.found.key == found.key);
            let import = Import { path: statement.path.clone(), of: of.clone(), found };
            if !is_known && depth < DEPTH && all.len() < MOST {
                open.push((import.found.source.clone(), Some(import.found.key.clone()), depth + 1));
            }
            if all.len() < 4 * MOST {
                all.push(import);
            }
        }
    }
    Ok(all)
}
