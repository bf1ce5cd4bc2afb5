//! Where a script's text comes from: a file, standard input, the command line.
//!
//! In: a path, or nothing. Out: a [`Source`] whose text is whole, UTF-8, and
//! safe to run. Scripts run with privilege: a file that another user could have
//! written, or put there, is refused then, as cron, sudo and sshd do. That is checked on the opened
//! descriptor, so that what is checked is what is read.
//!
//! Root counts as an owner then, and the user itself where it has capabilities without being root. `$SUDO_UID` names who typed `sudo`, but it
//! is a word of the environment, and a rule that lets that user run one script
//! as root would let them run any.

pub mod imports;
pub mod library;
mod shipped;
mod trust;

use std::{
    env,
    fs::{self, File},
    io::{self, Read},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use self::trust::{Distrust, Owners};
use crate::{
    raw,
    report::{printable, quoted},
    script::Source,
};

/// The largest script; more is a mistake, or a device without an end.
pub const LIMIT: u64 = 4 << 20;

/// Why there is no text, or none to run.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("there is no script `{path}`\nfix: name an existing file; relative paths start at {directory}", path = shown(.path), directory = .directory.display())]
    Missing { path: PathBuf, directory: PathBuf },
    #[error("there is no directory `{path}` with templates\nfix: name an existing one; relative paths start at {directory}", path = shown(.path), directory = .directory.display())]
    NoTemplates { path: PathBuf, directory: PathBuf },
    #[error("cannot read {name}: {error}")]
    Unreadable { name: String, error: io::Error },
    #[error("{name} is a directory\nfix: name a file in it")]
    Directory { name: String },
    #[error("{name} is not a regular file\nfix: import a file")]
    NotRegular { name: String },
    #[error("{name} leads to {}, which is outside of {}\nfix: put the file itself there", shown(.leads_to), shown(.directory))]
    LeadsOut { name: String, leads_to: PathBuf, directory: PathBuf },
    #[error("{name} is too large: more than {} MiB", LIMIT >> 20)]
    TooLarge { name: String },
    #[error(
        "{name} is not UTF-8 text: line {line} has other bytes\nfix: name a file of Rhai code, and save it as UTF-8"
    )]
    NotText { name: String, line: usize },
    #[error(
        "{name} belongs to user id {owner}, and what runs {}\n\
         cause: its owner could put anything into it\n\
         fix: read it, then: chown root:root {path}; or rehearse it: krsi-sh lab {path}",
        must_belong(*.owners),
        path = word(.path)
    )]
    ForeignOwner { name: String, path: PathBuf, owner: u32, owners: Owners },
    #[error(
        "{name} can be written by {who}, and what runs as root must not be (mode {mode:04o})\n\
         cause: they could put anything into it\n\
         fix: read it, then: chmod go-w {path}; or rehearse it: krsi-sh lab {path}",
        path = word(.path)
    )]
    Writable { name: String, path: PathBuf, who: String, mode: u32 },
    #[error(
        "{name}: the directory {} on the way to it {}, and what runs with privilege must not be replaced\n\
         cause: they could put another file in its place\n\
         fix: read it, then copy it to a directory that only root writes to, such as /root; or rehearse it: krsi-sh lab {path}",
        shown(.directory),
        in_words(.why),
        path = word(.path)
    )]
    Replaceable { name: String, path: PathBuf, directory: PathBuf, why: Distrust },
}

fn must_belong(owners: Owners) -> String {
    match owners {
        Owners::Root => "as root must belong to root".into(),
        Owners::RootAnd(user) => format!("with capabilities must belong to root or to user id {user}"),
    }
}

fn in_words(why: &Distrust) -> String {
    match why {
        Distrust::Owner(owner) => format!("belongs to user id {owner}"),
        Distrust::Writer { who, mode } => format!("can be written by {who} (mode {mode:04o})"),
    }
}

/// Reads a script file.
///
/// # Errors
/// If it cannot be read, is no text, or, run as root, is not root's alone.
pub fn file(path: &Path) -> Result<Source, SourceError> {
    let name = format!("script `{}`", shown(path));
    let unreadable = |error: io::Error| SourceError::Unreadable { name: name.clone(), error };
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path: path.into(), directory: here() },
        _ => unreadable(error),
    })?;
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(SourceError::Directory { name });
    }
    check_trust(path, &name, &file)?;
    Ok(Source { name: shown(path), text: text(file, &name)? })
}

/// Whether it matters who else can have written a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    AsScripts,
    /// It is only taken to where it does no harm.
    NotAtAll,
}

/// Reads a file that a script imports, which has to stand in `directory` or below wherever links lead to. Gives where it stands, too.
///
/// # Errors
/// As [`file`]; and if it is not regular, or stands elsewhere.
pub fn imported_file(
    path: &Path,
    directory: &Path,
    judged: Judged,
) -> Result<(Source, PathBuf), SourceError> {
    let name = format!("import `{}`", shown(path));
    let unreadable = |error: io::Error| SourceError::Unreadable { name: name.clone(), error };
    // Nothing that somebody may have put there keeps the opening waiting.
    let mut options = fs::OpenOptions::new();
    let options = options.read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC);
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path: path.into(), directory: here() },
        _ => unreadable(error),
    })?;
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(SourceError::Directory { name });
    }
    if !meta.is_file() {
        return Err(SourceError::NotRegular { name });
    }
    let stands = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(unreadable)?;
    let directory = fs::canonicalize(directory).map_err(unreadable)?;
    if !stands.starts_with(&directory) {
        return Err(SourceError::LeadsOut { name, leads_to: stands, directory });
    }
    if judged == Judged::AsScripts {
        check_trust(path, &name, &file)?;
    }
    Ok((Source { name: shown(path), text: text(file, &name)? }, stands))
}

