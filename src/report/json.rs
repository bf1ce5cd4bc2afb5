//! NDJSON: one object a line, each with a `type`.
//!
//! Numbers stay numbers, names stay as the kernel has them. JSON itself escapes
//! C0 controls only; what else could harm a terminal is escaped here too, so that
//! a line is safe to look at as it is.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::printable::hostile;
use crate::{
    event::{self, Event},
    raw,
};

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
pub(super) fn insert(object: &mut Map<String, Value>, name: &str, value: event::Value) {
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

/// Of a number of nanoseconds since 1970.
pub(super) fn timestamp(wall_ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// RFC 3339, in UTC, with nine digits: times sort as texts.
pub(super) fn time(at: Timestamp) -> Value {
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

/// A record of this type as a line. It has a time: its own, or now.
pub(super) fn line(kind: &str, fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("type".into(), kind.into());
    object.insert("time".into(), time(Timestamp::now()));
    object.extend(fields);
    safe(&Value::Object(object).to_string())
}

/// Makes JSON safe to look at. What is hostile can only stand inside of a JSON string, where `\u….` is the same character.
#[must_use]
pub fn safe(json: &str) -> String {
    if !json.chars().any(hostile) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if hostile(c) {
            // All of them are in the first plane, so one unit is enough.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
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
    fn a_line_reads_back_as_it_was_and_holds_no_control_character() {
        let text = "a\u{7f}\u{9b}\u{202e}\n\x1b\u{efff}";
        let mut fields = Map::new();
        fields.insert("text".into(), text.into());
        let line = line("print", fields);
        assert!(!line.chars().any(hostile), "{line:?}");
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], text);
        assert_eq!(back["time"].as_str().unwrap().len(), "2026-11-28T12:00:00.123456789Z".len());
        assert!(line.starts_with(r#"{"type":"print","time":"2"#) && line.contains(r"\uefff"), "{line}");
    }
}
