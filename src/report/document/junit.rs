//! JUnit's XML, as Jenkins, GitLab and others read it: a suite for each script, a case for each check.
//!
//! There is no schema of its own; this is what the one of Jenkins' xUnit plugin allows. It gives a case no properties, so what is
//! known of a check besides stands in its `system-out`.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{Look, clean, order};
use crate::check::{CheckResult, Finished, Run, Tally};

type Xml<'w> = Writer<&'w mut dyn Write>;

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, _: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut xml: Xml<'_> = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let sums = Sums::of(&run.finished);
    xml.create_element("testsuites")
        .with_attribute(("name", format!("{} check", run.program).as_str()))
        .with_attribute(("tests", sums.tests.as_str()))
        .with_attribute(("failures", sums.failures.as_str()))
        .with_attribute(("errors", sums.errors.as_str()))
        .with_attribute(("time", seconds(run.took.as_secs_f64()).as_str()))
        .write_inner_content(|xml| {
            order::by_script(&run.finished)
                .into_iter()
                .try_for_each(|(script, checks)| suite(run, script, &checks, xml))
        })?;
    writeln!(xml.get_mut())
}

fn suite(run: &Run, script: &str, checks: &[&Finished], xml: &mut Xml<'_>) -> io::Result<()> {
    let sums = Sums::of(checks.iter().copied());
    let began = checks.iter().map(|finished| finished.began).min().unwrap_or(run.began);
    xml.create_element("testsuite")
        .with_attribute(("name", &*clean::line(script)))
        .with_attribute(("tests", sums.tests.as_str()))
        .with_attribute(("failures", sums.failures.as_str()))
        .with_attribute(("errors", sums.errors.as_str()))
        .with_attribute(("skipped", sums.skipped.as_str()))
        .with_attribute(("time", seconds(checks.iter().map(|finished| finished.seconds).sum()).as_str()))
        // In UTC: a zone may not be told, says the schema of Ant, which others have taken over.
        .with_attribute(("timestamp", began.strftime("%FT%T").to_string().as_str()))
        .with_attribute(("hostname", &*clean::line(&run.host)))
        .write_inner_content(|xml| {
            xml.create_element("properties").write_inner_content(|xml| {
                [("program", run.program), ("version", run.version), ("kernel", &run.kernel)]
                    .into_iter()
                    .try_for_each(|(name, value)| property(name, value, xml))
            })?;
            checks.iter().try_for_each(|finished| case(finished, xml))
        })?;
    Ok(())
}

fn property(name: &str, value: &str, xml: &mut Xml<'_>) -> io::Result<()> {
    xml.create_element("property")
        .with_attribute(("name", name))
        .with_attribute(("value", &*clean::line(value)))
        .write_empty()
        .map(drop)
}

fn case(finished: &Finished, xml: &mut Xml<'_>) -> io::Result<()> {
    let check = &finished.check;
    xml.create_element("testcase")
        // By its id alone: the title may be put better one day, and it is the same check still.
        .with_attribute(("name", &*clean::line(&check.id)))
        .with_attribute(("classname", class(&check.script).as_str()))
        .with_attribute(("time", seconds(finished.seconds).as_str()))
        .write_inner_content(|xml| {
            outcome(finished, xml)?;
            text("system-out", None, &description(finished), xml)
        })?;
    Ok(())
}

fn outcome(finished: &Finished, xml: &mut Xml<'_>) -> io::Result<()> {
    let reason = finished.reason.as_deref().unwrap_or_default();
    if let Some(accepted) = &finished.accepted {
        let until = accepted.until.map_or_else(String::new, |until| format!(" until {until}"));
        let message = format!("accepted{until}: {}", accepted.reason);
        return text("skipped", Some(("accepted", &message)), &details(finished), xml);
    }
    let severity = finished.check.severity.to_string();
    match finished.result {
        CheckResult::Pass => Ok(()),
        CheckResult::Skip => text("skipped", Some(("skip", reason)), "", xml),
        CheckResult::Fail => text("failure", Some((&severity, reason)), &details(finished), xml),
        result @ (CheckResult::Inconclusive | CheckResult::Error) => {
            text("error", Some((result.name(), reason)), &details(finished), xml)
        }
    }
}

/// Writes an element with a text, and with a type and a message.
fn text(name: &str, said: Option<(&str, &str)>, content: &str, xml: &mut Xml<'_>) -> io::Result<()> {
    let mut element = xml.create_element(name);
    if let Some((kind, message)) = said {
        // In an attribute a line's end would be read as a blank.
        element = element.with_attribute(("type", kind)).with_attribute(("message", &*clean::line(message)));
    }
    if content.is_empty() {
        return element.write_empty().map(drop);
    }
    element.write_text_content(BytesText::new(&clean::lines(content))).map(drop)
}

/// What it came to, and what to do about that.
fn details(finished: &Finished) -> String {
    let mut text = String::new();
    if let Some(reason) = &finished.reason {
        _ = writeln!(text, "{reason}");
    }
    if let Some(expected) = &finished.expected {
        _ = writeln!(text, "expected: {expected}");
        let found = finished.found.as_ref().map_or_else(|| "nothing".to_owned(), clean::value);
        _ = writeln!(text, "found:    {found}");
    }
    if finished.decided_at > 0 {
        _ = writeln!(text, "at:       {}:{}", finished.check.script, finished.decided_at);
    }
    for evidence in &finished.evidence {
        _ = writeln!(text, "evidence: {}", clean::value(evidence));
    }
    if let Some(remedy) = &finished.check.remedy {
        _ = writeln!(text, "remedy:   {remedy}");
    }
    text
}

/// What is known of a check whatever it came to.
fn description(finished: &Finished) -> String {
    let check = &finished.check;
    let mut text = format!("{}\n", check.title);
    _ = writeln!(text, "severity: {}", check.severity);
    _ = writeln!(text, "level:    {}", check.level);
    if !check.tags.is_empty() {
        _ = writeln!(text, "tags:     {}", check.tags.join(", "));
    }
    for (label, words) in [("about", &check.about), ("why", &check.why)] {
        if let Some(words) = words {
            _ = writeln!(text, "{:<9} {words}", format!("{label}:"));
        }
    }
    for reference in &check.refs {
        _ = writeln!(text, "see:      {reference}");
    }
    text
}

/// Returns the script as if it were a class: readers make a tree of packages from what stands between the dots.
fn class(script: &str) -> String {
    let name = script.strip_suffix(".rhai").unwrap_or(script);
    let steps: Vec<_> = name.split('/').filter(|step| !matches!(*step, "" | "." | "..")).collect();
    clean::line(&steps.join(".")).into_owned()
}

/// As the schema has it: without a sign, and three digits at most.
fn seconds(seconds: f64) -> String {
    format!("{:.3}", seconds.max(0.0))
}

struct Sums {
    tests: String,
    failures: String,
    errors: String,
    skipped: String,
}

impl Sums {
    fn of<'f>(checks: impl IntoIterator<Item = &'f Finished>) -> Self {
        let tally = Tally::of(checks);
        let errors = tally.get(CheckResult::Error) + tally.get(CheckResult::Inconclusive);
        Sums {
            tests: tally.total().to_string(),
            failures: tally.get(CheckResult::Fail).to_string(),
            errors: errors.to_string(),
            skipped: (tally.get(CheckResult::Skip) + tally.accepted).to_string(),
        }
    }
}
