//! What the verifier says when it refuses a program: its end for the reader, all
//! of it for a report.
//!
//! A log has hundreds of thousands of lines, and the reason is in the last few. The
//! whole goes into a file of this user's alone, under a name that nobody can
//! guess beforehand, since this mostly runs as root.

use std::{fmt, io, io::Write, path::PathBuf};

/// Lines of the end that are shown.
const SHOWN: usize = 25;

/// See the module.
#[derive(Debug)]
pub struct Log {
    end: String,
    kept: io::Result<PathBuf>,
}

impl Log {
    /// Keeps the whole log in a file.
    #[must_use]
    pub fn keep(whole: &str) -> Self {
        let file = tempfile::Builder::new().prefix("krsi-verifier-").suffix(".log").tempfile();
        let kept = file.and_then(|mut file| {
            file.write_all(whole.as_bytes())?;
            Ok(file.keep()?.1)
        });
        let lines: Vec<_> = whole.lines().filter(|line| !line.trim().is_empty()).collect();
        Log { end: lines[lines.len().saturating_sub(SHOWN)..].join("\n"), kept }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kept {
            Ok(path) => write!(f, "{}\nthe whole log: {}", self.end, path.display()),
            Err(error) => write!(f, "{}\nthe whole log could not be kept: {error}", self.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn the_end_is_shown_and_the_whole_is_in_a_file_of_this_users_alone() {
        let whole = (0..1000).map(|n| format!("line {n}\n\n")).collect::<String>();
        let log = Log::keep(&whole);
        let shown = log.to_string();
        let path = log.kept.expect("a file");
        assert_eq!(fs::read_to_string(&path).expect("the log"), whole);
        assert_eq!(fs::metadata(&path).expect("the log").permissions().mode() & 0o777, 0o600);
        fs::remove_file(&path).expect("the log");
        assert!(shown.starts_with("line 975\n"), "{shown}");
        assert!(shown.ends_with(&format!("line 999\nthe whole log: {}", path.display())), "{shown}");
    }
}
