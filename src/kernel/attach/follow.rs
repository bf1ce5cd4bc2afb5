//! Files that a script names: what a name leads to is looked at again and again.
//!
//! In: a path as the script has it. Out: the file behind it as the kernel knows it, and those that were behind it
//! before and still matter. Nothing here opens a file for reading: `stat(2)` and `O_PATH` run no hook.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    kernel::{
        KernelError,
        attach::identity::{Identities, Identity},
        load::loader::KernelTypes,
    },
    raw,
};

/// Former files of one name that are kept, each with a descriptor.
const MOST_FORMER: usize = 64;

/// A file by its name.
#[derive(Debug)]
pub struct NamedFile {
    /// As the script has it.
    pub path: String,
    pub now: Option<Identity>,
    /// Which it was before, the latest last.
    pub former: Vec<Identity>,
}

/// What has happened to the file of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Gone,
    /// There was none, and there is one.
    Made,
    /// Another file has its place.
    Replaced,
    /// A symbolic link on the way leads elsewhere: to this path.
    LeadsTo(PathBuf),
    /// So many were replaced that the first is not looked at any more.
    Forgotten,
}

impl NamedFile {
    /// The files behind the names, at this moment.
    ///
    /// # Errors
    /// If one cannot be looked at.
    pub fn of(
        identities: &Identities,
        btf: &'static KernelTypes,
        paths: &[String],
    ) -> Result<Vec<NamedFile>, KernelError> {
        let found = identities.of_each(btf, paths)?;
        let file = |(path, now): (&String, _)| NamedFile { path: path.clone(), now, former: Vec::new() };
        Ok(paths.iter().zip(found).map(file).collect())
    }

    /// Whether another file is behind the name than when it was looked at last, or none any more.
    pub fn has_changed(&self) -> bool {
        match (&self.now, fs::metadata(raw::os(&self.path))) {
            (Some(known), Ok(found)) => !known.is(&found),
            (Some(_), Err(_)) => true,
            (None, found) => found.is_ok(),
        }
    }

    /// Takes note of what is behind the name now.
    pub fn turn_to(&mut self, now: Option<Identity>) -> Option<Change> {
        let former = std::mem::replace(&mut self.now, now);
        let (Some(former), now) = (former, &self.now) else {
            return now_made(&self.now);
        };
        let same = now.as_ref().is_some_and(|now| (now.device, now.inode) == (former.device, former.inode));
        if same {
            return None;
        }
        let elsewhere = now.as_ref().filter(|now| now.resolved != former.resolved);
        let change = match elsewhere {
            Some(now) => Change::LeadsTo(now.resolved.clone()),
            None if now.is_some() => Change::Replaced,
            None => Change::Gone,
        };
        self.former.push(former);
        if self.former.len() > MOST_FORMER {
            self.former.remove(0);
            return Some(Change::Forgotten);
        }
        Some(change)
    }

    /// Keeps only those of the former files for which this holds; whether any was dropped.
    pub fn retain_former(&mut self, keep: impl Fn(&Identity) -> bool) -> bool {
        let before = self.former.len();
        self.former.retain(keep);
        self.former.len() != before
    }
}

fn now_made(now: &Option<Identity>) -> Option<Change> {
    now.as_ref().map(|_| Change::Made)
}

/// Whether a former file of a `path` still is what the script meant: it has a name, and not the one that a link has
/// turned away from.
pub fn was_moved(former: &Identity) -> bool {
    former.has_a_name() && !fs::metadata(&former.resolved).is_ok_and(|found| former.is(&found))
}

/// The executables of all processes, as `stat(2)` has them.
pub fn running() -> HashSet<(u64, u64)> {
    let Ok(processes) = fs::read_dir("/proc") else { return HashSet::new() };
    let is_process = |name: &OsString| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    processes
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(is_process)
        .filter_map(|name| fs::metadata(Path::new("/proc").join(name).join("exe")).ok())
        .map(|found| stamp(&found))
        .collect()
}

/// What tells a file from every other as long as it is open.
pub fn stamp(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

/// What the kernel will call a path whose last part need not exist: with what links there are on the way followed.
pub fn with_links_followed(path: &str) -> Option<PathBuf> {
    let path = raw::os(path);
    let path = Path::new(&path);
    let parent = path.parent()?.canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

/// The same of a prefix: its directory is what exists.
pub fn prefix_with_links_followed(prefix: &str) -> Option<String> {
    let (directory, rest) = prefix.rsplit_once('/')?;
    let directory = raw::os(if directory.is_empty() { "/" } else { directory });
    let directory = raw::from_os(Path::new(&directory).canonicalize().ok()?);
    Some(format!("{}/{rest}", if directory == "/" { "" } else { &directory }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_on_the_way_is_followed_and_the_last_part_need_not_exist() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        fs::create_dir(real.join("real")).unwrap();
        std::os::unix::fs::symlink("real", real.join("link")).unwrap();
        let through = format!("{}/link/file", real.display());
        assert_eq!(with_links_followed(&through), Some(real.join("real/file")));
        assert_eq!(prefix_with_links_followed(&through), Some(format!("{}/real/file", real.display())));
        let whole = format!("{}/link/", real.display());
        assert_eq!(prefix_with_links_followed(&whole), Some(format!("{}/real/", real.display())));
        assert_eq!(with_links_followed("/no/such/directory/x"), None);
        assert_eq!(prefix_with_links_followed("/x"), Some("/x".into()));
    }

    #[test]
    fn this_program_is_among_those_that_run() {
        let own = fs::metadata("/proc/self/exe").unwrap();
        assert!(running().contains(&stamp(&own)));
    }
}
