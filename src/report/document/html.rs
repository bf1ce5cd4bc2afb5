//! One page that needs nothing else: no script, no font, no picture, nothing from a network. What is bad stands first and is open;
//! a choice at the top shows what came to one result alone.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::{Look, clean, order};
use crate::check::{CheckResult, Finished, Run};

const STYLE: &str = include_str!("html.css");
/// Rows that a table shows: a browser has to lay out all of them.
const MOST_ROWS: usize = 500;
/// Columns that a table shows; what has more is told value by value.
const MOST_COLUMNS: usize = 12;

/// What a check is filed under: its result, or that it is accepted.
const ACCEPTED: &str = "accepted";

/// Writes a run.
///
/// # Errors
/// What `out` says.
pub fn write(run: &Run, _: Look, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(page(run).into_string().as_bytes())
}

fn page(run: &Run) -> Markup {
    let mut checks: Vec<&Finished> = run.finished.iter().collect();
    order::worst_first(&mut checks);
    let title = format!("{} check: {}", run.program, clean::line(&run.host));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                // Even if a text were taken for markup: nothing of it would run, or be fetched.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    (about(run))
                    (choice(run))
                }
                main { (all(&checks)) }
                footer { (clean::line(run.program)) " " (clean::line(run.version)) }
            }
        }
    }
}

fn about(run: &Run) -> Markup {
    html! {
        dl.facts {
            div { dt { "Host" } dd { (clean::line(&run.host)) } }
            div { dt { "Kernel" } dd { (clean::line(&run.kernel)) } }
            div {
                dt { "Began" }
                dd { time datetime=(run.began.strftime("%FT%TZ")) { (run.began.strftime("%F %T UTC")) } }
            }
            div { dt { "Took" } dd { (format!("{:.1} s", run.took.as_secs_f64())) } }
        }
    }
}

/// The sums, each of which shows what it counts.
fn choice(run: &Run) -> Markup {
    let tally = run.tally();
    let results = [
        CheckResult::Fail,
        CheckResult::Error,
        CheckResult::Inconclusive,
        CheckResult::Pass,
        CheckResult::Skip,
    ];
    let mut sums = vec![("all", tally.total())];
    sums.extend(results.map(|result| (result.name(), tally.get(result))));
    sums.insert(4, (ACCEPTED, tally.accepted));
    html! {
        div.choice {
            fieldset {
                legend { "Show" }
                @for (name, count) in sums {
                    // What nothing came to need not be offered.
                    @if count > 0 || matches!(name, "all" | "fail" | "pass") {
                        input type="radio" name="show" id={ "show-" (name) } value=(name) checked[name == "all"];
                        label.(name) for={ "show-" (name) } { span.count { (count) } " " (name) }
                    }
                }
            }
        }
    }
}

fn all(checks: &[&Finished]) -> Markup {
    let mut ids = HashSet::new();
    html! {
        @if checks.is_empty() { p.none { "No check was run." } }
        @for finished in checks {
            (check(finished, ids.insert(finished.check.id.as_str())))
        }
    }
}

/// One check; `first` of its id, by which a link can lead to it.
fn check(finished: &Finished, first: bool) -> Markup {
    let state = if finished.accepted.is_some() { ACCEPTED } else { finished.result.name() };
    let severity = finished.check.severity.to_string();
    let id = clean::line(&finished.check.id);
    html! {
        details.check.(state) id=[first.then(|| format!("check-{id}"))] open[finished.is_trouble()] {
            summary {
                span.state { (state) }
                span.severity.(severity) { (severity) }
                span.title { (marked(&clean::line(&finished.check.title))) }
                code.id { (id) }
            }
            div.body {
                @if let Some(reason) = &finished.reason { p.reason { (marked(&clean::lines(reason))) } }
                (facts(finished))
            }
        }
    }
}

