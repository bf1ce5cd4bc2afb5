//! A check and what it came to: a line for each, and below it why, for one that is not a pass.
//!
//! `FAIL high     mount-tmp-noexec  /tmp is mounted noexec`

use owo_colors::Style;
use serde_json::Value;

use super::{Paint, printable};
use crate::{
    check::{CheckResult, Finished},
    report::format::json,
    values::Severity,
};

/// Characters of what was found that a line shows.
const MOST_FOUND: usize = 400;

/// Returns the lines of one, with colour or without.
pub fn with_color(finished: &Finished, enabled: bool) -> Vec<String> {
    lines(finished, Paint { enabled })
}

/// Returns the lines of one.
pub fn lines(finished: &Finished, paint: Paint) -> Vec<String> {
    let Finished { check, result, reason, expected, found, .. } = finished;
    let mut lines = vec![format!(
        "{} {} {}  {}",
        paint.with(style(*result), &format!("{:<12}", result.name().to_uppercase())),
        paint.with(severity_style(check.severity), &format!("{:<8}", check.severity.to_string())),
        printable(&check.id),
        paint.with(Style::new().dimmed(), &printable(&check.title)),
    )];
    if let Some(accepted) = &finished.accepted {
        let until = accepted.until.map_or_else(String::new, |until| format!(" until {until}"));
        lines.push(format!("  accepted{until}: {}", printable(&accepted.reason)));
    }
    if *result == CheckResult::Pass {
        return lines;
    }
    lines
        .extend(reason.iter().flat_map(|reason| reason.lines()).map(|line| format!("  {}", printable(line))));
    if let Some(expected) = expected {
        lines.push(format!("  expected: {}", printable(expected)));
        lines.push(format!("  found:    {}", shown(found.as_ref().unwrap_or(&Value::Null))));
    }
    if *result != CheckResult::Skip {
        if finished.decided_at > 0 {
            lines.push(format!("  at:       {}:{}", printable(&check.script), finished.decided_at));
        }
        lines.extend(finished.evidence.iter().map(|evidence| format!("  evidence: {}", shown(evidence))));
        lines.extend(check.remedy.iter().map(|remedy| format!("  remedy:   {}", printable(remedy))));
    }
    lines
}

/// A value in one line, cut where it is long.
pub fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        other => json::safe(&other.to_string()),
    };
    match text.char_indices().nth(MOST_FOUND) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

fn style(result: CheckResult) -> Style {
    match result {
        CheckResult::Pass => Style::new().green(),
        CheckResult::Skip => Style::new().dimmed(),
        CheckResult::Fail => Style::new().red().bold(),
        CheckResult::Inconclusive => Style::new().yellow().bold(),
        CheckResult::Error => Style::new().magenta().bold(),
    }
}

/// Returns the colour in which a severity is written.
pub fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Info | Severity::Low => Style::new().cyan(),
        Severity::Medium => Style::new().yellow(),
        Severity::High => Style::new().red(),
        Severity::Critical => Style::new().red().bold().reversed(),
    }
}
