//! NDJSON: one object a line, each with a `type`.
//!
//! Numbers stay numbers, names stay as the kernel has them. JSON itself escapes
//! C0 controls only; what else could harm a terminal is escaped here too, so that
//! a line is safe to look at as it is.

mod summary;

use std::{fmt::Write as _, io, iter};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, json};

pub use self::summary::row as summary_row;
use super::{Lines, Renderer, timestamp};
use crate::{
    backend::Door,
    check::Finished,
    event::{self, Event},
    raw,
    report::{
        printable::hostile,
        record::{Books, Evaluated, Record},
    },
};

/// The format.
#[derive(Debug)]
pub struct Json {
    /// Of diagnostics, which are for people.
    color: bool,
    /// What time it is for the session, if it is not the system's.
    now: Option<Timestamp>,
}

impl Json {
    #[must_use]
    pub fn new(color: bool) -> Self {
        Json { color, now: None }
    }
}

impl Renderer for Json {
    fn render(&mut self, record: &Record<'_>, out: &mut dyn Lines) -> io::Result<()> {
        let stream = record.stream();
        let line = match *record {
            Record::Event(event) => self.line("event", named(&self::event(event))),
            Record::Alert { at, severity, text, event, rule } => {
                let mut fields = Map::new();
                fields.insert("time".into(), time(at));
                fields.insert("severity".into(), severity.to_string().into());
                fields.insert("text".into(), text.into());
                if let Some(rule) = rule {
                    fields.insert(rule.purpose.name().into(), rule.name.into());
                    fields.insert("attack".into(), rule.attack.into());
                }
                if let Some(event) = event {
                    fields.insert("event".into(), self::event(event).into());
                }
                self.line("alert", named(&fields))
            }
            Record::WouldSignal { pid, signal } => {
                let mut fields = Map::new();
                fields.insert("pid".into(), pid.into());
                fields.insert("signal".into(), signal.to_string().into());
                self.line("would-signal", named(&fields))
            }
            Record::Check(finished) => self.line("check", named(&object_of(finished))),
            Record::Hunted(hunted) => {
                let purpose = hunted.rule.purpose.name();
                let fields = json!({
                    purpose: hunted.rule.name,
                    "attack": hunted.rule.attack,
                    "result": hunted.result(),
                    "findings": hunted.findings,
                    "lost": hunted.lost,
                    "undecided": hunted.undecided,
                    "doubts": hunted.doubts,
                    "seconds": hunted.seconds,
                });
                self.line(purpose, named(&object_of(&fields)))
            }
            Record::Emit(fields) => self.line("emit", named(fields)),
            Record::Summary(summary) => self.line("summary", named(&summary::record(summary))),
            Record::Value(Evaluated { raw, .. }) => self.line("value", iter::once(("value", raw))),
            Record::Print(text) | Record::Help(text) => {
                self.line("print", iter::once(("text", &text.into())))
            }
            Record::Books(all) => {
                return all
                    .iter()
                    .try_for_each(|one| out.line(stream, &self.line("books", named(&books(one)))));
            }
            Record::Stats(all) => {
                return all.iter().try_for_each(|one| {
                    let mut fields = books(one);
                    fields.insert("attached".into(), one.attached.into());
                    out.line(stream, &self.line("stats", named(&fields)))
                });
            }
            Record::Note(text) | Record::Log(text) => return super::log(text, out),
            Record::Diagnostic(finding) => return super::diagnostic(finding, self.color, out),
        };
        out.line(stream, &line)
    }

    fn set_time(&mut self, now: Timestamp) {
        self.now = Some(now);
    }
}

impl Json {
    /// Writes a record of this type as a line, with its own time or the session's.
    fn line<'l>(&self, kind: &'l str, fields: impl Iterator<Item = (&'l str, &'l Value)> + Clone) -> String {
        written(&Line { kind, fields, now: self.now })
    }
}

/// Returns the line of a check.
pub fn check(finished: &Finished) -> String {
    line("check", named(&object_of(finished)))
}

/// The fields of something that is written as they are named.
fn object_of(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn books(books: &Books) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("probe".into(), books.probe.as_str().into());
    fields.insert("template".into(), books.template.as_str().into());
    fields.insert("mode".into(), books.mode.as_str().into());
    fields.insert("lease_over".into(), books.lease_over.into());
    fields.insert("tripped".into(), books.tripped.into());
    fields.insert("altered".into(), books.altered.into());
    fields.insert("door".into(), books.door.map(Door::name).into());
    fields.insert("audit_only".into(), books.audit_only().into());
    if let Ok(Value::Object(counters)) = serde_json::to_value(books.counters) {
        fields.extend(counters);
    }
    fields.insert("balanced".into(), json!(books.counters.balanced()));
    fields
}

/// An event's fields in the template's order, behind `time`, `probe` and `template`.
/// A text that is not UTF-8 is in the form of [`raw`], and all its bytes are in `FIELD_hex` besides.
#[must_use]
pub fn event(event: &Event) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("time".into(), time(timestamp(event.number("wall_ns"))));
    object.insert("probe".into(), event.probe().into());
    object.insert("template".into(), event.template().name.as_str().into());
    for (field, value) in event.fields() {
        insert(&mut object, &field.name, value);
    }
    object
}

