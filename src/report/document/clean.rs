//! Texts of scripts, and of what they have looked at, as a document may carry them: no control character, nothing that turns
//! the direction of the text around it, and nothing that XML, YAML or HTML forbid, however it is escaped.
//!
//! What is taken out stays readable: `\u{1b}`, `\xff`.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::Value;

use crate::report::{
    format::json,
    printable::{printable, printable_lines},
};

/// Returns a text that may have several lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    without_noncharacters(printable_lines(text))
}

/// Returns a text in one line.
pub fn line(text: &str) -> Cow<'_, str> {
    without_noncharacters(printable(text))
}

/// Returns a value as a person reads it: a text by itself, anything else as JSON.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => lines(text).into_owned(),
        other => lines(&other.to_string()).into_owned(),
    }
}

/// Returns a value as JSON that is YAML too: in JSON a text may hold what YAML must not, unless it is escaped.
pub fn json(value: &Value) -> String {
    let mut text = json::safe(&value.to_string());
    // Beyond the first plane YAML takes them.
    for c in ['\u{fffe}', '\u{ffff}'] {
        if text.contains(c) {
            text = text.replace(c, &format!("\\u{:04x}", u32::from(c)));
        }
    }
    text
}

/// Returns a whole JSON document in lines, safe to look at.
pub fn document(value: &Value) -> String {
    // Line by line: what is made safe has no line's end. Indented, there is one between the values only.
    let lines: Vec<_> = format!("{value:#}").lines().map(json::safe).collect();
    lines.join("\n")
}

fn without_noncharacters(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(is_noncharacter) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_noncharacter(c) {
            _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Code points that Unicode keeps for a program's own use: XML forbids two of them, HTML all.
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_format_may_carry_is_written_out() {
        assert_eq!(
            lines("a\n\tb\u{0}\u{fffe}\u{1ffff}\u{fdd0}é"),
            "a\n\tb\\u{0}\\u{fffe}\\u{1ffff}\\u{fdd0}é"
        );
        assert_eq!(line("a\nb"), "a\\nb");
        assert_eq!(document(&serde_json::json!({"a": "\n\u{85}"})), "{\n  \"a\": \"\\n\\u0085\"\n}");
        assert_eq!(json(&Value::from("\u{ffff}\n\u{7f}")), r#""\uffff\n\u007f""#);
    }
}
