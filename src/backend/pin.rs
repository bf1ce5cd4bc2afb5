//! What is said of a probe that is to go on when its session has ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BackendError;

/// Who keeps the enforcement of a pinned probe going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinLease {
    /// Nobody needs to.
    Forever,
    /// It lapses after this time, in nanoseconds, unless somebody renews it.
    For(u64),
}

/// The longest name of a pin, in bytes.
const LONGEST_NAME: usize = 64;
/// A file beside the pins has this name.
const TAKEN: &str = "lock";

/// Checks a pin's name: it becomes that of a directory, and a word of command lines.
///
/// # Errors
/// What is allowed, in words.
pub fn check_pin_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST_NAME && name.bytes().all(plain) && name != TAKEN {
        return Ok(());
    }
    Err(format!(
        "letters, digits, `-` and `_`, at most {LONGEST_NAME}, the first a letter or a digit, and not `{TAKEN}`"
    ))
}

impl PinLease {
    /// Returns how long it lasts; `None`: for ever.
    #[must_use]
    pub fn lasts(self) -> Option<Duration> {
        match self {
            PinLease::Forever => None,
            PinLease::For(nanoseconds) => Some(Duration::from_nanos(nanoseconds)),
        }
    }
}

/// A pin that there is, whichever session has made it.
pub trait Pinned {
    /// Returns its name.
    fn name(&self) -> &str;

    /// Returns all that is known of it, as `krsi-sh pins --format json` tells it, but for who holds it besides.
    fn told(&self) -> Value;

    /// Returns whether it was pinned in a mode that enforces.
    fn was_pinned_enforcing(&self) -> bool;

    /// Makes it observe from the next decision on.
    ///
    /// # Errors
    /// If its settings cannot be reached.
    fn observe(&self) -> Result<(), BackendError>;

    /// Gives it the mode again that it was pinned in, and its lease from the beginning.
    ///
    /// # Errors
    /// If another session holds it, its settings cannot be reached, or another version has pinned it.
    fn resume(&self) -> Result<(), BackendError>;

    /// Begins its lease anew; nothing happens to one that needs none.
    ///
    /// # Errors
    /// If its settings cannot be reached, or another version has pinned it.
    fn renew(&self) -> Result<(), BackendError>;

    /// Removes it. Returns whether it was there still.
    ///
    /// # Errors
    /// If it cannot be removed; then it only observes.
    fn remove(&self) -> Result<bool, BackendError>;
}

/// What is written down with a pin, for whoever finds it.
#[derive(Debug, Clone, Copy)]
pub struct PinRequest<'p> {
    /// The pin's name.
    pub name: &'p str,
    /// The probe's name.
    pub probe: &'p str,
    /// The probe in one line: template, params, scope, filter.
    pub rule: &'p str,
    /// Where the script came from.
    pub script: &'p str,
    pub mode: &'p str,
    pub lease: Option<PinLease>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_word() {
        for good in ["a", "guard", "no-pkexec_2", "9"] {
            assert!(check_pin_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a.b", "-a", "_a", "ü", "a b", "lock", &"a".repeat(65)] {
            assert!(check_pin_name(bad).is_err(), "{bad}");
        }
    }
}
