//! The scripts that paths name: files as they are, and what a directory has.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Ends the name of a script in a directory.
const SUFFIX: &str = "rhai";
/// Directories in directories; more is a loop of mounts.
const DEPTH: usize = 32;

/// Why a path gives no scripts.
#[derive(Debug, thiserror::Error)]
pub enum ScriptsError {
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{} has no scripts in it\nallowed: a script, or a directory with files that end in .rhai", .0.display())]
    Empty(PathBuf),
}

/// Returns the scripts of these paths, each once, sorted by name within a directory. Hidden files and directories, and directories
/// that a link leads to, are left out.
///
/// # Errors
/// If a path is not there or cannot be read, or a directory has none.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ScriptsError> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let meta =
            fs::metadata(path).map_err(|error| ScriptsError::Unreadable { path: path.clone(), error })?;
        let mut here = Vec::new();
        if meta.is_dir() {
            search(path, DEPTH, &mut here)?;
            if here.is_empty() {
                return Err(ScriptsError::Empty(path.clone()));
            }
        } else {
            here.push(path.clone());
        }
        for script in here {
            if !found.contains(&script) {
                found.push(script);
            }
        }
    }
    Ok(found)
}

fn search(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), ScriptsError> {
    let failed = |error| ScriptsError::Unreadable { path: directory.to_owned(), error };
    let mut entries =
        fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(failed)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            if depth > 0 {
                search(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_its_scripts_in_order_and_nothing_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("sub")).unwrap();
        fs::create_dir_all(at(".git")).unwrap();
        for name in ["b.rhai", "a.rhai", "sub/c.rhai", ".git/d.rhai", ".hidden.rhai", "README.md"] {
            fs::write(at(name), "").unwrap();
        }
        let found = find(&[directory.path().to_owned(), at("a.rhai")]).unwrap();
        assert_eq!(found, [at("a.rhai"), at("b.rhai"), at("sub/c.rhai")]);
    }

    #[test]
    fn a_directory_without_scripts_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = find(&[directory.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains("has no scripts in it"), "{error}");
        assert!(matches!(find(&["/no/such".into()]), Err(ScriptsError::Unreadable { .. })));
    }
}
