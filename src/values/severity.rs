//! How bad something is, in five words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::nearest;

/// How bad it is: what an alert is about, or that a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// A word that is not a severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a severity{}; allowed: info, low, medium, high, critical", nearest.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)")))]
pub struct SeverityError {
    pub given: String,
    nearest: Option<&'static str>,
}

impl Severity {
    /// Each, with its name.
    pub const ALL: [(Severity, &'static str); 5] = [
        (Severity::Info, "info"),
        (Severity::Low, "low"),
        (Severity::Medium, "medium"),
        (Severity::High, "high"),
        (Severity::Critical, "critical"),
    ];

    /// # Errors
    /// If there is no severity of this name.
    pub fn from_name(name: &str) -> Result<Self, SeverityError> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(s, _)| *s).ok_or_else(|| SeverityError {
            given: name.to_owned(),
            nearest: nearest(name, Self::ALL.iter().map(|(_, n)| *n)),
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(s, _)| s == self).map_or("", |(_, n)| n);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_severity_names_the_nearest() {
        assert_eq!(Severity::from_name("high"), Ok(Severity::High));
        let error = Severity::from_name("hihg").unwrap_err().to_string();
        assert!(error.contains("did you mean `high`?") && error.contains("critical"), "{error}");
    }
}
