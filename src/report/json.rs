//! NDJSON: one object a line, each with a `type`.
//!
//! Numbers stay numbers, names stay as the kernel has them. JSON itself escapes
//! C0 controls only; what else could harm a terminal is escaped here too, so that
//! a line is safe to look at as it is.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::printable::hostile;
use crate::event::{self, Event};

/// An event's fields in the template's order, behind `probe` and `template`.
/// Text that is not UTF-8 is shown with U+FFFD, and whole as `FIELD_hex`.
#[must_use]
pub fn event(event: &Event) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("probe".into(), event.probe().into());
    object.insert("template".into(), event.template().name.as_str().into());
    for (field, value) in event.fields() {
        if let event::Value::Text(bytes) = &value
            && std::str::from_utf8(bytes).is_err()
        {
            object.insert(format!("{}_hex", field.name), hex(bytes).into());
        }
        object.insert(field.name.clone(), self::value(value));
    }
    object
}

pub(super) fn value(value: event::Value) -> Value {
    match value {
        event::Value::Unsigned(n) => n.into(),
        event::Value::Signed(n) => n.into(),
        event::Value::Bool(b) => b.into(),
        event::Value::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
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

/// A record of this type as a line.
pub(super) fn line(kind: &str, fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("type".into(), kind.into());
    object.extend(fields);
    safe(&Value::Object(object).to_string())
}

/// What is hostile can only stand inside of a JSON string, where `\u….` is the same character.
pub(super) fn safe(json: &str) -> String {
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
    fn a_line_reads_back_as_it_was_and_holds_no_control_character() {
        let text = "a\u{7f}\u{9b}\u{202e}\n\x1b";
        let mut fields = Map::new();
        fields.insert("text".into(), text.into());
        let line = line("print", fields);
        assert!(!line.chars().any(hostile), "{line:?}");
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], text);
        assert!(line.starts_with(r#"{"type":"print","#));
    }
}
