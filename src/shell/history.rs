//! What was typed before, in this session and in earlier ones.
//!
//! Entries lie in the XDG state directory, for their owner alone, and lines that
//! begin with a space are not kept. Each is stored as it was meant; what the
//! editor is shown has the margins of its further lines.

use std::{
    borrow::Cow,
    env, fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use rustyline::{
    Config, Result,
    history::{FileHistory, History, SearchDirection, SearchResult},
};

use super::{
    margin,
    recall::{Recall, Shown},
};

/// The history's file.
#[must_use]
pub fn path() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("krsi-sh/history"))
}

/// Makes sure that the file can be used: the directory is there, and if the file is,
/// it is a plain one and ours. What another user put there is neither read nor
/// written, whatever the privilege.
///
/// # Errors
/// Why not.
pub fn usable(path: &Path) -> std::result::Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(told)?;
    }
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => Err(format!("{} is not a plain file", path.display())),
        Ok(meta) if meta.uid() != geteuid().as_raw() => {
            Err(format!("{} belongs to another user", path.display()))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(told(error)),
    }
}

/// The editor's view of the history.
pub struct Shelf {
    entries: FileHistory,
    recall: Recall,
}

impl Shelf {
    #[must_use]
    pub fn new(config: &Config, recall: Recall) -> Self {
        Shelf { entries: FileHistory::with_config(config), recall }
    }

    /// A step's outcome as the editor takes it. The place it is given is none of an entry's, since at the first and
    /// behind the last one it would ask no more.
    fn walked(&self, shown: Shown) -> SearchResult<'_> {
        match shown {
            Shown::Entry(entry) => {
                SearchResult { pos: entry.len(), entry: Cow::Owned(entry), idx: self.len() + 1 }
            }
            Shown::Typed(line, pos) => SearchResult { entry: Cow::Owned(line), idx: self.len(), pos },
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.entries.iter()
    }
}

/// An entry as the editor shows it; `pos` moves with its place in the text.
fn with_margins(found: SearchResult<'_>) -> SearchResult<'_> {
    if !found.entry.contains('\n') {
        return found;
    }
    let pos = found.entry.get(..found.pos).map_or(0, |before| margin::add(before).len());
    let entry = Cow::Owned(margin::add(&found.entry).into_owned());
    SearchResult { entry, pos, ..found }
}

impl History for Shelf {
    fn get(&self, index: usize, direction: SearchDirection) -> Result<Option<SearchResult<'_>>> {
        Ok(self.entries.get(index, direction)?.map(with_margins))
    }

    fn add(&mut self, line: &str) -> Result<bool> {
        self.entries.add_owned(margin::strip(line))
    }

    fn add_owned(&mut self, line: String) -> Result<bool> {
        self.add(&line)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn set_max_len(&mut self, len: usize) -> Result<()> {
        self.entries.set_max_len(len)
    }

    fn ignore_dups(&mut self, yes: bool) -> Result<()> {
        self.entries.ignore_dups(yes)
    }

    fn ignore_space(&mut self, yes: bool) {
        self.entries.ignore_space(yes);
    }

    fn save(&mut self, path: &Path) -> Result<()> {
        self.entries.save(path)
    }

    fn append(&mut self, path: &Path) -> Result<()> {
        self.entries.append(path)
    }

    fn load(&mut self, path: &Path) -> Result<()> {
        self.entries.load(path)
    }

    fn clear(&mut self) -> Result<()> {
        self.entries.clear()
    }

    fn search(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> Result<Option<SearchResult<'_>>> {
        Ok(self.entries.search(&margin::strip(term), start, direction)?.map(with_margins))
    }

    fn starts_with(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> Result<Option<SearchResult<'_>>> {
        // A key's step, else the hint's question.
        match self.recall.take(|| self.entries.iter().collect()) {
            Some(shown) => Ok(Some(self.walked(shown))),
            None => {
                let start = start.min(self.len().saturating_sub(1));
                Ok(self.entries.starts_with(&margin::strip(term), start, direction)?.map(with_margins))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_several_lines_is_shown_with_margins_and_kept_without() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        let mut shelf = Shelf::new(&Config::default(), Recall::default());
        let typed = format!("if x {{{}y }}", margin::newline());
        assert!(shelf.add(&typed).unwrap());
        assert_eq!(shelf.get(0, SearchDirection::Forward).unwrap().unwrap().entry, typed);
        let found = shelf.search("y", 0, SearchDirection::Reverse).unwrap().unwrap();
        assert_eq!(&found.entry[found.pos..], "y }");
        let found =
            shelf.starts_with(&typed[..typed.len() - 3], 0, SearchDirection::Reverse).unwrap().unwrap();
        assert_eq!(&found.entry[found.pos..], "y }");
        shelf.append(&path).unwrap();

        let mut later = Shelf::new(&Config::default(), Recall::default());
        later.load(&path).unwrap();
        assert_eq!(later.iter().collect::<Vec<_>>(), ["if x {\ny }"]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_plain_file_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/krsi-sh/history");
        assert_eq!(usable(&path), Ok(()));
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(usable(&path).unwrap_err().contains("not a plain file"));
    }
}
