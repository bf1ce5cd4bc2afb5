//! Errnos and signals, as users know them: by name, or by number.

use std::fmt;

use nix::{errno::Errno as Raw, sys::signal::Signal as RawSignal};

use super::suggest::nearest;

/// An errno that a user knows by name; 1 to 133 on Linux, well inside the
/// -4095..0 an LSM hook may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(Raw);

/// A signal, by name or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(RawSignal);

/// A word that is not an errno or signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    #[error("`{given}` is not an errno{}; allowed: a name such as EPERM, EACCES, ENOENT, or its number", maybe(.nearest))]
    Errno { given: String, nearest: Option<String> },
    #[error("`{given}` is not a signal{}; allowed: a name such as SIGKILL, SIGTERM, SIGSTOP, or its number", maybe(.nearest))]
    Signal { given: String, nearest: Option<String> },
}

fn maybe(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"))
}

/// The largest errno the kernel gives a name (EHWPOISON, asm-generic/errno.h).
const LAST_ERRNO: i32 = 133;

impl Errno {
    pub const EPERM: Self = Errno(Raw::EPERM);

    fn all() -> impl Iterator<Item = Raw> {
        (1..=LAST_ERRNO).map(Raw::from_raw).filter(|e| *e != Raw::UnknownErrno)
    }

    /// Every one that has a name, by number.
    pub fn every() -> impl Iterator<Item = Self> {
        Self::all().map(Errno)
    }

    /// What strerror(3) says of it.
    #[must_use]
    pub fn description(self) -> &'static str {
        self.0.desc()
    }

    /// # Errors
    /// If Linux knows no errno of this name.
    pub fn from_name(name: &str) -> Result<Self, CodeError> {
        Self::all().find(|e| format!("{e:?}") == name).map(Errno).ok_or_else(|| {
            let names = Self::all().map(|e| format!("{e:?}")).collect::<Vec<_>>();
            CodeError::Errno {
                given: name.to_owned(),
                nearest: nearest(&name.to_uppercase(), names.iter().map(String::as_str)).map(str::to_owned),
            }
        })
    }

    /// # Errors
    /// If the number is not one of Linux's errnos. A negative number is taken
    /// as the kernel writes it: -1 is EPERM.
    pub fn from_number(number: i64) -> Result<Self, CodeError> {
        i32::try_from(number.unsigned_abs())
            .ok()
            .and_then(|n| Self::all().find(|e| *e as i32 == n))
            .map(Errno)
            .ok_or(CodeError::Errno { given: number.to_string(), nearest: None })
    }

    #[must_use]
    pub fn number(self) -> i32 {
        self.0 as i32
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Signal {
    pub const KILL: Self = Signal(RawSignal::SIGKILL);

    /// Every one that has a name, by number.
    pub fn every() -> impl Iterator<Item = Self> {
        RawSignal::iterator().map(Signal)
    }

    /// Accepts `SIGKILL` and `KILL`.
    ///
    /// # Errors
    /// If Linux knows no signal of this name.
    pub fn from_name(name: &str) -> Result<Self, CodeError> {
        let upper = name.to_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        RawSignal::iterator().find(|s| s.as_str() == full).map(Signal).ok_or_else(|| CodeError::Signal {
            given: name.to_owned(),
            nearest: nearest(&full, RawSignal::iterator().map(RawSignal::as_str)).map(str::to_owned),
        })
    }

    /// # Errors
    /// If the number is not a signal.
    pub fn from_number(number: i64) -> Result<Self, CodeError> {
        i32::try_from(number)
            .ok()
            .and_then(|n| RawSignal::try_from(n).ok())
            .map(Signal)
            .ok_or(CodeError::Signal { given: number.to_string(), nearest: None })
    }

    #[must_use]
    pub fn number(self) -> i32 {
        self.0 as i32
    }
}

impl Signal {
    /// As the operating system's interface wants it.
    #[must_use]
    pub fn raw(self) -> RawSignal {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_is_known_by_name_and_by_number() {
        assert_eq!(Errno::from_name("EPERM").map(Errno::number), Ok(1));
        assert_eq!(Errno::from_number(13).map(|e| e.to_string()), Ok("EACCES".into()));
        assert_eq!(Errno::from_number(-2).map(|e| e.to_string()), Ok("ENOENT".into()));
        assert!(Errno::from_number(0).is_err());
        assert!(Errno::from_number(4095).is_err());
        assert!(Errno::from_number(i64::MIN).is_err());
    }

    #[test]
    fn a_mistyped_errno_names_the_nearest() {
        let error = Errno::from_name("EPREM").unwrap_err().to_string();
        assert!(error.contains("did you mean `EPERM`?"), "{error}");
    }

    #[test]
    fn a_signal_is_known_with_and_without_its_prefix() {
        assert_eq!(Signal::from_name("SIGKILL").map(Signal::number), Ok(9));
        assert_eq!(Signal::from_name("term").map(Signal::number), Ok(15));
        assert!(Signal::from_name("SIGKIL").unwrap_err().to_string().contains("SIGKILL"));
        assert!(Signal::from_number(0).is_err());
    }
}
