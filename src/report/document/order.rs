//! The order in which a document has its checks: the worst first, or script by script.

use std::cmp::Reverse;

use crate::check::Finished;

/// Sorts: what needs a look first, the most severe of that first.
pub fn worst_first(checks: &mut [&Finished]) {
    // The sort is stable: what is equally bad stays in the order of the scripts.
    checks.sort_by_key(|one| (Reverse(one.is_trouble()), Reverse(one.check.severity), Reverse(one.result)));
}

/// Groups checks by script; both stay in their order.
pub fn by_script(checks: &[Finished]) -> Vec<(&str, Vec<&Finished>)> {
    let mut scripts: Vec<(&str, Vec<&Finished>)> = Vec::new();
    for finished in checks {
        let script = finished.check.script.as_str();
        // Most often it is the last one.
        match scripts.iter_mut().rev().find(|(known, _)| *known == script) {
            Some((_, group)) => group.push(finished),
            None => scripts.push((script, vec![finished])),
        }
    }
    scripts
}
