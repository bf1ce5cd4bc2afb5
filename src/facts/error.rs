//! Why a fact cannot be had: for people, with its cause.

use std::{io, path::Path};

use nix::libc;

use crate::raw;

/// Whose matter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The script has asked for what cannot be.
    Script,
    /// This system does not have it, or does not let this user read it.
    System,
    /// The session is to end; nobody reads this.
    Stopped,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct FactError {
    pub text: String,
    pub whose: Whose,
    /// The word of the script that it is about, if there is one.
    pub about: Option<String>,
    /// What to do, if that is not in the text.
    pub advice: Option<String>,
}

impl FactError {
    pub fn system(text: impl Into<String>) -> Self {
        FactError { text: text.into(), whose: Whose::System, about: None, advice: None }
    }

    pub fn script(text: impl Into<String>, about: &str) -> Self {
        FactError { whose: Whose::Script, about: Some(about.to_owned()), ..Self::system(text) }
    }

    pub fn stopped() -> Self {
        FactError { whose: Whose::Stopped, ..Self::system("the session is to end") }
    }

    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        FactError { advice: Some(advice.into()), ..self }
    }

    /// Says that a file cannot be read, and why.
    pub fn read(path: impl AsRef<Path>, error: &io::Error) -> Self {
        let path = raw::from_os(path.as_ref());
        let fault = Self::system(format!("cannot read {path:?}: {}", why(error)));
        match error.kind() {
            io::ErrorKind::PermissionDenied => fault.advice("run krsi-sh as root to read it"),
            _ => fault,
        }
    }
}

/// Returns an error of a file in plain words.
#[must_use]
pub fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => "there is no such file".to_owned(),
        Some(libc::EACCES | libc::EPERM) => "this user may not read it".to_owned(),
        Some(libc::EFBIG) => "it is larger than 16 MiB".to_owned(),
        Some(libc::EISDIR) => "it is a directory".to_owned(),
        Some(libc::ELOOP) => "its links lead in a circle".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether an error means that there is nothing, and not that it cannot be told.
#[must_use]
pub fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

/// `None` for what is not there.
///
/// # Errors
/// For everything else.
pub fn if_there<T>(path: impl AsRef<Path>, read: io::Result<T>) -> Result<Option<T>, FactError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(FactError::read(path, &error)),
    }
}