fn facts(finished: &Finished) -> Markup {
    let check = &finished.check;
    html! {
        dl {
            @if let Some(accepted) = &finished.accepted {
                dt { "Accepted" }
                dd {
                    @if let Some(until) = accepted.until { "until " (until) ": " }
                    (clean::lines(&accepted.reason))
                }
            }
            @if let Some(expected) = &finished.expected {
                dt { "Expected" } dd { (marked(&clean::lines(expected))) }
                dt { "Found" } dd { (value(finished.found.as_ref().unwrap_or(&Value::Null))) }
            }
            @if !finished.evidence.is_empty() {
                dt { "Evidence" } dd { (evidence(&finished.evidence)) }
            }
            @for (label, text) in [("About", &check.about), ("Why", &check.why), ("Remedy", &check.remedy)] {
                @if let Some(text) = text { dt { (label) } dd.text { (marked(&clean::lines(text))) } }
            }
            @if !check.refs.is_empty() {
                dt { "See" }
                dd { ul.refs { @for reference in &check.refs { li { (self::reference(reference)) } } } }
            }
            dt { "Where" } dd { code { (place(finished)) } }
            dt { "Level" }
            dd { (check.level) @for tag in &check.tags { " " span.tag { (clean::line(tag)) } } }
            dt { "Took" } dd { (format!("{:.3} s", finished.seconds)) }
        }
    }
}

fn place(finished: &Finished) -> String {
    let line = if finished.decided_at > 0 { finished.decided_at } else { finished.check.line };
    let script = clean::line(&finished.check.script);
    if line > 0 { format!("{script}:{line}") } else { script.into_owned() }
}

/// A link, if it is the address of a page; any other word might do something.
fn reference(reference: &str) -> Markup {
    let text = clean::line(reference);
    html! {
        @if super::is_address(&text) {
            a href=(text) rel="noopener noreferrer" { (text) }
        } @else {
            (text)
        }
    }
}

fn evidence(all: &[Value]) -> Markup {
    html! {
        @if columns(all).is_some() {
            (rows(all))
        } @else {
            @for one in all { div.evidence { (value(one)) } }
        }
    }
}

/// A value as it is read best: rows as a table, a list as a list, fields by name.
fn value(value: &Value) -> Markup {
    match value {
        Value::Array(items) if columns(items).is_some() => rows(items),
        Value::Array(items) if !items.is_empty() && !items.iter().any(is_nested) => html! {
            ul { @for item in items.iter().take(MOST_ROWS) { li { (plain(item)) } } }
            (more(items.len()))
        },
        Value::Object(fields) if !fields.is_empty() && !fields.values().any(is_nested) => html! {
            div.wide tabindex="0" {
                table {
                    tbody {
                        @for (name, field) in fields {
                            tr { th scope="row" { (clean::line(name)) } td { (plain(field)) } }
                        }
                    }
                }
            }
        },
        other => plain(other),
    }
}

fn rows(items: &[Value]) -> Markup {
    let columns = columns(items).unwrap_or_default();
    let shown = items.iter().filter_map(Value::as_object).take(MOST_ROWS);
    html! {
        div.wide tabindex="0" {
            table {
                thead { tr { @for name in &columns { th scope="col" { (clean::line(name)) } } } }
                tbody {
                    @for row in shown {
                        tr { @for name in &columns { td { @if let Some(cell) = row.get(*name) { (plain(cell)) } } } }
                    }
                }
            }
        }
        (more(items.len()))
    }
}

fn more(count: usize) -> Markup {
    html! {
        @if count > MOST_ROWS { p.more { "and " (count - MOST_ROWS) " more, in the other formats" } }
    }
}

/// Returns the names of the columns, if these are rows of a table.
fn columns(items: &[Value]) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    let rows: Option<Vec<&Map<String, Value>>> = items.iter().map(Value::as_object).collect();
    for row in rows? {
        for name in row.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        if names.len() > MOST_COLUMNS {
            return None;
        }
    }
    (!names.is_empty()).then_some(names)
}

fn is_nested(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn plain(value: &Value) -> Markup {
    html! {
        @match value {
            Value::Null => span.nothing { "nothing" },
            other => code { (clean::value(other)) },
        }
    }
}

/// A text, with what stands between backticks as code.
fn marked(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // One backtick has no partner: then they are none.
    let is_marked = parts.len() % 2 == 1;
    html! {
        @if is_marked {
            @for (at, part) in parts.iter().enumerate() {
                @if at % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else {
            (text)
        }
    }
}
