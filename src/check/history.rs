//! What the last run came to, so that the next one can say only what is different.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{CheckResult, Finished};
use crate::system::whole_file;

/// What is remembered of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    result: CheckResult,
    /// Why: a failure for another reason is another failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What a run came to, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History(BTreeMap<String, Remembered>);

/// What is different from the last run.
#[derive(Debug, PartialEq)]
pub enum Change<'r> {
    /// What it was before; `None` for a check that was not run then.
    Differs(&'r Finished, Option<CheckResult>),
    /// It was run before, and is not there any more.
    Gone(&'r str),
}

impl History {
    /// Remembers these.
    #[must_use]
    pub fn of(finished: &[Finished]) -> Self {
        let remembered = |finished: &Finished| Remembered {
            result: finished.counts_as(),
            reason: finished.reason.clone(),
        };
        History(finished.iter().map(|f| (f.check.id.clone(), remembered(f))).collect())
    }

    /// The same, with what is only in `older`: a run of some checks says nothing about the others.
    fn over(mut self, older: History) -> Self {
        for (id, remembered) in older.0 {
            self.0.entry(id).or_insert(remembered);
        }
        self
    }

    /// Tells what has changed since; `all` if every check was run, so that one that is missing is gone.
    #[must_use]
    pub fn changes<'r>(&'r self, finished: &'r [Finished], all: bool) -> Vec<Change<'r>> {
        let differs = |finished: &'r Finished| match self.0.get(&finished.check.id) {
            Some(before) if before.result == finished.counts_as() && before.reason == finished.reason => None,
            before => Some(Change::Differs(finished, before.map(|before| before.result))),
        };
        let mut changes: Vec<_> = finished.iter().filter_map(differs).collect();
        if all {
            let gone = self.0.keys().filter(|id| !finished.iter().any(|f| f.check.id == **id));
            changes.extend(gone.map(|id| Change::Gone(id)));
        }
        changes
    }
}

/// Keeps what this run came to under a key of its own; gives what the last run of that key came to. If that was not `whole` (some
/// checks were not selected), what is known of the others stays; else what is gone is told once, and forgotten. What other runs have
/// left stays. A file that is no history is begun anew.
///
/// # Errors
/// If it cannot be read or written.
pub fn exchange(path: &Path, key: &str, now: History, whole: bool) -> io::Result<Option<History>> {
    let mut all: BTreeMap<String, History> = match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error),
    };
    let before = all.remove(key);
    let others = if whole { None } else { before.clone() };
    all.insert(key.to_owned(), now.over(others.unwrap_or_default()));
    if let Some(directory) = path.parent() {
        whole_file::private_directory(directory)?;
    }
    whole_file::write(path, &serde_json::to_vec(&all)?)?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::finished;

    #[test]
    fn what_is_the_same_is_not_told_and_what_is_different_is() {
        let before = [
            finished("same", CheckResult::Fail),
            finished("mended", CheckResult::Fail),
            finished("reason", CheckResult::Fail),
            finished("gone", CheckResult::Pass),
        ];
        let history = History::of(&before);
        let mut reason = finished("reason", CheckResult::Fail);
        reason.reason = Some("another".into());
        let now = [
            before[0].clone(),
            finished("mended", CheckResult::Pass),
            reason,
            finished("new", CheckResult::Pass),
        ];
        assert_eq!(
            history.changes(&now, true),
            [
                Change::Differs(&now[1], Some(CheckResult::Fail)),
                Change::Differs(&now[2], Some(CheckResult::Fail)),
                Change::Differs(&now[3], None),
                Change::Gone("gone"),
            ]
        );
        assert!(!history.changes(&now, false).contains(&Change::Gone("gone")));
    }

    #[test]
    fn runs_of_other_paths_are_kept_apart_and_a_broken_file_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("krsi-sh/check.json");
        let history = |id: &str| History::of(&[finished(id, CheckResult::Fail)]);
        assert_eq!(exchange(&path, "/a", history("a"), true).unwrap(), None);
        assert_eq!(exchange(&path, "/b", history("b"), true).unwrap(), None);
        // A run of some checks says nothing about the others.
        assert_eq!(exchange(&path, "/a", history("c"), false).unwrap(), Some(history("a")));
        let both = Some(history("c").over(history("a")));
        assert_eq!(exchange(&path, "/a", history("c"), true).unwrap(), both);
        // A run of all does.
        assert_eq!(exchange(&path, "/a", history("c"), true).unwrap(), Some(history("c")));
        fs::write(&path, "{").unwrap();
        assert_eq!(exchange(&path, "/a", history("a"), true).unwrap(), None);
    }
}
