//! Files that a script names: what a name leads to is looked at again and again.
//!
//! In: a path as the script has it. Out: the file behind it as the kernel knows it, and those that were behind it
//! before and still matter. Nothing here opens a file for reading: `stat(2)` and `O_PATH` run no hook.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    kernel::{
        KernelError,
        names::{
            identity::{self, Identity, stamp},
            iterators::Iterators,
        },
    },
    raw,
};

/// Previous files of one name that are kept, each with a descriptor.
const MOST_PREVIOUS: usize = 64;

/// A file by its name.
#[derive(Debug)]
pub struct NamedFile {
    /// As the script has it.
    pub path: String,
    pub now: Option<Identity>,
    /// Those it led to before, the latest last.
    pub previous: Vec<Identity>,
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
    pub fn of(iterators: &Iterators, paths: &[String]) -> Result<Vec<NamedFile>, KernelError> {
        let found = identity::of_each(iterators, paths)?;
        let file = |(path, now): (&String, _)| NamedFile { path: path.clone(), now, previous: Vec::new() };
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
        let previous = std::mem::replace(&mut self.now, now);
        let (Some(previous), now) = (previous, &self.now) else {
            return now_made(&self.now);
        };
        let same =
            now.as_ref().is_some_and(|now| (now.device, now.inode) == (previous.device, previous.inode));
        if same {
            return None;
        }
        let elsewhere = now.as_ref().filter(|now| now.resolved != previous.resolved);
        let change = match elsewhere {
            Some(now) => Change::LeadsTo(now.resolved.clone()),
            None if now.is_some() => Change::Replaced,
            None => Change::Gone,
        };
        self.previous.push(previous);
        if self.previous.len() > MOST_PREVIOUS {
            self.previous.remove(0);
            return Some(Change::Forgotten);
        }
        Some(change)
    }

    /// Keeps only those of the previous files for which this holds.
    pub fn retain_previous(&mut self, keep: impl Fn(&Identity) -> bool) {
        self.previous.retain(keep);
    }
}

fn now_made(now: &Option<Identity>) -> Option<Change> {
    now.as_ref().map(|_| Change::Made)
}

/// Whether a previous file of a `path` still is what the script meant: it has a name, and not the one that a link has
/// turned away from.
pub fn was_moved(previous: &Identity) -> bool {
    previous.has_a_name() && !fs::metadata(&previous.resolved).is_ok_and(|found| previous.is(&found))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_among_those_that_run() {
        let own = fs::metadata("/proc/self/exe").unwrap();
        assert!(running().contains(&stamp(&own)));
    }
}
