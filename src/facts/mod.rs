//! What there is on this system: the kernel, mounts, processes, sockets, users, packages, files … as typed records.
//!
//! In: a [`Root`], `/` or a directory laid out like one, through which every path goes. Out: records whose fields carry
//! their documentation, or a [`FactError`] with its cause. What is missing is `None`, what cannot be told is an error;
//! neither is ever taken for the other. Nothing here changes anything, and nothing here knows scripts: `script/api/facts`
//! turns records into maps.
//!
//! ```text
//! table    each fact without arguments: name, help, fields, how it is read
//! record   fields with their documentation
//! root     where paths lead
//! error    why a fact cannot be had
//! ```
//!
//! A domain has one file. Names are bytes, whoever made them: files are read as bytes, up to 16 MiB, and become text by
//! [`crate::raw`], which loses none.

pub mod accounts;
pub mod bpf;
pub mod cgroups;
pub mod checksum;
mod cron;
mod error;
pub mod file;
pub mod files;
mod format;
pub mod kernel;
mod modules;
mod mounts;
mod namespaces;
pub mod packages;
mod pam;
mod processes;
mod program;
mod record;
pub mod root;
mod sockets;
mod ssh;
pub mod sysctl;
mod systemd;
mod table;

use std::cell::RefCell;

pub use self::{
    error::{FactError, Whose, why},
    record::{Field, Record},
    root::Root,
    table::{FACTS, Fact, Many, help},
};

/// What a session reads facts with: its root, and what it has read that still holds.
#[derive(Debug, Default)]
pub struct Facts {
    pub root: Root,
    accounts: RefCell<accounts::Cache>,
    packages: RefCell<packages::Cache>,
    checksums: RefCell<checksum::Cache>,
}

/// One reading.
#[derive(Clone, Copy)]
pub struct Reader<'r> {
    pub facts: &'r Facts,
    /// Whether to go on: asked by what takes long.
    pub go_on: &'r dyn Fn() -> bool,
}

impl Facts {
    /// Makes one that reads from this root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Facts { root, ..Facts::default() }
    }
}

impl<'r> Reader<'r> {
    fn root(&self) -> &'r Root {
        &self.facts.root
    }

    /// # Errors
    /// If the session is to end.
    fn check(&self) -> Result<(), FactError> {
        if (self.go_on)() { Ok(()) } else { Err(FactError::stopped()) }
    }
}

#[cfg(test)]
mod testing {
    //! Made-up roots.

    use std::{fs, path::Path};

    use super::{Facts, Reader, Root};

    /// A root with these files in it.
    pub struct MadeUp {
        pub directory: tempfile::TempDir,
        pub facts: Facts,
    }

    impl MadeUp {
        pub fn new(files: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let facts = Facts::new(Root::new(directory.path()));
            let made = MadeUp { directory, facts };
            files.iter().for_each(|(path, text)| made.file(path, text));
            made
        }

        pub fn file(&self, path: &str, text: impl AsRef<[u8]>) {
            let place = self.at(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }

        pub fn at(&self, path: &str) -> std::path::PathBuf {
            self.directory.path().join(path.trim_start_matches('/'))
        }

        pub fn link(&self, path: &str, target: impl AsRef<Path>) {
            let place = self.at(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, place).unwrap();
        }

        pub fn reader(&self) -> Reader<'_> {
            reader(&self.facts)
        }
    }

    pub fn reader(facts: &Facts) -> Reader<'_> {
        Reader { facts, go_on: &|| true }
    }

    /// What a program of this system says; `None`, with the reason on standard error, if it is not there.
    pub fn told(program: &str, arguments: &[&str]) -> Option<String> {
        match std::process::Command::new(program).args(arguments).env("LC_ALL", "C").output() {
            Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(error) => {
                eprintln!("skipped: {program}: {error}");
                None
            }
        }
    }
}