/// Reads a script from standard input. Whoever started this process chose what
/// that is, so nothing but its form is checked.
///
/// # Errors
/// If it cannot be read, or is no text.
pub fn standard_input() -> Result<Source, SourceError> {
    Ok(Source { name: "-".to_owned(), text: text(io::stdin().lock(), "standard input")? })
}

/// Reads the objects of templates in a directory, sorted by their names: each file's name without `.bpf.o`, and its bytes.
///
/// # Errors
/// If the directory or an object cannot be read, or, run as root, an object is not root's alone.
pub fn templates(directory: &Path) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let unreadable = |error: io::Error| SourceError::Unreadable {
        name: format!("directory `{}`", shown(directory)),
        error,
    };
    let entries = fs::read_dir(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SourceError::NoTemplates { path: directory.into(), directory: here() },
        _ => unreadable(error),
    })?;
    let mut objects = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if let Some(stem) = template_stem(&path) {
            objects.push((stem, object(&path)?));
        }
    }
    objects.sort();
    Ok(objects)
}

/// Returns the name before `.bpf.o` of a file that is a template's object by its name.
#[must_use]
pub fn template_stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let stem = name.strip_suffix(".bpf.o").filter(|stem| !stem.starts_with(['.', '_']))?;
    Some(stem.to_owned())
}

fn object(path: &Path) -> Result<Vec<u8>, SourceError> {
    let name = format!("template `{}`", shown(path));
    let unreadable = |error: io::Error| SourceError::Unreadable { name: name.clone(), error };
    let file = File::open(path).map_err(unreadable)?;
    check_trust(path, &name, &file)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT { Err(SourceError::TooLarge { name }) } else { Ok(bytes) }
}

/// Refuses what another user can have written, if this process has privilege that they could be after.
fn check_trust(path: &Path, name: &str, file: &File) -> Result<(), SourceError> {
    let Some(owners) = Owners::of_this_process() else { return Ok(()) };
    let checked = trust::check(file, owners)
        .map_err(|error| SourceError::Unreadable { name: name.to_owned(), error })?;
    let Some(verdict) = checked else { return Ok(()) };
    let (name, path) = (name.to_owned(), path.to_owned());
    Err(match (verdict.directory, verdict.why) {
        (None, Distrust::Owner(owner)) => SourceError::ForeignOwner { name, path, owner, owners },
        (None, Distrust::Writer { who, mode }) => SourceError::Writable { name, path, who, mode },
        (Some(directory), why) => SourceError::Replaceable { name, path, directory, why },
    })
}

fn text(from: impl Read, name: &str) -> Result<String, SourceError> {
    let mut bytes = Vec::new();
    from.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| SourceError::Unreadable { name: name.to_owned(), error })?;
    if bytes.len() as u64 > LIMIT {
        return Err(SourceError::TooLarge { name: name.to_owned() });
    }
    hush_interpreter_line(&mut bytes);
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        SourceError::NotText { name: name.to_owned(), line }
    })
}

/// An interpreter line becomes a comment, of the same length so that positions stay
/// right; a plain one, since Rhai takes `///` and `//!` for documentation.
fn hush_interpreter_line(bytes: &mut [u8]) {
    if let [first @ b'#', second @ b'!', rest @ ..] = bytes {
        (*first, *second) = (b'/', b'/');
        if let Some(third @ (b'/' | b'!')) = rest.first_mut() {
            *third = b' ';
        }
    }
}

/// A file's name may say anything; see [`printable`].
fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// The same as one word of a command line, since people paste what they are told.
fn word(path: &Path) -> String {
    quoted(&raw::from_os(path)).into_owned()
}

fn here() -> PathBuf {
    env::current_dir().unwrap_or_else(|_| ".".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_line_becomes_a_comment_of_the_same_length() {
        assert_eq!(text(&b"#!/usr/bin/env krsi-sh\n1"[..], "x").unwrap(), "// usr/bin/env krsi-sh\n1");
        assert_eq!(text(&b"#! /x"[..], "x").unwrap(), "// /x");
        assert_eq!(text(&b" #!"[..], "x").unwrap(), " #!");
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let error = text(&b"let a = 1;\nlet b = \"\xff\";"[..], "x").unwrap_err();
        assert!(matches!(error, SourceError::NotText { line: 2, .. }), "{error}");
    }

    #[test]
    fn an_endless_script_is_refused() {
        let error = text(io::repeat(b' '), "x").unwrap_err();
        assert!(matches!(error, SourceError::TooLarge { .. }), "{error}");
        assert!(text(io::repeat(b' ').take(LIMIT), "x").is_ok());
    }
}
