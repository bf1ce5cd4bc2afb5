//! The start-up file: a script that is evaluated before the first prompt.
//!
//! It runs as whoever runs the shell, which is mostly root; so it has to pass the
//! same checks as every script ([`source::file`]).

use std::{env, path::PathBuf};

use crate::{
    script::Source,
    source::{self, SourceError},
};

/// Where it is looked for.
fn path() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("krsi-sh/init.rhai"))
}

/// The start-up file, if there is one.
///
/// # Errors
/// Why it is there and not evaluated.
pub fn read() -> Result<Option<Source>, String> {
    let Some(path) = path() else { return Ok(None) };
    match source::file(&path) {
        Ok(source) => Ok(Some(source)),
        Err(SourceError::Missing { .. }) => Ok(None),
        Err(error) => Err(format!("the start-up file is not evaluated (--no-init leaves it out): {error}")),
    }
}
