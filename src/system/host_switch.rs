//! The host's own word that nothing enforces on it, whoever asks: a file that is there, or is not.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Whoever keeps the host makes it, and may write into it why.
pub const FILE: &str = "/etc/krsi-sh/observe-only";
/// Bytes that are read of it.
const LONGEST: u64 = 300;

/// Why nothing enforces on this host, which may be said in no words; `None` where it may. A file that cannot be read counts.
#[must_use]
pub fn reason() -> Option<String> {
    reason_in(Path::new(FILE))
}

fn reason_in(file: &Path) -> Option<String> {
    let read = || {
        let mut text = Vec::new();
        File::open(file)?.take(LONGEST).read_to_end(&mut text)?;
        Ok::<_, io::Error>(text)
    };
    match read() {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            Some(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned())
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        Err(error) => Some(format!("it cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_counts_whatever_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("observe-only");
        assert_eq!(reason_in(&file), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(reason_in(&file).as_deref(), Some(""));
        std::fs::write(&file, "\n  no changes before Monday\nmore\n").unwrap();
        assert_eq!(reason_in(&file).as_deref(), Some("no changes before Monday"));
        assert_eq!(reason_in(&file.join("below")), None);
        assert!(reason_in(directory.path()).unwrap().starts_with("it cannot be read: "));
    }
}
