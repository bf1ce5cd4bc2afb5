//! The tree of cgroups, version 2.

use std::{cell::RefCell, collections::HashMap, ffi::OsString, os::unix::fs::MetadataExt};

use super::{FactError, Reader, error::if_there, record::record};
use crate::raw;

/// Deeper and more than any system has.
const DEEPEST: usize = 64;
const MOST: usize = 100_000;

record! {
    /// One cgroup.
    Cgroup {
        /// From the top of the tree, `/` for the top itself.
        path: String,
        /// Processes that are in it, and not in one below.
        pids: Vec<u32>,
        /// Whether there are processes in it or below.
        populated: bool,
        /// Whether its processes are held; `()` for the top.
        frozen: Option<bool>,
        /// Controllers that work in it.
        controllers: Vec<String>,
        /// Bytes of memory used; `()` without that controller.
        memory: Option<u64>,
        /// Most bytes of memory; `()` without a limit.
        memory_max: Option<u64>,
        /// Most processes; `()` without a limit.
        pids_max: Option<u64>,
    }
}

const TOP: &str = "/sys/fs/cgroup";

/// # Errors
/// If version 2 is not mounted there.
pub fn cgroups(reader: Reader<'_>) -> Result<Vec<Cgroup>, FactError> {
    let mut found = Vec::new();
    walk(reader, &mut |path| {
        let pids = numbers(reader, path);
        let file = |name: &str| reader.root().line(at(path, name)).ok();
        let events = reader.root().text(at(path, "cgroup.events")).ok();
        let event = |name: &str| {
            events.as_ref()?.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim() == "1")
        };
        let controllers = file("cgroup.controllers").unwrap_or_default();
        found.push(Cgroup {
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            populated: event("populated ").unwrap_or(!pids.is_empty() || path.is_empty()),
            frozen: event("frozen "),
            controllers: controllers.split_whitespace().map(str::to_owned).collect(),
            memory: file("memory.current").and_then(|text| text.parse().ok()),
            memory_max: file("memory.max").and_then(|text| text.parse().ok()),
            pids_max: file("pids.max").and_then(|text| text.parse().ok()),
            pids,
        });
    })?;
    Ok(found)
}

/// Where a file of a cgroup is.
fn at(path: &str, name: &str) -> OsString {
    raw::os(&format!("{TOP}{path}/{name}"))
}

/// Returns the processes that are in a cgroup.
pub fn numbers(reader: Reader<'_>, path: &str) -> Vec<u32> {
    let text = reader.root().text(at(path, "cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Returns the path of the cgroup that has this id, the inode of its directory; `None` if it is gone. What was found once
/// is looked at first.
///
/// # Errors
/// If version 2 is not mounted there.
pub fn path_of(reader: Reader<'_>, id: u64) -> Result<Option<String>, FactError> {
    thread_local! {
        static FOUND: RefCell<HashMap<u64, String>> = RefCell::default();
    }
    let is_it = |path: &str| {
        let place = reader.root().locate(at(path, ""), super::root::Links::Followed);
        place.and_then(std::fs::metadata).is_ok_and(|found| found.ino() == id)
    };
    let known = FOUND.with_borrow(|found| found.get(&id).cloned());
    if let Some(path) = known.filter(|path| is_it(path)) {
        return Ok(Some(if path.is_empty() { "/".to_owned() } else { path }));
    }
    let mut found = None;
    walk(reader, &mut |path| {
        if found.is_none() && is_it(path) {
            found = Some(path.to_owned());
        }
    })?;
    let Some(path) = found else { return Ok(None) };
    FOUND.with_borrow_mut(|found| {
        if found.len() >= MOST {
            found.clear();
        }
        found.insert(id, path.clone());
    });
    Ok(Some(if path.is_empty() { "/".to_owned() } else { path }))
}

/// Calls `each` with the path of every cgroup, from the top down.
///
/// # Errors
/// If version 2 is not mounted there.
pub fn walk(reader: Reader<'_>, each: &mut dyn FnMut(&str)) -> Result<(), FactError> {
    if !reader.root().has(format!("{TOP}/cgroup.controllers")) {
        return Err(FactError::system(
            "cannot list cgroups: no cgroup file system of version 2 at /sys/fs/cgroup",
        ));
    }
    let mut waiting = vec![(String::new(), 0)];
    let mut seen = 0;
    while let Some((path, depth)) = waiting.pop() {
        reader.check()?;
        each(&path);
        seen += 1;
        if seen > MOST {
            return Err(FactError::system("there are more than 100 000 cgroups"));
        }
        let place = at(&path, "");
        // One that is removed meanwhile has nothing below.
        let entries = if_there(
            &place,
            reader.root().locate(&place, super::root::Links::Followed).and_then(std::fs::read_dir),
        )?;
        let directories = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut below: Vec<_> =
            directories.map(|entry| format!("{path}/{}", raw::from_os(entry.file_name()))).collect();
        below.sort_unstable_by(|a, b| b.cmp(a));
        if depth < DEEPEST {
            waiting.extend(below.into_iter().map(|path| (path, depth + 1)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{
        Facts,
        testing::{MadeUp, reader, told},
    };

    #[test]
    fn a_made_up_tree_is_read_from_the_top_down() {
        let made = MadeUp::new(&[
            ("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
            ("/sys/fs/cgroup/cgroup.procs", "1\n2\n"),
            ("/sys/fs/cgroup/b/cgroup.procs", ""),
            ("/sys/fs/cgroup/b/c/cgroup.procs", "7\n"),
            ("/sys/fs/cgroup/b/c/cgroup.events", "populated 1\nfrozen 1\n"),
            ("/sys/fs/cgroup/b/c/memory.max", "max\n"),
            ("/sys/fs/cgroup/b/c/pids.max", "5\n"),
        ]);
        made.link("/sys/fs/cgroup/b/c/up", "../..");
        let found = cgroups(made.reader()).unwrap();
        assert_eq!(found.iter().map(|c| &*c.path).collect::<Vec<_>>(), ["/", "/b", "/b/c"]);
        assert_eq!((found[2].frozen, found[2].memory_max, found[2].pids_max), (Some(true), None, Some(5)));
        assert_eq!((&found[0].pids, found[0].frozen, found[1].populated), (&vec![1, 2], None, false));
        assert!(cgroups(MadeUp::new(&[]).reader()).is_err());
        let id = |path: &str| std::fs::metadata(made.at(path)).unwrap().ino();
        for _ in 0..2 {
            let found = path_of(made.reader(), id("/sys/fs/cgroup/b/c")).unwrap();
            assert_eq!(found.as_deref(), Some("/b/c"));
        }
        assert_eq!(path_of(made.reader(), id("/sys/fs/cgroup")).unwrap().as_deref(), Some("/"));
        assert_eq!(path_of(made.reader(), u64::MAX).unwrap(), None);
    }

    #[test]
    fn they_are_those_that_find_lists() {
        let facts = Facts::default();
        let Ok(found) = cgroups(reader(&facts)) else {
            eprintln!("skipped: no cgroup file system of version 2 here");
            return;
        };
        let Some(text) = told("find", &["/sys/fs/cgroup", "-type", "d"]) else { return };
        // One may come or go in between.
        assert!(text.lines().count().abs_diff(found.len()) <= 2);
    }
}
