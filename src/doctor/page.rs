//! The doctor's report for people.

use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};

use super::{Hook, HookStatus, Report, Status};

/// The report as text.
#[must_use]
pub fn page(report: &Report, color: bool) -> String {
    let mut page = String::new();
    let names = report.checks.iter().map(|c| c.name).chain(report.hooks.iter().map(|h| h.hook.as_str()));
    let column = Column { width: names.map(str::len).max().unwrap_or_default(), color };
    for check in &report.checks {
        let (word, style) = match check.status {
            Status::Ok => ("ok", Style::new().green()),
            Status::Warn => ("warn", Style::new().yellow()),
            Status::Fail => ("FAIL", Style::new().red().bold()),
            Status::Unknown => ("?", Style::new().dimmed()),
        };
        column.line(&mut page, word, style, check.name, &check.detail);
        if !check.remedy.is_empty() && check.status != Status::Ok {
            column.line(&mut page, "", style, "", &format!("fix: {}", check.remedy));
        }
    }
    page.push('\n');
    let mut told: Vec<String> = Vec::new();
    for hook in &report.hooks {
        let good = matches!(hook.status, HookStatus::Fires | HookStatus::Attached);
        let (word, style) = match hook.status {
            _ if good => ("ok", Style::new().green()),
            // Nothing is wrong with the host: its kernel is older than the hook.
            HookStatus::UnknownHook => ("-", Style::new().dimmed()),
            _ => ("FAIL", Style::new().red().bold()),
        };
        let door = if hook.door == "lsm" { String::new() } else { format!(" by {}", hook.door) };
        let outcome = format!("{}{door} ({})", said(hook), hook.template);
        column.line(&mut page, word, style, &hook.hook, &outcome);
        // What differs by the hook's name alone is told once.
        let reason = hook.reason.replace(&hook.hook, "…");
        if !good && !told.contains(&reason) {
            for line in hook.reason.lines() {
                _ = writeln!(page, "      {line}");
            }
            told.push(reason);
        }
    }
    let verdict = if report.can_enforce() {
        "Probes can observe and enforce here."
    } else {
        "Probes cannot enforce here. Any script can be rehearsed in a virtual machine: krsi-sh lab SCRIPT"
    };
    _ = writeln!(page, "\n{verdict}");
    if !report.can_enforce() {
        let still = match &*report.audit_only {
            [] => "No template observes by other means here.".to_owned(),
            templates => {
                format!("Observing by other means (audit-only) works for: {}.", templates.join(", "))
            }
        };
        _ = writeln!(page, "{still}");
    }
    page
}

/// How lines are laid out: a word, a name, what is to say.
struct Column {
    width: usize,
    color: bool,
}

impl Column {
    fn line(&self, page: &mut String, word: &str, style: Style, name: &str, detail: &str) {
        let pad = " ".repeat(6usize.saturating_sub(word.len()));
        let word = if self.color { word.style(style).to_string() } else { word.to_owned() };
        _ = writeln!(page, "{word}{pad}{name:<width$}  {detail}", width = self.width);
    }
}

fn said(hook: &Hook) -> &'static str {
    match hook.status {
        HookStatus::Fires => "loads, attaches, fires",
        HookStatus::NeverFired => "attaches, and never fires",
        HookStatus::Attached => "loads, attaches",
        HookStatus::UnknownHook => "unknown to this kernel",
        HookStatus::NoBtf => "no types of the kernel's to load with",
        HookStatus::MissingCapability => "not tried: privilege is missing",
        HookStatus::Lockdown => "refused: lockdown",
        HookStatus::LsmRefused => "refused: this host takes no LSM programs",
        HookStatus::Failed => "failed",
    }
}
