//! An event as a line for people.

use owo_colors::Style;

use super::{Paint, human, time_of_day};
use crate::{
    event::{Event, Value},
    probe::Mode,
    raw,
    report::{
        format::timestamp,
        printable::{printable, quoted},
    },
    template::{FieldKind, Stack},
    values::Errno,
};

/// `TIME PROBE VERDICT COMM[PID] uid=UID(USER) SUBJECT field=value …`
///
/// Each text is a word as a shell reads it ([`quoted`]), so that none can be taken for another field; a list of texts
/// is a command line. The verdict is there where the kernel might have said another: not of a probe that observes.
pub(super) fn line(event: &Event, paint: Paint) -> String {
    let word = |name: &str| quoted(&event.text(name)).into_owned();
    let uid = event.number("uid");
    let mut line = format!(
        "{} {} {}{}[{}]{}{}",
        paint.with(Style::new().dimmed(), &clock(event.number("wall_ns"))),
        paint.with(Style::new().cyan(), &quoted(event.probe())),
        verdict(event, paint).map_or_else(String::new, |verdict| verdict + " "),
        word("comm"),
        event.number("pid"),
        paint.with(Style::new().dimmed(), " uid="),
        human::name("uid", uid).unwrap_or_else(|| uid.to_string()),
    );
    let subject = event.template().subject().map_or("", |f| f.name.as_str());
    if !event.text(subject).is_empty() {
        line.push(' ');
        line.push_str(&paint.with(Style::new().bold(), &word(subject)));
    }
    for (name, value) in details(event, subject) {
        line.push_str(&paint.with(Style::new().dimmed(), &format!(" {name}=")));
        line.push_str(&value);
    }
    for stack in [Stack::Kernel, Stack::User] {
        if let Some(Value::List(frames)) = event.get(stack.field()) {
            for (index, frame) in frames.iter().enumerate() {
                let label = if index == 0 { stack.field() } else { "" };
                line.push_str(&paint.with(Style::new().dimmed(), &format!("\n  {label:6}  ")));
                line.push_str(&match frame {
                    Value::Text(name) => printable(&raw::text(name)).into_owned(),
                    other => element(other),
                });
            }
        }
    }
    line
}

/// What was decided, with the errno; nothing where nothing else could have been.
fn verdict(event: &Event, paint: Paint) -> Option<String> {
    let verdict = event.text("verdict");
    if verdict == ALLOW && event.text("mode") == Mode::Observe.to_string() {
        return None;
    }
    let shown = paint.with(style_of(&verdict), &verdict);
    let errno = event.number("errno");
    if errno == 0 {
        return Some(shown);
    }
    let name =
        Errno::from_number(errno.cast_signed()).map_or_else(|_| errno.to_string(), |errno| errno.to_string());
    Some(format!("{shown}({name})"))
}

fn style_of(verdict: &str) -> Style {
    match verdict {
        "deny" | "kill" => Style::new().red().bold(),
        "would-deny" | "would-ask" => Style::new().yellow(),
        "ask" => Style::new().yellow().bold(),
        _ => Style::new().green(),
    }
}

const ALLOW: &str = "allow";

/// What the template tells beyond the header and its subject, where it tells something: a command line first, notes
/// last. Numbers that only a machine reads are left to NDJSON.
fn details(event: &Event, subject: &str) -> Vec<(String, String)> {
    let own = event.template().own_fields().iter();
    let (lines, others): (Vec<_>, Vec<_>) = own.partition(|f| matches!(f.kind, FieldKind::Texts { .. }));
    let names = lines.iter().chain(&others).map(|f| f.name.as_str()).filter(|name| *name != subject);
    let names = names.filter(|name| !is_of_root(event, name));
    let told = event.text(subject);
    let mut details = Vec::new();
    for name in names.filter(|name| event.tells(name)) {
        let value = match event.get(name) {
            Some(Value::Text(bytes)) if raw::text(&bytes) == told => None,
            Some(value) => detail(event, name, &value),
            None => None,
        };
        details.extend(value.map(|value| (name.to_owned(), value)));
    }
    details.extend(notes(event).map(|notes| ("notes".to_owned(), notes)));
    details
}

/// That a file is root's is told where it is asked for: most are.
fn is_of_root(event: &Event, name: &str) -> bool {
    matches!(name, "file_uid" | "file_gid") && event.number(name) == 0 && event.told().is_none()
}

/// A field's value, if there is something to tell.
fn detail(event: &Event, name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Flags(names) if !names.is_empty() => Some(names.join(",")),
        Value::Text(bytes) if !bytes.is_empty() => Some(quoted(&raw::text(bytes)).into_owned()),
        Value::Name(name) => Some(name.clone()),
        Value::Bool(true) => Some("true".into()),
        Value::Address(Some(address)) => Some(address.to_string()),
        Value::Unsigned(number) => own_number(event, name, *number),
        Value::List(items) if !items.is_empty() => Some(list(items)),
        _ => None,
    }
}

/// Texts as a command line, numbers with commas between.
pub(super) fn list(items: &[Value]) -> String {
    let between = if items.iter().any(|item| matches!(item, Value::Text(_))) { " " } else { "," };
    items.iter().map(element).collect::<Vec<_>>().join(between)
}

/// What is to be noted about this event. That a probe can only observe is said at its attach, and that the decision
/// comes late is of no account where everything is allowed.
fn notes(event: &Event) -> Option<String> {
    let Some(Value::Flags(mut notes)) = event.get("notes").filter(|_| event.tells("notes")) else {
        return None;
    };
    let allowed = event.text("verdict") == ALLOW;
    notes.retain(|note| note != "audit-only" && !(allowed && note == "late"));
    (!notes.is_empty()).then(|| notes.join(","))
}

/// A number that people read: who somebody is, how large something is, a port.
fn own_number(event: &Event, name: &str, number: u64) -> Option<String> {
    let unit = event.template().field(name).and_then(|field| field.unit.as_deref());
    match unit {
        Some("port" | "bytes") if number == 0 || name.ends_with(LENGTH) => None,
        Some("port") => Some(number.to_string()),
        // A value here ends at the next blank.
        Some("bytes") => Some(human::size(number as f64).replace(' ', "")),
        Some(_) => None,
        None => human::name(name, number),
    }
}

/// How the numbers end that only say how long another field is.
const LENGTH: &str = "_length";

/// One of a list's elements.
fn element(value: &Value) -> String {
    match value {
        Value::Text(bytes) => quoted(&raw::text(bytes)).into_owned(),
        Value::Unsigned(number) => number.to_string(),
        other => printable(&format!("{other:?}")).into_owned(),
    }
}

fn clock(wall_ns: u64) -> String {
    time_of_day(timestamp(wall_ns))
}
