//! Scripts by their names: which there are, and where.
//!
//! In: a name, such as `hunts/ld-preload`. Out: the file that has it. The user's own directory goes first, then the site's, then what
//! was installed with the program; of several files with one name the first counts. A file in the library is judged as any other
//! before it is run.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Component, Path, PathBuf},
};

use crate::values::nearest;

/// Names a directory that goes before all others, for who develops scripts.
pub const VARIABLE: &str = "KRSI_SH_SCRIPTS";
const SUFFIX: &str = "rhai";
/// Directories below each other that are looked into.
const DEPTH: usize = 3;

/// One script of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `hunts/ld-preload`
    pub name: String,
    pub path: PathBuf,
}

/// The directories in which scripts are looked for, in their order.
#[derive(Debug, Clone)]
pub struct Library {
    directories: Vec<PathBuf>,
    /// So many of them are the user's and the site's; the others come with a program.
    own: usize,
}

impl Library {
    /// Returns that of this process's user.
    #[must_use]
    pub fn of_this_user() -> Self {
        let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self::of(variable, env::current_exe().ok().as_deref())
    }

    pub(super) fn of(variable: impl Fn(&str) -> Option<PathBuf>, program: Option<&Path>) -> Self {
        let own = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        let own = own.map(|config| config.join("krsi-sh/scripts"));
        // PREFIX/bin/krsi-sh has its scripts in PREFIX/share.
        let installed = program.and_then(|program| Some(program.parent()?.parent()?.join("share/krsi-sh")));
        let usual =
            ["/etc/krsi-sh/scripts", "/usr/local/share/krsi-sh", "/usr/share/krsi-sh"].map(PathBuf::from);
        let [site, usual @ ..] = usual;
        let mut directories: Vec<PathBuf> = Vec::new();
        let mut add = |directory: PathBuf| {
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        };
        variable(VARIABLE).into_iter().chain(own).chain([site]).for_each(&mut add);
        let mut library = Library { own: directories.len(), directories };
        for directory in installed.into_iter().chain(usual) {
            if !library.directories.contains(&directory) {
                library.directories.push(directory);
            }
        }
        library
    }

    /// Those that are the user's and the site's.
    #[must_use]
    pub fn own_directories(&self) -> &[PathBuf] {
        &self.directories[..self.own]
    }

    /// Those of what was installed with a program.
    #[must_use]
    pub fn installed_directories(&self) -> &[PathBuf] {
        &self.directories[self.own..]
    }

    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Lists all of them by name. What cannot be looked into has none.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut found = BTreeMap::new();
        for directory in &self.directories {
            gather(directory, "", DEPTH, &mut found);
        }
        found.into_iter().map(|(name, path)| Entry { name, path }).collect()
    }

    /// Finds the one of this name: whole, or what stands behind its directory if no other has the same.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Entry> {
        if !is_name(name) {
            return None;
        }
        let entries = self.entries();
        let whole = entries.iter().find(|entry| entry.name == name);
        let mut short = entries.iter().filter(|entry| entry.name.rsplit('/').next() == Some(name));
        let short = short.next().filter(|_| short.next().is_none());
        whole.or(short).cloned()
    }

    /// Finds the name that this is a slip of.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<String> {
        let entries = self.entries();
        let short = |entry: &'_ Entry| entry.name.rsplit('/').next().unwrap_or_default().to_owned();
        let shorts: Vec<_> = entries.iter().map(short).collect();
        let names = entries.iter().map(|entry| entry.name.as_str());
        nearest(name, names.chain(shorts.iter().map(String::as_str))).map(str::to_owned)
    }
}

/// Whether a word can be a name of the library, and no path of somebody's.
pub(super) fn is_name(word: &str) -> bool {
    let path = Path::new(word);
    !word.is_empty()
        && !word.starts_with("./")
        && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Adds the scripts below a directory that no earlier one has.
fn gather(directory: &Path, before: &str, depth: usize, found: &mut BTreeMap<String, PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(stem) =
            path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| !stem.starts_with('.'))
        else {
            continue;
        };
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            found.entry(format!("{before}{stem}")).or_insert(path);
        } else if depth > 1 && path.is_dir() {
            gather(&path, &format!("{before}{stem}/"), depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> (tempfile::TempDir, Library) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("own/hunts/a.rhai", "own"),
            ("prefix/share/krsi-sh/hunts/a.rhai", "installed"),
            ("prefix/share/krsi-sh/hunts/b.rhai", ""),
            ("prefix/share/krsi-sh/checks/b.rhai", ""),
            ("prefix/share/krsi-sh/hunts/note.txt", ""),
        ] {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let own = directory.path().join("own");
        let program = directory.path().join("prefix/bin/krsi-sh");
        let library = Library::of(|name| (name == VARIABLE).then(|| own.clone()), Some(&program));
        (directory, library)
    }

    #[test]
    fn the_first_folder_that_has_a_name_counts() {
        let (_directory, library) = library();
        let names: Vec<_> = library.entries().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["checks/b", "hunts/a", "hunts/b"]);
        assert_eq!(fs::read_to_string(library.find("hunts/a").unwrap().path).unwrap(), "own");
    }

    #[test]
    fn a_short_name_is_enough_where_one_script_alone_has_it() {
        let (_directory, library) = library();
        assert_eq!(library.find("a").unwrap().name, "hunts/a");
        assert_eq!(library.find("b"), None);
        assert_eq!(library.find("hunts/b").unwrap().name, "hunts/b");
    }

    #[test]
    fn a_path_is_no_name() {
        let (_directory, library) = library();
        for word in ["", "./hunts/a", "/hunts/a", "../hunts/a", "hunts/../hunts/a", "hunts/c"] {
            assert_eq!(library.find(word), None, "{word}");
        }
    }

    #[test]
    fn folders_stand_in_their_order_and_once() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/root"));
        let library = Library::of(home, Some(Path::new("/usr/local/bin/krsi-sh")));
        let directories: Vec<_> =
            library.directories().iter().map(|directory| directory.to_str().unwrap()).collect();
        let expected = [
            "/root/.config/krsi-sh/scripts",
            "/etc/krsi-sh/scripts",
            "/usr/local/share/krsi-sh",
            "/usr/share/krsi-sh",
        ];
        assert_eq!(directories, expected);
    }
}
