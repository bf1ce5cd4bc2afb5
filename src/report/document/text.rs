//! Text for people: what needs a look, the worst first, and a sum. Nothing at all if all is well and nobody asked: then cron
//! has nothing to mail.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::{Look, order};
use crate::{
    check::{CheckResult, Finished, Run, Tally},
    report::format::text::{check_lines, wrapped},
};

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut shown: Vec<&Finished> = run.finished.iter().filter(|one| look.all || one.is_trouble()).collect();
    if shown.is_empty() && !look.all {
        return Ok(());
    }
    order::worst_first(&mut shown);
    for finished in shown {
        for line in check_lines(finished, look.color) {
            for line in wrapped(&line, look.columns) {
                writeln!(out, "{line}")?;
            }
        }
    }
    writeln!(out, "{}", sum(run))
}

/// Returns what a run came to in a line: `61 checks on host: 57 pass, 2 fail, 1 skip, 1 inconclusive (1.2 s)`
pub fn sum(run: &Run) -> String {
    let tally = run.tally();
    let parts: Vec<String> = CheckResult::ALL.iter().filter_map(|result| part(&tally, *result)).collect();
    let mut line = match tally.total() {
        1 => "1 check".to_owned(),
        count => format!("{count} checks"),
    };
    _ = write!(line, " on {}: {}", crate::report::printable(&run.host), parts.join(", "));
    if tally.accepted > 0 {
        _ = write!(line, ", {} accepted", tally.accepted);
    }
    _ = write!(line, " ({:.1} s)", run.took.as_secs_f64());
    line
}

fn part(tally: &Tally, result: CheckResult) -> Option<String> {
    let count = tally.get(result);
    (count > 0 || result == CheckResult::Pass).then(|| format!("{count} {result}"))
}
