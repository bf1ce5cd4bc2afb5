//! What a script's process came to beside its checks: what keeps a check from being run is told as one.

use std::{io, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus};

use super::{Stopped, Watch, worker::Worker};
use crate::{
    check::{Check, CheckResult, Finished},
    exit,
    values::Severity,
};

/// Characters of standard error that become a reason.
const LONGEST_REASON: usize = 2000;

/// Returns the checks of a script that is over, and one more if it did not come to its end.
pub fn of(worker: Worker, stopped: Option<&Stopped>, watch: &mut dyn Watch) -> Vec<Finished> {
    let (script, mut finished, status, stderr) = worker.wait();
    stderr.lines().for_each(|line| watch.said(&script, line));
    let trouble = match (status, stopped) {
        (Err(error), _) => Some((CheckResult::Error, format!("its process was lost: {error}"))),
        (Ok(status), stopped) => trouble(status, stopped, &finished, &stderr),
    };
    finished.extend(trouble.map(|(result, reason)| about(&script, result, reason)));
    finished
}

/// Returns what stands for the checks of a script that could not be started.
pub fn not_started(script: &Path, error: &io::Error) -> Finished {
    about(script, CheckResult::Error, format!("no process could be started for it: {error}"))
}

/// Returns what stands for the checks of a script whose turn did not come.
pub fn not_run(script: &Path, why: &str) -> Finished {
    about(script, CheckResult::Inconclusive, format!("it was not run: {why}"))
}

fn trouble(
    status: ExitStatus,
    stopped: Option<&Stopped>,
    finished: &[Finished],
    stderr: &str,
) -> Option<(CheckResult, String)> {
    if let Some(signal) = status.signal() {
        let result = if stopped.is_some() { CheckResult::Inconclusive } else { CheckResult::Error };
        return Some((result, format!("its process was ended by signal {signal}")));
    }
    let code = status.code().unwrap_or_default();
    if stopped.is_some() {
        return Some((CheckResult::Inconclusive, "it was ended before all its checks were run".into()));
    }
    let said = |otherwise: String| if stderr.is_empty() { otherwise } else { last_words(stderr) };
    match code {
        exit::FINE | exit::CHECK_FAILED | exit::UNDECIDED if finished.is_empty() => {
            Some((CheckResult::Error, "it has no checks".into()))
        }
        exit::FINE | exit::CHECK_FAILED | exit::UNDECIDED => None,
        exit::ENVIRONMENT => Some((CheckResult::Inconclusive, said("this machine lacks something".into()))),
        exit::FAILED | exit::USAGE => Some((CheckResult::Error, said("the script failed".into()))),
        code => Some((CheckResult::Error, said(format!("it ended with exit code {code}")))),
    }
}

/// The end of a text, from the beginning of a line.
fn last_words(text: &str) -> String {
    let mut from = text.len().saturating_sub(LONGEST_REASON);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let rest = &text[from..];
    let cut = if from == 0 { 0 } else { rest.find('\n').map_or(0, |at| at + 1) };
    rest[cut..].to_owned()
}

/// A check that stands for the script itself.
fn about(script: &Path, result: CheckResult, reason: String) -> Finished {
    let stem = script.file_stem().unwrap_or_default().to_string_lossy();
    let id: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
    let check = Check {
        id: format!("script.{id}"),
        title: "the script runs to its end".into(),
        level: 1,
        tags: Vec::new(),
        severity: Severity::High,
        about: None,
        why: None,
        remedy: None,
        refs: Vec::new(),
        script: script.to_string_lossy().into_owned(),
        line: 0,
    };
    Finished::without_a_run(check, result, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::finished;

    fn code(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn a_script_without_a_check_is_no_success() {
        let some = [finished("a", CheckResult::Pass)];
        assert_eq!(trouble(code(0), None, &some, ""), None);
        let (result, reason) = trouble(code(0), None, &[], "").unwrap();
        assert_eq!((result, reason.as_str()), (CheckResult::Error, "it has no checks"));
    }

    #[test]
    fn how_a_process_ends_says_whose_fault_it_is() {
        let some = [finished("a", CheckResult::Pass)];
        let result = |status, stderr: &str| trouble(status, None, &some, stderr).unwrap();
        assert_eq!(result(code(1), "wrong"), (CheckResult::Error, "wrong".into()));
        assert_eq!(result(code(3), "no BTF").0, CheckResult::Inconclusive);
        assert_eq!(result(code(7), ""), (CheckResult::Error, "it ended with exit code 7".into()));
        assert_eq!(result(ExitStatus::from_raw(9), "").0, CheckResult::Error);
    }

    #[test]
    fn a_long_text_is_cut_at_a_line() {
        let text = format!("{}\nlast", "é".repeat(LONGEST_REASON));
        assert_eq!(last_words(&text), "last");
        assert_eq!(last_words("short"), "short");
    }
}