/// Puts a value into a record; where a text of it is not UTF-8, the bytes as `NAME_hex` before it: of a list, those of
/// all its texts.
fn insert(object: &mut Map<String, Value>, name: &str, value: event::Value) {
    let is_plain = |value: &event::Value| match value {
        event::Value::Text(bytes) => raw::plain(bytes).is_some(),
        _ => true,
    };
    let whole = match &value {
        event::Value::Text(bytes) if !is_plain(&value) => Some(hex(bytes).into()),
        event::Value::List(items) if !items.iter().all(is_plain) => {
            Some(items.iter().map(item_hex).collect())
        }
        _ => None,
    };
    object.extend(whole.map(|whole| (format!("{name}_hex"), whole)));
    object.insert(name.to_owned(), self::value(value));
}

fn item_hex(item: &event::Value) -> Value {
    match item {
        event::Value::Text(bytes) => hex(bytes).into(),
        _ => Value::Null,
    }
}

/// RFC 3339, in UTC, with nine digits: times sort as texts.
fn time(at: Timestamp) -> Value {
    format!("{at:.9}").into()
}

pub(super) fn value(value: event::Value) -> Value {
    match value {
        event::Value::Unsigned(n) => n.into(),
        event::Value::Signed(n) => n.into(),
        event::Value::Bool(b) => b.into(),
        event::Value::Text(bytes) => raw::text(&bytes).into(),
        event::Value::Flags(names) => names.into(),
        event::Value::Name(name) => name.into(),
        event::Value::Address(address) => address.map(|a| a.to_string()).unwrap_or_default().into(),
        event::Value::Device { major, minor } => json!(format!("{major}:{minor}")),
        event::Value::List(items) => items.into_iter().map(self::value).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes an object, safe to look at.
pub(super) fn object(fields: &Map<String, Value>) -> String {
    made_safe(serde_json::to_string(fields).unwrap_or_default())
}

/// The fields of an object by their names.
fn named(fields: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> + Clone {
    fields.iter().map(|(name, value)| (name.as_str(), value))
}

/// Writes a record of this type as a line. It has a time: its own, or now.
fn line<'l>(kind: &'l str, fields: impl Iterator<Item = (&'l str, &'l Value)> + Clone) -> String {
    written(&Line { kind, fields, now: None })
}

fn written(line: &impl Serialize) -> String {
    made_safe(serde_json::to_string(line).unwrap_or_default())
}

/// Writes a record that no session has, of this type, as a line.
#[must_use]
pub fn line_of(kind: &str, fields: &Map<String, Value>) -> String {
    line(kind, named(fields))
}

/// Type and time come first, whoever has set them, then the fields in their order.
struct Line<'l, F> {
    kind: &'l str,
    fields: F,
    now: Option<Timestamp>,
}

impl<'l, F: Iterator<Item = (&'l str, &'l Value)> + Clone> Serialize for Line<'l, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = |name| self.fields.clone().find(|(own, _)| *own == name).map(|(_, value)| value);
        let mut line = serializer.serialize_map(None)?;
        match own("type") {
            Some(kind) => line.serialize_entry("type", kind)?,
            None => line.serialize_entry("type", self.kind)?,
        }
        match own("time") {
            Some(time) => line.serialize_entry("time", time)?,
            None => line.serialize_entry("time", &time(self.now.unwrap_or_else(Timestamp::now)))?,
        }
        for (name, value) in self.fields.clone().filter(|(name, _)| !matches!(*name, "type" | "time")) {
            line.serialize_entry(name, value)?;
        }
        line.end()
    }
}

/// Makes JSON safe to look at. What is hostile can only stand inside of a JSON string, where `\u….` is the same character.
#[must_use]
pub fn safe(json: &str) -> String {
    made_safe(json.to_owned())
}

fn made_safe(json: String) -> String {
    if !json.chars().any(hostile) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if hostile(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_a_byte_differ_and_have_all_their_bytes() {
        let text = |bytes: &[u8]| event::Value::Text(bytes.to_vec());
        let mut object = Map::new();
        insert(&mut object, "path", text(b"/tmp/a\xff"));
        insert(&mut object, "exe", text("/tmp/ä".as_bytes()));
        insert(&mut object, "argv", event::Value::List(vec![text(b"ls"), text(b"\xfe")]));
        assert_eq!(
            Value::Object(object),
            json!({
                "path_hex": "2f746d702f61ff", "path": "/tmp/a\u{efff}", "exe": "/tmp/ä",
                "argv_hex": ["6c73", "fe"], "argv": ["ls", "\u{effe}"],
            })
        );
    }

    #[test]
    fn type_and_time_stand_first_and_are_the_records_own_if_it_has_them() {
        let fields = |fields: Value| line("emit", named(fields.as_object().unwrap()));
        assert_eq!(
            fields(json!({ "a": 1, "time": "then", "b": "\u{9b}" })),
            r#"{"type":"emit","time":"then","a":1,"b":"\u009b"}"#
        );
        assert_eq!(fields(json!({ "time": 0, "type": "own" })), r#"{"type":"own","time":0}"#);
        assert!(fields(json!({ "a": 1 })).starts_with(r#"{"type":"emit","time":"2"#));
    }

    #[test]
    fn a_line_reads_back_as_it_was_and_holds_no_control_character() {
        let text = "a\u{7f}\u{9b}\u{202e}\n\x1b\u{efff}\u{e0041}";
        let mut fields = Map::new();
        fields.insert("text".into(), text.into());
        let line = line("print", named(&fields));
        assert!(!line.chars().any(hostile), "{line:?}");
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], text);
        assert_eq!(back["time"].as_str().unwrap().len(), "2026-11-28T12:00:00.123456789Z".len());
        assert!(line.starts_with(r#"{"type":"print","time":"2"#) && line.contains(r"\uefff"), "{line}");
    }
}
