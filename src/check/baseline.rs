//! Failures that are known and lived with: which, why, and until when.
//!
//! A line each: the id of the check, the last day (or `-` for one without an end), and the reason; `#` begins a comment.
//!
//! ```text
//! # the build server compiles there
//! mount-tmp-noexec  2027-03-31  until the move to /var/build
//! ```

use jiff::civil::Date;

use super::{Accepted, CheckResult, Finished};
use crate::values::nearest;

/// One failure that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: String,
    accepted: Accepted,
    line: usize,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    entries: Vec<Entry>,
}

/// A line that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {what}\nallowed: ID DAY REASON, such as `mount-tmp-noexec 2027-03-31 until the move`; `-` for no last day"
)]
pub struct BaselineError {
    line: usize,
    what: String,
}

impl Baseline {
    /// Reads the text of a baseline.
    ///
    /// # Errors
    /// The first line that is not an entry, a second entry for one id, or a reason that is missing.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |what: String| BaselineError { line: at + 1, what };
            let mut words = line.splitn(3, char::is_whitespace).map(str::trim);
            let id = words.next().unwrap_or_default();
            super::id(id).map_err(refused)?;
            // More than one blank between the words is no word.
            let rest = line[id.len()..].trim_start();
            let (day, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let until = match day {
                "-" => None,
                "" => return Err(refused(format!("`{id}` has no last day"))),
                day => Some(day.parse::<Date>().map_err(|_| refused(format!("`{day}` is not a day")))?),
            };
            let reason = reason.trim();
            if reason.is_empty() {
                return Err(refused(format!("`{id}` is accepted without a reason")));
            }
            if entries.iter().any(|entry| entry.id == id) {
                return Err(refused(format!("`{id}` is accepted twice")));
            }
            let accepted = Accepted { reason: reason.to_owned(), until };
            entries.push(Entry { id: id.to_owned(), accepted, line: at + 1 });
        }
        Ok(Baseline { entries })
    }

    /// Marks the failures that are accepted on this day. Returns what there is to say about the baseline itself: what has
    /// expired, what passes by now, and what is no check.
    pub fn apply(&self, finished: &mut [Finished], today: Date, known: &[String]) -> Vec<String> {
        let mut remarks = Vec::new();
        for Entry { id, accepted, line } in &self.entries {
            let expired = accepted.until.is_some_and(|until| until < today);
            match finished.iter_mut().find(|finished| finished.check.id == *id) {
                Some(failed) if failed.result == CheckResult::Fail && !expired => {
                    failed.accepted = Some(accepted.clone());
                }
                Some(failed) if failed.result == CheckResult::Fail => remarks.push(format!(
                    "line {line}: `{id}` was accepted until {}, and fails still",
                    accepted.until.unwrap_or_default()
                )),
                Some(passed) if passed.result == CheckResult::Pass => {
                    remarks.push(format!("line {line}: `{id}` passes by now; its line can go"));
                }
                Some(_) => {}
                None if known.contains(id) => {}
                None => {
                    let near = nearest(id, known.iter().map(String::as_str))
                        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    remarks.push(format!("line {line}: there is no check `{id}`{near}"));
                }
            }
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::check::samples::finished;

    #[test]
    fn a_failure_is_accepted_to_the_end_of_its_last_day_and_no_longer() {
        let baseline = Baseline::parse("# why\n\na-b   2027-03-31   until the move\nc - for ever\n").unwrap();
        let mut all = [finished("a-b", CheckResult::Fail), finished("c", CheckResult::Fail)];
        assert!(baseline.apply(&mut all, date(2027, 3, 31), &[]).is_empty());
        let reasons: Vec<_> = all.iter().map(|f| f.accepted.as_ref().unwrap().reason.as_str()).collect();
        assert_eq!(reasons, ["until the move", "for ever"]);

        let mut all = [finished("a-b", CheckResult::Fail), finished("c", CheckResult::Fail)];
        let remarks = baseline.apply(&mut all, date(2027, 4, 1), &[]);
        assert!(all[0].accepted.is_none() && all[1].accepted.is_some());
        assert_eq!(remarks, ["line 3: `a-b` was accepted until 2027-03-31, and fails still"]);
    }

    #[test]
    fn only_a_failure_can_be_accepted() {
        let baseline = Baseline::parse("a - why\nb - why\nd - why").unwrap();
        let mut all = [finished("a", CheckResult::Inconclusive), finished("b", CheckResult::Pass)];
        let remarks = baseline.apply(&mut all, date(2027, 1, 1), &["dd".into()]);
        assert!(all.iter().all(|finished| finished.accepted.is_none()));
        assert_eq!(remarks, ["line 2: `b` passes by now; its line can go", "line 3: there is no check `d`"]);
    }

    #[test]
    fn a_line_that_is_no_entry_is_refused_at_its_place() {
        for (text, what) in [
            ("a", "line 1: `a` has no last day"),
            ("\na 2027-02-30 why", "line 2: `2027-02-30` is not a day"),
            ("a 2027-03-31", "line 1: `a` is accepted without a reason"),
            ("a - why\na - why", "line 2: `a` is accepted twice"),
            ("a/b - why", "line 1: `a/b` is not an id of a check"),
        ] {
            let error = Baseline::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
