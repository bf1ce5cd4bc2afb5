//! What an operation is about: its arguments, checked before a process is asked to do it.

use std::ffi::CString;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::{raw, values::nearest};

/// One argument, as a script gives it; texts are in the form of [`crate::raw`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(i64),
    Text(String),
}

/// What an argument may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A path from the root.
    Path,
    Text,
    /// A number within these bounds.
    Number(i64, i64),
    /// One of these.
    Word(&'static [&'static str]),
}

/// One parameter of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    /// What it is if it is left out; `None` if it may not be.
    pub default: Option<&'static str>,
}

/// Arguments of an operation, as many as it has parameters and each of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments(Vec<Value>);

/// Why arguments are not those of an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    #[error("`{operation}` takes {usage}, and nothing more")]
    TooMany { operation: &'static str, usage: String },
    #[error("`{operation}` needs `{param}`: {usage}")]
    Missing { operation: &'static str, param: &'static str, usage: String },
    #[error("`{param}` of `{operation}` is {expected}, not {given}")]
    Kind { operation: &'static str, param: &'static str, expected: String, given: String },
}

/// Why an operation gives no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// What the kernel has answered.
    Errno(Errno),
    /// It was not asked: with what is there, its permission would do harm, or mean nothing.
    NotAttempted(String),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Errno(errno)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Failure::Errno(Errno::from_raw(number)),
            None => Failure::NotAttempted(error.to_string()),
        }
    }
}

impl Kind {
    fn expected(self) -> String {
        match self {
            Kind::Path => "a path that begins with `/`".into(),
            Kind::Text => "a string".into(),
            Kind::Number(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
        }
    }

    fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Path, Value::Text(text)) => text.starts_with('/') && !text.contains('\0'),
            (Kind::Text, Value::Text(text)) => !text.contains('\0'),
            (Kind::Number(least, most), Value::Number(number)) => (least..=most).contains(number),
            (Kind::Word(words), Value::Text(text)) => words.contains(&text.as_str()),
            _ => false,
        }
    }

    fn default(self, word: &str) -> Value {
        match self {
            Kind::Number(..) => Value::Number(word.parse().unwrap_or_default()),
            _ => Value::Text(word.to_owned()),
        }
    }
}

/// Returns how a call is written: `open(path, access = "r")`.
pub fn usage(operation: &str, params: &[Param]) -> String {
    let param = |param: &Param| match (param.kind, param.default) {
        (_, None) => param.name.to_owned(),
        (Kind::Number(..), Some(default)) => format!("{} = {default}", param.name),
        (_, Some(default)) => format!("{} = \"{default}\"", param.name),
    };
    format!("{operation}({})", params.iter().map(param).collect::<Vec<_>>().join(", "))
}

impl Arguments {
    /// Checks what is given against parameters, and fills in what is left out.
    pub fn new(operation: &'static str, params: &[Param], given: Vec<Value>) -> Result<Self, ArgumentsError> {
        if given.len() > params.len() {
            return Err(ArgumentsError::TooMany { operation, usage: usage(operation, params) });
        }
        let mut given = given.into_iter();
        let one = |param: &Param| {
            let value = match (given.next(), param.default) {
                (Some(value), _) => value,
                (None, Some(default)) => param.kind.default(default),
                (None, None) => {
                    let usage = usage(operation, params);
                    return Err(ArgumentsError::Missing { operation, param: param.name, usage });
                }
            };
            if param.kind.accepts(&value) {
                return Ok(value);
            }
            let given = match &value {
                Value::Number(number) => number.to_string(),
                Value::Text(text) => {
                    let words: &[&str] = if let Kind::Word(words) = param.kind { words } else { &[] };
                    let near = nearest(text, words.iter().copied());
                    let near = near.map_or_else(String::new, |near| format!(" (did you mean \"{near}\"?)"));
                    format!("{}{near}", raw::literal(text))
                }
            };
            let expected = param.kind.expected();
            Err(ArgumentsError::Kind { operation, param: param.name, expected, given })
        };
        params.iter().map(one).collect::<Result<_, _>>().map(Arguments)
    }

    /// Returns a text; of a number there is none.
    pub fn text(&self, at: usize) -> &str {
        if let Some(Value::Text(text)) = self.0.get(at) { text } else { "" }
    }

    /// Returns a number; a text is none.
    pub fn number(&self, at: usize) -> i64 {
        if let Some(Value::Number(number)) = self.0.get(at) { *number } else { 0 }
    }

    /// Returns a path as the kernel wants it.
    pub fn path(&self, at: usize) -> CString {
        // It has no NUL byte: that was checked.
        CString::new(raw::bytes(self.text(at)).into_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &[Param] = &[
        Param { name: "path", kind: Kind::Path, default: None },
        Param { name: "access", kind: Kind::Word(&["r", "w", "rw"]), default: Some("r") },
        Param { name: "count", kind: Kind::Number(0, 9), default: Some("3") },
    ];

    fn parsed(given: &[Value]) -> Result<Arguments, String> {
        Arguments::new("open", PARAMS, given.to_vec()).map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let arguments = parsed(&[text("/a")]).unwrap();
        assert_eq!((arguments.text(0), arguments.text(1), arguments.number(2)), ("/a", "r", 3));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |given: &[Value]| parsed(given).unwrap_err();
        assert_eq!(refused(&[]), "`open` needs `path`: open(path, access = \"r\", count = 3)");
        assert!(refused(&[text("a")]).contains("not \"a\""));
        assert!(refused(&[text("/a\0")]).contains("begins with `/`"));
        assert!(refused(&[text("/a"), text("r"), Value::Number(10)]).contains("from 0 to 9, not 10"));
        assert!(refused(&[text("/a"), text("x")]).contains("one of r, w, rw, not \"x\""));
        assert!(refused(&[text("/a"), text("r"), Value::Number(1), text("b")]).contains("nothing more"));
    }
}
